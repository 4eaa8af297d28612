"""β per method: the value whose samples are nearest to held-out training images, by Fréchet distance.

The main paper chose β by the FID of samples. Here each method of a table is trained at every β of its grid
(`Method.search`), one seed, half the table's epochs, and measured on the last training images, which no run of the
search trains on. The whole search is one JSON file below data/results/tune, and the experiment's tables take β from
there. The held-out patches of `natural` overlap the others, since they come from the same photographs: they choose β,
and measure nothing that is shown.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from blurvae import datasets, experiments, metrics, paths
from blurvae.errors import CorruptFile, Diverged
from blurvae.files import locked, write_json
from blurvae.record import Run, execute, needs
from blurvae.record.encode import decode, encode
from blurvae.record.formats import SOURCE, upgrade_run

CRITERION = "FD-squeeze (samples)"
FORMAT = 2


@dataclass(frozen=True)
class Search:
    """A finished search.

    Attributes:
        path: its record.
        chosen: β by method.
        trials: for each training its method, β, run, metrics (or "diverged"), data and provenance.
    """

    path: Path
    chosen: dict[str, float]
    trials: list[dict[str, Any]]


def candidates(experiment: str, data: str, tier: str = "lesson", only: Sequence[str] = ()) -> tuple[Run, ...]:
    """The trainings of a search: every method at every β of its grid, without those whose weights are absent.

    Args:
        experiment: its name.
        data: the data set's name.
        tier: whose budget is halved.
        only: methods; all where empty.

    Raises:
        ValueError: an experiment whose β is not searched, or is another's; an unknown method.
        MissingData: the data set is not on this machine.
    """
    experiment, module = experiments.resolve(experiment), experiments.get(experiment)
    if (other := module.searched(data)) != (experiment, data):
        way = f"it is that of {other[0]} on {other[1]}: tune that" if other else "each method has its own"
        raise ValueError(f"The β of {experiment} on {data!r} is not searched: {way}.")
    grids = {m.name: m.search for m in module.METHODS}
    for name in only:
        if name not in grids:
            raise ValueError(f"{experiment} has no method {name!r}: choose one of {', '.join(grids)}.")
    runs = [run for run in module.runs(tier, data, (0,)) if run.method in (only or grids) and not needs(run)]
    whole = len(datasets.load(data, "train", size=runs[0].size)) if runs else 0
    found = []
    for run in runs:
        held_out = run.n_test or max(2, whole // 10)
        budget = replace(run.budget, epochs=max(2, run.budget.epochs // 2))
        half = {"warm_up": run.system.warm_up // 2 or 1} if hasattr(run.system, "warm_up") else {}
        found += [
            replace(
                run,
                experiment="tune",
                method=f"{run.method},beta={beta:g}",
                n_train=min(run.n_train or whole, whole - held_out),
                n_valid=held_out,
                n_bound=0,
                system=replace(cast(Any, run.system), **half, beta=beta),
                budget=budget,
            )
            for beta in grids[run.method]
        ]
    return tuple(found)


def tune(
    experiment: str,
    data: str,
    *,
    tier: str = "lesson",
    only: Sequence[str] = (),
    out: Path | None = None,
    device: str = "auto",
    progress: bool = False,
) -> Search:
    """Searches β for the methods of an experiment and records the search; what is recorded already is not run again.

    Args:
        experiment: its name.
        data: the data set's name.
        tier: whose budget is halved.
        only: methods; all where empty. The others keep what is recorded of them.
        out: folder of results, in which <out>/tune/<experiment>-<data>-<tier>.json is written; the checkout's
            data/results, from which the tables read, where None.
        device: "auto", "cpu" or "cuda".
        progress: a progress bar on a terminal.

    Raises:
        ValueError: see `candidates`; or every β of a method diverged.
        MissingData: the data set is not on this machine.
        MissingWeights: the network of the criterion is not.
        CorruptFile: an earlier record cannot be read.
        BlockingIOError: another process is at this search.
    """
    out, experiment = out or paths.results(), experiments.resolve(experiment)
    path = experiments.search_path(experiment, data, tier, out)
    wanted = candidates(experiment, data, tier, only)
    metrics.statistics(torch.zeros(2, 3, 32, 32))  # without its network no β can be chosen: said before any training
    before = {json.dumps(trial["run"]): trial for trial in read(path)}
    work = path.parent / f".{path.stem}"
    with locked(work):
        trials = [
            (before.pop(_key(run)) if _key(run) in before else _try(run, work, device, progress)) for run in wanted
        ]
        kept = [trial for trial in before.values() if only and trial["method"] not in only]
        order = [m.name for m in experiments.get(experiment).METHODS]
        trials = sorted([*kept, *trials], key=lambda trial: (order.index(trial["method"]), trial["beta"]))
        chosen = choose(trials)
        record = {"format": FORMAT, "experiment": experiment, "data": data, "tier": tier, "criterion": CRITERION}
        write_json(path, record | {"chosen": chosen, "trials": trials})
        shutil.rmtree(work, ignore_errors=True)
    return Search(path, chosen, trials)


def choose(trials: list[dict[str, Any]]) -> dict[str, float]:
    """The β of each method with the lowest distance.

    Raises:
        ValueError: every training of a method diverged.
    """
    chosen: dict[str, float] = {}
    for method in dict.fromkeys(trial["method"] for trial in trials):
        own = [trial for trial in trials if trial["method"] == method and trial["metrics"]]
        if not own:
            raise ValueError(f"Every training of {method!r} diverged: widen its grid, or lower the learning rate.")
        chosen[method] = min(own, key=lambda trial: trial["metrics"][CRITERION]["value"])["beta"]
    return chosen


def read(path: Path) -> list[dict[str, Any]]:
    """The trials of a recorded search; none where there is no record.

    Raises:
        CorruptFile: the file is not whole.
    """
    if not path.exists():
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] == 1:
            record = upgrade(record)
        if record["format"] != FORMAT or choose(record["trials"]) != record["chosen"]:
            raise ValueError("another format, or a choice that its numbers do not make")
        # Decoded and encoded, so that fields which systems have got since have their defaults.
        return [{**trial, "run": encode(decode(Run, trial["run"]))} for trial in record["trials"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptFile(f"{path} is not a whole record of a search ({error}): remove it and search again.") from error


def upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a search of format 1 in format 2: its runs are described otherwise, its numbers are the same."""
    trials = [trial | {"run": upgrade_run(trial["run"])} for trial in record["trials"]]
    return record | {"format": FORMAT, "experiment": f"{SOURCE}/{record['experiment']}", "trials": trials}


def _try(run: Run, work: Path, device: str, progress: bool) -> dict[str, Any]:
    trial = {"method": run.method.partition(",")[0], "beta": run.beta, "run": encode(run)}
    try:
        record = execute(run, out=work, resume=True, device=device, images=False, progress=progress).record
    except Diverged as error:
        return trial | {"state": str(error), "metrics": {}, "data": {}, "provenance": {}}
    return trial | {key: record[key] for key in ("metrics", "data", "provenance")}


def _key(run: Run) -> str:
    return json.dumps(encode(run))
