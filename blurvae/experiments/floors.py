"""Real against real: the Fréchet distance from test images to as many training images, below which no model comes.

`python -m blurvae.experiments.floors` measures it for every set of test images that experiments are recorded on, and
writes data/results/floors.json. Where a data set's floor is as large as the distances of its models, those say little.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from blurvae import datasets, experiments, metrics, paths
from blurvae.errors import CorruptFile, MissingData
from blurvae.evaluation import centre, real
from blurvae.files import write_json
from blurvae.provenance import provenance
from blurvae.record import Run

DISTANCE = "FD-squeeze"
UNMEASURED = ("smoke", "paper")  # tiers whose floors are not wanted


def key(run: Run) -> str:
    """The name of the test images that a run is measured on."""
    return f"{run.data}-{run.size}px-{run.n_test or 'all'}"


def load(folder: Path | None = None) -> dict[str, float]:
    """The floors that are recorded, by name; empty where none are.

    Raises:
        CorruptFile: the record cannot be read.
    """
    file = (folder or paths.results()) / "floors.json"
    if not file.exists():
        return {}
    try:
        return {name: float(value) for name, value in json.loads(file.read_text(encoding="utf-8"))[DISTANCE].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFile(f"{file} is no record of floors: remove it and measure again.") from error


def measure(run: Run) -> float:
    """The distance from a run's test images to as many of the first training images.

    Raises:
        MissingData: the data set is not on this machine.
    """
    test = datasets.load(run.data, "test", size=run.size, n=run.n_test)
    train = datasets.load(run.data, "train", size=run.size, n=len(test))
    x, y = (centre(real(images), images) for images in (test, train))
    return metrics.frechet_distance(x, y)


def main() -> None:
    """Measures what is missing; a data set that is not here is named and passed over."""
    found = load()
    modules = map(experiments.get, experiments.EXPERIMENTS)
    places = [(m, tier, data) for m in modules for tier in m.GRID if tier not in UNMEASURED for data in m.GRID[tier]]
    for run in (module.runs(tier, data, (0,))[0] for module, tier, data in places):
        if (name := key(run)) in found:
            continue
        try:
            found[name] = round(measure(run), 1)
        except (MissingData, ValueError) as error:  # the latter of images too small for the features
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(f"{name}: {found[name]:.0f}", flush=True)
    record = {DISTANCE: dict(sorted(found.items())), "provenance": provenance(torch.device("cpu"))}
    write_json(paths.results() / "floors.json", record)


if __name__ == "__main__":
    main()
