"""Works through the runs that have no recorded result, cheapest first, whole run by whole run, within a time budget.

It needs nothing beyond torch, numpy, safetensors and tqdm: `python -m blurvae.queue` runs on a bare GPU machine.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blurvae import experiments, paths
from blurvae.errors import Diverged, MissingData, MissingWeights
from blurvae.parallel import SOLO, Team
from blurvae.run import Run, execute, needs, read
from blurvae.text import speak_any_encoding

IMAGES_OF_SEED = 0  # the seed whose images are recorded; the others keep spectra and kernels, a tenth of the size
RECORDED, RUNNING, NOT_RUN, NEEDS_WEIGHTS = "recorded", "running", "not run", "needs weights"


@dataclass(frozen=True)
class Entry:
    """A run and where it stands.

    Attributes:
        run: the run.
        state: "recorded", "running" (a checkpoint waits to be resumed), "not run", or "needs weights" (recorded without
            the metrics whose networks were absent, or not run because its term's network is).
    """

    run: Run
    state: str


def matrix(tier: str, out: Path, only: Iterable[str] = ()) -> list[Entry]:
    """Every run of a tier, experiment by experiment, with its state in a folder of results.

    Args:
        tier: "smoke", "lesson" or "paper".
        out: folder of results.
        only: names of experiments, data sets or methods; a run is kept if it matches one of each kind that is named.

    Returns:
        One entry a run, in the order of the experiments; a run that several of them show is listed once, as the run of
        the one that makes it.

    Raises:
        ValueError: a name that is none of these, or an unknown tier.
    """
    asked = [
        (name, run)
        for name in experiments.EXPERIMENTS
        for data, seeds in experiments.get(name).GRID[experiments.check_tier(tier)].items()
        for run in experiments.get(name).runs(tier, data, seeds)
    ]
    kinds = [{name for name, _ in asked}, {run.data for _, run in asked}, {run.method for _, run in asked}]
    for name in only:
        if not any(name in names for names in kinds):
            known = ", ".join(sorted(set().union(*kinds)))
            raise ValueError(f"Nothing in tier {tier!r} is called {name!r}: choose of {known}.")
    wanted = [names & set(only) or names for names in kinds]
    kept = (run for name, run in asked if all(x in y for x, y in zip((name, run.data, run.method), wanted)))
    return [Entry(run, state(run, out)) for run in dict.fromkeys(kept)]  # two tables can ask for one run


def state(run: Run, out: Path) -> str:
    """Where a run stands in a folder of results; a record of other settings counts as not run."""
    path = run.path(out)
    if path.exists():
        result = read(path)
        if result.run == run:
            missing = any(entry.get("state") for entry in result.record["metrics"].values())
            return NEEDS_WEIGHTS if missing else RECORDED
    if (run.unfinished(out) / "checkpoint.json").exists():
        return RUNNING
    return NEEDS_WEIGHTS if needs(run) else NOT_RUN


def images(run: Run) -> int:
    """How many images a run trains on, each as often as it is seen; CIFAR-10's number where it takes all."""
    return run.settings.epochs * (run.n_train or 40_000)


def cost(run: Run) -> float:
    """How much work a run is, in a unit of its own: images × pixels × the square of the first width."""
    return float(images(run) * run.size**2 * run.widths[0] ** 2)


def work(
    runs: Sequence[Run],
    out: Path,
    budget: float,
    *,
    device: str = "auto",
    progress: bool = False,
    team: Team = SOLO,
) -> list[str]:
    """Executes runs, cheapest first, and starts none that would end after the budget, judged by those before it.

    Args:
        runs: what to do.
        out: folder of results.
        budget: seconds; infinite for all.
        device: "auto", "cpu" or "cuda".
        progress: a progress bar on a terminal.
        team: the processes that train together, this one alone where left out.

    Returns:
        The names of the finished runs. A run that diverged, whose data or weights are absent or that another process
        works at is named on stderr and passed over.
    """
    say = partial(print, file=sys.stderr if team.is_first else io.StringIO(), flush=True)
    started, spent, done_cost = time.monotonic(), 0.0, 0.0
    done: list[str] = []
    for run in sorted(runs, key=cost):
        left = budget - (time.monotonic() - started)
        expected = cost(run) * spent / done_cost if done_cost else 0.0
        if team.broadcast_object(left <= 0 or expected > left):  # their clocks differ
            say(f"{run.experiment}/{run.name}: not started, about {expected:.0f} s of {max(left, 0):.0f} s left")
            continue
        begun = time.monotonic()
        try:
            images = run.settings.seed == IMAGES_OF_SEED
            execute(run, out=out, resume=True, device=device, images=images, progress=progress, team=team)
        except (MissingData, MissingWeights, Diverged, BlockingIOError) as error:
            say(f"{run.experiment}/{run.name}: passed over. {error}")
            continue
        spent, done_cost = spent + time.monotonic() - begun, done_cost + cost(run)
        say(f"{run.experiment}/{run.name}: {time.monotonic() - begun:.0f} s")
        done.append(run.name)
    return done


def seconds(text: str) -> float:
    """A duration as "90", "90s", "9m" or "2h".

    Raises:
        ValueError: anything else.

    Example:
        >>> seconds("9m")
        540.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration: write 90s, 9m or 2h.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def render(entries: Sequence[Entry], as_json: bool = False) -> str:
    """The matrix as text, one line an experiment, data set and method with the state of each seed, or as JSON."""
    if as_json:
        rows = [
            {"experiment": e.run.experiment, "data": e.run.data, "method": e.run.method, "tier": e.run.tier}
            | {"seed": e.run.settings.seed, "state": e.state}
            for e in entries
        ]
        return json.dumps(rows, indent=1)
    lines: dict[tuple[str, str, str], list[str]] = {}
    for e in entries:
        lines.setdefault((e.run.experiment, e.run.data, e.run.method), []).append(f"s{e.run.settings.seed} {e.state}")
    text = [f"{name:<10} {data:<10} {method:<24} {', '.join(seeds)}" for (name, data, method), seeds in lines.items()]
    counts = {state: sum(e.state == state for e in entries) for state in (RECORDED, RUNNING, NOT_RUN, NEEDS_WEIGHTS)}
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
        tier: "smoke", "lesson" or "paper".
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


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m blurvae.queue`: the same as `blurvae queue`, without its dependencies."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m blurvae.queue", description=__doc__)
    parser.add_argument("--tier", default="paper", choices=experiments.TIERS)
    parser.add_argument("--budget", default="", help="e.g. 9m; no limit where left out")
    parser.add_argument("--out", type=Path, default=None, help="folder of results; the recorded ones where left out")
    parser.add_argument("--only", nargs="*", action="extend", default=[], help="experiments, data sets or methods")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--status", action="store_true", help="only say where each run stands")
    given = parser.parse_args(arguments)
    out = given.out or paths.results()
    try:
        if given.status:
            print(render(matrix(given.tier, out, given.only)))
            return
        with Team.from_environment(given.device) as team:
            said = finish(given.tier, out, given.only, given.budget, device=given.device, team=team)
            if team.is_first:
                print(said)
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {error}")


if __name__ == "__main__":  # pragma: no cover
    main()
