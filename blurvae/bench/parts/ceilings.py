"""What the machine can do at most, which a training step is held against."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from blurvae.bench.clock import synchronise
from blurvae.bench.parts.plan import Plan
from blurvae.bench.processes import alone

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def ceilings(plan: Plan) -> dict[str, Any]:
    """What the machine can do: matrix products and copies, in float32 and in the precision of the training.

    On a CPU that knows bf16 its speed is measured even where training takes float32. A product is also tried as a 1×1
    convolution, since torch computes convolutions by another library, on some processors a faster one; the faster
    counts.
    """
    return dict(alone(_ceilings, plan.job.device, plan.job.precision, plan.quick))


def _ceilings(device: str, precision: str, quick: bool) -> dict[str, Any]:
    where = torch.device(device)
    side = 256 if quick else 8192 if where.type == "cuda" else 2048
    length = 1 << (20 if quick else 30 if where.type == "cuda" else 26)
    repetitions = 3 if quick else 10
    found: dict[str, Any] = {}
    for name in dict.fromkeys(("float32", *(["tf32"] if where.type == "cuda" else []), *_known(where), precision)):
        dtype = DTYPES.get(name, torch.float32)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
        a, b = (torch.randn(side, side, device=where).to(dtype) for _ in range(2))
        x = torch.rand(length, device=where).to(dtype)
        y = torch.empty_like(x)
        moved = 2 * x.numel() * x.element_size()
        rows = a.T.reshape(1, side, side // 64, 64).to(memory_format=torch.channels_last)
        taps = b.T.reshape(side, side, 1, 1)
        ways: dict[str, Callable[[], object]] = {
            "product": lambda a=a, b=b: a @ b,  # type: ignore[misc]
            "1×1 convolution": lambda rows=rows, taps=taps: torch.conv2d(rows, taps),  # type: ignore[misc]
        }
        rates = [_rates(work, 2 * side**3, repetitions, where) | {"by": way} for way, work in ways.items()]
        found[name] = {
            "matrix_product": max(rates, key=lambda rate: rate["best"]),
            "memory_copy": _rates(lambda x=x, y=y: y.copy_(x), moved, repetitions, where),  # type: ignore[misc]
        }
    return found


def _known(where: torch.device) -> list[str]:
    """bf16 where a CPU has instructions for it, be they the faster ones or not."""
    return ["bf16"] if where.type == "cpu" and torch.cpu._is_avx512_bf16_supported() else []


def _rates(work: Callable[[], object], amount: float, repetitions: int, device: torch.device) -> dict[str, Any]:
    """Amount a second, best and median of several times after two that are not counted."""
    seconds = []
    for _ in range(repetitions + 2):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return {"best": amount / min(seconds[2:]), "median": amount / median(seconds[2:])}
