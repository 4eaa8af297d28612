"""Packs: a folder of `images.npy` (uint8 (n, c, h, w)), optionally `labels.npy` (n,), and `card.json`.

The card names the set, its shape, the sha256 of the pixels, source, licence, what it stands in for, and the split as
ranges of indices. It is written last, so a folder with a card is whole. Nothing is ever unpickled.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from blurvae import paths
from blurvae.datasets.core import (
    SPLITS,
    Card,
    Dataset,
    ImageSet,
    Labels,
    Pixels,
    Request,
    box_average,
    check_split,
    checksum,
    random_patches,
)
from blurvae.datasets.files import is_hidden
from blurvae.errors import CorruptFile, MissingData
from blurvae.text import to_json

Fit = Literal["exact", "crop", "patch", "pad", "shrink"]


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


def _is_split(split: object, n: int) -> bool:
    if not isinstance(split, dict) or set(split) != set(SPLITS):
        return False
    ranges = [tuple(r) if isinstance(r, list) else () for r in split.values()]
    if any(len(r) != 2 or not all(type(k) is int for k in r) for r in ranges):
        return False
    (a, b), (c, d) = sorted(ranges)
    return 0 <= a < b <= c < d <= n


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_level(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= 255)


FIELDS: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
    ("name", "a text", _is_text),
    ("shape", "the four numbers of images.npy, here {shape}", lambda value: isinstance(value, list)),
    ("sha256", "of the pixels, a text that blurvae.datasets.core.checksum gives", _is_text),
    ("source", "who made the images, a text", _is_text),
    ("licence", "their terms, a text", _is_text),
    ("stand_in_for", "the name of the set whose place it takes, or null", lambda value: isinstance(value, str | None)),
    ("split", 'the first and the past-the-end index of each part, as {{"train": [0, 8], "test": [8, 10]}}', bool),
    ("pad", "the grey level that larger sizes are padded with, 0 to 255, or null", _is_level),
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
    if not _is_split(card.get("split"), len(images)):
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
    if not _is_level(pad):
        raise ValueError(f"pad is a grey level from 0 to 255, or None, not {pad!r}.")
    if pad is not None:
        card["pad"] = pad
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"The images of a pack are uint8 (n, c, h, w), not {images.dtype} {images.shape}.")
    if not _is_split(card["split"], len(images)):
        raise ValueError(f"The split {card['split']} does not name two separate ranges of {len(images)} images.")
    if labels is not None and (labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer)):
        raise ValueError(f"The labels must be {len(images)} integers, not {labels.dtype} {labels.shape}.")
    refuse_occupied(folder)
    card["sha256"] = checksum(images)
    if labels is not None:
        card["labels_sha256"] = checksum(labels)
    with _whole(folder) as temporary:
        np.save(temporary / "images.npy", images, allow_pickle=False)
        if labels is not None:
            np.save(temporary / "labels.npy", labels, allow_pickle=False)
        _write_card(temporary, card)
    return folder


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
        if not _is_split(split, self._count):
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
    with _whole(folder) as temporary:
        with (temporary / "images.npy").open("wb") as file:
            stream = Stream(file, shape)
            yield stream
            facts = stream.end()
        described = {"name": name, "source": source, "licence": licence, "stand_in_for": stand_in_for}
        _write_card(temporary, described | facts)


def _write_card(folder: Path, card: Mapping[str, Any]) -> None:
    (folder / "card.json").write_text(to_json(card) + "\n", encoding="utf-8")


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


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
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


def refuse_occupied(folder: Path) -> None:
    """Refuse to write a pack over files that are already there; what a system keeps in an empty disk is none.

    Raises:
        ValueError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or not all(is_hidden(entry.name) for entry in folder.iterdir())):
        raise ValueError(
            f"{folder} is in the way and is not a whole pack: move it elsewhere or remove it, then repeat."
        )


def copy(source: Path, folder: Path, name: str) -> Path:
    """Check the pack in `source` and copy it to `folder`, other .npy files included.

    Raises:
        MissingData: no pack in `source`.
        CorruptFile: it is another data set, or its pixels are not those of its card.
        ValueError: `folder` holds something.
    """
    pack = read(source)
    _demand_name(pack, name)
    verify(pack)
    refuse_occupied(folder)
    with _whole(folder) as temporary:
        for file in (*sorted(source.glob("*.npy")), source / "card.json"):
            shutil.copyfile(file, temporary / file.name)
    return folder


def _demand_name(pack: Pack, name: str) -> None:
    if pack.card["name"] != name:
        raise CorruptFile(
            f"{pack.folder} holds the pack {pack.card['name']!r}, not {name!r}: load it as pack:{pack.folder}, "
            f"or prepare {name} in another folder."
        )


def pad(images: Pixels, height: int, width: int, level: int = 0) -> Pixels:
    """Images in the middle of larger ones of one grey level, black by default, uint8 (n, c, height, width)."""
    h, w = images.shape[-2:]
    result = np.full((*images.shape[:2], height, width), level, np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    result[..., top : top + h, left : left + w] = images
    return result


def fit_size(name: str, images: Pixels, size: int | None, fit: Fit, first: int = 0, level: int | None = None) -> Pixels:
    """Bring images to size × size pixels in the one way that suits the data set.

    Args:
        name: for messages.
        images: uint8 (n, c, h, w).
        size: side in pixels; None leaves the images as they are.
        fit: "exact" allows no other size, "crop" takes the centre (a view, nothing is copied), "patch" one random
            patch an image (see `random_patches`), "pad" adds black pixels around, "shrink" averages boxes, which
            needs a whole number of pixels per box.
        first: index of the first image in the pack, which "patch" draws by.
        level: the grey level with which "crop" pads to larger sizes; None where the card states none.

    Raises:
        ValueError: the images cannot have that size.
    """
    h, w = images.shape[-2:]
    if size is None or (h, w) == (size, size):
        return images
    if fit == "crop" and h >= size and w >= size:
        top, left = (h - size) // 2, (w - size) // 2
        return images[..., top : top + size, left : left + size]
    if fit == "patch" and h >= size and w >= size:
        return random_patches(images, size, first)
    if h <= size and w <= size and (fit == "pad" or (fit == "crop" and level is not None)):
        return pad(images, size, size, level or 0)
    if fit == "shrink" and h == w and h % size == 0:
        return box_average(np.asarray(images), h // size)
    ways = {
        "exact": "no other size",
        "crop": "any smaller square, cut from the centre",
        "patch": "any smaller square, one random patch of each",
        "pad": "any larger square, padded with black",
        "shrink": "any whole fraction of it",
    }
    way_out = ' (or give its card.json the field "pad", the grey level to pad with, such as 0)' * (fit == "crop")
    raise ValueError(f"{name} has images of {h}×{w} px, and offers {ways[fit]}{way_out}: size={size} is none of these.")


def inner(before: Pixels, after: Pixels) -> tuple[int, int] | None:
    """(h, w) of the images that `fit_size` has put into larger ones; None where it has not."""
    h, w = before.shape[-2:]
    return (h, w) if after.shape[-2] > h or after.shape[-1] > w else None


def to_set(pack: Pack, split: str, size: int | None, fit: Fit, card: Card | None = None) -> ImageSet:
    """One split of a pack as an ImageSet; a registered stand-in stays one whatever the pack's card says."""
    rows = pack.rows(split)
    name = pack.card["name"]
    images = fit_size(name, pack.images[rows], size, fit, rows.start, pack.card.get("pad"))
    return ImageSet(
        name=name,
        split=split,
        images=images,
        labels=None if pack.labels is None else pack.labels[rows],
        source=pack.card["source"],
        licence=pack.card["licence"],
        stands_in_for=(card.stands_in_for if card else None) or pack.card.get("stand_in_for"),
        checksum=pack.card["sha256"],
        inner=inner(pack.images, images),
    )


def load_registered(card: Card, request: Request, fit: Fit, default_size: int | None = None) -> ImageSet:
    """Load a pack that the registry knows from its folder below the data root.

    Raises:
        MissingData: it is not there; the message says where it was looked for and how to get it.
    """
    root = data_root(card.name, request.root)
    try:
        pack = read(root / card.name)
    except MissingData:
        raise MissingData(f"{card.name} is not in {root / card.name}. To get it: {card.how_to_get}.") from None
    _demand_name(pack, card.name)
    return to_set(pack, request.split, request.size or default_size, fit, card)


def _load_path(request: Request) -> ImageSet:
    return to_set(read(Path(request.argument).expanduser()), request.split, request.size, "crop")


CARD = Card(
    name="pack",
    title="any pack: pack:FOLDER",
    shape=None,
    images={},
    split="as its card says",
    source="as its card says",
    licence="as its card says",
    how_to_get="write a folder of images.npy (uint8, n × c × h × w) and card.json with blurvae.datasets.write_pack",
)
DATASET = Dataset(CARD, _load_path, takes_argument=True)
