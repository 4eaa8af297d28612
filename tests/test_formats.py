"""Runs as JSON and back, their fields by name, and records of format 1: every number is what it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from blurvae import experiments, paths
from blurvae.errors import CorruptFile
from blurvae.experiments import tune
from blurvae.files import save_arrays
from blurvae.record import Run, read
from blurvae.record.encode import decode, encode, find, put
from blurvae.record.formats import upgrade
from blurvae.systems import BlurVAE

DATA = Path(__file__).parent / "data"
OLD = DATA / "format_1"  # records as format 1 had them, a few of each kind
SAMPLES = sorted(OLD.glob("table*/*.json"), key=lambda path: path.stem)
UNCHANGED = json.loads((DATA / "numbers_of_format_1.json").read_text())  # checksums; not of runs recorded anew
WIENER = next(r for r in experiments.get("table5").runs("smoke", "natural", (0,)) if r.method == "wiener")

# JSON and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", experiments.TIERS)
@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_every_run_comes_back_from_json(name, tier):
    module = experiments.get(name)
    for run in (run for data, seeds in module.GRID.get(tier, {}).items() for run in module.runs(tier, data, seeds)):
        text = json.dumps(encode(run))
        again = decode(Run, json.loads(text))
        assert again == run and hash(again) == hash(run)
        assert json.dumps(encode(again)) == text, "1 stays 1 and 1.0 stays 1.0"


def test_a_record_names_its_system_and_its_term_and_a_field_that_is_left_out_has_its_default():
    record = encode(WIENER)
    assert next(iter(record["system"].items())) == ("name", "vae")
    assert next(iter(record["system"]["term"].items())) == ("name", "wiener")
    few = {key: record[key] for key in ("experiment", "method", "tier", "data")}
    assert decode(Run, few | {"system": {"name": "vae"}}) == Run(*few.values(), BlurVAE())


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("system", {"name": "diffusion"}, "no System is called 'diffusion'"),
        ("system", {}, "no System is called None"),
        ("system", "vae", "'vae' is no System"),
        ("system.term", {"name": "l9"}, "no Term is called 'l9'"),
        ("system.term", {"name": "l2", "C": 1}, "L2 has no C"),
        ("system.beta", "1", "'1' is no"),
        ("system.beta", True, "True is no"),
        ("system.beta", float("inf"), "inf is no"),
        ("system.widths", [8, "8"], "'8' is no"),
        ("budget", None, "None is no Budget"),
        ("budget.seeds", 1, "Budget has no seeds"),
        ("budget.epochs", 2.0, "2.0 is no"),
        ("n_train", "64", "'64' is no"),
        ("size", None, "None is no"),
    ],
)
def test_what_is_no_run_is_refused(path, value, says):
    record = encode(WIENER)
    *above, last = path.split(".")
    place = record
    for key in above:
        place = place[key]
    place[last] = value
    with pytest.raises(ValueError, match=says):
        decode(Run, record)


# Fields by name ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    lr: float = 0.1


@dataclass(frozen=True)
class Two:
    encoder: Rate = field(default_factory=Rate)
    decoder: Rate = field(default_factory=Rate)
    epochs: int = 1


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("beta", ("system", "beta")),
        ("system.beta", ("system", "beta")),
        ("C", ("system", "term", "C")),
        ("term.C", ("system", "term", "C")),
        ("system.term.C", ("system", "term", "C")),
        ("batch_size", ("budget", "batch_size")),
        ("budget.batch_size", ("budget", "batch_size")),
        ("n_test", ("n_test",)),
    ],
)
def test_a_name_that_is_unique_finds_its_field_and_so_does_its_path(key, path):
    assert find(WIENER, key)[0] == path


def test_a_change_is_set_where_its_name_says():
    changed = WIENER.with_changes({"budget.batch_size": "8", "term.C": "0.1", "n_test": "none"})
    assert changed.budget == replace(WIENER.budget, batch_size=8) and changed.n_test is None
    assert changed.system == replace(WIENER.system, term=replace(WIENER.system.term, C=0.1))
    assert changed.method == "wiener,budget.batch_size=8,term.C=0.1,n_test=none"
    seeded = WIENER.with_changes({"seed": "3"})
    assert (seeded.seed, seeded.method) == (3, "wiener"), "the seed stands in the name of the file already"
    assert decode(Run, encode(changed)) == changed


def test_a_name_that_several_fields_have_needs_more_of_its_path():
    two = Two()
    with pytest.raises(ValueError, match=r"'lr' can be any of encoder\.lr, decoder\.lr: say more of its name"):
        find(two, "lr")
    path, _ = find(two, "decoder.lr")
    assert put(two, path, 0.5) == Two(decoder=Rate(0.5))
    with pytest.raises(ValueError, match=r"called 'rate': choose one of encoder\.lr, decoder\.lr, epochs\."):
        find(two, "rate")


@pytest.mark.parametrize("key", ["bta", "term", "system", "data", "tier", "method", "experiment", "budget.beta", ""])
def test_what_cannot_be_set_is_named_with_what_can(key):
    with pytest.raises(ValueError, match=f"nothing to set called {key!r}: choose one of ") as caught:
        WIENER.with_changes({key: "1"})
    names = str(caught.value).partition("choose one of ")[2].rstrip(".").split(", ")
    assert set(names) >= {"C", "epsilon", "kernel_size", "beta", "warm_up", "lr", "widths", "size", "epochs", "seed"}
    assert not {"data", "tier", "method", "experiment", "system", "term", "budget"} & set(names)
    assert len(names) == len(set(names))


# Format 1 ---------------------------------------------------------------------------------------------------------


def migrated(path: Path) -> Path:
    """Where the record of a sample lies now."""
    return paths.results() / "bredell" / path.relative_to(OLD)


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_a_record_of_format_1_reads_as_the_one_it_became(path):
    assert json.loads(path.read_text())["format"] == 1
    result, now = read(path), json.loads(migrated(path).read_text())
    # Fields that systems and terms have got since have their defaults in both.
    assert decode(Run, now["run"]) == result.run and now["format"] == 2
    if str(migrated(path).relative_to(paths.results())) in UNCHANGED:
        assert {**result.record, "run": 0} == {**now, "run": 0}
        assert json.dumps(result.record["metrics"]) == json.dumps(now["metrics"]), "to the last digit"
    run = result.run
    assert run in experiments.get(run.experiment).runs(run.tier, run.data, (run.seed,))


def test_the_samples_are_of_every_kind():
    terms = {read(path).run.system.term.name for path in SAMPLES}
    assert terms == {"l2", "l1", "ssim", "ce", "ffl", "lpips", "watson", "wiener", "wiener-fixed", "wiener-proper"}
    assert {read(path).run.system.architecture for path in SAMPLES} == {"A", "B"}


def test_the_phases_of_format_1_are_those_of_the_system():
    for path in SAMPLES:
        result = read(path)
        phases = [epoch["phase"] for epoch in result.record["history"]]
        assert phases == [result.run.system.phase(epoch) for epoch in range(result.run.budget.epochs)]
        assert not any("weighted" in epoch for epoch in result.record["history"])


def test_arrays_of_format_1_stand_alone(tmp_path):
    """They had in each run what is shared now, and without pictures none of them was an original."""
    path = next(path for path in SAMPLES if path.stem == "natural-wiener-lesson-s1")
    copy = tmp_path / "table5" / path.name
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    arrays = {name: np.ones((4, 3), np.float32) for name in ("log_spectrum_data", "data_power", "error_power")}
    save_arrays(copy.with_suffix(".npz"), arrays)
    found = read(copy).pictures
    assert found.keys() == arrays.keys() and all((found[name] == 1).all() for name in arrays)


@pytest.mark.parametrize("number", [0, 3, "1", None])
def test_another_format_is_refused(tmp_path, number):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(json.loads(SAMPLES[0].read_text()) | {"format": number}))
    with pytest.raises(CorruptFile, match=rf"x\.json is not a whole record of a run \(format {number}\)"):
        read(path)


def test_a_record_of_format_2_stays_as_it_is():
    record = json.loads(migrated(SAMPLES[0]).read_text())
    assert upgrade(record) is record


def test_a_search_of_format_1_reads_as_the_one_it_became():
    (path,) = (OLD / "tune").glob("*.json")
    trials = tune.read(path)
    now = {json.dumps(t["run"]): t for t in tune.read(experiments.search_path("bredell/table3", "brain", "lesson"))}
    assert len(trials) == 8
    for trial in trials:
        assert trial == now[json.dumps(trial["run"])]
        assert decode(Run, trial["run"]).beta == trial["beta"]


def digest(name: str) -> str:
    """Of all that was measured, and where; what describes a run differs between the formats."""
    record = json.loads((paths.results() / name).read_text())
    if "trials" in record:
        trials = [{key: value for key, value in trial.items() if key != "run"} for trial in record["trials"]]
        numbers = {"chosen": record["chosen"], "trials": trials}
    else:
        numbers = {key: record[key] for key in ("metrics", "data", "parameters", "provenance")}
        numbers["history"] = [{k: v for k, v in epoch.items() if k != "phase"} for epoch in record["history"]]
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def test_no_recorded_number_has_changed_since_format_1():
    """A run that is recorded anew leaves the list."""
    assert UNCHANGED
    assert [name for name, checksum in UNCHANGED.items() if digest(name) != checksum] == []
