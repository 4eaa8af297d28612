"""The rule of verdicts: its tests against scipy's, its errors and its power by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from blurvae import claims
from blurvae.claims.inference import ALPHA, holm, interval, power, seeds_needed, sides
from blurvae.claims.simulation import rejected, simulate

PIECES = 20_000
WITHIN = 4 * math.sqrt(ALPHA * (1 - ALPHA) / PIECES)  # four standard errors of a simulated 5 %


@pytest.mark.parametrize("seed", range(5))
def test_a_comparison_is_students_test(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.4, 1, 3 + seed)
    expected = stats.ttest_1samp(values, 0)
    found = sides(values.tolist())
    assert found.p == pytest.approx(expected.pvalue) and sum(found) == pytest.approx(1)
    assert found.claimed == pytest.approx(stats.ttest_1samp(values, 0, alternative="greater").pvalue)
    assert interval(values.tolist(), 0.03) == pytest.approx(tuple(expected.confidence_interval(0.97)))


def test_equivalence_is_two_tests_that_both_must_pass() -> None:
    values = [0.1, -0.05, 0.02, 0.08]
    low, high = (
        stats.ttest_1samp(values, at, alternative=way).pvalue for at, way in ((-0.2, "greater"), (0.2, "less"))
    )
    assert sides(values, near=0.2).claimed == pytest.approx(max(low, high))
    far = sides([v + 1 for v in values], near=0.2)
    assert far.denied == pytest.approx(stats.ttest_1samp([v + 1 for v in values], 0.2, alternative="greater").pvalue)
    assert far.denied == pytest.approx(sides([-v - 1 for v in values], near=0.2).denied) and far.claimed > 0.99


@pytest.mark.parametrize(
    ("values", "near", "claimed"), [([1, 1], 0, 1), ([-1], 0, 0), ([0.1], 0.2, 1), ([0.3], 0.2, 0)]
)
def test_what_does_not_vary_decides(values: list[float], near: float, claimed: int) -> None:
    assert sides(values, near) == (1 - claimed, claimed)


def test_a_draw_decides_nothing() -> None:
    assert sides([0.0, 0.0]).p == 1


@pytest.mark.parametrize("seed", range(20))
def test_holm_rejects_what_has_a_small_adjusted_p(seed: int) -> None:
    """By adjusted p values: the largest of (m − i) p of all that are as small, i counted from 0."""
    ps = np.random.default_rng(seed).beta(0.3, 3, 6)
    adjusted = [max((len(ps) - (ps < q).sum()) * q for q in ps if q <= p) for p in ps]
    found = holm(ps.tolist())
    assert [yes for yes, _ in found] == [a <= ALPHA for a in adjusted]
    assert all(yes == (p <= ALPHA / k) for p, (yes, k) in zip(ps, found)), "k tells the level"
    assert rejected(ps[None])[0].tolist() == [yes for yes, _ in found]
    assert not holm([])


@pytest.mark.parametrize(("effect", "seeds", "alpha"), [(1, 3, 0.05), (1, 10, 0.05), (2, 5, 0.01), (3, 4, 0.002)])
def test_power_is_how_often_the_test_finds_an_effect(effect: float, seeds: int, alpha: float) -> None:
    values = np.random.default_rng(0).normal(effect, 1, (40_000, seeds))
    found = stats.ttest_1samp(values, 0, axis=1)
    hits = ((found.pvalue <= alpha) & (found.statistic > 0)).mean()
    assert power(effect, seeds, alpha) == pytest.approx(hits, abs=4 * math.sqrt(0.25 / 40_000))
    n = seeds_needed(effect, alpha)
    assert n is not None and power(effect, n, alpha) >= 0.8 > power(effect, n - 1, alpha)


def test_an_effect_of_nothing_needs_seeds_without_number() -> None:
    assert seeds_needed(0) is None and seeds_needed(1e5) == 2


@pytest.mark.parametrize("correlation", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 3), (5, 3), (5, 5), (25, 3), (25, 5)])
def test_where_there_is_no_effect_a_piece_says_one_in_at_most_a_twentieth(
    comparisons: int, seeds: int, correlation: float
) -> None:
    found = simulate(comparisons, seeds, correlation=correlation, pieces=PIECES)
    assert found.claimed + found.denied <= ALPHA + WITHIN
    if comparisons == 1:
        assert found.claimed + found.denied == pytest.approx(ALPHA, abs=WITHIN), "and one comparison in just that"


def test_what_is_simulated_is_what_judges() -> None:
    """Vectors of pieces on one side, the ledger's own classes on the other, on the same draws."""
    evidence = claims.Evidence("better", "01")
    rng = np.random.default_rng(0)
    for effect in (0, 2, 5):
        values = rng.normal(effect, 1, (4, 3))
        ps = stats.ttest_1samp(values, 0, axis=1).pvalue
        expected = np.where(rejected(ps[None])[0], np.where(values.mean(1) > 0, "for", "against"), "open")
        piece = claims.Finding(evidence, tuple(claims.Comparison("m", "r", tuple(row)) for row in values.tolist()))
        assert [j.call for j in piece.judged] == expected.tolist()


def test_power_of_a_piece_grows_with_effect_and_seeds() -> None:
    """The numbers that stand beside the rule: at 1, 2 and 3 standard deviations."""
    few, more = ([simulate(5, n, d, 0.5, 4000).holds for d in (1, 2, 3)] for n in (3, 5))
    assert few == sorted(few) and more == sorted(more) and all(b > a for a, b in zip(few, more))
    assert few[0] < 0.05 and more[2] > 0.8
