"""EN-C1: sampling costs 3.01 dB over the mean, for the bars of Fig. 2.2 and for any posterior."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from blurvae.claims.model import Evidence
from blurvae.claims.rules import RULES
from blurvae.claims.verdict import Finding, verdict
from blurvae.datasets.bars import PLACEMENTS, bars
from blurvae.experiments.enhancenet import theory
from blurvae.metrics.posterior import GAP, Guesses, expected_errors, expected_psnr

BARS = torch.from_numpy(PLACEMENTS.copy()).double()


@pytest.mark.parametrize(("which", "mean", "sample"), [([0, 1, 2, 3], 0.25, 0.5), ([0, 2], 0.125, 0.25)])
def test_the_errors_of_bars_worked_out_by_hand(which: list[int], mean: float, sample: float) -> None:
    """Four placements: ¼ and ½ of a pixel; two that share a corner: half of it."""
    assert expected_errors(BARS[which]) == pytest.approx((mean, sample), abs=1e-12)
    assert expected_psnr(BARS[which]) == pytest.approx((-10 * math.log10(mean), -10 * math.log10(sample)))


@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_any_posterior_has_the_gap(seed: int, k: int, pixels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    answers = torch.rand(k, pixels, generator=generator, dtype=torch.float64)
    weights = torch.rand(k, generator=generator, dtype=torch.float64).softmax(0)
    found = expected_psnr(answers, weights)
    assert found.mean - found.sample == pytest.approx(GAP, abs=1e-9) == pytest.approx(3.0103, abs=1e-4)


def test_it_is_what_drawn_images_show() -> None:
    """Truth and guess are images of bars at the same places; half the cells are empty, which costs nobody anything."""
    truth = bars(200, 32, np.random.default_rng(0)) / 255
    where = truth.reshape(200, 16, 2, 16, 2).mean((2, 4)) == 0.5
    drawn = PLACEMENTS[np.random.default_rng(1).integers(0, 4, where.shape)] * where[..., None, None]
    drawn = drawn.swapaxes(2, 3).reshape(200, 1, 32, 32)
    mean = np.repeat(np.repeat(where / 2, 2, 1), 2, 2)[:, None]
    errors = [((y - truth) ** 2).mean() for y in (mean, drawn)]
    share = where.mean()
    assert errors == pytest.approx([share * e for e in expected_errors(BARS)], rel=0.02)


def test_no_answer_is_better_than_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    least = expected_errors(BARS).mean
    for _ in range(20):
        guess = torch.rand(2, 2, generator=generator, dtype=torch.float64)
        assert (BARS - guess).square().mean().item() >= least


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [1.5, -0.5, 0.0, 0.0]])
def test_weights_that_are_no_probabilities_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        expected_errors(BARS, torch.tensor(weights))


def test_no_random_posterior_contradicts_the_claim_and_wrong_errors_would_be_found(monkeypatch) -> None:
    assert not any(theory.contradictions(50).values())
    right = theory.expected_errors
    for wrong, part in (
        (lambda x, p: Guesses(1.01 * right(x, p).mean, 2.02 * right(x, p).mean), theory.NEAREST),
        (lambda x, p: Guesses(right(x, p).mean, 1.99 * right(x, p).mean), theory.COST),
    ):
        monkeypatch.setattr(theory, "expected_errors", wrong)
        assert [part] == [name for name, number in theory.contradictions(20).items() if number > 10]


def test_the_rule_of_the_claim_counts_what_the_theory_finds(monkeypatch) -> None:
    evidence = Evidence("mean and draw", "27", data="random posteriors")
    assert verdict([finding(evidence)]) == "holds"
    monkeypatch.setattr(theory, "contradictions", lambda: {theory.NEAREST: 3, theory.COST: 0})
    assert verdict([finding(evidence)]) != "holds"


def finding(evidence: Evidence) -> Finding:
    return Finding(evidence, tuple(RULES[evidence.rule](evidence, None)))
