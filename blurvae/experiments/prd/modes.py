"""Modes dropped and added (Figs 5.5 and 5.12): the first five classes are real, the first i are generated.

Real images are test images, "generated" ones training images, 2520 in each set: P of classes 0 to 4, Q_i of 0 to i − 1.
"""

from __future__ import annotations

from typing import Any

from blurvae import metrics
from blurvae.experiments.prd import sets

REAL = 5  # classes of P
RUNS = 5  # clusterings
CASES = (
    ("mnist", "classifier-mnist"),
    ("mnist", "squeeze"),
    ("cifar10", "classifier-cifar10"),
    ("cifar10", "squeeze"),
)


def name(data: str, features: str) -> str:
    """The record's name."""
    return f"modes-{data}-{features}"


def record(data: str, features: str, seeds: tuple[int, ...] = sets.SEEDS, n: int = sets.PER_CLASS) -> dict[str, Any]:
    """What each Q_i is found to be.

    Args:
        data: a data set with ten classes and a classifier of the project's.
        features: a name of `metrics.FEATURES`.
        seeds: of the choice of images and of the clusterings.
        n: images of a set, divisible by 1 to 10.

    Returns:
        "rows", one for each i and seed, with the Fréchet distance, the classifier's entropies and score, and the pair;
        i = 5 is the floor: other images of the same classes.
    """
    rows = []
    for seed in seeds:
        real = sets.by_class(data, "test", n // REAL, seed)[:REAL]
        pools = [pool[: n // (c + 1)] for c, pool in enumerate(sets.by_class(data, "train", n, seed))]
        p = sets.joined([metrics.embed(one, features) for one in real], n)
        features_of = [metrics.embed(pool, features) for pool in pools]
        answers = [sets.probabilities(pool, data) for pool in pools]
        for i in range(1, len(pools) + 1):
            found = sets.measured(p, sets.joined(features_of[:i], n), runs=RUNS, seed=seed)
            if seed != seeds[0]:
                found.pop("curve")
            rows.append({"i": i, "seed": seed} | found | sets.classes_of(sets.joined(answers[:i], n)))
    return {"data": data, "features": features, "n": n, "seeds": list(seeds), "rows": rows}
