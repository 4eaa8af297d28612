"""`hcp` and `volumes`: axial slices of anybody's own NIfTI volumes, split by subject.

The main paper cuts random 64×64 patches out of 400 volumes of the Human Connectome Project (§4.1). Loading with
`size=64` gives one such patch of every slice.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from blurvae.datasets import files, nifti, packs
from blurvae.datasets.core import Card, Dataset, Pixels
from blurvae.datasets.folder import split_names
from blurvae.errors import MissingData

HCP_FILE = "T1w_acpc_dc_restore_brain.nii.gz"
"""The T1-weighted volume of the preprocessed structural release: aligned, bias-corrected, without the skull."""
HCP_SUBJECTS = 400
"""As many as the main paper takes."""
LEAST = 1 / 3
"""A slice is kept if it has at least this share of the non-zero pixels of the volume's fullest slice."""


DERIVED = frozenset({"derivatives", "sourcedata"})
"""Folders of a BIDS data set that hold other things than its volumes: what was made of them, what they were made of."""


def search(folder: Path, ending: str | tuple[str, ...] = nifti.SUFFIXES) -> tuple[dict[str, list[Path]], str]:
    """The volumes below a folder by subject, both in alphabetical order, and what was passed over, in words.

    The subject is the part `sub-…` of a path as BIDS names it, or else the first folder below `folder`, or else the
    name of the file. Endings are compared without regard to case; see `files.below` for what is passed over beside
    BIDS's own folders of other things, and volumes that another subject has too.
    """

    def subject(file: Path) -> str:
        inner = file.relative_to(folder)
        bids = re.search(r"(?:^|/)(sub-[A-Za-z0-9]+)", inner.as_posix())
        return bids[1] if bids else re.sub(r"\.nii(\.gz)?$", "", inner.parts[0], flags=re.IGNORECASE)

    endings = (ending,) if isinstance(ending, str) else ending
    found = files.below(folder, [e.casefold() for e in endings], skip=DERIVED, owner=subject)
    subjects: dict[str, list[Path]] = {}
    for file in found.files:
        subjects.setdefault(subject(file), []).append(file)
    return dict(sorted(subjects.items())), found.note()


def find(folder: Path, ending: str | tuple[str, ...] = nifti.SUFFIXES) -> dict[str, list[Path]]:
    """The volumes below a folder by subject, as `search` finds them."""
    return search(folder, ending)[0]


def slices(file: Path, height: int, width: int) -> Pixels:
    """The axial slices of a volume that show enough of it, amid black: uint8 (n, 1, height, width).

    Raises:
        MissingData: nibabel is not installed.
        CorruptFile: no volume that can be read.
    """
    values, _ = nifti.read(file)
    found = nifti.axial(nifti.to_bytes(values))
    filled = np.count_nonzero(found, axis=(1, 2, 3))
    found = found[filled >= LEAST * filled.max()]
    return packs.pad(found, height, width)


def _prepare(
    card: Card,
    ending: str | tuple[str, ...],
    most: int | None,
    root: Path,
    *,
    source: Path | None,
    mirror: str | None,
    progress: bool,
) -> Path:
    assert source is not None  # the registry sees to it
    subjects, note = search(source, ending) if source.is_dir() else ({}, "")
    if len(subjects) < 2:
        raise MissingData(
            f"{source} holds volumes of {len(subjects)} subjects, and a training and a test set need two at least"
            f"{f' ({note})' if note else ''}. To get {card.name}: {card.how_to_get}."
        )
    if note:
        warnings.warn(f"The volumes of {len(subjects)} subjects of {source} are read; {note}.", stacklevel=2)
    chosen = dict(list(subjects.items())[:most])
    names = split_names(list(chosen))
    parts = {split: [file for name in names[split] for file in chosen[name]] for split in ("train", "test")}
    headers = _bar([*parts["train"], *parts["test"]], f"{card.name} headers", progress)
    shapes = [nifti.read_header(file).shape for file in headers]
    width, height = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
    origin = card.source if most else f"the folder {source.resolve().name}"
    with packs.streamed(
        root / card.name,
        (1, height, width),
        name=card.name,
        source=f"{origin}: {len(shapes)} volumes of {len(chosen)} subjects",
        licence=card.licence,
    ) as stream:
        for split in ("train", "test"):
            if split == "test":
                stream.begin_test()
            for file in _bar(parts[split], f"{card.name} {split}", progress):
                stream.append(slices(file, height, width))
    return root / card.name


def _bar(files: Sequence[Path], what: str, progress: bool) -> tqdm[Path]:
    return tqdm(files, desc=what, disable=None if progress else True)


_PROTOCOL = (
    "axial slices, front up, at the volumes' own resolution; each volume scaled to its 99.5th percentile; size=64 "
    "gives a random patch of each slice"
)
HCP_CARD = Card(
    name="hcp",
    title=f"T1-weighted MRI of the Human Connectome Project: {_PROTOCOL}",
    shape=None,
    images={},
    split="by subject: of the first 400, the fifth with the largest sha256 of the name is for testing; the paper uses "
    "400 volumes, 80 % and 20 %",
    source="WU-Minn Human Connectome Project (Van Essen and others 2013), structural preprocessed release",
    licence="WU-Minn HCP Open Access Data Use Terms, which every user must accept; passed on under these only",
    how_to_get="register at db.humanconnectome.org (or balsa.wustl.edu), accept the terms, download the structural "
    f"preprocessed files, and give the folder with SUBJECT/T1w/{HCP_FILE}: `blurvae data prepare hcp --source FOLDER`; "
    "this project never downloads them",
)
VOLUMES_CARD = Card(
    name="volumes",
    title=f"NIfTI volumes of yours: {_PROTOCOL}",
    shape=None,
    images={},
    split="by subject: the fifth with the largest sha256 of the name is for testing",
    source="yours",
    licence="yours to know",
    how_to_get="give a folder of .nii or .nii.gz files: `blurvae data prepare volumes --source FOLDER`",
)


def _dataset(card: Card, ending: str | tuple[str, ...], most: int | None) -> Dataset:
    return Dataset(
        card,
        partial(packs.load_registered, card, fit="patch"),
        partial(_prepare, card, ending, most),
        is_pack=True,
    )


HCP = _dataset(HCP_CARD, HCP_FILE, HCP_SUBJECTS)
VOLUMES = _dataset(VOLUMES_CARD, nifti.SUFFIXES, None)
