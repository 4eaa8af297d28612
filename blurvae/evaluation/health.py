"""How an adversarial training fares: a watch for every system with a discriminator, and what counts as failed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from blurvae.datasets import ImageSet, to_float
from blurvae.evaluation.base import BATCH
from blurvae.metrics import Entry, attempt
from blurvae.models.classifier import trained_classifier
from blurvae.train import Move, Scene, System
from blurvae.train.schedules import When
from blurvae.train.stage import named

FOLLOWED = 128  # test images on which the players are looked at
SAMPLES, MEAN_IMAGE, MODES = "FD-squeeze (samples)", "FD-squeeze (mean image)", "modes (samples)"
CLASSIFIED = ("mnist", "color-mnist")  # data of which the project has a classifier
SHARE = 0.01  # of the samples, from which on a digit is one of their modes


@runtime_checkable
class Verdicts(Protocol):
    """What a move of an adversarial system returns as `Turn.seen`: logits of the discriminator, > 0 for real."""

    real: Tensor
    fake: Tensor


class HealthWatch:
    """Measures after each epoch, on the same images and random numbers, who is winning: a `train.Watch`.

    accuracy_real and accuracy_fake are the shares of the data and of the fakes that the discriminator judges rightly,
    gradient_<player> the norm of the gradient of a player's own loss by its weights. The networks are in evaluation, so
    batch norms take their running statistics, and nothing is stepped. Where weights move fast these lag behind, and an
    accuracy is then theirs rather than the game's: see the cross-entropies of the training beside it, `figures.health`.

    Args:
        system: whose moves are played.
        test: the test images.
        device: of the networks.
        seed: of the random numbers that the moves draw.
        steps: of an epoch, for a system whose moves take scheduled values; these are then those of the next step.

    Raises:
        ValueError: a system with scheduled values, and no steps to know them by.
    """

    def __init__(
        self, system: System[Any], test: ImageSet, device: torch.device, seed: int, steps: int | None = None
    ) -> None:
        if system.schedules() and steps is None:
            raise ValueError(
                f"The health of {system.name!r} cannot be watched: its moves take scheduled values, for which the "
                "steps of an epoch are needed."
            )
        self.system, self.device, self.seed, self.steps = system, device, seed, steps or 0
        self.x = to_float(torch.from_numpy(np.array(test.images[:FOLLOWED]))).to(device)
        self.players = [*system.optimisers()]
        self.names = ("accuracy_real", "accuracy_fake", *(f"gradient_{player}" for player in self.players))

    def __call__(self, epoch: int, players: Any) -> dict[str, float]:
        """The shares, in [0, 1], and the norms; a player that has no loss has no norm."""
        nets, found = named(players), dict[str, float]()
        generator = torch.Generator().manual_seed(self.seed)
        for move in self.system.moves(self.system.phase(epoch - 1)):
            with torch.enable_grad():
                turn = move.play(players, self.scene(move, epoch, generator))
                for player, loss in turn.losses.items():
                    slopes = torch.autograd.grad(
                        loss, [*nets[player].parameters()], retain_graph=True, allow_unused=True
                    )
                    squares = [slope.double().square().sum() for slope in slopes if slope is not None]
                    found[f"gradient_{player}"] = torch.stack(squares).sum().sqrt().item()
            if isinstance(turn.seen, Verdicts):
                found["accuracy_real"] = (turn.seen.real > 0).double().mean().item()
                found["accuracy_fake"] = (turn.seen.fake <= 0).double().mean().item()
        return found

    def scene(self, move: Move[Any], epoch: int, generator: torch.Generator) -> Scene:
        """What a move sees of the watched images after so many epochs, its random numbers drawn here."""
        drawn = {name: draw.numbers(len(self.x), self.x, generator) for name, draw in move.draws.items()}
        now = When(epoch * self.steps, epoch, ())
        scheduled = {name: schedule(now) for name, schedule in self.system.schedules().items()}
        value = {
            name: torch.tensor(number, dtype=torch.float64, device=self.device) for name, number in scheduled.items()
        }
        return Scene(self.x, {name: numbers.to(self.device) for name, numbers in drawn.items()}, value, nullcontext)


@torch.no_grad()
def modes(samples: Tensor, data: str) -> dict[str, Entry]:
    """How many classes the samples are of, where the project has a classifier of their data.

    Of MNIST a class counts that has at least 1 % of the samples. Of Color MNIST each of the 1,000 triples of digits
    counts that one sample shows, as is customary; among n samples there cannot be more on average than
    `metrics.expected_kinds(1000, n)`, and a colour without a digit is taken for one.

    Args:
        samples: (n, c, h, w) on [0, 1].
        data: the name of the data set that they shall look like.

    Returns:
        {"modes (samples)": {"value": how many}}, of Color MNIST with "n", of how many samples; or the state that says
        which file is absent; nothing for data without a classifier.
    """
    if data not in CLASSIFIED:
        return {}

    def count() -> Entry:
        classifier = trained_classifier("mnist", MODES, samples.device)
        channels = samples.flatten(0, 1)[:, None]
        digits = torch.cat([classifier(2 * some - 1).logit.argmax(1) for some in channels.split(BATCH)])
        if data == "mnist":
            return {"value": int((digits.bincount() >= SHARE * len(samples)).sum())}
        return {"value": len(digits.view(len(samples), -1).unique(dim=0)), "n": len(samples)}

    return {MODES: attempt(count)}


def failed(measured: Mapping[str, Entry]) -> Entry:
    """Whether a training has failed, 1 or 0: its samples are no better than one grey image, or are all of one class.

    Args:
        measured: metrics with the distances of the samples and of the training set's mean image from the test images,
            and with what `modes` returns.

    Returns:
        {"value": 1.0 or 0.0}; the state of what is absent where a network is not on this machine.
    """
    for name in (SAMPLES, MEAN_IMAGE, MODES):
        if "state" in measured.get(name, {}):
            return measured[name]
    no_better = float(measured[SAMPLES]["value"]) > float(measured[MEAN_IMAGE]["value"])
    one = MODES in measured and int(measured[MODES]["value"]) == 1
    return {"value": float(no_better or one)}
