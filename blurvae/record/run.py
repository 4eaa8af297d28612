"""A run: one training and its evaluation, described by a frozen record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from blurvae import datasets
from blurvae.record.encode import find, parse, put
from blurvae.text import data_stem, stem
from blurvae.train import Budget, System

COLLAPSED = 5.0  # nats per image of KL, below which a code tells next to nothing
FIXED = ("experiment", "method", "tier", "data")  # what says which run it is; nothing that is set


@dataclass(frozen=True)
class Run:
    """One training and its evaluation: what, on which data, for how long.

    Attributes:
        experiment: the experiment it belongs to, such as "bredell/table5".
        method: its name in tables and files.
        tier: "smoke", "lesson", "study" or "paper".
        data: a name in `blurvae.datasets`.
        system: what is trained, with its constants.
        size: side of the images, px.
        n_train: training images, all where None.
        n_test: test images, all where None.
        n_valid: where positive, so many training images at the end of the set are held out and measured in the place
            of the test images.
        n_bound: test images of which the importance-weighted bound on −log p is computed, at most 256.
        budget: epochs, batch size, seed, precision.

    Raises:
        ValueError: a size or a count that is no whole number, or too small.
    """

    experiment: str
    method: str
    tier: str
    data: str
    system: System[Any]
    size: int = 32
    n_train: int | None = None
    n_test: int | None = None
    n_valid: int = 0
    n_bound: int = 0
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        counts = [("size", self.size)]
        counts += [(name, n) for name in ("n_train", "n_test") if (n := getattr(self, name)) is not None]
        for name, value in counts:
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {value!r}.")
        for name in ("n_valid", "n_bound"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ValueError(f"{name} takes whole numbers of at least 0, not {getattr(self, name)!r}.")
        if self.n_bound > 256:
            raise ValueError(
                f"n_bound is at most 256 images, since each is decoded hundreds of times, not {self.n_bound}."
            )

    @property
    def seed(self) -> int:
        """Of the training."""
        return self.budget.seed

    @property
    def beta(self) -> float | None:
        """β of its system, None where that has none."""
        return getattr(self.system, "beta", None)

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, h, w) of its images, (t, c, h, w) of its clips; in colour where only the images themselves could tell."""
        return *(datasets.describe(self.data)["shape"] or (3, 0, 0))[:-2], self.size, self.size

    @property
    def name(self) -> str:
        """The stem of the run's files: data-method-tier-s<seed>, short enough for every disk; see `text.stem`."""
        return f"{data_stem(self.data)}-{stem(self.method, 48)}-{self.tier}-s{self.seed}"

    @property
    def whole_name(self) -> str:
        """Which run it is among those of all experiments: experiment/name."""
        return f"{self.experiment}/{self.name}"

    def path(self, out: Path) -> Path:
        """The run's JSON file below a folder of results."""
        return Path(out) / self.experiment / f"{self.name}.json"

    def unfinished(self, out: Path) -> Path:
        """The folder of the run's checkpoints until it is finished."""
        return Path(out) / self.experiment / f".{self.name}"

    def with_changes(self, changes: dict[str, str]) -> Run:
        """A variant of this run, its method renamed so that its files stand apart.

        Args:
            changes: {name: value as text}; the name of any field of the run, its system, that one's term or its
                budget, with the names before it where it is not unique.

        Raises:
            ValueError: an unknown or ambiguous name, or text that is no value of its type.
        """
        run = self
        for key, text in changes.items():
            path, kind = find(run, key, FIXED)
            run = put(run, path, parse(kind, key, text))
            if path != ("budget", "seed"):
                run = replace(run, method=f"{run.method},{key}={text}")
        return run


def outcome(metrics: dict[str, Any]) -> dict[str, Any]:
    """How a training that reached its end came out: {"state": "finished"}, or "collapsed" where its code is empty."""
    kl = metrics.get("KL", {}).get("mean")
    return {"state": "collapsed" if kl is not None and kl < COLLAPSED else "finished"}
