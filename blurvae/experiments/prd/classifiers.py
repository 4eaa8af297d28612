"""The project's classifiers of MNIST and CIFAR-10, whose features stand in for Inception's where no weights are.

`python -m blurvae.experiments.prd.classifiers` trains those of which there is no file (some ten minutes on one thread
each), measures them on the test images, and writes data/checkpoints/classifiers/NAME.safetensors with a card beside it.
"""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from blurvae import datasets, paths
from blurvae.datasets import ImageSet
from blurvae.errors import MissingData
from blurvae.files import write_json
from blurvae.models.classifier import Classifier, save_classifier
from blurvae.provenance import provenance
from blurvae.systems.classifier import Classification
from blurvae.train import Budget, fit

TRAININGS = {
    "mnist": (Classification(shape=(1, 32, 32), widths=(16, 32, 64, 64), shift=2, decay=0.5), Budget(epochs=4)),
    "cifar10": (Classification(widths=(24, 48, 96, 192), flip=True, shift=2, decay=0.8), Budget(epochs=14)),
}


@dataclass(frozen=True)
class Labelled:
    """Images with their classes, as the system takes them.

    Attributes:
        name: of the data set.
        images: bytes (n, 1 + c·h·w), the class first.
        checksum: of the data set.
    """

    name: str
    images: np.ndarray
    checksum: str


def labelled(data: ImageSet) -> Labelled:
    """The records of a set that has classes.

    Raises:
        ValueError: it has none.
    """
    if data.labels is None:
        raise ValueError(f"{data.name} has no classes: name a set that has, such as mnist.")
    classes = np.asarray(data.labels, np.uint8)[:, None]
    return Labelled(
        data.name, np.concatenate([classes, np.asarray(data.images).reshape(len(data), -1)], 1), data.checksum
    )


def trained(
    system: Classification, budget: Budget, data: ImageSet, *, progress: bool = False
) -> tuple[Classifier, list[dict[str, Any]]]:
    """A classifier trained on a set, in evaluation mode, and the history of its training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(budget.seed)
        players = system.players(data.shape)
        history = fit(system, players, labelled(data), budget, device="cpu", progress=progress)
    return players.classifier.eval().requires_grad_(False), history


@torch.no_grad()
def accuracy(classifier: Classifier, data: ImageSet) -> float:
    """The share of a set's images whose class is the classifier's first."""
    assert data.labels is not None
    labels = torch.from_numpy(np.asarray(data.labels, np.int64))
    logits = torch.cat([classifier(datasets.to_float(x)).logit for x in data.tensor().split(500)])
    return (logits.argmax(1) == labels).double().mean().item()


def publish(name: str) -> dict[str, Any]:
    """Trains the classifier of a data set and files it with its card.

    Raises:
        MissingData: the data set is not on this machine.
    """
    system, budget = TRAININGS[name]
    train, test = datasets.load(name, "train"), datasets.load(name, "test")
    start = time.process_time()
    classifier, history = trained(system, budget, train, progress=True)
    seconds = time.process_time() - start
    file = paths.checkpoints() / "classifiers" / f"{name}.safetensors"
    file.parent.mkdir(exist_ok=True)
    save_classifier(file, classifier)
    card = {
        "name": name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "licence": "MIT",
        "run": {"system": {"name": system.name} | asdict(system), "budget": asdict(budget)},
        "data": {
            "name": name,
            "checksum": train.checksum,
            "n_train": len(train),
            "n_test": len(test),
            "licence": train.licence,
        },
        "parameters": sum(weights.numel() for weights in classifier.parameters()),
        "protocol": "share of the test images whose class has the greatest probability",
        "metrics": {"accuracy": {"value": accuracy(classifier, test), "n": len(test)}},
        "history": history,
        "provenance": provenance(torch.device("cpu")) | {"training_cpu_seconds": round(seconds, 1)},
    }
    write_json(file.with_suffix(".json"), card)
    return card


def main() -> None:
    """Trains what is missing; a data set that is not here is named and passed over."""
    for name in TRAININGS:
        if (paths.checkpoints() / "classifiers" / f"{name}.safetensors").exists():
            continue
        try:
            card = publish(name)
        except MissingData as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(f"{name}: {card['metrics']['accuracy']['value']:.2%} of {card['data']['n_test']} test images", flush=True)


if __name__ == "__main__":
    main()
