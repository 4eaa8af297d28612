"""Packs are written whole or not at all: into a temporary folder that takes the pack's name at the end."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from blurvae.datasets.core import Card, Labels, Pixels, checksum
from blurvae.datasets.files import is_hidden
from blurvae.datasets.packs.pack import demand_name, is_level, is_split, read, verify
from blurvae.errors import MissingData
from blurvae.text import to_json


def write(
    folder: Path,
    images: Pixels,
    *,
    name: str,
    source: str,
    licence: str,
    split: Mapping[str, tuple[int, int]],
    labels: Labels | None = None,
    stand_in_for: str | None = None,
    pad: int | None = None,
) -> Path:
    """Write a pack: everything goes into a temporary folder beside it, the card last, which then takes its name.

    Args:
        folder: the pack's folder; must not exist, or be empty.
        images: uint8 (n, c, h, w).
        name: of the data set.
        source: who made the images.
        licence: their terms.
        split: first and past-the-end index of "train" and of "test".
        labels: integers (n,), or None.
        stand_in_for: the data set whose place it takes, or None.
        pad: the grey level, 0 to 255, with which larger sizes are padded on loading; None allows none.

    Returns:
        The folder.

    Raises:
        ValueError: the arrays, the split or the grey level are not of that form, or the folder holds something.
    """
    card: dict[str, Any] = {
        "name": name,
        "shape": list(images.shape),
        "sha256": "",
        "source": source,
        "licence": licence,
        "stand_in_for": stand_in_for,
        "split": {key: [int(k) for k in value] for key, value in split.items()},
    }
    if not is_level(pad):
        raise ValueError(f"pad is a grey level from 0 to 255, or None, not {pad!r}.")
    if pad is not None:
        card["pad"] = pad
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"The images of a pack are uint8 (n, c, h, w), not {images.dtype} {images.shape}.")
    if not is_split(card["split"], len(images)):
        raise ValueError(f"The split {card['split']} does not name two separate ranges of {len(images)} images.")
    if labels is not None and (labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer)):
        raise ValueError(f"The labels must be {len(images)} integers, not {labels.dtype} {labels.shape}.")
    refuse_occupied(folder)
    card["sha256"] = checksum(images)
    if labels is not None:
        card["labels_sha256"] = checksum(labels)
    with whole(folder) as temporary:
        np.save(temporary / "images.npy", images, allow_pickle=False)
        if labels is not None:
            np.save(temporary / "labels.npy", labels, allow_pickle=False)
        write_card(temporary, card)
    return folder


def write_registered(card: Card, root: Path, images: Pixels, labels: Labels, first_test: int) -> Path:
    """Write the pack of a registered data set below `root`: training images first, test images from that index on."""
    return write(
        root / card.name,
        images,
        labels=labels,
        name=card.name,
        source=card.source,
        licence=card.licence,
        split={"train": (0, first_test), "test": (first_test, len(images))},
    )


def copy(source: Path, folder: Path, name: str) -> Path:
    """Check the pack in `source` and copy it to `folder`, other .npy files included.

    Raises:
        MissingData: no pack in `source`.
        CorruptFile: it is another data set, or its pixels are not those of its card.
        ValueError: `folder` holds something.
    """
    pack = read(source)
    demand_name(pack, name)
    verify(pack)
    refuse_occupied(folder)
    with whole(folder) as temporary:
        for file in (*sorted(source.glob("*.npy")), source / "card.json"):
            shutil.copyfile(file, temporary / file.name)
    return folder


def refuse_occupied(folder: Path) -> None:
    """Refuse to write a pack over files that are already there; what a system keeps in an empty disk is none.

    Raises:
        ValueError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or not all(is_hidden(entry.name) for entry in folder.iterdir())):
        raise ValueError(
            f"{folder} is in the way and is not a whole pack: move it elsewhere or remove it, then repeat."
        )


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` to fill, which takes its name at the end, or is removed after an error.

    A folder that is there may be a link, or a disk of its own, which no other can take the place of: it is filled from
    a temporary folder within, the card last.
    """
    path, folder = folder, folder.resolve()
    within = folder.exists()
    home = folder if within else folder.parent
    home.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=home))
    moved: list[Path] = []
    with suppress(OSError):  # mkdtemp makes it private, and data folders are shared; some disks know no permissions
        temporary.chmod(0o755)
    try:
        yield temporary
        if not within:
            os.replace(temporary, folder)
            return
        for file in sorted(temporary.iterdir(), key=lambda file: file.name == "card.json"):
            moved.append(folder / file.name)
            os.replace(file, moved[-1])
        temporary.rmdir()
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        for file in moved:
            file.unlink(missing_ok=True)
        ours = isinstance(error, MissingData)  # whose message says what it is about
        if isinstance(error, OSError) and error.filename is None and not ours:  # a full disk names no file
            reason = error.strerror or f"Cannot be written whole ({error})"
            raise OSError(error.errno or errno.EIO, reason, str(path)) from error
        raise


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card, after all else."""
    (folder / "card.json").write_text(to_json(card) + "\n", encoding="utf-8")
