"""The experiments by name, a folder for each source document and a file for each of its tables and figures."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from blurvae.experiments.base import (
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
from blurvae.experiments.catalogue import EXPERIMENTS, MAIN, SOURCES
from blurvae.record import Run

SEEDS_OF_VARIANTS = 3


def get(name: str) -> Experiment:
    """The experiment of that name, see `resolve`.

    Raises:
        ValueError: there is none.
    """
    return cast(Experiment, import_module(f"blurvae.experiments.{resolve(name).replace('/', '.')}"))


def planned(name: str, tier: str) -> tuple[Run, ...]:
    """What is to be recorded of an experiment at a tier: its grid, of variants the first three seeds.

    Args:
        name: the experiment's name.
        tier: "smoke", "lesson", "study" or "paper"; nothing is planned at a tier that the grid lacks.
    """
    module = get(name)
    beside = {method.name for method in module.VARIANTS}
    return tuple(
        run
        for data, seeds in module.GRID.get(check_tier(tier), {}).items()
        for run in module.runs(tier, data, seeds)
        if run.method not in beside or run.seed in seeds[:SEEDS_OF_VARIANTS]
    )


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
    "planned",
    "resolve",
    "search_path",
    "search_record",
    "term_of",
    "tuned",
]
