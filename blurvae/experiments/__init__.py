"""The experiments by name, a folder for each source document and a file for each of its tables and figures."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from blurvae.experiments.base import (
    EXPERIMENTS,
    MAIN,
    SOURCES,
    TIERS,
    Experiment,
    Given,
    Method,
    check_tier,
    make,
    over_beta,
    resolve,
    search_path,
    search_record,
    term_of,
    tuned,
)
from blurvae.record import Run


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
    "over_beta",
    "resolve",
    "search_path",
    "search_record",
    "term_of",
    "tuned",
]
