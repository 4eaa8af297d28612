"""Sets of images made of a data set's classes, and what is measured of a pair of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blurvae import datasets, paths
from blurvae.evaluation import centre
from blurvae.metrics import class_entropies, f_pair, gaussian_distance
from blurvae.metrics.prd import curves
from blurvae.metrics.prd_curve import PRDCurve, mean_curve
from blurvae.models.classifier import trained_classifier

SEEDS = (0, 1, 2, 3, 4)  # of the choice of images, of noise and of clusterings
PER_CLASS = 2520  # 1·2·…·10 without repeated factors: divisible by every number of classes
LABEL = {"mnist": "classifier-mnist", "cifar10": "classifier-cifar10"}  # the features of the project's own classifiers
ANGLES = 201  # of the curves that records keep


def by_class(data: str, split: str, n: int, seed: int) -> list[Tensor]:
    """Images of each class in a random order, at most n of each, (≤ n, c, h, w) on [0, 1].

    Raises:
        MissingData: the data set is not on this machine.
    """
    found = datasets.load(data, split)
    assert found.labels is not None
    rng, labels = np.random.default_rng(seed), np.asarray(found.labels)
    rows = [rng.permutation(np.flatnonzero(labels == c))[:n] for c in range(labels.max() + 1)]
    return [
        centre(torch.from_numpy(np.array(found.images[np.sort(r)])[np.argsort(np.argsort(r))]), found) / 255
        for r in rows
    ]


def joined(classes: Sequence[Tensor], n: int) -> Tensor:
    """The first n // k of each of k classes, whatever they hold: images or features."""
    return torch.cat([one[: n // len(classes)] for one in classes])


def probabilities(images: Tensor, data: str) -> Tensor:
    """The class probabilities of images by the project's classifier of a data set, (n, 10)."""
    network = trained_classifier(data)
    if data == "mnist":
        images = torch.nn.functional.pad(images, (2, 2, 2, 2))
    with torch.no_grad():
        return torch.cat([network(2 * x - 1).logit.softmax(1) for x in images.split(500)])


def distance(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to two sets of features."""
    a, b = a.double(), b.double()
    return gaussian_distance(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))


def measured(real: Tensor, generated: Tensor, *, clusters: int = 20, runs: int = 10, seed: int = 0) -> dict[str, Any]:
    """The pair of two sets of features, its spread over the clusterings, α(1) and the Fréchet distance."""
    found = curves(real=real, generated=generated, clusters=clusters, runs=runs, seed=seed)
    precision, recall = f_pair(mean_curve(found))
    spread = np.std([f_pair(curve) for curve in found], axis=0, ddof=1)
    at_one = float(np.mean([curve.precision[len(curve.precision) // 2] for curve in found]))
    return {
        "precision": precision,
        "recall": recall,
        "precision sd": float(spread[0]),
        "recall sd": float(spread[1]),
        "at one": at_one,
        "FD": distance(real, generated),
        "curve": thinned(mean_curve(found)),
    }


def thinned(curve: PRDCurve) -> dict[str, list[float]]:
    """Every fifth ray of a curve of 1001, λ = 1 among them."""
    step = (len(curve.precision) - 1) // (ANGLES - 1)
    return {name: values[::step].tolist() for name, values in curve._asdict().items()}


def classes_of(found: Tensor) -> dict[str, float]:
    """Entropies, score and mean confidence of class probabilities (n, classes)."""
    return class_entropies(found)._asdict() | {"confidence": found.max(1).values.double().mean().item()}


def rounded(value: Any) -> Any:
    """A record with five significant digits."""
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def path(name: str, folder: Path | None = None) -> Path:
    """The record of an experiment, below a folder of results (the checkout's data/results where None)."""
    return (folder or paths.results()) / "prd" / f"{name}.json"
