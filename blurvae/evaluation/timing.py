"""What a frame takes on the machine of an evaluation, and at its time (FR-C7, Fig. 3.9)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import nn

from blurvae import metrics
from blurvae.resampling import warp
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Players

NAME = "time of a frame"
HEIGHT, WIDTH = 540, 960  # px, a quarter of full HD
REPEATS = 2


@torch.no_grad()
def of_a_frame(system: FRVSR, players: Players, height: int = HEIGHT, width: int = WIDTH) -> metrics.Entry:
    """Milliseconds from the small frames to the large one, flows and warps included.

    The machine is that of the record. On a CPU it is the processor's time, of all threads, which others at work there
    lengthen little; on a GPU the clock's. Of several the least is taken. Weights do not matter; where the motion is
    given there is no FNet to wait for.

    Args:
        system: what is timed, in float32.
        players: its networks.
        height: of the large frame, px.
        width: likewise.
    """
    frame, device = _frame(system, players, height, width), next(players.sr.parameters()).device
    times = [_milliseconds(frame, device) for _ in range(1 + REPEATS)]  # the first one also loads and plans
    clock = "the clock" if device.type == "cuda" else "the processor's time"
    said = f"a frame of {width}×{height} px within a clip, by {clock}, the least of {REPEATS} after one more"
    return {"value": min(times[1:]), "protocol": said}


def _frame(system: FRVSR, players: Players, height: int, width: int) -> Callable[[], object]:
    """The work of one frame, on random small frames."""
    last, weight = players.sr.layers[-1], next(players.sr.parameters())
    assert isinstance(last, nn.Conv2d)
    c, s = last.out_channels, system.scale
    h, w, draws = height // s, width // s, torch.Generator().manual_seed(0)
    before, now, behind = torch.rand(3, 1, c, h, w, generator=draws).to(weight)
    estimate = torch.rand(1, c, s * h, s * w, generator=draws).to(weight)
    given = None if system.finds_flow else weight.new_zeros(1, 2)

    def flow(side: torch.Tensor) -> torch.Tensor:
        return system.flow(players, side, now, given, nullcontext)

    def others() -> list[torch.Tensor]:
        if system.method == "frvsr":
            return [system.carried(estimate, flow(before))]
        return [warp(side, flow(side), system.border) for side in (before, behind)] if system.method == "vsr" else []

    return lambda: system.made(players, now, others())


def _milliseconds(work: Callable[[], object], device: torch.device) -> float:
    def now() -> float:
        if device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(device)
        return time.perf_counter()

    start = now()
    work()
    return 1000 * (now() - start)
