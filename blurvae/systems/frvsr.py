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
from blurvae.resampling import blur_and_decimate, corners, jpeg, upsample, warp, window
from blurvae.resampling.warp import Border
from blurvae.systems import frames, shared
from blurvae.systems.frames import MOTION, Made
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Constant

Method = Literal["frvsr", "vsr", "sisr"]
Motion = Literal["no", "carried", "given"]
Autocast = Callable[[], AbstractContextManager[Any]]
INPUTS: dict[Method, int] = {"sisr": 1, "vsr": 3}  # small frames that SRNet sees


class Players(NamedTuple):
    """FNet, None where nothing is warped or the motion is given, and SRNet."""

    flow: FNet | None
    sr: SRNet


@dataclass(frozen=True)
class FRVSR(System[Players]):
    """A network that enlarges the frames of a clip, with what it is told of the others.

    L = L_sr + L_flow (eqs. 3.7 and 3.8), means over pixels and frames; the gradient of a frame reaches the flow of all
    frames before it but the first, whose flow warps black (FR-E1).

    Attributes:
        method: "frvsr" warps the estimate before; "vsr" the small frames before and behind; "sisr" sees one frame.
        scale: of either dimension.
        motion: what samples know of it: "no", they are pictures; "carried", behind their channels are two of motion, as
            `moving-flow` has them, which are passed over; "given", these take the place of FNet (an oracle).
        sigma: σ of the blur before decimation, px of the large frames.
        sampling_phase: of the decimation.
        crop: px, side of the part of each clip that a step sees, cut at random; 0 for the whole.
        noise: σ of Gaussian noise on the small frames, on [0, 1].
        jpeg: quality at which the small frames are compressed, of 100; 0 for not at all.
        frames: of each clip that a step sees, the first ones; 0 for all.
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
    motion: Motion = "no"
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
    jpeg: int = 0
    frames: int = 0

    def __post_init__(self) -> None:
        weights = {"sigma": "the blur's standard deviation", "noise": "the noise's standard deviation"}
        weights["flow_weight"] = "the weight of the flow's loss"
        shared.check_numbers(self, ("lr", "reach"), weights, ("blocks", "filters", "flow_widths", "scale"))
        if self.method not in ("frvsr", "vsr", "sisr"):
            raise ValueError(f"There are the methods frvsr, vsr and sisr, not {self.method!r}.")
        if self.motion not in ("no", "carried", "given"):
            raise ValueError(f"motion is no, carried or given, not {self.motion!r}.")
        if type(self.sampling_phase) is not int or not 0 <= self.sampling_phase < self.scale:
            raise ValueError(
                f"sampling_phase is a whole number from 0 to {self.scale - 1}, not {self.sampling_phase!r}."
            )
        if type(self.crop) is not int or self.crop < 0 or self.crop % self.scale:
            raise ValueError(f"crop is a number of pixels that the scale of {self.scale} divides, not {self.crop!r}.")
        if type(self.jpeg) is not int or not 0 <= self.jpeg <= 100:
            raise ValueError(f"jpeg is a quality from 1 to 100, or 0 for none, not {self.jpeg!r}.")
        if type(self.frames) is not int or self.frames < 0 or self.frames in range(1, INPUTS.get(self.method, 2)):
            raise ValueError(f"frames is 0 for all, or a number that {self.method} has enough of, not {self.frames!r}.")

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for clips of this shape (t, c, h, w), initialised from torch's global generator."""
        channels, height, width = shape[-3] - (0 if self.motion == "no" else MOTION), *shape[-2:]
        side = self.crop or min(height, width)
        if side > min(height, width) or height % self.scale or width % self.scale:
            raise ValueError(
                f"Frames of {height}×{width} px have no part of {side}×{side} px, or do not divide by the scale of "
                f"{self.scale}: lower crop, or take another size."
            )
        if channels < 1:
            raise ValueError(
                f"No picture is left of {shape[-3]} channels without {MOTION} of motion: set motion to no."
            )
        inputs = channels * INPUTS.get(self.method, 1 + self.scale**2)
        sr = SRNet(inputs, channels, self.filters, self.blocks, self.scale)
        return Players(FNet(channels, self.flow_widths, self.reach) if self.finds_flow else None, sr)

    @property
    def finds_flow(self) -> bool:
        """Whether there is an FNet."""
        return self.method != "sisr" and self.motion != "given"

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels of all frames × the square of the filters: see `System.cost`."""
        times = shape[0] if len(shape) == 4 else 1
        return float(times * (self.crop**2 or shape[-1] * shape[-2]) * self.filters**2)

    def optimisers(self) -> Mapping[str, Optimiser]:
        """The same for both networks."""
        return dict.fromkeys(Players._fields if self.finds_flow else ("sr",), Adam(Constant(self.lr)))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move, with a gradient through all frames."""
        draws = {"at": Draw("uniform", (2,))} if self.crop else {}
        return (Move("clip", self.play, draws | ({"noise": Draw("normal", None)} if self.noise else {})),)

    def play(self, players: Players, scene: Scene) -> Turn:
        """L_sr + L_flow of a batch of clips (n, t, c, h, w)."""
        (clip, motion), noise = self.parts(scene.x[:, : self.frames or None]), scene.noise.get("noise")
        if self.crop:
            corner = corners(scene.noise["at"], clip.shape, self.crop, self.scale)
            clip = window(clip, corner, self.crop)
        low = self.small(clip)
        if noise is not None:  # as many of the numbers as there are small pixels
            low = low + self.noise * noise[:, : low.shape[1], : low.shape[2], : low.shape[3], : low.shape[4]]
        made = self.enlarged(players, low, motion, scene.autocast)
        inner = slice(1, -1) if self.method == "vsr" else slice(None)  # frames with one before and one behind
        sr = (made.estimate[:, inner] - clip[:, inner]).square().mean()
        if made.flow_error is None:
            return Turn({"sr": sr}, {"sr": sr}, made.estimate)
        flow_error = made.flow_error.mean()
        loss = sr + self.flow_weight * flow_error
        return Turn({"flow": loss, "sr": loss}, {"sr": sr, "flow_error": flow_error}, made.estimate)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """What samples (n, t, c, h, w) on [−1, 1] hold.

        Returns:
            (clip, motion): pictures on [0, 1], and where it is given the displacement to the frame before in px of the
            small frames, (n, t, 2), to the right first.
        """
        if self.motion == "no":
            return (x + 1) / 2, None
        given = frames.carried_motion(x, self.scale) if self.motion == "given" else None
        return (x[:, :, :-MOTION] + 1) / 2, given

    def small(self, clip: Tensor) -> Tensor:
        """The small frames of clips (n, t, c, h, w)."""
        low = blur_and_decimate(clip.flatten(0, 1), self.scale, self.sigma, self.sampling_phase)
        return (jpeg(low, self.jpeg) if self.jpeg else low).unflatten(0, clip.shape[:2])

    def bicubic(self, low: Tensor) -> Tensor:
        """Frames (n, c, h, w) enlarged on the grid that they were decimated on."""
        return upsample(low, self.scale, self.sampling_phase)

    def enlarged(
        self,
        players: Players,
        low: Tensor,
        motion: Tensor | None = None,
        autocast: Autocast = nullcontext,
        start: Tensor | None = None,
    ) -> Made:
        """What the method makes of whole clips of small frames; of "frvsr" the recurrence of eqs. 3.1 to 3.6.

        Args:
            players: the networks.
            low: (n, t, c, h, w) on [0, 1].
            motion: as `parts` gives it.
            autocast: as a `Scene` has it.
            start: (n, c, sh, sw), for "frvsr" the estimate of the first frame, in the place of its own.
        """
        n, t = low.shape[:2]
        if self.method == "sisr":
            return Made(self.made(players, low.flatten(0, 1), [], autocast).unflatten(0, (n, t)))
        if self.method == "vsr":
            return self._from_three(players, low, motion, autocast)
        known = [None] * t if motion is None else motion.unbind(1)
        black = low.new_zeros(n, low.shape[2] * self.scale**2, *low.shape[3:])
        estimates = [self.made(players, low[:, 0], [black], autocast) if start is None else start]
        flows, errors = [], []
        for before, now, given in zip(low.unbind(1), low.unbind(1)[1:], known[1:]):
            flows.append(flow := self.flow(players, before, now, given, autocast))
            carried = self.carried(estimates[-1], flow)
            estimates.append(self.made(players, now, [carried], autocast))
            errors.append(frames.flow_error(before, now, flow, self.border))
        if not flows:  # of one frame
            return Made(estimates[0][:, None])
        error = torch.stack(errors, 1).mean(1) if self.finds_flow else None
        return Made(torch.stack(estimates, 1), torch.stack(flows, 1), error)

    def carried(self, estimate: Tensor, flow: Tensor) -> Tensor:
        """The estimate before where the flow says, as channels of the small frame: see `frames.carried_estimate`."""
        return frames.carried_estimate(estimate, flow, self.scale, self.sampling_phase, self.border)

    def flow(self, players: Players, before: Tensor, now: Tensor, motion: Tensor | None, autocast: Autocast) -> Tensor:
        """F^LR, in px of the small frames: FNet's, or the motion (n, 2) that is given."""
        if motion is not None:
            return motion[:, :, None, None].expand(-1, -1, *now.shape[-2:])
        assert players.flow is not None
        with autocast():
            flow: Tensor = players.flow(before, now)
        return flow.to(now.dtype)

    def made(self, players: Players, now: Tensor, others: list[Tensor], autocast: Autocast = nullcontext) -> Tensor:
        """SRNet's estimate of frames (n, c, h, w), given what else it sees at their size."""
        with autocast():
            estimate: Tensor = players.sr(torch.cat([now, *others], 1))
        estimate = estimate.to(now.dtype)
        return estimate + self.bicubic(now) if self.global_skip else estimate

    def _from_three(self, players: Players, low: Tensor, motion: Tensor | None, autocast: Autocast) -> Made:
        """Each frame with the two beside it, warped onto it."""
        known = (None, None) if motion is None else [part.flatten(0, 1) for part in frames.motion_beside(motion)]
        now, warped, flows, errors = low.flatten(0, 1), [], [], []
        for side, given in zip((part.flatten(0, 1) for part in frames.beside(low)), known):
            flow = self.flow(players, side, now, given, autocast)
            warped.append(warp(side, flow, self.border))
            flows.append(flow.unflatten(0, low.shape[:2]))
            errors.append(frames.flow_error(side, now, flow, self.border).unflatten(0, low.shape[:2]).mean(1))
        estimate = self.made(players, now, warped, autocast).unflatten(0, low.shape[:2])
        return Made(estimate, torch.cat(flows, 1), torch.stack(errors, 1).mean(1) if self.finds_flow else None)
