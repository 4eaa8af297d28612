"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blurvae.text import to_json


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file beside its place, then renames it: a reader sees the old file or the whole new one.

    Raises:
        OSError: it cannot be written, on a full disk for instance; the error names the file.
    """
    from safetensors import SafetensorError

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise OSError(errno.EIO, f"Cannot be written whole ({error})", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON as `write_atomically` writes a file, in the form of `text.to_json`."""
    text = to_json(value) + "\n"
    write_atomically(path, lambda file: file.write_text(text))
