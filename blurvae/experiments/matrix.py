"""Every run of a tier with where it stands, and working through those that have no recorded result."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from blurvae.experiments import EXPERIMENTS, MAIN, planned, resolve
from blurvae.parallel import SOLO, Team
from blurvae.record import Run
from blurvae.record.queue import NOT_RUN, RUNNING, STATES, seconds, state, work


@dataclass(frozen=True)
class Entry:
    """A run and where it stands.

    Attributes:
        run: the run.
        state: "recorded", "diverged" (recorded, too), "running" (a checkpoint waits to be resumed), "not run", or
            "needs weights" (recorded without the metrics whose networks were absent, or not run because its term's
            network is).
    """

    run: Run
    state: str


def matrix(tier: str, out: Path, only: Iterable[str] = ()) -> list[Entry]:
    """Every run of a tier, experiment by experiment, with its state in a folder of results.

    Args:
        tier: "smoke", "lesson", "study" or "paper".
        out: folder of results.
        only: names of experiments, data sets or methods; a run is kept if it matches one of each kind that is named.

    Returns:
        One entry a run, in the order of the experiments; a run that several of them show is listed once, as the run of
        the one that makes it.

    Raises:
        ValueError: a name that is none of these, or an unknown tier.
    """
    asked = [(name, run) for name in EXPERIMENTS for run in planned(name, tier)]
    kinds = [{name for name, _ in asked}, {run.data for _, run in asked}, {run.method for _, run in asked}]
    only = [resolve(name) if f"{MAIN}/{name}" in EXPERIMENTS else name for name in only]
    for name in only:
        if not any(name in names for names in kinds):
            near = ", ".join(get_close_matches(name, set().union(*kinds), 8, 0.0))
            raise ValueError(
                f"Nothing in tier {tier!r} is called {name!r}: choose of what `blurvae list` names, such as {near}."
            )
    wanted = [names & set(only) or names for names in kinds]
    kept = (run for name, run in asked if all(x in y for x, y in zip((name, run.data, run.method), wanted)))
    return [Entry(run, state(run, out)) for run in dict.fromkeys(kept)]  # two tables can ask for one run


def render(entries: Sequence[Entry], as_json: bool = False) -> str:
    """The matrix as text, one line an experiment, data set and method with the state of each seed, or as JSON."""
    if as_json:
        rows = [
            {"experiment": e.run.experiment, "data": e.run.data, "method": e.run.method, "tier": e.run.tier}
            | {"seed": e.run.seed, "state": e.state}
            for e in entries
        ]
        return json.dumps(rows, indent=1)
    lines: dict[tuple[str, str, str], list[str]] = {}
    for e in entries:
        lines.setdefault((e.run.experiment, e.run.data, e.run.method), []).append(f"s{e.run.seed} {e.state}")
    text = [f"{name:<18} {data:<10} {method:<24} {', '.join(seeds)}" for (name, data, method), seeds in lines.items()]
    counts = {state: sum(e.state == state for e in entries) for state in STATES}
    return "\n".join([*text, ", ".join(f"{n} {state}" for state, n in counts.items())])


def finish(
    tier: str,
    out: Path,
    only: Iterable[str] = (),
    budget: str = "",
    *,
    device: str = "auto",
    progress: bool = False,
    team: Team = SOLO,
) -> str:
    """Works through what a tier lacks; both commands are this.

    Args:
        tier: "smoke", "lesson", "study" or "paper".
        out: folder of results.
        only: as `matrix` takes it.
        budget: as `seconds` reads it; no limit where empty.
        device: "auto", "cpu" or "cuda".
        progress: a progress bar on a terminal.
        team: the processes that train together, this one alone where left out.

    Returns:
        The matrix afterwards, as text.
    """
    limit = seconds(budget) if budget else math.inf
    entries = team.together(partial(matrix, tier, out, only))
    states = team.broadcast_object([entry.state for entry in entries])  # the folder as the first rank sees it
    waiting = [entry.run for entry, state in zip(entries, states) if state in (NOT_RUN, RUNNING)]
    work(waiting, out, limit, device=device, progress=progress, team=team)
    return render(matrix(tier, out, only))
