"""The machine that a training runs on: its device and precision, its allocator, and whether it repeats itself."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


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


@contextmanager
def repeatable(deterministic: bool, device: torch.device) -> Iterator[None]:
    """The algorithms of a training: the fastest ones, or with `deterministic` those that give the same bits each time.

    On a CPU the same seed and the same number of threads give the same bits anyway. On a GPU several of the fastest
    algorithms add in an order that changes from run to run. The settings of before are back afterwards.
    """
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    settings = cudnn.benchmark, cudnn.deterministic
    if deterministic and device.type == "cuda":  # cuBLAS reads it when it makes its first workspace
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic or before)
    cudnn.benchmark, cudnn.deterministic = not deterministic, deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        cudnn.benchmark, cudnn.deterministic = settings
