"""Frame-recurrent video super-resolution (Sajjadi, Vemulapalli and Brown, CVPR 2018; chapter 3 of Sajjadi 2024).

Motion brings samples that one frame does not have: each estimate is warped onto the next frame and handed to the
network that makes it large. Everything here is on [0, 1], so that the estimate before the first frame, black, is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from blurvae.models.frvsr import REACH, FNet, SRNet
from blurvae.resampling import blur_and_decimate, corners, space_to_depth, upsample, warp, window
from blurvae.resampling.warp import Border
from blurvae.systems import shared
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Constant

Method = Literal["frvsr", "vsr", "sisr"]
Autocast = Callable[[], AbstractContextManager[Any]]
INPUTS: dict[Method, int] = {"sisr": 1, "vsr": 3}  # small frames that SRNet sees


class Players(NamedTuple):
    """FNet, None where nothing is warped, and SRNet."""

    flow: FNet | None
    sr: SRNet


class Made(NamedTuple):
    """What a clip has become.

    Attributes:
        estimate: (n, t, c, sh, sw) on [0, 1] but for overshoots.
        flow: (n, t′, 2, h, w), px of the small frames, from each frame to the one before it ("frvsr", t′ = t − 1) or to
            the one before and then to the one behind ("vsr", t′ = 2t); None for "sisr".
        flow_error: (n,), mean squared error of the small frames that the flow was warped by; None for "sisr".
    """

    estimate: Tensor
    flow: Tensor | None
    flow_error: Tensor | None


@dataclass(frozen=True)
class FRVSR(System[Players]):
    """A network that enlarges the frames of a clip, with what it is told of the others.

    L = L_sr + L_flow (eqs. 3.7 and 3.8), means over pixels and frames; the gradient of a frame reaches the flow of all
    frames before it but the first, whose flow warps black (FR-E1).

    Attributes:
        method: "frvsr" warps the estimate before; "vsr" the small frames before and behind; "sisr" sees one frame.
        scale: of either dimension.
        sigma: σ of the blur before decimation, px of the large frames.
        sampling_phase: of the decimation.
        crop: px, side of the part of each clip that a step sees, cut at random; 0 for the whole.
        noise: σ of Gaussian noise on the small frames, on [0, 1].
        blocks: residual blocks of SRNet.
        filters: its feature maps.
        flow_widths: feature maps of FNet's encoder.
        reach: px of the small frames, the largest displacement.
        global_skip: whether SRNet adds to the bicubic enlargement; the text has no word of it.
        flow_weight: of L_flow, 1 in the text.
        border: what a warp sees outside a frame.
        lr: Adam's learning rate.

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "frvsr"
    method: Method = "frvsr"
    scale: int = 4
    sigma: float = 1.5
    sampling_phase: int = 0
    crop: int = 0
    noise: float = 0.0
    blocks: int = 10
    filters: int = 64
    flow_widths: tuple[int, ...] = (32, 64, 128)
    reach: float = REACH
    global_skip: bool = False
    flow_weight: float = 1.0
    border: Border = "border"
    lr: float = 1e-4

    def __post_init__(self) -> None:
        weights = {
            "sigma": "the blur's standard deviation",
            "noise": "the noise's standard deviation",
            "flow_weight": "the weight of the flow's loss",
        }
        shared.check_numbers(self, ("lr", "reach"), weights, ("blocks", "filters", "flow_widths", "scale"))
        if self.method not in ("frvsr", "vsr", "sisr"):
            raise ValueError(f"There are the methods frvsr, vsr and sisr, not {self.method!r}.")
        if type(self.sampling_phase) is not int or not 0 <= self.sampling_phase < self.scale:
            raise ValueError(
                f"sampling_phase is a whole number from 0 to {self.scale - 1}, not {self.sampling_phase!r}."
            )
        if type(self.crop) is not int or self.crop < 0 or self.crop % self.scale:
            raise ValueError(f"crop is a number of pixels that the scale of {self.scale} divides, not {self.crop!r}.")

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for clips of this shape (t, c, h, w), initialised from torch's global generator."""
        channels, height, width = shape[-3:]
        side = self.crop or min(height, width)
        if side > min(height, width) or height % self.scale or width % self.scale:
            raise ValueError(
                f"Frames of {height}×{width} px have no part of {side}×{side} px, or do not divide by the scale of "
                f"{self.scale}: lower crop, or take another size."
            )
        inputs = channels * INPUTS.get(self.method, 1 + self.scale**2)
        sr = SRNet(inputs, channels, self.filters, self.blocks, self.scale)
        return Players(None if self.method == "sisr" else FNet(channels, self.flow_widths, self.reach), sr)

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels of all frames × the square of the filters: see `System.cost`."""
        frames = shape[0] if len(shape) == 4 else 1
        return float(frames * (self.crop**2 or shape[-1] * shape[-2]) * self.filters**2)

    def optimisers(self) -> Mapping[str, Optimiser]:
        """The same for both networks."""
        return dict.fromkeys(("sr",) if self.method == "sisr" else Players._fields, Adam(Constant(self.lr)))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move, with a gradient through all frames."""
        draws = {"at": Draw("uniform", (2,))} if self.crop else {}
        return (Move("clip", self.play, draws | ({"noise": Draw("normal", None)} if self.noise else {})),)

    def play(self, players: Players, scene: Scene) -> Turn:
        """L_sr + L_flow of a batch of clips (n, t, c, h, w)."""
        clip, noise = (scene.x + 1) / 2, scene.noise.get("noise")
        if self.crop:
            corner = corners(scene.noise["at"], clip.shape, self.crop, self.scale)
            clip = window(clip, corner, self.crop)
        low = self.small(clip)
        if noise is not None:  # as many of the numbers as there are small pixels
            low = low + self.noise * noise[..., : low.shape[-2], : low.shape[-1]]
        made = self.enlarged(players, low, scene.autocast)
        inner = slice(1, -1) if self.method == "vsr" else slice(None)  # frames with one before and one behind
        sr = (made.estimate[:, inner] - clip[:, inner]).square().mean()
        if made.flow_error is None:
            return Turn({"sr": sr}, {"sr": sr}, made.estimate)
        flow_error = made.flow_error.mean()
        loss = sr + self.flow_weight * flow_error
        return Turn({"flow": loss, "sr": loss}, {"sr": sr, "flow_error": flow_error}, made.estimate)

    def small(self, clip: Tensor) -> Tensor:
        """The small frames of clips (n, t, c, h, w)."""
        frames = blur_and_decimate(clip.flatten(0, 1), self.scale, self.sigma, self.sampling_phase)
        return frames.unflatten(0, clip.shape[:2])

    def bicubic(self, low: Tensor) -> Tensor:
        """Frames (n, c, h, w) enlarged on the grid that they were decimated on."""
        return upsample(low, self.scale, self.sampling_phase)

    def enlarged(
        self, players: Players, low: Tensor, autocast: Autocast = nullcontext, start: Tensor | None = None
    ) -> Made:
        """What the method makes of whole clips of small frames.

        Args:
            players: the networks.
            low: (n, t, c, h, w) on [0, 1].
            autocast: as a `Scene` has it.
            start: (n, c, sh, sw), for "frvsr" the estimate of the first frame, in the place of its own.
        """
        if self.method == "sisr":
            estimate = self.made(players, low.flatten(0, 1), [], autocast)
            return Made(estimate.unflatten(0, low.shape[:2]), None, None)
        if self.method == "vsr":
            return self._from_three(players, low, autocast)
        black = low.new_zeros(low.shape[0], low.shape[2] * self.scale**2, *low.shape[3:])
        estimates = [self.made(players, low[:, 0], [black], autocast) if start is None else start]
        flows, errors = [], []
        for before, now in zip(low.unbind(1), low.unbind(1)[1:]):
            flow, estimate = self.step(players, before, now, estimates[-1], autocast)
            estimates.append(estimate)
            flows.append(flow)
            errors.append(self.flow_error(before, now, flow))
        return Made(torch.stack(estimates, 1), torch.stack(flows, 1), torch.stack(errors, 1).mean(1))

    def step(
        self, players: Players, before: Tensor, now: Tensor, estimate: Tensor, autocast: Autocast = nullcontext
    ) -> tuple[Tensor, Tensor]:
        """One frame of the recurrence (eqs. 3.1 to 3.6).

        Args:
            players: the networks.
            before: (n, c, h, w), the small frame before.
            now: (n, c, h, w), the small frame.
            estimate: (n, c, sh, sw), of the frame before.
            autocast: as a `Scene` has it.

        Returns:
            (flow, estimate): (n, 2, h, w) in px of the small frames, and (n, c, sh, sw).
        """
        flow = self.flow(players, before, now, autocast)
        return flow, self.made(players, now, [self.carried(estimate, flow)], autocast)

    def carried(self, estimate: Tensor, flow: Tensor) -> Tensor:
        """S_s(WP(estimate, UP(flow))): the estimate before where the flow says, as channels of the small frame.

        The displacement is interpolated and multiplied by the scale; interpolating positions would be wrong at borders.
        """
        large = self.scale * upsample(flow, self.scale, self.sampling_phase, "linear")
        return space_to_depth(warp(estimate, large, self.border), self.scale)

    def flow(self, players: Players, before: Tensor, now: Tensor, autocast: Autocast = nullcontext) -> Tensor:
        """F^LR, in px of the small frames."""
        assert players.flow is not None
        with autocast():
            flow: Tensor = players.flow(before, now)
        return flow.to(now.dtype)

    def flow_error(self, before: Tensor, now: Tensor, flow: Tensor) -> Tensor:
        """‖WP(I_{t−1}, F) − I_t‖² of each frame, (n,), a mean (eq. 3.8)."""
        return (warp(before, flow, self.border) - now).square().flatten(1).mean(1)

    def made(self, players: Players, now: Tensor, others: list[Tensor], autocast: Autocast = nullcontext) -> Tensor:
        """SRNet's estimate of frames (n, c, h, w), given what else it sees at their size."""
        with autocast():
            estimate: Tensor = players.sr(torch.cat([now, *others], 1))
        estimate = estimate.to(now.dtype)
        return estimate + self.bicubic(now) if self.global_skip else estimate

    def _from_three(self, players: Players, low: Tensor, autocast: Autocast) -> Made:
        """Each frame with the two beside it, warped onto it; the first and the last stand in for what is not there."""
        sides = torch.cat((low[:, :1], low[:, :-1]), 1), torch.cat((low[:, 1:], low[:, -1:]), 1)
        now, warped, flows, errors = low.flatten(0, 1), [], [], []
        for side in (frames.flatten(0, 1) for frames in sides):
            flow = self.flow(players, side, now, autocast)
            warped.append(warp(side, flow, self.border))
            flows.append(flow.unflatten(0, low.shape[:2]))
            errors.append(self.flow_error(side, now, flow).unflatten(0, low.shape[:2]).mean(1))
        estimate = self.made(players, now, warped, autocast).unflatten(0, low.shape[:2])
        return Made(estimate, torch.cat(flows, 1), torch.stack(errors, 1).mean(1))
