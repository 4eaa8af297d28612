"""The linear VAE of Fourier modes: against the one of principal components, by its price, by its latent."""

from __future__ import annotations

import math

import pytest
import torch

from blurvae.models.linear import LinearVAE, linear_vae
from blurvae.models.modes import fit_mode_vae, kept_modes, mode_vae

torch.manual_seed(0)
X = torch.nn.functional.avg_pool2d(torch.randn(40, 3, 18, 16, dtype=torch.float64), 2)
X[:, 1] += 0.8 * X[:, 0]
MODEL = fit_mode_vae(X)
D = X[0].numel()


def dense(model):
    """The same model with explicit Fourier modes as basis vectors, as the code of principal components takes it."""
    h, w = model.shape
    # Cosines and sines of every pair ±ω: eigenvectors of any circular covariance with spectrum S.
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    basis, variance = [], []
    for u in range(h):
        for v in range(w // 2 + 1):
            if v in (0, w // 2) and u > h // 2:
                continue
            angle = 2 * math.pi * (u * rows.double() / h + v * columns / w)
            for wave in (angle.cos(), angle.sin()):
                if wave.norm() > 1e-6:
                    for colour, axis in enumerate(model.colours.T):
                        basis.append((axis[:, None, None] * wave / wave.norm()).flatten())
                        variance.append(model.spectrum[colour, u, v])
    return LinearVAE(model.mean[0].expand(3, h, w), torch.stack(basis, 1), torch.stack(variance))


@pytest.mark.parametrize("beta", [0.01, 0.3, 1.0])
def test_it_is_the_linear_model_with_fourier_modes_as_components(beta):
    coded = mode_vae(MODEL, X, beta)
    x_hat, kl = linear_vae(dense(MODEL), X, beta)
    torch.testing.assert_close(coded.x_hat, x_hat)
    torch.testing.assert_close(coded.kl, kl)


def test_on_its_own_images_it_has_the_error_and_the_rate_of_water_filling():
    beta = 0.2
    coded, kept = mode_vae(MODEL, X, beta), kept_modes(MODEL, beta)
    error = (X - coded.x_hat).square().sum((1, 2, 3)).mean() + coded.noise
    every = kept_modes(MODEL, 1e-12)
    assert len(every) == D and 0 < len(kept) < D
    assert error.item() == pytest.approx(every.clamp(max=beta).sum().item())
    assert coded.kl.mean().item() == pytest.approx(0.5 * (kept / beta).log().sum().item())


@pytest.mark.parametrize("latent", [1, 2, 7, 40])
def test_a_latent_keeps_the_strongest_modes_and_no_half_of_a_pair(latent):
    every, kept = kept_modes(MODEL, 1e-12), kept_modes(MODEL, 1e-12, latent)
    assert latent - 1 <= len(kept) <= latent
    assert torch.equal(kept, every[: len(kept)])
    rank = torch.linalg.matrix_rank((mode_vae(MODEL, X, 1e-12, latent).x_hat - MODEL.mean).flatten(1), rtol=1e-8)
    assert rank == min(len(kept), len(X))


def test_a_price_above_every_mode_shows_the_mean_colour_and_sends_nothing():
    coded = mode_vae(MODEL, X, 1e6)
    assert torch.allclose(coded.x_hat, MODEL.mean.expand_as(X)) and not coded.kl.any() and coded.noise == 0


@pytest.mark.parametrize(("beta", "latent"), [(0.0, None), (-1.0, 4), (1.0, 0)])
def test_no_price_and_no_latent_are_refused(beta, latent):
    with pytest.raises(ValueError, match=f"not {beta} and {latent}"):
        kept_modes(MODEL, beta, latent)
