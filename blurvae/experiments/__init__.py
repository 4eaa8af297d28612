"""The experiments by name, a folder for each source document and a file for each of its tables and figures."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from blurvae.experiments.base import (
    MAIN,
    TIERS,
    Experiment,
    Given,
    Method,
    check_tier,
    make,
    search_path,
    search_record,
    tuned,
    whole_name,
)
from blurvae.record import Run

# The source documents, each with the prefix of its claims ("B1a"), which errata bear too outside the main paper.
SOURCES = {"bredell": "B"}
EXPERIMENTS = (
    "bredell/table5",
    "bredell/table2",
    "bredell/table1",
    "bredell/figure2",
    "bredell/table2_256",
    "bredell/table3",
    "bredell/table4",
    "bredell/table6",
    "bredell/rate",
)


def resolve(name: str) -> str:
    """The whole name of an experiment: one without a folder is the main paper's.

    Raises:
        ValueError: there is none.

    Example:
        >>> resolve("table5")
        'bredell/table5'
    """
    whole = whole_name(name)
    if whole not in EXPERIMENTS:
        raise ValueError(f"There is no experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}.")
    return whole


def get(name: str) -> Experiment:
    """The experiment of that name, see `resolve`.

    Raises:
        ValueError: there is none.
    """
    return cast(Experiment, import_module(f"blurvae.experiments.{resolve(name).replace('/', '.')}"))


def borrowed(experiment: str, tier: str, data: str) -> tuple[Run, ...]:
    """The runs of a table, one seed each, that belong to another experiment."""
    own = resolve(experiment)
    return tuple(run for run in get(own).runs(tier, data, (0,)) if run.experiment != own)


__all__ = [
    "EXPERIMENTS",
    "MAIN",
    "SOURCES",
    "TIERS",
    "Experiment",
    "Given",
    "Method",
    "borrowed",
    "check_tier",
    "get",
    "make",
    "resolve",
    "search_path",
    "search_record",
    "tuned",
    "whole_name",
]
