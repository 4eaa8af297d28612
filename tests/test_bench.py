"""The benchmark: it runs from end to end, counts rightly, and says what was missed, absent or broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from blurvae import bench
from blurvae.bench import clock, counts, parts, plain, processes, report
from blurvae.bench.clock import NotRun, Timing
from blurvae.bench.loops import Job
from blurvae.bench.parts import functions, steps, together
from blurvae.bench.parts.plan import installed, plan
from blurvae.bench.processes import Launcher
from blurvae.bench.targets import targets
from blurvae.cli import app
from blurvae.train import Scene

PAPER = Job()


@pytest.fixture(scope="module", autouse=True)
def one_core():
    """Threads that wait for one another on a busy machine would take minutes over tiny networks."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def launched(one_core):
    """Calls a function in one process, from which sides can be forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MALLOC_ARENA_MAX", "1")
        patch.setenv("OMP_NUM_THREADS", "7")
        with Launcher(parts.__name__) as call:
            yield call


@pytest.fixture
def at_once(monkeypatch, launched):
    """Lets the benchmark use that process instead of one of its own."""
    monkeypatch.setattr(bench, "Launcher", lambda module: nullcontext(launched))


@pytest.fixture(scope="module")
def record(one_core, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    found = bench.run("cpu", quick=True, out=folder)
    assert json.loads((folder / "cpu.json").read_text()) == json.loads(json.dumps(found))
    assert [file.name for file in folder.iterdir()] == ["cpu.json"]
    return found


def test_every_part_has_figures_or_a_reason(record):
    assert set(record["parts"]) == set(bench.PARTS)
    reasons = {name: part["not_run"] for name, part in record["parts"].items() if "not_run" in part}
    assert set(reasons) == {"modes", "side by side", "html"}  # no GPU; too long for a quick run
    assert record["machine"]["cores"] == clock.cores() and len(record["load"]["end"]) == 3
    for precision in {"float32", record["precision"]}:
        for rates in record["ceilings"][precision].values():
            assert 0 < rates["median"] <= rates["best"]


def test_sides_are_measured_round_by_round(record):
    (sides,) = record["parts"]["step"]["batches"].values()
    for name in ("ours", "eager", "pythae") if installed("pythae") else ("ours", "eager"):
        row = sides[name]
        assert len(row["seconds"]) == 2 and min(row["seconds"]) > 0 and row["memory"] > 0
        speed = row["images_per_second"]
        assert speed["min"] <= speed["median"] <= speed["max"]
        assert row["share_of_allowed"] == pytest.approx(speed["median"] / row["allowed_images_per_second"], rel=0.5)
    eager = sides["eager"]
    rounds = [a / b for a, b in zip(eager["seconds"], sides["ours"]["seconds"])]
    assert eager["ours_is_faster_by"]["min"] == pytest.approx(min(rounds))
    assert set(record["parts"]["wiener"]["16"]) == {"batch", "l2", "wiener 3", "wiener 5"}


def test_the_two_log_determinants_agree(record):
    part = record["parts"]["log-determinant"]
    assert part["difference"] < 1e-5
    for name in ("fft", "fft with gradient", "fft, 64 kernels", "fft with gradient, 64 kernels", "dense"):
        assert all(0 < row["min"] <= row["median"] <= row["max"] for row in part[name]["seconds"].values())


def test_a_profile_accounts_for_the_whole_step(record):
    for name in ("ours", "eager"):
        row = record["parts"]["profile"][name]
        assert sum(row["groups"].values()) >= row["seconds_a_step"] * 0.999
        assert any("conv" in operator["name"] for operator in row["operators"])


def test_the_text_names_every_part_and_target(record):
    text = report.render(record)
    assert "QUICK" in text
    for title in report.TITLES.values():
        assert title in text
    for row in record["targets"]:
        assert row["name"] in text


def test_the_command_prints_one_part_as_json(at_once):
    result = CliRunner().invoke(app, ["bench", "--quick", "--device", "cpu", "--only", "ffl", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["parts"]) == ["ffl"] and found["quick"]
    assert CliRunner().invoke(app, ["bench", "--only", "speed"]).exit_code == 2
    assert CliRunner().invoke(app, ["bench", "--out", "/proc/none/x.json"]).exit_code == 6


def test_it_needs_nothing_but_the_core():
    bare = (
        "import sys\n"
        "for name in ('typer', 'pandas', 'matplotlib', 'scipy', 'pythae', 'lightning'): sys.modules[name] = None\n"
        "from blurvae.bench import __main__"
    )
    subprocess.run([sys.executable, "-c", bare], check=True)


# Targets ------------------------------------------------------------------------------------------------------------


def figures(device="cpu", **step):
    """A record with made-up numbers."""
    batches = {
        "64": {
            "ours": {"images_per_second": {"median": 41_000.0}},
            "eager": {"ours_is_faster_by": {"median": step.get("eager", 2.0)}},
            "pythae": step.get("pythae", {"ours_is_faster_by": {"median": 1.6}}),
        },
        "128": {
            "ours": {"images_per_second": {"median": 30_000.0}},
            "eager": {"ours_is_faster_by": {"median": 9.0}},
            "pythae": {"not_run": "pythae is not installed"},
        },
    }
    wiener = {
        "64": {"batch": 64, "l2": {}, "wiener 11": {"times_l2": {"median": 1.05}}},
        "256": {"batch": 4, "l2": {}, "wiener 11": {"times_l2": {"median": 1.2}}},
    }
    return {
        "device": device,
        "parts": {
            "step": {"batches": batches},
            "wiener": wiener,
            "epoch": {"batches": {"64": {"hundred_epochs": 500.0}, "256": {"hundred_epochs": 400.0}}},
            "modes": {
                "512": {
                    "default": {"images_per_second": {"median": 9.0}},
                    "graphs": {"images_per_second": {"median": 61_000.0}},
                }
            },
            "evaluation": {"images": 10_000, "first": 30.0, "seconds": 5.5},
            "log-determinant": {"not_run": "RuntimeError: no"},
        },
    }


def test_targets_take_the_worst_figure_and_say_where():
    rows = {row["name"].split(" (")[0]: row for row in targets(figures())}
    plain_loop, pythae = rows["training step: plain loop / ours"], rows["training step: pythae / ours"]
    assert (plain_loop["value"], plain_loop["at"], plain_loop["met"]) == (2.0, "64", True)
    assert (pythae["value"], pythae["met"]) == (1.6, True)
    wiener = rows["training step: Wiener / L2"]
    assert (wiener["value"], wiener["at"], wiener["met"]) == (1.2, "256, wiener 11", False)
    determinant, imports = rows["log-determinant: growth exponent in the pixels"], rows["import: blurvae / torch"]
    assert determinant["met"] is None and determinant["reason"] == "RuntimeError: no"
    assert imports["met"] is None and imports["reason"] == "not measured in this run"
    assert len(rows) == 5


def test_a_gpu_has_targets_of_its_own():
    rows = {row["name"].split(" (")[0]: row for row in targets(figures("cuda"))}
    assert rows["images/s of Wiener training at 64 px"]["value"] == 41_000
    assert rows["images/s of Wiener training at 64 px"]["at"] == "64"
    assert rows["seconds of 100 epochs at CelebA's size"]["value"] == 400
    assert rows["seconds of 100 epochs at CelebA's size"]["met"]
    large = rows["images/s of Wiener training at 64 px, batch 512"]
    assert (large["value"], large["at"], large["met"]) == (61_000, "graphs", True), "the best of the modes"
    assert not rows["seconds of evaluating 10,000 images at 32 px"]["met"]
    assert not rows["training step: plain loop / ours"]["met"]


def test_a_missed_target_is_said_so(record):
    slow = record | {"targets": targets(figures(eager=1.7))}
    text = report.render(slow)
    (line,) = [line for line in text.splitlines() if line.startswith("  training step: plain loop")]
    assert "MISSED at 64" in line and "1.7" in line and "≥ 1.8" in line
    assert "not run (RuntimeError: no)" in text


# Counting -----------------------------------------------------------------------------------------------------------


def multiplications(job):
    """Of one image forwards, by hand, from the paper's description of architecture A; and those of the first layer."""
    widths, side = job.widths, job.size
    encoder, inputs = [], 3
    for width in widths:
        side //= 2
        encoder.append(side * side * 9 * inputs * width)
        inputs = width
    flat = side * side * widths[-1]
    linear = flat * job.hidden + job.hidden * 2 * job.latent + job.latent * job.hidden + job.hidden * flat
    decoder, inputs = [], widths[-1]
    for width in widths[::-1]:
        decoder.append(side * side * 16 * inputs * width)  # each input pixel meets each of the 4×4 taps
        side, inputs = 2 * side, width
    out = side * side * 9 * widths[0] * 3
    return sum(encoder) + linear + sum(decoder) + out, encoder[0]


@pytest.mark.parametrize("job", [PAPER, replace(PAPER, size=256, widths=(64, 128, 256, 512, 512, 512))])
def test_counted_operations_agree_with_a_count_by_hand(job):
    forwards, first = multiplications(job)
    vae = 2 * (3 * forwards - first)  # forwards, both gradients; the first layer's input needs none
    assert counts.flop(replace(job, term="l2")) == vae
    kernel = [job.latent * job.hidden, job.hidden * job.kernel**2]
    # Without gradient in the term; in its own step with the gradient of both layers' weights and the second's input.
    assert counts.flop(job) == vae + 2 * (sum(kernel) + 2 * sum(kernel) + kernel[1])


def test_counted_bytes_follow_the_model():
    job = Job(batch=1, size=4, widths=(5,), latent=2, hidden=7, kernel=3, term="l2")
    activations = 2 * (3 * 16 + 5 * 4) + 8 * 5 * 4  # first convolution, batch norm
    activations += 3 * ((20 + 7) + (7 + 4)) + 3 * ((2 + 7) + (7 + 20))  # perceptrons
    activations += 3 * (20 + 5 * 16) + 8 * 5 * 16 + 3 * (5 * 16 + 3 * 16)  # decoder
    weights = sum(p.numel() for p in job.players().vae.parameters())
    for precision, size in (("float32", 4), ("bf16", 2)):
        expected = activations * size + 12 * 4 * 48 + 10 * 4 * weights
        assert counts.traffic(job, precision) == expected


def test_a_power_law_is_recovered():
    sizes = [64.0**2, 128.0**2, 256.0**2]
    assert counts.growth_exponent(sizes, [3e-9 * n**1.07 for n in sizes]) == pytest.approx(1.07)
    with pytest.raises(ValueError, match="at least two sizes"):
        counts.growth_exponent([1.0], [1.0])


def test_ceilings_bound_a_step_from_below():
    ceilings = {"matrix_product": {"best": 2e12}, "memory_copy": {"best": 1e11}}
    assert counts.allowed(2e9, 1e8, ceilings) == pytest.approx(1 / (1e-3 + 1e-3))


# Sides --------------------------------------------------------------------------------------------------------------


def test_the_plain_loop_minimises_the_same_losses():
    job = Job(size=16, widths=(4, 8), latent=8, hidden=16, kernel=3)
    players = job.players()
    x = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.manual_seed(1)
    objective, kernel_loss = plain.losses(players, x)
    noise = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    system = job.system()
    ours = system.play(players, Scene(x, {"n": noise}, {}, nullcontext), system.term).losses
    assert ours.keys() == {"vae", "kernel_net"}
    for name, loss in (("vae", objective), ("kernel_net", kernel_loss)):
        torch.testing.assert_close(loss, ours[name])
        weights = [*getattr(players, name).parameters()]
        for a, b in zip(*(torch.autograd.grad(one, weights, retain_graph=True) for one in (loss, ours[name]))):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def sleeps(clock, seconds):
    while True:
        time.sleep(seconds)
        clock.tick()


def breaks(clock, after):
    for _ in range(after):
        time.sleep(0.001)
        clock.tick()
    raise RuntimeError("broken on purpose")


def dies(clock):
    os._exit(3)


def test_a_slower_side_is_measured_as_slower_and_a_broken_one_stops_no_other(launched):
    sides = {
        "fast": (sleeps, (0.005,)),
        "slow": (sleeps, (0.015,)),
        "early": (breaks, (1,)),
        "late": (breaks, (3,)),
        "dead": (dies, ()),
    }
    found = launched(processes.interleave, sides, Timing(2, 3, 0.03, 2), "cpu")
    assert 1.8 < clock.ratio(found["slow"], found["fast"])["median"] < 3.5
    assert len(found["fast"].seconds) == 3 and found["fast"].steps >= 2
    assert str(found["early"]) == str(found["late"]) == "RuntimeError: broken on purpose"
    assert str(found["dead"]) == "its process ended with code 3"
    assert clock.plain(found["dead"]) == {"not_run": "its process ended with code 3"}


def variables():
    return {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "MALLOC_"))}


def test_what_tunes_threads_and_memory_reaches_no_side(launched):
    assert os.environ["MALLOC_ARENA_MAX"] == "1"
    assert launched(processes.alone, variables) == {}
    assert launched(processes.alone, torch.get_num_threads) == clock.cores()


def test_what_goes_wrong_in_a_process_is_said(launched):
    with pytest.raises(NotRun, match="ValueError: A growth exponent needs"):
        launched(processes.alone, counts.growth_exponent, [], [])
    with pytest.raises(NotRun, match="its process ended with code 3"):
        launched(processes.alone, dies, None)


def test_absent_packages_are_named(monkeypatch):
    for module in (steps, functions):
        monkeypatch.setattr(module, "installed", lambda module: False)
    monkeypatch.setattr(steps, "prepare", lambda: None)
    monkeypatch.setattr(steps, "interleave", lambda sides, *_: {name: NotRun("left out") for name in sides})
    work = plan("cpu", "float32", quick=True, compile=False)
    (sides,) = steps.step(work)["batches"].values()
    assert sides["pythae"] == {"not_run": "pythae is not installed: pip install -e '.[bench]'"}
    with pytest.raises(NotRun, match="focal-frequency-loss is not installed"):
        functions.ffl(work)


def fails(work):
    raise RuntimeError("no such thing")


def succeeds(work):
    return {"images": 1}


def test_a_part_that_fails_keeps_the_others(at_once, monkeypatch, tmp_path):
    monkeypatch.setitem(bench.PARTS, "ffl", fails)
    monkeypatch.setitem(bench.PARTS, "epoch", succeeds)
    monkeypatch.setattr(bench, "ceilings", fails)
    bench.run("cpu", ["ffl", "epoch"], quick=True, out=tmp_path / "here" / "a.json")
    found = json.loads((tmp_path / "here" / "a.json").read_text())
    assert found["parts"] == {"ffl": {"not_run": "RuntimeError: no such thing"}, "epoch": {"images": 1}}
    assert found["ceilings"] == {"not_run": "RuntimeError: no such thing"}


def test_trainings_side_by_side_are_timed_and_shown():
    job = Job(size=16, widths=(4, 8), latent=8, hidden=16, kernel=3, batch=4, images=32)
    rows = {str(width): together.together(job, width, 0.05) for width in (1, 2)}
    assert all(row["images_per_second"] > 0 and row["memory"] is None for row in rows.values())
    with pytest.raises(NotRun, match="there is no GPU here"):
        together.side_by_side(plan("cpu", "float32", True, False))
    (line,) = report._side_by_side({"32": {"graphs": {**rows, "4": {"not_run": "out of memory"}}}})
    assert re.fullmatch(r"32 px, graphs 1: [\d,]+, 2: [\d,]+, 4: not run \(out of memory\)", line)
