"""The figures of video super-resolution, of records with made-up curves."""

from __future__ import annotations

import json
from pathlib import Path

import made_up
import matplotlib.pyplot as plt
import numpy as np
import pytest

from blurvae import experiments
from blurvae.experiments.frvsr import blur, motion, theory
from blurvae.pages import figures
from blurvae.record import files

NAME, DATA = "frvsr/motion", "moving-flow"


def longer(seed: int) -> dict[str, np.ndarray]:
    """Sixty frames: a true first one adds a half that halves every frame, a start at frame 11 costs a tenth."""
    own = np.full(60, 25.0 + seed)
    true = np.concatenate([[np.inf], own[1:] + 0.5 ** np.arange(1, 60)])
    later = np.where(np.arange(60) < 10, np.nan, own - 0.1)
    return {"psnr_by_frame_longer": own, "psnr_by_frame_longer_injected": true, "psnr_by_frame_longer_later": later}


def record(out: Path, methods: tuple[str, ...], seeds: tuple[int, ...] = (0, 1)) -> None:
    """On short clips a gain of one decibel and a tenth a frame, on long ones of the seed; a true frame adds a half."""
    plain = theory.bicubic_by_frame(DATA)
    rows = np.zeros((4, 3, 10, 64), np.uint8)
    for run in experiments.get(NAME).runs("lesson", DATA, seeds):
        if run.method not in methods:
            continue
        arrays = {"psnr_by_frame": 26 + np.arange(10) / 10, "psnr_by_frame_bicubic": np.full(10, 25.0)}
        if run.method.startswith("frvsr"):
            arrays["psnr_by_frame_long"] = plain + run.seed
            arrays["psnr_by_frame_long_injected"] = np.concatenate([[np.inf], plain[1:] + run.seed + 0.5])
            arrays |= longer(run.seed)
        arrays |= {f"profile_{of}": rows + run.seed for of in ("original", "bicubic", "reconstruction")}
        arrays["original"] = np.zeros((4, 3, 8, 8), np.uint8)
        file = made_up.write(out, run, {"PSNR (video)": {"value": 26.0}})
        files.write(files.Result(run, json.loads(file.read_text()), arrays), out, images=run.seed == 0)


def test_gains_are_medians_over_seeds_beside_the_bicubic_curve(tmp_path: Path) -> None:
    record(tmp_path, ("sisr", "frvsr-given"))
    fig = figures.over_frames(NAME, "lesson", DATA, tmp_path)
    left, right = ({line.get_label(): line.get_ydata() for line in ax.lines} for ax in fig.axes)
    assert set(left) == {"SISR", "FRVSR, motion given"}
    assert np.allclose(left["SISR"], 1 + np.arange(10) / 10)
    assert np.allclose(right["FRVSR, motion given"], 0.5, atol=1e-6)
    true = right["FRVSR, motion given, true first frame"]
    assert np.isnan(true[0]) and np.allclose(true[1:], 1.0, atol=1e-6)
    plt.close(fig)


def test_rows_over_time_stand_below_the_truth(tmp_path: Path) -> None:
    record(tmp_path, ("sisr", "vsr"))
    grid = figures.profiles(NAME, "lesson", DATA, tmp_path)
    assert grid.labels == ("truth", "bicubic", "SISR", "VSR")
    assert grid.cells[0].pixels.shape[0] == 10


def test_starts_are_differences_of_the_same_frames(tmp_path: Path) -> None:
    record(tmp_path, ("sisr", "frvsr-given"))
    fig = figures.over_starts(NAME, "lesson", DATA, tmp_path)
    left, right = ({line.get_label(): line.get_ydata() for line in ax.lines} for ax in fig.axes)
    assert [*left] == [*right] == ["FRVSR, motion given"]
    assert np.allclose(left["FRVSR, motion given"][1:], 0.5 ** np.arange(1, 60), atol=1e-5)
    gap = right["FRVSR, motion given"]
    assert np.isnan(gap[:10]).all() and np.allclose(gap[10:], 0.1, atol=1e-5)
    plt.close(fig)


def test_a_record_without_the_longest_clips_is_as_good_as_none(tmp_path: Path) -> None:
    record(tmp_path, ("sisr",))
    with pytest.raises(ValueError, match=r"No run of frvsr/motion"):
        figures.over_starts(NAME, "lesson", DATA, tmp_path)
    shown = figures.or_not_run(figures.over_starts, NAME, "lesson", DATA, tmp_path)
    assert "not run" in shown.axes[0].texts[0].get_text()
    plt.close(shown)


def test_psnr_over_the_blur_is_one_line_a_method_and_one_of_bicubic(tmp_path: Path) -> None:
    """Made-up numbers: one frame is best at 2 px, recurrence at 1, and of three frames only 1.5 px is recorded."""
    best = {"sisr": 2.0, "frvsr-given": 1.0}
    names = {row: (method, s) for method in motion.SHARED for s, row in blur.over_sigma(method).items()}
    for run in experiments.get("frvsr/blur").runs("lesson", DATA, (0, 1)):
        method, sigma = names[run.method]
        if method in best or run.method == "vsr-given":
            value = 26 - (sigma - best.get(method, sigma)) ** 2 + run.seed / 100
            rows = {"PSNR (video)": value, "PSNR (video, bicubic)": 25 - sigma}
            made_up.write(tmp_path, run, {name: {"mean": x, "sd": 1.0, "n": 4} for name, x in rows.items()})
    fig = figures.over_blur("frvsr/blur", "lesson", DATA, tmp_path)
    lines = {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in fig.axes[0].lines}
    assert {*lines} == {"SISR", "VSR", "FRVSR", "bicubic"}
    for label, method in (("SISR", "sisr"), ("FRVSR", "frvsr-given")):
        at, db = lines[label]
        assert [*at] == [*blur.SIGMAS] and at[np.argmax(db)] == best[method]
    assert [*lines["VSR"][0]] == [1.5] and np.allclose(lines["bicubic"][1], 25 - np.array(blur.SIGMAS))
    plt.close(fig)


@pytest.mark.parametrize("make", [figures.over_frames, figures.over_starts, figures.profiles])
def test_without_runs_the_figure_says_so(make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No run of frvsr/motion .* is recorded"):
        make(NAME, "lesson", DATA, tmp_path)
