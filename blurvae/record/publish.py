"""A trained model becomes one of those that `blurvae.models.load` takes by name."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from blurvae import datasets, models, paths
from blurvae.files import write_json
from blurvae.record.files import read

LICENCE = "MIT"  # of the project's code, which trained it
PROTOCOL = (
    "the test images of the data set, reconstructed from z = μ and measured on [0, 1]: mean and sd over the images; "
    "distances (FD, log-spectrum) and the high-frequency ratio between the whole sets, with as many samples from "
    "z ~ N(0, I); KL and bounds in nats per image"
)


def publish(name: str, model: Path, record: Path) -> dict[str, Any]:
    """Files a model under a name, with a card made of the record of its run.

    Args:
        name: for `blurvae.models.load`.
        model: the .safetensors that `blurvae run --keep-model` wrote.
        record: the .json that the same run wrote.

    Returns:
        The card.

    Raises:
        ValueError: the two are not of one run.
        CorruptFile: either is not whole.
    """
    note, result = models.load_model(model)[2], read(record).record
    if note.get("provenance") != result["provenance"]:
        raise ValueError(f"{model} and {record} are not of one run: name the files that it wrote together.")
    file = paths.checkpoints() / f"{name}.safetensors"
    if not (file.exists() and file.samefile(model)):
        shutil.copyfile(model, file)
    card = {
        "name": name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "licence": LICENCE,
        "run": result["run"],
        "data": result["data"] | {"licence": datasets.describe(result["data"]["name"])["licence"]},
        "parameters": result["parameters"],
        "protocol": PROTOCOL,
        "metrics": {metric: _rounded(entry) for metric, entry in result["metrics"].items()},
        "provenance": result["provenance"],
    }
    write_json(file.with_suffix(".json"), card)
    return card


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in entry.items()}
