"""Networks beside the linear model: the rows, the deficits, and what is said of them."""

from __future__ import annotations

import json
import math

import made_up
import pytest

from blurvae import experiments
from blurvae.experiments import intervals, pca
from blurvae.pages import beside

STUDY = ("study", "study", "faces64")
RATES = {"l2": 40.0, "wiener": 60.0}


@pytest.fixture
def results(tmp_path):
    """Two of the four methods, two seeds each, and a linear model with 1 dB more at e times as many nats."""
    runs = experiments.get("study").runs("study", "faces64", (0, 1))
    for run in runs:
        if run.method in RATES:
            below = 2.0 if run.method == "l2" else -1.0  # the network of Wiener is ahead
            psnr = 20 + math.log(RATES[run.method]) - below - 0.5 * run.budget.seed
            metrics = {"KL": RATES[run.method], "PSNR": psnr}
            made_up.write(tmp_path, run, {name: {"mean": v, "sd": 0.0, "n": 32} for name, v in metrics.items()})
    kl = [1.0, 10.0, 100.0, 1000.0]
    file = pca.path(runs[0], tmp_path)
    file.parent.mkdir()
    file.write_text(json.dumps({"metrics": {"KL": kl, "PSNR": [20 + math.log(nats) for nats in kl]}}))
    return tmp_path


def test_every_method_stands_above_the_linear_model_at_its_kl(results):
    table = beside.linear(*STUDY, results, metrics=("PSNR", "SSIM"))
    assert list(table.columns) == ["KL", "PSNR", "SSIM"]
    labels = [m.label for m in experiments.get("study").METHODS]
    assert list(table.index) == [(label, side) for label in labels for side in ("network", "linear model")]
    for method, label in (("l2", "L2"), ("wiener", "Wiener")):
        linear = table.loc[(label, "linear model")]
        assert linear.PSNR == f"{20 + math.log(RATES[method]):.2f} ± 0.00"
        assert linear.KL == table.loc[(label, "network")].KL == f"{RATES[method]:.1f} ± 0.0"
        assert table.loc[(label, "network")].SSIM == "–"
    assert set(table.loc["Spectral"].to_numpy().ravel()) == {"not run"}


def test_deficits_are_signed_and_those_without_a_run_are_left_out(results):
    found = beside.deficits(*STUDY, folder=results)
    assert list(found) == ["L2", "Wiener"]
    assert found["L2"].mean == pytest.approx(2.25) and found["Wiener"].mean == pytest.approx(-0.75)
    assert found["L2"].low < 2.0 < 2.5 < found["L2"].high
    assert beside.said(found).startswith("L2 2.2 dB (") and "Wiener −0.8 dB (−" in beside.said(found)


def test_what_is_not_recorded_says_so(results, tmp_path_factory):
    empty = tmp_path_factory.mktemp("results")
    assert set(beside.linear(*STUDY, empty).to_numpy().ravel()) == {"not run"}
    assert beside.said(beside.deficits(*STUDY, folder=empty)) == "not run"
    pca.path(experiments.get("study").runs("study", "faces64", (0,))[0], results).unlink()
    table = beside.linear(*STUDY, results)
    assert set(table.loc[("L2", "linear model")]) == {"–"} and table.loc[("L2", "network")].PSNR != "–"
    assert beside.deficits(*STUDY, folder=results) == {}


def test_one_seed_has_no_interval():
    alone = intervals.student([1.26])
    assert beside.said({"L2": alone}) == "L2 1.3 dB"
    assert beside.said({"Wiener-proper": alone._replace(mean=-1.26)}) == "Wiener-proper −1.3 dB"
