"""Records of runs with made-up numbers, in the form that `record.execute` writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blurvae.record import Run
from blurvae.record.encode import encode
from blurvae.record.formats import FORMAT
from blurvae.record.run import outcome


def write(
    out: Path,
    run: Run,
    metrics: Mapping[str, Mapping[str, Any]],
    history: Iterable[Mapping[str, Any]] = (),
    **changes: Any,
) -> Path:
    """Writes the record of a run below a folder of results, fields of it replaced by `changes`; returns its file."""
    record = {
        "format": FORMAT,
        "run": encode(run),
        "outcome": outcome(dict(metrics)),
        "data": {"name": run.data, "label": run.data, "checksum": 64 * "0", "n_train": 64, "n_test": 32},
        "parameters": {},
        "metrics": dict(metrics),
        "history": list(history),
        "provenance": {"device": "CPU", "precision": "float32", "commit": "abc", "seconds": 1.0},
    }
    file = run.path(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record | changes))
    return file


def write_diverged(out: Path, run: Run, epoch: int = 1) -> Path:
    """Writes the record of a run whose training diverged."""
    what = {"state": "diverged", "epoch": epoch, "why": f"Training diverged at step 9 (epoch {epoch}): kl is nan"}
    return write(out, run, {}, [{"epoch": k, "phase": "train", "kl": 1.0} for k in range(1, epoch)], outcome=what)
