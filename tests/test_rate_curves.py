"""Areas between rate curves, against numerical integration; and active latent dimensions."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.interpolate
import torch

from blurvae import experiments
from blurvae.experiments import intervals
from blurvae.experiments.bredell import rate
from blurvae.experiments.derived import at_its_rate, equal_rate
from blurvae.metrics.active_units import active_units
from blurvae.metrics.rate_curves import Curve, mean_difference
from blurvae.pages import rates

A = Curve([12.0, 25.0, 70.0, 110.0, 260.0], [17.1, 18.0, 19.2, 19.7, 20.3])
B = Curve([18.0, 31.0, 55.0, 140.0], [17.6, 18.4, 19.5, 19.9])


@pytest.mark.parametrize("log_rate", [True, False])
def test_it_is_the_mean_of_the_difference_of_the_interpolants(log_rate: bool) -> None:
    scale = np.log if log_rate else np.asarray
    a, b = (scipy.interpolate.PchipInterpolator(scale(c.rate), c.quality) for c in (A, B))
    low, high = scale(18.0), scale(140.0)
    area, _ = scipy.integrate.quad(lambda t: b(t) - a(t), low, high, limit=200, points=scale([25.0, 31, 55, 70, 110]))
    assert mean_difference(A, B, log_rate=log_rate) == pytest.approx(area / (high - low), rel=1e-9)


def test_a_constant_offset_and_straight_lines_are_exact() -> None:
    lifted = Curve(A.rate, np.asarray(A.quality) + 0.7)
    assert mean_difference(A, lifted) == pytest.approx(0.7)
    # log lines 2·log r and 3·log r − 1 from 1 to e²: ∫ (t − 1) dt / 2 = 0
    rates = np.exp([0.0, 0.5, 2.0])
    line, steeper = Curve(rates, 2 * np.log(rates)), Curve(rates, 3 * np.log(rates) - 1)
    assert mean_difference(line, steeper) == pytest.approx(0, abs=1e-12)
    short = Curve(np.exp([1.0, 2.0]), 3 * np.array([1.0, 2.0]) - 1)  # over the common range 1 to 2 it is ½
    assert mean_difference(line, short) == pytest.approx(0.5)


def test_swapping_changes_the_sign_and_the_order_of_points_does_not_matter() -> None:
    value = mean_difference(A, B)
    assert mean_difference(B, A) == pytest.approx(-value)
    turned = Curve(A.rate[::-1], A.quality[::-1])
    assert mean_difference(turned, B) == value
    stretched = [Curve(10 * np.asarray(c.rate), c.quality) for c in (A, B)]  # log rate: only ratios count
    assert mean_difference(*stretched) == pytest.approx(value)
    assert mean_difference(A, A) == 0


def test_the_interpolant_does_not_overshoot() -> None:
    """A step of height 1 against the constant 1: no point of a monotone interpolant lies above it."""
    step = Curve([1.0, 2, 3, 4, 5, 6], [0.0, 0, 0, 1, 1, 1])
    ceiling = Curve([3.9, 6.0], [1.0, 1.0])
    assert mean_difference(step, ceiling, log_rate=False) >= 0
    flat_part = Curve([4.0, 6.0], [1.0, 1.0])
    assert mean_difference(step, flat_part, log_rate=False) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (Curve([1, 2], [0, 0]), Curve([3, 4], [0, 0]), "share no range of rates .1 to 2, 3 to 4."),
        (Curve([1, 2], [0, 0]), Curve([2, 4], [0, 0]), "share no range of rates"),
        (Curve([1], [0]), B, "at least two rates"),
        (Curve([1, 2], [0]), B, "one quality for each"),
        (Curve([20, 20, 90], [0, 1, 2]), B, "two points at one rate"),
        (Curve([0, 90], [0, 1]), B, "A rate of 0 has no logarithm"),
        (Curve([20, 90], [0, math.nan]), B, "not finite"),
    ],
)
def test_bad_curves_are_refused(a: Curve, b: Curve, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_difference(a, b)
    with pytest.raises(ValueError, match=r"range of rates|logarithm|at least two|one quality|one rate|finite"):
        mean_difference(b, a)


def test_a_rate_of_zero_is_allowed_on_a_linear_axis() -> None:
    a = Curve([0.0, 10.0], [0.0, 1.0])
    assert mean_difference(a, Curve([0.0, 10.0], [1.0, 2.0]), log_rate=False) == pytest.approx(1)


@pytest.mark.parametrize("log_rate", [True, False])
def test_terms_are_compared_seed_by_seed_where_every_beta_is_recorded(log_rate: bool) -> None:
    generator, rows = np.random.default_rng(0), []
    for seed, term, beta in itertools.product((0, 1, 2), ("l2", "wiener"), rate.betas("natural")):
        for metric, value in (("KL", generator.uniform(10, 90)), ("PSNR", generator.uniform(20, 30))):
            rows.append(("natural", f"{term},beta={beta:g}", seed, metric, value))
    runs = pd.DataFrame(rows, columns=["data", "method", "seed", "metric", "value"]).sample(frac=1, random_state=0)

    def curve(term: str, seed: int) -> Curve:
        own = [row for row in rows if row[1].startswith(term) and row[2] == seed]
        return Curve(*([row[-1] for row in own if row[3] == metric] for metric in ("KL", "PSNR")))

    expected = {seed: mean_difference(curve("l2", seed), curve("wiener", seed), log_rate=log_rate) for seed in range(3)}
    assert equal_rate(runs, "wiener", "l2", "PSNR", log_rate=log_rate) == expected
    lost = (runs.method == "l2,beta=5") & (runs.seed == 1) & (runs.metric == "KL")
    del expected[1]
    assert equal_rate(runs.assign(value=runs.value.mask(lost)), "wiener", "l2", "PSNR", log_rate=log_rate) == expected
    assert equal_rate(runs[~lost], "wiener", "l2", "PSNR", log_rate=log_rate) == expected
    assert equal_rate(runs, "wiener-proper", "l2", "PSNR") == equal_rate(runs[:0], "wiener", "l2", "PSNR") == {}


@pytest.mark.parametrize("log_rate", [True, False])
def test_terms_that_share_no_rate_are_not_compared(log_rate: bool) -> None:
    rows = [
        (f"{term},beta={beta:g}", seed, metric, value)
        for seed, term, beta in itertools.product((0, 1), ("l2", "wiener"), (0.5, 1.0))
        for metric, value in (("KL", 10 / beta + 90 * seed * (term == "l2")), ("PSNR", 20.0 + (term == "wiener")))
    ]
    runs = pd.DataFrame(rows, columns=["method", "seed", "metric", "value"])
    assert equal_rate(runs, "wiener", "l2", "PSNR", log_rate=log_rate) == pytest.approx({0: 1.0})
    assert equal_rate(runs[runs.seed == 1], "wiener", "l2", "PSNR", log_rate=log_rate) == {}


LIFTS = {"PSNR": (0.4, 0.5, 0.6), "SSIM": (-0.1, 0.0, 0.12), "LPIPS-squeeze": (0.2, 0.21, 0.22)}


def test_what_is_ahead_at_equal_kl_is_what_was_lifted(tmp_path: Path) -> None:
    """One line of each metric over log KL for both terms, that of one lifted by a number of each seed's own."""
    for run in experiments.get("dalal/rate").runs("lesson", "natural", (0, 1, 2)):
        kl = 30 / run.beta * (1.3 if run.method.startswith("stft") else 1)
        lifted = run.method.startswith("stft")
        values = {m: {"mean": math.log(kl) + lifted * lift[run.seed]} for m, lift in LIFTS.items()}
        if not run.method.startswith("ffl"):
            made_up.write(tmp_path, run, {"KL": {"mean": kl}} | values)
    found = rates.heights("stft-ssim", "wiener", "natural", "lesson", tmp_path, experiment="dalal/rate")
    for metric, lift in LIFTS.items():
        assert found[metric] == pytest.approx(intervals.student(lift))
    assert rates.sides(found) == {"ahead": ["PSNR"], "behind": ["LPIPS-squeeze"], "open": ["SSIM"]}
    assert rates.height_text(found, "PSNR") == "+0.50 (+0.25 to +0.75)"
    absent = rates.heights("stft-ssim", "ffl", "natural", "lesson", tmp_path, experiment="dalal/rate")
    assert absent == {} and rates.height_text(absent, "PSNR") == "not run"
    assert rates.height_text({"PSNR": None}, "PSNR") == "no KL in common"
    single = {"PSNR": intervals.student([0.25])}
    assert rates.height_text(single, "PSNR") == "+0.25" and not any(rates.sides(single).values())


def test_at_its_rate_a_rival_on_a_line_over_log_kl_is_met_exactly_and_nothing_is_extrapolated() -> None:
    line = {"l2": (9.0, 36.0, 4.0), "l2,beta=0.5": (90.0, 81.0, 90.0), "wiener": (30.0, 54.0, 3.0)}  # KL by seed
    gap = (0.5, -0.25, 2.0)
    psnr = {
        method: [3 * math.log(kl) + (gap[seed] if method == "wiener" else 0) for seed, kl in enumerate(kls)]
        for method, kls in line.items()
    }
    values = {
        metric: {method: dict(enumerate(own)) for method, own in column.items()}
        for metric, column in (("KL", line), ("PSNR", psnr))
    }
    found = at_its_rate(values, "wiener", ("l2", "l2,beta=0.5"), "PSNR")
    assert found == pytest.approx({0: 0.5, 1: -0.25})  # the third sends less than either row of the rival
    del values["PSNR"]["l2"][0]
    assert at_its_rate(values, "wiener", ("l2,beta=0.5", "l2"), "PSNR") == pytest.approx({1: -0.25})
    assert at_its_rate(values, "wiener-proper", ("l2", "l2,beta=0.5"), "PSNR") == {}


# --- active units ----------------------------------------------------------------------------------------------------


def test_active_units_are_those_whose_mean_varies_by_more_than_a_hundredth() -> None:
    generator = torch.Generator().manual_seed(0)
    unit = torch.randn(500, 4, generator=generator, dtype=torch.float64)
    unit = (unit - unit.mean(0)) / unit.std(0)
    mu = unit * torch.tensor([1.0, 0.101, 0.099, 0.0]) + torch.tensor([0.0, 5.0, -5.0, 3.0])
    assert active_units(mu) == 2
    assert active_units(mu.float()) == 2
    assert active_units(mu, threshold=0.009) == 3
    assert active_units(torch.ones(5, 3)) == 0


def test_active_units_refuse() -> None:
    with pytest.raises(ValueError, match=r"at least two.*not \(1, 3\)"):
        active_units(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="NaN"):
        active_units(torch.full((3, 3), math.nan))
