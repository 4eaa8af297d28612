"""A look at the clusters (Fig. 5.9): ten clusters of test digits and of training digits from 0 to 5 alone.

Beside the pictures it measures whether a cluster is of one digit, with the labels that the metric never sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from blurvae import metrics
from blurvae.experiments.prd import sets
from blurvae.metrics.prd import cluster

FEATURES = ("classifier-mnist", "squeeze")
CLUSTERS, SHOWN = 10, 8
N = 1000
DIGITS = 6  # that are generated


def record(n: int = N, seed: int = 0) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """For each kind of features the counts of both sets and the purity of each cluster; and pictures of its members.

    Args:
        n: images of a set.
        seed: of the choice and of the clustering.

    Returns:
        The record, and by features uint8 (clusters, 2, shown, h, w), real above generated, 0 where there are fewer.
    """
    real_classes = sets.by_class("mnist", "test", n // 10, seed)
    labels = np.repeat(np.arange(10), n // 10)
    real = torch.cat(real_classes)
    per = -(-n // DIGITS)
    generated = sets.joined(sets.by_class("mnist", "train", per, seed)[:DIGITS], DIGITS * per)[:n]
    rows, pictures = [], {}
    for features in FEATURES:
        vectors = [metrics.embed(images, features) for images in (real, generated)]
        sides = cluster(real=vectors[0], generated=vectors[1], clusters=CLUSTERS, seed=seed)
        shown = np.zeros((CLUSTERS, 2, SHOWN, *real.shape[-2:]), np.uint8)
        for c in range(CLUSTERS):
            for side, (images, own) in enumerate(zip((real, generated), sides)):
                members = images[np.flatnonzero(own == c)[:SHOWN], 0]
                shown[c, side, : len(members)] = (members * 255).round().byte().numpy()
            digits = np.bincount(labels[sides[0] == c], minlength=10)
            counts = {"real": int(digits.sum()), "generated": int((sides[1] == c).sum())}
            purity = float(digits.max() / max(1, digits.sum()))
            rows.append({"features": features, "cluster": c, "digit": int(digits.argmax()), "purity": purity} | counts)
        pictures[features] = shown
    return {"data": "mnist", "n": n, "clusters": CLUSTERS, "seed": seed, "rows": rows}, pictures
