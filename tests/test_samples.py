"""Precision and recall of sets of images: which features, which names, what is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blurvae import metrics
from blurvae.errors import MissingNetwork
from blurvae.evaluation import precision_recall
from blurvae.evaluation.samples import FEWEST


def stripes(n: int, kinds: range, seed: int = 0) -> torch.Tensor:
    """Grey images with one bright row each, which says their kind, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.02 * torch.rand(n, 1, 8, 8, generator=generator)
    rows = torch.arange(n) % len(kinds) + kinds.start
    images[torch.arange(n), 0, rows] += 0.9
    return images


def test_kinds_that_are_missing_cost_recall_and_kinds_of_ones_own_precision():
    real = stripes(400, range(0, 4))
    found = precision_recall(
        real,
        {
            "few": stripes(400, range(0, 2), 1),
            "many": stripes(500, range(0, 8), 2),
            "data": stripes(400, range(0, 4), 3),
        },
        "pixels",
    )
    assert list(found) == [
        f"{side}-pixels ({of})" for of in ("few", "many", "data") for side in ("precision", "recall")
    ]
    value = {name: entry["value"] for name, entry in found.items()}
    assert value["precision-pixels (few)"] > 0.9 > 0.6 > value["recall-pixels (few)"]
    assert value["recall-pixels (many)"] > 0.9 > 0.6 > value["precision-pixels (many)"]
    assert min(value["precision-pixels (data)"], value["recall-pixels (data)"]) > 0.9
    assert {entry["n"] for entry in found.values()} == {400}


def test_small_sets_are_left_out_and_absent_networks_named(monkeypatch):
    real = stripes(FEWEST, range(0, 4))
    assert precision_recall(real, {"samples": real[:-1]}, "pixels") == {}
    assert precision_recall(real[:-1], {"samples": real}, "pixels") == {}

    def absent(images, features):
        raise MissingNetwork("net.pth", "it is not here")

    monkeypatch.setattr(metrics, "embed", absent)
    state = {"state": "needs weights", "what": "net.pth"}
    assert precision_recall(real, {"samples": real}) == {
        "precision-squeeze (samples)": state,
        "recall-squeeze (samples)": state,
    }


def test_features_do_not_depend_on_the_batches():
    x = torch.rand(7, 1, 8, 8)
    np.testing.assert_array_equal(metrics.embed(x, "pixels", 3), x.flatten(1))


def test_principal_components_are_those_of_the_real_set_alone():
    from sklearn.decomposition import PCA

    real, generated = torch.rand(40, 1, 4, 4, dtype=torch.float64), torch.rand(30, 1, 4, 4, dtype=torch.float64)
    components = metrics.principal_components(real, 5)
    expected = PCA(5).fit(real.flatten(1).numpy()).transform(generated.flatten(1).numpy())
    np.testing.assert_allclose(components(generated).abs(), np.abs(expected), atol=1e-10)
    with pytest.raises(ValueError, match="have 16 principal components, not 17"):
        metrics.principal_components(real, 17)
