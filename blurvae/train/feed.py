"""Batches of a data set: gathered on the device where it fits, else brought from the memory map before each move."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from blurvae.datasets import to_float
from blurvae.machine import free_memory, wait


class Samples(Protocol):
    """What can be trained on: bytes (n, …), their checksum and a name; an `ImageSet`, for instance."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def images(self) -> np.ndarray: ...  # noqa: D102

    @property
    def checksum(self) -> str: ...  # noqa: D102


class Feed:
    """Samples as floats in [−1, 1], by rows that lie on the device.

    Args:
        data: the samples, bytes (n, …); a memory map stays one. Trainings of one data set share what lies on a GPU.
        device: where they are needed.
        batch: samples of a batch.
        dtype: of the floats.
        resident: whether all lie on the device; where they leave half of its memory free if None.
    """

    def __init__(
        self,
        data: Samples,
        device: torch.device,
        batch: int,
        dtype: torch.dtype = torch.float32,
        resident: bool | None = None,
    ) -> None:
        self.samples, self.dtype = data.images, dtype
        self.resident = _fits(self.samples.nbytes, device) if resident is None else resident
        if self.resident:
            self._place = _all(data, device)
        else:  # the batch that is staged
            self._place = torch.from_numpy(np.empty((batch, *self.samples.shape[1:]), self.samples.dtype)).to(device)

    def stage(self, rows: Tensor) -> None:
        """Brings the samples of these rows, known to the host, to the place that `batch` reads."""
        if not self.resident:
            asked = rows.numpy()
            order = np.argsort(asked)  # reading a memory map forwards, then back into the order asked for
            self._place.copy_(torch.from_numpy(np.array(self.samples[asked[order]])[np.argsort(order)]))

    def batch(self, rows: Tensor) -> Tensor:
        """The samples of these rows, (n, …), or those that are staged."""
        x = to_float(self._place.index_select(0, rows) if self.resident else self._place).to(self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


_RESIDENT: WeakValueDictionary[tuple[str, tuple[int, ...], str], Tensor] = WeakValueDictionary()


def _all(data: Samples, device: torch.device) -> Tensor:
    """All samples on the device, on a GPU once for all trainings that are at it."""
    if device.type == "cpu":
        return torch.from_numpy(np.array(data.images))
    key = (data.checksum, data.images.shape, str(device))  # the checksum may be that of a pack, whatever is taken of it
    place = _RESIDENT.get(key)
    if place is None:
        place = torch.from_numpy(np.array(data.images)).to(device)
        wait(device)  # before another training's stream reads it
        _RESIDENT[key] = place
    return place


def _fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes leave at least half of the free memory to the training itself."""
    return size < (torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()) / 2


def permutation(n: int, seed: int, turn: int) -> Tensor:
    """The order of a pass over n samples: a function of seed and number alone, so that no checkpoint stores it."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(1_000_003 * seed + turn))
