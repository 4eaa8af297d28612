"""The search for β: what it trains on, what it chooses, that it goes on where it stopped, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from blurvae import datasets, experiments, paths
from blurvae.errors import CorruptFile, Diverged
from blurvae.experiments import tune


@pytest.fixture
def trained(monkeypatch):
    """Stands in for training: the distance is lowest at the second β of each grid; says what was run."""
    runs = []
    best = {m.name: m.search[1] for m in experiments.get("table2").METHODS}

    def execute(run, **_):
        runs.append(run)
        method = run.method.partition(",")[0]
        metrics = {tune.CRITERION: {"value": abs(run.beta - best[method])}}
        return SimpleNamespace(record={"metrics": metrics, "data": {}, "provenance": {}})

    monkeypatch.setattr(tune, "execute", execute)
    monkeypatch.setattr(tune, "metrics", SimpleNamespace(statistics=lambda images: None))
    return runs


def test_candidates_spend_half_the_epochs_on_one_seed_and_hold_images_out():
    table = {run.method: run for run in experiments.get("table2").runs("lesson", "natural", (0,))}
    found = tune.candidates("table2", "natural", only=("l2", "ffl"))
    assert [run.method for run in found[:4]] == ["l2,beta=0.1", "l2,beta=0.3", "l2,beta=1", "l2,beta=3"]
    assert [run.beta for run in found[4:]] == [0.02, 0.06, 0.2, 0.6]
    for run in found:
        base = table[run.method.partition(",")[0]]
        assert 2 * run.budget.epochs == base.budget.epochs
        assert 0 < run.system.warm_up < run.budget.epochs
        assert run.n_valid == base.n_test
        assert run.system == replace(base.system, beta=run.beta, warm_up=run.system.warm_up)
        assert (run.system.lr, run.seed) == (1e-3, 0)
        assert run.n_train + run.n_valid <= len(datasets.load("natural", "train", size=64))


def test_the_lowest_distance_is_chosen_recorded_and_read_by_the_table(tmp_path, trained, monkeypatch):
    found = tune.tune("table2", "natural", only=("l2", "wiener"), out=tmp_path)
    assert found.chosen == {"l2": 0.3, "wiener": 0.3}
    record = json.loads(found.path.read_text())
    assert record["chosen"] == found.chosen and record["criterion"] == tune.CRITERION
    assert [trial["beta"] for trial in record["trials"]] == [0.1, 0.3, 1.0, 3.0] * 2
    assert all(trial.keys() >= {"run", "metrics", "data", "provenance"} for trial in record["trials"])
    assert [file.name for file in found.path.parent.iterdir()] == [found.path.name], "no folder is left behind"
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    chosen = {run.method: run.beta for run in experiments.get("table2").runs("lesson", "natural", (0,))}
    assert (chosen["l2"], chosen["l1"]) == (0.3, 1.0)


def test_what_is_recorded_is_not_run_again_and_other_methods_stay(tmp_path, trained):
    tune.tune("table2", "natural", only=("l2",), out=tmp_path)
    assert len(trained) == 4
    found = tune.tune("table2", "natural", only=("ffl", "l2"), out=tmp_path)
    assert len(trained) == 8
    assert found.chosen == {"l2": 0.3, "ffl": 0.06}
    found = tune.tune("table2", "natural", only=("wiener",), out=tmp_path)
    assert list(found.chosen) == ["l2", "ffl", "wiener"], "in the order of the table"


def test_an_interrupted_search_goes_on(tmp_path, monkeypatch):
    """With real trainings: what was finished before the interruption is not trained again."""
    monkeypatch.setattr(tune, "metrics", SimpleNamespace(statistics=lambda images: None))
    search = (0.5, 1.0)
    methods = tuple(replace(m, search=search) for m in experiments.get("table2").METHODS if m.name == "l2")
    monkeypatch.setattr(experiments.get("table2"), "METHODS", methods)
    monkeypatch.setattr(tune, "CRITERION", "KL")
    monkeypatch.setattr(tune, "choose", lambda trials: {"l2": 1.0})
    execute, begun = tune.execute, []

    def stop(run, **given):
        begun.append(run.beta)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return execute(run, **given)

    monkeypatch.setattr(tune, "execute", stop)
    with pytest.raises(KeyboardInterrupt):
        tune.tune("table2", "natural", tier="smoke", out=tmp_path, device="cpu")
    path = experiments.search_path("table2", "natural", "smoke", tmp_path)
    assert not path.exists()
    (first,) = path.parent.rglob("*beta=0.5*.json")
    written = first.stat().st_mtime_ns
    monkeypatch.setattr(tune, "execute", lambda run, **given: (run, execute(run, **given), check(run))[1])

    def check(run):
        if run.beta == 0.5:
            assert first.stat().st_mtime_ns == written

    found = tune.tune("table2", "natural", tier="smoke", out=tmp_path, device="cpu")
    assert [trial["beta"] for trial in found.trials] == [0.5, 1.0]
    assert found.trials[0]["metrics"]["PSNR"]["n"] == 32


def test_a_training_that_diverges_is_recorded_and_passed_over(tmp_path, trained, monkeypatch):
    execute = tune.execute

    def diverge(run, **given):
        if run.beta <= 0.3:
            raise Diverged("at step 3")
        return execute(run, **given)

    monkeypatch.setattr(tune, "execute", diverge)
    found = tune.tune("table2", "natural", only=("l2",), out=tmp_path)
    assert found.chosen == {"l2": 1.0}
    assert found.trials[0]["state"] == "at step 3"
    monkeypatch.setattr(tune, "execute", lambda run, **_: (_ for _ in ()).throw(Diverged("at once")))
    with pytest.raises(ValueError, match="Every training of 'l1' diverged"):
        tune.tune("table2", "natural", only=("l1",), out=tmp_path)


def test_an_altered_record_is_refused(tmp_path, trained):
    path = tune.tune("table2", "natural", only=("l2",), out=tmp_path).path
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"chosen": {"l2": 3.0}}))
    with pytest.raises(CorruptFile, match=r"table2-natural-lesson\.json is not a whole record of a search"):
        tune.tune("table2", "natural", only=("l2",), out=tmp_path)


@pytest.mark.parametrize(
    ("experiment", "data", "only", "message"),
    [
        ("table1", "natural", (), "it is that of bredell/table2 on natural: tune that"),
        ("table3", "natural", (), "it is that of bredell/table2 on natural"),
        ("table2_256", "faces256", (), "it is that of bredell/table2 on faces64"),
        ("rate", "natural", (), "each method has its own"),
        ("table2", "natural", ("l3",), "no method 'l3'"),
        ("table9", "natural", (), "no experiment 'table9'"),
    ],
)
def test_what_cannot_be_searched_is_named(experiment, data, only, message):
    with pytest.raises(ValueError, match=message):
        tune.candidates(experiment, data, only=only)
