"""Whole clips of Vid4 by the protocol of Table 3.2: their small frames, what enlarges them, and how they are compared.

The text blurs by σ = 1.5 px, keeps every fourth pixel, cuts clips so that small frames divide by 8, leaves out the
first and last two frames, and takes PSNR over all pixels of a clip. It names no phase: every model is given the one
that it was trained on, and bicubic enlargement knows its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from blurvae import models
from blurvae.datasets.core import Pixels
from blurvae.evaluation import bicubic, enlargers
from blurvae.evaluation.base import unit
from blurvae.evaluation.whole_clips import SKIPPED
from blurvae.resampling import blur_and_decimate, centre_phase, upsample
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Players
from blurvae.systems.frvsr_file import load_frvsr

SCALE = 4
Progress = Callable[[Iterable[Tensor], int], Iterable[Tensor]]


class Enlargement(NamedTuple):
    """What enlarges clips.

    Attributes:
        name: of its row: that of Table 3.2 where there is one, such as "FRVSR 10-128".
        phase: of the small frames that it takes.
        large: small frames (t, 3, h, w) on [0, 1] to large ones (3, 4h, 4w), in the order of time, not cut to [0, 1].
    """

    name: str
    phase: float
    large: Callable[[Tensor], Iterator[Tensor]]


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        psnr: dB, by clip.
        ssim: the mean over frames, by clip.
        protocol: what was compared.
    """

    psnr: dict[str, float]
    ssim: dict[str, float]
    protocol: str


def named(model: str) -> Enlargement:
    """What a name stands for.

    Args:
        model: as `enlargers.named` takes it; of FRVSR also a model that sees three frames.

    Raises:
        MissingWeights, CorruptFile: as `enlargers.named`.
        ValueError: another scale than 4, or a model that would have to be given the motion.
    """
    if model == enlargers.BICUBIC:
        return Enlargement("Bicubic", 0, lambda low: (upsample(frame[None], SCALE, 0)[0] for frame in low))
    if model.endswith(".safetensors") and Path(model).is_file() and models.kind(Path(model)) == "frvsr":
        return _of_clips(model, *load_frvsr(Path(model))[:2])
    enlarger, said = enlargers.named(model)
    assert isinstance(enlarger, enlargers.PerFrame)
    network = enlarger.network
    _check_scale(model, network.scale)
    return Enlargement(said, centre_phase(SCALE), lambda low: (unit(network(2 * frame[None] - 1))[0] for frame in low))


def _of_clips(model: str, system: FRVSR, players: Players) -> Enlargement:
    _check_scale(model, system.scale)
    if system.method != "sisr" and players.flow is None:
        raise ValueError(f"{model} was given the motion, which Vid4 has not: take a model with its own FNet.")

    def large(low: Tensor) -> Iterator[Tensor]:
        if system.method == "frvsr":
            estimate: Tensor | None = None
            for t in range(len(low)):
                pair = low[None, max(t - 1, 0) : t + 1]
                estimate = system.enlarged(players, pair, start=estimate).estimate[:, -1]
                yield estimate[0]
            return
        side = system.method == "vsr"
        for t in range(len(low)):  # with the frames beside it
            first = max(t - side, 0)
            yield system.enlarged(players, low[None, first : t + 1 + side]).estimate[0, t - first]

    name = f"{system.method.upper()} {system.blocks}-{system.filters}"
    return Enlargement(name, system.sampling_phase, large)


def _check_scale(model: str, scale: int) -> None:
    if scale != SCALE:
        raise ValueError(f"{model} enlarges by {scale}, and Table 3.2 is of ×{SCALE}: take another.")


@torch.no_grad()
def row(clips: Mapping[str, Pixels], enlargement: Enlargement, progress: Progress = lambda frames, n: frames) -> Row:
    """PSNR and SSIM of whole clips; one large frame at a time is in memory beside the clip.

    Args:
        clips: uint8 (t, 3, h, w), by name.
        enlargement: of `named`.
        progress: wraps the enlarged frames, for a bar; it is told how many there are.
    """
    kernel = f"{bicubic.FRVSR.kernel} from {enlargement.phase:g} on"
    protocol = replace(bicubic.FRVSR, kernel=kernel)
    psnr, ssim = {}, {}
    for name, pixels in clips.items():
        x = bicubic.whole(pixels, SCALE * bicubic.STRIDE)  # (t, 3, h, w)
        low = blur_and_decimate(x, SCALE, bicubic.SIGMA, enlargement.phase)
        errors, alike = [], []
        for t, frame in enumerate(progress(enlargement.large(low), len(x))):
            if SKIPPED <= t < len(x) - SKIPPED:
                a, b = x[t : t + 1], frame[None].clamp(0, 1)
                errors.append(10 ** (-protocol.psnr(a, b).double().item() / 10))
                alike.append(protocol.ssim(a, b).double().item())
        psnr[name] = -10 * float(torch.tensor(errors).double().mean().log10())  # of frames of one size: of all pixels
        ssim[name] = sum(alike) / len(alike)
    return Row(psnr, ssim, f"{protocol}, frames {SKIPPED} to −{SKIPPED}, small frames not rounded")
