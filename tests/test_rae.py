"""Regularised autoencoders: networks of Table 6.1, what is added to the reconstruction, and the chapter's errata."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import hessian, jacrev
from toys import CASES, IMAGES, rae
from toys.running import BUDGET, made, trained

from blurvae import experiments, losses, metrics
from blurvae.datasets import to_float
from blurvae.experiments import intervals, recorded
from blurvae.experiments.rae import CELEBA, CIFAR, MNIST, Released
from blurvae.models import RAENet, kl_divergence, parameter_count, slerp
from blurvae.systems import RAE
from blurvae.systems.penalties import SCALES, gradient_penalty, imq_mmd, squared_norm
from blurvae.train import Scene


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "encoder", "decoder"), [(MNIST, 11.08, 11.61), (CIFAR, 11.55, 18.95), (CELEBA, 18.27, 21.48)]
)
def test_parameters_of_table_6_1_and_erratum_ra_e8(source: Released, encoder: float, decoder: float) -> None:
    """Millions, as counted by hand from the table; its last layer has one map for colour images too (RA-E8)."""
    c, size, _ = source.shape
    with torch.device("meta"):
        net = RAENet(size=size, channels=c, latent=source.latent, kernel=source.kernel)
    first = 2 * 1024  # the batch norm behind the decoder's first layer, which the count leaves out
    assert round(parameter_count(net.encoder) / 1e6, 2) == encoder
    assert round((parameter_count(net.decoder) - first) / 1e6, 2) == decoder
    narrow = RAENet(size=size, channels=c, widths=(2, 2, 2, 2), latent=source.latent, kernel=source.kernel)
    assert narrow(torch.zeros(2, c, size, size)).x_hat.shape == (2, c, size, size)
    assert narrow.features == (size // 16, size // 16)


def test_a_code_has_the_spread_that_was_asked_for() -> None:
    x = torch.rand(3, 3, 8, 8)
    for sigma in (0.0, 0.7, None):
        net = RAENet(size=8, channels=3, widths=(4, 6), latent=3, start=4, sigma=sigma)
        mu, log_var = net.encode(x)
        assert mu.shape == log_var.shape == (3, 3)
        if sigma is not None:
            assert torch.equal((0.5 * log_var).exp(), torch.full_like(mu, sigma))
        else:
            assert log_var.std() > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 24}, "do not divide by the stride 16"),
        ({"widths": (4, 8)}, "at most 1 times"),
        ({"start": 3}, "change start or widths"),
        ({"kernel": 3}, "kernel is 4 or 5"),
        ({"sigma": -1.0}, "a number ≥ 0, or None to learn it, not -1.0"),
        ({"widths": ()}, "widths takes whole numbers"),
        ({"latent": 0}, "latent takes whole numbers"),
    ],
)
def test_networks_refuse(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RAENet(**({"widths": (4, 6, 8, 8)} | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "gan"}, "model is one of ae, rae, "),
        ({"penalty": "norm"}, "penalty is one of hutchinson, sum, squares"),
        ({"beta": -1.0}, "beta, the weight of the codes' penalty"),
        ({"weight": math.inf}, "weight, that of the decoder's"),
        ({"sigma": 0.0}, "sigma must be a positive number"),
        ({"draws": 2}, "The codes of 'rae' are not drawn"),
        ({"held_out": -1}, "held_out must be a whole number ≥ 0"),
        ({"components": ()}, "components takes whole numbers"),
    ],
)
def test_systems_refuse(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RAE(**fields)


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="take square images, not 8×16 px"):
        rae("rae").players((3, 8, 16))


# --- what is added ---------------------------------------------------------------------------------------------------


def small_decoder(seed: int = 0) -> nn.Sequential:
    """3 → 4 → (1, 2, 3), smooth, float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 6), nn.Tanh(), nn.Unflatten(1, (1, 2, 3))
        ).double()


def penalty(decoder: nn.Module, z: Tensor, kind: Any, u: Tensor | None = None) -> Tensor:
    z = z.clone().requires_grad_()
    return gradient_penalty(z, decoder(z), kind, u).detach()


def test_penalties_are_those_of_the_exact_jacobian() -> None:
    decoder, z = small_decoder(), draws(5, 3, seed=1)
    jacobians = torch.stack([jacrev(lambda one: decoder(one[None]).flatten())(one) for one in z])  # (5, 6, 3)
    y = ((decoder(z) + 1) / 2).flatten(1)
    torch.testing.assert_close(penalty(decoder, z, "sum"), jacobians.sum(1).square().sum(1))
    torch.testing.assert_close(penalty(decoder, z, "squares"), torch.einsum("nk,nkd->nd", y, jacobians).square().sum(1))
    n = 4000
    u = torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for one, jacobian in zip(z, jacobians):
        found = penalty(decoder, one.expand(n, 3), "hutchinson", u)
        assert abs(found.mean() - jacobian.square().sum()) < 4 * found.std() / math.sqrt(n)
    with pytest.raises(ValueError, match="pass u"):
        penalty(decoder, z, "hutchinson")


def test_erratum_ra_e6_two_readings_of_one_penalty() -> None:
    """A linear decoder whose columns sum to zero: a Jacobian as large as one likes, and no slope of the sum."""
    w = draws(12, 4, seed=3)
    w = w - w.mean(0)
    decoder = nn.Sequential(nn.Linear(4, 12, bias=False), nn.Unflatten(1, (1, 3, 4))).double()
    decoder[0].weight.data = w
    z = draws(20_000, 4)
    u = torch.rand(20_000, 1, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = penalty(decoder, z, "hutchinson", u)
    assert penalty(decoder, z, "sum").max() < 1e-25
    assert w.square().sum() > 30
    assert abs(found.mean() - w.square().sum()) < 4 * found.std() / math.sqrt(len(u))


def test_the_discrepancy_is_that_of_a_double_loop() -> None:
    z, p = draws(5, 2), draws(5, 2, seed=1)
    total = 0.0
    for s in SCALES:
        c = 2 * 2 * s

        def k(a: Tensor, b: Tensor, c: float = c) -> float:
            return c / (c + float((a - b).square().sum()))

        off = [(i, j) for i in range(5) for j in range(5) if i != j]
        total += sum(k(z[i], z[j]) + k(p[i], p[j]) for i, j in off) / 20
        total -= 2 * sum(k(a, b) for a in z for b in p) / 25
    assert imq_mmd(z, p).item() == pytest.approx(total, rel=1e-12)


def test_the_discrepancy_has_no_bias_and_sees_a_shift() -> None:
    values = torch.stack([imq_mmd(draws(8, 3, seed=2 * i), draws(8, 3, seed=2 * i + 1)) for i in range(500)])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))
    assert (values < 0).float().mean() > 0.3
    assert imq_mmd(draws(200, 3) + 1, draws(200, 3, seed=1)) > 0.3
    same = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)  # codes that have all collapsed into one
    imq_mmd(same, draws(4, 3)).backward()
    assert same.grad is not None and same.grad.isfinite().all()


def test_spectral_norms_after_training_are_at_most_one() -> None:
    """Up to what one power iteration a step leaves open; without the parametrisation they are not."""

    def norms(model: str) -> list[float]:
        system = replace(rae(model), lr=3e-2)
        net = trained((system, IMAGES), replace(BUDGET, epochs=8)).players.vae.decoder
        layers = [layer for layer in net if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        matrices = [w.transpose(0, 1) if isinstance(m, nn.ConvTranspose2d) else w for m in layers for w in [m.weight]]
        return [torch.linalg.svdvals(w.flatten(1))[0].item() for w in matrices]

    normalised, free = norms("rae-sn"), norms("rae")
    assert len(normalised) == 3 and max(normalised) < 1.05 and min(normalised) > 0.9
    assert max(abs(math.log(norm)) for norm in free) > 0.2


def test_batch_norm_undoes_the_scale_of_the_layers_before_it() -> None:
    """So neither ‖θ‖² nor a spectral norm holds these layers; the last, with none behind it, they do."""
    net = made(CASES["rae-l2"]).vae.double()
    z = draws(64, 3)
    *hidden, last = [m for m in net.decoder if isinstance(m, nn.Linear | nn.ConvTranspose2d | nn.Conv2d)]
    before, norm = net.decoder(z), squared_norm(net.decoder).item()
    for layer in hidden:
        layer.weight.data *= 10
        layer.bias.data *= 10
    torch.testing.assert_close(net.decoder(z), before, rtol=1e-2, atol=1e-3)  # up to the ε of the norms
    assert squared_norm(net.decoder).item() > 10 * norm
    last.weight.data *= 10
    assert (net.decoder(z) - before).abs().max() > 0.5


def test_k_draws_of_an_image_are_k_images() -> None:
    """One batch that holds each image k times, with as many draws, has the loss of k draws of each image once."""
    many, once = rae("vae"), replace(rae("vae"), draws=3)
    players = made((many, IMAGES))
    x, n = to_float(torch.from_numpy(IMAGES.images[:4])), torch.randn(4, 3, 3)
    players.vae.encoder.eval()  # the same codes, whatever the batch
    (a,), (b,) = once.moves("train"), many.moves("train")
    first = a.play(players, Scene(x, {"n": n}, {}, nullcontext)).losses["vae"]
    repeated = Scene(x.repeat_interleave(3, 0), {"n": n.flatten(0, 1)[:, None]}, {}, nullcontext)
    torch.testing.assert_close(first, b.play(players, repeated).losses["vae"])


def test_terms_with_a_kernel_take_a_kernel_network() -> None:
    system = rae("rae", "wiener", kernel_size=3)
    players = made((system, IMAGES))
    assert players.kernel_net is not None and players.kernel_net.size == 3
    assert (system.phase(0), system.phase(1)) == ("warm-up", "weighted")
    with pytest.raises(ValueError, match="needs a kernel network"):
        system.check(players._replace(kernel_net=None), 10, 4)


# --- the authors' weights in our units --------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [MNIST, CIFAR, CELEBA], ids=["MNIST", "CIFAR-10", "CelebA"])
def test_our_loss_is_a_multiple_of_the_released_one(source: Released) -> None:
    """Erratum RA-E5 (½ before the squared error) and the authors' means, written as their code has them."""
    c, h, w = source.shape
    n, d, values = 4, source.latent, source.values
    x, y = torch.rand(2, n, c, h, w, generator=torch.Generator().manual_seed(0), dtype=torch.float64)  # on [0, 1]
    z, log_sigma, prior = draws(n, d), 0.3 * draws(n, d, seed=1), draws(n, d, seed=2)
    term = losses.L2()(2 * x - 1, 2 * y - 1).mean()
    mean = (x - y).square().mean()
    for model, weight in source.code.items():
        ours = term + source.beta(model) * 0.5 * z.square().sum(1).mean()
        theirs = mean + weight * z.square().mean(1).mean()
        torch.testing.assert_close(ours, 2 * values * theirs)
    theta, slope = draws(50), draws(n, d, seed=3)  # slope: of the sum of the squared outputs on [0, 1]
    ours = term + source.weight_decay * theta.square().sum() + source.square_slopes * slope.square().sum(1).mean()
    theirs = mean + source.l2 * theta.square().sum() + source.squares * slope.square().mean()
    torch.testing.assert_close(ours, 2 * values * theirs)
    for model, weight in source.kl.items():
        kl = (0.5 * ((2 * log_sigma).exp() + z.square() - 1 - 2 * log_sigma).sum(1)).mean()
        theirs = (x - y).square().mean(1).sum((1, 2)).mean() + weight * kl
        torch.testing.assert_close(term + source.beta(model) * kl_divergence(z, 2 * log_sigma).mean(), 2 * c * theirs)
    mmd = imq_mmd(z, prior)
    if source is CELEBA:  # there the WAE has its own reconstruction loss
        theirs = 0.05 * (x - y).square().flatten(1).sum(1).mean() + source.mmd * mmd
        torch.testing.assert_close(term + source.beta("wae") * mmd, 40 * theirs)
    else:
        torch.testing.assert_close(term + source.beta("wae") * mmd, 2 * values * (mean + source.mmd * mmd))
    assert source.beta("ae") == 0


# --- errata and theory -----------------------------------------------------------------------------------------------

MU, VARIANCE = torch.tensor([0.3, -1.0, 0.0]).double(), torch.tensor([0.5, 2.0, 1.0]).double()


def eq_6_12(mu: Tensor, sigma: Tensor, sign: int = 1) -> float:
    """½(‖μ‖² ± D + Σ(σ − log σ)), with + as printed."""
    return 0.5 * (mu.square().sum() + sign * len(mu) + (sigma - sigma.log()).sum()).item()


def test_erratum_ra_e1_a_decoder_takes_no_images() -> None:
    """D(D(x)) of eq. 6.9 has no meaning, as maps or as values in a row; D(E(x)) has the shape of x."""
    vae, x = made(CASES["ae"]).vae.eval(), to_float(torch.from_numpy(IMAGES.images[:4]))
    codes, _ = vae.encode(x)
    assert codes.shape == (4, vae.latent) and vae.decode(codes).x_hat.shape == x.shape
    for printed in (x, x.flatten(1), vae.decode(codes).x_hat):
        with pytest.raises(ValueError, match="takes z of shape"):
            vae.decode(printed)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):  # nor do its layers take the values in a row
        vae.decoder(x.flatten(1))


def test_errata_ra_e2_and_ra_e4_the_sign_of_d_and_the_scope_of_the_sum() -> None:
    n = 400_000
    z = MU + VARIANCE.sqrt() * draws(n, 3)
    ratio = 0.5 * (z.square() - (z - MU).square() / VARIANCE - VARIANCE.log()).sum(1)  # log q(z)/p(z)
    error = 4 * ratio.std().item() / math.sqrt(n)
    kl = kl_divergence(MU[None], VARIANCE.log()[None]).item()
    assert kl == pytest.approx(0.795, abs=5e-4) and abs(ratio.mean().item() - kl) < error
    assert eq_6_12(MU, VARIANCE, -1) == pytest.approx(kl)
    assert eq_6_12(MU, VARIANCE) == pytest.approx(kl + 3)  # as printed: too large by D
    assert eq_6_12(0 * MU, torch.ones(3).double()) == 3 and eq_6_12(0 * MU, torch.ones(3).double(), -1) == 0
    other = torch.tensor([0.5, 3.0, 1.0]).double()  # Σσ_i − log σ_i, read literally, has one logarithm only
    wanted = kl_divergence(MU[None], other.log()[None]).item()
    assert abs(0.5 * (MU.square().sum() - 3 + other.sum() - other[-1].log()).item() - wanted) > 0.1


def test_erratum_ra_e3_one_sigma_is_a_variance_and_the_other_a_standard_deviation() -> None:
    """Drawn with σ as in eq. 6.11 and charged for σ as in eq. 6.12, a code costs .606 nats where its KL is .795."""
    assert eq_6_12(MU, VARIANCE.sqrt(), -1) == pytest.approx(0.606, abs=5e-4)
    assert kl_divergence(MU[None], VARIANCE.log()[None]).item() == pytest.approx(0.795, abs=5e-4)


def test_erratum_ra_e5_without_its_half_the_squared_error_halves_the_weight_of_kl() -> None:
    """Eq. 6.10 and 6.23 against the densities that they are taken from: −log N(x; x̂, I) and −log N(z; 0, I)."""
    x, z = draws(7, 5), draws(7, 3)
    x_hat = z @ torch.linspace(-1, 1, 15).double().view(3, 5)
    for value, mean in ((x, x_hat), (z, torch.zeros_like(z))):
        density = -torch.distributions.Normal(mean, 1.0).log_prob(value).sum(1)
        squares = (value - mean).square().sum(1)
        assert torch.allclose(density - density[0], 0.5 * (squares - squares[0]))
        assert not torch.allclose(density - density[0], squares - squares[0])
    mu = MU.clone().requires_grad_()
    slopes = []
    for half, beta in ((1.0, 1.0), (0.5, 0.5), (0.5, 1.0)):
        loss = half * (x - x_hat + mu.sum()).square().sum() + beta * kl_divergence(mu[None], VARIANCE.log()[None]).sum()
        slopes.append(torch.autograd.grad(loss, mu)[0])
    assert torch.allclose(slopes[0], 2 * slopes[1]), "as printed with β = 1 the weights follow β = ½"
    assert torch.nn.functional.cosine_similarity(slopes[0], slopes[2], 0) < 1 - 1e-6


def test_erratum_ra_e7_the_mean_value_theorem_is_an_inequality_for_vectors() -> None:
    """Eq. 6.20 on the unit circle: the ends meet, the slope is 1 everywhere. The bound by the operator norm holds."""

    def circle(z: Tensor) -> Tensor:
        return torch.cat([z.cos(), z.sin()])

    a, b = torch.tensor([0.0, 2 * math.pi], dtype=torch.float64).split(1)
    slopes = torch.stack(
        [torch.linalg.matrix_norm(jacrev(circle)(a + t * (b - a)), 2) for t in torch.linspace(0, 1, 50)]
    )
    left, right = torch.linalg.vector_norm(circle(b) - circle(a)), slopes * (b - a)
    assert left < 1e-12 and (right - 2 * math.pi).abs().max() < 1e-12  # no point between makes them equal
    decoder = small_decoder(1)
    for seed in range(20):
        a, b = draws(2, 3, seed=seed)
        ts = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
        jacobians = torch.stack([jacrev(lambda z: decoder(z[None]).flatten())(a + t * (b - a)) for t in ts[::10]])
        top = torch.linalg.matrix_norm(jacobians, 2).max() * 1.01  # the supremum lies between two of the points
        assert torch.linalg.vector_norm(decoder(b[None]) - decoder(a[None])) <= top * torch.linalg.vector_norm(b - a)


def test_erratum_ra_e9_reconstructions_of_test_images_are_nearer_to_them_than_those_of_others() -> None:
    """Were all images returned as they are, Rec would be 0 by one reading and the real-against-real floor by the other.

    Of the recorded trainings on MNIST both are measured, and by the mean over the methods they differ in every seed.
    """
    test, validation = torch.rand(2, 40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert metrics.frechet_distance(test, test, "pixels") == pytest.approx(0, abs=1e-3)
    assert metrics.frechet_distance(test, validation, "pixels") > 0.1
    found = recorded.by_seed("rae/table2", "lesson", "mnist")
    readings = [found[f"FD-squeeze ({of})"] for of in ("recon", "held-out recon")]
    methods = [m.name for m in experiments.get("rae/table2").METHODS]
    ratios = [
        intervals.geometric(readings[1][m][seed] / readings[0][m][seed] for m in methods).mean
        for seed in readings[0][methods[0]]
    ]
    assert len(ratios) >= 3 and intervals.geometric(ratios).low > 1


def test_claim_ra_c9_noise_is_a_jacobian_penalty_and_a_term_of_curvature() -> None:
    """E‖x − D(z + √v ε)‖² − ‖x − D(z)‖² = v‖J‖² − v (x − D(z))·ΔD(z) + O(v²), by Monte Carlo."""
    decoder, z, v = small_decoder(2), draws(1, 3, seed=5), 1e-3
    d = lambda one: decoder(one[None]).flatten()  # noqa: E731
    x, y = torch.tanh(draws(6, seed=6)), d(z[0])
    jacobian, curvature = jacrev(d)(z[0]), hessian(d)(z[0]).diagonal(dim1=1, dim2=2).sum(1)
    slope, bend = jacobian.square().sum(), ((x - y) * curvature).sum()
    noise = math.sqrt(v) * draws(200_000, 3, seed=7)
    gained = [(x - decoder(z + way).flatten(1)).square().sum(1) - (x - y).square().sum() for way in (noise, -noise)]
    gained = (gained[0] + gained[1]) / (2 * v)
    error = 4 * gained.std() / math.sqrt(len(gained))
    assert error < 0.02 * slope < abs(bend) * 2, "both terms are well above the error"
    assert abs(gained.mean() - (slope - bend)) < error + 10 * v
    assert abs(gained.mean() - slope) > 3 * error, "the penalty alone is not all of it"


def test_of_a_quadratic_decoder_the_rest_is_known() -> None:
    """D(z) = a + Bz + ½ zᵀHz: the rest is v²/4 Σ_k ((tr H_k)² + 2‖H_k‖²), and a linear decoder has none."""
    b, h, e = draws(5, 3), draws(5, 3, 3, seed=1), draws(5, seed=2)
    h, v = h + h.mT, 0.3
    noise = math.sqrt(v) * draws(400_000, 3, seed=3)
    noise = torch.cat([noise, -noise])
    for bent in (h, 0 * h):
        values = (e - noise @ b.T - 0.5 * torch.einsum("ni,kij,nj->nk", noise, bent, noise)).square().sum(1)
        trace = bent.diagonal(dim1=1, dim2=2).sum(1)
        rest = v**2 / 4 * (trace.square().sum() + 2 * bent.square().sum())
        wanted = e.square().sum() + v * b.square().sum() - v * (e * trace).sum() + rest
        assert abs(values.mean() - wanted) < 4 * values.std() / math.sqrt(len(values) / 2)


# --- spherical interpolation -----------------------------------------------------------------------------------------


def test_slerp_is_scipys() -> None:
    from scipy.spatial import geometric_slerp

    a, b = (torch.nn.functional.normalize(draws(1, 5, seed=s)) for s in (0, 1))
    ts = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    ours = slerp(a, b, ts)
    np.testing.assert_allclose(ours.numpy(), geometric_slerp(a[0].numpy(), b[0].numpy(), ts[:, 0].numpy()), atol=1e-12)
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(7).double())


def test_slerp_keeps_ends_and_goes_straight_where_there_is_no_angle() -> None:
    a, b = draws(4, 6), 3 * draws(4, 6, seed=1)
    for t, end in ((0.0, a), (1.0, b)):
        torch.testing.assert_close(slerp(a, b, torch.tensor(t)), end)
    half = torch.tensor(0.5)
    torch.testing.assert_close(slerp(a, b, half), slerp(b, a, half))
    assert (slerp(a, b, half).norm(dim=1) > torch.lerp(a, b, half).norm(dim=1)).all()
    torch.testing.assert_close(slerp(a, 2 * a, half), 1.5 * a)
