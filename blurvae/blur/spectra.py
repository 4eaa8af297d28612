"""Power spectra, their averages over rings of equal frequency, and the power law that they follow."""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.blur.fourier import Shape, fourier, hermitian_weights, inverse_fourier


def power_spectrum(image: Tensor) -> Tensor:
    """|F(x)|² with the orthonormal DFT, so that the sum over the full spectrum is the energy Σx².

    Args:
        image: (…, h, w).

    Returns:
        (…, h, w//2+1), ≥ 0.
    """
    f = fourier(image)
    return f.real.square() + f.imag.square()


def windowed(image: Tensor) -> Tensor:
    """Frees images of their means and fades them out towards the border, so that the borders add nothing to a spectrum.

    The window is a product of two Hann windows that are 0 at the first row and column, where the periodic continuation
    has its seam; its mean square is 1, so that it keeps the level of a spectrum. The mean is weighted by the window,
    which would smear it over the neighbouring frequencies otherwise.

    Args:
        image: (…, h, w).

    Returns:
        (…, h, w).
    """
    h, w = image.shape[-2:]
    rows, columns = (torch.hann_window(n, dtype=image.dtype, device=image.device) for n in (h, w))
    window = rows[:, None] * columns
    mean = (image * window).sum((-2, -1), keepdim=True) / window.sum()
    return (image - mean) * window / window.square().mean().sqrt()


def strongest_waves(image: Tensor, count: int) -> Tensor:
    """The mean of images and their strongest waves, the same ones in all channels of an image.

    A wave is two entries of the spectrum, at ω and −ω.

    Args:
        image: (n, c, h, w).
        count: how many waves are kept, those with most power over all channels; with h·w the image is whole.

    Returns:
        (n, c, h, w), the sum of what is kept.
    """
    h, w = image.shape[-2:]
    spectrum = torch.fft.fft2(image)
    power = (spectrum.real.square() + spectrum.imag.square()).sum(1).flatten(1)  # (n, h·w)
    index = torch.arange(h * w, device=image.device)
    opposite = index.reshape(h, w).flip(0, 1).roll((1, 1), (0, 1)).flatten()  # where −ω stands
    counted = (index <= opposite) & (index > 0)  # one of ω and −ω, and not the mean
    strongest = torch.where(counted, power, -1.0).argsort(1, descending=True)[:, :count]
    kept = torch.zeros_like(power, dtype=torch.bool).scatter_(1, strongest, True)
    kept = kept | kept[:, opposite] | (index == 0)
    return torch.fft.ifft2(spectrum * kept.reshape(-1, 1, h, w)).real


def radial_frequency(
    shape: Shape, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:  # (h, w//2+1)
    """The length of the frequency vector of each bin of the half spectrum, in cycles per px (0 to √½)."""
    dtype = dtype or torch.get_default_dtype()
    v = torch.fft.fftfreq(shape[0], dtype=dtype, device=device)
    u = torch.fft.rfftfreq(shape[1], dtype=dtype, device=device)
    return torch.hypot(v[:, None], u)


def radial_average(spectrum: Tensor, shape: Shape, bins: int | None = None) -> tuple[Tensor, Tensor]:
    """The mean of a spectrum over rings of equal frequency, each frequency of the full spectrum counted once.

    Args:
        spectrum: (…, h, w//2+1), real.
        shape: (h, w) of the image.
        bins: rings between 0 and ½ cycles/px; min(h, w)//2 where None. DC and the corners beyond ½ are left out.

    Returns:
        (frequency, average): the mean frequency of each ring in cycles/px, (bins,), and the average, (…, bins).

    Raises:
        ValueError: a spectrum that is not the half spectrum of that shape, or so many rings that one is empty.
    """
    h, w = shape
    if spectrum.shape[-2:] != (h, w // 2 + 1):
        raise ValueError(
            f"The half spectrum of a {h}×{w} image is (…, {h}, {w // 2 + 1}), not {tuple(spectrum.shape)}."
        )
    bins = bins or min(shape) // 2
    frequency = radial_frequency(shape, dtype=spectrum.dtype, device=spectrum.device)
    # Rings are centred on whole multiples of the spacing: ring 1 of a square image holds its lowest frequencies.
    ring = torch.round(frequency * 2 * bins).long()
    weights = hermitian_weights(shape, dtype=spectrum.dtype, device=spectrum.device)
    weights = torch.where((ring >= 1) & (ring <= bins), weights, 0)
    index = ring.clamp(max=bins).flatten()

    def ring_sum(values: Tensor) -> Tensor:
        out = values.new_zeros(*values.shape[:-2], bins + 1)
        return out.index_add_(-1, index, values.flatten(-2))[..., 1:]

    count = ring_sum(weights.contiguous())
    if (count == 0).any():
        raise ValueError(f"{bins} rings are too many for a {h}×{w} image, one would be empty: use {min(shape) // 2}.")
    return ring_sum(weights * frequency) / count, ring_sum(weights * spectrum) / count


def fit_power_law(frequency: Tensor, power: Tensor, low: float = 0.0, high: float = 0.5) -> tuple[float, float]:
    """Least squares on a log-log scale: power ≈ amplitude / frequency^α.

    Args:
        frequency: (bins,), cycles/px, > 0.
        power: (bins,), > 0.
        low: lowest frequency to use, cycles/px.
        high: highest frequency to use, cycles/px.

    Returns:
        (α, amplitude).

    Raises:
        ValueError: fewer than two points in the range, or power that is not positive there.
    """
    use = (frequency >= low) & (frequency <= high) & (frequency > 0)
    if int(use.sum()) < 2:
        raise ValueError(f"Fewer than two frequencies lie between {low} and {high} cycles/px: widen the range.")
    if not bool((power[use] > 0).all()):
        raise ValueError("A power law is fitted on a log scale: every power in the range must be positive.")
    x, y = frequency[use].double().log(), power[use].double().log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return -slope.item(), (y.mean() - slope * x.mean()).exp().item()


def match_high_energy(x: Tensor, reference: Tensor, cutoff: float, rings: int = 1) -> Tensor:
    """Images with a gain for all frequencies from a cutoff on, such that their energy there is a reference's.

    Phases stay as they are. Fig. 1 of Dalal, after Wang and Simoncelli ("Local phase coherence and the perception of
    blur", 2003), who do it in the bands of a steerable pyramid.

    Args:
        x: (n, c, h, w).
        reference: (n, c, h, w), with some energy at those frequencies where x has any.
        cutoff: cycles/px.
        rings: of equal width between the cutoff and √½ cycles/px, the highest frequency, each with a gain of its own.

    Returns:
        (n, c, h, w), with gains for each image and channel.

    Raises:
        ValueError: no ring.
    """
    if rings < 1:
        raise ValueError(f"Energy is matched in at least one ring, not in {rings}.")
    shape = (x.shape[-2], x.shape[-1])
    weight = hermitian_weights(shape, dtype=x.dtype, device=x.device)
    frequency = radial_frequency(shape, dtype=x.dtype, device=x.device)
    place = ((frequency - cutoff) * rings / (0.5**0.5 - cutoff)).floor().clamp(-1, rings - 1)
    index = (place.long() + 1).flatten()  # 0 below the cutoff
    spectrum, power = fourier(x), weight * power_spectrum(x)

    def energy(values: Tensor) -> Tensor:
        return values.new_zeros(*values.shape[:-2], rings + 1).index_add_(-1, index, values.flatten(-2))

    own, wanted = energy(power), energy(weight * power_spectrum(reference))
    there = own > torch.finfo(x.dtype).eps * own.sum(-1, keepdim=True)  # else it is rounding
    gain = torch.where(there, wanted / own, torch.ones_like(own)).sqrt()
    gain = gain.index_fill(-1, index.new_zeros(1), 1.0)  # what lies below the cutoff stays
    return inverse_fourier(gain[..., index].reshape(spectrum.shape) * spectrum, shape)
