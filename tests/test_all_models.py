"""Precision and recall of all recorded models, from made-up records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_up
import matplotlib
import pytest

from blurvae import experiments
from blurvae.pages import figures
from blurvae.pages.figures.plane import LOOKS, kind

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NAMES = ("bredell/rate", "dalal/rate", "rae/table2", "rae/table3", "sharpness/vae_gan")


def metrics(of: dict[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    """Entries of precision and recall of sets by their names."""
    pairs = {(side, name): pair[i] for name, pair in of.items() for i, side in enumerate(("precision", "recall"))}
    return {f"{side}-squeeze ({name})": {"value": value, "n": 500} for (side, name), value in pairs.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run of five experiments on natural patches: precision by its kind, recall by its seed."""
    out = tmp_path_factory.mktemp("results")
    level = {"VAE": 0.3, "autoencoder": 0.5, "VAE-GAN": 0.7}
    for name in NAMES:
        for run in experiments.get(name).runs("lesson", "natural", (0, 1, 2)):
            own = level[kind(run.system)]
            sets = {"samples": (own, 0.1 * run.seed), "GMM samples": (own + 0.1, 0.2), "data": (0.9, 0.95)}
            if kind(run.system) == "autoencoder":
                del sets["samples"]
            made_up.write(out, run, metrics(sets))
    return out


def test_every_run_counts_once_and_a_model_is_the_mean_of_its_seeds(folder: Path) -> None:
    found = figures.models("natural", folder=folder)
    wanted: set[Any] = set()
    for name in NAMES:
        wanted |= {(r.experiment, r.method) for r in experiments.get(name).runs("lesson", "natural", (0,))}
    mixtures = found[found.density == "a mixture"]
    assert {*zip(mixtures.experiment, mixtures.method)} == wanted and len(mixtures) == len(wanted)
    prior = found[found.density == "the prior"]
    assert {*prior.kind} == {"VAE", "VAE-GAN"} and prior.recall.tolist() == pytest.approx([0.1] * len(prior))
    assert {*found[found.kind == "autoencoder"].method} == {"rae", "rae-l2", "rae-gp", "rae-sn", "ae"}
    assert {*found[found.kind == "VAE-GAN"].experiment} == {"sharpness/vae_gan"}


def test_every_model_is_a_mark_of_its_kind(folder: Path, tmp_path: Path) -> None:
    fig = figures.all_models(("natural", "mnist"), folder=folder)
    found = figures.models("natural", folder=folder)
    lines = {line.get_label(): line for line in fig.axes[0].lines}
    for what, density in LOOKS:
        own = found[(found.kind == what) & (found.density == density)]
        assert len(lines[f"{what}, {density}"].get_xdata()) == len(own) > 0
    assert len(fig.axes[1].lines) == 2, "nothing is recorded there: the diagonal, and no real images"
    assert figures.models("natural", folder=tmp_path).empty
    plt.close("all")
