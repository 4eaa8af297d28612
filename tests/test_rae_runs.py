"""Runs of regularised autoencoders: what is held out, what is measured, and what is refused before any training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from blurvae import datasets, experiments, losses
from blurvae.datasets import to_float
from blurvae.evaluation import RAEEvaluation
from blurvae.evaluation.rae import HeldOut
from blurvae.experiments.recorded import DIGITS
from blurvae.models import fit_gaussian_mixture
from blurvae.record import Run, execute, networks
from blurvae.record.execution import Execution
from blurvae.systems import RAE
from blurvae.train.schedules import When

RUNS = {run.method: run for run in experiments.get("rae/table2").runs("smoke", "natural", (0,))}


def changed(run: Run, **fields: Any) -> Run:
    return replace(run, system=replace(run.system, **fields))  # type: ignore[type-var]


def test_held_out_images_are_the_last_ones_and_no_step_sees_them() -> None:
    with Execution(RUNS["rae"], device="cpu") as begun:
        assert len(begun.train) == 64 and begun.training.plan.samples == 48
        watch = begun.evaluation.watch
        assert isinstance(watch, HeldOut) and np.array_equal(watch.images.images, begun.train.images[48:])
        assert np.array_equal(begun.training.stage.feed.samples, begun.train.images[:48])


@pytest.mark.parametrize(("model", "term"), [("rae", "l2"), ("vae", "l1"), ("ae", "l2"), ("rae", "wiener")])
def test_the_loss_on_held_out_images(model: str, term: str) -> None:
    """Of the mean code, in evaluation, by hand; the plain autoencoder's code costs nothing."""
    run = changed(RUNS["rae"], model=model, term=losses.get(term), beta=0.5)
    images = datasets.load("natural", "train", size=32, n=20)
    players = networks(run)
    for net in players:
        if net is not None:
            net.eval()
    x = to_float(torch.from_numpy(np.array(images.images)))
    with torch.no_grad():
        found = HeldOut(run.system, images, torch.device("cpu"))(1, players)["valid_loss"]  # type: ignore[arg-type]
        mu, log_var = players.vae.encode(x)
        x_hat, logit = players.vae.decode(mu)
        kernel = None if players.kernel_net is None else players.kernel_net(mu)
        wanted = losses.get(term)(x, x_hat, logit=logit, kernel=kernel).mean()
        if model == "rae":
            wanted += 0.5 * 0.5 * mu.square().sum(1).mean()
        if model == "vae":
            q, p = (MultivariateNormal(m, torch.diag_embed(v)) for m, v in ((mu, log_var.exp()), (0 * mu, 1 + 0 * mu)))
            wanted += 0.5 * torch.distributions.kl_divergence(q, p).mean()
    assert found == pytest.approx(wanted.item(), rel=1e-4)


def test_what_is_measured_has_its_digits_and_n_is_the_density_of_the_table() -> None:
    for model, density in (("vae", "samples"), ("ae", "Gaussian samples")):
        measured = execute(changed(RUNS[model], components=(10, 2)), device="cpu").record["metrics"]
        assert set(measured) <= set(DIGITS) | {"FD-squeeze (GMM samples, K = 2)"}
        assert measured["FD-squeeze (N)"] == measured[f"FD-squeeze ({density})"]
        assert ("FD-squeeze (samples)" in measured) == (model != "ae") and ("KL" in measured) == ("vae" in model)


def test_log_densities_are_those_of_codes_that_were_fitted_and_held_out() -> None:
    run = RUNS["rae"]
    train, test = (datasets.load("natural", split, size=32, n=n) for split, n in (("train", 64), ("test", 32)))
    players = networks(run)
    evaluation = RAEEvaluation(run.system, run.budget, train, test, torch.device("cpu"))  # type: ignore[arg-type]
    measured = evaluation.measure(players)
    metrics = measured.metrics
    with torch.no_grad():
        codes = players.vae.encode(to_float(torch.from_numpy(np.array(train.images))))[0].double()
    fitted, held_out = codes[:48], codes[48:]
    mixture = fit_gaussian_mixture(fitted, 1)
    torch.testing.assert_close(mixture.means[0], fitted.mean(0))
    gaussian = MultivariateNormal(mixture.means[0], scale_tril=mixture.factors[0])
    for whose, z in (("training", fitted), ("held-out", held_out)):
        assert metrics[f"log q of {whose} codes (Gaussian)"]["mean"] == pytest.approx(
            gaussian.log_prob(z).mean().item()
        )
        assert metrics[f"log q of {whose} codes (GMM)"]["n"] == len(z)
    ours = torch.from_numpy(measured.pictures["nearest"]).float().flatten(2)  # (4, 1 + 3, values)
    whole = torch.from_numpy(np.array(train.images[:48])).float().flatten(1)
    distance = (ours[:, :1] - whole).square().sum(2)
    nearest = (ours[:, :1] - ours[:, 1:]).square().sum(2)
    torch.testing.assert_close(nearest, distance.sort(1).values[:, :3], rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"held_out": 0}, "set held_out to 2 or more, not 0"), ({"held_out": 64}, "holds out 64 of 64 training images")],
)
def test_a_run_refuses(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        execute(changed(RUNS["rae"], **fields), device="cpu")
    with pytest.raises(ValueError, match="no bound on −log p"):
        execute(replace(RUNS["rae"], n_bound=4), device="cpu")


def test_a_learning_rate_falls_where_the_loss_on_held_out_images_stands_still() -> None:
    """And stays as it is where nothing is held out."""
    history = [{"valid_loss": 1.0}] * 4
    lr = [RAE(held_out=n, patience=1).optimisers()["vae"].lr(When(9, 4, history)) for n in (8, 0)]
    assert lr == [5e-4, 1e-3]
