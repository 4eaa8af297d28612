"""A pack: a folder of `images.npy` (uint8 (n, c, h, w)), optionally `labels.npy` (n,), and `card.json`.

The card names the set, its shape, the sha256 of the pixels, source, licence, what it stands in for, and the split as
ranges of indices. It is written last, so a folder with a card is whole. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blurvae import paths
from blurvae.datasets.core import SPLITS, Labels, Pixels, check_split, checksum
from blurvae.errors import CorruptFile, MissingData


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack as it lies on the disk: its folder, its card, the memory-mapped images of all splits, the labels."""

    folder: Path
    card: Mapping[str, Any]
    images: Pixels
    labels: Labels | None

    def rows(self, split: str) -> slice:
        """The images of a split, as a slice."""
        check_split(split)
        start, stop = self.card["split"][split]
        return slice(start, stop)


def data_root(name: str, root: Path | None) -> Path:
    """The folder of prepared data sets: the given one, or the one that BLURVAE_DATA names.

    Raises:
        MissingData: neither is given, or it is a file.
    """
    folder = root if root is not None else paths.data_root()
    if folder is not None and folder.exists() and not folder.is_dir():
        raise MissingData(
            f"{name} is looked for in {folder}, which is a file: set the variable BLURVAE_DATA to a folder of prepared "
            "data sets, or give one as `root=`."
        )
    if folder is None:
        raise MissingData(
            f"{name} is read from the folder of prepared data sets, and none is named: set the variable BLURVAE_DATA "
            f"to a folder or give `root=`, and run `blurvae data prepare {name}` if it is not there yet."
        )
    return folder


def _array(file: Path) -> np.ndarray:
    try:
        return np.lib.format.open_memmap(file, mode="r")  # reads .npy only: no archive, no pickle
    except FileNotFoundError:
        raise CorruptFile(f"{file} is missing beside its card: remove the folder and prepare the set again.") from None
    except Exception as error:  # a header is a Python literal: numpy lets through whatever its parts lead to
        raise CorruptFile(
            f"{file} is not a whole .npy file ({error}): remove the folder and prepare it again."
        ) from None


def is_split(split: object, n: int) -> bool:
    """Whether it gives a range of indices below n for each part, none empty, without overlap."""
    if not isinstance(split, dict) or set(split) != set(SPLITS):
        return False
    ranges = [tuple(r) if isinstance(r, list) else () for r in split.values()]
    if any(len(r) != 2 or not all(type(k) is int for k in r) for r in ranges):
        return False
    (a, b), (c, d) = sorted(ranges)
    return 0 <= a < b <= c < d <= n


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def is_level(value: object) -> bool:
    """Whether it is a grey level, 0 to 255, or None."""
    return value is None or (type(value) is int and 0 <= value <= 255)


FIELDS: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
    ("name", "a text", _is_text),
    ("shape", "the four numbers of images.npy, here {shape}", lambda value: isinstance(value, list)),
    ("sha256", "of the pixels, a text that blurvae.datasets.core.checksum gives", _is_text),
    ("source", "who made the images, a text", _is_text),
    ("licence", "their terms, a text", _is_text),
    ("stand_in_for", "the name of the set whose place it takes, or null", lambda value: isinstance(value, str | None)),
    ("split", 'the first and the past-the-end index of each part, as {{"train": [0, 8], "test": [8, 10]}}', bool),
    ("pad", "the grey level that larger sizes are padded with, 0 to 255, or null", is_level),
)
"""The fields of a card: name, meaning, and what is a value of it."""


def read(folder: Path) -> Pack:
    """Open a pack: reads the card, maps the images. The pixels' checksum is not computed here (see `verify`).

    Raises:
        MissingData: no pack there.
        CorruptFile: the card and the arrays do not agree, or are not what they should be.
    """
    file = folder / "card.json"
    if not file.is_file():
        raise MissingData(f"No pack in {folder} (it would hold images.npy and card.json).")
    try:
        card = json.loads(file.read_text(encoding="utf-8-sig"))  # some editors put a mark before the text
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFile(f"{file} is not JSON ({error}): remove the folder and prepare the set again.") from None
    card = card if isinstance(card, dict) else {}
    images = _array(folder / "images.npy")
    if wrong := [key for key, _, fits in FIELDS if not fits(card.get(key))]:
        add = ", ".join(f'"{key}" ({what.format(shape=list(images.shape))})' for key, what, _ in FIELDS if key in wrong)
        raise CorruptFile(
            f"{file} does not state {', '.join(wrong)}: give it the fields {add}, or remove the folder and prepare the "
            "set again."
        )
    if images.dtype != np.uint8 or images.ndim != 4 or card.get("shape") != list(images.shape):
        raise CorruptFile(
            f"{folder / 'images.npy'} holds {images.dtype} {images.shape} where the card says uint8 "
            f"{card.get('shape')}: remove the folder and prepare the set again."
        )
    if not is_split(card.get("split"), len(images)):
        raise CorruptFile(
            f"{file}: `split` must give a non-empty range of indices below {len(images)} for train and for test, "
            f"without overlap, not {card.get('split')}."
        )
    stated = card.get("labels_sha256") is not None
    labels = _array(folder / "labels.npy") if stated or (folder / "labels.npy").exists() else None
    if labels is not None and (labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer)):
        raise CorruptFile(f"{folder / 'labels.npy'} holds {labels.dtype} {labels.shape}, not {len(images)} integers.")
    return Pack(folder, card, images, labels)


def verify(pack: Pack) -> None:
    """Compare the pixels (and the labels, where the card states a sum for them) with the card.

    Raises:
        CorruptFile: they differ.
    """
    for file, array, expected in (
        ("images.npy", pack.images, pack.card["sha256"]),
        ("labels.npy", pack.labels, pack.card.get("labels_sha256")),
    ):
        if array is not None and expected is not None and checksum(array) != expected:
            raise CorruptFile(
                f"{pack.folder / file} does not have the checksum that its card states: remove the folder and "
                f"prepare {pack.card['name']} again."
            )


def demand_name(pack: Pack, name: str) -> None:
    """Raises CorruptFile where a pack is another data set than the named one."""
    if pack.card["name"] != name:
        raise CorruptFile(
            f"{pack.folder} holds the pack {pack.card['name']!r}, not {name!r}: load it as pack:{pack.folder}, "
            f"or prepare {name} in another folder."
        )
