"""The part that times the evaluation of a training, from PSNR to the Fréchet distance, as each run has one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch

from blurvae.bench.clock import synchronise
from blurvae.bench.loops import Job
from blurvae.bench.parts.plan import Plan
from blurvae.bench.processes import alone, prepare
from blurvae.evaluation import VAEEvaluation
from blurvae.train.stage import named


def evaluation(plan: Plan) -> dict[str, Any]:
    """Seconds for 10,000 images of 32 px, 500 on a CPU: the first time in a process, and the second.

    Metrics whose network is not on the machine are no part of it, and counted.
    """
    prepare()
    images = 64 if plan.quick else 10_000 if plan.on_gpu else 500
    job = replace(plan.job, size=32, images=images)
    return {"images": images} | alone(_evaluated, job)


@torch.no_grad()
def _evaluated(job: Job) -> dict[str, Any]:
    device, data, players = torch.device(job.device), job.data(), job.players()
    for net in named(players).values():
        net.to(device).to(memory_format=torch.channels_last).eval()
    of = VAEEvaluation(job.system(), job.budget(1), data, data, device)
    if of.watch is not None:
        of.watch(1, players)  # as after the only epoch: its pictures are asked for at the end
    found: dict[str, Any] = {}
    for name in ("first", "seconds"):
        synchronise(device)
        started = time.perf_counter()
        metrics = of.measure(players).metrics
        synchronise(device)
        found[name] = time.perf_counter() - started
    return found | {"absent": sum("state" in entry for entry in metrics.values()), "metrics": len(metrics)}
