"""The evaluation of video super-resolution: clips, frame by frame, over time, and how well their motion was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from blurvae.datasets import ClipSet, ImageSet, to_float
from blurvae.evaluation import occlusion, timing, whole_clips
from blurvae.evaluation.base import Measured, to_bytes
from blurvae.evaluation.whole_clips import LATER, SKIPPED
from blurvae.metrics.sr import Protocol
from blurvae.resampling import warp
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Players
from blurvae.train import Budget
from blurvae.train.watch import Watch

BATCH = 8  # clips at a time
PICTURES = 4  # clips of which a frame and a row over time are kept
DIGITS = {
    **{f"{name} (video{how})": digits for name, digits in (("PSNR", 2), ("SSIM", 3)) for how in ("", ", bicubic")},
    "flow error": 3,
    "flow error (no flow)": 3,
    "temporal error": 2,
    "temporal error (bicubic)": 2,
    **occlusion.DIGITS,
    **whole_clips.DIGITS,
    timing.NAME: 0,
}
SIDELESS = ("flow error (no flow)", "temporal error (bicubic)", timing.NAME)  # times are of several machines


class FRVSREvaluation:
    """Makes the test clips small, enlarges them and compares.

    Args:
        system: what is trained.
        budget: the seed.
        train: not used.
        test: the clips to measure.
        device: of the networks.
        folder: not used.
        n_bound: not used: there is no likelihood.
    """

    watch: Watch | None = None

    def __init__(
        self,
        system: FRVSR,
        budget: Budget,
        train: ImageSet,
        test: ImageSet,
        device: torch.device,
        folder: Path | None = None,
        n_bound: int = 0,
    ) -> None:
        self.system, self.seed, self.test, self.device, self.n_bound = system, budget.seed, test, device, n_bound
        kernel = f"Gaussian of σ {system.sigma:g} px, every {system.scale}th pixel from {system.sampling_phase} on"
        self.protocol = Protocol(shave=system.scale, kernel=kernel)

    def check(self) -> None:
        """See `Evaluation`."""
        if self.n_bound:
            raise ValueError("Super-resolution has no bound on −log p of images: leave n_bound out.")
        if not isinstance(self.test, ClipSet) or self.test.shape[0] <= 2 * SKIPPED:
            raise ValueError(f"FRVSR takes clips of more than {2 * SKIPPED} frames: train it on `moving` or `davis`.")

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """PSNR and SSIM of whole clips without the first and last two frames, by the protocol that each entry names.

        Beside them the same of bicubic enlargement on the frames' own grid; where the motion is known "flow error", the
        mean distance of FNet's flow from it in px of the small frames, beside that of no flow at all, and "temporal
        error", see `temporal_error`; where something moves by itself PSNR by `occlusion.regions`; with real clips the
        sets of `whole_clips.BENCHMARKS`; and the time of a frame, see `timing`. As pictures a frame, a row over time,
        and PSNR by frame; of FRVSR also on long clips, with its own start, with the true first frame in its place, and
        on the longest with a start at a later frame, before which there is NaN.
        """
        assert isinstance(self.test, ClipSet)
        x, y, flow = self._run(players, self.test)
        plain = self._bicubic(self.test)
        measured = Measured()
        for how, made in (("", y), (", bicubic", plain)):
            self._compare(measured, how, x, made)
        if self.test.motion is not None:
            motion = torch.from_numpy(np.array(self.test.motion))
            if flow is not None and self.system.finds_flow:
                measured.add("flow error", self.flow_error(flow, motion))
                still = torch.zeros_like(flow)
                measured.add("flow error (no flow)", self.flow_error(still, motion))
            measured.add("temporal error", temporal_error(x, y, motion))
            measured.add("temporal error (bicubic)", temporal_error(x, plain, motion))
            if self.test.cover is not None:
                cover, inner = torch.from_numpy(np.array(self.test.cover)), slice(SKIPPED, -SKIPPED)
                measured.metrics |= occlusion.by_region(x.clamp(0, 1), y, cover, motion, self.protocol, inner)
        for name in whole_clips.BENCHMARKS.get(self.test.name, ()):
            measured.metrics |= whole_clips.benchmark(self.system, players, name, self.protocol)
        middle, row = x.shape[1] // 2, x.shape[3] // 2
        for name, clips in (("original", x), ("reconstruction", y), ("bicubic", plain)):
            measured.pictures[name] = to_bytes(clips[:PICTURES, middle])
            measured.pictures[f"profile_{name}"] = to_bytes(clips[:PICTURES, :, :, row].transpose(1, 2))  # (n, c, t, w)
        measured.pictures["psnr_by_frame"] = self.by_frame(x, y)
        measured.pictures["psnr_by_frame_bicubic"] = self.by_frame(x, plain)
        if self.system.method == "frvsr":
            for name, frames in (("long", whole_clips.LONG), ("longer", whole_clips.LONGER)):
                long = whole_clips.long(self.test, self.system, frames)
                if long is not None:
                    measured.pictures |= self._followed(players, long, f"psnr_by_frame_{name}", name == "longer")
        measured.metrics[timing.NAME] = timing.of_a_frame(self.system, players)
        return measured

    def _followed(self, players: Players, clips: ClipSet, name: str, later: bool) -> dict[str, np.ndarray]:
        """PSNR by frame with the own start, with the true first frame, and where asked with a later start."""
        found = {}
        for how, injected in (("", False), ("_injected", True)):
            truth, made, _ = self._run(players, clips, injected=injected)
            found[f"{name}{how}"] = self.by_frame(truth, made)
        if later:
            truth, made, _ = self._run(players, clips, first=LATER)
            unseen = np.full(LATER, np.nan, np.float32)
            found[f"{name}_later"] = np.concatenate((unseen, self.by_frame(truth[:, LATER:], made)))
        return found

    def small(self, clip: Tensor, start: int) -> Tensor:
        """Small frames of clips on [0, 1], from this one on, with the noise that the training has, always the same."""
        low = self.system.small(clip)
        if self.system.noise:
            generator = torch.Generator().manual_seed((self.seed + 1 << 16) + start)  # no two clips share their noise
            low = low + self.system.noise * torch.randn(low.shape, generator=generator).to(low)
        return low

    def _run(
        self, players: Players, clips: ClipSet, injected: bool = False, first: int = 0
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Truth and estimates, (n, t, c, h, w) on [0, 1], and the flow to the frame before, (n, t − 1, 2, h′, w′).

        Estimates and flows begin with the first frame that is seen.
        """
        truths, estimates, flows = [], [], []
        for start in range(0, len(clips), BATCH):
            truth, motion = self._clips(clips, start)
            low, known = self.small(truth, start)[:, first:], None if motion is None else motion[:, first:]
            made = self.system.enlarged(players, low, known, start=truth[:, first] if injected else None)
            truths.append(truth.cpu())
            estimates.append(made.estimate.clamp(0, 1).cpu())
            if made.flow is not None:
                flows.append(made.flow.cpu())
        x, y = torch.cat(truths), torch.cat(estimates)
        if not flows:
            return x, y, None
        flow = torch.cat(flows)
        return x, y, flow if self.system.method == "frvsr" else flow[:, 1 : x.shape[1]]

    def _bicubic(self, clips: ClipSet) -> Tensor:
        """The clips enlarged without a network."""
        rows = []
        for start in range(0, len(clips), BATCH):
            low = self.small(self._clips(clips, start)[0], start)
            large = self.system.bicubic(low.flatten(0, 1)).unflatten(0, low.shape[:2])
            rows.append(large.clamp(0, 1).cpu())
        return torch.cat(rows)

    def _clips(self, clips: ClipSet, start: int) -> tuple[Tensor, Tensor | None]:
        """Some of them on [0, 1], and the motion that the system is given."""
        some = torch.from_numpy(np.array(clips.images[start : start + BATCH]))
        return self.system.parts(to_float(some).to(self.device))

    def _compare(self, measured: Measured, how: str, x: Tensor, y: Tensor) -> None:
        """PSNR over all pixels of a clip, SSIM averaged over its frames; the entries name the protocol."""
        inner = slice(SKIPPED, -SKIPPED)
        a, b = x[:, inner].clamp(0, 1), y[:, inner]
        frames = [self.protocol.ssim(one, other).mean() for one, other in zip(a, b)]
        for name, values in (("PSNR", self.protocol.video_psnr(a, b)), ("SSIM", torch.stack(frames))):
            measured.add(f"{name} (video{how})", values)
            measured.metrics[f"{name} (video{how})"]["protocol"] = f"{self.protocol}, frames {SKIPPED} to −{SKIPPED}"

    def by_frame(self, x: Tensor, y: Tensor) -> np.ndarray:
        """PSNR of each frame, averaged over clips, (t,), dB."""
        frames = [self.protocol.psnr(x[:, t].clamp(0, 1), y[:, t]).mean() for t in range(x.shape[1])]
        return torch.stack(frames).numpy().astype(np.float32)

    def flow_error(self, flow: Tensor, motion: Tensor) -> Tensor:
        """Mean distance of a flow (n, t − 1, 2, h, w) from the motion (n, t, 2) of the large frames, (n,), small px."""
        truth = motion[:, 1:, :, None, None] / self.system.scale
        return (flow - truth).square().sum(2).sqrt().flatten(1).mean(1)


def temporal_error(x: Tensor, y: Tensor, motion: Tensor) -> Tensor:
    """By how much what changes along the motion differs from what truly does (FR-C6), (n,), grey levels.

    mean |(y_t − WP(y_{t−1})) − (x_t − WP(x_{t−1}))| with the true motion: 0 for the truth, and small for a blurred clip
    that moves as a whole; flicker makes it large.

    Args:
        x: (n, t, c, h, w) on [0, 1], the truth.
        y: (n, t, c, h, w), the estimates.
        motion: (n, t, 2), px, as a `ClipSet` has it.
    """
    h, w = x.shape[-2:]
    flow = motion[:, 1:].flatten(0, 1)[:, :, None, None].expand(-1, -1, h, w).to(x)
    change = [clip[:, 1:].flatten(0, 1) - warp(clip[:, :-1].flatten(0, 1), flow) for clip in (x, y)]
    border = int(motion.abs().max().ceil()) if motion.numel() else 0  # px that come in from outside
    apart = (change[1] - change[0])[..., border : h - border, border : w - border].abs()
    return 255 * apart.unflatten(0, (len(x), -1)).flatten(1).mean(1)
