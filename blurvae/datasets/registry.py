"""Names of data sets, and what is done with a name: load, describe, prepare.

A new data set is one new file that makes a `Dataset` and one line in `_DATASETS`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from pathlib import Path
from typing import Any

from blurvae import paths
from blurvae.datasets import (
    bars,
    brain,
    celeba,
    cifar10,
    clips,
    color_mnist,
    dead_leaves,
    faces,
    folder,
    mnist,
    mnist_binary,
    moving,
    natural,
    occluded,
    packs,
    points,
    power_law,
    super_resolution,
    video,
    volumes,
)
from blurvae.datasets.core import Dataset, ImageSet, Request, check_split
from blurvae.errors import MissingData

_DATASETS = (
    natural.DATASET,
    power_law.DATASET,
    dead_leaves.DATASET,
    *points.DATASETS,
    cifar10.DATASET,
    mnist.DATASET,
    mnist_binary.DATASET,
    color_mnist.DATASET,
    faces.FACES64,
    faces.FACES256,
    brain.DATASET,
    celeba.CELEBA,
    celeba.CELEBA_HQ,
    volumes.HCP,
    volumes.VOLUMES,
    bars.DATASET,
    *moving.DATASETS,
    occluded.DATASET,
    *super_resolution.DATASETS,
    *video.DATASETS,
    folder.DATASET,
    clips.DATASET,
    mnist.IDX,
    packs.DATASET,
)
_BY_NAME = {dataset.card.name: dataset for dataset in _DATASETS}
_BY_PATH = ("folder", "clips", "idx", "pack")

Root = str | os.PathLike[str] | None


def names() -> tuple[str, ...]:
    """The registered names; a path after `folder:`, `clips:`, `idx:` or `pack:` and the sets with a value load besides.

    >>> names()[:3]
    ('natural', 'power-law', 'dead-leaves')
    """
    return tuple(name for name in _BY_NAME if name not in _BY_PATH)


def find(name: str) -> tuple[Dataset, str]:
    """The registry entry of a name, and the text after its colon.

    Raises:
        ValueError: no such data set; the message lists the names.
    """
    if not isinstance(name, str):
        raise ValueError(f"A data set is named by a text such as 'natural', not by {name!r}: see blurvae data list.")
    key, _, argument = name.partition(":")
    dataset = _BY_NAME.get(key)
    if dataset is None:
        close = difflib.get_close_matches(name, names(), 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(
            f"Unknown data set {name!r}{hint}: there are {', '.join(names())}, folder:PATH, "
            "clips:PATH, idx:PATH and pack:PATH."
        )
    if key in _BY_PATH and not argument:
        raise ValueError(f"{key!r} needs a path after a colon: {key}:PATH.")
    if ":" in name and not dataset.takes_argument:
        raise ValueError(f"{key} takes nothing after its name: write {key!r}, not {name!r}.")
    return dataset, argument


def load(name: str, split: str, *, size: int | None = None, root: Root = None, n: int | None = None) -> ImageSet:
    """One split of a data set.

    Args:
        name: a registered name, `power-law:ALPHA`, `moving:FRAMES`, `folder:PATH`, `clips:PATH`, `idx:PATH` or
            `pack:PATH`.
        split: "train" or "test".
        size: side of the images in pixels. Each set has a default, and offers what suits it: natural 32, 64 and 256,
            generated sets any, faces and CelebA whole fractions, brain, hcp and volumes one random patch of each
            slice (always the same), pack:PATH a crop of the centre or what its card says, mnist and idx:PATH a wider
            border, ring and grid 1, photographs, videos and clips:PATH a central square, a folder anything.
        root: folder of prepared data sets; the one that BLURVAE_DATA names if not given.
        n: only the first n images, in stored order (natural and dead-leaves are stored in random order).

    Returns:
        The images as uint8 (n, c, h, w), of videos a `ClipSet` of (n, t, c, h, w), read-only; packs are memory-mapped,
        so loading one takes milliseconds.

    Raises:
        ValueError: an unknown name or split, a size that the set does not offer, more images than there are.
        MissingData: the set is not on this machine; the message says where it was looked for and how to get it.
        CorruptFile: it is there, and damaged.
    """
    dataset, argument = find(name)
    check_split(split)
    least = min((2, *(dataset.card.shape or ())[1:]))  # points are images of one pixel
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < least):
        raise ValueError(f"size is a whole number of pixels, {least} at least, not {size!r}.")
    images = dataset.load(Request(split, size, as_path(root), argument))
    return images if n is None else images.head(n)


def describe(name: str) -> dict[str, Any]:
    """The card of a data set, known without having it: title, shape, images, split, source, licence, and so on.

    Raises:
        ValueError: no such data set.
    """
    card = dataclasses.asdict(find(name)[0].card)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in card.items()}


def prepare(
    name: str, root: Root = None, source: Root = None, progress: bool = True, *, mirror: str | None = None
) -> Path:
    """Bring a data set here: download the official archive, or read `source`, check it and write the pack.

    Sets whose terms every user has to accept are never downloaded: what to get where stands in the card's
    `how_to_get`, and `source` is the user's own copy.

    A pack that is there already is left alone. A download that was interrupted continues where it stopped, and the
    archive is removed once the pack is written.

    Args:
        name: a registered name.
        root: folder of prepared data sets; the one that BLURVAE_DATA names if not given. Made if necessary.
        source: the official archive as a file or the folder with it, a folder of pictures or volumes for the sets that
            are made of these, or a folder that holds a finished pack.
        progress: show a bar if standard error is a terminal.
        mirror: address of a folder to download from instead of the official one; the checksum stays the official one.

    Returns:
        The folder of the pack, or of the pictures.

    Raises:
        ValueError: the set needs no preparation, is not downloaded and no source was given, or something is in the way.
        MissingData: no root, nothing at `source`, or the server cannot be reached.
        CorruptFile: a file does not have the publisher's checksum, or is damaged.
    """
    dataset, _ = find(name)
    card, given, asked = dataset.card, as_path(source), as_path(root) or paths.data_root()
    if not dataset.is_pack:
        if dataset.prepare is None:
            raise ValueError(f"{name} needs no preparation: {card.how_to_get}.")
        return dataset.prepare(packs.data_root(name, asked), source=given, mirror=mirror, progress=progress)
    prepared = asked is not None and (asked / name / "card.json").exists()
    if given is None and not prepared and not card.archives:  # before the question where it should go
        raise ValueError(
            f"{name} is not downloaded by this project. Licence: {card.licence}. To get it: {card.how_to_get}."
        )
    base = packs.data_root(name, asked)
    target = base / name
    if prepared and given is not None and dataset is volumes.VOLUMES:  # another folder is another set
        raise ValueError(
            f"{target} holds a pack already: move it elsewhere, where it loads as pack:PATH, or remove it, then repeat."
        )
    if prepared:
        return packs.read(target).folder
    if given is not None and (given / "card.json").exists():
        return packs.copy(given, target, name)
    if dataset.prepare is None:
        raise MissingData(f"{given} holds no pack (images.npy and card.json), and {name} is read from one only.")
    if given is not None and not given.exists():
        raise MissingData(f"{given} is not there. To get {name}: {card.how_to_get}.")
    packs.refuse_occupied(target)  # before the download, not after it
    result = dataset.prepare(base, source=given, mirror=mirror, progress=progress)
    if given is None:
        for archive in card.archives:
            (base / "downloads" / archive.filename).unlink(missing_ok=True)
    return result


def as_path(value: Root) -> Path | None:
    """A folder as its users name it, as a path; None stays."""
    return None if value is None else Path(value).expanduser()


def as_json() -> str:
    """The cards of all data sets, as data/registry.json records them."""
    return json.dumps({name: describe(name) for name in names()}, indent=1, ensure_ascii=False) + "\n"
