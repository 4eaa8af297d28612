"""A slot of a GPU: its plan, its order, what goes wrong in it, and a rehearsal on a CPU from a copy that can travel."""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from blurvae import experiments, paths
from blurvae.errors import Diverged
from blurvae.experiments.gpu_slot import __main__ as command
from blurvae.experiments.gpu_slot import checks, pace, plan, slot, work
from blurvae.experiments.gpu_slot.comparisons import choose, comparisons, without
from blurvae.experiments.gpu_slot.pace import Forecast, OutOfTime, Pace
from blurvae.experiments.matrix import matrix, render
from blurvae.experiments.take import take
from blurvae.record import Execution, archive, execute, queue, read
from blurvae.train import State

COMMIT = "0123456789ab"
SMOKE = [
    run for run in experiments.get("table5").runs("smoke", "natural", (0,)) if run.method in ("l2", "ce", "wiener")
]
L2, CE, WIENER = SMOKE


@pytest.fixture(scope="module")
def paper():
    """The main paper's runs of tier paper, whatever is recorded or absent here."""
    runs = (entry.run for entry in matrix("paper", Path(os.devnull)))
    return [run for run in runs if run.experiment.startswith("bredell/")]


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A slot on the CPU, by the clock of ten minutes."""
    monkeypatch.setenv("BLURVAE_COMMIT", COMMIT)
    said: list[str] = []
    made = slot.Slot(
        tmp_path / "a.tar", tmp_path / "work", time.monotonic() + 600, torch.device("cpu"), "smoke", said.append
    )
    made.said = said  # type: ignore[attr-defined]
    return made


def go(slot: slot.Slot, runs, width: int = 1, graphs: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Makes runs in a slot; what its log says then, by method."""
    judge = Pace("cpu", width)
    work.Work(slot, slot.begin(runs, judge, {}), judge, graphs).through()
    return [(entry["run"].split("-")[1], entry["state"]) for entry in slot.log]


def states(file: Path) -> list[tuple[str, str]]:
    """(run or data set, state) of the log in the last part."""
    _, head, _ = archive.reopen(file)
    return [(entry.get("run", entry.get("data")), entry["state"]) for entry in head["log"]]


# The plan ------------------------------------------------------------------------------------------------------------


def test_whole_comparisons_come_first(paper):
    order = comparisons(paper)
    assert sum(len(c.runs) for c in order) == len(paper)
    first = [(c.experiment, c.data, c.seed) for c in order[:12]]
    tables = ("bredell/table5 cifar10", "bredell/table2 faces64", "bredell/table3 brain", "bredell/rate cifar10")
    assert first == [(*name.split(), seed) for name in tables for seed in (0, 1, 2)]
    assert [run.method for run in order[0].runs] == ["l2", "ffl", "ce", "wiener"]
    assert {run.method.partition(",")[0] for run in order[9].runs} == {"l2", "wiener"}
    assert all(c.data in ("celeba", "celeba-hq", "hcp") for c in order[18:])


def test_what_fits_as_a_whole_is_begun_before_what_would_stay_a_part(paper):
    order = comparisons(paper)[:6]
    taken = []
    while run := choose(order, 110.0 - 10 * len(taken), lambda run: 10.0):
        taken.append((run.experiment, run.seed))
        order = without(order, run)
    assert taken == [("bredell/table5", 0)] * 4 + [("bredell/table5", 1)] * 4 + [("bredell/table5", 2)] * 3
    assert len(order[0].runs) == 1, "the last comparison did not fit, and what fits of it is better than nothing"
    assert choose(order, 9.0, lambda run: 10.0) is None


def test_runs_are_judged_by_those_before_them(paper):
    cifar, faces = (next(run for run in paper if run.data == data) for data in ("cifar10", "faces64"))
    (clip,) = (r for r in experiments.get("frvsr/davis").runs("paper", "davis", (0,)) if r.method == "sisr")
    assert Pace("cuda").speed(clip) == pytest.approx(35_000 * (64 / 240) ** 2 / 10), "ten frames are ten images"
    judge = Pace("cuda")
    assert judge.training(cifar) == pytest.approx(100 * 40_000 / 60_000)
    assert Pace("cuda", 8).training(cifar) == pytest.approx(100 * 40_000 / 120_000)
    assert judge.training(faces) == pytest.approx(100 * 3341 / 35_000)
    assert judge.evaluation(cifar) == 5
    assert judge.expected(cifar) == judge.stated(cifar)
    judge.learn(cifar, 3 * judge.stated(cifar))
    assert judge.expected(faces) == 3 * judge.stated(faces), "nothing of its size has been seen"
    judge.learn(faces, judge.stated(faces))
    assert judge.expected(faces) == judge.stated(faces) and judge.expected(cifar) == 3 * judge.stated(cifar)
    game = experiments.get("tempered/wgan_gp").runs("paper", "cifar10", (0,))[0]
    assert judge.expected(game) == pytest.approx(3 * judge.stated(game)), "but images of its size have been seen"
    judge.learn(game, 40 * judge.stated(game))
    assert judge.expected(game) == pytest.approx(40 * judge.stated(game))
    assert judge.expected(cifar) == pytest.approx(3 * judge.stated(cifar)), "and a slow game says nothing of a VAE"


def test_the_plan_fills_slots_of_nine_minutes(paper, capsys, monkeypatch):
    monkeypatch.setattr(command, "_absent", lambda data, size: data in ("celeba", "hcp", "celeba-hq") and "absent")
    at_hand = [run for run in paper if run.data in ("cifar10", "faces64", "brain")]
    made, long = plan.slots(comparisons(at_hand), 540, Pace("cuda", 8))
    assert not long and sorted(run.name for slot in made for run in slot) == sorted(run.name for run in at_hand)
    first = [run for run in made[0] if run.experiment == "bredell/table5"]
    assert {(run.method, run.seed) for run in first} == {
        (m, s) for m in ("l2", "ffl", "ce", "wiener") for s in (0, 1, 2)
    }
    said = plan.render(comparisons(at_hand), (), 540, Pace("cuda", 8))
    alone = {line.split()[0]: float(line.split()[8]) for line in said.splitlines() if line.startswith("bredell/table")}
    assert alone["bredell/table3"] == pytest.approx(11.4) and alone["bredell/table5"] == pytest.approx(6.7)
    assert "120,000 side by side" in said and f"takes {len(made) - 1} more" in said
    command.main(["--dry-run"])
    out = capsys.readouterr().out
    assert "celeba is not on this machine: its" in out and re.search(r"bredell/table5 cifar10 +0 1 2 +12 ", out)
    command.main(["--dry-run", "--tier", "smoke", "--device", "cpu", "--only", "table5", "--budget", "2m"])
    assert re.search(r"slot 1: .* bredell/table5 natural s0 \(8\)", capsys.readouterr().out)


def test_of_games_color_mnist_comes_first():
    """What the text has as its strongest claim; each of the others, as whole comparisons, after it."""
    runs = [entry.run for entry in matrix("paper", Path(os.devnull)) if entry.run.experiment.startswith("tempered/")]
    order = comparisons(runs)
    places = [f"{c.experiment} {c.data}" for c in order]
    assert places[:5] == ["tempered/color_mnist color-mnist"] * 5 and order[0].seed == 0
    assert {run.method for run in order[0].runs} == {"dcgan-none", "dcgan-learned", "lsgan-none", "lsgan-learned"}
    shown = [*dict.fromkeys(places)]
    images = [f"tempered/images {data}" for data in ("mnist", "cifar10", "faces64")]
    assert shown == ["tempered/color_mnist color-mnist", *images, "tempered/wgan_gp cifar10"]
    steps = {f"{r.experiment} {r.data}": queue.images(r) // 64 // r.system.plays for r in runs}
    assert {name: 100_000 <= n <= 200_000 for name, n in steps.items()} == dict.fromkeys(shown, True) | {
        "tempered/wgan_gp cifar10": False
    }
    assert {r.system.anneal for r in runs if r.experiment != "tempered/wgan_gp"} == {10_000, 100_000}
    counted = {r.data: r.n_test for r in runs}
    assert (counted["cifar10"], counted["faces64"]) == (10_000, 836)


def test_a_plan_without_time_ends(paper):
    made, long = plan.slots(comparisons(paper[:8]), 20, Pace("cuda"))
    assert not any(made) and len(long) == 8


def test_a_run_that_would_not_end_is_stopped_by_its_own_speed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    run = L2.with_changes({"epochs": "1000"})  # 4,000 steps

    def forecast(seconds, deadline, pause=0.0):
        watch = Forecast(run, deadline)
        for step in range(1, 81):
            now[0] = seconds * step + (pause if step > 40 else 0.0)
            if step == 41:
                watch.restart()
            watch(State(0, step, "train", None, {}, {}))

    forecast(0.25, 1100.0)
    forecast(0.25, 1100.0, pause=60.0)  # another run began meanwhile
    with pytest.raises(OutOfTime, match=r"at 64 images/s it would take .* s more") as raised:
        forecast(0.25, 500.0)
    assert raised.value.seconds == pytest.approx(1000)
    with pytest.raises(OutOfTime, match="with 0 s left"):
        forecast(0.1, 3.0)


# What goes wrong -----------------------------------------------------------------------------------------------------


def raising(monkeypatch, errors: dict[str, list[BaseException]]) -> list[dict]:
    """Lets the runs of these methods raise, one error after the other, then be; returns what runs were given."""
    asked = []

    def begin_or_raise(run, **given):
        asked.append(given)
        if errors.get(run.method):
            raise errors[run.method].pop(0)
        return Execution(run, **given)

    monkeypatch.setattr(work, "Execution", begin_or_raise)
    return asked


def test_what_goes_wrong_in_one_run_costs_no_other(begun, tmp_path, monkeypatch):
    raising(monkeypatch, {"l2": [RuntimeError("a capture\nfailed")], "ce": [Diverged("kl is nan")]})
    assert go(begun, SMOKE) == [("l2", "failed"), ("ce", "diverged"), ("wiener", "recorded")]
    assert [state for _, state in states(tmp_path / "a.tar")] == ["failed", "diverged", "recorded"]
    assert begun.log[0]["why"] == "RuntimeError: a capture failed"
    order = begun.begin(SMOKE, Pace("cpu"), {})
    assert [run.method for c in order for run in c.runs] == ["ce", "l2"], "what failed comes last"


@pytest.mark.parametrize("width", [1, 3])
def test_runs_side_by_side_are_each_alone(begun, tmp_path, monkeypatch, width):
    def spoil(run, callback, **given):
        def look(state):
            callback(state)
            if run == CE and state.step == 3:
                with torch.no_grad():
                    next(state.players.vae.parameters()).fill_(math.nan)

        return Execution(run, callback=look, **given)

    monkeypatch.setattr(work, "Execution", spoil)
    said = go(begun, SMOKE, width)
    assert dict(said) == {"l2": "recorded", "ce": "diverged", "wiener": "recorded"}
    for run in (L2, WIENER):
        made, alone = read(run.path(begun.work)).record, execute(run, device="cpu").record
        assert made["history"] == json.loads(json.dumps(alone["history"]))
        assert made["metrics"]["PSNR"] == alone["metrics"]["PSNR"]
        assert made["provenance"]["side_by_side"] == width
    assert read(CE.path(begun.work)).diverged
    assert {Path(name).stem for name in archive.read(tmp_path / "a.tar")[1]} >= {run.name for run in SMOKE}
    assert not list(begun.work.glob("**/.*")), "nothing unfinished is left"
    shares = sum(entry["seconds"] for entry in begun.log)
    assert shares < 60, "the time of this process is divided among them"


def test_a_full_disk_costs_the_checkpoints_and_not_the_run(begun, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device", "state-4.safetensors")
    asked = raising(monkeypatch, {"l2": [full], "ce": [full, full]})
    left = CE.unfinished(begun.work)
    left.mkdir(parents=True)
    said = go(begun, [L2, CE])
    assert said == [("l2", "failed"), ("l2", "recorded"), ("ce", "failed"), ("ce", "failed")]
    assert [given["checkpoints"] for given in asked] == [True, False] * 2
    assert not left.exists(), "its room is free again"


def test_memory_that_does_not_suffice_is_shared_by_fewer(begun, monkeypatch):
    asked = raising(monkeypatch, {"ce": [torch.OutOfMemoryError("CUDA out of memory")]})
    said = go(begun, SMOKE, width=2)
    assert said.count(("ce", "failed")) == 1 and [given["beside"] for given in asked] == [2, 2, 1, 1]
    assert {method for method, state in said if state == "recorded"} == {"l2", "ce", "wiener"}


def test_what_fails_with_graphs_is_tried_without(begun, monkeypatch):
    asked = raising(monkeypatch, {"l2": [RuntimeError("CUDA error: an illegal instruction")]})
    graphs = frozenset({"vae", "l2"})
    assert go(begun, [L2], graphs=graphs) == [("l2", "failed"), ("l2", "recorded")]
    assert [given["graphs"] for given in asked] == [True, False]
    begun.log[:] = [entry for entry in begun.log if entry["state"] == "failed"]
    L2.path(begun.work).unlink()
    go(begun, [L2], graphs=graphs)
    assert asked[-1]["graphs"] is False, "another process knows it too"


def test_a_run_is_captured_where_its_system_and_its_terms_have_been(begun, monkeypatch):
    asked = raising(monkeypatch, {})
    go(begun, SMOKE, graphs=frozenset({"vae", "wiener", "ce", "gan"}))
    assert [given["graphs"] for given in asked] == [False, True, True]
    runs = experiments.get("dalal/table1").runs("paper", "mnist-binary", (0,))
    late = next(run for run in runs if run.method == "stft-ssim")
    assert checks.parts(late) == {"small-vae", "sum", "ssim", "stft", "l2"}


def test_a_checkpoint_that_cannot_be_used_is_begun_anew(begun):
    place = L2.unfinished(begun.work)
    place.mkdir(parents=True)
    (place / "checkpoint.json").write_text("{}")
    assert go(begun, [L2]) == [("l2", "failed"), ("l2", "recorded")]


def test_a_run_that_takes_the_process_with_it_waits_for_the_others(begun):
    entry = {"run": f"{L2.experiment}/{L2.name}", "state": "begun"}
    begun.log += [entry] * 2
    assert [run.method for c in begun.begin(SMOKE, Pace("cpu"), {}) for run in c.runs] == ["l2", "ce", "wiener"]
    begun.log.append(entry)
    assert [run.method for c in begun.begin(SMOKE, Pace("cpu"), {}) for run in c.runs] == ["ce", "wiener", "l2"]


def test_the_log_of_earlier_slots_judges_too(begun):
    entry = {"run": f"{L2.experiment}/{L2.name}", "state": "recorded", "device": "GPU", "width": 8, "seconds": 1e6}
    begun.log.append(entry)
    for way, slower in (({"device": "GPU", "width": 8}, True), ({"device": "GPU", "width": 1}, False)):
        judge = Pace("cpu")
        begun.begin(SMOKE, judge, way)
        assert (judge.expected(CE) > 1000) == slower


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Arguments of a slot that makes one run at once, without looking at the machine."""
    monkeypatch.setenv("BLURVAE_COMMIT", COMMIT)
    monkeypatch.setattr(command, "_checked", lambda _: {"graphs": [], "side by side": False})
    arguments = ["--tier", "smoke", "--only", "table5", "l2", "--budget", "5m", "--device", "cpu"]
    return [*arguments, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "a.tar")]


def test_where_the_gpu_is_lost_another_process_goes_on(given, tmp_path, monkeypatch, capsys):
    raising(monkeypatch, {"l2": [RuntimeError("an illegal memory access")]})

    def lost(_):
        raise work.GpuLost("no answer")

    monkeypatch.setattr(work.Work, "_free", lost)
    called = []
    monkeypatch.setattr(command.os, "execv", lambda _, arguments: called.append(arguments))
    command.main(given)
    assert states(tmp_path / "a.tar") == [(f"{L2.experiment}/{L2.name}", "failed")]
    (arguments,) = called
    assert arguments[1:3] == ["-m", "blurvae.experiments.gpu_slot"] and arguments[-2] == "--budget"
    assert 200 < queue.seconds(arguments[-1]) <= 300
    assert "goes on in another process" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_slot_that_is_told_to_end_leaves_its_checkpoint_in_the_archive(given, tmp_path, monkeypatch, number):
    monkeypatch.setattr("blurvae.train.loop.CHECKPOINT_SECONDS", -1.0)
    steps = []

    def watched(run, callback, **more):
        def look(state):
            callback(state)
            steps.append(state.step)
            if steps == [1, 2, 3, 4, 5, 6]:  # after the checkpoint of an epoch
                os.kill(os.getpid(), number)

        return Execution(run, callback=look, **more)

    monkeypatch.setattr(work, "Execution", watched)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as raised:
        command.main(given)
    assert raised.value.code == 130 and signal.getsignal(signal.SIGTERM) == before
    assert any(name.startswith("unfinished/") for name in archive.read(tmp_path / "a.tar")[1])
    shutil.rmtree(tmp_path / "work")  # another machine
    command.main(given)
    assert steps[6:] == [5, 6, 7, 8], "it went on where it was"
    assert [state for _, state in states(tmp_path / "a.tar")] == ["begun", "recorded"]
    _, members = archive.read(tmp_path / "a.tar")
    assert not any(name.startswith("unfinished/") for name in members)


def test_an_archive_that_cannot_be_written_is_named_and_nothing_is_lost(begun, tmp_path, monkeypatch):
    real = archive.Archive.write
    monkeypatch.setattr(archive.Archive, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    go(begun, [L2])
    assert begun.unsaved and any("could not be written" in said for said in begun.said)
    monkeypatch.setattr(archive.Archive, "write", real)
    begun.save()
    assert not begun.unsaved and states(tmp_path / "a.tar") == [(f"{L2.experiment}/{L2.name}", "recorded")]


def test_what_cannot_be_begun_is_said_in_a_sentence(tmp_path, monkeypatch):
    given = ["--tier", "smoke", "--work", str(tmp_path / "work"), "--device", "cpu"]
    monkeypatch.setenv("BLURVAE_COMMIT", "mine")
    with pytest.raises(SystemExit, match="BLURVAE_COMMIT"):
        command.main([*given, "--out", str(tmp_path / "a.tar")])
    monkeypatch.setenv("BLURVAE_COMMIT", COMMIT)
    with pytest.raises(SystemExit, match=r"FILE\.tar"):
        command.main([*given, "--out", str(tmp_path / "a.zip")])
    with pytest.raises(SystemExit, match="cannot be written"):
        command.main([*given, "--out", str(tmp_path / "absent" / "a.tar")])
    (tmp_path / "a.tar").write_text("no archive")
    with pytest.raises(SystemExit, match=r"no whole tar file"):
        command.main([*given, "--out", str(tmp_path / "a.tar")])
    with pytest.raises(SystemExit, match="not a duration"):
        command.main(["--budget", "soon"])
    (tmp_path / "list").write_text("{}[")
    with pytest.raises(SystemExit, match="blurvae status --json"):
        command.main(["--dry-run", "--recorded", str(tmp_path / "list")])


def test_what_is_recorded_at_home_can_be_named(tmp_path):
    execute(L2, out=tmp_path / "home", device="cpu", images=False)
    file = tmp_path / "recorded.json"
    file.write_text(render(matrix("smoke", tmp_path / "home", ("table5",)), as_json=True))
    given = argparse.Namespace(tier="smoke", only=["table5"], recorded=file)
    named, _ = command.missing(given)
    every, _ = command.missing(argparse.Namespace(**{**vars(given), "recorded": None}))
    assert {run.method for run in every} - {run.method for run in named} == {"l2"}


# The checks ----------------------------------------------------------------------------------------------------------


def test_gpu_tests_are_found_and_say_why_they_are_not_run(monkeypatch):
    assert "no GPU" in checks.gpu_tests("cpu", 60)
    called = []
    monkeypatch.setattr(checks, "_run", lambda arguments, limit: called.append(arguments) or "said")
    assert checks.gpu_tests("cuda", 60) == "said"
    assert next(a for a in called[0] if a.endswith(".py")).endswith(checks.GRAPHS)
    assert any(argument.endswith("test_losses.py") for argument in called[0])
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert "pytest is not installed" in checks.gpu_tests("cuda", 60)


def test_graphs_are_used_where_their_tests_have_passed():
    """By the lines that pytest writes of the tests that there are."""
    file = f"tests/{checks.GRAPHS}"

    def said(test: str, outcome: str) -> str:
        return f"{file}::{test} {outcome} [  7%]\n"

    moves, terms = "test_captured_moves_are_the_moves", "test_captured_terms_are_the_terms"
    first = said(f"{moves}[vae: wiener, live, bf16]", "PASSED") + said(f"{moves}[vae: l2, bf16]", "PASSED")
    passed = first + said(f"{terms}[wiener]", "PASSED") + said(f"{terms}[wiener-proper]", "PASSED")
    passed += said(f"{terms}[lpips]", "SKIPPED (no weights)") + said(f"{moves}[gan: wgan-gp, float32]", "PASSED")
    beside = "test_trainings_side_by_side_are_each_alone"
    assert checks.graphs_hold("not run: this machine has no GPU") == (frozenset(), False)
    known = {"vae", "wiener", "wiener-proper", "gan"}
    for end in ("", said(beside, "PASSED"), f"{file}::{terms}[ssim] \nended after 60 s, which is all the time it had"):
        assert checks.graphs_hold(passed + end) == (known, True)
    assert checks.graphs_hold(passed + said(beside, "FAILED")) == (known, False)
    failed = said(f"{moves}[gan: wgan-gp, bf16]", "FAILED") + said(f"{terms}[wiener]", "ERROR")
    assert checks.graphs_hold(passed + failed) == ({"vae", "wiener-proper"}, True)


def test_what_decides_on_graphs_is_tested_of_all_that_can_be_planned():
    """By the names of the tests that there are."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "gpu", "-o", "addopts=", "--noconftest"]
    file = paths.root() / "tests" / checks.GRAPHS
    done = subprocess.run([*command, "-p", "no:cacheprovider", str(file)], capture_output=True, text=True, check=False)
    assert "::test_trainings_side_by_side_are_each_alone" in done.stdout, done.stdout
    held, beside = checks.graphs_hold("".join(f"{line} PASSED\n" for line in done.stdout.splitlines()))
    planned = frozenset().union(*(checks.parts(entry.run) for entry in matrix("paper", Path(os.devnull))))
    assert beside and planned <= held, "a run of tier paper is made of what no test captures"


def test_a_check_that_takes_too_long_is_ended():
    said = checks._run(["-c", "import time; print('begun', flush=True); time.sleep(60)"], 1)
    assert said.startswith("begun") and "ended after 1 s" in said


# The rehearsal -------------------------------------------------------------------------------------------------------

DRIVER = """
import os, signal, sys
sys.modules.update(dict.fromkeys(("typer", "pandas", "matplotlib", "torchvision", "lpips", "torchmetrics", "scipy")))
from blurvae.experiments.bredell import table5
from blurvae.experiments.gpu_slot import work
from blurvae.experiments.gpu_slot.__main__ import main
from blurvae.train import loop

table5.GRID["smoke"]["cifar10"] = (0,)  # a pack that is not here
loop.CHECKPOINT_SECONDS = -1.0  # after every window of steps
real = work.Execution

def begin(run, callback, **given):
    if run.method == "ffl":
        raise RuntimeError("a fault")
    def look(state):
        if run.method == "wiener":
            if state.step == 6 and "KILL" in os.environ:  # after the checkpoint of an epoch
                os.kill(os.getpid(), signal.SIGKILL)
            print("step", state.step)
        callback(state)
    return real(run, callback=look, **given)

work.Execution = begin
main()
"""


def test_the_rehearsal(tmp_path):
    """A slot on a CPU from a copy that can travel, killed once and called again: a pack is missing, and a run fails."""
    if not (paths.root() / ".git").exists():
        pytest.skip("no checkout of git")
    copy, file = tmp_path / "copy", tmp_path / "slot.tar"
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in command.READS:
        source, target = paths.root() / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target, ignore=ignored) if source.is_dir() else shutil.copy(source, target)
    assert sum(path.stat().st_size for path in copy.rglob("*") if path.is_file()) < 8 << 20
    (copy / "driver.py").write_text(DRIVER)
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=paths.root(), capture_output=True, text=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("BLURVAE_DATA", "PYTHONPATH")}
    environment |= {"BLURVAE_COMMIT": head.stdout.strip(), "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}

    def call(**more: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--tier", "smoke", "--only", "table5", "l2", "ffl", "ce", "wiener", "--device", "cpu"]
        command = [sys.executable, "driver.py", *arguments, "--budget", "2m", "--out", str(file)]
        return subprocess.run(command, cwd=copy, env=environment | more, capture_output=True, text=True, check=False)

    killed = call(KILL="")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    names = {Path(name).stem for name in archive.read(file)[1] if name.endswith(".json")}
    assert names == {"bench", "natural-l2-smoke-s0", "natural-ce-smoke-s0"}, "whole, with what was done"
    assert dict(states(file))["cifar10"] == "passed over"
    done = call()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["step 5", "step 6", "step 7", "step 8"], "it went on where it was"
    assert "GPU tests" not in done.stderr, "they were made in the first slot"
    assert [(name.split("-")[-3] if "-" in name else name, state) for name, state in states(file)] == [
        ("cifar10", "passed over"),
        ("l2", "recorded"),
        ("ffl", "failed"),
        ("ce", "recorded"),
        ("wiener", "begun"),
        ("wiener", "recorded"),
        ("ffl", "failed"),
    ]
    taken = take([file], tmp_path / "out")
    assert len(taken.filed) == 3 and not taken.dirty and len(taken.trouble) == 2
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the slot: the order of sums depends on it
    try:
        again = execute(WIENER, device="cpu").record
    finally:
        torch.set_num_threads(threads)
    assert read(WIENER.path(tmp_path / "out")).record["history"] == json.loads(json.dumps(again["history"]))
