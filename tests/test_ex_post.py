"""Tables of the regularised autoencoders in few columns, from made-up records and the published numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import made_up
import pytest

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages import ex_post
from blurvae.pages.figures.ex_post import FLOOR, SOURCES

SIDES = ("precision", "recall")
SEEDS = (0, 1, 2)


def record(out: Path, experiment: str, data: str, value: Callable[[str, str, int], float]) -> None:
    """Every run of an experiment on a data set with numbers of a metric, a method and a seed."""
    metrics = [*SOURCES, *ex_post.DISTANCES.values(), FLOOR]
    metrics += [f"{side}-squeeze ({of})" for side in SIDES for of in ("N", "GMM samples")]
    for run in experiments.get(experiment).runs("lesson", data, SEEDS):
        made_up.write(out, run, {m: {"mean": value(m, run.method, run.seed)} for m in dict.fromkeys(metrics)})


@pytest.mark.parametrize(("data", "printed"), [("cifar10", True), ("mnist", True), ("faces64", False)])
def test_printed_and_measured_distances_stand_side_by_side(data: str, printed: bool, tmp_path: Path) -> None:
    module = experiments.get("rae/table2")
    rows = [m.name for m in (*module.METHODS, *module.VARIANTS)]
    record(tmp_path, "rae/table2", data, lambda m, name, s: 2000.0 if m == FLOOR else 1000.0 * (1 + rows.index(name)))
    table, floor = ex_post.distances("lesson", data, tmp_path)
    assert floor == "2.0±0.0" and (("Rec", "paper") in table) == printed
    for i, m in enumerate(module.METHODS):
        for short in ex_post.DISTANCES:
            assert table[short, "ours"][m.label] == f"{i + 1}.0±0.0"
            if printed:
                paper = recorded.paper_table("rae/table2").set_index(["data", "method"])
                assert float(table[short, "paper"][m.label]) == paper.loc[(data, m.paper), f"FID {short}"]


def test_pairs_are_precision_over_recall_as_printed(tmp_path: Path) -> None:
    record(
        tmp_path, "rae/table2", "cifar10", lambda m, name, s: (0.5 if m.startswith("precision") else 0.25) + 0.01 * s
    )
    table = ex_post.pairs("lesson", "cifar10", tmp_path)
    assert (table["N", "ours"] == "0.51 / 0.26").all() and (table["GMM", "ours"] == "0.51 / 0.26").all()
    record(tmp_path, "rae/table2", "faces64", lambda m, name, s: 0.25)
    stacked = ex_post.stacked({d: ex_post.pairs("lesson", d, tmp_path) for d in ("faces64", "cifar10")})
    assert [*stacked] == [(of, who) for of in ("N", "GMM") for who in ("paper", "ours")]
    assert (stacked.loc["faces64"]["N", "paper"] == "–").all()
    assert (stacked.loc["faces64"]["N", "ours"] == "0.25 / 0.25").all(), "two numbers, be they equal"
    paper = recorded.paper_table("rae/table3").set_index(["data", "method"]).loc[("cifar10", "WAE")]
    assert table["GMM", "paper"]["WAE"] == f"{paper['precision GMM']:.2f} / {paper['recall GMM']:.2f}"


def test_a_terms_distances_are_over_those_of_the_squared_error_of_its_own_model(tmp_path: Path) -> None:
    factor = {"l2": 1.0, "wiener": 0.5, "wiener-proper": 2.0, "ffl": 1.25}

    def value(metric: str, name: str, seed: int) -> float:
        model, _, term = name.partition("-")
        return 100.0 * (1 + seed) * (3 if model == "vae" else 1) * factor[term]

    record(tmp_path, "rae/terms", "natural", value)
    for file in (tmp_path / "rae/terms").glob("natural-rae-*.json"):
        kept = json.loads(file.read_text())
        del kept["metrics"]["FD-squeeze (samples)"]  # a deterministic encoder has no prior
        file.write_text(json.dumps(kept))
    table = ex_post.terms("lesson", "natural", tmp_path)
    assert [*table] == [*SOURCES.values()] and len(table) == 6
    for label, cells in table.iterrows():
        term = {"Wiener": "wiener", "Wiener-proper": "wiener-proper", "FFL": "ffl"}[str(label).partition(", ")[2]]
        own = cells[[not (str(label).startswith("RAE") and source == "the prior") for source in cells.index]]
        assert {float(cell.partition(" ")[0]) for cell in own} == {factor[term]}
        assert {*cells.drop(own.index)} <= {"–"}


def test_what_is_not_recorded_says_so(tmp_path: Path) -> None:
    table, floor = ex_post.distances("lesson", "faces64", tmp_path)
    assert floor == "not run" and (table == "not run").all(axis=None)
    assert (ex_post.pairs("lesson", "faces64", tmp_path) == "not run").all(axis=None)
    assert (ex_post.terms("lesson", "faces64", tmp_path) == "not run").all(axis=None)
