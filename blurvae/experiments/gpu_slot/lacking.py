"""Which runs have no record, and which of them this machine has the data for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from blurvae import datasets, paths
from blurvae.experiments.matrix import matrix
from blurvae.record import Run
from blurvae.record.queue import DIVERGED, NEEDS_WEIGHTS, NOT_RUN, RECORDED, RUNNING


def missing(tier: str, only: Sequence[str] = (), listed: Path | None = None) -> tuple[list[Run], list[Run]]:
    """The runs that have no record in the checkout, nor by a list, and those that lack weights.

    Those in an archive are among the first: its slot knows them.

    Args:
        tier: of the runs.
        only: experiments, data sets or methods; all where none is named.
        listed: what `blurvae status --json` printed where the records are.

    Raises:
        ValueError: the file is no such list, or has no run of this tier.
        OSError: it cannot be read.
    """
    named = _recorded(listed, tier) if listed else set()
    found = [entry for entry in matrix(tier, paths.results(), only) if _key(entry.run) not in named]
    needing = [e.run for e in found if e.state == NEEDS_WEIGHTS and not e.run.path(paths.results()).exists()]
    return [entry.run for entry in found if entry.state in (NOT_RUN, RUNNING)], needing


def _recorded(file: Path, tier: str) -> set[tuple[Any, ...]]:
    """The runs that a list says have come to their end; what needs weights where it was printed may not here."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        keys = ("experiment", "data", "method", "tier", "seed")
        found = {tuple(row[key] for key in keys) for row in rows if row["state"] in (RECORDED, DIVERGED)}
        tiers = {row["tier"] for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is no list that `blurvae status --json` has printed ({error}).") from error
    if tier not in tiers:
        raise ValueError(f"{file} lists no run of tier {tier}: print it with `blurvae status --tier {tier} --json`.")
    return found


def _key(run: Run) -> tuple[Any, ...]:
    return run.experiment, run.data, run.method, run.tier, run.seed


@cache
def absent(data: str, size: int) -> str:
    """Why a data set cannot be trained on here; empty where it can."""
    try:
        datasets.load(data, "train", size=size)
    except Exception as error:  # absent, damaged, or a package that reads it is absent: the others can be trained on
        return str(error)
    return ""


@cache
def damaged(data: str) -> str:
    """Why the files of a data set are not those of its card; empty where they are."""
    report = datasets.check(data)
    return report.problem if report.present and report.checksum is None else ""


def here(runs: Sequence[Run], say: Callable[[str, str], None]) -> list[Run]:
    """The runs whose data are on this machine and whole; of other data sets `say` hears name and reason, once each."""
    reasons = {run: absent(run.data, run.size) or damaged(run.data) for run in runs}
    for data, why in {run.data: why for run, why in reasons.items() if why}.items():
        say(data, why)
    return [run for run in runs if not reasons[run]]
