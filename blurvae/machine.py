"""The machine that a training runs on: its device and precision, its allocator, and whether it repeats itself."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

try:
    import resource
except ImportError:  # pragma: no cover (not POSIX)
    resource = None  # type: ignore[assignment]

T = TypeVar("T")


def choose_device(device: str = "auto") -> torch.device:
    """The device of that name; "auto" is the GPU where there is one.

    Raises:
        ValueError: a device that this machine does not have.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f"There is no device {device!r}: use 'auto', 'cpu' or 'cuda'.") from None
    if chosen.type == "cuda" and (chosen.index or 0) >= (torch.cuda.device_count() if torch.cuda.is_available() else 0):
        raise ValueError(
            f"This machine has no CUDA GPU {chosen} that torch can use: pass device='cpu', or 'auto' to let it choose."
        )
    if chosen.type not in ("cpu", "cuda"):  # the others lack float64 or the generators that training needs
        raise ValueError(f"Training computes on 'cpu' or 'cuda', not on {device!r}: choose one, or 'auto'.")
    return chosen


def choose_precision(precision: str, device: torch.device) -> str:
    """Resolves "auto": bf16 only where the processor computes in it natively and faster, float32 elsewhere.

    Intel processors with AVX512-BF16 but without AMX know bf16, and multiply in it at half the rate of float32 (see
    `data/results/bench`); AMD's multiply at twice the rate or more.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        faster = torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and not _is_intel())
        native = device.type == "cpu" and bool(faster)
    return "bf16" if native else "float32"


def _is_intel() -> bool:
    info = Path("/proc/cpuinfo")
    return "GenuineIntel" in (info.read_text() if info.exists() else platform.processor())


def processors() -> int:
    """How many processors this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(system: Path = Path("/")) -> int:
    """Bytes that this process can still take: the least that the machine, its container or job, and its shell allow.

    Memory that only keeps files at hand counts as free, since the system gives it back.

    Args:
        system: where the files lie that Linux describes itself in.
    """
    rooms = [_machine_free(system), *_group_free(system)]
    if resource is not None:
        used = _numbers(system / "proc/self/statm")[:1] or [0]
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            if (soft := resource.getrlimit(limit)[0]) != resource.RLIM_INFINITY:
                rooms.append(soft - used[0] * resource.getpagesize())
    return max(0, min(rooms))


def _machine_free(system: Path) -> int:
    if available := _field(system / "proc/meminfo", "MemAvailable:"):
        return available * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # neither Linux nor another that counts so
        return 1 << 32


def _group_free(system: Path) -> Iterator[int]:
    """What each group of processes that this one belongs to may still take, by either version of Linux's cgroups."""
    try:
        groups = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        root = system / "sys/fs/cgroup" / ("memory" if kinds else "")
        limit, usage, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if kinds
            else ("memory.max", "memory.current", "inactive_file")
        )
        # In a container its own group is at the root, whatever path the machine outside knows it by.
        place = root / path.lstrip("/")
        for group in (place, *place.parents):
            if most := _numbers(group / limit):
                used = (_numbers(group / usage) or [0])[0] - _field(group / "memory.stat", cache)
                yield most[0] - used
            if group == root:
                break


def _numbers(file: Path) -> list[int]:
    """The whole numbers in a file; none where it is absent, or says "max"."""
    try:
        return [int(word) for word in file.read_text().split() if word.isdigit()]
    except OSError:
        return []


def _field(file: Path, name: str) -> int:
    """The number behind a name at the head of a line, 0 where there is none."""
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(line[1]) for line in lines if line[:1] == [name]), 0)


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """The function, fused by `torch.compile` when it is first called.

    Raises:
        ValueError: when called where there is no compiler that works.
    """
    from torch._dynamo.exc import TorchDynamoException

    fused = torch.compile(function)

    def call(*arguments: Any, **options: Any) -> T:
        try:
            return cast(T, fused(*arguments, **options))
        except TorchDynamoException as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ValueError(
                f"torch.compile cannot build the step here ({reason.strip()}): install a C++ compiler such as g++ (on "
                "a GPU the package triton too), name it in the variable CXX, or leave compile out."
            ) from error

    return call


# mallopt's parameters and the values that glibc starts with (malloc.h; mallopt(3)).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_INITIAL = {_TRIM_THRESHOLD: 128 << 10, _TOP_PAD: 128 << 10, _MMAP_MAX: 65536}


@contextmanager
def memory_kept(device: torch.device) -> Iterator[None]:
    """Keeps freed memory for the next step, on Linux with glibc; elsewhere, and on a GPU, nothing changes.

    A step frees tensors of many MB and allocates the same again. By default glibc gives each back to the system, which
    then hands out fresh pages, zeroed one by one on first touch. Afterwards the settings are glibc's own again.
    """
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    for parameter, value in {_MMAP_MAX: 0, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 64 << 20}.items():
        libc.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _INITIAL.items():
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return None  # who sets MALLOC_… in the environment has tuned the allocator already
    library = ctypes.CDLL(None)
    return library if all(hasattr(library, name) for name in ("gnu_get_libc_version", "malloc_trim")) else None


def wait(device: torch.device) -> None:
    """Waits for this stream of a GPU: what is made once, and kept, other streams may read at once."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


@contextmanager
def repeatable(deterministic: bool, device: torch.device) -> Iterator[None]:
    """The algorithms of a training: the fastest ones, or with `deterministic` those that give the same bits each time.

    On a CPU the same seed and the same number of threads give the same bits anyway. On a GPU several of the fastest
    algorithms add in an order that changes from run to run. The settings of before are back afterwards.
    """
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    settings, warn = (cudnn.benchmark, cudnn.deterministic), torch.is_deterministic_algorithms_warn_only_enabled()
    if deterministic and device.type == "cuda":  # cuBLAS reads it when it makes its first workspace
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic or before, warn_only=warn and not deterministic)
    cudnn.benchmark, cudnn.deterministic = not deterministic, deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn)
        cudnn.benchmark, cudnn.deterministic = settings
