"""The parts that time the package around the training: its import and the pages of the book."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from blurvae import paths
from blurvae.bench.clock import NotRun
from blurvae.bench.parts.plan import Plan, absent, installed

IMPORTS = {
    "torch": "import torch",
    "blurvae": "import blurvae",
    "blurvae with its parts": "from blurvae import blur, datasets, losses, metrics, models, systems, train",
}


def imports(plan: Plan) -> dict[str, Any]:
    """Seconds of an import in a fresh interpreter, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(1 if plan.quick else 7):
        for name, statement in IMPORTS.items():
            code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            seconds[name].append(float(done.stdout))
    found: dict[str, Any] = {name: {"best": min(s), "median": median(s), "rounds": s} for name, s in seconds.items()}
    for name in list(IMPORTS)[1:]:
        found[name]["times_torch"] = found[name]["best"] / found["torch"]["best"]
    return found


def html(plan: Plan) -> dict[str, Any]:
    """How long the pages take to build (what `make html` does), into a folder that is thrown away."""
    if plan.quick:
        raise NotRun("left out of the quick benchmark")
    if not installed("jupyter_book"):
        raise NotRun(absent("jupyter-book")["not_run"])
    with TemporaryDirectory() as folder:
        code = (
            "from pathlib import Path; from blurvae import notebook; "
            f"notebook.build_html(notebook.copy_sources(Path({folder!r}) / 'src'), Path({folder!r}) / 'html')"
        )
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.root())
        spent = time.perf_counter() - started
        if done.returncode:
            raise NotRun(f"the pages did not build: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        pages = sum(1 for _ in Path(folder, "html").rglob("*.html"))
    return {"seconds": spent, "pages": pages}
