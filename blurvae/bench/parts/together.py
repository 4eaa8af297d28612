"""The part that times several trainings in one process, a step of each in turn, at one GPU."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from blurvae.bench.clock import NotRun, Stop, synchronise
from blurvae.bench.loops import FOREVER, Job
from blurvae.bench.parts.plan import Plan
from blurvae.bench.processes import alone, prepare
from blurvae.train import State, Training
from blurvae.train.side_by_side import in_turn

SIZES = (32, 64)  # px
WIDTHS = (1, 2, 4, 8, 16)  # trainings at a time
WARM = 10  # steps of each before the clock starts: moves are captured by then


def side_by_side(plan: Plan) -> dict[str, Any]:
    """Images a second of all trainings together, by image size and number of trainings, with and without graphs."""
    if not plan.on_gpu:
        raise NotRun("there is no GPU here; on a CPU trainings in turn gain nothing over one after another")
    prepare()
    found: dict[str, Any] = {}
    for size in SIZES:
        for graphs in (False, True):
            job = replace(plan.job, size=size, batch=64, graphs=graphs, compile=False)
            rows = {str(width): alone(together, job, width, plan.timing.seconds) for width in WIDTHS}
            found.setdefault(str(size), {})["graphs" if graphs else "Python"] = rows
    return found


def together(job: Job, width: int, seconds: float) -> dict[str, Any]:
    """So many trainings of a job in turn, for so long: images a second in all, and memory."""
    device = torch.device(job.device)
    data, steps, started = job.data(), 0, 0.0

    def look(_: State) -> None:
        nonlocal steps, started
        steps += 1
        if steps == WARM * width:
            synchronise(device)
            started = time.perf_counter()
        elif steps > WARM * width and steps % width == 0 and time.perf_counter() - started > seconds:
            synchronise(device)
            raise Stop

    def start(seed: int) -> Training[Any]:
        budget = replace(job.budget(FOREVER), seed=seed)
        return Training(job.system(), job.players(), data, budget, device=job.device, callback=look, graphs=job.graphs)

    try:
        for _ in in_turn([partial(start, seed) for seed in range(width)], width):
            pass
    except Stop:
        pass
    spent = time.perf_counter() - started
    memory = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
    return {"images_per_second": (steps - WARM * width) * job.batch / spent, "memory": memory}
