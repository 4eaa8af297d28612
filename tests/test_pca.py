"""The linear model as a row of a table: the same numbers as in closed form, and read off at the KL of a run."""

from __future__ import annotations

import json

import made_up
import numpy as np
import pytest
import torch
from test_linear import images
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from blurvae import experiments, metrics
from blurvae.datasets import to_float
from blurvae.errors import CorruptFile
from blurvae.experiments import linear, pca
from blurvae.models import kl_divergence as kl_term
from blurvae.models.linear import LinearCoder, fit_linear_vae, linear_vae
from blurvae.pages import tables
from blurvae.record import read

BETA = 0.5
RUN = experiments.get("rate").runs("smoke", "natural", (0,))[0]


def test_the_coder_is_the_model_in_closed_form() -> None:
    x = images(40)
    model = fit_linear_vae(x, 9)
    coder = LinearCoder(model, BETA)
    mu, log_var = coder.encode(x)
    x_hat, kl = linear_vae(model, x, BETA)
    assert 0 < (model.variance > BETA).sum() < 9
    torch.testing.assert_close(kl_term(mu, log_var), kl)
    torch.testing.assert_close(coder.decode(mu).x_hat, x_hat)
    q, p = Normal(mu, (0.5 * log_var).exp()), Normal(torch.zeros_like(mu), 1.0)
    torch.testing.assert_close(kl_divergence(q, p).sum(1), kl)
    assert len([*coder.parameters()]) == 0
    with pytest.raises(ValueError, match="β must be positive, not 0"):
        LinearCoder(model, 0.0)


def test_its_code_is_the_exact_posterior_so_that_the_bound_is_the_likelihood() -> None:
    """Probabilistic PCA: with Σ = βI the −ELBO is −log N(x; mean, WWᵀ + βI), W the decoder's matrix."""
    x = images(60)
    coder = LinearCoder(fit_linear_vae(x, 5), BETA)
    mu, log_var = coder.encode(x)
    z = mu + (0.5 * log_var).exp() * torch.randn(4000, *mu.shape, generator=torch.Generator().manual_seed(0)).double()
    x_hat = coder.decode(z.flatten(0, 1)).x_hat.view(4000, *x.shape)
    nats = -Normal(x_hat, BETA**0.5).log_prob(x).flatten(2).sum(2).mean(0) + kl_term(mu, log_var)
    W = (coder.decode(torch.eye(5).double()).x_hat - coder.mean).flatten(1).T
    exact = -MultivariateNormal(coder.mean.flatten(), W @ W.T + BETA * torch.eye(9)).log_prob(x.flatten(1))
    torch.testing.assert_close(nats, exact, rtol=0.01, atol=0.1)


def test_it_is_measured_as_a_network_is() -> None:
    """At tier smoke: PSNR and KL of `linear`, SSIM of the metric itself, and the curve that is recorded of it."""
    seen = pca.images(RUN)
    measured = seen.measure(3.0)
    x = to_float(seen.test.tensor())
    x_hat, kl = linear_vae(seen.model, x, 3.0)
    a, b = ((image + 1) / 2 for image in (x, x_hat.clamp(-1, 1)))
    for name, expected in (("KL", kl), ("PSNR", metrics.psnr(a, b)), ("SSIM", metrics.ssim(a, b))):
        assert measured.metrics[name]["mean"] == pytest.approx(expected.mean().item(), rel=1e-4)
    assert measured.metrics["−ELBO, spectrum fitted"]["mean"] < measured.metrics["−ELBO, σ² fitted"]["mean"]
    record = pca.curves(RUN, (3.0, 30.0))
    fine = linear.curve(RUN, (3.0, 30.0))
    assert record["metrics"]["KL"] == pytest.approx(fine["KL"], rel=1e-4)
    assert record["metrics"]["PSNR"] == pytest.approx(fine["PSNR"], rel=1e-4)
    assert record["data"] == fine["data"]


def test_a_row_is_read_off_at_the_kl_of_the_run(tmp_path) -> None:
    runs = [run for run in experiments.get("rate").runs("lesson", "natural", (0,)) if run.beta in (0.8, 5.0)]
    values = {"l2,beta=0.8": (20.0, 15.0), "l2,beta=5": (90.0, 21.0)}
    for run in runs:
        if run.method in values:
            kl, psnr = values[run.method]
            entries = {"KL": kl, "PSNR": psnr, "LPIPS-squeeze": 0.5}
            made_up.write(tmp_path, run, {name: {"mean": v, "sd": 1.0, "n": 2} for name, v in entries.items()})
    assert pca.rows("rate", "lesson", "natural", tmp_path).empty, "no curve is recorded"
    curve = {"KL": [80.0, 10.0, 40.0, 0.0], "PSNR": [26.0, 20.0, 24.0, 10.0], "LPIPS-squeeze": [0.1, 0.4, 0.2, 0.9]}
    file = pca.path(runs[0], tmp_path)
    file.parent.mkdir()
    file.write_text(json.dumps({"metrics": curve}))
    rows = pca.rows("rate", "lesson", "natural", tmp_path)
    assert {*rows.method} == {"l2,beta=0.8"}, "90 nats lie beyond the curve"
    own = rows.set_index("metric")
    assert own.linear["PSNR"] == pytest.approx(22.0) and own.linear["LPIPS-squeeze"] == pytest.approx(0.3)
    assert own.deficit["PSNR"] == pytest.approx(7.0)
    assert own.deficit["LPIPS-squeeze"] == pytest.approx(0.2), "lower is better, and the linear model has less"
    assert own.linear["KL"] == 20.0 and np.isnan(own.deficit["KL"]), "the rate is the network's, and a price"
    file.write_text("{}")
    with pytest.raises(CorruptFile, match=r"is not a whole record .*python -m blurvae\.experiments\.pca"):
        pca.at_equal_kl(read(next(run for run in runs if run.method == "l2,beta=0.8").path(tmp_path)), tmp_path)


def test_a_table_ends_in_the_linear_model_where_it_is_recorded(tmp_path) -> None:
    runs = {(run.method, run.seed): run for run in experiments.get("table5").runs("lesson", "natural", (0, 1))}
    for seed, kl in ((0, 10.0), (1, 40.0)):
        for method in ("l2", "wiener"):
            entries = {"KL": kl, "PSNR": 15.0 + seed}
            made_up.write(
                tmp_path, runs[method, seed], {name: {"mean": v, "sd": 1.0, "n": 2} for name, v in entries.items()}
            )
    before = tables.table("table5", "lesson", "natural", tmp_path, columns=("PSNR", "SSIM"))
    file = pca.path(runs["wiener", 0], tmp_path)
    file.parent.mkdir()
    file.write_text(json.dumps({"metrics": {"KL": [10.0, 40.0], "PSNR": [20.0, 24.0]}}))
    table = tables.table("table5", "lesson", "natural", tmp_path, columns=("PSNR", "SSIM"))
    assert table.iloc[:-1].equals(before)
    assert list(table.iloc[-1]) == ["2", "22.00 ± 2.83", "–"] and table.index[-1].endswith("at the KL of Wiener")
