"""The importance-weighted bound, on a linear Gaussian model whose −log p(x) is known exactly."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from blurvae import losses
from blurvae.evaluation.importance import (
    bits_per_dimension,
    bound,
    dequantise,
    importance_bounds,
    log_weights,
    minus_log_likelihood,
)
from blurvae.models import VAE, Decoded, KernelNet
from blurvae.systems.vae import Players

SHAPE, LATENT = (1, 2, 3), 2
D = math.prod(SHAPE)
L2 = losses.get("l2")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear:
    """x = W z + b + n, z ~ N(0, I), n ~ N(0, I): p(x) = N(b, W Wᵀ + I). The posterior is exact up to `off`."""

    training = False

    def __init__(self, off: float = 0.0) -> None:
        self.W = torch.randn(D, LATENT, generator=seeded(0), dtype=torch.float64)
        self.b = torch.randn(D, generator=seeded(1), dtype=torch.float64)
        self.off = off

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        precision = self.W.T @ self.W + torch.eye(LATENT, dtype=torch.float64)
        mu = (x.flatten(1) - self.b) @ self.W @ torch.linalg.inv(precision)
        # A diagonal posterior cannot be exact where the precision is not: its variances are 1/diagonal, times `off`.
        variance = torch.full_like(mu, math.exp(self.off)) / precision.diagonal()
        return mu + 0.3 * self.off, variance.log()

    def decode(self, z: Tensor) -> Decoded:
        x_hat = (z @ self.W.T + self.b).view(-1, *SHAPE)
        return Decoded(x_hat, torch.zeros_like(x_hat))

    def minus_log_p(self, x: Tensor) -> Tensor:
        covariance = self.W @ self.W.T + torch.eye(D, dtype=torch.float64)
        return -MultivariateNormal(self.b, covariance).log_prob(x.flatten(1))


X = torch.randn(40, *SHAPE, generator=seeded(5), dtype=torch.float64)


def test_the_bound_tightens_with_k_and_tends_to_the_exact_value() -> None:
    model = Linear(off=0.8)
    exact = model.minus_log_p(X)
    bounds = importance_bounds(Players(model, None), L2, X, (1, 5, 50, 5000), seeded(2), chunk=1000)
    assert all(v.shape == (40,) and v.dtype == torch.float64 for v in bounds.values())
    gaps = {k: (v - exact).mean().item() for k, v in bounds.items()}
    assert gaps[1] > gaps[5] > gaps[50] > gaps[5000]
    assert gaps[1] > 0.3
    assert abs(gaps[5000]) < 0.005
    for k, larger in ((1, 5), (5, 50), (50, 5000)):  # of one set of samples, image by image and with certainty
        assert (bounds[k] >= bounds[larger] - 1e-9).all()


def test_k_1_is_the_negative_elbo() -> None:
    """In closed form: E_q[−log p(x|z)] + KL, with E ½‖x − Wz − b‖² = ½‖x − Wμ − b‖² + ½ tr(W diag σ² Wᵀ)."""
    model = Linear(off=0.5)
    mu, log_var = model.encode(X)
    x_hat = model.decode(mu).x_hat
    traces = 0.5 * (model.W.square() @ log_var.exp().T).sum(0)
    kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1)
    elbo = L2(X, x_hat) + D / 2 * math.log(2 * math.pi) + traces + kl
    weights = log_weights(Players(model, None), L2, X, 4000, seeded(3), chunk=4000)
    error = (bound(weights, 1) - elbo) / (weights.std(1) / math.sqrt(4000))
    assert error.abs().max() < 5 and error.square().mean() == pytest.approx(1, abs=0.6)
    assert (elbo > model.minus_log_p(X)).all()


def test_weights_are_densities_of_torch_distributions() -> None:
    """log p(x|z) + log p(z) − log q(z|x), with the same noise."""
    model = Linear(off=0.4)
    weights = log_weights(Players(model, None), L2, X[:3], 4, seeded(7), chunk=12)
    mu, log_var = model.encode(X[:3])
    noise = torch.randn(3, 4, LATENT, generator=seeded(7)).double()
    z = mu[:, None] + noise * (0.5 * log_var).exp()[:, None]
    for i in range(3):
        q = Normal(mu[i], (0.5 * log_var[i]).exp())
        x_hat = model.decode(z[i]).x_hat
        expected = Normal(x_hat, 1.0).log_prob(X[i]).sum((1, 2, 3)) + Normal(0.0, 1.0).log_prob(z[i]).sum(1)
        torch.testing.assert_close(weights[i], expected - q.log_prob(z[i]).sum(1))


def test_an_exact_posterior_needs_one_sample() -> None:
    model = Linear()
    model.W = torch.linalg.qr(model.W)[0] * torch.tensor([1.5, 0.5], dtype=torch.float64)  # a diagonal precision
    value = importance_bounds(Players(model, None), L2, X, (1,), seeded(0))[1]
    torch.testing.assert_close(value, model.minus_log_p(X))


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_memory_is_bounded_by_the_chunk_and_the_estimate_does_not_depend_on_it(chunk: int) -> None:
    model, seen = Linear(off=0.5), []
    decode = model.decode

    def counted(z: Tensor) -> Decoded:
        seen.append(len(z))
        return decode(z)

    model.decode = counted  # type: ignore[method-assign]
    weights = log_weights(Players(model, None), L2, X[:9], 30, seeded(0), chunk=chunk)
    assert weights.shape == (9, 30) and max(seen) <= chunk and sum(seen) == 9 * 30
    reference = log_weights(Players(model, None), L2, X[:9], 30, seeded(1), chunk=270)
    assert (weights.mean(1) - reference.mean(1)).abs().max() < 2
    again = log_weights(Players(model, None), L2, X[:9], 30, seeded(0), chunk=chunk)
    assert torch.equal(weights, again)


def test_a_bound_over_groups_is_their_mean_and_extreme_weights_do_not_overflow() -> None:
    weights = torch.tensor([[-5000.0, -5001.0, -4990.0, -5003.0, -1e6]], dtype=torch.float64)
    pairs = [-(math.log((1 + math.exp(-1)) / 2) - 5000), -(math.log((1 + math.exp(-13)) / 2) - 4990)]
    assert bound(weights, 2).item() == pytest.approx(sum(pairs) / 2)  # the fifth is left out
    assert bound(weights, 1).item() == pytest.approx((5000 + 5001 + 4990 + 5003 + 1e6) / 5)
    for k in (0, 6):
        with pytest.raises(ValueError, match=f"between 1 and the 5 samples at hand, not at {k}"):
            bound(weights, k)


# --- the package's own networks --------------------------------------------------------------------------------------


def networks(with_kernel: bool) -> Players:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = VAE("A", size=8, widths=(4, 6), latent=3, hidden=8).eval()
        return Players(vae, KernelNet(3, 3, 8).eval() if with_kernel else None)


IMAGES = torch.rand(3, 3, 8, 8, generator=seeded(4)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("l2", {}),
        ("l1", {}),
        ("ce", {"continuous_bernoulli": True}),
        ("wiener", {"kernel_size": 3}),
        ("wiener", {"kernel_size": 3, "epsilon": 0.5}),
        ("wiener-fixed", {"variance": 0.3, "kernel_size": 3}),
        ("wiener-proper", {"kernel_size": 3}),
    ],
    ids=str,
)
def test_every_density_gives_finite_bounds_that_fall(name: str, constants: dict[str, Any]) -> None:
    term = losses.get(name, **constants)
    who = networks(term.kernel_path is not None)
    bounds = importance_bounds(who, term, IMAGES, (1, 10), seeded(0), chunk=8)
    assert (bounds[10] <= bounds[1]).all() and bounds[1].isfinite().all()


def test_the_papers_term_gets_its_own_determinant() -> None:
    """Whatever ε its training used, it stands for the Gaussian with the quadratic part's covariance."""
    kernel = torch.rand(3, 3, 3, generator=seeded(1), dtype=torch.float64).flatten(1).softmax(1).view(3, 3, 3)
    x, x_hat = (torch.rand(3, 1, 4, 4, generator=seeded(s), dtype=torch.float64) for s in (2, 3))
    from blurvae.blur import block_circulant

    term = losses.get("wiener", C=0.1, kernel_size=3, epsilon=0.5)
    ours = minus_log_likelihood(term, x, x_hat, kernel=kernel)
    for i in range(3):
        K = block_circulant(kernel[i], (4, 4))
        W = torch.linalg.solve(K.T @ K + 0.1 * torch.eye(16, dtype=torch.float64), K.T)
        normal = MultivariateNormal(x_hat[i].flatten(), precision_matrix=W.T @ W)
        torch.testing.assert_close(ours[i], -normal.log_prob(x[i].flatten()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["ssim", "ffl", "ce", "watson"])
def test_what_is_no_density_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is not −log of a density.*take a likelihood"):
        importance_bounds(networks(False), losses.get(name), IMAGES)


def test_training_mode_and_no_samples_are_refused() -> None:
    who = networks(False)
    with pytest.raises(ValueError, match="not 0 and 256"):
        log_weights(who, L2, IMAGES, 0)
    who.vae.train()
    with pytest.raises(ValueError, match="training mode"):
        log_weights(who, L2, IMAGES, 2)


# --- bits per dimension ----------------------------------------------------------------------------------------------


def test_bits_per_dimension_of_a_uniform_density_are_eight() -> None:
    """Uniform over the 256 cells of the grey levels, 2/255 wide on [−1 − 1/255, 1 + 1/255]: log2 256 bits a value."""
    shape = (3, 4, 5)
    nats = torch.tensor(math.prod(shape) * math.log(256 / 127.5))
    assert bits_per_dimension(nats, shape).item() == pytest.approx(8, abs=1e-6)
    assert bits_per_dimension(torch.tensor(0.0), shape).item() == pytest.approx(math.log2(127.5))


def test_the_density_in_the_middle_of_a_cell_is_nearly_its_mass_and_the_noise_gives_a_bound() -> None:
    grid = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    for sigma in (1.0, math.sqrt(0.025)):
        p = Normal(torch.tensor(0.2, dtype=torch.float64), sigma)
        mass = p.cdf(grid + 1 / 255) - p.cdf(grid - 1 / 255)
        exact = -torch.log2(mass)
        assert mass.sum() <= 1
        middle = torch.stack([bits_per_dimension(-p.log_prob(v), (1, 1, 1)) for v in grid])
        near = ((grid - 0.2).abs() < 3 * sigma) & (mass > 0)  # both vanish further out
        difference = ((middle - exact)[near] * math.log(2)).abs().max().item()
        limit = 1 / (24 * 127.5**2 * sigma**2) * 8  # 8 = (3² − 1) at three standard deviations, 1 within one
        assert 0 < difference <= 1.01 * limit
    x = grid.view(-1, 1, 1, 1).expand(-1, 1, 20, 20)
    noisy = dequantise(x, seeded(0))
    assert ((noisy - x).abs() <= 0.5 / 127.5).all()
    assert (noisy - x).abs().mean().item() == pytest.approx(0.25 / 127.5, rel=0.01)
    narrow = Normal(torch.tensor(0.2, dtype=torch.float64), 0.01)
    mass = narrow.cdf(grid + 1 / 255) - narrow.cdf(grid - 1 / 255)
    noised = bits_per_dimension(-narrow.log_prob(noisy).sum((1, 2, 3)), (1, 20, 20))
    seen = mass > 1e-12
    assert (noised[seen] > -torch.log2(mass)[seen] - 0.01).all()
    middle = bits_per_dimension(-narrow.log_prob(grid), (1, 1, 1))
    assert (middle[seen] < -torch.log2(mass)[seen] - 1e-3).any()  # no bound
