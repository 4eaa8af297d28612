"""What several processes gain, measured with two on this machine; `blurvae.bench.cost` is a model of more.

`python -m blurvae.bench.scaling --out data/results/bench/scaling.json` starts two processes (on a GPU machine one for
each of two GPUs) and lets the sides take turns in them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from blurvae.bench.clock import cores
from blurvae.bench.cost import volume, widths
from blurvae.bench.loops import Job
from blurvae.files import write_json
from blurvae.machine import choose_precision
from blurvae.parallel import SOLO, Team
from blurvae.provenance import provenance
from blurvae.text import speak_any_encoding, to_json
from blurvae.train import State, fit

FORMAT = 1
HALF = "one process, half of the threads and of the batch"
LONG = 3600  # seconds after which the two processes count as hanging


def measure(device: str = "auto", *, quick: bool = False, out: Path | None = None) -> dict[str, Any]:
    """Starts two processes and measures in them; each side is a median over rounds in which the sides take turns.

    Args:
        device: "auto", "cpu" or "cuda"; the latter needs two GPUs.
        quick: tiny networks, to see that it works; the figures mean nothing.
        out: file for the JSON.

    Returns:
        The record: `provenance`, `cores`, `load` before, `sides` (name to `threads`, `batch` of all processes,
        `processes` and `seconds` of a step by round), `volume` (bytes that a process sends in a step).

    Raises:
        ValueError: there is one core or GPU only, or the processes failed.
    """
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        if torch.cuda.device_count() < 2:
            raise ValueError(f"Two processes need two GPUs, this machine has {torch.cuda.device_count()}.")
        device = "cuda"
    elif cores() < 2:
        raise ValueError("Two processes on one core measure nothing but their quarrel: use a machine with more.")
    else:
        device = "cpu"
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
    with TemporaryDirectory() as folder:
        file = Path(folder) / "record.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m",
                   "blurvae.bench.scaling", "--worker", str(file), "--device", device]  # fmt: skip
        command += ["--quick"] * quick
        environment = {**os.environ, "OMP_NUM_THREADS": str(cores() // 2)}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONG, check=False)
        except subprocess.TimeoutExpired:  # without their launcher the processes end by themselves
            raise ValueError(f"The two processes did not end within {LONG} s.") from None
        if not file.exists():
            said = [line for line in done.stderr.splitlines() if line.startswith("blurvae: ")] or ["no reason given"]
            raise ValueError(f"The two processes ended without a result: {said[0].removeprefix('blurvae: ')}")
        record: dict[str, Any] = json.loads(file.read_text()) | {"cores": cores(), "load": load}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, record)
    return record


def work(team: Team, quick: bool) -> dict[str, Any]:
    """What each of the two processes does; the record of `measure` without what only the parent knows."""
    where = torch.device(team.device)
    precision = choose_precision("auto", where)
    job = Job(where.type, precision)
    if quick:
        job = Job(where.type, precision, 4, 16, (4, 8), 8, 16, 3)
    half = replace(job, batch=job.batch // 2)
    all_threads = torch.get_num_threads() * team.size
    # name: (threads of a process, who takes part, seconds of a step)
    sides: dict[str, tuple[int, Team, Job, Callable[[Team, Job, int], float]]] = {
        "one process": (all_threads, SOLO, job, _training),
        HALF: (all_threads // team.size, SOLO, half, _training),
        "two processes": (all_threads // team.size, team, job, _training),
        "gradients": (all_threads // team.size, team, job, _gradients),
        "moments": (all_threads // team.size, team, job, _moments),
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(2 if quick else 6):
        for name, (threads, who, given, side) in sides.items():
            team.barrier()
            torch.set_num_threads(threads)
            if who is team or team.is_first:
                found[name].append(side(who, given, 3 if quick else 5))
    return {
        "format": FORMAT,
        "provenance": provenance(where) | {"precision": precision},
        "quick": quick,
        "job": asdict(job),
        "sides": {
            name: {"threads": threads, "processes": who.size, "batch": given.batch, "seconds": found[name][1:]}
            for name, (threads, who, given, _) in sides.items()
        },
        "volume": volume(job),
    }


def _training(team: Team, job: Job, steps: int) -> float:
    """Median seconds of a step of `fit`, the first left out."""
    moments: list[float] = []

    def look(_: State) -> None:
        if job.device == "cuda":
            torch.cuda.synchronize()
        moments.append(time.perf_counter())

    data = replace(job, images=(steps + 1) * job.batch).data()
    device = team.device if team.size > 1 else job.device
    fit(job.system(), job.players(), data, job.budget(1), device=device, callback=look, team=team)
    return median(b - a for a, b in pairwise(moments))


def _timed(do: Callable[[], None], device: str, steps: int) -> float:
    """Median seconds of so many times, the first left out."""
    seconds = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        do()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return median(seconds[1:])


def _gradients(team: Team, job: Job, steps: int) -> float:
    """Median seconds in which the gradients of both players are averaged."""
    players = [net.to(team.device) for net in job.players() if net is not None]
    for net in players:
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)

    def exchange() -> None:
        for net in players:
            team.average_gradients(net.parameters())

    return _timed(exchange, job.device, steps)


def _moments(team: Team, job: Job, steps: int) -> float:
    """Median seconds of the exchanges of all batch norms, forwards and backwards."""
    tables = [torch.zeros(rows, 2, width, device=team.device) for width in widths(job) for rows in (team.size, 1)]

    def exchange() -> None:
        for table in tables:
            team.mean(table)

    return _timed(exchange, job.device, 4 * steps)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures, prints."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m blurvae.bench.scaling", description=__doc__)
    parser.add_argument("--out", type=Path, default=None, help="file for the JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (two GPUs)")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to see that it works")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        if given.worker is None:
            print(to_json(measure(given.device, quick=given.quick, out=given.out)))
            return
        with Team.from_environment(given.device) as team:
            record = work(team, given.quick)
            if team.is_first:
                given.worker.write_text(json.dumps(record))
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {error}")


if __name__ == "__main__":
    main()
