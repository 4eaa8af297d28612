"""The tests of `test_train_gpu` on a CPU: a tape stands in for a graph, and refuses what a capture refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import test_train_gpu as gpu
import torch
from test_train_gpu import (  # noqa: F401  (collected here, without the mark of their module)
    test_a_capture_that_breaks_off_costs_no_other,
    test_a_fused_step_takes_its_rate_from_a_tensor_and_can_be_withheld,
    test_a_graph_survives_the_caches_of_constants,
    test_captured_moves_are_the_moves,
    test_captured_terms_are_the_terms,
    test_captured_vaes_are_the_vaes,
    test_random_numbers_are_the_same_replayed,
    test_stopped_and_resumed_with_graphs,
    test_trainings_side_by_side_are_each_alone,
)
from torch.utils._python_dispatch import TorchDispatchMode
from toys.running import Case, kept, started

from blurvae.train import Training
from blurvae.train.graphs import CudaGraphs
from blurvae.train.recorders import Tape


class Unreadable(TorchDispatchMode):
    """Raises where a number is read off the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "_local_scalar_dense" in str(func):
            raise RuntimeError("operation not permitted when stream is capturing")
        return func(*args, **(kwargs or {}))


class Rehearsed(CudaGraphs):
    """A tape; where it breaks off, nothing has been computed."""

    def __init__(self, training: Training[Any]) -> None:
        self.training = training

    def __call__(self, do: Callable[[], None]) -> Callable[[], None]:
        stage = self.training.stage
        tensors = [*kept(self.training).values(), stage.cursor, stage.now]
        before, state = [tensor.detach().clone() for tensor in tensors], stage.generator.get_state()
        try:
            with Unreadable():
                return Tape()(do)
        except RuntimeError:
            for tensor, value in zip(tensors, before):
                tensor.detach().copy_(value)
            stage.generator.set_state(state)
            raise


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(case: Case, budget: Any, *, device: str, graphs: bool = False, **how: Any) -> Training[Any]:
        assert device == "cuda"
        training = started(case, budget, device="cpu", **how)
        if graphs:
            training.recorder, training.in_python = Rehearsed(training), ""
        return training

    monkeypatch.setattr(gpu, "started", begun)
    monkeypatch.setattr(gpu, "GPU", torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
