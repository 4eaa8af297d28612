"""What the choices of the protocol do: the number of clusters and of images, and the clustering itself.

Q lacks the last two of ten digits, so that the true recall is .8 and the precision 1; beside it stands other real
images, which lack nothing.
"""

from __future__ import annotations

from typing import Any

import torch

from blurvae import metrics
from blurvae.experiments.prd import sets

FEATURES = "classifier-mnist"
CLUSTERS = (2, 5, 10, 20, 50, 100)
SIZES = (250, 500, 1000, 2500, 5000)
COMMON = 2500  # the size at which every k is taken
DROPPED = 2


def record(seeds: tuple[int, ...] = sets.SEEDS) -> dict[str, Any]:
    """The pair of either set at 20 clusters for each size, and at one size for each k."""
    rows = []
    most = max(SIZES)
    for seed in seeds:
        features = {}
        for split in ("test", "train"):
            own = sets.by_class("mnist", split, most, seed)
            features[split] = [metrics.embed(images, FEATURES) for images in own]
        for n in SIZES:
            real, data = _some(features["test"], n, seed), _some(features["train"], n, seed)
            fewer = _some(features["train"][:-DROPPED], n, seed)
            for k in CLUSTERS if n == COMMON else (20,):
                for name, generated in (("eight digits", fewer), ("data", data)):
                    found = sets.measured(real, generated, clusters=k, seed=seed)
                    del found["curve"], found["FD"]
                    rows.append({"set": name, "n": n, "clusters": k, "seed": seed} | found)
    return {"data": "mnist", "features": FEATURES, "seeds": list(seeds), "rows": rows}


def _some(classes: list[torch.Tensor], n: int, seed: int) -> torch.Tensor:
    """N of all classes together, drawn without regard to them."""
    together = torch.cat(classes)
    return together[torch.randperm(len(together), generator=torch.Generator().manual_seed(seed))[:n]]
