"""The rules of the chapter on EnhanceNet, and its pictures, on runs whose numbers are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import numpy as np
import pytest
import torch

from blurvae import claims, experiments, paths
from blurvae.claims.verdict import Finding
from blurvae.experiments.enhancenet import choices
from blurvae.pages import figures, plotting
from blurvae.pages.grids import Grid
from blurvae.record import execute
from blurvae.systems import textures

NAME, SEEDS, EPOCHS = "enhancenet/table3", (0, 1, 2), 8


def record(out: Path, method: str, psnr: Callable[[int], float], errors: Sequence[float], plain: float = 25.0) -> None:
    for run in experiments.get(NAME).runs("lesson", "natural", SEEDS):
        if run.method == method:
            history = [{"epoch": e, "phase": "train", "euclidean": x} for e, x in enumerate(errors, 1)]
            metrics: Mapping[str, Any] = {
                "PSNR (Y)": {"mean": psnr(run.budget.seed), "sd": 1.0, "n": 100},
                "PSNR (Y, bicubic)": {"mean": plain, "sd": 1.0, "n": 100},
            }
            made_up.write(out, run, metrics, history)


def finding(folder: Path, claim: str, method: str) -> Finding:
    whole = next(c for c in claims.load(paths.claims() / "enhancenet.toml") if c.name == claim)
    here = tuple(e for e in whole.evidence if e.method == method)
    (found,) = claims.findings(replace(whole, evidence=here), folder)
    return found


@pytest.mark.parametrize(("gap", "verdict"), [(-0.5, "holds"), (-1.03, "undecided"), (-3.0, "does not hold")])
def test_about_as_bicubic_is_as_near_as_the_printed_table(gap: float, verdict: str, tmp_path: Path) -> None:
    record(tmp_path, "pat", lambda seed: 25.0 + gap + 0.01 * (seed - 1), [1.0] * EPOCHS)
    found = finding(tmp_path, "EN-C9", "pat")
    (compared,) = found.comparisons
    assert compared.near == pytest.approx(1.03), "BSD100: 24.93 and 25.96"
    assert compared.values == pytest.approx([gap - 0.01, gap, gap + 0.01])
    assert found.verdict == verdict


def test_a_steady_fall_does_not_oscillate_however_steep(tmp_path: Path) -> None:
    steep, level = [10.0**-e for e in range(EPOCHS)], [1.0] * EPOCHS
    jumping = [9.0, *(10.0 ** (0.1 * (-1) ** e) for e in range(EPOCHS - 1))]  # second differences of 0.4
    for method, errors in (("ea", jumping), ("eat", steep), ("pa", level)):
        record(tmp_path, method, lambda seed: 25.0, errors)
    found = finding(tmp_path, "EN-C5", "ea")
    assert [c.against for c in found.comparisons] == ["ENet-PA", "ENet-EAT"]
    for compared in found.comparisons:
        assert compared.values == pytest.approx([0.4] * 3)
    assert found.verdict == "holds"
    assert finding(tmp_path, "EN-C5", "eat").verdict == "not tested", "there is no PAT"


def test_the_best_of_six_is_asked_of_all_five_rivals(tmp_path: Path) -> None:
    for i, method in enumerate(("p", "ea", "pa", "eat", "pat", "e")):
        record(tmp_path, method, lambda seed, i=i: 20.0 + i + 0.1 * seed, [1.0] * EPOCHS)  # type: ignore[misc]
    assert finding(tmp_path, "EN-C2", "e").verdict == "holds"
    assert finding(tmp_path, "EN-C2", "eat").verdict == "holds" == finding(tmp_path, "EN-C2", "pat").verdict


def test_pictures_stand_beside_bicubic_and_the_truth(tmp_path: Path) -> None:
    runs = [run for run in experiments.get(NAME).runs("smoke", "natural", (0,)) if run.method in ("e", "ea")]
    for run in runs:
        execute(run, out=tmp_path, device="cpu")
    where = (NAME, "smoke", "natural", tmp_path)
    shown = figures.enlargements(*where)
    assert shown.labels == ("original", "bicubic", "ENet-E", "ENet-EA")
    parts = figures.residuals(*where, columns=2)
    assert parts.labels == ("original", "missing", "ENet-E", "ENet-EA")
    original, plain, estimate = (cell.pixels.astype(int) for cell in shown.cells[:3])
    width = parts.cells[0].pixels.shape[1]
    assert np.array_equal(parts.cells[0].pixels, original[:, :width])
    halves = (cell.pixels.astype(float) for cell in parts.cells[1:3])
    inside = original[:, :width].min(-1) < 250  # not the white between two pictures
    for half, whole in zip(halves, (original, estimate)):  # what is missing, and what is added
        assert np.abs(half - (whole - plain)[:, :width] / 2 - 127.5)[inside].max() <= 0.5
    with pytest.raises(ValueError, match="--tier lesson"):
        figures.enlargements(NAME, "lesson", "natural", tmp_path)
    assert not isinstance(figures.or_not_run(figures.enlargements, NAME, "lesson", "natural", tmp_path), Grid)


def test_a_grid_is_shown_as_a_figure_is(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **_: displayed.extend(args))
    grid = plotting.image_grid([np.zeros((1, 1, 2, 2), np.uint8)])
    plotting.show(grid)
    assert displayed == [grid]


@pytest.mark.parametrize(("with_it", "verdict"), [(1.0, "holds"), (5.0, "does not hold")])
def test_what_the_sum_does_is_read_beside_the_runs_of_table_2_3(with_it: float, verdict: str, tmp_path: Path) -> None:
    colours = {"e": with_it, "pat": with_it, "e-no-sum": 3.0, "pat-no-sum": 3.0}
    for run in experiments.get("enhancenet/choices").runs("lesson", "natural", SEEDS):
        if run.method in colours:
            entry = {"mean": colours[run.method] + 0.01 * run.seed, "sd": 1.0, "n": 100}
            made_up.write(tmp_path, run, {"colour error": entry})
    assert {file.parent.name for file in tmp_path.rglob("*.json")} == {"table3", "choices"}
    for method in ("e", "pat"):
        found = finding(tmp_path, "EN-C7", method)
        assert found.verdict == verdict and len(found.comparisons) == 1
    assert finding(tmp_path, "EN-C6", "pat").verdict == "not tested"


def test_equal_textures_weigh_as_much_in_patches_of_any_size() -> None:
    """Of pictures that repeat a tile, which each size of patch holds equally often; the whole is 64 px."""
    methods = {m.name: m.system for m in choices.METHODS if m.name.startswith("pt-")}
    assert {*methods} == {"pt-4", "pt-16", "pt-whole"}
    f, g = (torch.rand(1, 8, 4, 4, generator=torch.Generator().manual_seed(s)).tile(16, 16) for s in (1, 2))
    weighed = [
        system.texture * textures.gram_error(f, g, system.cells(f, torch.zeros(1, 3, 64, 64))).item()
        for system in methods.values()
    ]
    assert weighed == pytest.approx([weighed[0]] * 3, rel=1e-4)
