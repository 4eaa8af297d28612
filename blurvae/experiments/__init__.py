"""Experiments by name, one file a table or figure of a paper. A new one is a new file and a line here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from blurvae import paths
from blurvae.errors import CorruptFile
from blurvae.run import Run
from blurvae.text import data_stem
from blurvae.training import Settings

EXPERIMENTS = ("table5", "table2", "table1", "figure2", "table2_256", "table3", "table4", "table6", "rate")
TIERS = ("smoke", "lesson", "paper")


@dataclass(frozen=True)
class Method:
    """A row of a table.

    Attributes:
        name: in files and on the command line.
        label: in tables and figures.
        term: a name in `blurvae.losses`.
        constants: of the term.
        beta: β, the weight of the KL term, where no search has chosen another.
        paper: the row's name in the published table, None where the paper has no such row.
        search: the values of β among which `blurvae.tune` chooses.
    """

    name: str
    label: str
    term: str
    constants: tuple[tuple[str, object], ...] = ()
    beta: float = 1.0
    paper: str | None = None
    search: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)


class Experiment(Protocol):
    """What a module in this package offers.

    Attributes:
        TITLE: what it is, with its table or figure.
        METHODS: the rows of its table.
        VARIANTS: runs recorded beside the table.
        GRID: {tier: {data set: seeds}}, what is recorded.
        PAPER_DATA: the data set of the published table.
        PAPER_TABLE: its file below data/paper; empty where nothing is published.
        NOTES: sentences that its table must not be read without.
        COLUMNS: the measured columns of its table; all where empty.
    """

    TITLE: str
    METHODS: tuple[Method, ...]
    VARIANTS: tuple[Method, ...]
    GRID: dict[str, dict[str, tuple[int, ...]]]
    PAPER_DATA: str
    PAPER_TABLE: str
    NOTES: tuple[str, ...]
    COLUMNS: tuple[str, ...]

    @staticmethod
    def searched(data: str) -> tuple[str, str] | None:
        """The (experiment, data set) whose search chose β; None where β is the method's own."""

    @staticmethod
    def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
        """The runs of a tier, method by method; one that another experiment makes too is that experiment's run."""


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


def make(
    experiment: str,
    methods: Iterable[Method],
    tier: str,
    data: str,
    seeds: Sequence[int],
    settings: Settings,
    betas: dict[str, float] | None = None,
    **common: Any,
) -> tuple[Run, ...]:
    """One run for each method and seed, methods first.

    Args:
        experiment: the experiment's name.
        methods: its rows.
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        seeds: of the runs.
        settings: budget and learning rates, the same for all methods.
        betas: β by method; the method's own where it is not among them.
        **common: the other fields of `Run`.
    """
    return tuple(
        Run(
            experiment,
            m.name,
            tier,
            data,
            m.term,
            m.constants,
            settings=replace(settings, seed=seed, beta=(betas or {}).get(m.name, m.beta)),
            **common,
        )
        for m in methods
        for seed in seeds
    )


def search_path(experiment: str, data: str, tier: str, folder: Path | None = None) -> Path:
    """The record of a search for β, below a folder of results (the checkout's data/results where None)."""
    return (folder or paths.results()) / "tune" / f"{experiment}-{data_stem(data)}-{tier}.json"


def search_record(tier: str, experiment: str, data: str) -> Path | None:
    """The recorded search that a tier goes by: its own, else for "paper" the lesson's; at "smoke" there is none."""
    for searched in {"smoke": (), "lesson": ("lesson",), "paper": ("paper", "lesson")}[check_tier(tier)]:
        if (path := search_path(experiment, data, searched)).exists():
            return path
    return None


def tuned(tier: str, experiment: str, data: str) -> dict[str, float]:
    """The β that the recorded search of an experiment on a data set chose, by method; empty where there is none.

    Raises:
        CorruptFile: the record of the search cannot be read.
    """
    path = search_record(tier, experiment, data)
    if path is None:
        return {}
    try:
        return {method: float(beta) for method, beta in json.loads(path.read_text())["chosen"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFile(f"{path} is not a whole record of a search: remove it and search again.") from error


def borrowed(experiment: str, tier: str, data: str) -> tuple[Run, ...]:
    """The runs of a table, one seed each, that belong to another experiment."""
    return tuple(run for run in get(experiment).runs(tier, data, (0,)) if run.experiment != experiment)
