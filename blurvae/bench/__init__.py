"""What a training step costs, measured side by side on this machine: `blurvae bench`.

It needs torch, numpy, safetensors and tqdm: `python -m blurvae.bench` runs on a bare GPU machine. A comparison whose
other side is not installed, or that this machine cannot make, says so instead of a figure.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from blurvae.bench import parts
from blurvae.bench.clock import NotRun, cores
from blurvae.bench.parts import PARTS
from blurvae.bench.parts.ceilings import ceilings
from blurvae.bench.parts.plan import plan
from blurvae.bench.processes import Launcher, alone
from blurvae.bench.report import render
from blurvae.bench.targets import targets
from blurvae.files import write_json
from blurvae.machine import choose_device, choose_precision
from blurvae.provenance import commit, device_name, versions

__all__ = ["PARTS", "render", "run"]

FORMAT = 1
PACKAGES = ("blurvae", "torch", "numpy", "pythae", "focal-frequency-loss", "jupyter-book")


def run(
    device: str = "auto",
    only: Iterable[str] = (),
    *,
    quick: bool = False,
    compile: bool = False,
    out: Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Measures the machine's ceilings, then each part, and compares the figures with the targets.

    Args:
        device: "auto", "cpu" or "cuda".
        only: names of parts, all where empty.
        quick: tiny networks and few repetitions, to see that it works; the figures mean nothing.
        compile: let `torch.compile` fuse our steps in every part.
        out: file for the JSON, or a folder for `<device>.json`; written after each part, so that nothing is lost.
        progress: a line on stderr before each part.

    Returns:
        The record: `machine`, `versions`, `commit`, `load` (averages at the start and the end), `ceilings`, `parts`,
        `spent` (seconds of each part and the load before it), `targets`. In the place of a figure that could not be
        measured stands {"not_run": reason}.

    Raises:
        ValueError: an unknown part, or a device that is not there.
        OSError: the file cannot be written.
    """
    chosen = list(dict.fromkeys(only)) or list(PARTS)
    for name in chosen:
        if name not in PARTS:
            raise ValueError(f"The benchmark has no part {name!r}: choose of {', '.join(PARTS)}.")
    where = choose_device(device)
    precision = choose_precision("auto", where)
    record: dict[str, Any] = {
        "format": FORMAT,
        "device": where.type,
        "precision": precision,
        "quick": quick,
        "compile": compile,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": versions(*PACKAGES),
        "machine": {},
        "load": {"start": _load(), "end": _load()},
        "seconds": 0.0,
        "ceilings": {},
        "parts": {},
        "spent": {},
        "targets": [],
    }
    file = None if out is None else out if out.suffix == ".json" else out / f"{where.type}.json"

    def save() -> None:
        record["seconds"] = time.monotonic() - started
        record["load"]["end"] = _load()
        record["targets"] = targets(record)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, record)

    started = time.monotonic()
    save()  # a place that cannot be written is named before any work
    work = plan(where.type, precision, quick, compile)
    with Launcher(parts.__name__) as call:

        def attempt(part: Callable[..., dict[str, Any]], *arguments: Any) -> Any:
            try:
                return call(part, *arguments)
            except NotRun as error:
                return {"not_run": str(error)}

        record["machine"] = attempt(alone, _machine, where.type)
        record["ceilings"] = attempt(ceilings, work)
        save()
        work = replace(work, ceilings=record["ceilings"])
        for name in chosen:
            if progress:
                print(f"[{time.monotonic() - started:4.0f} s] {name} …", file=sys.stderr, flush=True)
            begun, load = time.monotonic(), _load()
            record["parts"][name] = attempt(PARTS[name], work)
            record["spent"][name] = {"seconds": time.monotonic() - begun, "load_before": load}
            save()
    return record


def _load() -> list[float] | None:
    """The load averages of 1, 5 and 15 minutes, None where the system has none."""
    try:
        return list(os.getloadavg())
    except (OSError, AttributeError):
        return None


def _machine(device: str) -> dict[str, Any]:
    """The machine as a measuring process sees it."""
    where = torch.device(device)
    gpu = torch.cuda.get_device_properties(where).total_memory if where.type == "cuda" else None
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "name": device_name(where),
        "processor": device_name(torch.device("cpu")),
        "cores": cores(),
        "memory": memory,
        "gpu_memory": gpu,
        "system": platform.platform(),
    }
