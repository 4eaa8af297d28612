"""`mnist`: handwritten digits, from a pack or from the four official IDX files, padded to 32×32."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from functools import cache
from pathlib import Path
from typing import IO, cast

import numpy as np

from blurvae.datasets import download, files, packs
from blurvae.datasets.core import Archive, Card, Dataset, ImageSet, Labels, Pixels, Request, checksum
from blurvae.errors import CorruptFile, MissingData

SIZE = 32
"""Side of the loaded images, px: the digits keep their 28×28 pixels in the centre, on black."""
LARGEST = 1 << 30
"""Bytes of the largest IDX file that is read: twenty times MNIST, and no more than memory holds."""


def read_idx(file: Path, dimensions: int) -> Pixels:
    """An IDX file of unsigned bytes, plain or gzip-compressed.

    The format: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the values in C order and nothing else.

    Args:
        file: the file.
        dimensions: how many the array must have: 3 for images, 1 for labels.

    Returns:
        uint8 array of that many dimensions.

    Raises:
        MissingData: no such file.
        CorruptFile: the header is not of this form, or the file is shorter or longer than the header says.
    """
    if not file.is_file():
        raise MissingData(f"{file} is not there: the four official files of MNIST lie side by side in one folder.")
    with file.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    try:
        with cast(IO[bytes], gzip.open(file) if compressed else file.open("rb")) as stream:
            magic = stream.read(4)
            if magic != bytes((0, 0, 8, dimensions)):
                raise CorruptFile(
                    f"{file} begins with {magic.hex(' ')}: no IDX file of {dimensions}-dimensional bytes."
                )
            header = stream.read(4 * dimensions)
            if len(header) < 4 * dimensions:
                raise CorruptFile(f"{file} ends within its header.")
            shape = tuple(int(k) for k in np.frombuffer(header, ">u4"))
            expected = math.prod(shape)
            # a damaged header must not ask for terabytes: deflate shrinks to a thousandth (1/1032) at best
            if expected > min(file.stat().st_size * (1032 if compressed else 1), LARGEST):
                raise CorruptFile(f"{file} announces {expected} values of shape {shape}, more than it can hold.")
            data = stream.read(expected + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise CorruptFile(f"{file} is not a whole gzip file ({error}): download it again.") from None
    if len(data) != expected or expected == 0:
        more = "more" if len(data) > expected else len(data)
        raise CorruptFile(f"{file} announces {expected} values of shape {shape} and holds {more}.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _demand_as_many(file: Path, labels: Labels, images: Pixels) -> None:
    if len(images) != len(labels):
        raise CorruptFile(f"{file} holds {len(labels)} labels for {len(images)} images.")


def read_official(folder: Path, names: list[str]) -> tuple[Pixels, Labels, int]:
    """Training and test images of the four IDX files, plain or .gz.

    Args:
        folder: where they lie.
        names: the names of training images, training labels, test images and test labels, with .gz.

    Returns:
        Images uint8 (n, 1, h, w), training first; labels uint8 (n,) from 0 to 9; the number of training images.

    Raises:
        MissingData: one of them is not there.
        CorruptFile: one is damaged, or they do not fit each other.
    """
    parts = []
    for name in names:
        plain = folder / name.removesuffix(".gz")
        file = plain if plain.is_file() else folder / name
        parts.append((file, read_idx(file, 3 if "idx3" in name else 1)))
    (_, train), (train_file, train_labels), (_, test), (test_file, test_labels) = parts
    if train.shape[1:] != test.shape[1:]:
        raise CorruptFile(f"Training digits of {train.shape[1:]} and test digits of {test.shape[1:]} px in {folder}.")
    for file, images, labels in ((train_file, train, train_labels), (test_file, test, test_labels)):
        _demand_as_many(file, labels, images)
        if labels.max() > 9:
            raise CorruptFile(f"{file} holds the label {labels.max()}, but the digits are 0 to 9.")
    return np.concatenate([train, test])[:, None], np.concatenate([train_labels, test_labels]), len(train)


@cache
def _raw(folder: Path, stamp: str) -> tuple[Pixels, Labels, int, str]:
    images, labels, first = read_official(folder, [archive.filename for archive in CARD.archives])
    images.flags.writeable = False  # whoever gets them shares them
    return images, labels, first, checksum(images)


def _load(request: Request) -> ImageSet:
    root = packs.data_root(CARD.name, request.root)
    size = request.size or SIZE
    folder = root / "MNIST" / "raw"
    if (root / CARD.name / "card.json").exists() or not folder.is_dir():
        return packs.load_registered(CARD, request, "pad", SIZE)
    stamp = files.stamp(file for file in sorted(folder.iterdir()) if file.is_file())
    try:
        images, labels, first, digest = _raw(folder.resolve(), stamp)
    except MissingData as error:
        raise MissingData(f"{error} To get mnist: {CARD.how_to_get}.") from None
    return _padded(CARD.name, request.split, size, images, labels, first, CARD.source, CARD.licence, digest)


def _padded(
    name: str,
    split: str,
    size: int,
    images: Pixels,
    labels: Labels | None,
    first: int,
    source: str,
    licence: str,
    digest: str,
) -> ImageSet:
    rows = slice(0, first) if split == "train" else slice(first, None)
    pixels = packs.fit_size(name, images[rows], size, "pad")
    kept = None if labels is None else labels[rows]
    return ImageSet(name, split, pixels, kept, source, licence, None, digest, packs.inner(images, pixels))


_IDX = re.compile(r"(.*?)(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(?:\.gz)?", re.IGNORECASE)


def read_set(folder: Path) -> tuple[Pixels, Labels | None, int]:
    """Training and test images of a set in the files of MNIST's form, whatever it is called: Fashion-MNIST, EMNIST.

    Args:
        folder: with `train-images-idx3-ubyte` and `t10k-` or `test-images-idx3-ubyte`, and perhaps labels; plain or
            .gz, a dot in the place of the second hyphen or not, all with one and the same beginning.

    Returns:
        Images uint8 (n, 1, h, w), training first; labels (n,), or None where a file of them is missing; the number of
        training images.

    Raises:
        MissingData: no images of a part.
        ValueError: files of several sets.
        CorruptFile: one is damaged, or they do not fit each other.
    """
    found: dict[tuple[str, str], Path] = {}
    sets = set()
    for file in sorted(folder.iterdir(), reverse=True):  # a plain file before its .gz
        if not file.name.startswith(".") and (match := _IDX.fullmatch(file.name)):
            sets.add(match[1].lower())
            found["train" if match[2].lower() == "train" else "test", match[3].lower()] = file
    if len(sets) > 1:
        raise ValueError(f"{folder} holds {len(sets)} sets, {', '.join(sorted(sets))}: give each a folder of its own.")
    for split in ("train", "test"):
        if (split, "images") not in found:
            start = "train" if split == "train" else "t10k or test"
            raise MissingData(
                f"{folder} holds no file {start}-images-idx3-ubyte, plain or .gz: name the folder of all four."
            )
    images = {split: read_idx(found[split, "images"], 3) for split in ("train", "test")}
    if images["train"].shape[1:] != images["test"].shape[1:]:
        shapes = " and ".join(str(images[split].shape[1:]) for split in ("train", "test"))
        raise CorruptFile(f"The training and the test images in {folder} are of {shapes} px.")
    labels = {split: read_idx(found[split, "labels"], 1) for split in ("train", "test") if (split, "labels") in found}
    for split, own in labels.items():
        _demand_as_many(found[split, "labels"], own, images[split])
    whole = np.concatenate([images["train"], images["test"]])[:, None]
    whole.flags.writeable = False
    joined = np.concatenate([labels["train"], labels["test"]]) if len(labels) == 2 else None
    return whole, joined, len(images["train"])


@cache
def _set(folder: Path, stamp: str) -> tuple[Pixels, Labels | None, int, str]:
    images, labels, first = read_set(folder)
    return images, labels, first, checksum(images)


def _load_set(request: Request) -> ImageSet:
    folder = Path(request.argument).expanduser().resolve()
    if not folder.is_dir():
        raise MissingData(f"{folder} is not a folder: give idx:PATH with the path of a folder of IDX files.")
    stamp = files.stamp(file for file in sorted(folder.iterdir()) if file.is_file())
    images, labels, first, digest = _set(folder, stamp)
    size = request.size or max(SIZE, *images.shape[-2:])
    source = f"the IDX files of the folder {folder.name}, black around their {images.shape[-2]}×{images.shape[-1]} px"
    return _padded(f"idx:{folder.name}", request.split, size, images, labels, first, source, IDX_CARD.licence, digest)


def _prepare(root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path:
    folder = root / "downloads" if source is None else source
    for archive in CARD.archives:
        if source is None:
            download.fetch(archive, folder, mirror=mirror, progress=progress)
        elif (folder / archive.filename).is_file():
            download.verified(folder / archive.filename, archive)
    images, labels, first = read_official(folder, [archive.filename for archive in CARD.archives])
    return packs.write_registered(CARD, root, images, labels, first)


_BASE = "https://ossci-datasets.s3.amazonaws.com/mnist"
CARD = Card(
    name="mnist",
    title="handwritten digits, padded from 28×28 to 32×32 with black",
    shape=(1, 32, 32),
    images={"train": 60_000, "test": 10_000},
    split="the official one",
    source="MNIST (LeCun, Cortes, Burges): 60,000 training images, then 10,000 test images",
    licence="often given as CC BY-SA 3.0",
    how_to_get="`blurvae data prepare mnist` (downloads 12 MB), or a torchvision folder MNIST/raw in the data folder",
    archives=(
        Archive(f"{_BASE}/train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        Archive(f"{_BASE}/train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        Archive(f"{_BASE}/t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        Archive(f"{_BASE}/t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    reference={"pack": "5b92582eb909c82a9bfefcd44acbe9233be3eb5b419a44cf211022ad2bf4bf96"},
)
DATASET = Dataset(CARD, _load, _prepare, is_pack=True)
IDX_CARD = Card(
    name="idx",
    title="grey images in files of MNIST's form, such as Fashion-MNIST: idx:PATH; padded to 32×32, or the size asked "
    "for, with black",
    shape=None,
    images={},
    split="as the files are",
    source="yours",
    licence="not known to blurvae",
    how_to_get="name the folder of the four files: idx:PATH",
)
IDX = Dataset(IDX_CARD, _load_set, takes_argument=True)
