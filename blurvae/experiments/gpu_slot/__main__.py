"""A GPU by the hour (a notebook service, a slot on a cluster, a friend's machine): what it has time for, in one file.

In this order: the tests that need a GPU, a short benchmark with the machine's ceilings, then the missing runs of a
tier, whole comparisons first. No run starts that would not end within the budget, judged by those before it. After each
run the archive is whole: FILE.tar, FILE.2.tar and so on, at most 8 parts of at most 16 MiB. Interrupt it, or let the
machine take itself back; with the archive beside it, the same command goes on. `blurvae take FILE.tar` files what is in
the parts.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blurvae import paths
from blurvae.experiments import TIERS
from blurvae.experiments.gpu_slot import checks
from blurvae.experiments.gpu_slot.comparisons import comparisons
from blurvae.experiments.gpu_slot.lacking import absent, here, missing
from blurvae.experiments.gpu_slot.pace import Pace
from blurvae.experiments.gpu_slot.plan import render
from blurvae.experiments.gpu_slot.slot import Slot
from blurvae.experiments.gpu_slot.work import WIDEST, GpuLost, Work, widest
from blurvae.files import locked
from blurvae.losses import TERMS
from blurvae.machine import choose_device
from blurvae.provenance import commit
from blurvae.record.queue import seconds
from blurvae.systems import SYSTEMS
from blurvae.text import speak_any_encoding

# All that it reads of the checkout.
READS = ("blurvae", "tests", "data/results/tune", "data/checkpoints/classifiers", "pyproject.toml", "_toc.yml")
EPILOG = f"""It needs torch, numpy, safetensors and tqdm; it uses pytest, lpips and torchvision where they are. Of the
checkout it reads {", ".join(READS)}: no recorded runs, no notebooks. Where the copy has no .git, the variable
BLURVAE_COMMIT says which commit it is of. Packs lie where BLURVAE_DATA says, weights below TORCH_HOME."""
RESERVE = 5.0  # seconds kept for the last writing of the archive
ENDINGS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m blurvae.experiments.gpu_slot`."""
    begun = time.monotonic()
    speak_any_encoding()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser().parse_args(arguments)
    try:
        budget = seconds(given.budget)
        if budget < 1:
            raise ValueError(f"A budget of {given.budget!r} is no time: give --budget 9m, say.")
        if given.dry_run:
            print(plan(given, budget))
            return
        code = work(given, begun + budget - RESERVE)
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    left = begun + budget - time.monotonic()
    if code is None and left >= 1:  # this process cannot have the GPU back, another can
        os.execv(sys.executable, [sys.executable, "-m", __package__, *arguments, "--budget", f"{left:.0f}s"])
    if code:
        sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__, epilog=EPILOG)
    parser.add_argument("--budget", default="9m", help="time in all, e.g. 9m")
    parser.add_argument("--out", type=Path, default=Path("slot.tar"), metavar="FILE.tar", help="the archive")
    parser.add_argument("--tier", default="paper", choices=TIERS)
    parser.add_argument("--only", nargs="+", action="extend", default=[], help="experiments, data sets or methods")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--recorded", type=Path, help="what `blurvae status --tier paper --json` says at home")
    parser.add_argument("--work", type=Path, help="folder for records and checkpoints until they are in the archive")
    width = f"runs side by side; on a GPU up to {WIDEST}, by its memory"
    parser.add_argument("--width", type=int, choices=range(1, 65), metavar="N", help=width)
    graphs = "auto: where their tests passed"
    parser.add_argument("--graphs", choices=("auto", "on", "off"), default="auto", help=graphs)
    parser.add_argument("--dry-run", action="store_true", help="print the plan with its estimates, on any machine")
    return parser


def plan(given: argparse.Namespace, budget: float) -> str:
    """What a slot would make, and those after it; for a GPU unless a device is given."""
    runs, needing = missing(given.tier, given.only, given.recorded)
    device = "cuda" if given.device == "auto" else choose_device(given.device).type
    away = {run.data for run in runs if absent(run.data, run.size)}
    text = render(comparisons(runs), away, budget, Pace(device, given.width or (WIDEST if device == "cuda" else 1)))
    methods = ", ".join(dict.fromkeys(run.method for run in needing))
    return text + (f"\n{len(needing)} runs need weights that are not on this machine: {methods}." if needing else "")


def work(given: argparse.Namespace, deadline: float) -> int | None:
    """Does what there is time for.

    Returns:
        An exit code: 1 where runs failed and none was recorded, else 0; None where the GPU was lost on the way.

    Raises:
        ValueError, OSError: it cannot begin.
        KeyboardInterrupt: it was interrupted; the archive is whole.
    """
    if given.out.suffix != ".tar":
        raise ValueError(f"The archive is a .tar, not {given.out}: name it FILE.tar.")
    if not re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", commit()):
        raise ValueError("No commit is known here: set the variable BLURVAE_COMMIT to that of the checkout.")
    folder = given.work or paths.build() / "gpu_slot" / given.out.stem
    with locked(folder), _terminated():
        slot = Slot(given.out, folder, deadline, choose_device(given.device), given.tier, _tell)
        slot.save()
        if slot.unsaved:
            raise OSError(f"{given.out} cannot be written: name another path with --out.")
        lost = False
        try:
            runs = here(missing(given.tier, given.only, given.recorded)[0], slot.pass_over)
            graphs, width = frozenset[str](), 1
            if all(map(slot.is_recorded, runs)):
                _tell(f"Of what is asked for of tier {given.tier} nothing is missing that could be made here.")
            else:
                graphs, width = _way(given, slot)
            pace = Pace(slot.device.type, width)
            Work(slot, slot.begin(runs, pace, graphs), pace, graphs).through()
        except GpuLost as error:
            _tell(f"The GPU answers no more ({error}): goes on in another process.")
            lost = True
        finally:
            for number in ENDINGS:
                signal.signal(number, signal.SIG_IGN)  # the archive is written whole first
            slot.save(unfinished=True)
            made, failed = slot.summary()
            _tell(f"{made} recorded, {failed} failed." + (f" {given.out} is whole." if not slot.unsaved else ""))
    if slot.unsaved:
        raise OSError(f"Not in the archive, but below {folder}: {', '.join(sorted(slot.unsaved))}.")
    return None if lost else int(failed > 0 and not made)


def _way(given: argparse.Namespace, slot: Slot) -> tuple[frozenset[str], int]:
    """The systems and terms whose moves are captured as CUDA graphs, and how many runs are made side by side."""
    passed = _checked(slot)
    graphs = {"on": frozenset((*SYSTEMS, *TERMS)), "off": frozenset[str](), "auto": frozenset(passed["graphs"])}
    captured = graphs[given.graphs]
    # Without graphs one process cannot keep a GPU busy, and several trainings in it are no faster than one.
    width = given.width or (widest(slot.device) if captured and passed["side by side"] else 1)
    if slot.device.type == "cuda":
        on = f"on for {', '.join(sorted(captured))}" if captured else "off"
        _tell(f"CUDA graphs are {on}; {width} at a time. --graphs and --width say otherwise.")
    return captured, width


def _checked(slot: Slot) -> dict[str, Any]:
    """What the GPU tests have shown; with the benchmark they are run once for a commit and a device.

    And once more where they were ended, and there is more time for them now.
    """
    left, file = slot.deadline - time.monotonic(), slot.work / "bench.json"
    now = {"commit": slot.head["commit"], "device": slot.head["device"]}
    before: dict[str, Any] = slot.head.get("checked", {})
    limit = max(min(60.0, left / 4), 1.0)
    if now.items() <= before.items() and before.get("limit", math.inf) >= limit:
        return before
    tests = checks.gpu_tests(slot.device.type, limit)
    _tell(f"GPU tests: {tests.strip().splitlines()[-1]}")
    said = checks.bench(slot.device.type, max(min(30.0 if slot.device.type == "cuda" else 10.0, left / 6), 1.0), file)
    _tell(f"benchmark: {said.strip().splitlines()[-1]}")
    slot.archive.add({"tests.txt": f"{tests}\n\nbenchmark\n{said}\n".encode()})
    if file.exists():
        slot.archive.add({"bench.json": file.read_bytes()})
    held, beside = checks.graphs_hold(tests)
    found = now | {"graphs": sorted(held), "side by side": beside}
    slot.head["checked"] = found | ({"limit": limit} if checks.ENDED in tests else {})
    slot.save()
    return found


def _tell(text: str) -> None:
    """A sentence on standard error, at once."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _terminated() -> Iterator[None]:
    """Lets SIGTERM, and the end of a terminal, interrupt as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number in ENDINGS:
        if number != signal.SIGINT and before[number] != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
