"""Several trainings in turn end as each does alone, and one that fails leaves the others as they are."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from toys import CASES, DIVERGING, IMAGES, LARGER
from toys.running import copied, different, started, trained

from blurvae.errors import Diverged
from blurvae.train import Training, feed
from blurvae.train.graphs import LEAST, CudaGraphs, why_not
from blurvae.train.side_by_side import in_turn

NAMES = ("wiener, live", "vae-gan", "wgan-gp with a lens", "frvsr", "rae-sn")


@pytest.mark.parametrize("width", [1, 2, 6])
def test_trainings_in_turn_end_as_each_does_alone(width: int) -> None:
    starts: list[Callable[[], Training[Any]]] = [partial(started, CASES[name]) for name in NAMES]
    starts.insert(2, partial(started, DIVERGING))
    ended = {number: (training, error) for number, training, error in in_turn(starts, width)}
    assert sorted(ended) == list(range(6))
    _, failure = ended.pop(2)
    assert isinstance(failure, Diverged)
    for name, (training, error) in zip(NAMES, (ended[number] for number in sorted(ended))):
        assert error is None and training is not None
        alone = trained(CASES[name])
        assert not different(copied(alone), copied(training))
        assert training.progress.history == alone.progress.history
        assert not any(net.training for net in training.stage.named.values())


def test_what_cannot_be_started_is_named_and_the_others_go_on() -> None:
    def absent() -> Training[Any]:
        raise BlockingIOError("another process is at it")

    ended = list(in_turn([absent, partial(started, CASES["ae"])], width=1))
    assert [(number, training is None) for number, training, _ in ended] == [(0, True), (1, False)]
    assert isinstance(ended[0][2], BlockingIOError)


def test_an_error_of_another_kind_is_not_swallowed() -> None:
    def wrong() -> Training[Any]:
        raise TypeError("a fault of the program")

    with pytest.raises(TypeError):
        list(in_turn([wrong], width=1))


def test_where_moves_are_captured() -> None:
    gpu = torch.device("cuda")
    assert why_not(gpu, 1, LEAST) == ""
    assert why_not(torch.device("cpu"), 1, LEAST) == "no GPU"
    assert why_not(gpu, 2, LEAST) == "2 processes"
    assert why_not(gpu, 1, LEAST - 1) == "fewer than 100 steps"
    assert started(CASES["ae"]).in_python == "not asked for"
    assert started(CASES["ae"], graphs=True).in_python == "no GPU"


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (RuntimeError("not permitted when capturing\nmore of it"), "not permitted when capturing"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_capture_that_fails_goes_on_in_python_and_says_so(cause: Exception, said: str) -> None:
    """What broke it off, not that it was broken off."""

    class Refusing(CudaGraphs):
        def __init__(self) -> None:
            pass

        def __call__(self, do: Callable[[], None]) -> Callable[[], None]:
            try:
                raise cause
            finally:
                raise RuntimeError("operation failed due to a previous error during capture")

    training = started(CASES["vae-gan"])
    training.recorder = Refusing()
    with pytest.warns(UserWarning, match=f"Goes on without CUDA graphs, since .* {said}"):
        for _ in training:
            pass
    assert training.in_python == f"'vae-gan' could not be captured: {said}"
    alone = trained(CASES["vae-gan"])
    assert not different(copied(alone), copied(training)) and training.progress.history == alone.progress.history


@pytest.mark.parametrize("fails", ["", "in Python", "on the device"])
def test_a_capture_that_breaks_off_is_ended(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """Torch up to 2.11 goes on with one that the device ends; and no collector runs meanwhile."""
    done: list[str] = []

    class Graph:
        def register_generator_state(self, generator: Any) -> None: ...

        def reset(self) -> None:
            done.append("reset")

        def replay(self) -> None:
            done.append("replayed")

    @contextmanager
    def capture(graph: Graph, pool: Any = None, stream: Any = None) -> Iterator[None]:
        assert not gc.isenabled()
        done.append(f"capture in {pool}")
        try:
            yield
        finally:
            if fails == "on the device" and pool:
                raise RuntimeError("previous error during capture")

    def end(device: int, pool: Any) -> None:
        if fails != "on the device":
            raise RuntimeError("not recording to the pool")
        done.append("ended")

    pools = iter("AB")
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(pools))
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", end, raising=False)
    monkeypatch.setattr(torch._C, "_cuda_releasePool", lambda *_: done.append("released"), raising=False)
    monkeypatch.setattr(CudaGraphs, "broken", [])

    def do() -> None:
        torch.zeros(2).add_(1)
        if fails:
            raise RuntimeError("operation not permitted when stream is capturing")

    recorder = CudaGraphs(torch.Generator(), cast(torch.cuda.Stream, SimpleNamespace(device_index=0)))
    with pytest.raises(RuntimeError) if fails else nullcontext() as raised:
        recorder(do)
    assert gc.isenabled()
    after = {"": ["replayed"], "in Python": ["reset"], "on the device": ["ended", "released"]}[fails]
    assert done == ["capture in A", *after, *(["capture in None"] if fails else [])]
    assert len(CudaGraphs.broken) == (fails == "on the device") and recorder.pool == ("B" if fails else "A")
    if raised is not None:
        assert "not permitted" in str(raised.value.__context__ or raised.value)


def test_trainings_of_one_data_set_share_what_lies_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class Device:
        """As a GPU, whose memory is the CPU's here."""

        type = "cuda"

        def __str__(self) -> str:
            return "cuda:0"

    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(synchronize=lambda: None))
    gpu: Any = Device()
    one, two, other = feed._all(IMAGES, gpu), feed._all(IMAGES, gpu), feed._all(LARGER, gpu)
    assert one is two
    assert IMAGES.checksum == LARGER.checksum and other.shape == LARGER.images.shape, "of one pack, at another size"
    del one, two, other
    assert not feed._RESIDENT  # gone with the last training that was at it
