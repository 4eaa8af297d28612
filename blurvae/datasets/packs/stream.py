"""Packs that memory would not hold, written batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from blurvae.datasets.core import Pixels
from blurvae.datasets.packs.pack import is_split
from blurvae.datasets.packs.writer import refuse_occupied, whole, write_card


class Stream:
    """The images of a pack that is being written batch by batch, training images first; see `streamed`."""

    def __init__(self, file: IO[bytes], shape: tuple[int, int, int]) -> None:
        self._file, self._shape = file, shape
        self._digest = hashlib.sha256()
        self._count, self._first_test = 0, 0
        self._header()

    def _header(self) -> None:
        # numpy pads a header so that the first dimension may grow in place
        form = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, form)

    def append(self, images: Pixels) -> None:
        """Write images, uint8 (n, c, h, w), behind those before.

        Raises:
            ValueError: other images than the pack's.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self._shape:
            raise ValueError(f"The pack takes uint8 images of {self._shape}, not {images.dtype} {images.shape[1:]}.")
        content = np.ascontiguousarray(images).data
        self._digest.update(content)
        self._file.write(content)
        self._count += len(images)

    def begin_test(self) -> None:
        """Say that all further images are for testing."""
        self._first_test = self._count

    def end(self) -> dict[str, Any]:
        """Complete the header; returns what the card says of the images.

        Raises:
            ValueError: there are no training or no test images.
        """
        split = {"train": [0, self._first_test], "test": [self._first_test, self._count]}
        if not is_split(split, self._count):
            raise ValueError(f"A pack needs training and test images, not the split {split}.")
        self._file.seek(0)
        self._header()
        return {"shape": [self._count, *self._shape], "sha256": self._digest.hexdigest(), "split": split}


@contextmanager
def streamed(
    folder: Path,
    shape: tuple[int, int, int],
    *,
    name: str,
    source: str,
    licence: str,
    stand_in_for: str | None = None,
) -> Iterator[Stream]:
    """Write a pack that memory would not hold, or whose number of images is not known beforehand.

    Args:
        folder: the pack's folder; must not exist, or be empty.
        shape: (c, h, w) of an image.
        name: of the data set.
        source: who made the images.
        licence: their terms.
        stand_in_for: the data set whose place it takes, or None.

    Yields:
        What takes the images; the pack appears, whole, when the block ends without an error.

    Raises:
        ValueError: the folder holds something, or the images do not make a pack.
    """
    refuse_occupied(folder)
    with whole(folder) as temporary:
        with (temporary / "images.npy").open("wb") as file:
            stream = Stream(file, shape)
            yield stream
            facts = stream.end()
        described = {"name": name, "source": source, "licence": licence, "stand_in_for": stand_in_for}
        write_card(temporary, described | facts)
