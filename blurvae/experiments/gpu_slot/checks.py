"""What a slot looks at before any run: the tests that need a GPU, and what the machine can do at most."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from blurvae import paths

MARK = "pytest.mark.gpu"
PART = "log-determinant"  # of the benchmark: seconds, where a comparison of training steps takes minutes


def gpu_tests(device: str, limit: float) -> str:
    """What the tests that are marked `gpu` say, or the sentence why they were not run.

    Args:
        device: "cuda" or "cpu".
        limit: seconds after which they are ended.
    """
    if device != "cuda":
        return "not run: this machine has no GPU that torch can use, or was told not to use it"
    if find_spec("pytest") is None:
        return "not run: pytest is not installed (pip install pytest)"
    folder = paths.root() / "tests"
    files = [str(file) for file in sorted(folder.glob("test_*.py")) if MARK in file.read_text(encoding="utf-8")]
    if not files:
        return f"not run: no test below {folder.name} is marked gpu"
    # Their own settings load plugins, and conftest.py packages, that a bare machine does not have.
    command = ["-m", "pytest", "-q", "-rfEs", "-m", "gpu", "-o", "addopts=", "-p", "no:cacheprovider", "--noconftest"]
    return _run([*command, "--continue-on-collection-errors", *files], limit)


def bench(device: str, limit: float, out: Path) -> str:
    """Measures the ceilings and one part of `blurvae.bench` into a JSON file; the sentence that says how it went.

    Args:
        device: "cuda" or "cpu", where everything is tiny.
        limit: seconds after which it is ended; the file has what was measured until then.
        out: the file.
    """
    command = ["-m", "blurvae.bench", "--device", device, "--only", PART, "--out", str(out.absolute())]
    return _run([*command, *(["--quick"] if device == "cpu" else [])], limit)


def _run(arguments: list[str], limit: float) -> str:
    """What a Python of its own says until it ends, or is ended."""
    command = [sys.executable, *arguments]
    options = {"cwd": paths.root(), "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command, stdout=subprocess.PIPE, errors="replace", timeout=limit, check=False, **options
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        return f"{said}\nended after {limit:.0f} s, which is all the time it had"
    except OSError as error:
        return f"not run: {error}"
    return f"{done.stdout}\nexit code {done.returncode}"
