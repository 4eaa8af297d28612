"""The machine's settings during a training: the allocator, deterministic algorithms, and that both are put back."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from blurvae import machine
from blurvae.train import feed

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
    """In a process of its own, since page faults are counted for the whole process.

    Each tensor is larger than 32 MB, the most up to which glibc's moving threshold ever keeps a block by itself.
    """
    code = """
import resource, torch
from contextlib import nullcontext
from blurvae import machine
def faults(context):
    with context:
        for _ in range(20):  # until the heap has its size
            torch.ones(12_000_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.ones(12_000_000)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
torch.set_num_threads(1)
print(faults(nullcontext()), faults(machine.memory_kept(torch.device("cpu"))) if machine._glibc() else -1)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    usual, kept = map(int, out.split())
    if kept < 0:
        pytest.skip("this system's C library is not glibc")
    pages = 20 * 4 * 12_000_000 // resource.getpagesize()
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


# The machine that a process really has


def test_the_processors_are_those_that_this_process_may_use() -> None:
    assert 1 <= machine.processors() <= (os.cpu_count() or 1)


def system(folder: Path, files: dict[str, str]) -> Path:
    """A made-up /, as Linux describes itself; 8 GiB are free on the machine."""
    for name, text in ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8388608 kB\n"} | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


GIB = 1 << 30
GROUPS = {  # what a container or a job allows, by cgroups of version 2 and 1, and how much of it is free
    "no group": ({}, 8 * GIB),
    "no limit": ({"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": "max\n"}, 8 * GIB),
    "a container": (
        {
            "proc/self/cgroup": "0::/docker/0123\n",  # as the machine outside knows it
            "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        },
        3 * GIB // 2,
    ),
    "a job in a job": (
        {
            "proc/self/cgroup": "0::/slurm/job_1/step_0\n",
            "sys/fs/cgroup/slurm/job_1/step_0/memory.max": "max",
            "sys/fs/cgroup/slurm/job_1/memory.max": f"{4 * GIB}",
            "sys/fs/cgroup/slurm/job_1/memory.current": f"{3 * GIB}",
            "sys/fs/cgroup/slurm/memory.max": "max",
        },
        GIB,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n",
            "sys/fs/cgroup/memory/x/memory.limit_in_bytes": f"{900 << 20}\n",
            "sys/fs/cgroup/memory/x/memory.usage_in_bytes": f"{400 << 20}\n",
            "sys/fs/cgroup/memory/x/memory.stat": f"total_inactive_file {100 << 20}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
        },
        600 << 20,
    ),
    "more than allowed": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{GIB}",
            "sys/fs/cgroup/memory.current": f"{2 * GIB}",
        },
        0,
    ),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_free_memory_is_what_the_machine_and_the_group_leave(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    files, free = GROUPS[kind]
    assert machine.free_memory(system(tmp_path, files)) == free
    assert feed._fits(GIB // 2 - 1, CPU) or machine.free_memory() < GIB


def test_free_memory_heeds_the_shells_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = {resource.RLIMIT_AS: 2 * GIB, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(machine.resource, "getrlimit", lambda which: (limit[which], limit[which]))
    pages = GIB // 2 // resource.getpagesize()
    assert machine.free_memory(system(tmp_path, {"proc/self/statm": f"{pages} 5 4 3 2 1 0\n"})) == 3 * GIB // 2


def test_the_step_without_a_compiler_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import TorchDynamoException

    def fail(*_: object) -> None:
        raise TorchDynamoException("InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(torch, "compile", lambda function, **_: fail)
    step = machine.compiled(lambda x: x)
    with pytest.raises(
        ValueError, match=r"here \(InvalidCxxCompiler: No .* found\): install .*g\+\+.*or leave compile out"
    ):
        step(1)


def test_repeatable_leaves_torch_as_it_was() -> None:
    """A caller who only wants to be warned is only warned, inside and afterwards."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with machine.repeatable(False, CPU):
            assert torch.is_deterministic_algorithms_warn_only_enabled()
        with machine.repeatable(True, CPU):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    with machine.repeatable(True, CPU):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
