"""Where runs stand in a folder of results, and working through them, cheapest first, within a time budget."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from blurvae import datasets
from blurvae.errors import Diverged, MissingData, MissingWeights
from blurvae.parallel import SOLO, Team
from blurvae.record.execute import execute
from blurvae.record.execution import needs
from blurvae.record.files import result_of
from blurvae.record.run import Run

IMAGES_OF_SEED = 0  # the seed whose pictures are recorded
RECORDED, DIVERGED, RUNNING, NOT_RUN, NEEDS_WEIGHTS = "recorded", "diverged", "running", "not run", "needs weights"
STATES = (RECORDED, DIVERGED, RUNNING, NOT_RUN, NEEDS_WEIGHTS)


def state(run: Run, out: Path) -> str:
    """Where a run stands in a folder of results; a record of other settings counts as not run."""
    if (result := result_of(run, out)) is not None:
        if result.diverged:
            return DIVERGED
        missing = any(entry.get("state") for entry in result.record["metrics"].values())
        return NEEDS_WEIGHTS if missing else RECORDED
    if (run.unfinished(out) / "checkpoint.json").exists():
        return RUNNING
    return NEEDS_WEIGHTS if needs(run) else NOT_RUN


def images(run: Run) -> int:
    """How many images a run trains on, each as often as it is seen; CIFAR-10's number where no card says how many."""
    n = run.n_train or datasets.describe(run.data)["images"].get("train", 40_000)
    return run.budget.epochs * run.budget.passes * int(n)


def cost(run: Run) -> float:
    """How much work a run is, in a unit of its own: images × what its system says of one."""
    return images(run) * run.system.cost(run.shape)


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
            say(f"{run.whole_name}: not started, about {expected:.0f} s of {max(left, 0):.0f} s left")
            continue
        begun = time.monotonic()
        try:
            images = run.seed == IMAGES_OF_SEED
            execute(run, out=out, resume=True, device=device, images=images, progress=progress, team=team)
        except (MissingData, MissingWeights, Diverged, BlockingIOError) as error:
            say(f"{run.whole_name}: passed over. {error}")
            continue
        spent, done_cost = spent + time.monotonic() - begun, done_cost + cost(run)
        say(f"{run.whole_name}: {time.monotonic() - begun:.0f} s")
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
