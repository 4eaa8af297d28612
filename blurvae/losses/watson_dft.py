"""Watson's model moved to the Fourier transform and trained on human judgements (Czolbe et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from blurvae.blur import fourier
from blurvae.errors import CorruptFile, MissingNetwork, MissingWeights
from blurvae.losses.base import Term, check_pair, check_scale, per_image, unit_range
from blurvae.losses.watson import BLOCK, blocks, check_blocks, luma_chroma
from blurvae.models.weights import checkpoint

ADDRESS = "https://github.com/SteffenCzolbe/PerceptualSimilarity/blob/HEAD/src/loss/weights"
TINY = 1e-10  # keeps powers below 1 from an infinite gradient
NO_PHASE = 1e-5  # amplitudes of [0, 1] images below it are rounding: one grey level in one pixel makes 6e-5
REAL = (0, BLOCK // 2)  # rows and columns where the coefficients of a real block are real and have a sign, no phase


@dataclass(frozen=True)
class WatsonDFT(Term):
    """scale · Σ_planes w_p (amplitude distance + phase distance) of 8×8 Fourier blocks, on [0, 1]. Not a likelihood.

    With A the amplitudes of the blocks' coefficients over 64 and φ their phases, for one plane

    - t_L = t (A₀₀/Ā₀₀)^α over the block, Ā₀₀ the mean over the image, and s = smax(t_L, A^w t_L^(1−w)), where
      smax(a, b) = (a eᵃ + b eᵇ)/(eᵃ + eᵇ): both of x;
    - amplitude distance = (Σ (|A − Â|/s)^β)^(1/β), phase distance = Σ w_φ |φ − φ̂|, the angle between 0 and π.

    RGB becomes Y, Cb, Cr with w_p the softmax of three weights. t, α, w, β, w_φ and w_p were trained by the authors and
    are read from a file that the user brings; it is no part of this project. Their weight for a VAE is e⁰ on this sum.

    Three departures from the authors' program, where Ā₀₀ averages over the batch, the block grid is shifted at random
    by up to 7 px at each call, and coefficients that are 0 have the phase of their rounding errors: here an image does
    not depend on its batch, the grid is fixed, and an amplitude below 1e-5 has no phase.

    Attributes:
        path: of the file of weights, safetensors or torch's own format (read without unpickling objects). None looks
            for rgb_watson_fft_trial0.pth, or gray_… for grey images, in the checkpoint folder of torch's hub.
        scale: weight, > 0.

    Raises:
        ValueError: a scale that is not positive; on a call, images of neither 1 nor 3 channels, or whose sides are no
            multiples of 8 px.
        MissingWeights: on a call, where the file is absent.
        CorruptFile: on a call, where the file does not hold these weights.
    """

    name: ClassVar[str] = "watson-dft"
    path: str | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_scale(self.scale, self.name)

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `Term.needs`."""
        try:
            find(self.path, colour=shape[0] == 3)
        except MissingNetwork as missing:
            return missing.what
        return ""

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        check_pair(x, x_hat)
        check_blocks(x, self.name)
        colour = x.shape[1] == 3
        weights = _read(find(self.path, colour), colour, x.dtype, x.device)
        spectrum, other = _spectra(x.detach()), _spectra(x_hat)
        distances = [_distance(spectrum[:, i], other[:, i], plane) for i, plane in enumerate(weights.planes)]
        return self.scale * (torch.stack(distances, 1) * weights.mixture).sum(1)


class _Plane(NamedTuple):
    t: Tensor  # (8, 5)
    phase: Tensor  # (8, 5), 0 where coefficients are real
    alpha: Tensor  # ()
    beta: Tensor  # ()
    w: Tensor  # ()


class _Weights(NamedTuple):
    planes: tuple[_Plane, ...]
    mixture: Tensor  # (planes,), of sum 1


def _spectra(x: Tensor) -> Tensor:
    """The Fourier coefficients of blocks over 64, (n, c, blocks, 8, 5), chroma around ½ as the weights were trained."""
    planes = luma_chroma(unit_range(x))
    return fourier(blocks(torch.cat([planes[:, :1], planes[:, 1:] + 0.5], 1))) / BLOCK


def _distance(c: Tensor, c_hat: Tensor, p: _Plane) -> Tensor:
    """The distance of two spectra (n, blocks, 8, 5) of one plane, masked by the first, (n,)."""
    a, a_hat = c.abs(), c_hat.abs()
    light = a[..., :1, :1] + TINY
    t = p.t * (light / light.mean(1, keepdim=True)) ** p.alpha
    masked = (a + TINY) ** p.w * t ** (1 - p.w)
    s = t + (masked - t) * torch.sigmoid(masked - t)  # the weighted mean of both with weights eᵗ, e^masked
    amplitude = per_image(((a - a_hat).abs() / s + TINY) ** p.beta) ** (1 / p.beta)
    has_phase = (a > NO_PHASE) & (a_hat > NO_PHASE)
    turn = torch.where(has_phase, c_hat * c.conj(), 1.0)  # its argument is the difference of the phases
    return amplitude + per_image(p.phase * torch.atan2(turn.imag, turn.real).abs())


def find(path: str | None, colour: bool) -> Path:
    """The file of weights for RGB or grey images.

    Raises:
        MissingWeights: it is not there; a `MissingNetwork` where it was looked for in the folder of torch's hub.
    """
    if path is None:
        return checkpoint(f"{ADDRESS}/{'rgb' if colour else 'gray'}_watson_fft_trial0.pth", "The term 'watson-dft'")
    if not Path(path).is_file():
        raise MissingWeights(
            f"The term 'watson-dft' finds no weights at {path}: fetch them from {ADDRESS}, or leave path out to have "
            "them looked for in the checkpoint folder of torch's hub."
        )
    return Path(path)


@lru_cache(maxsize=8)
def _read(file: Path, colour: bool, dtype: torch.dtype, device: torch.device) -> _Weights:
    """The weights of a file, kept for later calls.

    Raises:
        CorruptFile: it is unreadable or holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        with torch.inference_mode(False):
            planes = tuple(
                _plane(state, prefix, dtype, device) for prefix in (("ly.", "lcb.", "lcr.") if colour else ("",))
            )
            mixture = _get(state, "w_tild", (3,), dtype).softmax(0) if colour else torch.ones(1, dtype=dtype)
            return _Weights(planes, mixture.to(device))
    except Exception as error:  # what the readers raise depends on what the file holds
        kind = "RGB" if colour else "grey"
        raise CorruptFile(
            f"{file} holds no weights of Watson-DFT for {kind} images ({error}): fetch it again from {ADDRESS}."
        ) from error


def _plane(state: dict[str, Tensor], prefix: str, dtype: torch.dtype, device: torch.device) -> _Plane:
    """One plane's constants; the file holds logarithms of t and w_φ and the logit of w."""
    half = (BLOCK, BLOCK // 2 + 1)
    phase = _get(state, f"{prefix}w_phase_tild", half, dtype).exp()
    rows, columns = (torch.tensor([i in REAL for i in range(n)]) for n in half)
    phase = phase.masked_fill(rows[:, None] & columns, 0.0)
    t = _get(state, f"{prefix}t_tild", half, dtype).exp()
    alpha, beta, w = (_get(state, f"{prefix}{name}", (), dtype) for name in ("alpha", "beta", "w_tild"))
    return _Plane(*(value.to(device) for value in (t, phase, alpha, beta, w.sigmoid())))


def _get(state: dict[str, Tensor], key: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    value = state[key].detach().to(dtype, copy=True)
    if tuple(value.shape) != shape or not value.isfinite().all():
        raise ValueError(f"{key} is not finite of shape {shape}")
    return value
