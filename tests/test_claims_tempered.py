"""The rules of the chapter on tempered adversarial networks, on runs whose numbers are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest

from blurvae import claims, experiments, paths
from blurvae.claims.verdict import Finding
from blurvae.experiments.tempered import theory

NAME, EPOCHS, K = "tempered/points", 16, 4.8  # K of the ring's lesson, in epochs
SEEDS = (0, 1, 2, 3)


def record(out: Path, method: str, made: Callable[[int, int], Mapping[str, float]], last: Mapping[str, Any]) -> None:
    """Runs whose epochs are made of seed and epoch, counted from 1, and whose metrics are given by seed."""
    for run in experiments.get(NAME).runs("lesson", "ring", SEEDS):
        if run.method == method:
            history = [{"epoch": e, "phase": "train", **made(run.seed, e)} for e in range(1, EPOCHS + 1)]
            made_up.write(out, run, {name: {"value": values[run.seed]} for name, values in last.items()}, history)


def finding(folder: Path, claim: str, rule: str, method: str) -> Finding:
    whole = next(c for c in claims.load(paths.claims() / "tempered.toml") if c.name == claim)
    here = [e for e in whole.evidence if (e.rule, e.method, e.data) == (rule, method, "ring")]
    (found,) = claims.findings(replace(whole, evidence=tuple(here)), folder)
    return found


def test_k_in_epochs_is_that_of_the_runs() -> None:
    run = experiments.get(NAME).runs("lesson", "ring", (0,))[1]
    assert run.method == "gan-learned" and run.system.anneal == K * 125 and run.budget.epochs == EPOCHS  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rate", "verdict"), [(0.5, "holds"), (0.05, "does not hold")])
def test_a_lens_clears_that_falls_by_two_orders_until_2_k(rate: float, verdict: str, tmp_path: Path) -> None:
    """At 2 K = 9.6 epochs, read in the tenth; by `rate` orders an epoch from the first one on."""
    record(tmp_path, "gan-learned", lambda s, e: {"lens_residual": 10 ** (-rate * e - 0.01 * s * e)}, {})
    found = finding(tmp_path, "TA-C1", "lens clears", "gan-learned")
    falls, later = found.comparisons
    assert falls.values == pytest.approx([-9 * (rate + 0.01 * s) for s in SEEDS])
    assert later.values == pytest.approx([-5 * (rate + 0.01 * s) for s in SEEDS])
    calls = [judged.call for judged in found.judged]
    assert calls == (["for", "for"] if rate > 0.3 else ["against", "for"])
    assert (found.verdict == "holds") == (verdict == "holds")


def test_a_lens_that_stays_is_two_orders_above(tmp_path: Path) -> None:
    record(tmp_path, "gan-learned", lambda s, e: {"lens_residual": 10.0 ** -(e + 0.1 * s)}, {})
    record(tmp_path, "gan-constant", lambda s, e: {"lens_residual": 0.01}, {})
    found = finding(tmp_path, "TA-C2", "lens stays", "gan-constant")
    assert found.comparisons[0].values == pytest.approx([10.0] * len(SEEDS))
    assert found.verdict == "holds"


def test_a_residual_of_zero_is_taken_for_the_least_that_there_is(tmp_path: Path) -> None:
    record(tmp_path, "gan-learned", lambda s, e: {"lens_residual": 0.01 * (e < 3)}, {})
    found = finding(tmp_path, "TA-C1", "lens clears", "gan-learned")
    assert found.comparisons[0].values == pytest.approx([-10.0] * len(SEEDS))


def test_early_and_late_are_read_at_half_k_and_at_the_end(tmp_path: Path) -> None:
    """½ K is 2.4 epochs: the second is read."""
    record(tmp_path, "gan-none", lambda s, e: {"good": 0.5}, {})
    record(tmp_path, "gan-learned", lambda s, e: {"good": {2: 0.3, 16: 0.6}.get(e, 0.0) + 0.01 * s}, {})
    found = finding(tmp_path, "TA-C3", "early and late", "gan-learned")
    early, late = found.comparisons
    assert early.values == pytest.approx([-0.2 + 0.01 * s for s in SEEDS]) and early.sign == -1
    assert late.values == pytest.approx([0.1 + 0.01 * s for s in SEEDS]) and late.sign == 1
    assert found.verdict == "holds"


def test_sooner_is_the_mean_over_the_second_half(tmp_path: Path) -> None:
    record(tmp_path, "wgan-gp-none", lambda s, e: {"good": e / 100}, {})
    record(tmp_path, "wgan-gp-learned", lambda s, e: {"good": (e > 8) * (e / 100 + 0.1 + 0.01 * s)}, {})
    found = finding(tmp_path, "TA-C5", "sooner", "wgan-gp-learned")
    assert found.comparisons[0].values == pytest.approx([0.1 + 0.01 * s for s in SEEDS])
    assert found.verdict == "holds"


def test_less_spread_is_nearer_to_the_median(tmp_path: Path) -> None:
    """Medians are 0.5 and 0.55; shifting all seeds of a method changes nothing."""
    for shift in (0.0, 0.3):
        out = tmp_path / str(shift)
        record(out, "gan-none", lambda s, e: {}, {"good samples": [0.1, 0.4, 0.6, 0.9]})
        record(out, "gan-learned", lambda s, e: {}, {"good samples": [v + shift for v in (0.4, 0.6, 0.5, 0.65)]})
        found = finding(out, "TA-C4", "less spread", "gan-learned")
        assert found.comparisons[0].values == pytest.approx([0.15 - 0.4, 0.05 - 0.1, 0.05 - 0.1, 0.1 - 0.4])


def test_runs_that_diverged_are_no_evidence(tmp_path: Path) -> None:
    record(tmp_path, "gan-learned", lambda s, e: {"lens_residual": 10.0**-e}, {})
    run = next(r for r in experiments.get(NAME).runs("lesson", "ring", (2,)) if r.method == "gan-learned")
    made_up.write_diverged(tmp_path, run, 3)
    found = finding(tmp_path, "TA-C1", "lens clears", "gan-learned")
    assert len(found.comparisons[0].values) == 3


def test_before_a_constant_discriminator_only_the_identity_is_left(tmp_path: Path) -> None:
    slope, left = theory.before_a_constant(5)
    assert slope == 0 and 0 < left < 0.01
    claim = next(c for c in claims.load(paths.claims() / "tempered.toml") if c.name == "TA-C8")
    (found,) = claims.findings(claim, tmp_path)
    assert found.verdict == "holds"


def test_the_printed_numbers_are_those_of_the_dissertation() -> None:
    printed = {claim.name: claim.printed for claim in claims.load() if claim.name.startswith("TA-")}
    assert len(printed) == 8
    assert "53 without and 9 with a lens; LSGAN 90 and 14 to 22" in printed["TA-C4"]
    assert "FID 60 after 10 million steps, 42 without" in printed["TA-C2"] and printed["TA-C5"].count("39") == 2
