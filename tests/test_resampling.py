"""Resampling against MATLAB's algorithm in float64, on grids that are said, and the properties of linear maps."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pixel_unshuffle

from blurvae import datasets
from blurvae.resampling import (
    blur_and_decimate,
    centre_phase,
    corners,
    depth_to_space,
    gaussian,
    imresize,
    jpeg,
    space_to_depth,
    symmetric_padding,
    translation,
    upsample,
    warp,
    window,
)

SCALES = [0.5, 0.25, 2, 4]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cubic(t: np.ndarray) -> np.ndarray:
    a = np.abs(t)
    inner, outer = 1.5 * a**3 - 2.5 * a**2 + 1, -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2
    return np.where(a <= 1, inner, np.where(a <= 2, outer, 0.0))


def matrix(n: int, scale: float) -> np.ndarray:
    """MATLAB's resizing of one dimension, written from its description: (output, input), float64."""
    out, stretch = math.ceil(n * scale), min(scale, 1.0)
    result = np.zeros((out, n))
    for i in range(1, out + 1):
        u = i / scale + 0.5 * (1 - 1 / scale)  # the place of the output pixel among input pixels that count from 1
        near = np.floor(u - 2 / stretch) + np.arange(math.ceil(4 / stretch) + 2)
        weights = stretch * cubic(stretch * (u - near))
        for j, weight in zip(near.astype(int), weights / weights.sum()):
            mirrored = (j - 1) % (2 * n)
            result[i - 1, mirrored if mirrored < n else 2 * n - 1 - mirrored] += weight
    return result


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(48, 64), (45, 50), (5, 6)])
def test_imresize_is_matlabs_to_a_thousandth_of_a_grey_level(scale: float, shape: tuple[int, int]) -> None:
    x = 255 * random(2, 3, *shape)
    wanted = torch.from_numpy(matrix(shape[0], scale)) @ x @ torch.from_numpy(matrix(shape[1], scale)).T
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        assert (imresize(x.to(dtype), scale) - wanted).abs().max() <= tolerance


def test_what_is_easily_taken_for_it_is_far_off() -> None:
    """So that the bound above says something."""
    x = 255 * random(1, 1, 48, 48)
    right = imresize(x, 0.25)
    for how in ({"antialias": True}, {"antialias": False}):
        assert (interpolate(x, scale_factor=0.25, mode="bicubic", **how) - right).abs().max() > 1  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0.0, -2.0, 0.3, 1.5, float("nan")])
def test_other_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="whole factor"):
        imresize(random(1, 1, 8, 8), scale)


def test_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"takes floats \(n, c, h, w\)"):
        imresize(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 0.5)


def test_symmetric_padding_is_numpys_beyond_the_image_too() -> None:
    x = random(2, 1, 3, 4)
    wanted = np.pad(x.numpy(), ((0, 0), (0, 0), (7, 9), (5, 11)), mode="symmetric")
    assert np.array_equal(symmetric_padding(x, 5, 11, 7, 9).numpy(), wanted)


# Grids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_at_the_centre_it_is_imresize_and_torchs_bilinear(scale: int) -> None:
    x = random(2, 3, 7, 9)
    assert torch.allclose(upsample(x, scale), imresize(x, scale), atol=1e-12)
    linear = interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    assert torch.allclose(upsample(x, scale, centre_phase(scale), "linear"), linear, atol=1e-12)


@pytest.mark.parametrize("phase", [0, 1, 2, 3, 1.5])
@pytest.mark.parametrize("kernel", ["linear", "cubic"])
def test_a_ramp_comes_back_on_its_own_grid(phase: float, kernel: str) -> None:
    """Both kernels reproduce a linear function; on another grid it would be off by the distance of the grids."""
    ramp = torch.arange(64.0, dtype=torch.float64).expand(1, 1, 64, 64)
    small = ramp[..., ::4, ::4] + phase
    large = upsample(small, 4, phase, kernel)  # type: ignore[arg-type]
    assert torch.allclose(large[..., 16:48], ramp[..., 16:48], atol=1e-10)
    other = upsample(small, 4, (phase + 1) % 4, kernel)  # type: ignore[arg-type]
    assert (other - ramp)[..., 16:48].abs().min() > 0.4


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
@pytest.mark.parametrize("sigma", [0.0, 0.4, 1.5])
def test_decimation_keeps_the_pixels_of_its_phase_of_the_blurred_image(phase: int, sigma: float) -> None:
    x, taps = random(2, 3, 16, 24), gaussian(sigma)
    reach = len(taps) // 2
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="symmetric")
    rows = sum(t * padded[:, :, k : k + 16] for k, t in enumerate(taps.numpy()))
    blurred = sum(t * rows[..., k : k + 24] for k, t in enumerate(taps.numpy()))
    assert np.allclose(blur_and_decimate(x, 4, sigma, phase).numpy(), blurred[..., phase::4, phase::4], atol=1e-12)


@pytest.mark.parametrize("phase", [0.5, 1.5, 2.5])
def test_between_pixels_a_gaussian_is_centred_there(phase: float) -> None:
    """Weight by weight, of mirrored rows; and on the grid of block centres a mirrored picture is a mirrored result."""
    x, reach = random(1, 1, 16, 24), 6  # ⌈4·1.5⌉
    row = np.pad(x[0, 0].numpy(), reach, mode="symmetric")
    at = np.arange(-reach, reach) + 0.5
    weights = np.exp(-(at**2) / (2 * 1.5**2))
    weights /= weights.sum()
    first = int(reach + phase + at[0])
    wanted = sum(
        a * b * row[first + i : first + i + 16 : 4, first + j : first + j + 24 : 4][:4, :6]
        for i, a in enumerate(weights)
        for j, b in enumerate(weights)
    )
    assert np.allclose(blur_and_decimate(x, 4, 1.5, phase)[0, 0].numpy(), wanted, atol=1e-12)
    flipped = blur_and_decimate(x.flip(2, 3), 4, 1.5, centre_phase(4)).flip(2, 3)
    assert torch.allclose(flipped, blur_and_decimate(x, 4, 1.5, centre_phase(4)), atol=1e-12)


def test_a_sampled_gaussian_has_its_variance_and_sum_one() -> None:
    taps = gaussian(1.5)
    at = torch.arange(len(taps)) - len(taps) // 2
    assert taps.sum().item() == pytest.approx(1, abs=1e-12)
    assert (taps * at.square()).sum().item() == pytest.approx(1.5**2, rel=2e-3)
    assert gaussian(0.0).tolist() == [1.0]


def test_a_pixel_and_a_half_is_what_mixed_grids_cost() -> None:
    """Blurred and decimated at phase 0, then enlarged on its own grid and on that of block centres."""
    at = torch.linspace(0, 12, 96, dtype=torch.float64)
    x = ((at.sin() * at[:, None].cos()) + 1)[None, None] / 2
    small = blur_and_decimate(x, 4)
    own, centred = (upsample(small, 4, phase) for phase in (0, None))
    errors = [(y - x)[..., 16:-16, 16:-16].square().mean() for y in (own, centred)]
    assert errors[1] > 10 * errors[0]


def test_sizes_and_phases_that_do_not_fit_are_refused() -> None:
    for call, message in (
        (lambda: blur_and_decimate(random(1, 1, 10, 8), 4), "divide by 4"),
        (lambda: blur_and_decimate(random(1, 1, 8, 8), 4, phase=4), "within a block"),
        (lambda: blur_and_decimate(random(1, 1, 8, 8), 4, phase=1.25), "whole, or a half"),
        (lambda: blur_and_decimate(random(1, 1, 8, 8), 4, 0.0, phase=1.5), "between pixels"),
        (lambda: blur_and_decimate(random(1, 1, 8, 8), 4, -1.0), "σ"),
        (lambda: upsample(random(1, 1, 8, 8), 4, -0.5), "within a block"),
        (lambda: upsample(random(1, 1, 8, 8), 0), "scale"),
        (lambda: space_to_depth(random(1, 1, 9, 8), 4), "do not divide"),
        (lambda: depth_to_space(random(1, 15, 2, 2), 4), "multiple of 16"),
        (lambda: warp(random(1, 1, 8, 8), random(1, 2, 8, 9)), "A flow for 1 images"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# Linear maps ---------------------------------------------------------------------------------------------------------

LINEAR = {
    "imresize ½": lambda x: imresize(x, 0.5),
    "imresize ¼": lambda x: imresize(x, 0.25),
    "imresize 4": lambda x: imresize(x, 4),
    "upsample, phase 0": lambda x: upsample(x, 4, 0),
    "decimate, phase 1": lambda x: blur_and_decimate(x, 4, 1.5, 1),
    "blocks": lambda x: space_to_depth(x, 4),
    "warp": lambda x: warp(x, 3 * random(1, 2, 16, 12, seed=5) - 1),
    "warp into black": lambda x: warp(x, 3 * random(1, 2, 16, 12, seed=5) - 1, "zeros"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_the_gradient_is_the_adjoint(name: str) -> None:
    """⟨Ax, y⟩ = ⟨x, Aᵀy⟩ with Aᵀ from autograd, and A is linear."""
    apply = LINEAR[name]
    x, other = random(1, 2, 16, 12, seed=1).requires_grad_(), random(1, 2, 16, 12, seed=2)
    there = apply(x)
    assert torch.allclose(apply(3 * x - other), 3 * there - apply(other), atol=1e-10)
    y = random(*there.shape, seed=3)
    (back,) = torch.autograd.grad((there * y).sum(), x)
    assert (back * other).sum().item() == pytest.approx((apply(other) * y).sum().item(), rel=1e-10)


def test_downscaling_is_the_adjoint_of_upscaling_away_from_the_border() -> None:
    """The antialiased kernel is that of enlarging, stretched: D = Uᵀ/s², on a support that no border sees."""
    x, y = torch.zeros(1, 1, 96, 96, dtype=torch.float64), torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    x[..., 32:64, 32:64], y[..., 8:16, 8:16] = random(32, 32), random(8, 8, seed=1)
    assert 16 * (imresize(x, 0.25) * y).sum().item() == pytest.approx((x * imresize(y, 4)).sum().item(), rel=1e-9)


def test_constants_stay() -> None:
    x = torch.full((1, 1, 16, 12), 0.3, dtype=torch.float64)
    for name, apply in LINEAR.items():
        if name != "warp into black":
            assert torch.allclose(apply(x), torch.tensor(0.3, dtype=torch.float64), atol=1e-12), name


# Blocks and windows --------------------------------------------------------------------------------------------------


def test_blocks_are_in_the_texts_order_and_no_library_s() -> None:
    x, s = random(2, 3, 8, 12), 4
    deep = space_to_depth(x, s)
    for k in range(3 * s * s):
        for i, j in ((0, 0), (1, 2)):
            assert torch.equal(deep[:, k, i, j], x[:, k // s**2, s * i + k % s, s * j + (k // s) % s])
    k = torch.arange(3 * s * s)
    swapped = pixel_unshuffle(x, s)[:, (k // s**2) * s**2 + (k % s) * s + (k // s) % s]
    assert torch.equal(deep, swapped) and not torch.equal(deep, pixel_unshuffle(x, s))
    assert torch.equal(depth_to_space(deep, s), x)


def test_a_window_is_a_slice_of_images_and_of_clips() -> None:
    x, corner = random(3, 2, 4, 9, 11), torch.tensor([[0, 0], [4, 3], [5, 7]])
    cut = window(x, corner, 4)
    for i, (top, left) in enumerate(corner.tolist()):
        assert torch.equal(cut[i], x[i, ..., top : top + 4, left : left + 4])
    assert torch.equal(window(x[:, 0], corner, 4), cut[:, 0])


def test_corners_are_all_places_of_a_grid_as_often() -> None:
    at = random(6000, 2)
    found = corners(at, (3, 9, 21), 8, 4)
    assert found[:, 0].unique().tolist() == [0] and found[:, 1].unique().tolist() == [0, 4, 8, 12]
    shares = torch.stack([(found[:, 1] == place).double().mean() for place in (0, 4, 8, 12)])
    assert torch.allclose(shares, torch.full((4,), 0.25, dtype=shares.dtype), atol=0.02)
    assert corners(torch.full((1, 2), 1 - 1e-7), (8, 8), 8).tolist() == [[0, 0]]


# Warps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (40, 57)])
@pytest.mark.parametrize("border", ["border", "zeros"])
def test_no_flow_is_the_identity_and_a_whole_one_a_shift_at_two_sizes(size: tuple[int, int], border: str) -> None:
    h, w = size
    x = random(2, 3, h, w)
    still = torch.zeros(2, 2, h, w, dtype=x.dtype)
    assert torch.allclose(warp(x, still, border), x, atol=1e-12)  # type: ignore[arg-type]
    for right, down in ((3, 0), (0, -2), (-5, 4)):
        flow = torch.tensor([right, down], dtype=x.dtype).view(1, 2, 1, 1).expand(2, 2, h, w)
        moved, there = warp(x, flow, border), torch.roll(x, (-down, -right), (2, 3))  # type: ignore[arg-type]
        inside = slice(max(0, -down), h - max(0, down)), slice(max(0, -right), w - max(0, right))
        assert torch.allclose(moved[..., inside[0], inside[1]], there[..., inside[0], inside[1]], atol=1e-12)
        # an edge column is interpolated from pixels that are equal, or from nothing
        outside = moved[..., 0 if right < 0 else -1] if right else moved[..., 0 if down < 0 else -1, :]
        edge = (x[..., 0] if right < 0 else x[..., -1]) if right else (x[..., 0, :] if down < 0 else x[..., -1, :])
        if border == "zeros":
            assert outside.abs().max() < 1e-12
        elif right * down == 0:
            assert torch.allclose(outside, edge, atol=1e-12)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    x = random(1, 1, 8, 8)
    flow = torch.tensor([0.5, 0.0], dtype=x.dtype).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    assert torch.allclose(warp(x, flow)[..., :-1], (x[..., :-1] + x[..., 1:]) / 2, atol=1e-12)


def test_gradients_of_a_warp_are_finite_differences() -> None:
    x, flow = random(1, 2, 6, 7).requires_grad_(), (2 * random(1, 2, 6, 7, seed=1) - 1).requires_grad_()
    assert torch.autograd.gradcheck(warp, (x, flow))


# JPEG ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [10, 40, 70])
@pytest.mark.parametrize(("h", "w"), [(160, 208), (83, 91), (16, 16)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_leaves_what_libjpeg_leaves(quality: int, h: int, w: int, mode: str) -> None:
    """But for single levels of rounding; sizes that blocks do not divide are continued as there."""
    photo = datasets.photographs()["astronaut"][:, 20 : 20 + h, 130 : 130 + w]
    image = Image.fromarray(np.ascontiguousarray(photo.transpose(1, 2, 0))).convert(mode)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=2)
    before, wanted = (np.atleast_3d(np.asarray(each)).astype(float) for each in (image, Image.open(file)))
    x = torch.from_numpy(before).permute(2, 0, 1)[None] / 255
    found = 255 * jpeg(x, quality)[0].permute(1, 2, 0).numpy()
    assert found.shape == wanted.shape and np.array_equal(found, found.round())
    apart, damage = np.abs(found - wanted).mean(), np.abs(wanted - before).mean()
    assert apart < 0.15 * damage and apart < 0.7


def test_jpeg_of_one_grey_is_that_grey_and_other_input_is_refused() -> None:
    grey = torch.full((2, 3, 20, 12), 100 / 255, dtype=torch.float64)
    assert torch.allclose(jpeg(grey, 40), grey, atol=2.01 / 255)
    assert torch.equal(jpeg(grey, 100), grey)
    for quality in (0, 101, 40.0):
        with pytest.raises(ValueError, match="from 1 to 100"):
            jpeg(grey, quality)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 or 3 channels"):
        jpeg(grey[:, :2], 40)


# Motion found --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.0), (0.3, -0.2), (-0.45, 0.4)])
def test_a_shift_of_a_smooth_frame_is_found(right: float, down: float) -> None:
    """Of waves, whose values anywhere are known; the interpolation of a warp is left to account for."""
    y, x = torch.meshgrid(*(torch.arange(24, dtype=torch.float64),) * 2, indexing="ij")

    def frame(at_x: Tensor, at_y: Tensor) -> Tensor:
        return torch.stack((torch.sin(at_x / 4) * torch.cos(at_y / 5), torch.cos(at_x / 6 + at_y / 4)))[None]

    found = translation(frame(x, y), frame(x + right, y + down))
    assert found[0].tolist() == pytest.approx([right, down], abs=0.01)


def test_a_shift_that_is_found_is_the_best_one_nearby() -> None:
    """Of random frames that `warp` itself has moved: nothing is left, and a tenth of a pixel beside it there is."""
    x = blur_and_decimate(random(2, 3, 48, 48), 1, 2.0)
    flow = torch.tensor([[0.25, -0.4], [0.1, 0.3]], dtype=x.dtype)
    now = warp(x, flow[:, :, None, None].expand(-1, -1, 48, 48))
    found = translation(x, now, rounds=12)
    assert torch.allclose(found, flow, atol=0.02)
    with pytest.raises(ValueError, match="at least 4×4 px"):
        translation(x[..., :3, :], now[..., :3, :])
