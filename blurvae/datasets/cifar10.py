"""`cifar10`: the 50,000 training images, from the official binary archive (the Python one is pickles, never read)."""

from __future__ import annotations

import gzip
import re
import tarfile
from functools import partial
from pathlib import Path

import numpy as np

from blurvae.datasets import download, packs
from blurvae.datasets.core import Archive, Card, Dataset, Labels, Pixels
from blurvae.errors import CorruptFile

RECORD = 1 + 3 * 32 * 32
"""Bytes of a record: the class, then red, green and blue, each row by row."""
PER_BATCH = 10_000
"""Records in each of the five training batches."""


def read_records(data: bytes, what: str = "the batch") -> tuple[Pixels, Labels]:
    """Images and labels of one batch of the binary format.

    Args:
        data: whole records of 3,073 bytes.
        what: name of the batch, for messages.

    Returns:
        Images uint8 (n, 3, 32, 32), labels uint8 (n,) from 0 to 9.

    Raises:
        CorruptFile: not a whole number of records, or a class above 9.
    """
    if not data or len(data) % RECORD:
        raise CorruptFile(f"{what} has {len(data)} bytes, which is not a whole number of {RECORD}-byte records.")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise CorruptFile(f"{what} states class {labels.max()} for an image, but CIFAR-10 has classes 0 to 9.")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def read_archive(file: Path) -> tuple[Pixels, Labels]:
    """The five training batches of the archive, in order, without extracting anything to the disk.

    Raises:
        CorruptFile: the archive is damaged, or does not hold exactly those batches.
    """
    batches: dict[int, tuple[Pixels, Labels]] = {}
    try:
        with gzip.open(file) as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
            for member in tar:
                if tar.offset <= member.offset:  # a negative size: the reader would go round in circles for ever
                    raise CorruptFile(f"{member.name!r} in {file} has a negative size.")
                match = re.fullmatch(r"(?:\./)?cifar-10-batches-bin/data_batch_([1-5])\.bin", member.name)
                plain = match and member.isfile() and not member.issparse()
                stream = tar.extractfile(member) if plain else None
                if match is None or stream is None:
                    continue
                if int(match[1]) in batches:
                    raise CorruptFile(f"{file} holds {member.name} twice.")
                if member.size != PER_BATCH * RECORD:
                    raise CorruptFile(f"{member.name} in {file} has {member.size} bytes, not {PER_BATCH * RECORD}.")
                batches[int(match[1])] = read_records(stream.read(), member.name)
            while raw.read(1 << 20):  # the checksum of the whole is at its end
                pass
    except (CorruptFile, FileNotFoundError):
        raise
    except Exception as error:  # tarfile lets through whatever the fields of a header lead to
        raise CorruptFile(f"{file} is not a whole .tar.gz archive ({error}): download it again.") from None
    if sorted(batches) != [1, 2, 3, 4, 5]:
        raise CorruptFile(f"{file} holds the training batches {sorted(batches)}, not 1 to 5: is it the binary version?")
    images, labels = zip(*(batches[k] for k in range(1, 6)))
    return np.concatenate(images), np.concatenate(labels)


def _prepare(root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path:
    archive = CARD.archives[0]
    if source is None:
        file = download.fetch(archive, root / "downloads", mirror=mirror, progress=progress)
    else:
        file = download.verified(source / archive.filename if source.is_dir() else source, archive)
    images, labels = read_archive(file)
    return packs.write_registered(CARD, root, images, labels, len(images) * 4 // 5)


CARD = Card(
    name="cifar10",
    title="small colour photographs of ten classes of things",
    shape=(3, 32, 32),
    images={"train": 40_000, "test": 10_000},
    split="the first 80 % and the last 20 % of the 50,000 training images, in the original order: the paper uses "
    "80 % and 20 %",
    source="CIFAR-10 (Krizhevsky 2009), the 50,000 training images, lossless, in the original order",
    licence="none stated by the authors; cite Krizhevsky 2009",
    how_to_get="`blurvae data prepare cifar10` (downloads 162 MB)",
    archives=(Archive("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
    reference={"pack": "9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111"},
)
DATASET = Dataset(CARD, partial(packs.load_registered, CARD, fit="exact"), _prepare, is_pack=True)
