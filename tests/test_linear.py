"""The linear VAE in closed form, against brute force and gradient descent, and the deficit of networks beside it."""

from __future__ import annotations

import json

import made_up
import numpy as np
import pytest
import torch

from blurvae import experiments, paths
from blurvae.errors import CorruptFile
from blurvae.experiments import linear
from blurvae.models.linear import fit_linear_vae, linear_vae

BETA = 0.5


def images(n, c=1, size=3, seed=0):
    """Correlated images (n, c, size, size) of unequal variances, float64."""
    generator = torch.Generator().manual_seed(seed)
    d = c * size * size
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64) * torch.linspace(0.05, 1.2, d).double()
    return (torch.randn(n, d, generator=generator, dtype=torch.float64) @ mix.T).view(n, c, size, size) + 0.3


@pytest.mark.parametrize(("n", "latent"), [(200, 9), (6, 9), (200, 4)])
def test_components_are_those_of_a_dense_decomposition(n, latent):
    x = images(n)
    model = fit_linear_vae(x, latent)
    centred = (x - x.mean(0)).flatten(1)
    _, s, _ = np.linalg.svd(centred.numpy(), full_matrices=False)
    kept = min(latent, 9, n - 1)
    assert model.basis.shape == (9, kept)
    assert np.allclose(model.variance, s[:kept] ** 2 / n)
    assert torch.allclose(model.basis.T @ model.basis, torch.eye(kept, dtype=torch.float64))
    assert torch.allclose((centred @ model.basis).square().mean(0), model.variance)


def test_no_linear_encoder_and_decoder_does_better():
    """The mean objective over z ~ q, minimised from three starts over full matrices, is that of the closed form."""
    from scipy.optimize import minimize

    x = images(50, size=2)
    model = fit_linear_vae(x, 4)
    centred = (x - model.mean).flatten(1)
    cov = centred.T @ centred / len(x)

    def objective(p):
        p = torch.tensor(p, requires_grad=True)
        encoder, decoder, log_s2 = p[:16].view(4, 4), p[16:32].view(4, 4), p[32:]
        miss = torch.eye(4) - decoder @ encoder
        sse = torch.trace(miss @ cov @ miss.T) + (decoder.square() * log_s2.exp()).sum()
        kl = 0.5 * (torch.trace(encoder @ cov @ encoder.T) + (log_s2.exp() - 1 - log_s2).sum())
        loss = 0.5 * sse + BETA * kl
        return loss.item(), torch.autograd.grad(loss, p)[0].numpy()

    starts = (torch.randn(36, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in range(3))
    best = min(minimize(objective, start, jac=True).fun for start in starts)
    kept = model.variance[model.variance > BETA]
    assert 0 < len(kept) < 4, "some components are sent and some are not"
    _, kl = linear_vae(model, x, BETA)
    error = BETA * len(kept) + model.variance[len(kept) :].sum()
    assert best == pytest.approx((0.5 * error + BETA * kl.mean()).item(), rel=1e-6)


def test_kl_and_reconstruction_are_those_of_the_gaussian_that_it_sends():
    x = images(40)
    model = fit_linear_vae(x, 9)
    x_hat, kl = linear_vae(model, x, BETA)
    kept = model.variance > BETA
    score, variance = ((x - model.mean).flatten(1) @ model.basis)[:, kept], model.variance[kept]
    mean = score * ((1 - BETA / variance) / variance).sqrt()
    q = torch.distributions.Normal(mean, (BETA / variance).sqrt().expand_as(mean))
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    assert torch.allclose(kl, torch.distributions.kl_divergence(q, p).sum(1))
    assert torch.allclose(kl.mean(), 0.5 * torch.log(variance / BETA).sum())  # over the images it was fitted to
    decoder = model.basis[:, kept] * (variance - BETA).sqrt()
    assert torch.allclose(x_hat, model.mean + (mean @ decoder.T).view_as(x))


def test_a_high_price_sends_nothing_and_a_low_one_everything():
    x = images(60)
    model = fit_linear_vae(x, 9)
    nothing, kl = linear_vae(model, x, 1e6)
    assert torch.equal(nothing, model.mean.expand_as(x)) and not kl.any()
    everything, _ = linear_vae(model, x, 1e-9)
    assert torch.allclose(everything, x, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: fit_linear_vae(images(1), 4), "2 images"),
        (lambda: fit_linear_vae(images(5), 0), "latent"),
        (lambda: linear_vae(fit_linear_vae(images(5), 4), images(5), 0.0), "β must be positive"),
        (lambda: linear_vae(fit_linear_vae(images(5), 4), images(5), float("nan")), "β must be positive"),
    ],
)
def test_what_it_cannot_use_is_refused(call, named):
    with pytest.raises(ValueError, match=named):
        call()


# The recorded curves --------------------------------------------------------------------------------------------------


def test_every_data_set_that_is_shown_has_its_curve():
    made = [run for name in linear.SHOWN for d in experiments.get(name).GRID["lesson"]
            for run in experiments.get(name).runs("lesson", d, (0,))]  # fmt: skip
    assert {linear.path(run) for run in made} == set((paths.results() / "linear").glob("*.json"))


def test_a_recorded_curve_comes_again():
    """The embedded data at 32 px, at three of the recorded values of β."""
    run = experiments.get("rate").runs("lesson", "natural", (0,))[0]
    record = json.loads(linear.path(run).read_text())
    few = [record["beta"][i] for i in (5, 12, 18)]
    again = linear.curve(run, few)
    assert again["data"] == record["data"] and again["run"] == record["run"]
    for name in ("KL", "PSNR"):
        assert again[name] == pytest.approx([record[name][i] for i in (5, 12, 18)], rel=1e-4, abs=1e-4)


def test_deficits_are_the_height_of_the_curve_above_the_networks():
    """Recomputed from the files: the linear model's PSNR at a network's KL, minus the network's."""
    found = linear.deficits()
    assert {(d.experiment, d.data) for d in found} >= {
        ("bredell/table5", "natural"),
        ("bredell/table2", "faces64"),
        ("bredell/rate", "natural"),
    }
    one = next(d for d in found if (d.experiment, d.data, d.label) == ("bredell/table2", "faces64", "L2"))
    curve = json.loads((paths.results() / "linear" / "faces64-64px-2000-500.json").read_text())
    for seed in range(3):
        record = json.loads((paths.results() / "bredell" / "table2" / f"faces64-l2-lesson-s{seed}.json").read_text())[
            "metrics"
        ]
        kl, psnr = record["KL"]["mean"], record["PSNR"]["mean"]
        above = max((k, p) for k, p in zip(curve["KL"], curve["PSNR"]) if k <= kl)
        below = min((k, p) for k, p in zip(curve["KL"], curve["PSNR"]) if k > kl)
        share = np.log(kl / above[0]) / np.log(below[0] / above[0])
        expected = above[1] + share * (below[1] - above[1]) - psnr
        assert one.decibels[seed] == pytest.approx(expected, abs=1e-6)
    lines = linear.table()
    assert any("faces64, 64 px (table2) | L2 | 53 " in line for line in lines)


def test_a_network_that_diverged_has_no_deficit(tmp_path):
    run = experiments.get("rate").runs("lesson", "natural", (0,))[0]
    for folder in (tmp_path, tmp_path / "linear"):
        folder.mkdir(exist_ok=True)
    linear.path(run, tmp_path).write_bytes(linear.path(run).read_bytes())
    made_up.write_diverged(tmp_path, run)
    assert linear.deficits(tmp_path) == []


def test_nothing_recorded_says_how_to_record_it(tmp_path):
    assert linear.table(tmp_path) == [
        "No curve of the linear model is recorded: `python -m blurvae.experiments.linear`."
    ]


def test_a_damaged_curve_is_named_with_the_way_out(tmp_path):
    (tmp_path / "c.json").write_text('{"KL": [1], "PSNR": [2]}')
    with pytest.raises(CorruptFile, match=r"c\.json is not a whole curve.*python -m blurvae\.experiments\.linear"):
        linear.read(tmp_path / "c.json")
