"""A slot of a GPU: its plan, its order, what goes wrong in it, and a rehearsal on a CPU from a copy that can travel."""

from __future__ import annotations

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
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from toys.running import scene
from toys.samples import Pictures

from blurvae import experiments, paths
from blurvae.datasets import write_pack
from blurvae.errors import Diverged
from blurvae.experiments.gpu_slot import __main__ as command
from blurvae.experiments.gpu_slot import checks, lacking, pace, plan, slot, work
from blurvae.experiments.gpu_slot.comparisons import choose, comparisons, without
from blurvae.experiments.gpu_slot.pace import Forecast, OutOfTime, Pace
from blurvae.experiments.matrix import matrix, render
from blurvae.experiments.take import take
from blurvae.record import Execution, archive, execute, queue, read
from blurvae.systems import SYSTEMS
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
    work.Work(slot, slot.begin(runs, judge, graphs), judge, graphs).through()
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
    assert Pace("cuda").training(clip) > 10 * queue.images(clip) * pace.LAUNCH[0] / 4, "ten frames are ten launches"
    judge = Pace("cuda")
    assert judge.training(cifar) == pytest.approx(100 * 40_000 / 60_000)
    assert Pace("cuda", 8).training(cifar) == pytest.approx(100 * 40_000 / 120_000)
    assert judge.training(faces) == pytest.approx(100 * 3341 / 35_000, rel=0.03)
    assert judge.evaluation(cifar) == 5
    assert judge.expected(cifar) == judge.stated(cifar)
    judge.learn(cifar, 3 * judge.stated(cifar))
    assert judge.expected(faces) == pytest.approx(3 * judge.stated(faces)), "nothing of its size has been seen"
    judge.learn(faces, judge.stated(faces))
    assert judge.expected(faces) == judge.stated(faces) and judge.expected(cifar) == 3 * judge.stated(cifar)
    game = experiments.get("tempered/wgan_gp").runs("paper", "cifar10", (0,))[0]
    assert judge.expected(game) == pytest.approx(3 * judge.stated(game)), "but images of its size have been seen"
    judge.learn(game, 40 * judge.stated(game))
    assert judge.expected(game) == pytest.approx(40 * judge.stated(game))
    assert judge.expected(cifar) == pytest.approx(3 * judge.stated(cifar)), "and a slow game says nothing of a VAE"


def test_the_plan_fills_slots_of_nine_minutes(paper, capsys, monkeypatch):
    monkeypatch.setattr(command, "absent", lambda data, size: data in ("celeba", "hcp", "celeba-hq") and "absent")
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
    assert "0.53 ms" in said and "115 TFLOP/s" in said and f"takes {len(made) - 1} more" in said
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


# Forecasts -----------------------------------------------------------------------------------------------------------


class Clock:
    """Trainings that take turns on a clock of their own: seconds of a step by run."""

    def __init__(self, monkeypatch, deadline: float, seconds: dict) -> None:
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(pace.time, "monotonic", lambda: self.now)
        self.judge = Pace("cuda", len(seconds))
        self.watch = Forecast(deadline, self.judge)
        self.steps = {run: queue.images(run) // run.budget.batch_size for run in seconds}
        self.at = {run: SimpleNamespace(step=0, done=0.0) for run in seconds}
        self.stopped: dict = {}

    def restart(self) -> None:
        self.watch.restart(self.at)

    def through(self) -> None:
        self.restart()
        while self.at:
            for run in [*self.at]:
                self.now += self.seconds[run]
                self.at[run].step += 1
                self.at[run].done = self.at[run].step / self.steps[run]
                try:
                    self.watch(run, State(0, self.at[run].step, "train", None, {}, {}))
                except OutOfTime as late:
                    self.stopped[run] = late
                if run in self.stopped or self.at[run].step == self.steps[run]:
                    del self.at[run]
                    self.restart()


def some(count: int) -> list:
    """Runs of several lengths."""
    runs = (entry.run for entry in matrix("paper", Path(os.devnull)))
    by_length = {queue.images(run): run for run in runs if run.data in ("faces64", "cifar10", "mnist")}
    return list(by_length.values())[:count]


def test_runs_side_by_side_that_would_all_end_are_not_stopped(monkeypatch):
    """Each looks too slow beside the others, which end before it and leave it their turns."""
    runs = some(3)
    judge = Pace("cuda", 3)
    seconds = {run: judge.training(run) * run.budget.batch_size / queue.images(run) for run in runs}
    whole = sum(map(judge.stated, runs))
    clock = Clock(monkeypatch, whole + 1, seconds)
    clock.through()
    assert not clock.stopped and clock.now == pytest.approx(sum(map(judge.training, runs)), rel=0.02)
    late = Clock(monkeypatch, 0.6 * whole, {run: 1.5 * each for run, each in seconds.items()})
    late.through()
    longest = max(runs, key=judge.training)
    assert longest in late.stopped and late.now < 0.6 * whole, "what has the most before it goes, the others end"
    assert len(late.stopped) < len(runs)
    error = late.stopped[longest]
    assert "s more, and" in str(error)
    assert error.seconds == pytest.approx(1.5 * judge.training(longest) + judge.evaluation(longest), rel=0.05)


def test_a_run_is_stopped_by_the_clock_and_leaves_time_for_its_evaluation(monkeypatch):
    (run,) = some(1)
    each = Pace("cuda").training(run) * run.budget.batch_size / queue.images(run)
    for deadline in (3.0, 0.95 * Pace("cuda").training(run) / pace.PATIENCE):
        clock = Clock(monkeypatch, deadline, {run: each})
        clock.through()
        assert run in clock.stopped and clock.now < max(deadline + 0.1, pace.SETTLED + 0.1)


def test_what_is_stated_of_a_system_is_what_it_computes():
    """To a factor of two, by torch's own counter of a step on the device "meta"."""
    asked = (
        ("bredell/table5", "cifar10", "wiener"),
        ("bredell/table2", "faces64", "l2"),
        ("dalal/table1", "mnist-binary", "l1"),
        ("rae/table2", "cifar10", "rae-l2"),
        ("rae/table2", "mnist", "rae-gp"),
        ("rae/figure2", "mnist", "k-4"),
        ("sharpness/vae_gan", "mnist", "vae-gan"),
        ("tempered/images", "cifar10", "dcgan-learned"),
        ("enhancenet/table3", "sr-train", "e"),
        ("enhancenet/table3", "sr-train", "ea"),
        ("frvsr/davis", "davis", "frvsr"),
        ("frvsr/davis", "davis", "sisr"),
    )
    for experiment, data, method in asked:
        runs = experiments.get(experiment).runs("paper", data, (0,))
        run = next(run for run in runs if run.method == method)
        stated = pace.FLOP[run.system.name] * run.system.cost(run.shape)
        assert 0.5 < stated / counted(run) < 2, run.whole_name
    assert pace.FLOP.keys() == SYSTEMS.keys()


def counted(run) -> float:
    """FLOP of a training image."""
    with torch.device("meta"):
        players = run.system.players(run.shape)
    case, found = (run.system, Pictures("black", np.zeros((2, *run.shape), np.uint8))), 0.0
    moves = run.system.moves(run.system.phase(run.budget.epochs - 1))
    for move in moves:
        at = scene(case, move, device="meta")
        with FlopCounterMode(display=False) as counter:
            for player, loss in move.play(players, at).losses.items():
                torch.autograd.backward(loss, inputs=[*getattr(players, player).parameters()], retain_graph=True)
        found += move.times * counter.get_total_flops()
    return found / 2 / sum(move.times for move in moves if move.fresh)


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
    order = begun.begin(SMOKE, Pace("cpu"), frozenset())
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
    for expected in (["l2", "ce", "wiener"], ["ce", "wiener", "l2"]):
        order = begun.begin(SMOKE, Pace("cpu"), frozenset())
        assert [run.method for comparison in order for run in comparison.runs] == expected
        begun.log.append(entry)


@pytest.mark.parametrize(("change", "slower"), [({}, True), ({"width": 8}, False), ({"graphs": True}, False)])
@pytest.mark.parametrize("state", ["recorded", "stopped"])
def test_the_log_of_earlier_slots_judges_too(begun, state, change, slower):
    """Of runs that were made as those to come will be; of one that was stopped by what all of it would have taken."""
    entry = {"run": L2.whole_name, "state": state, "device": begun.head["device"], "width": 1, "graphs": False}
    begun.log.append(entry | {"seconds": 1e6} | ({"seconds": 9.0, "whole": 1e6} if state == "stopped" else {}) | change)
    judge = Pace("cpu")
    begun.begin(SMOKE, judge, frozenset())
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

    def lost(*_):
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


@pytest.fixture
def interruptible():
    """In the background a shell has a program pass over Ctrl-C, and `nohup` over the end of the terminal."""
    usual = {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, usual.get(number, signal.SIG_DFL)) for number in command.ENDINGS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", command.ENDINGS)
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
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as raised:
        command.main(given)
    assert raised.value.code == 130 and signal.getsignal(number) == before
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
    go(begun, [L2, CE])
    assert begun.unsaved == {"the log", L2.whole_name, CE.whole_name}, "what a stranger must bring home by hand"
    assert any("could not be written" in said for said in begun.said)
    monkeypatch.setattr(archive.Archive, "write", real)
    begun.save()
    assert not begun.unsaved and states(tmp_path / "a.tar") == [(run.whole_name, "recorded") for run in (L2, CE)]


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
    for budget in ("0", "0.5s"):
        with pytest.raises(SystemExit, match="is no time: give --budget 9m"):
            command.main(["--budget", budget])
    for wrong in (["--width", "0"], ["--width", "-3"], ["--width", "100000"], ["--only"]):
        with pytest.raises(SystemExit) as refused:
            command.main(["--dry-run", *wrong])
        assert refused.value.code == 2


def test_what_is_recorded_at_home_can_be_named(tmp_path):
    """But not what lacks weights there: the other machine may have them."""
    execute(L2, out=tmp_path / "home", device="cpu", images=False)
    rows = json.loads(render(matrix("smoke", tmp_path / "home", ("table5",)), as_json=True))
    assert [row["state"] for row in rows if row["method"] == "l2" and row["data"] == "natural"] != ["not run"]
    file = tmp_path / "recorded.json"

    def left(state: str) -> set[str]:
        for row in rows:
            row["state"] = state if (row["method"], row["data"]) == ("l2", "natural") else "not run"
        file.write_text(json.dumps(rows))
        named, _ = lacking.missing("smoke", ["table5", "natural"], file)
        return {run.method for run in named}

    every = {run.method for run in lacking.missing("smoke", ["table5", "natural"])[0]}
    assert every - left("recorded") == every - left("diverged") == {"l2"}
    assert left("needs weights") == every
    with pytest.raises(ValueError, match="lists no run of tier paper: print it with"):
        lacking.missing("paper", ["table5"], file)


def test_a_damaged_pack_is_passed_over(begun, tmp_path, monkeypatch):
    """Its card still has the checksum that a record would state."""
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32)).astype(np.uint8)
    said = {"name": "cifar10", "source": "made up", "licence": "none"}
    write_pack(tmp_path / "cifar10", images, split={"train": (0, 30), "test": (30, 40)}, **said)
    monkeypatch.setenv("BLURVAE_DATA", str(tmp_path))
    runs = [run for run in experiments.get("table5").runs("lesson", "cifar10", (0,)) if run.method == "l2"]
    for spoilt in (False, True):
        if spoilt:
            data = bytearray((tmp_path / "cifar10" / "images.npy").read_bytes())
            data[-1] ^= 1
            (tmp_path / "cifar10" / "images.npy").write_bytes(data)
        for known in (lacking.absent, lacking.damaged):
            known.cache_clear()
        assert lacking.here([*SMOKE, *runs], begun.pass_over) == [*SMOKE, *([] if spoilt else runs)]
    assert [(entry["data"], entry["state"]) for entry in begun.log] == [("cifar10", "passed over")]
    assert "does not have the checksum" in begun.said[-1]


def test_what_came_of_a_slot_is_its_last_sentence(given, tmp_path, monkeypatch, capsys):
    raising(monkeypatch, {"l2": [ValueError("no more")] * 2})
    with pytest.raises(SystemExit) as ended:
        command.main(given)
    assert ended.value.code == 1 and "0 recorded, 1 failed." in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.undo()
    monkeypatch.setenv("BLURVAE_COMMIT", COMMIT)
    monkeypatch.setattr(command, "_checked", lambda _: {"graphs": [], "side by side": False})
    command.main(given)
    assert capsys.readouterr().err.splitlines()[-1] == f"1 recorded, 0 failed. {tmp_path / 'a.tar'} is whole."
    monkeypatch.setattr(command, "_checked", None)  # nothing is tested for nothing
    command.main(given)
    assert "nothing is missing" in capsys.readouterr().err


def test_the_plan_needs_torch_and_little_else():
    """What else there is, the machine may lack."""
    absent = "typer pandas matplotlib seaborn torchvision lpips torchmetrics scipy sklearn skimage PIL av pytest"
    code = f"""import sys
sys.modules.update(dict.fromkeys("{absent}".split()))
from blurvae.experiments.gpu_slot.__main__ import main
main(["--dry-run", "--only", "table5"])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "slot 1" in done.stdout, done.stderr


def test_a_full_archive_ends_the_slot(begun, monkeypatch):
    def full(files):
        raise archive.ArchiveFull("it has 8 full parts")

    monkeypatch.setattr(begun.archive, "add", full)
    assert go(begun, SMOKE) == [("l2", "recorded")]
    assert begun.unsaved == {L2.whole_name} and sum("not started" in said for said in begun.said) == 2


# The checks ----------------------------------------------------------------------------------------------------------


def test_tests_that_were_ended_are_made_again_where_there_is_more_time(begun, monkeypatch):
    limits = []

    def tests(device, limit):
        limits.append(limit)
        return f"{checks.ENDED} {limit} s" if limit < 30 else "all passed"

    monkeypatch.setattr(checks, "gpu_tests", tests)
    monkeypatch.setattr(checks, "bench", lambda *_: "measured")
    for left in (-5.0, 40.0, 39.0, 400.0, 500.0):
        begun.deadline = time.monotonic() + left
        command._checked(begun)
    assert limits == [1.0, pytest.approx(10, abs=0.1), 60.0]


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
    vaes = "test_captured_vaes_are_the_vaes"
    first = said(f"{vaes}[vae: wiener, live, bf16]", "PASSED") + said(f"{vaes}[vae: l2, bf16]", "PASSED")
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
absent = ("typer", "pandas", "matplotlib", "seaborn", "torchvision", "lpips", "torchmetrics", "scipy", "sklearn", "av")
sys.modules.update(dict.fromkeys(absent))
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
