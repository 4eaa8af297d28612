"""The mathematics of blur: against dense matrices, sums over pixels and the definitions, and by property."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from blurvae import blur

SHAPES = [(8, 8), (7, 7), (6, 9), (9, 6), (5, 8)]
gpu = pytest.mark.gpu
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def random_kernel(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Positive kernels of sum 1 without any symmetry, so that a flipped or transposed one is told apart."""
    return random(*shape, seed=seed + 100).flatten(-2).softmax(-1).reshape(shape).to(dtype)


def dense_otf(kernel: Tensor, shape: tuple[int, int]) -> np.ndarray:
    """H by its definition, a sum over taps, at every frequency of the full spectrum."""
    h, w = shape
    r = np.arange(kernel.shape[-1]) - kernel.shape[-1] // 2
    rows = np.exp(-2j * np.pi * np.outer(np.arange(h), r) / h)
    columns = np.exp(-2j * np.pi * np.outer(np.arange(w), r) / w)
    return rows @ kernel.numpy() @ columns.T


def taps(*row: float) -> Tensor:
    """A kernel that blurs along rows only."""
    kernel = torch.zeros(len(row), len(row), dtype=torch.float64)
    kernel[len(row) // 2] = torch.tensor(row, dtype=torch.float64)
    return kernel


# --- kernels ---------------------------------------------------------------------------------------------------------

KERNELS: dict[str, Callable[..., Tensor]] = {
    "gaussian": lambda size, **kw: blur.gaussian_kernel(size, 1.7, **kw),
    "disk": lambda size, **kw: blur.disk_kernel(size, size / 2.3, **kw),
    "motion": lambda size, **kw: blur.motion_kernel(size, 0.7 * (size - 1), 0.4, **kw),
    "delta": blur.delta_kernel,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, None])
@pytest.mark.parametrize("size", [3, 11, 41])
@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)
def test_kernels_are_non_negative_point_symmetric_and_of_sum_one(
    make: Callable[..., Tensor], size: int, dtype: torch.dtype | None
) -> None:
    kernel = make(size, dtype=dtype)
    assert kernel.shape == (size, size)
    assert kernel.dtype == (dtype or torch.get_default_dtype())
    assert (kernel >= 0).all()
    assert kernel.sum().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(kernel, kernel.flip(0, 1), atol=1e-6, rtol=0)


def test_a_gaussian_has_the_ratios_of_its_density_and_its_sigma_as_width() -> None:
    kernel = blur.gaussian_kernel(41, 4.0, dtype=torch.float64).numpy()
    r = np.arange(41) - 20
    expected = np.exp(-(r[:, None] ** 2 + r**2) / 8)
    np.testing.assert_allclose(kernel, expected / expected.sum(), rtol=1e-12)
    assert blur.kernel_width(torch.from_numpy(kernel)).item() == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("radius", [0.01, 0.5])
def test_a_disc_within_one_pixel_is_a_delta(radius: float) -> None:
    assert torch.equal(blur.disk_kernel(5, radius), blur.delta_kernel(5))


def test_a_disc_weights_pixels_by_the_share_it_covers() -> None:
    radius = 4.3
    kernel = blur.disk_kernel(11, radius, dtype=torch.float64)
    assert kernel[5, 5].item() == pytest.approx(1 / (math.pi * radius**2), rel=0.01)
    # A uniform disc has the variance r²/4 along each axis; a covered share of a square adds at most 1/12.
    assert blur.kernel_width(kernel).item() == pytest.approx(radius / 2, rel=0.02)
    torch.testing.assert_close(kernel, kernel.T)
    H = blur.otf(kernel, (64, 64)).real
    assert H.min() < -0.1  # the first negative lobe of 2 J₁(x)/x, whose lowest value is −0.132


def test_a_motion_goes_its_length_in_its_direction() -> None:
    length = 9.0
    across = blur.motion_kernel(15, length, 0.0, dtype=torch.float64)
    assert across[7].sum().item() == pytest.approx(1)
    x = torch.arange(15) - 7
    variance = (across[7] * x.square()).sum().item()
    assert variance == pytest.approx(length**2 / 12 + 1 / 6, rel=0.02)  # bilinear weights add f(1−f), 1/6 on average
    torch.testing.assert_close(blur.motion_kernel(15, length, math.pi / 2, dtype=torch.float64), across.T)
    up = blur.motion_kernel(15, length, math.pi / 4)  # counter-clockwise: to the right and up, rows grow downwards
    assert up[4, 10] > 0.05 and up[4, 4] == 0 and up[10, 10] == 0


def test_kernel_width_normalises_centres_and_takes_batches() -> None:
    assert blur.kernel_width(blur.delta_kernel(7)) == 0
    two = torch.zeros(2, 1, 5, 5)
    two[0, 0, 2, 1] = two[0, 0, 2, 3] = 3  # ±1 px along one axis: variance 1, half of the trace ½
    two[1, 0, 0, 4] = 7  # one tap, wherever it lies
    torch.testing.assert_close(blur.kernel_width(two), torch.tensor([[math.sqrt(0.5)], [0.0]]))


REFUSED_KERNELS = [
    (lambda: blur.gaussian_kernel(4, 1.0), "odd size.*not 4"),
    (lambda: blur.gaussian_kernel(0, 1.0), "odd size.*not 0"),
    (lambda: blur.gaussian_kernel(-3, 1.0), "odd size.*not -3"),
    (lambda: blur.gaussian_kernel(2.5, 1.0), "odd size.*not 2.5"),  # type: ignore[arg-type]
    (lambda: blur.gaussian_kernel(5, 0.0), "variance.*not 0.0"),
    (lambda: blur.gaussian_kernel(5, -1.0), "variance.*not -1.0"),
    (lambda: blur.gaussian_kernel(5, math.nan), "variance.*not nan"),
    (lambda: blur.gaussian_kernel(5, math.inf), "variance.*not inf"),
    (lambda: blur.delta_kernel(2), "odd size.*not 2"),
    (lambda: blur.disk_kernel(6, 2.0), "odd size.*not 6"),
    (lambda: blur.disk_kernel(5, 0.0), r"radius.*\(0, 2.5\].*not 0.0"),
    (lambda: blur.disk_kernel(5, 2.6), r"radius.*\(0, 2.5\].*not 2.6"),
    (lambda: blur.disk_kernel(5, math.nan), "radius.*not nan"),
    (lambda: blur.motion_kernel(6, 2.0, 0.0), "odd size.*not 6"),
    (lambda: blur.motion_kernel(5, 0.0, 0.0), r"length.*\(0, 4\].*not 0.0"),
    (lambda: blur.motion_kernel(5, 4.5, 0.0), r"length.*\(0, 4\].*not 4.5"),
    (lambda: blur.motion_kernel(5, 2.0, math.nan), "angle.*not nan"),
    (lambda: blur.kernel_width(torch.ones(3, 5)), r"\(…, K, K\), not \(3, 5\)"),
    (lambda: blur.kernel_width(torch.ones(3)), r"\(…, K, K\), not \(3,\)"),
    (lambda: blur.kernel_width(torch.ones(4, 4)), "odd size.*not 4"),
    (lambda: blur.kernel_width(torch.ones(0, 0)), "odd size.*not 0"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED_KERNELS, ids=[m for _, m in REFUSED_KERNELS])
def test_impossible_kernels_are_refused(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- transfer function and convolution -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_otf_is_the_sum_over_taps_around_the_centre(shape: tuple[int, int], size: int) -> None:
    kernel = random_kernel(size, size)
    half = blur.otf(kernel, shape)
    assert half.shape == (shape[0], shape[1] // 2 + 1)
    np.testing.assert_allclose(half.numpy(), dense_otf(kernel, shape)[:, : shape[1] // 2 + 1], atol=1e-14)
    assert half[0, 0].item() == pytest.approx(1)


def test_otf_of_a_delta_is_one_and_of_a_gaussian_is_a_gaussian() -> None:
    torch.testing.assert_close(blur.otf(blur.delta_kernel(5), (6, 7)), torch.ones(6, 4, dtype=torch.complex64))
    H = blur.otf(blur.gaussian_kernel(41, 4.0, dtype=torch.float64), (64, 64))
    expected = torch.exp(-2 * (math.pi * blur.radial_frequency((64, 64), dtype=torch.float64)) ** 2 * 4)
    torch.testing.assert_close(H.real, expected, atol=1e-8, rtol=0)
    assert H.imag.abs().max() < 1e-12


def test_erratum_e3_the_largest_gain_of_a_kernel_is_one_at_frequency_zero() -> None:
    for seed in range(5):
        gain = blur.otf(random_kernel(7, 7, seed=seed), (16, 15)).abs()
        assert gain[0, 0].item() == pytest.approx(1)
        assert gain.max() == gain[0, 0]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolution_is_the_dense_matrix_and_the_sum_over_pixels(shape: tuple[int, int], size: int) -> None:
    x, kernel = random(2, 3, *shape), random_kernel(size, size)
    blurred = blur.circular_convolve(x, kernel)
    dense = blur.block_circulant(kernel, shape)
    torch.testing.assert_close(blurred, (x.flatten(2) @ dense.T).view_as(x), atol=1e-13, rtol=0)
    for image, expected in zip(x.flatten(0, 1).numpy(), blurred.flatten(0, 1).numpy()):
        np.testing.assert_allclose(scipy.ndimage.convolve(image, kernel.numpy(), mode="wrap"), expected, atol=1e-13)


def test_convolution_by_two_loops() -> None:
    """The definition y[i, j] = Σ k[a, b] x[i − a, j − b], without any library."""
    x, kernel = random(1, 1, 5, 7), random_kernel(5, 5)
    y = blur.circular_convolve(x, kernel)
    for i in range(5):
        for j in range(7):
            value = sum(
                kernel[a + 2, b + 2] * x[0, 0, (i - a) % 5, (j - b) % 7] for a in range(-2, 3) for b in range(-2, 3)
            )
            assert y[0, 0, i, j].item() == pytest.approx(float(value), abs=1e-13)


def test_each_image_gets_its_own_kernel() -> None:
    x, kernels = random(3, 2, 8, 7), random_kernel(3, 5, 5)
    together = blur.circular_convolve(x, kernels)
    alone = torch.cat([blur.circular_convolve(x[i : i + 1], kernels[i]) for i in range(3)])
    torch.testing.assert_close(together, alone)
    sharp = torch.cat([blur.wiener_deconvolve(x[i : i + 1], kernels[i], 0.1) for i in range(3)])
    torch.testing.assert_close(blur.wiener_deconvolve(x, kernels, 0.1), sharp)
    error = torch.cat([blur.blur_error_spectrum(x[i : i + 1], kernels[i]) for i in range(3)])
    torch.testing.assert_close(blur.blur_error_spectrum(x, kernels), error)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_adjoint_convolves_with_the_flipped_kernel(shape: tuple[int, int]) -> None:
    x, y, kernel = random(2, 3, *shape), random(2, 3, *shape, seed=1), random_kernel(5, 5)
    forwards = (blur.circular_convolve(x, kernel) * y).sum()
    torch.testing.assert_close(forwards, (x * blur.circular_convolve(y, kernel.flip(0, 1))).sum())
    dense = blur.block_circulant(kernel, shape)
    torch.testing.assert_close(blur.block_circulant(kernel.flip(0, 1), shape), dense.T)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1), (4, 1), (1, 4), (3, 2)], ids=str)
def test_parseval_holds_with_the_hermitian_weights(shape: tuple[int, int]) -> None:
    x = random(2, 3, *shape)
    weights = blur.hermitian_weights(shape, dtype=torch.float64)
    assert weights.sum() == shape[0] * shape[1]
    torch.testing.assert_close((weights * blur.power_spectrum(x)).sum((-2, -1)), x.square().sum((-2, -1)))
    full = np.abs(np.fft.fft2(x.numpy(), norm="ortho")) ** 2
    gain = np.abs(dense_otf(random_kernel(5, 5), shape)) ** 2  # not only where the other factor is constant
    half = torch.from_numpy(gain[:, : shape[1] // 2 + 1].copy())
    ours = (weights * half * blur.power_spectrum(x)).sum((-2, -1)).numpy()
    np.testing.assert_allclose(ours, (gain * full).sum((-2, -1)), rtol=1e-12)


def test_fourier_and_its_inverse_undo_each_other_for_odd_and_even_widths() -> None:
    for shape in SHAPES:
        x = random(2, 1, *shape)
        torch.testing.assert_close(blur.inverse_fourier(blur.fourier(x), shape), x)
        np.testing.assert_allclose(blur.fourier(x).numpy(), np.fft.rfft2(x.numpy(), norm="ortho"), atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precisions_are_raised_to_float32(dtype: torch.dtype) -> None:
    x, kernel = random(1, 1, 8, 8, dtype=dtype), random_kernel(3, 3, dtype=dtype)
    assert blur.fourier(x).dtype == torch.complex64
    assert blur.power_spectrum(x).dtype == torch.float32
    assert blur.otf(kernel, (8, 8)).dtype == torch.complex64
    torch.testing.assert_close(
        blur.circular_convolve(x, kernel), blur.circular_convolve(x.float(), kernel.float()), rtol=0, atol=0
    )


TAKES_KERNEL: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "otf": blur.otf,
    "log_abs_det": lambda k, shape: blur.log_abs_det(k, shape, 0.5),
    "proper_log_det": lambda k, shape: blur.proper_log_det(k, shape, 0.1),
    "wiener_log_det": lambda k, shape: blur.wiener_log_det(k, shape, 0.1),
    "block_circulant": blur.block_circulant,
    "circular_convolve": lambda k, shape: blur.circular_convolve(torch.ones(1, 1, *shape), k),
    "wiener_deconvolve": lambda k, shape: blur.wiener_deconvolve(torch.ones(1, 1, *shape), k, 0.1),
    "blur_error_spectrum": lambda k, shape: blur.blur_error_spectrum(torch.ones(1, 1, *shape), k),
}
BAD_KERNELS = {
    "even": (torch.ones(4, 4), "even size 4"),
    "empty": (torch.ones(0, 0), r"not \(0, 0\)"),
    "too large": (torch.ones(9, 9), "size 9 does not fit an image of 7×12"),
    "oblong": (torch.ones(3, 5), r"not \(3, 5\)"),
    "a vector": (torch.ones(3), r"not \(3,\)"),
}


@pytest.mark.parametrize(("kernel", "message"), BAD_KERNELS.values(), ids=BAD_KERNELS)
@pytest.mark.parametrize("function", TAKES_KERNEL.values(), ids=TAKES_KERNEL)
def test_kernels_that_do_not_fit_are_refused(
    function: Callable[[Tensor, tuple[int, int]], Tensor], kernel: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(kernel, (7, 12))


@pytest.mark.parametrize("name", [name for name in TAKES_KERNEL if name != "block_circulant"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
def test_kernels_that_are_not_real_floats_are_refused(name: str, dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=f"A kernel must hold real floating-point numbers, not {dtype}"):
        TAKES_KERNEL[name](torch.ones(3, 3).to(dtype), (8, 8))


KERNEL3, IMAGE = blur.delta_kernel(3), torch.ones(2, 1, 8, 8)
WITH_C = {
    "wiener_weight": lambda C: blur.wiener_weight(blur.otf(KERNEL3, (8, 8)), C),
    "wiener_deconvolve": lambda C: blur.wiener_deconvolve(IMAGE, KERNEL3, C),
    "proper_log_det": lambda C: blur.proper_log_det(KERNEL3, (8, 8), C),
    "wiener_log_det": lambda C: blur.wiener_log_det(KERNEL3, (8, 8), C),
}


@pytest.mark.parametrize("C", [-0.1, math.nan, math.inf], ids=str)
@pytest.mark.parametrize("function", WITH_C.values(), ids=WITH_C)
def test_impossible_constants_are_refused(function: Callable[[float], Tensor], C: float) -> None:
    with pytest.raises(ValueError, match=f"constant C .*not {C}"):
        function(C)


REFUSED = [
    (lambda: blur.proper_log_det(KERNEL3, (8, 8), 0.0), "only for C > 0"),
    (lambda: blur.wiener_weight(blur.otf(KERNEL3, (8, 8)), torch.tensor([0.1, -0.2])), "constant C .*not -0.2"),
    (lambda: blur.wiener_weight(blur.otf(KERNEL3, (8, 8)), torch.tensor([0.1, math.nan])), "constant C .*not nan"),
    (lambda: blur.log_abs_det(KERNEL3, (8, 8), math.nan), "ε must be a finite number.*not nan"),
    (lambda: blur.log_abs_det(KERNEL3, (8, 8), math.inf), "ε must be a finite number.*not inf"),
    (lambda: blur.block_circulant(torch.ones(2, 3, 3), (8, 8)), r"one kernel of shape \(K, K\), not \(2, 3, 3\)"),
    (lambda: blur.circular_convolve(IMAGE, KERNEL3.expand(3, 3, 3)), r"\(3, 3, 3\) do not fit 2 images"),
    (lambda: blur.wiener_deconvolve(IMAGE, KERNEL3.expand(3, 3, 3), 0.1), r"\(3, 3, 3\) do not fit 2 images"),
    (lambda: blur.wiener_deconvolve(IMAGE[:1], KERNEL3.expand(3, 3, 3), 0.1), r"\(3, 3, 3\) do not fit 1 images"),
    (lambda: blur.blur_error_spectrum(IMAGE, KERNEL3.expand(1, 3, 3)), r"\(1, 3, 3\) do not fit 2 images"),
    (lambda: blur.circular_convolve(IMAGE[0], KERNEL3), r"\(n, c, h, w\).*not \(1, 8, 8\)"),
    (lambda: blur.circular_convolve(IMAGE[:0], KERNEL3), r"not empty, not \(0, 1, 8, 8\)"),
    (lambda: blur.wiener_deconvolve(IMAGE[0], KERNEL3, 0.1), r"\(n, c, h, w\).*not \(1, 8, 8\)"),
    (lambda: blur.circular_convolve(IMAGE.long(), KERNEL3), "An image must hold real.*int64.*float"),
    (lambda: blur.fourier(IMAGE.to(torch.uint8)), "An image must hold real.*uint8.*float"),
    (lambda: blur.power_spectrum(IMAGE.to(torch.complex64)), "An image must hold real.*complex64"),
    (lambda: blur.radial_average(torch.ones(8, 8), (8, 8)), r"half spectrum of a 8×8.*\(…, 8, 5\), not \(8, 8\)"),
    (lambda: blur.radial_average(torch.ones(8, 5), (8, 8), bins=40), "40 rings are too many.*use 4"),
    (lambda: blur.fit_power_law(torch.ones(4), torch.ones(4), 2.0, 3.0), "between 2.0 and 3.0.*widen"),
    (lambda: blur.fit_power_law(torch.arange(1, 5.0) / 10, torch.tensor([1.0, 0.0, 1.0, 1.0])), "must be positive"),
    (lambda: blur.fit_power_law(torch.arange(1, 5.0) / 10, torch.full((4,), math.nan)), "must be positive"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_bad_arguments_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- Wiener ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("C", [1e-4, 0.025, 1.0])
@pytest.mark.parametrize("kernel", [random_kernel(5, 5), blur.gaussian_kernel(5, 2.0, dtype=torch.float64)])
def test_the_wiener_weight_is_bounded(kernel: Tensor, C: float) -> None:
    H = blur.otf(kernel, (16, 15))
    W = blur.wiener_weight(H, C)
    np.testing.assert_allclose(W.numpy(), np.conj(H.numpy()) / (np.abs(H.numpy()) ** 2 + C), rtol=1e-12)
    assert (W.abs().square() <= 1 / (4 * C) * (1 + 1e-12)).all()
    assert W[0, 0].item() == pytest.approx(1 / (1 + C))


def test_the_bound_of_the_wiener_weight_is_reached_at_sqrt_c_and_it_vanishes_with_h() -> None:
    H = torch.tensor([math.sqrt(0.025), -math.sqrt(0.025), 0.0], dtype=torch.complex128)
    torch.testing.assert_close(
        blur.wiener_weight(H, 0.025).abs().square(), torch.tensor([10.0, 10.0, 0.0], dtype=torch.float64)
    )


@pytest.mark.parametrize("shape", [(6, 6), (5, 7), (6, 5)], ids=str)
@pytest.mark.parametrize("C", [0.003, 0.4])
def test_deconvolution_is_the_least_squares_solution_of_the_dense_system(shape: tuple[int, int], C: float) -> None:
    """min ‖Kx − y‖² + C‖x‖², solved once as normal equations and once as stacked least squares."""
    kernel, y = random_kernel(5, 5), random(2, 3, *shape)
    K = blur.block_circulant(kernel, shape)
    identity = torch.eye(len(K), dtype=torch.float64)
    rhs = y.flatten(2).flatten(0, 1).T
    normal = torch.linalg.solve(K.T @ K + C * identity, K.T @ rhs)
    stacked = torch.linalg.lstsq(
        torch.cat([K, math.sqrt(C) * identity]), torch.cat([rhs, torch.zeros_like(rhs)])
    ).solution
    ours = blur.wiener_deconvolve(y, kernel, C).flatten(2).flatten(0, 1).T
    torch.testing.assert_close(ours, normal, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(ours, stacked, atol=1e-9, rtol=1e-9)


def test_with_c_the_noise_to_signal_ratio_deconvolution_is_the_best_linear_estimate() -> None:
    """x ~ N(0, S) circulant, y = Kx + n, n ~ N(0, σ²I): E[x|y] = S Kᵀ (K S Kᵀ + σ²I)⁻¹ y, all dense."""
    shape, variance = (6, 7), 0.3
    K = blur.block_circulant(random_kernel(3, 3), shape)
    root = random_kernel(5, 5, seed=1)
    B = blur.block_circulant(root, shape)
    S = B @ B.T
    y = random(1, 1, *shape)
    best = S @ K.T @ torch.linalg.solve(K @ S @ K.T + variance * torch.eye(42, dtype=torch.float64), y.flatten())
    C = variance / blur.otf(root, shape).abs().square()
    torch.testing.assert_close(blur.wiener_deconvolve(y, random_kernel(3, 3), C).flatten(), best)


def test_deconvolution_inverts_a_blur_without_zeros_as_c_vanishes() -> None:
    x, kernel = random(2, 3, 12, 9), blur.gaussian_kernel(5, 0.4, dtype=torch.float64)
    assert blur.otf(kernel, (12, 9)).abs().min() > 0.05
    blurred = blur.circular_convolve(x, kernel)
    errors = [(blur.wiener_deconvolve(blurred, kernel, C) - x).abs().max().item() for C in (1e-2, 1e-6, 1e-10, 0.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1 and errors[2] < 1e-6 and errors[3] < 1e-11


def test_the_blur_error_is_the_spectrum_of_the_difference() -> None:
    x, kernel = random(2, 3, 9, 8), random_kernel(5, 5)
    error = blur.blur_error_spectrum(x, kernel)
    torch.testing.assert_close(error, blur.power_spectrum(x - blur.circular_convolve(x, kernel)))
    assert error[..., 0, 0].abs().max() < 1e-20


@pytest.mark.parametrize("variance", [2.0, 4.0])
def test_the_blur_error_of_a_power_law_image_peaks_at_middle_frequencies(variance: float) -> None:
    """E10: for power 1/ω² and a Gaussian it is largest where u = σω solves u² exp(−u²/2) = 1 − exp(−u²/2)."""
    shape = (256, 256)
    frequency = blur.radial_frequency(shape, dtype=torch.float64)
    amplitude = torch.where(frequency > 0, 1 / frequency, torch.zeros_like(frequency))
    x = blur.inverse_fourier(amplitude.to(torch.complex128), shape)[None, None]
    error = blur.blur_error_spectrum(x, blur.gaussian_kernel(41, variance, dtype=torch.float64))
    rings, power = blur.radial_average(error[0, 0], shape)
    peak = 2 * math.pi * rings[power.argmax()].item() * math.sqrt(variance)
    assert peak == pytest.approx(1.585, abs=0.06)


# --- determinants ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.5, -0.3])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_log_abs_det_is_that_of_the_dense_matrix(shape: tuple[int, int], epsilon: float, size: int) -> None:
    kernel = random_kernel(size, size, seed=3)
    assert np.abs(dense_otf(kernel, shape) + epsilon).min() >= 1e-3, "choose another seed: nearly singular"
    K = blur.block_circulant(kernel, shape)
    dense = torch.linalg.slogdet(K + epsilon * torch.eye(len(K), dtype=torch.float64)).logabsdet
    torch.testing.assert_close(blur.log_abs_det(kernel, shape, epsilon), dense, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("C", [0.005, 0.025, 1.0])
def test_proper_and_wiener_log_det_are_those_of_their_dense_covariances(shape: tuple[int, int], C: float) -> None:
    kernel = random_kernel(5, 5, seed=3)
    K = blur.block_circulant(kernel, shape)
    identity = torch.eye(len(K), dtype=torch.float64)
    sign, proper = torch.linalg.slogdet(K @ K.T + C * identity)
    assert sign == 1
    torch.testing.assert_close(blur.proper_log_det(kernel, shape, C), proper, rtol=1e-10, atol=1e-10)
    assert np.abs(dense_otf(kernel, shape)).min() >= 1e-3
    W = torch.linalg.solve(K.T @ K + C * identity, K.T)
    covariance = -torch.linalg.slogdet(W.T @ W).logabsdet
    torch.testing.assert_close(blur.wiener_log_det(kernel, shape, C), covariance, rtol=1e-9, atol=1e-9)


def test_determinants_of_a_batch_are_those_of_its_kernels() -> None:
    kernels = random_kernel(3, 5, 5)
    for function in (blur.log_abs_det, blur.proper_log_det, blur.wiener_log_det):
        together = function(kernels, (6, 7), 0.1)
        assert together.shape == (3,)
        torch.testing.assert_close(together, torch.stack([function(k, (6, 7), 0.1) for k in kernels]))
        assert function(kernels[0], (6, 7), 0.1).shape == ()


def test_the_proper_determinant_stays_between_its_bounds() -> None:
    for kernel in (random_kernel(5, 5), taps(0.25, 0.5, 0.25), blur.delta_kernel(3, dtype=torch.float64)):
        value = blur.proper_log_det(kernel, (8, 8), 0.025).item() / 64
        assert math.log(0.025) <= value <= math.log(1.025) + 1e-12


def test_erratum_e1_the_determinant_of_k_k_transposed_is_the_square_not_twice() -> None:
    kernel, shape = random_kernel(3, 3), (4, 5)
    K = blur.block_circulant(kernel, shape)
    half = 0.5 * torch.linalg.slogdet(K @ K.T).logabsdet
    torch.testing.assert_close(blur.log_abs_det(kernel, shape), half)
    torch.testing.assert_close(blur.wiener_log_det(kernel, shape, 0.0), 2 * half)
    printed = 0.5 * (math.log(2) + half)  # ½ log(2|K|)
    assert abs(printed - half) > 1


def test_erratum_e5_the_printed_likelihood_is_tens_of_thousands_of_nats_too_low() -> None:
    """½ log|Σ_k| of the quadratic term's own covariance, less the log|K + εI| that is printed for it."""
    for variance, gap in ((2.0, 47_044), (4.0, 59_194)):
        kernel = blur.gaussian_kernel(11, variance, dtype=torch.float64)
        H = dense_otf(kernel, (64, 64))
        W = np.abs(np.conj(H) / (np.abs(H) ** 2 + 0.025))
        reference = -3 * np.log(W).sum() - 3 * np.log(np.abs(H + 0.5)).sum()
        ours = 3 * (0.5 * blur.wiener_log_det(kernel, (64, 64), 0.025) - blur.log_abs_det(kernel, (64, 64), 0.5))
        assert ours.item() == pytest.approx(reference, rel=1e-9)
        assert round(ours.item()) == gap


def share(kernel: Tensor, condition: Callable[[Tensor], Tensor]) -> float:
    """The share of the 64×64 frequencies at which |W|², C = .025, fulfils a condition."""
    weight = blur.wiener_weight(blur.otf(kernel, (64, 64)), 0.025).abs().square()
    counted = blur.hermitian_weights((64, 64), dtype=torch.float64)
    return (counted * condition(weight)).sum().item() / 4096


def test_erratum_e5_most_errors_are_ignored() -> None:
    assert share(blur.gaussian_kernel(11, 4.0, dtype=torch.float64), lambda w: w < 0.01) == pytest.approx(
        0.70, abs=5e-3
    )


@pytest.mark.parametrize(("variance", "expected"), [(1.0, 0.58), (2.0, 0.29), (4.0, 0.14)])
def test_the_weight_exceeds_one_over_part_of_the_frequencies(variance: float, expected: float) -> None:
    kernel = blur.gaussian_kernel(11, variance, dtype=torch.float64)
    assert share(kernel, lambda w: w > 1) == pytest.approx(expected, abs=5e-3)
    assert share(kernel, lambda w: w > 10) == 0


def test_erratum_e7_the_printed_likelihood_counts_three_channels() -> None:
    assert round(3 * 64 * 64 / 2 * math.log(2 * math.pi)) == 11_292
    kernel = blur.gaussian_kernel(41, 4.0, dtype=torch.float64)
    assert blur.otf(kernel, (64, 64)).real.min() > -1e-9
    one_channel = blur.log_abs_det(kernel, (64, 64), 0.5).item()
    assert 4096 * math.log(0.5) < one_channel < 0
    assert -3062 < round(4096 * math.log(0.5)) == -2839
    assert 3 * one_channel < -3062


def test_erratum_e8_the_other_norm_is_larger_by_the_number_of_pixels() -> None:
    x = random(1, 1, 8, 6)
    torch.testing.assert_close(torch.fft.rfft2(x).abs().square(), 48 * blur.power_spectrum(x))


def test_erratum_e9_the_two_covariances_differ_at_frequency_zero() -> None:
    H = blur.otf(blur.gaussian_kernel(11, 2.0), (64, 64))
    assert (H[0, 0] + 0.5).real.item() == pytest.approx(1.5, abs=1e-6)
    assert blur.wiener_weight(H, 0.025)[0, 0].real.item() == pytest.approx(1 / 1.025)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_erratum_e11_k_plus_epsilon_can_be_singular(dtype: torch.dtype) -> None:
    kernel = taps(0.375, 0.25, 0.375).to(dtype)
    assert blur.log_abs_det(kernel, (8, 8), 0.5) == -math.inf
    K = blur.block_circulant(kernel, (4, 4)).double()
    assert torch.linalg.matrix_rank(K + 0.5 * torch.eye(16, dtype=torch.float64)) < 16
    assert torch.isfinite(blur.log_abs_det(kernel, (8, 9), 0.5))  # an odd width has no frequency ½
    assert torch.isfinite(blur.log_abs_det(blur.gaussian_kernel(11, 4.0), (64, 64), 0.5))


def test_the_wiener_covariance_is_unbounded_where_a_frequency_is_lost() -> None:
    kernel = taps(0.25, 0.5, 0.25)  # H = 0 at frequency ½
    assert blur.wiener_log_det(kernel, (8, 8), 0.025) == math.inf
    assert blur.wiener_log_det(kernel, (8, 8), 0.0) == -math.inf  # Σ = K Kᵀ is singular


# --- gradients and precision -----------------------------------------------------------------------------------------

X, KERNELS_OF_X, SHAPE = random(2, 2, 5, 6), random_kernel(2, 3, 3), (5, 6)
DIFFERENTIABLE: dict[str, tuple[Callable[..., object], tuple[Tensor, ...]]] = {
    "fourier": (blur.fourier, (X,)),
    "inverse_fourier": (lambda x: blur.inverse_fourier(blur.fourier(x) * blur.fourier(x), SHAPE), (X,)),
    "power_spectrum": (blur.power_spectrum, (X,)),
    "otf": (lambda k: blur.otf(k, SHAPE), (KERNELS_OF_X,)),
    "circular_convolve": (blur.circular_convolve, (X, KERNELS_OF_X)),
    "wiener_weight": (
        lambda k, C: blur.wiener_weight(blur.otf(k, SHAPE), C),
        (KERNELS_OF_X, random(2, 5, 4).square() + 0.1),
    ),
    "wiener_deconvolve": (
        lambda x, k, C: blur.wiener_deconvolve(x, k, C),
        (X, KERNELS_OF_X, random(5, 4).square() + 0.1),
    ),
    "blur_error_spectrum": (blur.blur_error_spectrum, (X, KERNELS_OF_X)),
    "squared_gain": (lambda k: blur.squared_gain(blur.otf(k, SHAPE)), (KERNELS_OF_X,)),
    "log_abs_det": (lambda k: blur.log_abs_det(k, SHAPE, 0.5), (KERNELS_OF_X,)),
    "proper_log_det": (lambda k: blur.proper_log_det(k, SHAPE, 0.025), (KERNELS_OF_X,)),
    "wiener_log_det": (lambda k: blur.wiener_log_det(k, SHAPE, 0.025), (KERNELS_OF_X,)),
    "block_circulant": (lambda k: blur.block_circulant(k, (3, 4)), (KERNELS_OF_X[0],)),
    "kernel_width": (blur.kernel_width, (KERNELS_OF_X,)),
    "radial_average": (lambda x: blur.radial_average(blur.power_spectrum(x), (5, 6))[1], (X,)),
}


@pytest.mark.parametrize(("function", "inputs"), DIFFERENTIABLE.values(), ids=DIFFERENTIABLE)
def test_gradients(function: Callable[..., object], inputs: tuple[Tensor, ...]) -> None:
    assert torch.autograd.gradcheck(function, tuple(t.clone().requires_grad_() for t in inputs))


def test_gradients_stay_finite_where_a_frequency_is_lost() -> None:
    kernel = taps(0.25, 0.5, 0.25).requires_grad_()
    W = blur.wiener_weight(blur.otf(kernel, (8, 8)), 0.025)
    (blur.squared_gain(W).sum() + blur.proper_log_det(kernel, (8, 8), 0.025)).backward()
    assert kernel.grad is not None and torch.isfinite(kernel.grad).all()


@pytest.mark.parametrize(("function", "inputs"), DIFFERENTIABLE.values(), ids=DIFFERENTIABLE)
def test_float32_agrees_with_float64(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    single, double = function(*(t.float() for t in inputs)), function(*inputs)
    assert single.dtype in (torch.float32, torch.complex64)
    assert double.dtype in (torch.float64, torch.complex128)
    torch.testing.assert_close(single.to(double.dtype), double, rtol=1e-5, atol=1e-5)


def test_float32_determinants_of_a_whole_image_agree_with_float64() -> None:
    # −2 log|W| has no floor: where H is near 0 the rounding of the transform shows.
    for function, constant, tolerance in (
        (blur.log_abs_det, 0.5, 1e-5),
        (blur.proper_log_det, 0.025, 1e-5),
        (blur.wiener_log_det, 0.025, 5e-3),
    ):
        single = function(blur.gaussian_kernel(11, 2.0), (64, 64), constant).item()
        double = function(blur.gaussian_kernel(11, 2.0, dtype=torch.float64), (64, 64), constant).item()
        assert single == pytest.approx(double, rel=tolerance)


# --- spectra ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (12, 20), (20, 12), (17, 10)], ids=str)
def test_radial_average_counts_every_frequency_of_the_full_spectrum_once(shape: tuple[int, int]) -> None:
    h, w = shape
    x = random(2, *shape)
    rings, ours = blur.radial_average(blur.power_spectrum(x), shape)
    full = np.abs(np.fft.fft2(x.numpy(), norm="ortho")) ** 2
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w))
    bins = min(shape) // 2
    assert len(rings) == bins
    for b in range(1, bins + 1):
        # Half-way between two rings, round() takes the even one; so do numpy and torch.
        ring = np.round(frequency * 2 * bins) == b
        assert rings[b - 1].item() == pytest.approx(frequency[ring].mean())
        np.testing.assert_allclose(ours[:, b - 1].numpy(), full[:, ring].mean(1), rtol=1e-10)


def test_a_window_keeps_the_level_of_white_noise_and_hides_mean_and_seam() -> None:
    noise = random(400, 12, 18)
    assert blur.power_spectrum(blur.windowed(noise))[..., 2:5, 2:5].mean().item() == pytest.approx(1, rel=0.03)
    faded = blur.windowed(noise + 7)
    torch.testing.assert_close(faded, blur.windowed(noise))
    assert faded[:, 0].abs().max() == 0 and faded[..., 0].abs().max() == 0
    ramp = torch.arange(64.0, dtype=torch.float64).expand(64, 64)
    high = (blur.radial_frequency((64, 64)) > 0.25) * blur.hermitian_weights((64, 64))
    assert (high * blur.power_spectrum(blur.windowed(ramp))).sum() < 1e-3 * (high * blur.power_spectrum(ramp)).sum()


@pytest.mark.parametrize("shape", [(8, 8), (6, 9), (7, 5)], ids=str)
def test_the_strongest_waves_are_those_whose_loss_would_cost_most(shape: tuple[int, int]) -> None:
    h, w = shape
    row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    waves = [
        torch.cos(2 * math.pi * (u * row / h + v * column / w) + p) for u, v, p in ((1, 2, 0.3), (0, 1, 1), (2, 0, 2))
    ]
    colours = torch.tensor([1.0, -2.0, 0.5])[:, None, None]
    x = (0.5 + 3 * waves[0] * colours + 2 * waves[1] * colours + waves[2] * colours)[None].double()
    for count in range(4):
        expected = 0.5 + sum(a * wave * colours for a, wave in zip((3, 2, 1)[:count], waves)) + 0 * x
        torch.testing.assert_close(blur.strongest_waves(x, count), expected.double(), atol=1e-5, rtol=0)
    noise = random(2, 3, h, w)
    torch.testing.assert_close(blur.strongest_waves(noise, h * w), noise)
    lost = torch.stack([(noise - blur.strongest_waves(noise, n)).square().sum() for n in range(h * w // 2)])
    assert (lost.diff() < 0).all()


def test_radial_frequency_is_in_cycles_per_pixel() -> None:
    frequency = blur.radial_frequency((8, 6), dtype=torch.float64)
    expected = np.hypot(np.fft.fftfreq(8)[:, None], np.fft.rfftfreq(6))
    np.testing.assert_allclose(frequency.numpy(), expected)
    assert frequency.max().item() == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize(("alpha", "amplitude"), [(2.0, 3.0), (2.75, 0.1), (0.0, 5.0), (-1.0, 1.0)])
def test_a_known_power_law_is_recovered(alpha: float, amplitude: float) -> None:
    frequency = torch.arange(1, 33) / 64
    fitted = blur.fit_power_law(frequency, amplitude / frequency**alpha)
    assert fitted == pytest.approx((alpha, amplitude), abs=1e-5)
    # From the rings of a spectrum: each averages a curved function, so only nearly.
    shape = (64, 64)
    spectrum = amplitude / blur.radial_frequency(shape, dtype=torch.float64).clamp(min=1e-9) ** alpha
    assert blur.fit_power_law(*blur.radial_average(spectrum, shape), low=0.05)[0] == pytest.approx(alpha, abs=0.02)


def test_the_fit_uses_only_its_range() -> None:
    frequency = torch.arange(1, 33, dtype=torch.float64) / 64
    power = torch.where(frequency < 0.2, frequency**-2, 7 * frequency**-3)
    assert blur.fit_power_law(frequency, power, high=0.19)[0] == pytest.approx(2)
    assert blur.fit_power_law(frequency, power, low=0.2) == pytest.approx((3, 7))


# --- on the GPU ------------------------------------------------------------------------------------------------------


@gpu
@needs_gpu
@pytest.mark.parametrize(("function", "inputs"), DIFFERENTIABLE.values(), ids=DIFFERENTIABLE)
def test_the_gpu_agrees_with_the_cpu(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    there = function(*(t.cuda() for t in inputs))
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), function(*inputs), rtol=1e-9, atol=1e-9)


@gpu
@needs_gpu
@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)
def test_kernels_are_made_on_the_gpu(make: Callable[..., Tensor]) -> None:
    kernel = make(11, device="cuda")
    assert kernel.is_cuda
    torch.testing.assert_close(kernel.cpu(), make(11))


def test_the_wiener_weight_is_0_where_the_kernel_passes_nothing_and_C_is_0() -> None:
    kernel = torch.full((2, 2), 0.25, dtype=torch.float64)
    kernel = torch.nn.functional.pad(kernel, (0, 1, 0, 1))  # a mean of two: exactly 0 at the highest frequency
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    H = blur.otf(kernel, (8, 8))
    nothing = H.abs() < 1e-15
    H = torch.where(nothing, 0, H)
    W = blur.wiener_weight(H, 0.0)
    assert nothing.any() and (W[nothing] == 0).all()
    torch.testing.assert_close((W * H)[~nothing], torch.ones_like(H)[~nothing])
    assert blur.wiener_deconvolve(blur.circular_convolve(x, kernel), kernel, 0.0).isfinite().all()


@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_the_transform_passes_vmap_and_forward_derivatives(shape: tuple[int, int]) -> None:
    x, v = torch.randn(2, 3, 2, *shape, dtype=torch.float64)
    each = torch.func.vmap(blur.fourier)(x)
    assert torch.equal(each, blur.fourier(x))
    value, tangent = torch.func.jvp(blur.fourier, (x,), (v,))
    torch.testing.assert_close(value, blur.fourier(x))
    torch.testing.assert_close(tangent, blur.fourier(v))  # the transform is linear
    gradient = torch.func.vmap(torch.func.grad(lambda a: blur.power_spectrum(a).sum()))(x)
    expected = torch.stack([torch.func.grad(lambda a: blur.power_spectrum(a).sum())(one) for one in x])
    torch.testing.assert_close(gradient, expected)


def test_the_energy_of_high_frequencies_is_matched_and_nothing_else_changes() -> None:
    x, reference = random(2, 3, 12, 15), 3 * random(2, 3, 12, 15, seed=1)
    matched = blur.match_high_energy(x, reference, 0.2)
    high = torch.from_numpy(np.hypot(np.fft.fftfreq(12)[:, None], np.fft.fftfreq(15)) >= 0.2)
    before, after, wanted = (torch.fft.fft2(images) for images in (x, matched, reference))
    torch.testing.assert_close(after[..., ~high], before[..., ~high])
    torch.testing.assert_close(after[..., high].angle(), before[..., high].angle())
    torch.testing.assert_close(after[..., high].abs().square().sum(-1), wanted[..., high].abs().square().sum(-1))
    torch.testing.assert_close(blur.match_high_energy(x, x, 0.2), x)
    flat = torch.full_like(x, 0.3)
    torch.testing.assert_close(blur.match_high_energy(flat, reference, 0.2), flat)


def test_matched_ring_by_ring_a_blur_without_negative_lobes_is_undone_and_one_with_them_is_not() -> None:
    """A Gaussian turns no phase, so energies in narrow rings are all it takes; a disc turns some by half a turn."""
    x, shape = random(1, 1, 32, 32), (32, 32)
    error = {}
    kernels = {"gaussian": blur.gaussian_kernel(15, 1.0), "disc": blur.disk_kernel(9, 3.0)}
    for name, kernel in kernels.items():
        blurred = blur.circular_convolve(x, kernel.to(x))
        for rings in (1, 8, 400):
            restored = blur.match_high_energy(blurred, x, 0.1, rings)
            before, after, wanted = (blur.power_spectrum(image) for image in (blurred, restored, x))
            place = (blur.radial_frequency(shape, dtype=x.dtype) - 0.1) * rings / (math.sqrt(0.5) - 0.1)
            weight = blur.hermitian_weights(shape, dtype=x.dtype)
            torch.testing.assert_close(after[..., place < 0], before[..., place < 0])
            for i in {0, rings // 2, rings - 1}:
                ring = (place >= i) & (place < i + 1 + 1e-9)
                torch.testing.assert_close((weight * after)[..., ring].sum(), (weight * wanted)[..., ring].sum())
            high = (place >= 0) * weight
            left = high * blur.power_spectrum(restored - x)
            error[name, rings] = (left.sum() / (high * wanted).sum()).item()
    assert error["gaussian", 1] > error["gaussian", 8] > 20 * error["gaussian", 400]
    assert min(error["disc", rings] for rings in (1, 8, 400)) > 0.3
    with pytest.raises(ValueError, match="at least one ring, not in 0"):
        blur.match_high_energy(x, x, 0.1, 0)
