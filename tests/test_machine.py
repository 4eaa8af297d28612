"""The machine's settings during a training: the allocator, deterministic algorithms, and that both are put back."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
import torch

from blurvae import machine

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class _Libc:
    """What a libc is asked to do."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []

    def mallopt(self, parameter: int, value: int) -> int:
        self.calls.append((parameter, value))
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.calls.append((pad,))
        return 1


def test_the_allocator_is_put_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = _Libc()
    monkeypatch.setattr(machine, "_glibc", lambda: libc)
    with pytest.raises(RuntimeError), machine.memory_kept(CPU):
        entered = dict(call for call in libc.calls)
        raise RuntimeError
    assert entered[machine._MMAP_MAX] == 0  # nothing is mapped, so nothing is unmapped
    after = libc.calls[len(entered) :]
    assert dict(call for call in after if len(call) == 2) == machine._INITIAL
    assert after[-1] == (0,)
    with machine.memory_kept(CUDA):
        assert libc.calls[-1] == (0,)


def test_who_tuned_the_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    assert machine._glibc() is None
    with machine.memory_kept(CPU):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator of Linux")
def test_a_repeated_allocation_touches_no_fresh_pages() -> None:
    """In a process of its own, since page faults are counted for the whole process."""
    code = """
import resource, torch
from contextlib import nullcontext
from blurvae import machine
def faults(context):
    with context:
        for _ in range(3):
            torch.ones(4_000_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.ones(4_000_000)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
torch.set_num_threads(1)
print(faults(nullcontext()), faults(machine.memory_kept(torch.device("cpu"))) if machine._glibc() else -1)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    usual, kept = map(int, out.split())
    if kept < 0:
        pytest.skip("this system's C library is not glibc")
    pages = 20 * 4 * 4_000_000 // resource.getpagesize()
    assert kept < pages / 100
    assert kept < usual


@pytest.mark.parametrize("deterministic", [False, True])
def test_deterministic_algorithms_for_its_duration_only(deterministic: bool) -> None:
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic
    with machine.repeatable(deterministic, CPU):
        assert torch.are_deterministic_algorithms_enabled() == deterministic
        assert (cudnn.benchmark, cudnn.deterministic) == (not deterministic, deterministic)
    assert (torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic) == before


def test_a_caller_who_demands_deterministic_algorithms_keeps_them() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        with machine.repeatable(False, CPU):
            assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("device", ["mps", "meta", "xla", "gpu"])
def test_other_devices_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match=rf"'{device}'.*'auto'"):
        machine.choose_device(device)
