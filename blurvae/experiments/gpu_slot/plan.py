"""The plan of a slot and of those after it, before any of it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from blurvae.experiments.gpu_slot.comparisons import HOURS, Comparison, choose, without
from blurvae.experiments.gpu_slot.pace import CPU, FLOPS, LAUNCH, Pace
from blurvae.record import Run

START = 10.0  # seconds to the first step of a process
SHOWN = 12  # slots of which the plan says what they make
CHECKS = 60.0  # seconds that the GPU tests and the benchmark take, once for an archive


def slots(waiting: Iterable[Comparison], budget: float, pace: Pace) -> tuple[list[list[Run]], list[Run]]:
    """What each slot makes, chosen as a slot chooses, and the runs that are longer than a slot.

    Args:
        waiting: comparisons with the runs that they lack.
        budget: seconds of a slot.
        pace: how long runs take.
    """
    rest, made = list(waiting), list[list[Run]]()
    while rest:
        left = budget - START - CHECKS * (not made)
        slot: list[Run] = []
        while run := choose(rest, left, pace.expected):
            slot.append(run)
            rest, left = without(rest, run), left - pace.expected(run)
        if not slot and made:
            break
        made.append(slot)
    return made, [run for comparison in rest for run in comparison.runs]


def render(waiting: Sequence[Comparison], absent: Collection[str], budget: float, pace: Pace) -> str:
    """The plan as text: the comparisons with their runs and minutes, what each slot makes, and how many there are.

    Args:
        waiting: comparisons with the runs that they lack.
        absent: data sets that are not here; those of HOURS among them are not counted.
        budget: seconds of a slot.
        pace: how long runs take.
    """
    hours = [c for c in waiting if c.data in HOURS and c.data in absent]
    now = [c for c in waiting if not (c.data in HOURS and c.data in absent)]
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for c in now:
        groups.setdefault((c.experiment, c.data, _methods(c.runs)), []).append(c)
    table = [("comparison", "seeds", "runs", "min a run", "min", "training alone", "methods")]
    for (experiment, data, methods), same in groups.items():
        runs = [run for c in same for run in c.runs]
        minutes, alone = _minutes(runs, pace), sum(map(pace.training, runs)) / 60
        seeds = " ".join(str(c.seed) for c in same)
        figures = f"{len(runs)}", f"{minutes / len(runs):.2f}", f"{minutes:.1f}", f"{alone:.1f}"
        table.append((f"{experiment} {data}", seeds, *figures, methods))
    widths = [max(map(len, column)) for column in list(zip(*table))[:-1]]
    lines = [_speeds(pace), ""]
    lines += ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]) for row in table]
    made, long = slots(now, budget, pace)
    lines += [
        "",
        f"A slot of {budget / 60:g} min: {START:.0f} s to the first step, in the first {CHECKS:.0f} s of checks.",
    ]
    for k, slot in enumerate(made[:SHOWN], 1):
        counts = Counter(f"{run.experiment} {run.data} s{run.seed}" for run in slot)
        said = ", ".join(f"{name} ({n})" for name, n in counts.items())
        lines.append(f"slot {k}: {_minutes(slot, pace):.1f} min, {said or 'nothing that would end'}")
    lines += ["…"] if len(made) > SHOWN else []
    rest = sum(map(len, made[1:]))
    begun = len(made[0]) if made else 0
    lines += ["", f"{begun} runs in the first slot; the rest, {rest} runs, takes {len(made[1:])} more."]
    if long:
        lines.append(
            f"{len(long)} runs are longer than a slot: {', '.join(dict.fromkeys(run.method for run in long))}."
        )
    for name in dict.fromkeys(c.data for c in now if c.data in absent):
        lines.append(f"{name} is not on this machine: a slot here would pass its runs over.")
    for name in dict.fromkeys(c.data for c in hours):
        runs = [run for c in hours if c.data == name for run in c.runs]
        lines.append(
            f"{name} is not on this machine: its {len(runs)} runs, {_minutes(runs, pace) / 60:.0f} h, are left out."
        )
    return "\n".join(lines)


def _speeds(pace: Pace) -> str:
    if pace.device == "cpu":
        return f"Assumed: {CPU:.0e} images/s, divided by what a system says that one costs."
    launches = 1000 * LAUNCH[pace.width > 1]
    used = f"{pace.width} side by side" if pace.width > 1 else "one run at a time"
    return (
        f"Assumed (targets for an H100 or H200, not measured), {used}: at least {launches:.2f} ms for a play of a "
        f"move, and at most {FLOPS / 1e12:.0f} TFLOP/s."
    )


def _methods(runs: Iterable[Run]) -> str:
    """Their methods; of several that differ by a setting how many there are."""
    same: dict[str, set[str]] = {}
    for run in runs:
        same.setdefault(run.method.partition(",")[0], set()).add(run.method)
    return ", ".join(min(names) if len(names) == 1 else f"{name} ({len(names)})" for name, names in same.items())


def _minutes(runs: Iterable[Run], pace: Pace) -> float:
    return sum(map(pace.expected, runs)) / 60
