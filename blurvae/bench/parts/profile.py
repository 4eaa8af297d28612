"""The part that says where the time of a step goes."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import torch

from blurvae.bench import counts, loops
from blurvae.bench.clock import NotRun, synchronise
from blurvae.bench.loops import Job
from blurvae.bench.parts.plan import Plan
from blurvae.bench.processes import alone, prepare

GROUPS = (
    ("convolutions and matrix products", r"conv|addmm|aten::mm|bmm|matmul|linear"),
    ("batch norm", r"batch_norm"),
    ("Fourier transforms", r"fft"),
    ("optimiser", r"adam|optimizer|_foreach"),
    ("copies and conversions", r"copy|clone|contiguous|aten::to\b|index|cat|stack|aten::set_|select|slice|pad"),
    ("sums", r"aten::sum|mean|softmax"),
    ("random numbers", r"randn|normal_|randperm|random_"),
    ("element by element", r"aten::"),
)


def profile(plan: Plan) -> dict[str, Any]:
    """Where the time of a step goes, ours and the plain loop's, by torch's profiler (which slows a step itself)."""
    prepare()
    job = replace(plan.job, batch=plan.batches[0])
    found: dict[str, Any] = {"batch": job.batch}
    steps = 20 if plan.on_gpu and not plan.quick else 2
    for name in ("ours", "eager"):
        try:
            seconds, operators = alone(_profile, name, job, plan.timing.warm_up, steps)
        except NotRun as error:
            found[name] = {"not_run": str(error)}
            continue
        groups: dict[str, float] = {}
        for operator in operators:
            group = next((title for title, words in GROUPS if re.search(words, operator["name"], re.I)), "other")
            groups[group] = groups.get(group, 0.0) + operator["seconds"]
        groups["between operators"] = max(0.0, seconds - sum(groups.values()))
        precision = job.precision if name == "ours" else "tf32" if plan.on_gpu else "float32"
        flop, products = alone(counts.flop, job) * job.batch, groups.get(GROUPS[0][0], 0.0)
        found[name] = {
            "seconds_a_step": seconds,
            "groups": dict(sorted(groups.items(), key=lambda item: -item[1])),
            "operators": operators[:20],
            "products_share_of_arithmetic": flop / products / plan.ceilings[precision]["matrix_product"]["best"]
            if products
            else None,
        }
    return found


class _Profiled(Exception):
    """Enough steps were seen."""


def _profile(name: str, job: Job, warm_up: int, steps: int) -> tuple[float, list[dict[str, Any]]]:
    """(seconds, operators) of a step: the wall's, and those of each operator without what it called."""
    where = torch.device(job.device)
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if where.type == "cuda" else []
    profiler = torch.profiler.profile(activities=activities)
    count, started, seconds = 0, 0.0, 0.0

    def tick(*_: object) -> None:
        nonlocal count, started, seconds
        count += 1
        if count == warm_up:
            synchronise(where)
            profiler.start()
            started = time.perf_counter()
        elif count == warm_up + steps:
            synchronise(where)
            seconds = (time.perf_counter() - started) / steps
            profiler.stop()
            raise _Profiled

    try:
        if name == "ours":
            loops.train_ours(job, tick)
        else:
            loops.train_eager(job, tick)
    except _Profiled:
        pass
    which = "self_device_time_total" if where.type == "cuda" else "self_cpu_time_total"
    events = [e for e in profiler.key_averages() if "ProfilerStep" not in e.key]
    if where.type == "cuda":  # kernels stand beside the operators that launched them: count one of the two
        events = [e for e in events if e.device_type == torch.autograd.DeviceType.CPU]
    rows = [
        {"name": e.key, "calls": e.count / steps, "seconds": getattr(e, which) / 1e6 / steps}
        for e in events
        if getattr(e, which) > 0
    ]
    return seconds, sorted(rows, key=lambda row: -row["seconds"])
