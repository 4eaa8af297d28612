"""The training core on a GPU: nothing waits for the device in a step, and graphs are the moves that they were made of.

`pytest -m gpu tests/test_train_gpu.py`. Nothing here runs where there is none; what of it can be shown on a CPU is in
`test_train_tape` and `test_systems_repeat`, and `test_train_rehearsal` runs these tests with tapes. The first decide
where a slot captures (`gpu_slot.checks`): the names of their cases begin with the system or the term, and what most
runs need comes first, since a slot may end them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toys import CASES, DIVERGING, READING, with_term
from toys.running import BUDGET, Case, copied, different, run, started

from blurvae import losses
from blurvae.errors import Diverged
from blurvae.machine import repeatable
from blurvae.train import Training, graphs, stage
from blurvae.train.optimisers import Adam, step
from blurvae.train.schedules import Constant
from blurvae.train.side_by_side import in_turn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GPU = torch.device("cuda")
VAES = ("l2", "wiener, detached", "wiener, live", "wiener-proper, elbo", "spectral")
OTHERS = (
    "gan with a lens, by rmsprop",
    "lsgan with a lens",
    "wgan-gp with a lens",
    "small vae, cyclical, a late term",
    "rae-gp",
    "rae-sn",
    "vae-gan",
    "tempered vae, wiener",
    "enet-pat",
    "frvsr, of three frames",
)
FIRST = ("l2", "ffl", "ce", "wiener", "wiener-proper")  # terms, in the order of the runs
UNORDERED = ("frvsr, of three frames",)  # torch has no algorithm for the gradient of a warp that repeats its bits


@pytest.fixture(autouse=True)
def deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same bits each time, where torch can give them, and graphs for trainings as short as these."""
    monkeypatch.setattr(graphs, "LEAST", 1)
    with repeatable(True, GPU):
        torch.use_deterministic_algorithms(True, warn_only=True)
        yield


def trained(case: Case, precision: str = "float32", epochs: int = 6, **how: Any) -> Training[Any]:
    training = started(case, replace(BUDGET, epochs=epochs, precision=precision), device="cuda", **how)
    with training.on_its_stream():
        return run(training)


def assert_captured(case: Case, precision: str, epochs: int, exactly: bool = True) -> None:
    """Weights, moments, the generator's state and the history are those of the same training in Python."""
    eager, captured = trained(case, precision, epochs), trained(case, precision, epochs, graphs=True)
    assert captured.in_python == "" and captured.replays
    if exactly:
        assert not different(copied(eager), copied(captured))
        assert captured.progress.history == eager.progress.history
        return
    assert torch.equal(eager.stage.generator.get_state(), captured.stage.generator.get_state())
    for one, other in zip(eager.progress.history, captured.progress.history, strict=True):
        assert one.pop("phase") == other.pop("phase")
        assert other == pytest.approx(one, rel=1e-3)


def captured(names: Iterable[str]) -> Any:
    """Cases in both precisions, that of runs first; their names begin with the system."""
    pairs = [(name, precision) for precision in ("bf16", "float32") for name in names]
    cases = [pytest.param(*pair, id=f"{CASES[pair[0]][0].name}: {', '.join(pair)}") for pair in pairs]
    return pytest.mark.parametrize(("name", "precision"), cases)


@captured(VAES)
def test_captured_vaes_are_the_vaes(name: str, precision: str) -> None:
    """Across phases."""
    assert_captured(CASES[name], precision, epochs=6)


@pytest.mark.parametrize("name", dict.fromkeys((*FIRST, *losses.TERMS)))
def test_captured_terms_are_the_terms(name: str) -> None:
    system, images = with_term(name)
    if missing := losses.get(name).needs(images.images.shape[1:]):
        pytest.skip(missing)
    assert_captured((system, images), "float32", epochs=3)


def test_trainings_side_by_side_are_each_alone() -> None:
    """And as they would be if none of them diverged."""
    names = ("wiener, live", "l2", "vae-gan", "wgan-gp with a lens")
    budget = replace(BUDGET, epochs=6, precision="float32")
    cases = [*(CASES[name] for name in names), DIVERGING]
    starts = [partial(started, case, budget, device="cuda", graphs=True) for case in cases]
    ended = {number: (training, error) for number, training, error in in_turn(starts, len(cases))}
    assert isinstance(ended[len(names)][1], Diverged)
    for i, name in enumerate(names):
        training, error = ended[i]
        assert error is None and training is not None
        assert not different(copied(trained(CASES[name], graphs=True)), copied(training))


@captured(OTHERS)
def test_captured_moves_are_the_moves(name: str, precision: str) -> None:
    """Across phases, and with rules that act."""
    assert_captured(CASES[name], precision, epochs=4, exactly=name not in UNORDERED)


def test_a_capture_that_breaks_off_costs_no_other() -> None:
    """That training goes on as if nothing had been, with its random numbers; so do graphs of before, and of after."""
    eager, budget = trained(READING), replace(BUDGET, epochs=6, precision="float32")
    other = started(CASES["wiener, live"], budget, device="cuda", graphs=True)
    with other.on_its_stream():
        steps = iter(other)
        while not other.replays:
            next(steps)
    with pytest.warns(UserWarning, match="Goes on without CUDA graphs"):
        broken = trained(READING, graphs=True)
    assert "could not be captured" in broken.in_python
    assert not different(copied(eager), copied(broken))
    with other.on_its_stream():
        for _ in steps:
            pass
    assert not different(copied(trained(CASES["wiener, live"])), copied(other))
    assert_captured(CASES["l2"], "float32", epochs=6)
    torch.cuda.empty_cache()


@pytest.mark.parametrize("name", CASES)
def test_a_step_never_waits_for_the_device(name: str) -> None:
    training = started(CASES[name], device="cuda")
    with training.on_its_stream():
        steps, play = iter(training), training.stage.play
        next(steps)  # kernels are chosen, constants made

        def strict(*arguments: Any) -> None:
            torch.cuda.set_sync_debug_mode("error")
            try:
                play(*arguments)
            finally:
                torch.cuda.set_sync_debug_mode("default")

        training.stage.play = strict  # type: ignore[method-assign]
        next(steps)


def test_stopped_and_resumed_with_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blurvae.train import loop

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(stage, "WINDOW", 2)
    whole = trained(CASES["wiener, live"], graphs=True)
    budget = replace(BUDGET, epochs=6, precision="float32")
    first = started(CASES["wiener, live"], budget, device="cuda", graphs=True, checkpoint=tmp_path)
    with first.on_its_stream():
        run(first, whole.progress.step // 2 + 1)
    again = trained(CASES["wiener, live"], graphs=True, checkpoint=tmp_path, resume=True)
    assert not different(copied(whole), copied(again))
    assert again.progress.history == whole.progress.history


def test_random_numbers_are_the_same_replayed() -> None:
    eager, captured = (trained(CASES["l2"], graphs=graphs_on) for graphs_on in (False, True))
    assert torch.equal(eager.stage.generator.get_state(), captured.stage.generator.get_state())


def test_a_fused_step_takes_its_rate_from_a_tensor_and_can_be_withheld() -> None:
    weight = nn.Parameter(torch.ones(3, device=GPU))
    rate = torch.full((), 0.1, device=GPU)
    optimiser = Adam(Constant(0.1)).make([weight], rate)
    moved = []
    for lr, allowed in ((0.1, None), (0.2, True), (0.2, False), (0.0, True)):
        rate.fill_(lr)
        weight.grad = torch.ones_like(weight)
        before = weight.detach().clone()
        step(optimiser, None if allowed is None else torch.tensor(allowed, device=GPU))
        moved.append((weight.detach() - before).abs().max().item())
    assert moved[0] == pytest.approx(0.1, rel=1e-3) and moved[1] == pytest.approx(0.2, rel=1e-3)
    assert moved[2] == moved[3] == 0.0


def test_replays_take_no_memory() -> None:
    training = started(CASES["wiener, live"], replace(BUDGET, epochs=40), device="cuda", graphs=True)
    taken = []
    gc.collect()  # what other tests have left would be taken for what a replay gives back
    with training.on_its_stream():
        for _ in training:
            if training.replays and training.progress.epoch > 20:
                taken.append(torch.cuda.memory_allocated())
    assert taken and max(taken) - min(taken) <= 1 << 20


def test_a_graph_survives_the_caches_of_constants() -> None:
    """It holds what it read: a cache that is emptied takes nothing from under it."""
    from blurvae.losses import watson

    case = with_term("watson")
    whole = trained(case, graphs=True)
    training = started(case, replace(BUDGET, epochs=6), device="cuda", graphs=True)
    with training.on_its_stream():
        for _ in training:
            if training.replays:
                watson._constants.cache_clear()
                torch.full((64, 64), torch.nan, device=GPU)  # takes the place of what is freed
    assert training.replays and not different(copied(whole), copied(training))


def test_a_run_is_evaluated_on_the_gpu() -> None:
    pytest.importorskip("skimage", reason="its photographs are what the run is on")
    from blurvae import experiments
    from blurvae.record import execute

    run_of = next(r for r in experiments.get("table5").runs("smoke", "natural", (0,)) if r.method == "wiener")
    found = execute(run_of, device="cuda")
    assert found.outcome in ("finished", "collapsed")
    assert {"PSNR", "SSIM", "KL", "−ELBO", "kernel width"} <= found.record["metrics"].keys()
    assert all(array.dtype.kind in "fiu" for array in found.pictures.values())
