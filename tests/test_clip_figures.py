"""The figures of video super-resolution, of records with made-up curves."""

from __future__ import annotations

import json
from pathlib import Path

import made_up
import matplotlib.pyplot as plt
import numpy as np
import pytest

from blurvae import experiments
from blurvae.experiments.frvsr import theory
from blurvae.pages import figures
from blurvae.record import files

NAME, DATA = "frvsr/motion", "moving-flow"


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


@pytest.mark.parametrize("make", [figures.over_frames, figures.profiles])
def test_without_runs_the_figure_says_so(make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No run of frvsr/motion .* is recorded"):
        make(NAME, "lesson", DATA, tmp_path)
