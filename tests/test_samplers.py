"""The Gaussian mixture over latents, against scikit-learn's; and the way between two images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from blurvae.models import VAE
from blurvae.models.samplers import GaussianMixture, fit_gaussian_mixture, interpolate


def clusters(n: int, d: int, k: int, seed: int = 0, apart: float = 4.0) -> Tensor:
    """Points around k centres, each with a covariance of its own."""
    generator = torch.Generator().manual_seed(seed)
    centres = apart * torch.randn(k, d, generator=generator, dtype=torch.float64)
    factors = torch.randn(k, d, d, generator=generator, dtype=torch.float64) / math.sqrt(d)
    chosen = torch.randint(k, (n,), generator=generator)
    noise = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return centres[chosen] + torch.einsum("nij,nj->ni", factors[chosen], noise)


def covariances(mixture: GaussianMixture) -> Tensor:
    return mixture.factors @ mixture.factors.mT


def test_without_shrinkage_it_is_the_mixture_of_scikit_learn() -> None:
    """Both go on until nothing changes; scikit-learn starts where ours ended after one step."""
    package = pytest.importorskip("sklearn.mixture", reason="scikit-learn is not installed")
    z = clusters(600, 3, 4, apart=1.5)  # overlapping: shares are no zeros and ones
    start = fit_gaussian_mixture(z, 4, shrinkage=0.0, iterations=1, tolerance=0.0)
    theirs = package.GaussianMixture(
        4,
        reg_covar=1e-9,
        tol=1e-9,
        max_iter=5000,
        weights_init=start.weights.numpy(),
        means_init=start.means.numpy(),
        precisions_init=np.linalg.inv(covariances(start).numpy()),
    ).fit(z.numpy())
    ours = fit_gaussian_mixture(z, 4, shrinkage=0.0, iterations=5000, tolerance=1e-9)
    assert 10 < ours.iterations < 5000
    np.testing.assert_allclose(ours.weights.numpy(), theirs.weights_, atol=1e-3)
    np.testing.assert_allclose(ours.means.numpy(), theirs.means_, atol=1e-2)
    np.testing.assert_allclose(covariances(ours).numpy(), theirs.covariances_, atol=1e-2)
    assert ours.log_prob(z).mean().item() == pytest.approx(theirs.score(z.numpy()), abs=1e-5)
    # From its own start it finds no better maximum.
    alone = package.GaussianMixture(4, reg_covar=1e-9, tol=1e-9, max_iter=5000, random_state=0).fit(z.numpy())
    assert ours.log_prob(z).mean().item() > alone.score(z.numpy()) - 0.02


def test_log_prob_is_the_density_of_the_mixture() -> None:
    z = clusters(300, 5, 3)
    mixture = fit_gaussian_mixture(z, 3)
    components = MultivariateNormal(mixture.means, scale_tril=mixture.factors)
    expected = MixtureSameFamily(Categorical(mixture.weights), components).log_prob(z)
    torch.testing.assert_close(mixture.log_prob(z), expected)


def test_separate_clusters_are_found() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], dtype=torch.float64)
    sizes = (100, 200, 300)
    generator = torch.Generator().manual_seed(3)
    points = [c + torch.randn(n, 2, generator=generator, dtype=torch.float64) for c, n in zip(centres, sizes)]
    for seed in range(5):
        mixture = fit_gaussian_mixture(torch.cat(points), 3, seed, shrinkage=0.0)
        order = mixture.weights.argsort()
        torch.testing.assert_close(mixture.weights[order], torch.tensor(sizes).double() / 600, rtol=0, atol=1e-3)
        for k, own in zip(order, points):
            torch.testing.assert_close(mixture.means[k], own.mean(0), rtol=0, atol=1e-2)
            torch.testing.assert_close(covariances(mixture)[k], own.T.cov(correction=0), rtol=0, atol=1e-2)


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 1.0, None])
def test_the_mixture_has_mean_and_covariance_of_the_data_whatever_the_shrinkage(shrinkage: float | None) -> None:
    z = clusters(400, 6, 5)
    mixture = fit_gaussian_mixture(z, 5, shrinkage=shrinkage)
    mean = mixture.weights @ mixture.means
    spread = mixture.means - mean
    total = torch.einsum("k,kij->ij", mixture.weights, covariances(mixture) + spread[:, :, None] * spread[:, None])
    torch.testing.assert_close(mean, z.mean(0))
    torch.testing.assert_close(total, z.T.cov(correction=0), rtol=1e-4, atol=1e-4)
    same = (covariances(mixture) - covariances(mixture)[:1]).abs().max().item()
    assert (same < 1e-9) == (shrinkage == 1.0)


def test_samples_have_the_moments_of_the_mixture() -> None:
    weights = torch.tensor([0.2, 0.8], dtype=torch.float64)
    means = torch.tensor([[-3.0, 0.0], [2.0, 1.0]], dtype=torch.float64)
    factors = torch.tensor([[[1.0, 0.0], [0.8, 0.6]], [[0.5, 0.0], [0.0, 2.0]]], dtype=torch.float64)
    mixture = GaussianMixture(weights, means, factors)
    z = mixture.sample(40_000, torch.Generator().manual_seed(0))
    assert z.dtype == torch.float32 and z.shape == (40_000, 2)
    left = z[:, 0] < -0.8  # 2.2 and 5.6 standard deviations from the means
    assert left.float().mean().item() == pytest.approx(0.2 * 0.986, abs=0.01)
    mean = weights @ means
    spread = means - mean
    total = torch.einsum("k,kij->ij", weights, factors @ factors.mT + spread[:, :, None] * spread[:, None])
    torch.testing.assert_close(z.double().mean(0), mean, rtol=0, atol=0.05)
    torch.testing.assert_close(z.double().T.cov(), total, rtol=0, atol=0.1)
    again = mixture.sample(40_000, torch.Generator().manual_seed(0))
    assert torch.equal(z, again) and not torch.equal(z, mixture.sample(40_000, torch.Generator().manual_seed(1)))


def test_few_points_in_many_dimensions_and_latents_that_never_move() -> None:
    """50 points a component in 64 dimensions, of which 40 are constant: shrinkage predicts new points better."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(4, 24, generator=generator)

    def latents(n: int) -> Tensor:
        moving = centres[torch.randint(4, (n,), generator=generator)] + torch.randn(n, 24, generator=generator)
        return torch.cat([moving, torch.zeros(n, 40)], 1)

    train, test = latents(200), latents(200)
    mixture = fit_gaussian_mixture(train, 4)
    plain = fit_gaussian_mixture(train, 4, shrinkage=0.0)
    assert mixture.factors.isfinite().all() and plain.factors.isfinite().all()
    assert plain.log_prob(train).mean() > mixture.log_prob(train).mean()
    assert mixture.log_prob(test).mean() > plain.log_prob(test).mean() + 1
    z = mixture.sample(100, generator)
    assert z[:, 24:].abs().max() < 0.02 and z[:, :24].std() > 0.5


def test_latents_that_nearly_move_along_a_line() -> None:
    """Rounded to float32, a covariance with eigenvalues this far apart is no longer definite."""
    generator = torch.Generator().manual_seed(2)
    line = torch.randn(128, generator=generator)
    z = 30 * torch.randn(600, 1, generator=generator) * line + 1e-3 * torch.randn(600, 128, generator=generator) + 7
    mixture = fit_gaussian_mixture(z, 6)
    drawn = mixture.sample(600, generator)
    torch.testing.assert_close(drawn.std(0), z.std(0), rtol=0.2, atol=0.05)
    assert mixture.log_prob(z).isfinite().all()


def test_float32_agrees_with_float64_and_the_global_generator_rests() -> None:
    z = clusters(500, 8, 3).float()
    before = torch.get_rng_state()
    single, double = (fit_gaussian_mixture(v, 3, seed=2) for v in (z, z.double()))
    single.sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(single.means, double.means, rtol=0, atol=1e-3)
    torch.testing.assert_close(single.log_prob(z).double(), double.log_prob(z.double()), rtol=0, atol=1e-2)


def test_components_may_be_as_many_as_points_or_fewer_than_clusters() -> None:
    z = clusters(5, 3, 5)
    assert fit_gaussian_mixture(z, 5).sample(4, torch.Generator().manual_seed(0)).isfinite().all()
    one = fit_gaussian_mixture(clusters(200, 3, 5), 1)
    torch.testing.assert_close(one.means[0], clusters(200, 3, 5).mean(0))
    same = fit_gaussian_mixture(torch.ones(20, 3), 4)  # no spread at all
    torch.testing.assert_close(same.sample(4, torch.Generator().manual_seed(0)), torch.ones(4, 3), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("z", "fields", "message"),
    [
        (torch.zeros(4, 2), {"components": 5}, r"5 components .*not \(4, 2\)"),
        (torch.zeros(4, 2), {"components": 0}, "0 components"),
        (torch.zeros(4), {"components": 2}, r"not \(4,\)"),
        (torch.full((4, 2), math.nan), {"components": 2}, "latents hold NaN"),
        (torch.zeros(4, 2), {"components": 2, "shrinkage": 1.5}, "λ lies between 0 and 1, not at 1.5"),
    ],
)
def test_bad_latents_are_refused(z: Tensor, fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_gaussian_mixture(z, **fields)


# --- interpolation ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vae() -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VAE("A", size=8, channels=1, widths=(4, 6), latent=3, hidden=8).eval()


def test_interpolation_walks_between_the_means(vae: VAE) -> None:
    a, b = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    line = interpolate(vae, a, b, 5)
    assert line.shape == (5, 1, 8, 8) and not line.requires_grad
    mu = vae.encode(torch.stack([a, b]))[0].detach()
    for t, image in zip((0.0, 0.25, 0.5, 0.75, 1.0), line):
        expected = vae.decode(((1 - t) * mu[0] + t * mu[1])[None]).x_hat[0]
        torch.testing.assert_close(image, expected.detach())
    torch.testing.assert_close(interpolate(vae, b, a, 5), line.flip(0))
    assert (line[0] - line[-1]).abs().max() > 1e-4


def test_interpolation_refuses(vae: VAE) -> None:
    a = torch.zeros(1, 8, 8)
    with pytest.raises(ValueError, match="steps must be at least 2, not 1"):
        interpolate(vae, a, a, 1)
    with pytest.raises(ValueError, match=r"takes images \(n, 1, 8, 8\)"):
        interpolate(vae, torch.zeros(1, 16, 16), torch.zeros(1, 16, 16))
    with pytest.raises(ValueError, match="training mode"):
        interpolate(VAE("A", size=8, channels=1, widths=(4,), latent=2, hidden=4), a, a)
