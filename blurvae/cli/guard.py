"""What every command shares: the package's errors end in one sentence and an exit code."""

from __future__ import annotations

import errno
import functools
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turns the package's exceptions into one line on stderr and an exit code."""
    codes: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
        ((MissingData, MissingWeights), 3),
        (CorruptFile, 4),
        (Diverged, 5),
        (OSError, 6),
        (ValueError, 2),
    )

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warned
                command(*args, **kwargs)
        except BrokenPipeError:  # the reader of a pipe has seen enough
            sys.stdout = open(os.devnull, "w")
        except KeyboardInterrupt:
            typer.echo(f"blurvae: interrupted{AGAIN.get(command.__name__, '')}.", err=True)
            raise typer.Exit(130) from None
        except (ValueError, OSError, Diverged) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOMEM:
                raise _full(error) from None
            typer.echo(f"blurvae: {sentence(error)}", err=True)
            raise typer.Exit(next(code for kind, code in codes if isinstance(error, kind))) from None
        except ImportError as error:
            way = "install the book's packages with `pip install -e '.[book]'` in the checkout"
            typer.echo(f"blurvae: the package {error.name} is not here: {way}.", err=True)
            raise typer.Exit(2) from None
        except (MemoryError, RuntimeError) as error:
            if not (isinstance(error, MemoryError) or any(sign in str(error) for sign in FULL)):
                raise  # a fault of the program or of the machine, which its own words and trace tell best
            raise _full(error) from None

    return run


def _warned(message: Warning | str, category: type[Warning], filename: str, *where: Any, **more: Any) -> None:
    """Says a warning of this package as a sentence, without the line of the program that gave it."""
    if category is UserWarning and Path(filename).is_relative_to(PACKAGE):
        typer.echo(f"blurvae: {message}", err=True)
    else:
        _show(message, category, filename, *where, **more)


PACKAGE = Path(__file__).parents[1]
_show = warnings.showwarning
AGAIN = {  # how an interrupted command goes on
    "run": "; the same command with --resume goes on from the last checkpoint",
}

# torch's words where memory is full: its own allocators', CUDA's and those of CUDA's libraries.
FULL = ("DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def _full(error: Exception) -> typer.Exit:
    """Says that memory is full, with the first of the error's own words."""
    said = f" ({str(error).splitlines()[0].rstrip('.')})" if str(error) else ""
    way = "lower batch_size, widths, hidden or n_train, or take a smaller picture"
    typer.echo(f"blurvae: the memory does not suffice{said}: {way}.", err=True)
    return typer.Exit(2)


def sentence(error: Exception) -> str:
    """What an error says; the system's own say which file, and get the way out added."""
    if isinstance(error, OSError) and error.filename:
        reason = (error.strerror or type(error).__name__).lower()
        return f"{error.filename}: {reason}: name another path, or see to its permissions and free space."
    return str(error)


def without_traces() -> None:
    """Keeps torch from tracing a lost connection, of which Team makes a sentence: it asks when it is imported."""
    if "SLURM_STEP_ID" in os.environ:  # torchrun's connection outlives its processes
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
