"""The runs that a page shows: those recorded, or those made here because none is finished."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pandas as pd

from blurvae import experiments, paths
from blurvae.errors import Diverged
from blurvae.experiments import recorded
from blurvae.record import Result, execute, needs


def ensure(experiment: str, tier: str, data: str, seed: int, folder: str = "", methods: str = "") -> tuple[str, Path]:
    """What a chapter shows: the recorded lessons at tier "smoke", the runs of the tier itself at another one.

    Args:
        experiment: its name.
        tier: the chapter's parameter.
        data: the chapter's parameter.
        seed: of the runs that are made here because none is finished.
        folder: the chapter's parameter `results`; where empty, the recorded results, and runs made here go to
            _build/results.
        methods: the chapter's parameter of that name, where it has one: rows that have to be finished, separated by
            blanks; all where empty. The other rows read "not run" unless they are recorded, too.

    Returns:
        (tier to show, folder of results).

    Raises:
        ValueError: an unknown tier or method.
    """
    where = Path(folder) if folder else paths.results()
    if experiments.check_tier(tier) == "smoke":
        return "lesson", where
    module = experiments.get(experiment)
    known = [m.name for m in (*module.METHODS, *module.VARIANTS)]
    for name in methods.split():
        if name not in known:
            raise ValueError(f"{experiment} has no method {name!r}: choose of {', '.join(known)}.")
    names = methods.split() or [m.name for m in module.METHODS]
    wanted = [r for r in module.runs(tier, data, (seed,)) if r.method in names and not needs(r)]
    if any(not r.path(where).exists() for r in wanted):
        where = where if folder else paths.build() / "results"
        for r in wanted:
            with suppress(Diverged):  # its record says so, and so does the table
                execute(r, out=where, resume=True)
    return tier, where


def by_method(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    seed: int = 0,
    only: Iterable[str] = (),
) -> dict[str, Result]:
    """The runs of one seed by the label of their method, in the order of the experiment's table.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        seed: of the runs.
        only: names of methods; all where empty.

    Raises:
        ValueError: none of the runs is recorded.
    """
    module = experiments.get(experiment)
    labels = {m.name: m.label for m in module.METHODS if not only or m.name in set(only)}
    found = {
        labels[r.run.method]: r
        for r in recorded.load(experiment, tier, data, folder)
        if r.run.method in labels and r.run.seed == seed and r.pictures
    }
    if not found:
        raise not_recorded(experiment, tier, data, seed)
    return found


def measured(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """What the recorded runs of an experiment measured, see `recorded.frame`, without what has no value.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: none of the runs is recorded.
    """
    runs = recorded.frame(experiment, tier, data, folder).dropna(subset="value")
    if runs.empty:
        raise not_recorded(experiment, tier, data, pictures=False)
    return runs


def by_rate(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """The runs of a rate experiment: columns method, term, beta, seed, and a column for each metric.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: none of the runs is recorded.
    """
    runs = measured(experiment, tier, data, folder)
    wide = runs.pivot_table(index=["method", "beta", "seed"], columns="metric", values="value").reset_index()
    return wide.assign(term=wide.method.map(experiments.term_of))


class NotRecorded(ValueError):
    """What a page would show is in no record."""


def not_recorded(experiment: str, tier: str, data: str, seed: int | None = None, pictures: bool = True) -> NotRecorded:
    """The error of what shows runs, or only their numbers, where none is recorded; with the way to make them."""
    of, given = ("", "") if seed is None else (f" with seed {seed}", f" --seed {seed}")
    shown = " with its pictures" if pictures else ""
    return NotRecorded(
        f"No run of {experiment} on {data!r} at tier {tier!r}{of} is recorded{shown}: make it with "
        f"`blurvae run {experiment} --tier {tier} --data {data}{given} --out FOLDER`."
    )
