"""Experiments by name, one file a table or figure of a paper. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from blurvae.run import Run

EXPERIMENTS = ("table5",)
TIERS = ("smoke", "lesson", "paper")


@dataclass(frozen=True)
class Method:
    """A row of a table.

    Attributes:
        name: in files and on the command line.
        label: in tables and figures.
        term: a name in `blurvae.losses`.
        constants: of the term.
        beta: β, the weight of the KL term.
        paper: the row's name in the published table, None where the paper has no such row.
    """

    name: str
    label: str
    term: str
    constants: tuple[tuple[str, object], ...] = ()
    beta: float = 1.0
    paper: str | None = None


class Experiment(Protocol):
    """What a module in this package offers."""

    TITLE: str
    METHODS: tuple[Method, ...]
    VARIANTS: tuple[Method, ...]
    GRID: dict[str, dict[str, tuple[int, ...]]]
    PAPER_DATA: str
    PAPER_TABLE: str

    @staticmethod
    def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
        """The runs of a tier, method by method."""


def get(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"There is no experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}.")
    return cast(Experiment, import_module(f"blurvae.experiments.{name}"))


def check_tier(tier: str) -> str:
    """Returns the tier.

    Raises:
        ValueError: it is none of smoke, lesson, paper.
    """
    if tier not in TIERS:
        raise ValueError(
            f"There is no tier {tier!r}: choose smoke (seconds), lesson (≤ 2 minutes a run) or paper (GPU)."
        )
    return tier
