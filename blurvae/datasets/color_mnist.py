"""`color-mnist`: three digits of MNIST as the red, green and blue of an image, of which there are 1,000 kinds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blurvae.datasets import mnist
from blurvae.datasets.core import Card, Dataset, ImageSet, Request, checksum

_SEEDS = {"train": 1, "test": 2}


def _load(request: Request) -> ImageSet:
    grey = mnist.DATASET.load(replace(request, size=request.size or mnist.SIZE))
    drawn = np.random.default_rng(_SEEDS[request.split]).integers(len(grey), size=(len(grey), 3))
    pixels = np.ascontiguousarray(grey.images[drawn, 0])  # (n, 3, h, w)
    pixels.flags.writeable = False
    labels = None if grey.labels is None else grey.labels[drawn].astype(np.int64) @ np.array([100, 10, 1])
    return replace(grey, name=CARD.name, images=pixels, labels=labels, source=CARD.source, checksum=checksum(pixels))


CARD = Card(
    name="color-mnist",
    title="three handwritten digits as red, green and blue: 1,000 combinations",
    shape=(3, 32, 32),
    images=mnist.CARD.images,
    split=f"{mnist.CARD.split}; each image is of three digits of its own split, drawn with a fixed seed",
    source=f"{mnist.CARD.source}; three at a time put together by blurvae",
    licence=mnist.CARD.licence,
    how_to_get=f"as mnist: {mnist.CARD.how_to_get}",
)
DATASET = Dataset(CARD, _load)
