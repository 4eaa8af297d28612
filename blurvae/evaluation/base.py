"""What an evaluation is, and the pieces that several of them share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from blurvae import metrics
from blurvae.datasets import ImageSet, to_float
from blurvae.train import Watch

BATCH = 256


@dataclass
class Measured:
    """What is measured of a trained system.

    Attributes:
        metrics: by name, as `blurvae.metrics.evaluate` has them.
        values: those of single images, (n,), of the metrics that are means over images.
        pictures: a few images, spectra and kernels by name.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, values: Tensor) -> None:
        """A metric of single images, (n,): its mean, its sd and the values."""
        self.metrics[name], self.values[name] = metrics.summary(values), values


class Evaluation(Protocol):
    """The evaluation of one training.

    Attributes:
        watch: measures after each epoch; None where nothing is.
    """

    watch: Watch | None

    def check(self) -> None:
        """Refuses images that could not be measured, before any training.

        Raises:
            ValueError: images that the metrics refuse.
        """

    def measure(self, players: Any) -> Measured:
        """Measures the trained networks, in evaluation mode."""


def batches(images: ImageSet, device: torch.device) -> Iterator[Tensor]:
    """The images in order, (≤ 256, c, h, w) on [−1, 1]."""
    for start in range(0, len(images), BATCH):
        yield to_float(torch.from_numpy(np.array(images.images[start : start + BATCH])).to(device))


def centre(images: Tensor, data: ImageSet) -> Tensor:
    """What is measured of images (n, c, h, w): MNIST is padded to 32×32 px, its own are the central 28×28."""
    if data.inner is None:
        return images
    (h, w), (top, left) = data.inner, ((n - k) // 2 for n, k in zip(images.shape[-2:], data.inner))
    return images[..., top : top + h, left : left + w]


def real(images: ImageSet, device: torch.device | None = None) -> Tensor:
    """The images as metrics take them, float32 on [0, 1], on a device (the CPU where None)."""
    return torch.from_numpy(np.array(images.images)).to(device).float() / 255


def unit(x: Tensor) -> Tensor:
    """[−1, 1] to [0, 1], clamped, float32, where it is."""
    return ((x + 1) / 2).clamp(0, 1).float()


def to_bytes(x: Tensor) -> np.ndarray:
    """[0, 1] to bytes, rounded."""
    return (x * 255).round().to(torch.uint8).cpu().numpy()
