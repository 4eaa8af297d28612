"""Several small frames of one scene: matrices written out, phases counted, errors of estimates drawn at random."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from blurvae.blur import (
    alias_system,
    best_estimate,
    fold,
    least_error,
    observe,
    phases,
    shift_and_add,
    unfold,
    wiener_deconvolve,
)

SCALE, SIZE = 2, (6, 8)
ALL = torch.tensor([[a, b] for a in range(SCALE) for b in range(SCALE)])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def real_gain(seed: int = 1) -> Tensor:
    """The transfer function of a random symmetric kernel."""
    kernel = random(*SIZE, seed=seed)
    return torch.fft.fft2(kernel + kernel.flip(0, 1).roll((1, 1), (0, 1))).real / kernel.sum()


def dense(places: Tensor, gain: Tensor) -> Tensor:
    """The matrix of `observe` on a scene of one channel, (n·h·w/s², h·w), column by column."""
    points = torch.eye(math.prod(SIZE), dtype=torch.float64).view(-1, 1, *SIZE)
    return torch.stack([observe(point, places, SCALE, gain).flatten() for point in points], 1)


def power(seed: int = 2) -> Tensor:
    """A power that a real scene can have: the same at ω and −ω."""
    drawn = random(*SIZE, seed=seed) + 0.1
    return (drawn + drawn.flip(0, 1).roll((1, 1), (0, 1))) / 2


def covariance(of: Tensor) -> Tensor:
    """That of scenes whose frequencies are uncorrelated and have this power, (h·w, h·w)."""
    points = torch.eye(math.prod(SIZE), dtype=torch.float64).view(-1, *SIZE)
    return torch.fft.ifft2(torch.fft.fft2(points) * of).real.flatten(1).T


def test_a_frame_shows_every_sth_pixel_from_its_place_on() -> None:
    scene, places = random(3, *SIZE), torch.tensor([[0, 0], [1, 0], [-3, 5]])
    for frame, (down, across) in zip(observe(scene, places, SCALE), places.tolist()):
        assert torch.allclose(frame, scene.roll((-down, -across), (1, 2))[:, ::SCALE, ::SCALE], atol=1e-14)


def test_all_phases_give_the_scene_back_and_fewer_leave_holes() -> None:
    scene = random(3, *SIZE)
    built, counts = shift_and_add(observe(scene, ALL + 4, SCALE), ALL + 4, SCALE)
    assert torch.allclose(built, scene, atol=1e-14) and (counts == 1).all()
    some = torch.tensor([[0, 1], [2, 3], [1, 1]])  # two of one phase
    built, counts = shift_and_add(observe(scene, some, SCALE), some, SCALE)
    assert phases(some, SCALE) == 2 and (counts > 0).double().mean() == 2 / SCALE**2
    assert torch.allclose(built[:, counts > 0], scene[:, counts > 0], atol=1e-14) and not built[:, counts == 0].any()


@given(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from([2, 3, 4]))
@settings(max_examples=40, deadline=None)
def test_a_uniform_motion_shows_no_more_phases_than_the_scale(down: int, across: int, scale: int) -> None:
    places = torch.arange(3 * scale)[:, None] * torch.tensor([down, across])
    wanted = math.lcm(*(scale // math.gcd(scale, v) for v in (down, across)))
    assert phases(places, scale) == wanted <= scale


def test_the_matrix_of_aliases_is_that_of_the_frames() -> None:
    places, gain, scene = torch.tensor([[0, 1], [3, 2], [5, 5]]), real_gain(), random(1, *SIZE)
    system = alias_system(places, SCALE, gain)
    seen = torch.fft.fft2(observe(scene, places, SCALE, gain)[:, 0], norm="ortho")  # (n, h/s, w/s)
    aliases = fold(torch.fft.fft2(scene[0], norm="ortho"), SCALE)
    assert torch.allclose((system @ aliases[..., None])[..., 0].permute(2, 0, 1), seen, atol=1e-13)
    whole = torch.linalg.svdvals(dense(places, gain))
    parts = torch.linalg.svdvals(system).flatten().sort(descending=True).values
    assert torch.allclose(whole[: len(parts)], parts, atol=1e-12), "block by block"


def test_folding_loses_nothing() -> None:
    spectrum = random(2, *SIZE)
    assert torch.equal(unfold(fold(spectrum, SCALE), SCALE), spectrum)
    assert fold(spectrum, SCALE)[0, 1, 2].tolist() == [spectrum[0, r, c].item() for r in (1, 4) for c in (2, 6)]


@pytest.mark.parametrize("times", [1, 3])
def test_with_all_phases_the_blur_alone_is_left(times: int) -> None:
    gain = real_gain()
    system = alias_system(ALL.repeat(times, 1), SCALE, gain)
    own = torch.linalg.svdvals(system).flatten().sort().values
    assert torch.allclose(own, (math.sqrt(times) * gain.abs()).flatten().sort().values, atol=1e-12)


@pytest.mark.parametrize("places", [ALL, ALL[:1], torch.tensor([[0, 0], [1, 3], [1, 1], [7, 2], [0, 1]])])
def test_the_least_error_is_that_of_linear_algebra(places: Tensor) -> None:
    gain, noise, of = real_gain(), 0.03, power()
    A, prior = dense(places, gain), covariance(of)
    filtered = prior @ A.T @ torch.linalg.inv(A @ prior @ A.T + noise * torch.eye(len(A), dtype=A.dtype))
    wanted = torch.trace(prior - filtered @ A @ prior) / len(prior)
    system = alias_system(places, SCALE, gain)
    assert least_error(system, of, noise) == pytest.approx(wanted.item(), rel=1e-10)
    frames = random(len(places), 1, SIZE[0] // SCALE, SIZE[1] // SCALE, seed=5)
    assert torch.allclose(best_estimate(frames, system, of, noise).flatten(), filtered @ frames.flatten(), atol=1e-12)


def test_more_frames_never_hurt_and_repeated_ones_average_the_noise() -> None:
    gain, noise, of = real_gain(), 0.03, power()
    errors = [least_error(alias_system(ALL[:n], SCALE, gain), of, noise) for n in range(1, 5)]
    assert errors == sorted(errors, reverse=True) and errors[0] < of.mean()
    twice, half = (
        least_error(alias_system(p, SCALE, gain), of, v) for p, v in ((ALL[[1, 1]], noise), (ALL[1:2], noise / 2))
    )
    assert twice == pytest.approx(half, rel=1e-10)


def test_one_frame_of_scale_one_is_wieners_filter() -> None:
    kernel, noise = random(3, 3), 0.05
    kernel = (kernel + kernel.flip(0, 1)) / 2
    kernel /= kernel.sum()
    padded = torch.zeros(SIZE, dtype=kernel.dtype)
    padded[:3, :3] = kernel
    gain = torch.fft.fft2(padded.roll((-1, -1), (0, 1))).real
    blurred, flat = random(1, 1, *SIZE), torch.ones(SIZE, dtype=kernel.dtype)
    found = best_estimate(blurred, alias_system(torch.zeros(1, 2), 1, gain), flat, noise)
    assert torch.allclose(found, wiener_deconvolve(blurred, kernel, noise)[0], atol=1e-10)


def test_what_cannot_be_seen_is_refused() -> None:
    with pytest.raises(ValueError, match="6×8 px has no frames that are 4 times"):
        observe(random(1, *SIZE), ALL, 4)
    with pytest.raises(ValueError, match="whole places"):
        shift_and_add(random(4, 1, 3, 4), ALL.double(), SCALE)
