"""Squared error at the rate of a table's method: read off between its runs, and never beyond them."""

from __future__ import annotations

import math

import made_up
import pytest

from blurvae import experiments
from blurvae.experiments import matched
from blurvae.pages import tables

PLACE = ("table2", "lesson", "faces64")


def entries(kl, psnr):
    return {name: {"mean": float(v), "sd": 1.0, "n": 2} for name, v in {"KL": kl, "PSNR": psnr}.items()}


@pytest.fixture
def results(tmp_path):
    """L2 over β with PSNR = 10 + log KL, and the Wiener term of Table 2 at 30, 40 and, beyond the curve, 400 nats."""
    for run in experiments.get("rate64").runs("lesson", "faces64", (0, 1, 2)):
        if experiments.term_of(run.method) == "l2":
            kl = 20 / run.beta
            made_up.write(tmp_path, run, entries(kl, 10 + math.log(kl)))
    for run in experiments.get("table2").runs("lesson", "faces64", (0, 1, 2)):
        if run.method == "wiener":
            made_up.write(tmp_path, run, entries((30, 40, 4000)[run.budget.seed], 5))
    return tmp_path


def test_it_is_the_curve_at_the_rate_of_the_method(results):
    rows = matched.rows(*PLACE, results).set_index(["metric", "seed"]).value
    assert sorted(rows["PSNR"].index) == sorted(rows["KL"].index) == [0, 1], "nothing is extrapolated"
    assert rows["KL"].to_dict() == {0: 30.0, 1: 40.0}
    assert rows["PSNR"].to_dict() == pytest.approx({0: 10 + math.log(30), 1: 10 + math.log(40)})


def test_a_table_has_it_below_its_methods(results):
    table = tables.table(*PLACE, results, columns=("PSNR", "SSIM", "KL"))
    row = table.loc["L2 at the KL of Wiener (2 of 3 seeds)"]
    assert row.seeds == "2" and row.SSIM == "–" and row.KL == "35.0 ± 7.1"
    assert row.PSNR == f"{10 + (math.log(30) + math.log(40)) / 2:.2f} ± {math.log(4 / 3) / 2**0.5:.2f}"


def test_a_table_of_another_budget_or_without_curves_has_none(results, tmp_path_factory):
    assert matched.rows("table4", "lesson", "faces64", results).empty, "another architecture"
    assert matched.rows("table2", "paper", "faces64", results).empty
    assert matched.rows("table2", "lesson", "natural", results).empty, "not recorded there"
    assert matched.rows(*PLACE, tmp_path_factory.mktemp("results")).empty


def test_tables_and_curves_have_one_budget():
    """Else the control would be another training."""
    for name in matched.TABLES:
        for data in set(experiments.get(name).GRID[matched.TIER]) & set(experiments.get(matched.CURVES).GRID["lesson"]):
            (l2,) = (r for r in experiments.get(matched.CURVES).runs("lesson", data, (0,)) if r.method == "l2,beta=0.8")
            for run in experiments.get(name).runs("lesson", data, (0,)):
                assert (run.budget, run.size, run.n_train, run.n_test) == (l2.budget, l2.size, l2.n_train, l2.n_test)
                assert (run.system.widths, run.system.latent) == (l2.system.widths, l2.system.latent)
                assert (run.system.lr, run.system.architecture) == (l2.system.lr, l2.system.architecture)
