"""Whether the data sets on this machine are whole, and the very pixels that the recorded results used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurvae.datasets import mnist, packs
from blurvae.datasets.core import SPLITS, Dataset
from blurvae.datasets.registry import Root, as_path, find, load
from blurvae.errors import CorruptFile, MissingData


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        name: the data set.
        present: whether there is anything to check.
        ok: present, and every checksum and every statement of the card is right.
        shape: (n, c, h, w), of clips (n, t, c, h, w), as stored, all splits together; None where nothing can be read.
        checksum: sha256 of the pixels; None where they cannot be read.
        reference: whether these are the very pixels that the recorded results used; None where none are recorded.
        problem: one sentence that says what is wrong and the way out; empty if ok.
    """

    name: str
    present: bool
    ok: bool
    shape: tuple[int, ...] | None = None
    checksum: str | None = None
    reference: bool | None = None
    problem: str = ""


def check(name: str, root: Root = None) -> Report:
    """Verify a data set: every pixel against the card's checksum, and against the recorded results' pixels.

    Never raises for a set that is missing or damaged: the report says so.

    Raises:
        ValueError: no such data set.
    """
    dataset, argument = find(name)
    reference = dataset.card.reference
    try:
        if name == mnist.CARD.name and not (packs.data_root(name, as_path(root)) / name / "card.json").exists():
            return _check_splits(name, dataset, root, ("train",), reference)  # raw files: one checksum for all
        if not dataset.is_pack and dataset is not packs.DATASET:
            return _check_splits(
                name, dataset, root, tuple(dataset.card.images) or SPLITS, reference if not argument else {}
            )
        load(name, "train", root=root)  # the messages of a missing or misplaced pack are those of loading it
        pack = packs.read(Path(argument).expanduser() if argument else packs.data_root(name, as_path(root)) / name)
        packs.verify(pack)
    except MissingData as error:
        return Report(name, present=False, ok=False, problem=str(error))
    except CorruptFile as error:
        return Report(name, present=True, ok=False, problem=str(error))
    digest = pack.card["sha256"]
    same = digest == reference["pack"] if reference else None
    return Report(name, True, True, pack.images.shape, digest, same)


def _check_splits(name: str, dataset: Dataset, root: Root, splits: tuple[str, ...], reference: Any) -> Report:
    """Check a set that has no pack: it is made or read once more, and compared with the recorded pixels."""
    sets = [load(name, split, root=root) for split in tuple(dataset.card.images) or SPLITS]
    digests = [images.checksum for images in sets][: len(splits)]
    expected = [reference.get(split, reference.get("pack")) for split in splits]
    same = digests == expected if reference else None
    problem = (
        f"{name} has other pixels than the recorded results: see {dataset.card.how_to_get}" if same is False else ""
    )
    shape = (sum(len(images) for images in sets), *sets[0].shape)
    return Report(name, True, same is not False, shape, " ".join(dict.fromkeys(digests)), same, problem)
