"""Wiener deconvolution of a photograph: its border continued, its constant C chosen by its own spectrum."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.blur.fourier import Shape, check_images, check_kernel, hermitian_weights, otf
from blurvae.blur.spectra import fit_power_law, power_spectrum, radial_frequency
from blurvae.blur.wiener import squared_gain, wiener_deconvolve

TILE = 256  # px, side of the tiles whose spectra are averaged
PASSED = 0.1  # |H|² from which on a frequency says something of the sharp picture
STOPPED = 0.05  # share of the frequencies, those that the kernel passes least, which show the noise
COARSEST = 4  # periods a tile below which a window blurs the spectrum
CONSTANTS = torch.logspace(-6, 0, 61, dtype=torch.float64)


def continued(image: Tensor, margin: Shape) -> Tensor:
    """Continues images at the bottom and the right so that they go on without a step when repeated periodically.

    The margin passes smoothly from the reflection at one border to the reflection at the opposite one.

    Args:
        image: (…, h, w).
        margin: rows and columns to add, at most h and w.

    Returns:
        (…, h + rows, w + columns), the image at the top left.

    Example:
        >>> continued(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), (0, 4))
        tensor([[0., 1., 2., 3., 3., 2., 1., 0.]])
    """
    for axis, n in zip((-2, -1), margin):
        place = torch.arange(n, device=image.device)
        t = (place.to(image.dtype) + 0.5) / n
        t = t * t * (3 - 2 * t)
        t = t[:, None] if axis == -2 else t
        size = image.shape[axis]
        ours, opposite = (image.index_select(axis, index) for index in (size - 1 - place, n - 1 - place))
        image = torch.cat([image, ours * (1 - t) + opposite * t], axis)
    return image


def deblur(image: Tensor, kernel: Tensor, C: float) -> Tensor:
    """Sharpens photographs that a kernel has blurred: `wiener_deconvolve` without its two side effects.

    The border is continued (`continued`) and cut off again, since a circular convolution takes the jump from one border
    to the opposite one for an edge, which rings. The mean is kept, as C(0) = 0 would keep it.

    Args:
        image: (n, c, h, w), blurred, any range; the levels as they are stored, not made linear in light.
        kernel: (K, K), of sum 1.
        C: ≥ 0, see `automatic_C`.

    Returns:
        (n, c, h, w), which may exceed the range.

    Raises:
        ValueError: a C that is negative or not finite, or a kernel that does not fit.
    """
    check_images(image, kernel)
    h, w = shape = (image.shape[-2], image.shape[-1])
    check_kernel(kernel, shape)
    margin = max(2 * kernel.shape[-1], 64)
    whole = continued(image, (_margin(h, margin), _margin(w, margin)))
    mean = whole.mean((-2, -1), keepdim=True)
    return wiener_deconvolve(whole - mean, kernel, C)[..., :h, :w] + mean


def _margin(side: int, least: int) -> int:
    """The least margin or somewhat more, for a length that the FFT likes; never more than the side."""
    from scipy.fft import next_fast_len

    return min(next_fast_len(side + least, real=True) - side, side)


def tile_spectrum(image: Tensor) -> Tensor:
    """The mean power spectrum of the tiles of images, 256 px a side or what the images have.

    Each tile is freed of its mean and multiplied by a Hann window, so that its borders add nothing; white noise of
    variance σ² has the power σ² at each frequency.

    Args:
        image: (…, h, w).

    Returns:
        (t, t//2+1), t the side of the tiles. What fills no tile at the right and bottom is left out.
    """
    t = min(TILE, *image.shape[-2:])
    window = torch.hann_window(t, periodic=False, dtype=image.dtype, device=image.device)
    window = window[:, None] * window
    window = window / window.square().mean().sqrt()
    total, count = image.new_zeros(t, t // 2 + 1), 0
    for top in range(0, image.shape[-2] - t + 1, t):
        row = image[..., top : top + t, :].unfold(-1, t, t).movedim(-2, 0).reshape(-1, t, t)
        row = row - (row * window).mean((-2, -1), keepdim=True) / window.mean()
        total, count = total + power_spectrum(row * window).sum(0), count + len(row)
    return total / count


def automatic_C(spectrum: Tensor, kernel: Tensor, least: float = 0.0) -> float:
    """The constant C of a blurred picture, from its own spectrum P ≈ |H|² S + N.

    N, the noise floor, is the mean of P over the 5 % of the frequencies that the kernel passes least. S, the signal, is
    a power law A/f^α fitted to (P − N)/|H|² where |H|² ≥ 0.1 and P > 2N. The optimal filter has C(ω) = N/S(ω), which
    grows with frequency; the C taken is the one constant of least expected squared error,
    Σ (C² S + |H|² N) / (|H|² + C)², among 61 from 1e-6 to 1. It is 1 where no signal stands out of the noise.

    Args:
        spectrum: (t, t//2+1), of the picture, see `tile_spectrum`.
        kernel: (K, K), of sum 1, K ≤ t.
        least: variance of the noise that the picture has in any case, that of rounding to 8 bits for instance.

    Returns:
        C, in [1e-6, 1].

    Raises:
        ValueError: a kernel that does not fit.
    """
    shape = (len(spectrum), len(spectrum))
    P, passed = spectrum.double(), squared_gain(otf(kernel.double(), shape))
    f = radial_frequency(shape, dtype=P.dtype, device=P.device)
    N = max(P[passed <= torch.quantile(passed, STOPPED)].mean().item(), least)
    seen = (f * len(spectrum) > COARSEST) & (passed >= PASSED) & (P > 2 * N)
    if int(seen.sum()) < 2:
        return 1.0
    alpha, A = fit_power_law(f[seen], ((P - N) / passed)[seen], high=1.0)
    counted = hermitian_weights(shape, dtype=P.dtype, device=P.device) * (f > 0)
    S = A / torch.where(f > 0, f, 1.0) ** alpha
    errors = [(counted * (C * C * S + passed * N) / (passed + C) ** 2).sum() for C in CONSTANTS]
    return CONSTANTS[torch.stack(errors).argmin()].item()
