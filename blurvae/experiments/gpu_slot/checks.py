"""What a slot looks at before any run: the tests that need a GPU, and what the machine can do at most."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blurvae import paths
from blurvae.record import Run
from blurvae.record.encode import encode

MARK = "pytest.mark.gpu"
GRAPHS = "test_train_gpu.py"  # the tests of CUDA graphs and of trainings side by side
ENDED = "ended after"
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
    files = [file for file in sorted(folder.glob("test_*.py")) if MARK in file.read_text(encoding="utf-8")]
    files.sort(key=lambda file: file.name != GRAPHS)  # first what decides how runs are made
    if not files:
        return f"not run: no test below {folder.name} is marked gpu"
    # Their own settings load plugins, and conftest.py packages, that a bare machine does not have.
    command = ["-m", "pytest", "-v", "--tb=short", "-m", "gpu", "-o", "addopts=", "-p", "no:cacheprovider"]
    return _run([*command, "--noconftest", "--continue-on-collection-errors", *map(str, files)], limit)


def graphs_hold(said: str) -> tuple[frozenset[str], bool]:
    """Of which systems and terms GPU tests have shown that they can be captured, and whether side by side.

    Args:
        said: what `gpu_tests` returned, maybe cut off.

    Returns:
        (names of systems and terms, side by side): of each all tests of captured moves that ended must have passed, one
        at least; that of trainings side by side must not have failed.
    """
    ended = re.findall(rf"{GRAPHS}::test_captured_\w+\[([^:\]]+).*\] (PASSED|FAILED|ERROR|SKIPPED)", said)
    wrong = {name for name, outcome in ended if outcome != "PASSED"}
    held = frozenset(name for name, _ in ended) - wrong
    return held, bool(held) and not re.search(rf"{GRAPHS}::\w*side_by_side\w* (FAILED|ERROR)", said)


def parts(run: Run) -> frozenset[str]:
    """The names of a run's system and of the terms that it has: what a graph of it is made of."""
    return frozenset(_names(encode(run.system)))


def _names(record: Any) -> Iterator[str]:
    """The names in an encoded record: only systems and terms have any."""
    if isinstance(record, dict):
        if "name" in record:
            yield record["name"]
        record = [*record.values()]
    if isinstance(record, list):
        for part in record:
            yield from _names(part)


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
    try:
        done = subprocess.run(
            command,
            cwd=paths.root(),
            env=os.environ | {"PYTHONUNBUFFERED": "1"},  # what was said before the end counts
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        return f"{said}\n{ENDED} {limit:.0f} s, which is all the time it had"
    except OSError as error:
        return f"not run: {error}"
    return f"{done.stdout}\nexit code {done.returncode}"
