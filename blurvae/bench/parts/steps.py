"""The parts that time trainings: a step of ours and of others, Wiener against L2, a whole epoch, modes on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

from blurvae.bench import counts, loops
from blurvae.bench.clock import Clock, NotRun, Series, plain, ratio, speed, synchronise
from blurvae.bench.cost import CELEBA
from blurvae.bench.loops import Job
from blurvae.bench.parts.plan import Plan, absent, installed
from blurvae.bench.processes import alone, interleave, prepare
from blurvae.train import State


def step(plan: Plan) -> dict[str, Any]:
    """The training step at several batch sizes: ours, the plain loop, pythae."""
    prepare()
    opponents = {"eager": loops.eager} | ({"pythae": loops.pythae} if installed("pythae") else {})
    workers = {name: _loader_workers(plan, side) for name, side in opponents.items()}
    found: dict[str, Any] = {"batches": {}, "loader_workers": workers}
    for batch in plan.batches:
        job = replace(plan.job, batch=batch, images=max(plan.job.images, 4 * batch))
        sides: dict[str, Any] = {"ours": (loops.ours, (job,))}
        for name, side in opponents.items():
            sides[name] = (side, (replace(job, loader_workers=workers[name]["chosen"]),))
        found["batches"][str(batch)] = _compared(plan, job, interleave(sides, plan.timing, plan.job.device))
        if "pythae" not in opponents:
            found["batches"][str(batch)]["pythae"] = absent("pythae")
    return found


def _loader_workers(plan: Plan, side: Callable[[Clock, Job], None]) -> dict[str, Any]:
    """The number of loading processes with which an opponent is fastest, tried at one batch size in the middle."""
    job = replace(plan.job, batch=plan.batches[len(plan.batches) // 2 - 1])
    sides: dict[str, Any] = {str(n): (side, (replace(job, loader_workers=n),)) for n in plan.loader_workers}
    if len(sides) == 1:
        return {"chosen": plan.loader_workers[0]}
    tried = interleave(sides, replace(plan.timing, rounds=2), plan.job.device)
    seconds = {name: series.median for name, series in tried.items() if isinstance(series, Series)}
    return {"chosen": int(min(seconds, key=lambda n: seconds[n], default="0")), "seconds_a_step": seconds}


def _compared(plan: Plan, job: Job, measured: dict[str, Series | NotRun]) -> dict[str, Any]:
    """Speeds, ratios, memory and shares of the ceilings."""
    found: dict[str, Any] = {}
    ours = measured["ours"]
    for name, series in measured.items():
        found[name] = plain(series)
        if not isinstance(series, Series):
            continue
        found[name]["images_per_second"] = speed(series, job.batch)
        found[name] |= _shares(plan, replace(job, term="l2") if name == "pythae" else job, name, series)
        if name != "ours" and isinstance(ours, Series):
            found[name]["ours_is_faster_by"] = ratio(series, ours)
    return found


def _shares(plan: Plan, job: Job, name: str, series: Series) -> dict[str, Any]:
    """Counted work of a step against the ceilings; on a GPU the others convolve in tf32, torch's default."""
    if "not_run" in plan.ceilings:
        return {}
    precision = plan.job.precision if name == "ours" else "float32"
    ceiling = plan.ceilings["tf32" if name != "ours" and plan.on_gpu else precision]
    flop, traffic = alone(counts.flop, job), alone(counts.traffic, job, precision)
    images = job.batch / series.median
    allowed = counts.allowed(flop, traffic, ceiling)
    return {
        "flop_per_image": flop,
        "bytes_per_image": traffic,
        "share_of_arithmetic": images * flop / ceiling["matrix_product"]["best"],
        "share_of_traffic": images * traffic / ceiling["memory_copy"]["best"],
        "allowed_images_per_second": allowed,
        "share_of_allowed": images / allowed,
    }


def wiener(plan: Plan) -> dict[str, Any]:
    """A Wiener step against an L2 step, at two image and two kernel sizes."""
    prepare()
    found: dict[str, Any] = {}
    for size, widths, batch in plan.sizes:
        images = min(plan.job.images, max(4 * batch, 8192)) if size > 64 else plan.job.images
        job = replace(plan.job, size=size, widths=widths, batch=batch, images=images)
        sides: dict[str, Any] = {"l2": (loops.ours, (replace(job, term="l2"),))}
        for kernel in plan.kernels:
            sides[f"wiener {kernel}"] = (loops.ours, (replace(job, kernel=kernel),))
        measured = interleave(sides, plan.timing, plan.job.device)
        l2 = measured["l2"]
        rows: dict[str, Any] = {"batch": batch}
        for name, series in measured.items():
            rows[name] = plain(series)
            if isinstance(series, Series):
                rows[name]["images_per_second"] = speed(series, batch)
                if isinstance(l2, Series) and name != "l2":
                    rows[name]["times_l2"] = ratio(series, l2)
        found[str(size)] = rows
    return found


def epoch(plan: Plan) -> dict[str, Any]:
    """A whole epoch at CelebA's size, and what 100 epochs take; on a CPU extrapolated from 2,000 images."""
    prepare()
    images = 64 if plan.quick else CELEBA if plan.on_gpu else 2000
    epochs = 3 if plan.on_gpu else 1
    found: dict[str, Any] = {"images": images, "celeba": CELEBA, "extrapolated": images < CELEBA, "batches": {}}
    for batch in (64, 256, 1024) if plan.on_gpu and not plan.quick else plan.batches[:1]:
        stamps = alone(_epochs, replace(plan.job, batch=batch, images=images), epochs)
        first, later = stamps[0], [b - a for a, b in pairwise(stamps)]
        grown = (CELEBA // batch) / (images // batch)
        found["batches"][str(batch)] = {
            "first_epoch_with_start": first,
            "later_epochs": later,
            "epoch_at_celeba_size": grown * median(later or [first]),
            "hundred_epochs": grown * (first + 99 * median(later or [first])),
        }
    return found


def _epochs(job: Job, epochs: int) -> list[float]:
    """Seconds from the start of the training, its data in memory, to the end of each epoch."""
    made = job.data()
    batches, stamps = len(made) // job.batch, []

    def stamp(state: State) -> None:
        if state.step % batches == 0:
            synchronise(state.scenes["vae"].x.device)
            stamps.append(time.perf_counter())

    started = time.perf_counter()
    loops.train_ours(job, stamp, epochs, made)
    return [moment - started for moment in stamps]


def modes(plan: Plan) -> dict[str, Any]:
    """What the deterministic mode costs, and what `torch.compile` and CUDA graphs gain; all that on a GPU only."""
    if not plan.on_gpu:
        raise NotRun("there is no GPU here; on a CPU the same seed gives the same bits in any mode")
    prepare()
    found: dict[str, Any] = {}
    for batch in (plan.batches[0], plan.batches[len(plan.batches) // 2]):
        job = replace(plan.job, batch=batch, compile=False)
        sides: dict[str, Any] = {
            "default": (loops.ours, (job,)),
            "deterministic": (loops.ours, (replace(job, deterministic=True),)),
            "compiled": (loops.ours, (replace(job, compile=True),)),
            "graphs": (loops.ours, (replace(job, graphs=True),)),
            "compiled, graphs": (loops.ours, (replace(job, compile=True, graphs=True),)),
            "compiled, deterministic": (loops.ours, (replace(job, compile=True, deterministic=True),)),
        }
        measured = interleave(sides, plan.timing, plan.job.device)
        default, rows = measured["default"], {}
        for name, series in measured.items():
            rows[name] = plain(series)
            if isinstance(series, Series):
                rows[name]["images_per_second"] = speed(series, batch)
                if isinstance(default, Series) and name != "default":
                    rows[name]["times_default"] = ratio(series, default)
        found[str(batch)] = rows
    return found
