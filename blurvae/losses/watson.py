"""Watson's model of visible errors in the discrete cosine transform, as a training term.

A. B. Watson, "DCT quantization matrices visually optimized for individual images", Human Vision, Visual Processing and
Digital Display IV, SPIE 1913, 1993.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from blurvae.losses.base import Term, check_pair, check_scale

BLOCK = 8
# Just visible amplitudes of the cosines (u, v) at the mean luminance: grey levels of 0 to 255, orthonormal transform,
# 32 pixels per degree of visual angle.
THRESHOLDS = (
    (1.40, 1.01, 1.16, 1.66, 2.40, 3.43, 4.79, 6.56),
    (1.01, 1.45, 1.32, 1.52, 2.00, 2.71, 3.67, 4.93),
    (1.16, 1.32, 2.24, 2.59, 2.98, 3.64, 4.60, 5.88),
    (1.66, 1.52, 2.59, 3.77, 4.55, 5.30, 6.28, 7.60),
    (2.40, 2.00, 2.98, 4.55, 6.15, 7.46, 8.71, 10.17),
    (3.43, 2.71, 3.64, 5.30, 7.46, 9.62, 11.58, 13.51),
    (4.79, 3.67, 4.60, 6.28, 8.71, 11.58, 14.50, 17.29),
    (6.56, 4.93, 5.88, 7.60, 10.17, 13.51, 17.29, 21.15),
)
LUMINANCE = 0.649  # exponent of luminance masking
CONTRAST = 0.7  # exponent of contrast masking
FLOOR = 1e-2  # thresholds; below it the pooled error rises smoothly from 0


@dataclass(frozen=True)
class Watson(Term):
    """scale · D/2 · (1/(h·w) Σ |d|⁴)^¼, d the errors of the 8×8 cosine transform in just visible units. No likelihood.

    On grey levels 0 to 255: d = (C − Ĉ)/s with s = max(t_L, |C|^0.7 t_L^0.3), contrast masking, over
    t_L = t (C₀₀/C̄₀₀)^0.649, luminance masking, where C₀₀ is the first coefficient of a block of x and C̄₀₀ its mean over
    the image. C₀₀ itself has luminance masking only (in Watson's paper its exponent is 0, not 0.7): were it masked like
    the others, a black picture would be among the best reconstructions. Masking comes from x alone, so x and x̂ play
    different parts and no gradient passes through s. What the model leaves open is chosen here:

    - Colour. The model knows light only, and luma alone would leave the colours of a decoder free. So RGB becomes Y,
      Cb, Cr (JPEG's, chroma around 0). All have the same thresholds and the luminance masking of Y, contrast masks
      within each plane, and all pool into one sum, in which errors d of Cb and Cr count `chroma` times.
    - Dark blocks. A black block would have threshold 0, so blocks count as at least `black` grey levels bright.
    - Pooling. Watson sums where the mean over pixels stands here, a constant for one size, so that the distance does
      not depend on the size. A fourth root has no gradient at 0: with the mean S, (S + ε⁴)^¼ − ε is taken, ε = 0.01 of
      a threshold, which is 0 with gradient 0 for equal images and less than ε below the root everywhere. The errors of
      a VAE are tens of thresholds, and of those the exponent 4 heeds the worst blocks alone; 2 heeds all.
    - Scale. With D/2 the term grows with the number of values as a squared error does; the default makes it as large as
      ½‖x − x̂‖² on [−1, 1] where that is about 16 to 18 dB, as in small models of photographs and faces.
    - The grid of blocks is fixed.

    Attributes:
        scale: weight, > 0.
        chroma: weight of errors in Cb and Cr beside those in Y, ≥ 0.
        black: light of a black block, grey levels, > 0.
        pooling: Watson's exponent, 4; from 1 to 4.

    Raises:
        ValueError: a constant out of its range; on a call, images of neither 1 nor 3 channels, or whose sides are no
            multiples of 8 px.
    """

    name: ClassVar[str] = "watson"
    scale: float = 0.001
    chroma: float = 0.5
    black: float = 8.0
    pooling: float = 4.0

    def __post_init__(self) -> None:
        check_scale(self.scale, self.name)
        if not (math.isfinite(self.chroma) and self.chroma >= 0):
            raise ValueError(f"The weight chroma of {self.name!r} is a finite number ≥ 0, not {self.chroma}.")
        if not 0 < self.black <= 255:
            raise ValueError(f"The light black of {self.name!r} is above 0 and at most 255, not {self.black}.")
        if not 1 <= self.pooling <= 4:
            raise ValueError(f"The exponent pooling of {self.name!r} lies between 1 and 4, not at {self.pooling}.")

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        return self.scale * math.prod(x.shape[1:]) / 2 * self.visibility(x, x_hat)

    def visibility(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """The pooled error in units of the threshold, (n,): 1 where every coefficient of Y is off by its own."""
        check_pair(x, x_hat)
        check_blocks(x, self.name)
        error = 127.5 * block_dct(luma_chroma(x - x_hat))  # (n, c, blocks, 64) grey levels
        with torch.no_grad():
            slack = self._slack(block_dct(luma_chroma(127.5 * (x + 1))))
        p = self.pooling
        powers = ((error / slack).abs() ** p).sum((2, 3))  # (n, c)
        total = (powers[:, 0] + self.chroma**p * powers[:, 1:].sum(1)) / math.prod(x.shape[-2:])
        return FLOOR * ((1 + total / FLOOR**p) ** (1 / p) - 1)

    def _slack(self, coefficients: Tensor) -> Tensor:
        """s, what an error of each coefficient of x may reach unseen, (n, c, blocks, 64)."""
        light = coefficients[:, :1, :, :1].clamp(min=BLOCK * self.black)  # Y's first coefficient is 8 times the mean
        thresholds = _constants(coefficients.dtype, coefficients.device).thresholds
        t = thresholds * (light / light.mean(2, keepdim=True)) ** LUMINANCE
        masked = coefficients.abs() ** CONTRAST * t ** (1 - CONTRAST)
        masked = torch.cat((torch.zeros_like(masked[..., :1]), masked[..., 1:]), -1)  # the mean masks nothing
        return torch.maximum(t, masked)


def check_blocks(x: Tensor, name: str) -> None:
    """Raises ValueError unless images (n, c, h, w) are grey or RGB and consist of whole blocks of 8×8 px."""
    c, h, w = x.shape[1:]
    if c not in (1, 3) or h % BLOCK or w % BLOCK:
        raise ValueError(
            f"The term {name!r} takes grey or RGB images (1 or 3 channels) whose sides are multiples of {BLOCK} px, "
            f"not {c} channels of {h}×{w} px."
        )


def blocks(x: Tensor) -> Tensor:
    """(n, c, h, w) → (n, c, h/8·w/8, 8, 8), the blocks row by row."""
    return x.unflatten(-1, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).transpose(3, 4).flatten(2, 3)


def block_dct(x: Tensor) -> Tensor:
    """The orthonormal two-dimensional cosine transform (DCT-II) of 8×8 blocks.

    Args:
        x: (n, c, h, w), sides multiples of 8.

    Returns:
        (n, c, h/8·w/8, 64), the coefficient (u, v) of a block at 8u + v.
    """
    return blocks(x).flatten(-2) @ _constants(x.dtype, x.device).basis


def luma_chroma(x: Tensor) -> Tensor:
    """Y, Cb, Cr of RGB images (ITU-R BT.601 as in JPEG, full range, chroma around 0); grey images as they are.

    Args:
        x: (n, c, h, w), c = 1 or 3, in any unit, which the planes keep.

    Returns:
        (n, c, h, w).
    """
    return x if x.shape[1] == 1 else torch.einsum("kc,nchw->nkhw", _constants(x.dtype, x.device).planes, x)


class _Constants(NamedTuple):
    basis: Tensor  # (64, 64): pixel of a block → coefficient
    thresholds: Tensor  # (64,)
    planes: Tensor  # (3, 3): RGB → Y, Cb, Cr


@lru_cache(maxsize=8)
def _constants(dtype: torch.dtype, device: torch.device) -> _Constants:
    """The model's matrices, kept: a GPU would be waited for each time they are copied to it."""
    with torch.inference_mode(False):
        n = torch.arange(BLOCK, dtype=torch.float64)
        cosines = torch.cos(torch.pi * (2 * n + 1) * n[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)  # (u, pixel)
        cosines[0] /= math.sqrt(2)
        red, blue = 0.299, 0.114
        luma = torch.tensor([red, 1 - red - blue, blue], dtype=torch.float64)
        identity = torch.eye(3, dtype=torch.float64)
        planes = torch.stack([luma, (identity[2] - luma) / (2 - 2 * blue), (identity[0] - luma) / (2 - 2 * red)])
        made = torch.kron(cosines, cosines).T, torch.tensor(THRESHOLDS, dtype=torch.float64).flatten(), planes
        return _Constants(*(constant.to(device, dtype).contiguous() for constant in made))
