"""What a training step must do at least: its floating-point operations and its memory traffic, by counting.

Operations are those of convolutions and matrix products, a multiplication and an addition each, as torch counts them on
the step of the plain loop. It counts the taps that fall on padding too, 9 % of architecture A's at 64 px; the Fourier
transforms (below 0.1 %) are left out.

Traffic is a model, of layers that each read and write main memory and of nothing else:

- a convolution or linear layer reads its input and writes its output; backwards it reads the output's gradient once for
  the input's gradient, which it writes, and once for the weights', for which it reads the input again; that is
  3 inputs + 3 outputs (2 + 2 for the first layer, whose input needs no gradient);
- batch norm with its LeakyReLU reads its input twice (statistics, then values) and writes once; backwards it reads
  input and gradient twice and writes once: 8 passes; a LeakyReLU elsewhere costs nothing (fused into its neighbour);
- the reconstruction term reads and writes images 12 times in float32; the kernel network's activations, a thousandth of
  the others, are left out;
- weights are read forwards and backwards, their gradients written, and Adam reads weight, gradient and two moments and
  writes three of them: 10 passes a parameter in float32, shared by the batch.

Activations count 4 bytes in float32 and 2 in bf16. Caches that keep a tensor between layers can beat this model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from blurvae.bench import plain
from blurvae.bench.loops import Job
from blurvae.models import parameter_count
from blurvae.systems.vae import Players

BYTES = {"float32": 4, "bf16": 2}
_PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def _meta(job: Job) -> tuple[Players, Tensor]:
    """Networks and two images without any memory behind them."""
    with torch.device("meta"):
        players, x = job.players(), torch.empty(2, 3, job.size, job.size)
    return players, x


def flop(job: Job) -> int:
    """Floating-point operations of a training step, per image."""
    players, x = _meta(job)
    counter = FlopCounterMode(display=False)
    with counter:
        objective, kernel_loss = plain.losses(players, x)
        objective.backward()
        if players.kernel_net is not None:
            kernel_loss.backward()
    return int(counter.get_total_flops()) // len(x)


def traffic(job: Job, precision: str) -> float:
    """Bytes that a training step moves to and from main memory, per image, by the model above."""
    players, x = _meta(job)
    elements = 0
    first = next(m for m in players.vae.encoder if isinstance(m, _PRODUCTS))

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal elements
        if isinstance(module, _PRODUCTS):
            elements += (2 if module is first else 3) * (inputs[0].numel() + output.numel())
        elif isinstance(module, nn.BatchNorm2d):
            elements += 8 * output.numel()

    for module in players.vae.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        players.vae(x)
    weights = 10 * 4 * sum(parameter_count(net) for net in players if net is not None) / job.batch
    return elements / len(x) * BYTES[precision] + 12 * 4 * x[0].numel() + weights


def allowed(flop: float, traffic: float, ceilings: dict[str, Any]) -> float:
    """Images a second that arithmetic and traffic allow, one after the other, at the rates of these ceilings."""
    return 1 / (flop / ceilings["matrix_product"]["best"] + traffic / ceilings["memory_copy"]["best"])


def growth_exponent(sizes: list[float], seconds: list[float]) -> float:
    """The p of seconds ∝ size^p, by least squares on a log-log scale.

    Raises:
        ValueError: fewer than two sizes, or a number that is not positive.
    """
    if len(sizes) < 2 or min([*sizes, *seconds]) <= 0:
        raise ValueError("A growth exponent needs at least two sizes, and positive numbers.")
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
