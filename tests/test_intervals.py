"""Intervals over seeds and ratios paired by seed: coverage, symmetry, and what a table says where runs are missing."""

from __future__ import annotations

import math
from pathlib import Path

import made_up
import numpy as np
import pytest

from blurvae import experiments
from blurvae.experiments import intervals
from blurvae.pages import ratios, tables
from blurvae.pages.figures.ex_post import SOURCES, distances, pairs_on, term_ratios

RUNS = experiments.get("rae/terms").runs("lesson", "mnist", (0, 1, 2))
GMM, RECON = "FD-squeeze (GMM samples)", "FD-squeeze (held-out recon)"


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, (4000, 3))
    held = [low <= 3 <= high for _, low, high in map(intervals.student, draws)]
    assert abs(np.mean(held) - 0.95) < 0.012


def test_the_interval_of_ratios_is_student_s() -> None:
    """Ratios e^0, e^1, e^2: mean 1, standard error 1/√3, and 4.3027 is the quantile of two degrees of freedom."""
    found = intervals.geometric([1, math.e, math.e**2])
    assert [math.log(x) for x in found] == pytest.approx([1, 1 - 4.302653 / 3**0.5, 1 + 4.302653 / 3**0.5], rel=1e-6)


def test_one_value_has_no_interval_and_none_is_refused() -> None:
    one = intervals.student([2.0])
    assert one.mean == 2 and math.isnan(one.low) and math.isnan(one.high)
    with pytest.raises(ValueError, match="no seed is recorded"):
        intervals.student([])
    with pytest.raises(ValueError, match="takes positive numbers, not -1"):
        intervals.geometric([1.0, -1.0])


def test_a_ratio_pairs_seeds_and_turns_over_with_its_sides() -> None:
    own, other = {0: 2.0, 1: 30.0, 2: 400.0, 7: 1.0}, {2: 200.0, 0: 1.0, 1: 10.0, 8: 5.0}
    mean, low, high = intervals.ratio(own, other)
    assert mean == pytest.approx((2 * 3 * 2) ** (1 / 3)) and low < 2 < 3 < high
    back = intervals.ratio(other, own)
    assert (back.mean, back.low, back.high) == pytest.approx((1 / mean, 1 / high, 1 / low))
    constant = intervals.ratio({s: 3.0 * v for s, v in own.items()}, own)
    assert tuple(constant) == pytest.approx((3, 3, 3))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Terms of the VAE: FFL is a fifth nearer with every seed, Wiener nearer or farther; no run of RAE."""
    factor = {"vae-l2": (1, 1, 1), "vae-ffl": (0.8, 0.81, 0.79), "vae-wiener": (0.8, 1.2, 1.0)}
    for run in RUNS:
        if run.method in factor:
            level = 1000.0 * (1 + run.seed) * factor[run.method][run.seed]
            made_up.write(tmp_path, run, {GMM: {"value": level}, RECON: {"value": 2 * level}})
    return tmp_path


def test_ratios_of_recorded_runs(results: Path) -> None:
    where = ("rae/terms", "lesson", "mnist")
    table = ratios.within(*where, {"GM / Rec": (GMM, RECON), "GM / prior": (GMM, "FD-squeeze (samples)")}, results)
    assert table.loc["VAE, FFL", "GM / Rec"] == "0.50 (0.50–0.50)"
    assert table.loc["VAE, FFL", "GM / prior"] == "–" and table.loc["RAE, L2", "GM / Rec"] == "not run"
    over = ratios.against(*where, "vae-l2", ("vae-ffl", "rae-l2"), {"GM": GMM}, results)
    assert over.loc["VAE, FFL", "GM"] == "0.80 (0.78–0.83)" and over.loc["RAE, L2", "GM"] == "not run"
    pairs = [(f"vae-{term}", "vae-l2") for term in ("ffl", "wiener", "wiener-proper")]
    assert ratios.sides(*where, pairs, GMM, results) == {"below": ["VAE, FFL"], "above": [], "open": ["VAE, Wiener"]}


def test_figures_draw_a_mark_for_each_density_and_say_what_is_not_measured(results: Path) -> None:
    import matplotlib.pyplot as plt

    fig = term_ratios("rae/terms", "lesson", "mnist", results)
    vae, rae = fig.axes
    means = sorted(float(box.lines[0].get_ydata()[0]) for box in vae.containers)
    assert means == pytest.approx(sorted(2 * [0.8, 0.96 ** (1 / 3)]), abs=2e-3)
    assert not rae.containers and "not measured" in rae.texts[0].get_text()
    alone = distances("rae/terms", "lesson", "mnist", results)
    assert {box.get_label() for box in alone.axes[0].containers} == {SOURCES[GMM], SOURCES[RECON]}
    _, ax = plt.subplots()
    pairs_on(ax, "rae/terms", "lesson", "mnist", results)
    assert "not measured" in ax.texts[0].get_text()
    plt.close("all")


def test_a_table_may_show_intervals(results: Path) -> None:
    table = tables.table("rae/terms", "lesson", "mnist", results, over="interval", columns=(GMM,))
    half = 4.302653 * 1000 / math.sqrt(3)  # of 1000, 2000, 3000
    assert table.loc["VAE, L2", GMM] == f"2000 ± {half:.0f}"
    with pytest.raises(ValueError, match="'seeds', 'images', 'interval', not 'months'"):
        tables.spread(table, GMM, "months")


def test_the_paper_stands_beside_the_set_that_stands_in_for_its_own(tmp_path: Path) -> None:
    table = tables.table("rae/table2", "lesson", "faces64", tmp_path, paper=True)
    assert table.loc["VAE", "FID Rec (paper, celeba)"] == "39.1"
    assert tables.table("rae/table2", "lesson", "cifar10", tmp_path).loc["AE", "FID Int (paper)"] == "61.6"
    natural = tables.table("rae/table2", "lesson", "natural", tmp_path, paper=True)
    assert natural.loc["VAE", "FID Rec (paper, mnist)"] == "18.3"
