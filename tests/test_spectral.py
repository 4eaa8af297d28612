"""The term `spectral`: against dense multivariate normals, by quadrature, by its optimum, and trained."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from toys import IMAGES, blur_vae

from blurvae import losses
from blurvae.blur import fourier, squared_gain
from blurvae.datasets import ImageSet
from blurvae.evaluation.fitted import COVARIANCES, fitted_bounds
from blurvae.evaluation.importance import importance_bounds
from blurvae.losses.spectral import Spectral, colour_axes
from blurvae.models import VAE, kl_divergence
from blurvae.models.spectrum import Spectrum
from blurvae.systems import RAE, VAEGAN, BlurVAE, SmallVAE
from blurvae.systems.vae import Players
from blurvae.train import Budget, fit

KINDS = ("flat", "shared", "colours")
CPU = torch.device("cpu")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def learned(kind: str, shape: tuple[int, int, int], seed: int = 5) -> tuple[Spectral, Spectrum]:
    """A term with some spectrum, which nothing has made symmetric."""
    term = losses.Spectral(kind)  # type: ignore[arg-type]
    network = term.network(shape).double()
    with torch.no_grad():
        network.log_variance.copy_(random(*network.log_variance.shape, seed=seed) - 1)
    return term, network


def dense(network: Spectrum, kind: str, shape: tuple[int, int, int]) -> Tensor:
    """Σ by its definition, with the matrices of the DFT and of the colour transform of `scipy`."""
    from scipy.fft import dct

    c, h, w = shape
    log_v = network().detach().numpy()
    full = np.empty((c, h, w))
    for d in range(c):
        for i in range(h):
            for j in range(w):
                full[d, i, j] = log_v[d if kind == "colours" else 0][(i, j) if j <= w // 2 else (-i % h, w - j)]
    F = np.kron(np.fft.fft(np.eye(h), norm="ortho"), np.fft.fft(np.eye(w), norm="ortho"))
    U = dct(np.eye(c), axis=0, norm="ortho")  # rows are the axes
    whole = np.kron(U, F)
    covariance = whole.conj().T @ np.diag(np.exp(full).ravel()) @ whole
    assert np.abs(covariance.imag).max() < 1e-12
    return torch.from_numpy(covariance.real)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 4), (1, 5, 6), (2, 3, 3)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_dense_multivariate_normal(kind: str, shape: tuple[int, int, int]) -> None:
    term, network = learned(kind, shape)
    x, x_hat = random(4, *shape), random(4, *shape, seed=1)
    normal = MultivariateNormal(x_hat.flatten(1), dense(network, kind, shape))
    ours = term.given(network)(x, x_hat) + term.log_normaliser(shape)
    torch.testing.assert_close(ours, -normal.log_prob(x.flatten(1)), rtol=1e-10, atol=1e-10)


def test_the_colour_axes_are_orthonormal_grey_first() -> None:
    for c in (1, 2, 3, 5):
        U = colour_axes(c, random(1))
        torch.testing.assert_close(U @ U.T, torch.eye(c, dtype=torch.float64))
        torch.testing.assert_close(U[0], torch.full((c,), c**-0.5, dtype=torch.float64))
    opponents = torch.tensor([[1, 0, -1], [1, -2, 1]]) / torch.tensor([[2.0], [6.0]]).sqrt()
    torch.testing.assert_close(colour_axes(3, random(1))[1:], opponents.double())


@pytest.mark.parametrize("kind", KINDS)
def test_its_integral_is_one(kind: str) -> None:
    """Over images of 2×1 px, by the trapezoidal rule."""
    term, network = learned(kind, (1, 2, 1))
    side = torch.linspace(-9, 9, 601, dtype=torch.float64)
    x = torch.cartesian_prod(side, side).view(-1, 1, 2, 1)
    x_hat = torch.tensor([0.3, -0.4], dtype=torch.float64).view(1, 1, 2, 1).expand_as(x)
    with torch.no_grad():
        p = torch.exp(-term.given(network)(x, x_hat) - term.log_normaliser((1, 2, 1))).view(601, 601)
    assert torch.trapezoid(torch.trapezoid(p, side), side).item() == pytest.approx(1, abs=1e-9)


def test_with_one_variance_it_is_l2_with_that_variance() -> None:
    x, x_hat, shape = random(3, 3, 6, 5), random(3, 3, 6, 5, seed=1), (3, 6, 5)
    for kind in KINDS:
        term = losses.Spectral(kind)
        network = term.network(shape).double()
        torch.testing.assert_close(term.given(network)(x, x_hat), losses.L2()(x, x_hat))
        torch.testing.assert_close(term(x, x_hat), losses.L2()(x, x_hat))
        with torch.no_grad():
            network.log_variance.fill_(math.log(0.3))
        expected = losses.L2()(x, x_hat) / 0.3 + 90 / 2 * math.log(0.3)
        torch.testing.assert_close(term.given(network)(x, x_hat), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_image_and_spectrum(kind: str) -> None:
    x, x_hat = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    term, network = learned(kind, (3, 4, 5))

    def value(mean: Tensor, log_variance: Tensor) -> Tensor:
        return term.at(x, mean, torch.func.functional_call(network, {"log_variance": log_variance}, ()))

    inputs = (x_hat.requires_grad_(), network.log_variance.detach().requires_grad_())
    assert torch.autograd.gradcheck(value, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_spectrum_is_a_stationary_point_that_nothing_beats(kind: str) -> None:
    error = random(40, 3, 4, 5) + random(40, 3, 4, 5).roll(1, 2)
    term, network = learned(kind, (3, 4, 5))
    best = term.best(term.power(error).mean(0), (4, 5))
    least = term.at(error, torch.zeros_like(error), best).mean()
    with torch.no_grad():
        network.log_variance.copy_(best[:, :1, :1] if kind == "flat" else best)
    torch.testing.assert_close(network(), best)  # symmetric already, being the power of real images
    loss = term.given(network)(error, torch.zeros_like(error)).mean()
    torch.testing.assert_close(loss, least)
    loss.backward()
    assert network.log_variance.grad is not None and network.log_variance.grad.abs().max() < 1e-12
    for seed in range(5):
        with torch.no_grad():
            other = best + 0.1 * learned(kind, (3, 4, 5), seed)[1]()
            assert term.at(error, torch.zeros_like(error), other).mean() > least


def test_spectra_for_colours_beat_one_for_all_and_that_beats_one_variance() -> None:
    e = random(500, 3, 6, 6)
    error = (e + e.roll(1, 2)) * torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)[:, None, None]
    nats = []
    for kind in KINDS:
        term = losses.Spectral(kind)
        best = term.best(term.power(error).mean(0), (6, 6))
        nats.append(term.at(error, torch.zeros_like(error), best).mean().item())
    assert nats[0] > nats[1] + 1 and nats[1] > nats[2] + 1


@pytest.mark.parametrize("kind", KINDS)
def test_training_brings_the_spectrum_to_the_power_of_the_errors(kind: str) -> None:
    """A VAE that learns slowly beside a spectrum that learns fast: it ends near the best one of the VAE's errors."""
    system = BlurVAE(losses.Spectral(kind), warm_up=0, lr=1e-5, spectrum_lr=0.1, widths=(4, 6), latent=3, hidden=8)
    torch.manual_seed(0)
    players = system.players((3, 8, 8))
    fit(system, players, IMAGES, Budget(epochs=30, batch_size=13), device="cpu")
    assert isinstance(players.spectrum, Spectrum)
    x = torch.from_numpy(IMAGES.images).float() / 127.5 - 1
    with torch.no_grad():
        term = system.term
        players.vae.train()  # as in training: the batch's own statistics
        error = x - players.vae.decode(players.vae.encode(x)[0]).x_hat
        best = term.best(term.power(error).mean(0), (8, 8))
        own = term.given(players.spectrum)(x, x - error).mean()
        start, least = term(x, x - error).mean(), term.at(x, x - error, best).mean()
    assert start - least > 40
    assert own - least < 0.1 * (start - least)


def test_it_needs_its_player_and_other_systems_refuse_it() -> None:
    term = losses.Spectral()
    with pytest.raises(ValueError, match="'spectral' has learned a spectrum"):
        term.given(None)
    system = blur_vae("spectral")
    players = system.players((3, 8, 8))
    with pytest.raises(ValueError, match="'spectral' learns a spectrum: pass Players"):
        system.check(players._replace(spectrum=None), 10, 4)
    for other in (RAE, VAEGAN, SmallVAE):
        with pytest.raises(ValueError, match=r"'spectral' learns parameters, for which .* has no player"):
            other(term=term)
    assert blur_vae("l2").players((3, 8, 8)).spectrum is None


def images(n: int, seed: int) -> ImageSet:
    made = np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8), dtype=np.uint8)
    return ImageSet("made up", "test", made, None, "", "", None, "0")


def test_bounds_with_a_fitted_covariance_are_those_of_dense_normals() -> None:
    """A VAE whose code is certain: the bound is −log of the density that numpy fits to its errors, plus the KL term."""
    torch.manual_seed(0)
    vae = VAE(size=8, channels=3, widths=(4,), latent=2, hidden=4).eval()
    with torch.no_grad():
        last = vae.encoder[-1][-1]
        last.weight[2:] = 0
        last.bias[2:] = -60.0  # log σ²
    train, test = images(300, 0), images(5, 1)
    found = fitted_bounds(vae, train, test, CPU, 0)
    assert [*found] == [*COVARIANCES]
    with torch.no_grad():

        def error(data: ImageSet) -> tuple[Tensor, Tensor]:
            x = torch.from_numpy(data.images).float() / 127.5 - 1
            mu, log_var = vae.encode(x)
            return (x - vae.decode(mu).x_hat).double(), kl_divergence(mu, log_var)

        (fitted_to, _), (e, kl) = error(train), error(test)
    sigma = fitted_to.square().mean().sqrt()
    flat = -torch.distributions.Normal(0.0, sigma).log_prob(e).sum((1, 2, 3))
    torch.testing.assert_close(found["−ELBO, σ² fitted"], flat + kl, rtol=1e-5, atol=1e-3)
    network = learned("colours", (3, 8, 8))[1]
    U = colour_axes(3, e)
    power = squared_gain(fourier(torch.einsum("dc,nchw->ndhw", U, fitted_to))).mean(0)
    with torch.no_grad():
        network.log_variance.copy_(power.log())
    normal = MultivariateNormal(torch.zeros(192, dtype=torch.float64), dense(network, "colours", (3, 8, 8)))
    expected = -normal.log_prob(e.flatten(1)) + kl
    torch.testing.assert_close(found["−ELBO, spectra of colours fitted"], expected, rtol=1e-5, atol=1e-2)


def test_the_importance_bound_takes_what_was_learned() -> None:
    system = blur_vae("spectral")
    players = Players(*(net.eval() if net is not None else None for net in system.players((3, 8, 8))))
    x = torch.from_numpy(IMAGES.images[:4]).float() / 127.5 - 1
    before = importance_bounds(players, system.term, x, (5,), torch.Generator().manual_seed(0))[5]
    with torch.no_grad():
        players.spectrum.log_variance.fill_(1.0)
    after = importance_bounds(players, system.term, x, (5,), torch.Generator().manual_seed(0))[5]
    assert (after - before).abs().min() > 1


def test_all_terms_start_from_the_same_weights() -> None:
    """What a term needs beside encoder and decoder is made after them, so that one seed is one start."""
    starts = []
    for name in ("l2", "wiener", "spectral"):
        torch.manual_seed(0)
        players = BlurVAE(losses.get(name), widths=(4, 6), latent=3, hidden=8).players((3, 8, 8))
        starts.append(torch.cat([p.flatten() for p in players.vae.parameters()]))
    assert torch.equal(starts[0], starts[1]) and torch.equal(starts[0], starts[2])
