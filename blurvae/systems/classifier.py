"""A classifier, trained by cross-entropy on samples that bring their class along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from blurvae.models.classifier import Classifier
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Exponential


class Players(NamedTuple):
    """The one network."""

    classifier: Classifier


@dataclass(frozen=True)
class Classification(System[Players]):
    """Cross-entropy between a network's answer and the class of its image.

    A sample is a record as CIFAR-10's binary files have it, bytes (1 + c·h·w): the class, then the pixels.

    Attributes:
        shape: (c, h, w) of the images.
        classes: how many.
        widths: feature maps of the network's convolutions.
        lr: Adam's learning rate in the first epoch.
        decay: its factor from epoch to epoch.
        flip: mirror every second image, at random.
        shift: px by which an image is moved at most, the same number of px entering black, at random.
    """

    name: ClassVar[str] = "classifier"
    shape: tuple[int, ...] = (3, 32, 32)
    classes: int = 10
    widths: tuple[int, ...] = (32, 64, 128, 256)
    lr: float = 3e-3
    decay: float = 0.7
    flip: bool = False
    shift: int = 0

    def players(self, shape: tuple[int, ...]) -> Players:
        """See `System.players`."""
        return Players(Classifier(self.shape[0], self.classes, self.widths))

    def optimisers(self) -> Mapping[str, Adam]:
        """Adam, with a learning rate that falls from epoch to epoch."""
        return {"classifier": Adam(Exponential(self.lr, self.decay))}

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move."""
        return (Move("classify", self.play, {"change": Draw("uniform", (3,))}),)

    def play(self, players: Players, scene: Scene) -> Turn:
        """Cross-entropy in nats per image, and the share of right answers in the batch."""
        labels, x = self.split(scene.x)
        x = self.changed(x, scene.noise["change"])
        with scene.autocast():
            logit = players.classifier(x).logit
        loss = F.cross_entropy(logit.to(x.dtype), labels)
        right = (logit.argmax(1) == labels).to(x.dtype).mean()
        return Turn({"classifier": loss}, {"cross_entropy": loss, "right": right})

    def split(self, records: Tensor) -> tuple[Tensor, Tensor]:
        """Classes (n,), int64, and images (n, c, h, w) of records (n, 1 + c·h·w) on [−1, 1]."""
        labels = ((records[:, 0] + 1) * 127.5).round().long()
        x = records[:, 1:].reshape(-1, *self.shape)
        return labels, x.contiguous(memory_format=torch.channels_last)

    def changed(self, x: Tensor, change: Tensor) -> Tensor:
        """Images mirrored and moved, as uniform numbers (n, 3) have it."""
        if self.flip:
            x = torch.where(change[:, 0, None, None, None] < 0.5, x, x.flip(-1))
        if self.shift:
            h, w = x.shape[-2:]
            by = (change[:, 1:] * (2 * self.shift + 1)).long()
            padded = F.pad(x, (self.shift,) * 4, value=-1.0)
            rows = (torch.arange(h, device=x.device) + by[:, :1])[:, None, :, None]
            columns = (torch.arange(w, device=x.device) + by[:, 1:])[:, None, None, :]
            each = torch.arange(len(x), device=x.device)[:, None, None, None]
            channel = torch.arange(x.shape[1], device=x.device)[:, None, None]
            x = padded[each, channel, rows, columns]
        return x

    def check(self, players: Players, samples: int, batch: int) -> None:
        """See `System.check`."""
        if players.classifier.config["channels"] != self.shape[0]:
            raise ValueError(f"The network does not take images of shape {self.shape}: give both the same channels.")
