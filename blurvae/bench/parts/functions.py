"""The parts that time single functions: the log-determinant and the focal frequency loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from blurvae import losses
from blurvae.bench import counts
from blurvae.bench.clock import Clock, NotRun, Series, plain, ratio, synchronise
from blurvae.bench.parts.plan import Plan, absent, installed
from blurvae.bench.processes import alone, interleave
from blurvae.blur import block_circulant, gaussian_kernel, log_abs_det
from blurvae.machine import memory_kept

EPSILON = 0.5  # of the log-determinant, as in the paper's table of likelihoods


def log_determinant(plan: Plan) -> dict[str, Any]:
    """log|det(K + εI)| by FFT, alone and with its gradient, and densely: time of a call against the image's size.

    For one kernel the fixed cost of a call hides the growth up to some 100 px; for 64 at once, a batch of training, it
    does not. Freed memory is kept for the next call, as during training.
    """
    fft = (8, 16, 32, 64) if plan.quick else (8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
    dense = (8, 16) if plan.quick else (8, 16, 32, 48, 64)
    return dict(alone(_log_determinant, plan.job.device, fft, dense, 2 if plan.quick else 21))


def _log_determinant(device: str, fft: Sequence[int], dense: Sequence[int], rounds: int) -> dict[str, Any]:
    where = torch.device(device)
    with memory_kept(where):
        return _log_determinants(where, fft, dense, rounds)


def _log_determinants(where: torch.device, fft: Sequence[int], dense: Sequence[int], rounds: int) -> dict[str, Any]:
    kernel = gaussian_kernel(7, 2.0, device=where)
    learnt = kernel.clone().requires_grad_()
    many = torch.rand(64, 7, 7, generator=torch.Generator().manual_seed(0)).flatten(1).softmax(-1).unflatten(-1, (7, 7))
    many = many.to(where).requires_grad_()
    matrices = {s: block_circulant(kernel, (s, s)) + EPSILON * torch.eye(s * s, device=where) for s in dense}

    def slope(kernels: Tensor, size: int) -> object:
        return torch.autograd.grad(log_abs_det(kernels, (size, size), EPSILON).sum(), kernels)

    ways: dict[str, tuple[Callable[[int], object], Sequence[int], int]] = {
        "fft": (lambda s: log_abs_det(kernel, (s, s), EPSILON), fft, rounds),
        "fft with gradient": (lambda s: slope(learnt, s), fft, rounds),
        "fft, 64 kernels": (lambda s: log_abs_det(many.detach(), (s, s), EPSILON), fft, (rounds + 1) // 2),
        "fft with gradient, 64 kernels": (lambda s: slope(many, s), fft, (rounds + 1) // 2),
        "dense": (lambda s: torch.linalg.slogdet(matrices[s]).logabsdet, dense, min(rounds, 4)),
    }
    found: dict[str, Any] = {"epsilon": EPSILON, "kernel": 7, "dtype": "float32"}
    for name, (function, sizes, times) in ways.items():
        seconds: dict[int, list[float]] = {size: [] for size in sizes}
        for i in range(times + 1):  # size after size in each round, so that a disturbance meets all of them
            for size in sizes:
                repeats = 1 if "64" in name or name == "dense" else max(1, 4 * 64**2 // size**2)
                synchronise(where)
                started = time.perf_counter()
                for _ in range(repeats):
                    function(size)
                synchronise(where)
                if i:
                    seconds[size].append((time.perf_counter() - started) / repeats)
        rows = {str(size): {"median": median(s), "min": min(s), "max": max(s)} for size, s in seconds.items()}
        least = (32 if name == "dense" else 64) if len(sizes) > 4 else 0  # px, from where the growth is fitted
        fitted = [size for size in sizes if size >= least]
        medians = [rows[str(size)]["median"] for size in fitted]
        found[name] = {
            "seconds": rows,
            "exponent": counts.growth_exponent([size**2 for size in fitted], medians),
            "fitted_from": fitted[0],
        }
    side = max(dense)
    by_fft, densely = log_abs_det(kernel, (side, side), EPSILON), torch.linalg.slogdet(matrices[side]).logabsdet
    found["difference"] = abs(by_fft.item() / densely.item() - 1)
    return found


def ffl(plan: Plan) -> dict[str, Any]:
    """Focal frequency loss with its gradient: ours against its authors' package."""
    if not installed("focal_frequency_loss"):
        raise NotRun(absent("focal-frequency-loss")["not_run"])
    batch, size = plan.batches[0], plan.job.size
    timing = replace(plan.timing, seconds=plan.timing.seconds / 4, rounds=2 * plan.timing.rounds + 1)
    sides: dict[str, Any] = {name: (_ffl, (name, plan.job.device, batch, size)) for name in ("ours", "package")}
    measured = interleave(sides, timing, plan.job.device)
    found: dict[str, Any] = {"batch": batch, "size": size} | {name: plain(s) for name, s in measured.items()}
    ours, package = measured["ours"], measured["package"]
    if isinstance(ours, Series) and isinstance(package, Series):
        found["ours_is_faster_by"] = ratio(package, ours)
    return found


def _ffl(clock: Clock, name: str, device: str, batch: int, size: int) -> None:
    torch.manual_seed(0)
    x, x_hat = (torch.rand(batch, 3, size, size, device=device) for _ in range(2))
    x_hat.requires_grad_()
    if name == "ours":
        term = losses.get("ffl")

        def loss() -> Tensor:
            return term(x, x_hat).mean()
    else:
        from focal_frequency_loss import FocalFrequencyLoss

        package = FocalFrequencyLoss()

        def loss() -> Tensor:
            value: Tensor = package(x_hat, x)
            return value

    while True:
        torch.autograd.grad(loss(), x_hat)
        clock.tick()
