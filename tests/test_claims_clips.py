"""The rules of the chapter on video super-resolution: on curves that are made up, and on what they compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made_up
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blurvae import claims, datasets, experiments, paths
from blurvae.claims.model import Claim, Evidence
from blurvae.claims.verdict import Finding, verdict
from blurvae.evaluation import FRVSREvaluation
from blurvae.experiments.frvsr import blur, theory
from blurvae.record import files
from blurvae.systems import FRVSR
from blurvae.train import Budget

NAME, DATA, SEEDS = "frvsr/motion", "moving-flow", (0, 1, 2, 3, 4)
Curve = Callable[[int], np.ndarray]


def record(out: Path, method: str, **curves: Curve) -> None:
    """Runs of one method whose curves over frames are made of the seed."""
    for run in experiments.get(NAME).runs("lesson", DATA, SEEDS):
        if run.method == method:
            file = made_up.write(out, run, {"PSNR (video)": {"value": 20.0}})
            arrays = {f"psnr_by_frame_{name}": curve(run.seed).astype(np.float32) for name, curve in curves.items()}
            arrays["original"] = np.zeros((1, 3, 4, 4), np.uint8)
            files.write(files.Result(run, json.loads(file.read_text()), arrays), out, images=run.seed == 0)


def claim(name: str) -> Claim:
    return next(c for c in claims.load(paths.claims() / "frvsr.toml") if c.name == name)


def finding(folder: Path, name: str, method: str, rule: str = "") -> Finding:
    whole = claim(name)
    pieces = tuple(e for e in whole.evidence if e.method == method and rule in e.rule)
    (found,) = claims.findings(replace(whole, evidence=pieces), folder)
    return found


# What is read from runs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settles", "calls"), [(12, ["for", "for", "for"]), (1, ["for", "open", "for"]), (40, ["for", "for", "against"])]
)
def test_psnr_rises_over_frames_for_as_long_as_is_claimed(settles: int, calls: list[str], tmp_path: Path) -> None:
    """A rise of a tenth of a decibel a frame until it settles, beside the bicubic curve; seeds differ by rounding."""
    plain = theory.bicubic_by_frame(DATA)
    frames = np.arange(len(plain))
    noise = [np.random.default_rng(seed).normal(0, 0.002, len(plain)) for seed in SEEDS]
    record(tmp_path, "frvsr", long=lambda s: plain + 0.1 * np.minimum(frames, settles) + noise[s])
    found = finding(tmp_path, "FR-C2", "frvsr", "over frames")
    assert [judged.call for judged in found.judged] == calls
    assert np.mean(found.comparisons[0].values) == pytest.approx(0.1 * min(4, settles), abs=0.02)


def test_a_curve_that_never_rose_settles_at_nothing(tmp_path: Path) -> None:
    plain = theory.bicubic_by_frame(DATA)
    record(tmp_path, "frvsr", long=lambda s: plain + 1 - 1e-3 * s * np.arange(len(plain)))
    found = finding(tmp_path, "FR-C2", "frvsr", "over frames")
    assert [judged.call for judged in found.judged][-1] == "never rose" and found.verdict != "holds"


@pytest.mark.parametrize(("left", "says"), [(0.0, "does not hold"), (0.5, "undecided")])
def test_a_true_frame_that_is_forgotten_speaks_against_the_claim_and_none_for_it(
    left: float, says: str, tmp_path: Path
) -> None:
    own = np.full(40, 25.0)

    def injected(seed: int) -> np.ndarray:
        return np.concatenate([[np.inf], own[1:] + left + 1e-4 * seed * np.exp(-np.arange(1, 40))])

    record(tmp_path, "frvsr", long=lambda s: own, long_injected=injected)
    found = finding(tmp_path, "FR-C4", "frvsr")
    assert len(found.comparisons) == 3 and found.comparisons[-1].values == pytest.approx([left] * 5, abs=1e-3)
    assert found.verdict == says


@pytest.mark.parametrize(
    ("after", "calls", "verdict_"),
    [
        (0.2, ["so far", "so far", "so far", "for"], "holds"),
        (0.001, ["so far", "against", "against", "against"], "does not hold"),
    ],
)
def test_sixty_frames_can_speak_for_a_true_frame_too(
    after: float, calls: list[str], verdict_: str, tmp_path: Path
) -> None:
    def injected(seed: int) -> np.ndarray:
        return np.concatenate([[np.inf], 25 + after + 1e-4 * seed + 0.3 * 0.8 ** np.arange(1, 60)])

    record(tmp_path, "frvsr", longer=lambda s: np.full(60, 25.0), longer_injected=injected)
    found = finding(tmp_path, "FR-C4", "frvsr")
    assert [judged.call for judged in found.judged] == calls
    assert found.comparisons[-1].what.startswith("PSNR 59 frames") and found.verdict == verdict_


@pytest.mark.parametrize(
    ("left", "fades", "calls"),
    [(0.5, 30.0, ["for"] * 3), (0.5, 3.0, ["for", "for", "against"]), (0.0, 30.0, ["against", "open", "against"])],
)
def test_a_later_start_costs_and_its_cost_fades_slowly(
    left: float, fades: float, calls: list[str], tmp_path: Path
) -> None:
    """A gap of half a decibel that is e times smaller after so many frames; seeds differ by rounding."""
    noise = [np.random.default_rng(seed).normal(0, 1e-3, 60) for seed in SEEDS]

    def later(seed: int) -> np.ndarray:
        gap = left * np.exp(-(np.arange(60) - 10) / fades)
        return np.where(np.arange(60) < 10, np.nan, 25 - gap + noise[seed])

    record(tmp_path, "frvsr", longer=lambda s: np.full(60, 25.0), longer_later=later)
    found = finding(tmp_path, "FR-C2", "frvsr", "later start")
    assert [judged.call for judged in found.judged] == calls


@pytest.mark.parametrize(
    ("best", "call", "verdict_"),
    [
        (1.2, "for", "holds"),
        (1.8, "open", "undecided"),
        (2.4, "against", "does not hold"),
        (3.5, "a best σ is the least or the largest tried", "undecided"),
    ],
)
def test_the_best_blur_of_networks_is_read_from_their_runs(
    best: float, call: str, verdict_: str, tmp_path: Path
) -> None:
    """Parabolas over σ, whose tops lie between the σ of the runs; one frame is best near 1.8 px."""
    rows = {m: blur.over_sigma(m) for m in ("sisr", "frvsr-given")}
    tops = {"sisr": [1.83, 1.8, 1.77], "frvsr-given": [best - 0.04, best, best + 0.04]}
    for m, row in rows.items():
        for sigma, name in row.items():
            write(tmp_path, {name: [26 - (sigma - top) ** 2 for top in tops[m]]})
    found = finding(tmp_path, "FR-C5", "frvsr-given")
    assert [judged.call for judged in found.judged] == [call] and found.verdict == verdict_
    if best < 3:
        gaps = [own - one for own, one in zip(tops["frvsr-given"], tops["sisr"])]
        assert found.comparisons[0].values == pytest.approx(gaps)
    part = tmp_path / "part"
    write(part, {name: [26.0] * 3 for row in rows.values() for s, name in row.items() if s < 3})
    assert finding(part, "FR-C5", "frvsr-given").verdict == "not tested", "a σ is missing"


def write(out: Path, numbers: dict[str, list[float]]) -> None:
    """Runs of `frvsr/blur` with these video PSNRs, one a seed."""
    for run in experiments.get("frvsr/blur").runs("lesson", DATA, range(3)):
        if run.method in numbers:
            made_up.write(out, run, {"PSNR (video)": {"mean": numbers[run.method][run.seed], "sd": 1.0, "n": 48}})


def psnr(out: Path, experiment: str, data: str, numbers: dict[str, float], metric: str = "PSNR (video)") -> None:
    """Runs of three seeds of each of these methods, whose numbers differ by rounding from seed to seed."""
    for run in experiments.get(experiment).runs("lesson", data, (0, 1, 2)):
        if run.method in numbers:
            made_up.write(out, run, {metric: {"mean": numbers[run.method] + 0.001 * run.seed, "sd": 1.0, "n": 48}})


@pytest.mark.parametrize(
    ("two", "five", "ten", "calls"),
    [(31.6, 32.01, 32.1, ["for"] * 3), (31.6, 31.7, 32.1, ["for", "for", "against"]), (32.0, 31.0, 32.1, None)],
)
def test_longer_clips_gain_and_gain_less(
    two: float, five: float, ten: float, calls: list[str] | None, tmp_path: Path
) -> None:
    numbers = {"frvsr-given": ten, "frvsr-5-frames": five, "frvsr-2-frames": two}
    psnr(tmp_path, "frvsr/robust", DATA, numbers)
    assert {file.parent.name for file in tmp_path.rglob("*.json")} == {"motion", "robust"}
    found = finding(tmp_path, "FR-C3", "frvsr-given")
    assert [np.mean(c.values) for c in found.comparisons] == pytest.approx(
        [ten - five, five - two, 2 * five - two - ten]
    )
    assert found.verdict == "holds" if calls == ["for"] * 3 else found.verdict != "holds"
    assert calls is None or [judged.call for judged in found.judged] == calls


def test_no_lengths_no_verdict(tmp_path: Path) -> None:
    psnr(tmp_path, "frvsr/robust", DATA, {"frvsr-given": 32.0})
    assert finding(tmp_path, "FR-C3", "frvsr-given").verdict == "not tested"


@pytest.mark.parametrize(("uncovered", "verdict"), [(24.05, "holds"), (25.0, "does not hold"), (23.0, "does not hold")])
def test_an_estimate_that_does_not_fit_is_made_no_use_of(uncovered: float, verdict: str, tmp_path: Path) -> None:
    psnr(tmp_path, "frvsr/occluded", "moving-occluded", {"frvsr-given": uncovered, "sisr": 24.0}, "PSNR (uncovered)")
    found, other = claims.findings(claim("FR-C8"), tmp_path)
    assert (found.verdict, other.verdict) == (verdict, "not tested")


def test_curves_of_bicubic_enlargement_are_those_of_the_runs() -> None:
    clips = datasets.load(DATA, "test", size=32, n=3)
    assert isinstance(clips, datasets.ClipSet)
    system = FRVSR("sisr", blocks=1, filters=4, global_skip=True, motion="carried")
    players = system.players(clips.shape)
    for weight in players.sr.parameters():
        torch.nn.init.zeros_(weight)
    curves = FRVSREvaluation(system, Budget(), clips, clips, torch.device("cpu")).measure(players).pictures
    assert np.allclose(theory.bicubic_by_frame(DATA, 10, 3, 32), curves["psnr_by_frame_bicubic"], atol=1e-3)


# What needs no run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["FR-C5", "FR-C7", "FR-C9"])
def test_what_is_exact_is_decided(name: str, tmp_path: Path) -> None:
    found = claims.findings(claim(name), tmp_path)
    assert found and verdict(found) != "not tested"
    assert verdict(found) == {"FR-C9": "depends on which frame is the first"}.get(name, "holds")


def test_a_recurrence_that_costs_more_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theory, "flows", lambda method: 2 * (method == "frvsr"))
    evidence = Evidence("cost of a frame", "29", data="a frame of full HD")
    assert verdict(claims.findings(replace(claim("FR-C7"), evidence=(evidence,)))) == "does not hold"


def test_the_printed_numbers_are_those_of_the_dissertation() -> None:
    printed = {c.name: c.printed for c in claims.load(paths.claims() / "frvsr.toml")}
    assert len(printed) == 10 and "FRVSR 26.69 dB, VSR 26.25, SISR 24.96" in printed["FR-C1"]


# The theory behind them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sisr", "vsr", "frvsr"])
@pytest.mark.parametrize(("blocks", "filters"), [(3, 64), (2, 24)])
def test_the_cost_by_formula_is_what_layers_take_and_torch_counts(method, blocks: int, filters: int) -> None:
    with FlopCounterMode(display=False) as counter:
        counted = theory.counted(method, blocks, filters, side=16)
    assert theory.products(method, blocks, filters) == counted == counter.get_total_flops() / 2 / 16**2


def test_the_recurrence_is_cheaper_than_two_flows_up_to_335_feature_maps() -> None:
    ahead = [theory.products("frvsr", 3, n) < theory.products("vsr", 3, n) for n in (1, 64, 335, 336, 512)]
    assert ahead == [True, True, True, False, False]
    assert theory.gigaproducts("frvsr")["10-128"] == pytest.approx(509, abs=0.5)
    assert theory.parameters("frvsr", 3, 64) == {"FNet": 1_745_506, "SRNet": 326_595}


def test_the_first_flow_has_no_slope_and_all_others_have_one() -> None:
    found = theory.slopes(3, 4)
    assert len(found) == 4 and found[0] == 0 and min(found[1:]) > 0


def test_blur_helps_one_frame_and_more_frames_want_less_of_it() -> None:
    best = [theory.best_blur(n) for n in (1, 3, 10)]
    assert best == sorted(best, reverse=True) and best[0] > best[-1] > 0
    assert (theory.errors_over_blur(10) < theory.errors_over_blur(1)).all()
