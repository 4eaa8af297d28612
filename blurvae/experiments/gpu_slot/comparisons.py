"""The runs of a tier as whole comparisons, in the order in which a slot makes them, and what of them still fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from blurvae.record import Run

# What comes first, with patterns of the methods that are compared; all of them where there is none.
FIRST: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("bredell/table5", ("l2", "ffl", "ce", "wiener")),
    ("bredell/table2", ()),
    ("bredell/table3", ()),
    ("bredell/rate", ("l2,*", "wiener,*")),
    ("bredell/rate", ()),
    ("bredell/table5", ()),
    ("tempered/color_mnist", ("*-none", "*-learned")),
    ("tempered/color_mnist", ()),
    ("tempered/images", ("*-none", "*-learned")),
)
HOURS = ("celeba", "celeba-hq", "hcp")  # data sets, under an agreement each, of which one comparison takes hours


@dataclass(frozen=True)
class Comparison:
    """Runs that say something together: methods of one experiment on one data set, with one seed.

    Attributes:
        experiment: its name.
        data: its data set.
        seed: of its runs.
        runs: in the order of the experiment's methods.
    """

    experiment: str
    data: str
    seed: int
    runs: tuple[Run, ...]


def comparisons(runs: Iterable[Run]) -> list[Comparison]:
    """Runs as comparisons: those of FIRST, then the others as the experiments come, then those that take hours.

    Args:
        runs: in the order of the experiments.
    """
    groups: dict[tuple[bool, int, str, str, int], list[Run]] = {}
    for run in runs:
        key = run.data in HOURS, _rank(run), run.experiment, run.data, run.seed
        groups.setdefault(key, []).append(run)
    tables = list(dict.fromkeys(key[2:4] for key in groups))
    ordered = sorted(groups, key=lambda key: (*key[:2], tables.index(key[2:4]), key[4]))
    return [Comparison(*key[2:], tuple(groups[key])) for key in ordered]


def choose(waiting: Sequence[Comparison], left: float, seconds: Callable[[Run], float]) -> Run | None:
    """What to begin next: of the first comparison that fits as a whole, else the first run that fits by itself.

    Args:
        waiting: comparisons with the runs that they lack, see `without`.
        left: seconds.
        seconds: that a run takes.

    Returns:
        The run; None where nothing would end in time.
    """
    whole = (c.runs[0] for c in waiting if c.runs and sum(map(seconds, c.runs)) <= left)
    single = (run for c in waiting for run in c.runs if seconds(run) <= left)
    return next(whole, None) or next(single, None)


def without(waiting: Iterable[Comparison], run: Run) -> list[Comparison]:
    """The comparisons without a run, and without those that lack nothing any more."""
    rest = (replace(c, runs=tuple(other for other in c.runs if other != run)) for c in waiting)
    return [comparison for comparison in rest if comparison.runs]


def _rank(run: Run) -> int:
    """The place in FIRST; behind all of it where there is none."""
    for rank, (experiment, methods) in enumerate(FIRST):
        if run.experiment == experiment and any(fnmatchcase(run.method, name) for name in methods or ("*",)):
            return rank
    return len(FIRST)
