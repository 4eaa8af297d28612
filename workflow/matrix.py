"""What the workflow makes, and what each run depends on.

All of it is asked of the package: a new experiment, data set or chapter needs no edit here.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import digest

import blurvae
from blurvae import datasets, experiments, paths
from blurvae.datasets import registry
from blurvae.errors import MissingData
from blurvae.evaluation import EVALUATIONS
from blurvae.losses import Term
from blurvae.pages.notebooks import parameters
from blurvae.pages.notebooks.chapters import slugs
from blurvae.record import Run, needs, read
from blurvae.record.files import result_of
from blurvae.train import System

KEYS = ("device", "out", "results", "tier")
PACKAGE = Path(blurvae.__file__).parent
# Reached by name only, or of no weight for the numbers: what a run's own names stand for is a root instead.
CUT = {"blurvae.losses", "blurvae.systems", "blurvae.evaluation", "blurvae.datasets.registry", "blurvae.paths"}
CUT |= {"blurvae.provenance"}
RECORDS = {("blurvae.record.run", "Run"), ("blurvae.train.budget", "Budget")}  # their values are in `settings`


def check(config: Mapping[str, Any]) -> None:
    """Refuses settings of the workflow that cannot be meant.

    Raises:
        ValueError: an unknown key, a value that is no text, or an unknown tier.
    """
    if unknown := sorted(set(config) - set(KEYS)):
        raise ValueError(f"The workflow has no setting {unknown[0]!r}: choose of {', '.join(KEYS)}.")
    for key in KEYS:
        if not isinstance(config.get(key), str) or not config[key]:
            raise ValueError(f"The workflow's setting {key!r} takes a text, not {config.get(key)!r}.")
    experiments.check_tier(config["tier"])


def asked(tier: str) -> dict[tuple[str, str], tuple[Run, ...]]:
    """The runs behind each table, by experiment and data set; two tables can ask for one run."""
    found: dict[tuple[str, str], tuple[Run, ...]] = {}
    for name in experiments.EXPERIMENTS:
        for run in experiments.planned(name, tier):
            found[name, run.data] = (*found.get((name, run.data), ()), run)
    return found


@dataclass(frozen=True)
class Matrix:
    """The runs of a tier, sorted by what can be done about them on this machine.

    Attributes:
        runs: what the workflow makes, by experiment and name.
        tables: the records that each table is made of, by experiment and data set: of these runs, and of those that are
            recorded and could not be made again here.
        left_out: how many runs are neither, by what is absent.
    """

    runs: dict[tuple[str, str], Run]
    tables: dict[tuple[str, str], tuple[Run, ...]]
    left_out: dict[str, int]


def matrix(tier: str, results: Path, *, look: bool = True) -> Matrix:
    """What there is to make of a tier.

    Args:
        tier: "smoke", "lesson" or "paper".
        results: folder of results.
        look: see what is absent; without it every run counts as one that can be made, which is how a job on a node
            comes to its run without asking after all others.

    Raises:
        ValueError: an unknown tier, or nothing that could be made or shown here.
        CorruptFile: a record that cannot be read.
    """
    found = Matrix({}, {}, {})
    usable: dict[Run, bool] = {}
    for table, wanted in asked(tier).items():
        for run in wanted:
            if run in usable:
                continue
            if not (what := look and absent(run)):
                found.runs[run.experiment, run.name] = run
            usable[run] = not what or is_recorded(run, results)
            if not usable[run]:
                found.left_out[what] = found.left_out.get(what, 0) + 1
        if shown := tuple(run for run in wanted if usable[run]):
            found.tables[table] = shown
    if not found.tables:
        raise ValueError(
            f"No run of tier {tier!r} can be made here, for want of {', '.join(found.left_out)}: `blurvae data list` "
            "says how to get data, and BLURVAE_DATA names the folder that has them."
        )
    return found


def absent(run: Run) -> str:
    """What a run cannot be made here without, its data set or its term's weights; empty where nothing is absent."""
    try:
        pixels(run)
    except MissingData:
        return f"the data set {run.data}"
    return needs(run)


def is_recorded(run: Run, results: Path) -> bool:
    """Whether the folder has a record of these very settings."""
    return result_of(run, results) is not None


def rule(run: Run) -> str:
    """The name of the run's rule, which names its jobs too."""
    return re.sub(r"\W", "_", f"run_{run.experiment}_{run.name}")


# What a run depends on ----------------------------------------------------------------------------------------------


def settings(run: Run) -> dict[str, Any]:
    """The run's full configuration, but for options that are off by default and stay so (None, 0, False or empty).

    So an option that joins the package later changes nothing for the runs that do not use it.
    """

    def used(record: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"name": record.name} if isinstance(record, System | Term) else {}
        for f in fields(record):
            value = getattr(record, f.name)
            if value or value != f.default:
                found[f.name] = used(value) if is_dataclass(value) else value
        return found

    return used(run)


def pixels(run: Run) -> str:
    """The checksum of the data set that the run's record states.

    Raises:
        MissingData: it is not on this machine.
    """
    return _checksum(run.data, run.size)


@cache
def _checksum(data: str, size: int) -> str:
    return datasets.load(data, "train", size=size).checksum


def code(run: Run) -> str:
    """The sha256 of the definitions that a run executes."""
    return _code(frozenset(_own(run)), run.data)


@cache
def _code(own: frozenset[digest.Place], data: str) -> str:
    return _sha256([sorted(_places(own, data).items()), _loader(data)[1]])


def places(run: Run) -> dict[digest.Place, str]:
    """Those definitions: see `digest`.

    The record classes are left out, since their values are in `settings`. Of a data set that is a pack, whose checksum
    is that of the stored images, the code that cuts them to size belongs to it; others are known by their pixels.
    """
    return _places(frozenset(_own(run)), run.data)


def _places(own: frozenset[digest.Place], data: str) -> dict[digest.Place, str]:
    roots = [("blurvae.record.execute", "execute"), *sorted(own), *_loader(data)[0]]
    return digest.places(PACKAGE, roots, CUT | RECORDS)


def _own(run: Run) -> Iterator[digest.Place]:
    """What the names in a run's record stand for: its system, the terms of that, and its evaluation."""

    def kinds(record: Any) -> Iterator[type]:
        yield type(record)
        for f in fields(record):
            if isinstance(value := getattr(record, f.name), Term):
                yield from kinds(value)

    for kind in (*kinds(run.system), EVALUATIONS[run.system.name]):
        yield kind.__module__, kind.__qualname__


def _loader(data: str) -> tuple[list[digest.Place], dict[str, Any]]:
    """The function that reads a pack, with what is set for this data set; nothing for others."""
    dataset, _ = registry.find(data)
    if not dataset.is_pack:
        return [], {}
    load = dataset.load
    how = load.keywords if isinstance(load, partial) else {}
    function = load.func if isinstance(load, partial) else load
    return [(function.__module__, function.__qualname__)], how


def stamp(run: Run) -> str:
    """One checksum for settings, pixels and code; a checkpoint of another one is not resumed."""
    return _sha256([settings(run), pixels(run), code(run)])


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def presentation() -> str:
    """The sha256 of what tables and chapters are made with beside records: the whole package and the paper's tables."""
    files = [*sorted(PACKAGE.rglob("*.py")), *sorted(paths.paper().rglob("*.csv"))]
    return _sha256([(file.name, file.read_text(encoding="utf-8")) for file in files])


def demand(tier: str, records: list[Path]) -> None:
    """Refuses records that no run of the tier would write: in a folder that Snakemake did not fill, it sees no change.

    Raises:
        ValueError: a record of other settings.
        CorruptFile: one that cannot be read.
    """
    wanted = {(run.experiment, run.name): run for runs in asked(tier).values() for run in runs}
    for path in records:
        run = read(path).run
        if run != wanted.get((run.experiment, path.stem)):
            raise ValueError(
                f"{path} was made with other settings than {run.experiment} has now: remove it, or give the workflow "
                "another folder with --config results=FOLDER."
            )


# Chapters -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chapter:
    """A chapter on a data set.

    Attributes:
        slug: of the chapter.
        data: name of the data set.
        seed: of the runs that it shows as pictures.
        tables: what it rests on, as keys of `Matrix.tables`.
    """

    slug: str
    data: str
    seed: int
    tables: tuple[tuple[str, str], ...]


def chapters(tables: Mapping[tuple[str, str], tuple[Run, ...]]) -> list[Chapter]:
    """The chapters that show tables, once for each data set: those with the parameters of an experiment."""
    found = []
    for slug in slugs():
        source = (paths.notebooks() / f"{slug}.md").read_text(encoding="utf-8")
        if {"tier", "data", "seed", "results"} <= set(parameters.declared(slug)):
            shown = [key for key in tables if any(f'"{name}"' in source for name in _names(key[0]))]
            for data in dict.fromkeys(data for _, data in shown):
                keys = tuple(key for key in shown if key[1] == data)
                found.append(Chapter(slug, data, tables[keys[0]][0].seed, keys))
    return found


def _names(experiment: str) -> set[str]:
    """What a chapter may call an experiment: its name, without the folder if that is the main paper's."""
    return {experiment, experiment.removeprefix(f"{experiments.MAIN}/")}


if __name__ == "__main__":
    try:
        demand(sys.argv[1], [Path(argument) for argument in sys.argv[2:]])
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {error}")
