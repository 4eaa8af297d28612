"""Small frames of one scene that moves: what they see of it together, and what of it they cannot tell.

The scene is circular, so that every statement is exact: a frame shows the pixels s·i + p of the scene, blurred, where p
is the frame's place. For each frequency of the small grid the s² frequencies of the large one that fold onto it, its
aliases, are then mixed by a matrix of one row a frame (Tsai and Huang 1984), and nothing else is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def observe(scene: Tensor, places: Tensor, scale: int, gain: Tensor | None = None) -> Tensor:
    """The small frames of a circular scene: frame t shows its pixels s·i + p_t.

    Args:
        scene: (c, h, w), h and w divisible by the scale.
        places: p_t, (n, 2), down and to the right, px of the scene; they need not be whole where nothing lies at the
            Nyquist frequency.
        scale: s.
        gain: transfer function of a blur before the pixels are picked, (h, w) in the order of `torch.fft.fft2`.

    Returns:
        (n, c, h/s, w/s).
    """
    _check(scene.shape[-2:], scale)
    spectrum = torch.fft.fft2(scene) * (1 if gain is None else gain)
    seen = torch.fft.ifft2(spectrum[None] * _turns(places, scene.shape[-2:], scene.dtype)[:, None]).real
    return seen[..., ::scale, ::scale]


def shift_and_add(frames: Tensor, places: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Puts every small pixel where it was seen, and averages what falls on one place.

    Args:
        frames: (n, c, h, w), as `observe` has them, of whole places.
        places: (n, 2), int64.
        scale: s.

    Returns:
        (scene, counts): (c, s·h, s·w), 0 where nothing was seen, and how often each pixel was, (s·h, s·w).

    Raises:
        ValueError: places that are no whole numbers.
    """
    if places.is_floating_point():
        raise ValueError("Shift-and-add takes whole places: round them, or use `best_estimate`.")
    c, h, w = frames.shape[1:]
    down, across = (torch.arange(scale * side, device=frames.device) % scale == 0 for side in (h, w))
    seen = (down[:, None] & across).to(frames.dtype)  # one place in the square of each small pixel
    total, counts = frames.new_zeros(c, scale * h, scale * w), torch.zeros_like(seen)
    for frame, place in zip(frames.repeat_interleave(scale, -2).repeat_interleave(scale, -1), places.tolist()):
        total = total + (frame * seen).roll(place, (-2, -1))
        counts = counts + seen.roll(place, (-2, -1))
    return total / counts.clamp(min=1), counts


def phases(places: Tensor, scale: int) -> int:
    """How many of the s² phases frames at whole places (n, 2) show."""
    return len(torch.unique(places % scale, dim=0))


def alias_system(places: Tensor, scale: int, gain: Tensor) -> Tensor:
    """M(ν): what a blur and small frames make of the aliases of each small frequency, by orthonormal transforms.

    Y_t(ν) = Σ_j M_tj(ν) X(ω_j) with M_tj = H(ω_j) exp(iω_j·p_t)/s.

    Args:
        places: p_t, (n, 2), px.
        scale: s.
        gain: H, (h, w) in the order of `torch.fft.fft2`; ones for no blur.

    Returns:
        Complex, (h/s, w/s, n, s²).
    """
    _check(gain.shape, scale)
    mixed = gain * _turns(places, gain.shape, gain.dtype)  # (n, h, w)
    return fold(mixed, scale).permute(1, 2, 0, 3) / scale


def fold(spectrum: Tensor, scale: int) -> Tensor:
    """Frequencies of the large grid by the small one that they fold onto: (…, h, w) to (…, h/s, w/s, s²)."""
    h, w = (side // scale for side in spectrum.shape[-2:])
    parts = spectrum.unflatten(-1, (scale, w)).unflatten(-3, (scale, h))  # (…, s, h/s, s, w/s)
    return parts.movedim((-4, -2), (-2, -1)).flatten(-2)


def unfold(folded: Tensor, scale: int) -> Tensor:
    """The inverse of `fold`."""
    parts = folded.unflatten(-1, (scale, scale)).movedim((-2, -1), (-4, -2))
    return parts.flatten(-4, -3).flatten(-2)


def least_error(system: Tensor, power: Tensor, noise: float) -> float:
    """Expected squared error a pixel of the best linear estimate of a scene, by noise and what frames do not tell.

    Scenes have uncorrelated frequencies of this power, and small pixels uncorrelated noise.

    Args:
        system: of `alias_system`, (h/s, w/s, n, s²).
        power: E|X(ω)|² with an orthonormal transform, (h, w): its mean is the variance a pixel.
        noise: variance of a small pixel's noise, > 0.
    """
    prior = fold(power, _scale(system))  # (h/s, w/s, s²)
    known = (_filter(system, prior, noise) * system.mT).sum(-1).real  # the diagonal of the filter after the system
    return float((prior - prior.square() * known).mean())


def best_estimate(frames: Tensor, system: Tensor, power: Tensor, noise: float) -> Tensor:
    """The linear estimate of least expected error, a Wiener filter of all frames at once.

    Args:
        frames: (n, c, h/s, w/s).
        system: as `least_error` takes it.
        power: likewise.
        noise: likewise.

    Returns:
        (c, h, w).
    """
    scale = _scale(system)
    prior = fold(power, scale)
    seen = torch.fft.fft2(frames, norm="ortho").permute(2, 3, 0, 1)  # (h/s, w/s, n, c), one filter for all channels
    found = prior[..., None] * (_filter(system, prior, noise) @ seen)  # (h/s, w/s, s², c)
    return torch.fft.ifft2(unfold(found.movedim(-1, 0), scale), norm="ortho").real


def _filter(system: Tensor, prior: Tensor, noise: float) -> Tensor:
    """Mᴴ(M Σ Mᴴ + σ²I)⁻¹, (h/s, w/s, s², n): the estimate of the aliases is Σ times it times the frames."""
    covariance = (system * prior[..., None, :]) @ system.mH + noise * torch.eye(system.shape[-2], dtype=system.dtype)
    return torch.linalg.solve(covariance, system).mH


def _turns(places: Tensor, size: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> Tensor:
    """exp(iω·p), (n, h, w)."""
    down, across = (2 * math.pi * torch.fft.fftfreq(side, dtype=dtype) for side in size)
    p = places.to(dtype)
    angle = p[:, :1, None] * down[:, None] + p[:, 1:, None] * across
    return torch.polar(torch.ones_like(angle), angle)


def _scale(system: Tensor) -> int:
    return math.isqrt(system.shape[-1])


def _check(size: tuple[int, ...] | torch.Size, scale: int) -> None:
    if any(side % scale for side in size):
        raise ValueError(f"A scene of {size[0]}×{size[1]} px has no frames that are {scale} times smaller.")
