"""The methods of a table, the runs that a tier makes of them, and the β of a search."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from blurvae import paths
from blurvae.errors import CorruptFile
from blurvae.experiments.catalogue import EXPERIMENTS, MAIN
from blurvae.record import Run
from blurvae.text import data_stem
from blurvae.train import Budget, System

TIERS = ("smoke", "lesson", "study", "paper")


@dataclass(frozen=True)
class Method:
    """A row of a table.

    Attributes:
        name: in files and on the command line.
        label: in tables and figures.
        system: what is trained, with the constants of this row; the tier's are put over them.
        paper: the row's name in the published table, None where the paper has no such row.
        search: the values of β among which `experiments.tune` chooses; β is the system's where no search has chosen.
    """

    name: str
    label: str
    system: System[Any]
    paper: str | None = None
    search: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)


class Given(NamedTuple):
    """What all methods of a table are given at a tier.

    Attributes:
        budget: how long they train.
        system: fields of the system, the same for all.
        run: fields of `Run`: sizes and numbers of images.
    """

    budget: Budget
    system: Mapping[str, Any]
    run: Mapping[str, Any]


class Experiment(Protocol):
    """What a module of an experiment offers.

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


def resolve(name: str) -> str:
    """The whole name of an experiment: one without a folder is the main paper's.

    Raises:
        ValueError: there is none.

    Example:
        >>> resolve("table5")
        'bredell/table5'
    """
    whole = name if "/" in name else f"{MAIN}/{name}"
    if whole not in EXPERIMENTS:
        raise ValueError(f"There is no experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}.")
    return whole


def check_tier(tier: str, offered: Collection[str] = TIERS) -> str:
    """Returns the tier.

    Args:
        tier: its name.
        offered: the tiers that there are, such as the `GRID` of an experiment.

    Raises:
        ValueError: it is none of smoke, lesson, study, paper, or is not offered.
    """
    if tier not in TIERS:
        raise ValueError(
            f"There is no tier {tier!r}: choose smoke (seconds), lesson (≤ 2 minutes a run), study (≤ 20 minutes a "
            "run) or paper (GPU)."
        )
    if tier not in offered:
        raise ValueError(f"This experiment has no tier {tier!r}: choose {', '.join(offered)}.")
    return tier


def make(
    experiment: str,
    methods: Iterable[Method],
    tier: str,
    data: str,
    seeds: Sequence[int],
    given: Given,
    betas: Mapping[str, float] | None = None,
) -> tuple[Run, ...]:
    """One run for each method and seed, methods first.

    Args:
        experiment: the experiment's name.
        methods: its rows.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        seeds: of the runs.
        given: what all methods are given.
        betas: β by method; the method's own where it is not among them.
    """

    def system(method: Method) -> System[Any]:
        beta = {"beta": betas[method.name]} if betas and method.name in betas else {}
        return cast(System[Any], replace(cast(Any, method.system), **given.system, **beta))

    return tuple(
        Run(
            experiment,
            m.name,
            tier,
            data,
            system(m),
            budget=replace(given.budget, seed=seed),
            **given.run,
        )
        for m in methods
        for seed in seeds
    )


def over_beta(terms: Iterable[Method], betas: Iterable[float]) -> tuple[Method, ...]:
    """Each term at each β, named as a run with a changed β is: "l2,beta=0.4"; `term_of` gives the name back."""
    values = tuple(betas)
    return tuple(
        replace(
            m,
            name=f"{m.name},beta={beta:g}",
            label=f"{m.label}, β = {beta:g}",
            system=cast(System[Any], replace(cast(Any, m.system), beta=beta)),
        )
        for m in terms
        for beta in values
    )


def term_of(method: str) -> str:
    """The name of a method without its β."""
    return method.partition(",beta=")[0]


def search_path(experiment: str, data: str, tier: str, folder: Path | None = None) -> Path:
    """The record of a search for β, below a folder of results (the checkout's data/results where None)."""
    return (folder or paths.results()) / "tune" / f"{resolve(experiment)}-{data_stem(data)}-{tier}.json"


def search_record(tier: str, experiment: str, data: str) -> Path | None:
    """The recorded search that a tier goes by: its own, else for "paper" the lesson's; at "smoke" there is none."""
    for searched in {"smoke": (), "lesson": ("lesson",), "study": ("study", "lesson"), "paper": ("paper", "lesson")}[
        check_tier(tier)
    ]:
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
