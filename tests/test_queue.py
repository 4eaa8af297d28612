"""The queue: what is missing, in which order, within which time, and on a machine with nothing but the core."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch

from blurvae import experiments, paths
from blurvae.experiments.__main__ import main
from blurvae.experiments.matrix import finish, matrix, render
from blurvae.files import locked
from blurvae.record import execute, queue, read

SMOKE = len(experiments.get("table5").METHODS) + len(experiments.get("table5").VARIANTS)


def states(out, only=("table5",)):
    return [entry.state for entry in matrix("smoke", out, only)]


def test_it_makes_what_is_missing_and_nothing_twice(tmp_path):
    assert states(tmp_path) == ["not run"] * SMOKE
    runs = [entry.run for entry in matrix("smoke", tmp_path, only=("table5", "l2", "wiener"))]
    assert queue.work(runs, tmp_path, float("inf"), device="cpu") == [run.name for run in runs]
    assert sum(state in ("recorded", "needs weights") for state in states(tmp_path)) == 2
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    main(["--tier", "smoke", "--only", "table5", "--only", "l2", "wiener", "--out", str(tmp_path), "--device", "cpu"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == written


def test_the_cheapest_comes_first_and_none_starts_that_would_end_too_late(tmp_path, monkeypatch, capsys):
    clock = iter(range(0, 10_000, 10))  # every look at the clock is ten seconds after the last
    monkeypatch.setattr(queue.time, "monotonic", lambda: float(next(clock)))
    begun = []
    monkeypatch.setattr(queue, "execute", lambda run, **_: begun.append(run))
    small, large = (experiments.get("table5").runs(tier, "natural", (0,))[0] for tier in ("smoke", "lesson"))
    assert queue.cost(small) < queue.cost(large)
    assert queue.work([large, small], tmp_path, budget=60.0) == [small.name]
    assert begun == [small]
    assert f"{large.name}: not started" in capsys.readouterr().err
    assert queue.work([small], tmp_path, budget=0.0) == []


def test_a_run_of_other_settings_counts_as_not_run(tmp_path):
    run = matrix("smoke", tmp_path, only=("table5", "l2"))[0].run
    changed = run.with_changes({"epochs": "1"})
    queue.work([changed], tmp_path, float("inf"), device="cpu")
    changed.path(tmp_path).rename(run.path(tmp_path))
    assert queue.state(run, tmp_path) == "not run"


def test_what_another_process_works_at_is_passed_over(tmp_path, capsys):
    runs = [entry.run for entry in matrix("smoke", tmp_path, only=("table5", "l2", "ce"))]
    with locked(runs[0].unfinished(tmp_path)):
        assert queue.work(runs, tmp_path, float("inf"), device="cpu") == [runs[1].name]
    assert f"{runs[0].name}: passed over. Another process works in" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_stops_the_queue_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"^blurvae: .*file"):
        main(["--tier", "smoke", "--only", "table5", "l2", "--out", str(tmp_path / "file"), "--device", "cpu"])


def test_an_interrupted_run_is_running_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("blurvae.train.loop.CHECKPOINT_SECONDS", 0.0)
    one = matrix("smoke", tmp_path, only=("table5", "l2"))[0].run

    def stop(state):
        if state.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(one, out=tmp_path, device="cpu", callback=stop)
    assert queue.state(one, tmp_path) == "running"
    queue.work([one], tmp_path, float("inf"), device="cpu")
    assert queue.state(one, tmp_path) in ("recorded", "needs weights")


def test_absent_data_is_named_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    there, absent = (experiments.get("table5").runs("smoke", data, (0,))[0] for data in ("natural", "cifar10"))
    assert queue.work([absent, there], tmp_path, float("inf"), device="cpu") == [there.name]
    assert "cifar10" in capsys.readouterr().err


@pytest.mark.parametrize("name", [n for n in experiments.EXPERIMENTS if "lesson" in experiments.get(n).GRID])
def test_the_recorded_lessons_leave_nothing_to_run(name):
    """But for the paper's learned losses, whose weights do not come with the project."""
    seen = set()
    for entry in matrix("lesson", paths.results(), (name,)):
        learned = entry.run.method in ("lpips-vgg", "watson-dft")
        seen.add(entry.state)
        if not learned:
            assert entry.state == "recorded", entry.run
        else:
            assert entry.state in ("recorded", "needs weights", "not run")
    assert seen


def test_a_run_that_two_tables_show_is_listed_once_and_found_by_either(tmp_path):
    everything = [entry.run for entry in matrix("smoke", tmp_path)]
    assert len(everything) == len(set(everything))
    for only in ("table2", "table1", "figure2"):
        found = [entry.run for entry in matrix("smoke", tmp_path, (only, "wiener"))]
        assert [(run.experiment, run.method) for run in found] == [("bredell/table2", "wiener")]


def test_a_run_whose_term_lacks_its_weights_says_so_and_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "needs", lambda run: "vgg16.pth" if run.method == "lpips-vgg" else "")
    monkeypatch.setattr(queue, "execute", lambda *_, **__: pytest.fail("begun"))
    assert "s0 needs weights" in finish("smoke", tmp_path, ("table4", "lpips-vgg"))


def test_a_run_that_diverged_is_shown_and_not_begun_again(tmp_path, monkeypatch, capsys):
    l2, _ = (entry.run for entry in matrix("smoke", tmp_path, ("table5", "l2", "ffl")))

    def diverge(run, **given):
        def spoil(state):
            with torch.no_grad():
                next(state.players.vae.parameters()).fill_(math.nan)

        return execute(run, callback=spoil if run == l2 else None, **given)

    monkeypatch.setattr(queue, "execute", diverge)
    said = finish("smoke", tmp_path, ("table5", "l2", "ffl"), device="cpu")
    assert f"{l2.name}: passed over. Training diverged at step 2 (epoch 1)" in capsys.readouterr().err
    assert "s0 diverged" in said and "1 diverged" in said and "0 not run" in said, "the others go on"
    assert read(l2.path(tmp_path)).diverged and queue.state(l2, tmp_path) == "diverged"
    monkeypatch.setattr(queue, "execute", lambda run, **_: pytest.fail("begun again"))
    assert finish("smoke", tmp_path, ("table5", "l2", "ffl"), device="cpu") == said
    rows = json.loads(render(matrix("smoke", tmp_path, ("table5", "l2", "ffl")), as_json=True))
    assert {row["method"]: row["state"] for row in rows}["l2"] == "diverged"
    other = l2.with_changes({"lr": "0.01"})
    l2.path(tmp_path).rename(other.path(tmp_path))
    assert queue.state(other, tmp_path) == "not run", "that record is of other settings"


def test_images_are_kept_for_one_seed(tmp_path, monkeypatch):
    kept = {}
    monkeypatch.setattr(queue, "execute", lambda run, images, **_: kept.update({run.seed: images}))
    queue.work(
        [r for r in experiments.get("table5").runs("smoke", "natural", (0, 1)) if r.method == "l2"], tmp_path, 9e9
    )
    assert kept == {0: True, 1: False}


def test_names_and_durations_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="called 'l3'"):
        matrix("smoke", tmp_path, only=("l3",))
    with pytest.raises(ValueError, match="no tier 'big'"):
        matrix("big", tmp_path)
    for text in ("9 minutes", "-3", ""):
        with pytest.raises(ValueError, match="not a duration"):
            queue.seconds(text)
    assert [queue.seconds(text) for text in ("90", "90s", "9m", "2h")] == [90, 90, 540, 7200]


def test_it_runs_where_only_the_core_is_installed(tmp_path):
    absent = (
        "typer",
        "pandas",
        "matplotlib",
        "seaborn",
        "torchvision",
        "lpips",
        "torchmetrics",
        "papermill",
        "jupytext",
    )
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r})); "
        "from blurvae.experiments.__main__ import main; "
        f"main(['--tier', 'smoke', '--only', 'table5', 'l2', '--out', {str(tmp_path)!r}, '--device', 'cpu'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 needs weights" in done.stdout
    assert (
        json.loads((tmp_path / "bredell" / "table5" / "natural-l2-smoke-s0.json").read_text())["metrics"]["PSNR"][
            "mean"
        ]
        > 5
    )
