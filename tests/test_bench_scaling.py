"""The model of cost against what is counted and known, and the measurement where it cannot be made."""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.distributed as dist

from blurvae.bench import counts, scaling
from blurvae.bench.cost import H200_200, H200_400, Machines, all_reduce, model, volume, widths
from blurvae.bench.loops import Job
from blurvae.bench.scaling import measure, work
from blurvae.parallel import Team
from blurvae.train import Scene

PAPER = Job("cuda", "bf16", batch=256)
SMALL = Job(batch=4, size=16, widths=(4, 8), latent=8, hidden=16, kernel=3)


@pytest.mark.parametrize("gpus", [2, 8, 16, 64])
def test_a_long_vector_goes_around_the_ring_and_a_short_one_up_a_tree(gpus: int) -> None:
    rate = H200_400.inside if gpus <= 8 else H200_400.outside
    long = replace(H200_400, hop=0.0)
    assert all_reduce(1e9, gpus, long) == pytest.approx(2 * (gpus - 1) / gpus * 1e9 / rate)
    assert all_reduce(0, gpus, H200_400) == pytest.approx(2 * math.log2(gpus) * H200_400.hop)
    for size in (1e2, 1e5, 1e8):
        assert 0 == all_reduce(size, 1, H200_400) < all_reduce(size, gpus, H200_400) <= all_reduce(size, gpus, H200_200)
        assert all_reduce(size, gpus, H200_400) < all_reduce(2 * size, gpus, H200_400)


def test_the_volume_is_that_of_what_a_step_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted on a step of one of two ranks, whose partner says nothing; between two a ring moves each vector once."""
    sent: dict[str, int] = {"gradients": 0, "moments": 0}
    part = "moments"

    def count(tensor: torch.Tensor) -> None:
        sent[part] += tensor.numel() * tensor.element_size()

    for name, fake in {
        "is_initialized": lambda: True,
        "get_world_size": lambda: 2,
        "get_rank": lambda: 0,
        "broadcast": lambda tensor, source: None,
        "all_reduce": count,
    }.items():
        monkeypatch.setattr(dist, name, fake)
    team, players = Team(0, 2), SMALL.players()
    nets = [net for net in players if net is not None]
    for net in nets:
        team.prepare(net)
        net.train()
    system, scene = SMALL.system(), Scene(SMALL.floats()[:2], {"n": torch.randn(2, SMALL.latent)}, {}, nullcontext)
    for name, loss in system.play(players, scene, system.term).losses.items():
        torch.autograd.backward(loss, inputs=[*getattr(players, name).parameters()], retain_graph=True)
    part = "gradients"
    for net in nets:
        team.average_gradients(net.parameters())
    assert sent == volume(SMALL)
    assert volume(SMALL, 64)["gradients"] == pytest.approx(2 * 63 / 64 * sent["gradients"])


def test_the_papers_networks_have_eight_batch_norms() -> None:
    assert widths(PAPER) == [64, 128, 256, 512, 512, 256, 128, 64]


def test_one_gpu_computes_as_its_rates_allow() -> None:
    alone = model(PAPER, 1, H200_400)
    assert (alone.gradients, alone.moments, alone.exchanged) == (0, 0, 0)
    ceilings = {name: {"best": rate} for name, rate in (("matrix_product", 989e12), ("memory_copy", 4.8e12))}
    allowed = counts.allowed(counts.flop(PAPER), counts.traffic(PAPER, "bf16"), ceilings)
    assert alone.images_per_second == pytest.approx(allowed / 3)
    assert model(PAPER, 1, replace(H200_400, share=1)).images_per_second == pytest.approx(allowed)


def test_more_gpus_do_more_but_never_as_many_times_more() -> None:
    steps = [model(PAPER, gpus, H200_400) for gpus in (1, 2, 4, 8, 16, 32, 64)]
    for fewer, more in pairwise(steps):
        assert more.batch == 2 * fewer.batch and more.compute == fewer.compute
        assert fewer.images_per_second < more.images_per_second < 2 * fewer.images_per_second
        assert fewer.exchanged < more.exchanged < 1
    assert model(PAPER, 64, H200_200).seconds > steps[-1].seconds


def test_a_training_is_its_whole_batches() -> None:
    step = model(PAPER, 8, H200_400)
    assert step.batch == 2048
    assert step.training(5000, epochs=3) == pytest.approx(6 * step.seconds)
    assert step.training(2047) == 0


def test_the_measurement_has_every_side() -> None:
    """In this process alone: its sides are then all trainings of one process."""
    threads = torch.get_num_threads()
    try:
        record = work(Team(device="cpu"), quick=True)
    finally:
        torch.set_num_threads(threads)
    assert record["quick"] and record["volume"]["gradients"] > 1000
    for side in record["sides"].values():
        assert len(side["seconds"]) == 1 and side["seconds"][0] >= 0
    assert record["sides"]["two processes"]["batch"] == 2 * record["sides"][scaling.HALF]["batch"]


def test_machines_that_cannot_measure_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    with pytest.raises(ValueError, match="on one core"):
        measure("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="need two GPUs, this machine has 1"):
        measure("cuda")


def test_processes_that_fail_pass_their_reason_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stderr = "W a note\nblurvae: the package lightning_fabric is not here.\ntrace"

    def run(*_: Any, **__: Any) -> Done:
        return Done()

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(scaling.subprocess, "run", run)
    with pytest.raises(ValueError, match="without a result: the package lightning_fabric is not here"):
        measure("cpu")


def test_a_machine_of_one_gpu_has_slow_links_only() -> None:
    alone = Machines("one GPU", 1e12, 1e12, gpus=1, inside=1e12, outside=1e9)
    assert all_reduce(1e9, 2, alone) == pytest.approx(1 + 2 * alone.hop)
