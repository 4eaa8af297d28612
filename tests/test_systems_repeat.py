"""However a training of the list is run, it is the same bit for bit, and nothing that a graph would read moves."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import Tensor
from toys import CASES
from toys.running import BUDGET, Case, copied, different, kept, made, run, started, trained

from blurvae import losses
from blurvae.train import Budget, Training, loop, stage
from blurvae.train.recorders import Tape


class Whole(NamedTuple):
    """A training from beginning to end: what it was of, and what came of it."""

    case: Case
    budget: Budget
    end: dict[str, Tensor]
    history: list[dict[str, Any]]
    steps: int


@pytest.fixture(scope="module", autouse=True)
def short_windows() -> Iterator[None]:
    """Measurements are read, and checkpoints written, every second step and at the end of an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "WINDOW", 2)
        patch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
        yield


RUNS = [(name, precision) for precision in ("float32", "bf16") for name in CASES]


@pytest.fixture(scope="module", params=RUNS, ids=", ".join)
def whole(request: pytest.FixtureRequest) -> Whole:
    name, precision = request.param
    budget = replace(BUDGET, precision=precision)
    training = trained(CASES[name], budget)
    return Whole(CASES[name], budget, copied(training), training.progress.history, training.progress.step)


def assert_same(whole: Whole, training: Training[Any]) -> None:
    assert not different(whole.end, copied(training))
    assert training.progress.history == whole.history


@pytest.mark.parametrize("taped", [False, True], ids=["", "taped"])
def test_stopped_and_resumed(whole: Whole, taped: bool, tmp_path: Path) -> None:
    """In the middle; and in float32, eager, at an early step, before the last one, and thrice."""
    n = whole.steps
    more = [] if taped or whole.budget.precision == "bf16" else [(2,), (n - 1,), (3, n // 2 + 1, n - 2)]
    for i, moments in enumerate([(n // 2,), *more]):
        how: dict[str, Any] = {"checkpoint": tmp_path / str(i), "resume": True, "recorder": Tape() if taped else None}
        for moment in moments:
            training = started(whole.case, whole.budget, **how)
            run(training, stop=moment - training.progress.step)
        training = started(whole.case, whole.budget, **how)
        assert 0 < training.progress.step < n
        assert_same(whole, run(training))


def test_put_down_and_taken_up(whole: Whole) -> None:
    """Between two readings of what was measured, too."""
    training = started(whole.case, whole.budget)
    for steps in (1, 2, 1):
        run(training, stop=steps)
    assert training.progress.step == 4
    assert_same(whole, run(training))


def test_taped(whole: Whole) -> None:
    """A tape replays the operations of a move without its Python, as a graph on a GPU does."""
    tape = Tape()
    training = trained(whole.case, whole.budget, recorder=tape)
    assert_same(whole, training)
    assert not tape.suspicious
    last = whole.case[0].phase(whole.budget.epochs - 1)
    assert {(last, move.name) for move in whole.case[0].moves(last)} <= training.replays.keys()


def test_streamed(whole: Whole) -> None:
    assert_same(whole, trained(whole.case, whole.budget, resident=False))


def test_in_turn_with_another(whole: Whole) -> None:
    """Step by step, with one of other networks, noise and order."""
    training = started(whole.case, whole.budget)
    other = started(whole.case, replace(whole.budget, seed=9), players=made(whole.case, seed=1))
    for _ in zip(training, other, strict=True):
        pass
    assert_same(whole, training)


def places(training: Training[Any]) -> dict[Any, int]:
    """The addresses of all that a step reads or writes and that outlives it."""
    core = training.stage
    logs = {(*key, i): log[i] for key, log in core.logs.items() for i in (0, 1)}
    fixed = {name: getattr(core, name) for name in ("now", "order", "table", "cursor")}
    return {key: tensor.data_ptr() for key, tensor in (kept(training) | logs | fixed).items()}


@pytest.mark.parametrize("name", CASES)
def test_nothing_that_outlives_a_step_moves(name: str, tmp_path: Path) -> None:
    """Nor where a training is resumed: its checkpoint is read into the places that the stage has already."""
    trained(CASES[name], stop=3, checkpoint=tmp_path)
    training = started(CASES[name], checkpoint=tmp_path, resume=True)
    rates = [optimiser.param_groups[0]["lr"] for optimiser in training.stage.optimisers.values()]
    assert [rate.data_ptr() for rate in rates] == [training.stage.now[i].data_ptr() for i in range(len(rates))]
    seen: dict[Any, int] = {}
    for _ in training:
        now = places(training)
        assert seen.items() <= now.items()
        seen = now


def test_after_the_last_step_no_history_of_operations_is_alive() -> None:
    """A loss that is kept would keep the activations behind it."""

    def alive() -> set[int]:
        gc.collect()
        return {id(o) for o in gc.get_objects() if issubclass(type(o), Tensor) and o.grad_fn is not None}

    before = alive()
    trainings = [trained(case) for case in CASES.values()]
    assert alive() <= before
    assert all(training.stage.turns and training.stage.scenes for training in trainings)


@pytest.mark.parametrize(
    "change",
    [{"term": losses.get("l1")}, {"term": losses.get("ffl")}, {"beta": 0.5}],
    ids=["a term of as many constants", "a term of others", "a constant"],
)
def test_a_checkpoint_of_another_system_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    system, samples = CASES["l2"]
    trained((system, samples), stop=6, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="belongs to another configuration"):
        started((replace(system, **change), samples), checkpoint=tmp_path, resume=True)  # type: ignore[type-var]


def test_a_watch_that_a_schedule_needs_is_asked_for_at_the_start() -> None:
    with pytest.raises(ValueError, match="goes by 'valid_loss', which nothing measures"):
        started(CASES["rae-gp"], watch=None)
