"""The figures of GANs with a lens, of records with made-up numbers."""

from __future__ import annotations

from pathlib import Path

import made_up
import matplotlib.pyplot as plt
import numpy as np
import pytest

from blurvae import experiments
from blurvae.pages import figures

NAME = "tempered/points"


def record(folder: Path, methods: tuple[str, ...], seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Three epochs of which the last has λ = 0; the change of a lens is 10^−epoch, doubled by each seed."""
    for run in experiments.get(NAME).runs("lesson", "ring", seeds):
        if run.method not in methods:
            continue
        history = [
            {"epoch": e, "phase": "train", "lambda": 0.5 * (e < 3), "lens_residual": 2.0**run.budget.seed * 10.0**-e}
            for e in (1, 2, 3)
        ]
        bare = [{k: epoch[k] for k in ("epoch", "phase")} for epoch in history]
        failed = {"failed": {"value": float(run.seed == 0)}}
        made_up.write(folder, run, failed, history if "none" not in run.method else bare)


def test_changes_are_medians_of_each_game_and_lens(tmp_path: Path) -> None:
    record(tmp_path, ("gan-none", "gan-learned", "gan-noise", "lsgan-learned"))
    fig = figures.lens_changes(NAME, "lesson", "ring", tmp_path)
    assert [ax.get_title() for ax in fig.axes] == ["GAN", "LSGAN"]
    curves = {line.get_label(): line for line in fig.axes[0].lines if not line.get_label().startswith("_")}
    assert set(curves) == {"learned", "noise"}
    assert np.allclose(curves["learned"].get_ydata(), [0.2, 0.02, 0.002])
    ends = [line.get_xdata()[0] for line in fig.axes[0].lines if line.get_label().startswith("_")]
    assert set(ends) == {2}  # the last epoch with a lens
    plt.close(fig)


def test_failures_stand_on_every_recorded_set_of_points(tmp_path: Path) -> None:
    record(tmp_path, ("gan-none", "gan-noise"))
    fig = figures.failures_of_points(NAME, "lesson", "grid", tmp_path)
    assert [ax.get_title().partition(",")[0] for ax in fig.axes] == ["ring"]
    plt.close(fig)


def test_without_a_lens_nothing_changes_and_the_figure_says_so(tmp_path: Path) -> None:
    record(tmp_path, ("gan-none",))
    with pytest.raises(ValueError, match=r"No run of tempered/points .* is recorded"):
        figures.lens_changes(NAME, "lesson", "ring", tmp_path)
