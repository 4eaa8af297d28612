"""`mnist-binary`: the digits of MNIST in black and white, by a threshold of one half, at their own 28×28 pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blurvae.datasets import mnist
from blurvae.datasets.core import Card, Dataset, ImageSet, Request, checksum

SIZE = 28


def _load(request: Request) -> ImageSet:
    grey = mnist.DATASET.load(replace(request, size=request.size or SIZE))
    pixels = np.where(grey.images >= 128, np.uint8(255), np.uint8(0))  # v/255 > ½
    pixels.flags.writeable = False
    return replace(grey, name=CARD.name, images=pixels, checksum=checksum(pixels))


CARD = Card(
    name="mnist-binary",
    title="handwritten digits in black and white: MNIST at 28×28 px, white from 128 on",
    shape=(1, SIZE, SIZE),
    images=mnist.CARD.images,
    split=mnist.CARD.split,
    source=f"{mnist.CARD.source}; thresholded by blurvae",
    licence=mnist.CARD.licence,
    how_to_get=f"as mnist: {mnist.CARD.how_to_get}",
)
DATASET = Dataset(CARD, _load)
