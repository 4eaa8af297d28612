"""Reconstruction terms: against dense matrices, densities of torch.distributions, quadrature and other packages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Laplace, MultivariateNormal, Normal

from blurvae import blur, losses
from blurvae.models import kl_divergence

SHAPE = (2, 5, 6)  # (c, h, w): odd and even sides
N = 3
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def batch(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Images within (−1, 1)."""
    values = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (1.8 * values - 0.9).to(dtype)


def kernels(*shape: int, seed: int = 0) -> Tensor:
    """Asymmetric positive kernels of sum 1."""
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed + 100), dtype=torch.float64)
    return values.flatten(-2).softmax(-1).reshape(shape)


def dense(kernel: Tensor, C: float, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """(K, W, I) as matrices, with W = (KᵀK + C·I)⁻¹ Kᵀ found without a Fourier transform."""
    K = blur.block_circulant(kernel, shape)
    identity = torch.eye(len(K), dtype=K.dtype)
    return K, torch.linalg.solve(K.T @ K + C * identity, K.T), identity


def three_channels(matrix: Tensor) -> Tensor:
    """The matrix of an image whose channels do not mix."""
    return torch.block_diag(*[matrix] * SHAPE[0])


X, X_HAT, KERNELS = batch(N, *SHAPE), batch(N, *SHAPE, seed=1), kernels(N, 3, 3)
ERROR = (X - X_HAT).flatten(1)
LARGE_X, LARGE_X_HAT = batch(2, 3, 16, 12), batch(2, 3, 16, 12, seed=1)

ALL: dict[str, dict[str, Any]] = {
    "l2": {},
    "l1": {},
    "ce": {},
    "ce with constant": {"continuous_bernoulli": True},
    "ssim": {},
    "ffl": {},
    "wiener": {},
    "wiener with determinant": {"epsilon": 0.5},
    "wiener-fixed": {},
    "wiener-proper": {},
    "power-law": {},
    "spectral": {},
    "spectral, one variance": {"spectra": "flat"},
    "stft": {"window": 4, "stride": 2, "pad": True},
    "stft as released": {"window": 4, "stride": 2, "pad": True, "hann": False, "form": "released"},
    "sharpness": {},
    "sharpness (a)": {"variant": "a"},
    "sharpness (c)": {"variant": "c"},
    "sharpness in size": {"absolute": True},
    "sum": {"first": losses.L2(), "second": losses.SSIM(), "weight": 0.3},
}
TERMS = {key: losses.get(key.split()[0].strip(","), **constants) for key, constants in ALL.items()}


# --- names, constants, flags -----------------------------------------------------------------------------------------


def test_every_name_gives_its_term() -> None:
    ours = {"l2", "l1", "ce", "ssim", "ffl", "wiener", "wiener-fixed", "wiener-proper"}
    ours |= {"stft", "sharpness", "sum", "spectral", "power-law"}
    assert set(losses.TERMS) == ours | {"lpips", "watson", "watson-dft"}
    for name, kind in losses.TERMS.items():
        term = losses.get(name)
        assert type(term) is kind
        assert term.name == name


def test_the_defaults_are_those_of_the_paper() -> None:
    assert losses.get("wiener") == losses.Wiener(C=0.025, epsilon=None, kernel_size=11, kernel_path="detached")
    assert losses.get("wiener", epsilon=0.01).kernel_path == "live"
    assert losses.get("wiener", epsilon=0.01, kernel_path="detached").kernel_path == "detached"
    assert losses.get("wiener", kernel_path="live").kernel_path == "live"
    assert losses.get("wiener-proper") == losses.WienerProper(C=0.025, kernel_size=11, kernel_path="live")
    assert losses.get("wiener-fixed") == losses.WienerFixed(variance=2.0, C=0.025, kernel_size=11)
    assert {name for name in losses.TERMS if losses.get(name).kernel_path} == {"wiener", "wiener-proper"}


def test_constants_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        losses.get("wiener").C = 1.0  # type: ignore[attr-defined]


REFUSED = [
    ("vgg", {}, "no reconstruction term 'vgg': choose one of l2, l1, ce, ssim, ffl, wiener"),
    ("l2", {"C": 1.0}, "'l2' has no constant 'C': it has none"),
    ("l2", {"is_likelihood": True}, "'l2' has no constant 'is_likelihood': it has none"),
    ("wiener", {"variance": 1.0}, "'variance': it has C, epsilon, kernel_size, kernel_path"),
    ("wiener", {"C": -1.0}, "constant C .*not -1.0"),
    ("wiener", {"C": math.nan}, "constant C .*not nan"),
    ("wiener", {"epsilon": math.nan}, "ε is a finite number.*not nan"),
    ("wiener", {"epsilon": math.inf}, "ε is a finite number.*not inf"),
    ("wiener", {"kernel_size": 4}, "odd size.*not 4"),
    ("wiener", {"kernel_path": "elbo"}, "kernel_path of 'wiener' is 'detached' or 'live', not 'elbo'"),
    ("wiener", {"kernel_path": "on"}, "kernel_path of 'wiener' .*not 'on'"),
    ("wiener-proper", {"C": 0.0}, "floor C .*not 0.0"),
    ("wiener-proper", {"C": math.inf}, "floor C .*not inf"),
    ("wiener-proper", {"kernel_size": 0}, "odd size.*not 0"),
    ("wiener-proper", {"kernel_path": "dead"}, "kernel_path of 'wiener-proper' .*not 'dead'"),
    ("wiener-proper", {"kernel_path": None}, "kernel_path of 'wiener-proper' .*not None"),
    ("wiener-fixed", {"variance": 0.0}, "variance.*not 0.0"),
    ("wiener-fixed", {"kernel_size": 6}, "odd size.*not 6"),
    ("wiener-fixed", {"C": -0.1}, "constant C .*not -0.1"),
    ("ffl", {"alpha": -1.0}, "alpha .*not -1.0"),
    ("ffl", {"alpha": math.nan}, "alpha .*not nan"),
    ("stft", {"window": 7}, "even number of at least 4 px, not 7"),
    ("stft", {"stride": 17}, "between 0 and the window, not at 17"),
    ("stft", {"phase": -1.0}, "phase and amplitude of 'stft' are ≥ 0"),
    ("stft", {"phase": 0.0, "amplitude": 0.0}, "one of them is positive"),
    ("stft", {"scale": 0.0}, "scale of 'stft' is a positive number, not 0.0"),
    ("stft", {"form": "wrapped"}, "form of 'stft' is 'printed' or 'released', not 'wrapped'"),
    ("sharpness", {"variant": "d"}, "variant of 'sharpness' is a, b or c, not 'd'"),
    ("sharpness", {"scale": -1.0}, "scale of 'sharpness' is a positive number"),
    ("power-law", {"alpha": math.inf}, "alpha of 'power-law' is a finite number, not inf"),
    ("spectral", {"spectra": "all"}, "one of flat, shared, colours, not 'all'"),
    ("sum", {"second": losses.Spectral()}, "no term that learns parameters, as 'spectral' does"),
    ("sum", {"weight": 0.0}, "scale of 'sum' is a positive number"),
    ("sum", {"second": losses.Wiener()}, "no term that weights by an estimated kernel, as 'wiener' does"),
]


@pytest.mark.parametrize(("name", "constants", "message"), REFUSED, ids=[m for *_, m in REFUSED])
def test_unknown_names_and_bad_constants_are_refused(name: str, constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        losses.get(name, **constants)


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_images_of_two_shapes_are_refused(term: losses.Term) -> None:
    with pytest.raises(ValueError, match=r"not \(3, 2, 5, 6\) and \(2, 2, 5, 6\)"):
        term(X, X_HAT[:2], kernel=KERNELS)
    with pytest.raises(ValueError, match=r"not \(2, 5, 6\) and \(2, 5, 6\)"):
        term(X[0], X_HAT[0], kernel=KERNELS)


@pytest.mark.parametrize("name", ["wiener", "wiener-proper"])
def test_a_missing_kernel_or_another_number_of_kernels_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' weights by a blur kernel: pass"):
        losses.get(name)(X, X_HAT)
    with pytest.raises(ValueError, match=f"'{name}' got 2 kernels for 3 images"):
        losses.get(name)(X, X_HAT, kernel=KERNELS[:2])
    with pytest.raises(ValueError, match=f"'{name}' got 3 kernels for 1 images"):
        losses.get(name)(X[:1], X_HAT[:1], kernel=KERNELS)
    with pytest.raises(ValueError, match=r"3 kernels|\(3, 3, 3\) do not fit 2 images"):
        losses.kernel_loss(X[:2], X_HAT[:2], KERNELS)


def test_each_term_says_whether_it_is_a_likelihood() -> None:
    flags = {name: term.is_likelihood for name, term in TERMS.items()}
    assert {name for name, flag in flags.items() if flag} == {
        "l2",
        "l1",
        "ce with constant",
        "wiener-fixed",
        "wiener-proper",
        "power-law",
        "spectral",
        "spectral, one variance",
    }


@pytest.mark.parametrize("name", [name for name, term in TERMS.items() if not term.is_likelihood])
def test_what_is_no_likelihood_has_no_constant(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{TERMS[name].name}' is not a likelihood"):
        TERMS[name].log_normaliser((3, 16, 16))


# --- the formulas ----------------------------------------------------------------------------------------------------


def test_l2_l1_are_sums_over_pixels() -> None:
    np.testing.assert_allclose(TERMS["l2"](X, X_HAT).numpy(), [0.5 * e @ e for e in ERROR.numpy()])
    np.testing.assert_allclose(TERMS["l1"](X, X_HAT).numpy(), [np.abs(e).sum() for e in ERROR.numpy()])


@pytest.mark.parametrize("C", [0.005, 0.1])
@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("epsilon", [None, 0.5, 0.01])
def test_wiener_is_that_of_dense_matrices(C: float, per_image: bool, epsilon: float | None) -> None:
    """½ eᵀWᵀW e per channel [+ log|det(K + εI)| for each channel]: E1, E2, E5."""
    kernel = KERNELS if per_image else KERNELS[0]
    ours = losses.get("wiener", C=C, epsilon=epsilon)(X, X_HAT, kernel=kernel)
    for i in range(N):
        K, W, identity = dense(kernel[i] if per_image else kernel, C, SHAPE[1:])
        expected = 0.5 * sum((W @ e).square().sum() for e in ERROR[i].view(SHAPE[0], -1))
        if epsilon is not None:
            expected = expected + SHAPE[0] * torch.linalg.slogdet(K + epsilon * identity).logabsdet
        torch.testing.assert_close(ours[i], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("C", [0.005, 0.1])
@pytest.mark.parametrize("per_image", [True, False])
def test_wiener_proper_is_that_of_its_dense_covariance(C: float, per_image: bool) -> None:
    kernel = KERNELS if per_image else KERNELS[0]
    ours = losses.get("wiener-proper", C=C)(X, X_HAT, kernel=kernel)
    for i in range(N):
        K, _, identity = dense(kernel[i] if per_image else kernel, C, SHAPE[1:])
        sigma = three_channels(K @ K.T + C * identity)
        expected = 0.5 * torch.linalg.slogdet(sigma).logabsdet + 0.5 * ERROR[i] @ torch.linalg.solve(sigma, ERROR[i])
        torch.testing.assert_close(ours[i], expected, rtol=1e-10, atol=1e-10)


def test_wiener_fixed_is_wiener_with_that_gaussian() -> None:
    ours = losses.get("wiener-fixed", variance=0.7, C=0.1, kernel_size=5)(X, X_HAT)
    kernel = blur.gaussian_kernel(5, 0.7, dtype=torch.float64)
    torch.testing.assert_close(ours, losses.get("wiener", C=0.1)(X, X_HAT, kernel=kernel))
    W = dense(kernel, 0.1, SHAPE[1:])[1]
    expected = 0.5 * (three_channels(W) @ ERROR.T).square().sum(0)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 5, 6), (3, 6, 5)], ids=str)
def test_the_power_law_weighs_by_the_root_of_the_frequency_with_the_determinant_of_l2(shape: tuple[int, ...]) -> None:
    x, x_hat, (_, h, w) = batch(N, *shape), batch(N, *shape, seed=1), shape
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)).clip(1 / max(h, w))
    weight = frequency**1.5
    weight /= np.exp(np.log(weight).mean())
    energy = np.abs(np.fft.fft2((x - x_hat).numpy(), norm="ortho")) ** 2
    term = losses.get("power-law", alpha=3.0)
    np.testing.assert_allclose(term(x, x_hat).numpy(), 0.5 * (weight * energy).sum((1, 2, 3)))
    sigma = [np.fft.ifft2(np.fft.fft2(e.reshape(h, w)) / weight).real.ravel() for e in np.eye(h * w)]
    normal = MultivariateNormal(torch.zeros(h * w, dtype=torch.float64), torch.from_numpy(np.stack(sigma)))
    expected = -normal.log_prob((x - x_hat).flatten(2)).sum(1)
    torch.testing.assert_close(minus_log_p(term, x, x_hat), expected)
    torch.testing.assert_close(losses.get("power-law", alpha=0.0)(x, x_hat), losses.L2()(x, x_hat))


def test_with_a_delta_the_weighted_terms_are_scaled_squared_errors() -> None:
    """Parseval's scale: no factor h·w (E8)."""
    delta, l2 = blur.delta_kernel(3, dtype=torch.float64), TERMS["l2"](X, X_HAT)
    torch.testing.assert_close(losses.get("wiener", C=0.0)(X, X_HAT, kernel=delta), l2)
    torch.testing.assert_close(losses.get("wiener", C=1e-9)(X, X_HAT, kernel=delta), l2)
    torch.testing.assert_close(losses.get("wiener", C=0.3)(X, X_HAT, kernel=delta), l2 / 1.3**2)
    half_log_det = X[0].numel() / 2 * math.log(1.3)
    torch.testing.assert_close(
        losses.get("wiener-proper", C=0.3)(X, X_HAT, kernel=delta) - half_log_det, l2 / 1.3, rtol=1e-12, atol=1e-12
    )


def test_a_blur_error_is_deconvolved() -> None:
    """For x̂ = x * k and C → 0 the term is ½‖(K⁻¹ − I) x‖²: W undoes the blur of the error."""
    kernel = blur.gaussian_kernel(3, 0.3, dtype=torch.float64)
    x_hat = blur.circular_convolve(X, kernel)
    ours = losses.get("wiener", C=1e-12)(X, x_hat, kernel=kernel)
    inverse = torch.linalg.inv(blur.block_circulant(kernel, SHAPE[1:]))
    expected = 0.5 * (X.flatten(2) @ inverse.T - X.flatten(2)).square().sum((1, 2))
    torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-10)
    assert (ours > 1.5 * TERMS["l2"](X, x_hat)).all()


def test_kernel_loss_is_the_squared_error_of_the_blurred_image() -> None:
    ours = losses.kernel_loss(X, X_HAT, KERNELS)
    for i in range(N):
        K = blur.block_circulant(KERNELS[i], SHAPE[1:])
        expected = sum((K @ x - y).square().sum() for x, y in zip(X[i].flatten(1), X_HAT[i].flatten(1)))
        torch.testing.assert_close(ours[i], expected)
    blurred = blur.circular_convolve(X, KERNELS)
    assert losses.kernel_loss(X, blurred, KERNELS).max() < 1e-25


# --- likelihoods -----------------------------------------------------------------------------------------------------


def minus_log_p(term: losses.Term, x: Tensor, x_hat: Tensor, **kwargs: Tensor) -> Tensor:
    return term(x, x_hat, **kwargs) + term.log_normaliser((x.shape[1], x.shape[2], x.shape[3]))


def test_l2_and_l1_are_normal_and_laplace() -> None:
    expected = -Normal(X_HAT, 1.0).log_prob(X).sum((1, 2, 3))
    torch.testing.assert_close(minus_log_p(TERMS["l2"], X, X_HAT), expected)
    expected = -Laplace(X_HAT, 1.0).log_prob(X).sum((1, 2, 3))
    torch.testing.assert_close(minus_log_p(TERMS["l1"], X, X_HAT), expected)


def test_ce_with_its_constant_is_continuous_bernoulli() -> None:
    """Over x in [−1, 1]: half the density over t = (x + 1)/2."""
    logit = 3 * torch.randn(X.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    logit.view(-1)[:4] = torch.tensor([0.0, 1e-9, 0.0249, -0.0251])  # the series near 0, and both sides of its end
    distribution = ContinuousBernoulli(logits=2 * logit, lims=(0.5, 0.5))  # lims: no approximation of its own
    expected = -(distribution.log_prob((X + 1) / 2) - math.log(2))
    expected.view(-1)[0] = math.log(2)  # the uniform density 1/2, where torch divides 0 by 0
    ours = minus_log_p(TERMS["ce with constant"], X, torch.tanh(logit), logit=logit)
    torch.testing.assert_close(ours, expected.sum((1, 2, 3)), rtol=0, atol=1e-6)


def test_the_constant_of_the_continuous_bernoulli_is_smooth_where_its_series_begins() -> None:
    for ell in (1e-4, 0.0499, 0.0501, 0.3, -0.0499, -8.0):
        logit = torch.full((1, 1, 1, 1), ell / 2, dtype=torch.float64)
        x = torch.full_like(logit, 0.2)
        constant = TERMS["ce"](x, logit.tanh(), logit=logit) - TERMS["ce with constant"](x, logit.tanh(), logit=logit)
        assert constant.item() == pytest.approx(math.log(ell / math.tanh(ell / 2)), abs=1e-10)


def test_ce_is_a_likelihood_of_binary_images_only() -> None:
    logit = torch.tensor([[[[-1.3, 0.4]]]], dtype=torch.float64)
    corners = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)], dtype=torch.float64).view(4, 1, 1, 2)
    logits = logit.expand(4, 1, 1, 2)
    assert torch.exp(-TERMS["ce"](corners, logits.tanh(), logit=logits)).sum().item() == pytest.approx(1)
    assert not TERMS["ce"].is_likelihood
    assert integral(TERMS["ce"], 0.4) < 0.99  # over gray values


def integral(
    term: losses.Term, x_hat: float, low: float = -1.0, high: float = 1.0, kernel: Tensor | None = None
) -> float:
    """∫ p(x) dx of images of one pixel, by the trapezoidal rule; CE without constants counts dt = dx/2."""
    x = torch.linspace(low, high, 40_001, dtype=torch.float64).view(-1, 1, 1, 1)
    nats = term(x, torch.full_like(x, x_hat), kernel=kernel)
    nats = nats + (term.log_normaliser((1, 1, 1)) if term.is_likelihood else math.log(2))
    return float(torch.trapezoid(torch.exp(-nats), x.flatten()))


@pytest.mark.parametrize("x_hat", [-0.8, 0.0, 0.3])
def test_likelihoods_integrate_to_one(x_hat: float) -> None:
    pixel = torch.ones(1, 1, dtype=torch.float64)
    assert integral(TERMS["l2"], x_hat, -12, 12) == pytest.approx(1, abs=1e-6)
    assert integral(TERMS["l1"], x_hat, -25, 25) == pytest.approx(1, abs=1e-6)
    assert integral(TERMS["ce with constant"], x_hat) == pytest.approx(1, abs=1e-6)
    fixed = losses.get("wiener-fixed", C=0.4, kernel_size=1)
    assert integral(fixed, x_hat, -15, 15) == pytest.approx(1, abs=1e-6)
    proper = losses.get("wiener-proper", C=0.4)
    assert integral(proper, x_hat, -12, 12, pixel) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("C", [0.025, 0.5])
def test_wiener_proper_with_its_constant_is_a_multivariate_normal(C: float) -> None:
    ours = minus_log_p(losses.get("wiener-proper", C=C), X, X_HAT, kernel=KERNELS)
    for i in range(N):
        K, _, identity = dense(KERNELS[i], C, SHAPE[1:])
        normal = MultivariateNormal(X_HAT[i].flatten(), three_channels(K @ K.T + C * identity))
        torch.testing.assert_close(ours[i], -normal.log_prob(X[i].flatten()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("variance", "C"), [(0.3, 0.025), (0.7, 0.5)])
def test_wiener_fixed_with_its_constant_is_a_multivariate_normal(variance: float, C: float) -> None:
    term = losses.get("wiener-fixed", variance=variance, C=C, kernel_size=3)
    W = dense(blur.gaussian_kernel(3, variance, dtype=torch.float64), C, SHAPE[1:])[1]
    ours = minus_log_p(term, X, X_HAT)
    for i in range(N):
        normal = MultivariateNormal(X_HAT[i].flatten(), precision_matrix=three_channels(W.T @ W))
        torch.testing.assert_close(ours[i], -normal.log_prob(X[i].flatten()), rtol=1e-8, atol=1e-8)


def test_erratum_e5_the_printed_sum_is_no_density() -> None:
    """One pixel, K = 1: the Gaussian of weight W² needs −log W, the paper's term adds log(1 + ε) instead."""
    pixel = torch.ones(1, 1, dtype=torch.float64)
    x = torch.linspace(-15, 15, 40_001, dtype=torch.float64).view(-1, 1, 1, 1)
    nats = losses.get("wiener", C=0.4, epsilon=0.5)(x, torch.zeros_like(x), kernel=pixel) + 0.5 * math.log(2 * math.pi)
    assert float(torch.trapezoid(torch.exp(-nats), x.flatten())) == pytest.approx(1.4 / 1.5, abs=1e-6)


@pytest.mark.parametrize(("side", "taps"), [(1, 1), (4, 3)])
def test_erratum_e5_the_encoder_decides_whether_the_printed_value_bounds_a_density(side: int, taps: int) -> None:
    """Decoder and kernel ignore z and q(z|x) = N(μ₀, I): the value is L + KL, with the mass Z·exp(−|μ₀|²/2)."""
    kernel, D = blur.gaussian_kernel(taps, 0.3, dtype=torch.float64), side**2
    W = dense(kernel, 0.025, (side, side))[1]
    normal = MultivariateNormal(torch.zeros(D, dtype=torch.float64), precision_matrix=W.T @ W)
    x = 3 * batch(200, 1, side, side)
    L = losses.get("wiener", epsilon=0.5, kernel_size=taps)(x, torch.zeros_like(x), kernel=kernel)
    density = -normal.log_prob(x.flatten(1))  # of e^(−L)/Z
    log_z = (density - L).mean().item()
    torch.testing.assert_close(density, L + log_z)
    assert log_z > D * 0.1496, "the floor for every network"
    for distance, is_bound in ((0.0, False), (math.sqrt(2 * log_z) + 0.1, True)):
        mu = torch.zeros(1, 2, dtype=torch.float64)
        mu[0, 0] = distance
        printed = L + kl_divergence(mu, torch.zeros_like(mu))
        assert ((printed >= density) == is_bound).all()
        if D == 1:  # the mass, by quadrature: above 1, no density lies above e^(−printed) everywhere
            grid = torch.linspace(-15, 15, 40_001, dtype=torch.float64).view(-1, 1, 1, 1)
            wide = losses.get("wiener", epsilon=0.5, kernel_size=1)(grid, torch.zeros_like(grid), kernel=kernel)
            mass = torch.trapezoid(torch.exp(-wide - (printed - L)[0]), grid.flatten()).item()
            assert mass == pytest.approx(math.exp(log_z - distance**2 / 2), rel=1e-6)
            assert (mass <= 1) == is_bound


# --- other packages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 0.5, 0.0])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 15, 9), (3, 8, 13)], ids=str)
def test_ffl_is_half_d_times_the_authors_package(
    shape: tuple[int, int, int], alpha: float, dtype: torch.dtype, tolerance: float
) -> None:
    package = pytest.importorskip("focal_frequency_loss").FocalFrequencyLoss(alpha=alpha)
    x, x_hat = batch(N, *shape, dtype=dtype), batch(N, *shape, seed=1, dtype=dtype).requires_grad_()
    ours = losses.get("ffl", alpha=alpha)(x, x_hat)
    assert ours.shape == (N,)
    for i in range(N):
        value = package((x_hat[i : i + 1] + 1) / 2, (x[i : i + 1] + 1) / 2) * math.prod(shape) / 2
        assert ours[i].item() == pytest.approx(value.item(), rel=tolerance)
    (ours_gradient,) = torch.autograd.grad(ours.sum(), x_hat)
    whole = package((x_hat + 1) / 2, (x + 1) / 2) * math.prod(shape) / 2 * N
    (gradient,) = torch.autograd.grad(whole, x_hat)
    torch.testing.assert_close(ours_gradient, gradient, rtol=1e-4, atol=tolerance)


def test_ffl_of_equal_images_is_zero_and_its_gradient_too() -> None:
    x_hat = X.clone().requires_grad_()
    value = TERMS["ffl"](X, x_hat)
    value.sum().backward()
    assert torch.equal(value, torch.zeros(N, dtype=torch.float64))
    assert x_hat.grad is not None and torch.equal(x_hat.grad, torch.zeros_like(X))


def test_ffl_with_exponent_zero_is_half_the_squared_error_on_the_unit_range() -> None:
    torch.testing.assert_close(losses.get("ffl", alpha=0.0)(X, X_HAT), TERMS["l2"](X, X_HAT) / 4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 13, 20)], ids=str)
def test_ssim_is_that_of_torchmetrics(shape: tuple[int, int, int], dtype: torch.dtype, tolerance: float) -> None:
    functional = pytest.importorskip("torchmetrics.functional.image")
    x = batch(N, *shape, dtype=dtype)
    x_hat = (0.8 * x + 0.2 * batch(N, *shape, seed=1, dtype=dtype)).clamp(-1, 1)
    similarity = functional.structural_similarity_index_measure(
        (x_hat + 1) / 2, (x + 1) / 2, data_range=1.0, reduction="none"
    )
    expected = math.prod(shape) * (1 - similarity) / 2
    torch.testing.assert_close(TERMS["ssim"](x, x_hat), expected.to(dtype), rtol=tolerance, atol=0)
    assert expected.min() > 1
    torch.testing.assert_close(TERMS["ssim"](x, x), torch.zeros(N, dtype=dtype))


def test_ssim_without_border_does_not_see_the_border() -> None:
    """A window's half width beyond the pixels that count, nothing of an image matters; all of its pixels weigh in D."""
    term, x, x_hat = losses.SSIM(border=False), batch(N, 1, 13, 13), batch(N, 1, 13, 13, seed=1)
    x_hat.requires_grad_()
    term(x, x_hat).sum().backward()
    assert x_hat.grad is not None and (x_hat.grad != 0).all(), "3×3 windows of 11×11 px see all 13×13"
    flat, white = -torch.ones(1, 1, 11, 11, dtype=torch.float64), torch.ones(1, 1, 11, 11, dtype=torch.float64)
    c1 = 0.01**2
    torch.testing.assert_close(term(flat, white), torch.tensor([121 * (1 - c1 / (1 + c1)) / 2], dtype=torch.float64))


# --- cross-entropy from the logit ------------------------------------------------------------------------------------


def test_ce_from_the_logit_is_ce_from_the_mean_and_that_of_torch() -> None:
    logit = torch.atanh(X_HAT)
    ours = TERMS["ce"](X, X_HAT, logit=logit)
    torch.testing.assert_close(ours, TERMS["ce"](X, X_HAT))
    expected = F.binary_cross_entropy((X_HAT + 1) / 2, (X + 1) / 2, reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(TERMS["ce with constant"](X, X_HAT, logit=logit), TERMS["ce with constant"](X, X_HAT))


@pytest.mark.parametrize("name", ["ce", "ce with constant"])
def test_ce_keeps_its_gradient_where_tanh_has_saturated(name: str) -> None:
    """At a = 20, x̂ is 1 in float32; the derivative of CE in a is 2 (σ(2a) − t), the constant adds about −1/a."""
    logit = torch.full((1, 1, 1, 1), 20.0, requires_grad=True)
    x_hat = torch.tanh(logit)
    assert x_hat.item() == 1
    TERMS[name](torch.full((1, 1, 1, 1), -1.0), x_hat, logit=logit).sum().backward()
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(2 - (1 / 20 if "constant" in name else 0), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["ce", "ce with constant"])
def test_ce_without_a_logit_is_finite_where_tanh_has_saturated(name: str, dtype: torch.dtype) -> None:
    one = torch.ones(1, 1, 1, 1, dtype=dtype)
    right, wrong = TERMS[name](one, one), TERMS[name](-one, one)
    assert torch.isfinite(right) and torch.isfinite(wrong)
    assert wrong - right == pytest.approx(2 * math.atanh(1 - torch.finfo(dtype).eps), rel=1e-5)


# --- what all terms share --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", TERMS)
def test_a_term_is_one_number_per_image_whatever_the_batch(key: str) -> None:
    term, kernel = TERMS[key], kernels(2, 5, 5)
    together = term(LARGE_X, LARGE_X_HAT, kernel=kernel)
    assert together.shape == (2,)
    alone = [term(LARGE_X[i : i + 1], LARGE_X_HAT[i : i + 1], kernel=kernel[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))
    repeated = [t.repeat(3, 1, 1, 1) for t in (LARGE_X, LARGE_X_HAT)]
    torch.testing.assert_close(term(*repeated, kernel=kernel.repeat(3, 1, 1)), together.repeat(3))


@pytest.mark.parametrize("key", TERMS)
def test_a_term_sums_over_channels(key: str) -> None:
    """Three equal channels cost three times one: log-determinants count every channel, SSIM is scaled by D."""
    gray, gray_hat, kernel = LARGE_X[:, :1], LARGE_X_HAT[:, :1], kernels(2, 5, 5)
    colour = TERMS[key](gray.expand(-1, 3, -1, -1), gray_hat.expand(-1, 3, -1, -1), kernel=kernel)
    torch.testing.assert_close(colour, 3 * TERMS[key](gray, gray_hat, kernel=kernel))


@pytest.mark.parametrize("key", [key for key in TERMS if key != "ce with constant"])
def test_the_best_mean_is_the_image_itself(key: str) -> None:
    """Every term is smallest at x̂ = x; the continuous Bernoulli is not, its mean is another function of the logit."""
    kernel = kernels(2, 5, 5)
    best = TERMS[key](LARGE_X, LARGE_X, kernel=kernel)
    for scale in (0.01, 0.1):
        other = LARGE_X + scale * (LARGE_X_HAT - LARGE_X)
        assert (TERMS[key](LARGE_X, other, kernel=kernel) > best).all()


@pytest.mark.parametrize("key", TERMS)
def test_float32_agrees_with_float64(key: str) -> None:
    kernel = kernels(2, 5, 5)
    single = TERMS[key](LARGE_X.float(), LARGE_X_HAT.float(), kernel=kernel.float())
    assert single.dtype == torch.float32
    double = TERMS[key](LARGE_X, LARGE_X_HAT, kernel=kernel)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("key", [key for key in TERMS if key not in ("ffl", "l1")])
def test_gradients(key: str) -> None:
    """In x̂ (or the logit) and the kernel. FFL's weight has no gradient, so it is compared with the package above."""
    x, x_hat = (batch(2, 1, 6, 7, seed=s) for s in (0, 1))
    term = TERMS[key] if key != "wiener-fixed" else losses.get("wiener-fixed", kernel_size=5)

    def by_mean(mean: Tensor, kernel: Tensor) -> Tensor:
        return term(x, mean, kernel=kernel)

    def by_logit(logit: Tensor) -> Tensor:
        return term(x, torch.tanh(logit), logit=logit)

    needs_kernel = term.kernel_path is not None
    kernel = kernels(2, 3, 3).requires_grad_(needs_kernel)
    assert torch.autograd.gradcheck(by_mean, (x_hat.requires_grad_(), kernel))
    if key.startswith("ce"):
        assert torch.autograd.gradcheck(by_logit, (torch.atanh(x_hat.detach()).requires_grad_(),))


def test_gradients_of_l1_and_of_ffl_with_a_constant_weight() -> None:
    """L1 away from its kink; FFL's only differentiable case for finite differences is the exponent 0."""
    x, x_hat = batch(2, 1, 5, 4), batch(2, 1, 5, 4, seed=1).requires_grad_()
    assert (x - x_hat).abs().min() > 1e-3
    assert torch.autograd.gradcheck(lambda y: TERMS["l1"](x, y), (x_hat,))
    assert torch.autograd.gradcheck(lambda y: losses.get("ffl", alpha=0.0)(x, y), (x_hat,))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("key", TERMS)
def test_on_the_gpu_terms_agree_and_never_wait_for_it(key: str) -> None:
    cpu = [LARGE_X.float(), LARGE_X_HAT.float(), kernels(2, 5, 5).float()]
    x, x_hat, kernel = (t.cuda() for t in cpu)
    run: Callable[[], Tensor] = lambda: TERMS[key](x, x_hat.requires_grad_(), kernel=kernel)  # noqa: E731
    run().sum().backward()  # plans of transforms and the like are made once
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = run()
        value.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    torch.testing.assert_close(value.detach().cpu(), TERMS[key](cpu[0], cpu[1], kernel=cpu[2]), rtol=1e-4, atol=1e-3)


def test_terms_take_vmap_and_forward_derivatives() -> None:
    x, x_hat = torch.rand(2, 3, 1, 16, 16, dtype=torch.float64) * 2 - 1
    kernel = blur.gaussian_kernel(5, 1.0).double()
    for term in (losses.WienerFixed(), losses.Wiener(kernel_size=5), losses.WienerProper(kernel_size=5)):

        def of(a, b, term=term):
            return term(a, b, kernel=kernel)

        each = torch.func.vmap(lambda a, b, of=of: of(a[None], b[None])[0])(x, x_hat)
        torch.testing.assert_close(each, of(x, x_hat))
        step = torch.full_like(x_hat, 1e-6)
        _, slope = torch.func.jvp(lambda b, of=of: of(x, b).sum(), (x_hat,), (torch.ones_like(x_hat),))
        difference = (of(x, x_hat + step).sum() - of(x, x_hat - step).sum()) / 2e-6
        torch.testing.assert_close(slope, difference, rtol=1e-5, atol=1e-5)


def test_wieners_term_is_finite_where_the_kernel_passes_nothing_and_C_is_0() -> None:
    binomial = torch.outer(*[torch.tensor([0.25, 0.5, 0.25])] * 2).requires_grad_()
    x, x_hat = torch.rand(2, 1, 3, 32, 32)
    term = losses.Wiener(C=0.0, kernel_size=3)(x, x_hat, kernel=binomial)
    assert term.isfinite().all()
    term.sum().backward()
    assert binomial.grad is not None
