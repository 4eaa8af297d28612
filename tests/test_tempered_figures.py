"""The figures of GANs with a lens, of records with made-up numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import made_up
import matplotlib.pyplot as plt
import numpy as np
import pytest
from docutils import nodes

from blurvae import experiments, paths
from blurvae.pages import figures, plotting
from blurvae.pages.runs import by_method
from blurvae.record import Result

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


def test_a_picture_of_points_counts_them_where_they_are() -> None:
    points = np.array([[-0.9, 0.9], [0.9, -0.9], [0.9, -0.9], [3.0, 0.0]])  # above left, below right, beyond
    picture = figures.point_picture(points, np.array([[0.1, 0.1], [0.9, -0.9]]), 1.0, 4, "#0072b2")
    assert picture.shape == (3, 4, 4) and picture.dtype == np.uint8
    assert picture[:, 1, 2].tolist() == [figures.tempered.MODE] * 3
    assert picture[:, 0, 3].tolist() == [figures.tempered.GROUND] * 3
    one, two = picture[:, 0, 0].astype(int), picture[:, 3, 3].astype(int)
    assert (two < one).all() and (one < 240).all() and one[0] < one[1] < one[2], "the ink is blue, more of it for two"
    assert (picture == figures.tempered.GROUND).all(0).sum() == 16 - 3
    many = figures.point_picture(np.zeros((50, 2)), np.zeros((0, 2)), 1.0, 3, "#0072b2")
    assert many[:, 1, 1].tolist() == [0x00, 0x72, 0xB2]


def recorded(method: str) -> Result:
    (found,) = by_method(NAME, "lesson", "ring", None, 0, (method,)).values()
    return found


def test_a_film_has_the_kept_moments_of_recorded_runs() -> None:
    made = figures.film(NAME, "lesson", "ring")
    epochs = recorded("gan-noise").pictures["snapshot_epoch"]
    assert made.moments == tuple(f"epoch {epoch}" for epoch in epochs)
    lenses = ("learned", "learned, λ = 1", "noise")
    assert made.labels == ("no lens: samples", *(f"{lens}: {what}" for lens in lenses for what in ("data", "samples")))
    cloud, ring = (made.cells[5].pixels[:, 42 * i : 42 * i + 40] for i in (0, -1 + len(epochs)))
    inked = [(part != figures.tempered.GROUND).any(2).sum() for part in (cloud, ring)]
    assert inked[0] > 2 * inked[1], "the noise is gone at the end"
    with pytest.raises(ValueError, match="is recorded"):
        figures.film(NAME, "lesson", "ring", seed=19)


def test_the_moments_of_a_grid_reach_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(paths.root() / "book" / "_ext")
    pictures = pytest.importorskip("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 8, 5), dtype=np.uint8)
    grid = plotting.image_grid({"a": pixels[0], "b": pixels[1]}, zoom=2, moments=("t = 0", "t < 5", "t = 5"))
    png, shown = grid._repr_png_()
    renderer = SimpleNamespace(write_file=lambda path, content, **_: path[0])
    film = pictures._grid(renderer, png, shown["grid"], "alt")
    assert film["classes"] == ["image-grid", "rows", "film"]
    (said,) = film.findall(nodes.raw)
    assert said.astext() == '<span class="film-moments" data-step="7" hidden>t = 0|t &lt; 5|t = 5</span>'
    assert [picture["width"] for picture in film.findall(nodes.image)] == ["38px"] * 2
    still = pictures._grid(renderer, png, {k: v for k, v in shown["grid"].items() if k != "moments"}, "alt")
    assert "film" not in still["classes"] and not [*still.findall(nodes.raw)]
