"""Files below a folder of somebody's own: each once, nothing hidden, and word of what was passed over."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

SYSTEM = frozenset(
    "__MACOSX @eaDir @Recycle @Recently-Snapshot #recycle #snapshot $RECYCLE.BIN RECYCLER "
    "lost+found Thumbs.db desktop.ini".casefold().split()
) | {"system volume information"}
"""What systems, network disks and archives leave among files, beside all names that begin with a dot; in lower case."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is a system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM


def plain(name: str) -> str:
    """A name as every system spells it: letters with their accents as one sign, where macOS takes two (NFC)."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class Found:
    """Files, and what lies beside them.

    Attributes:
        files: sorted by their path below the folder.
        passed_over: what was not taken, and how many of each.
    """

    files: tuple[Path, ...]
    passed_over: Counter[str]

    def note(self) -> str:
        """What was passed over and why, as the end of a sentence; empty where nothing was."""
        said = ", ".join(f"{what} ({n})" for what, n in sorted(self.passed_over.items()))
        return f"passed over: {said}" if said else ""


def below(
    folder: Path,
    endings: Iterable[str],
    *,
    skip: frozenset[str] = frozenset(),
    owner: Callable[[Path], Hashable] | None = None,
) -> Found:
    """The files with one of these endings below a folder, each once.

    Hidden files and folders are passed over, and what systems leave; links to folders, which may lead anywhere; links
    to what is not here; every further name of a file.

    Args:
        folder: where to look, at any depth.
        endings: of the names, in lower case; names are compared without regard to case.
        skip: names of folders that are passed over too, in lower case.
        owner: whose a file is; one that holds the same bytes as a file of another owner is passed over too. Contents
            are not compared where None.

    Raises:
        OSError: a folder that cannot be read.
    """
    endings, files, passed = tuple(endings), [], Counter[str]()

    def stop(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=stop):
        for name in list(folders):
            if reason := _folder_is_no_place(Path(place, name), skip):
                folders.remove(name)
                passed[reason] += 1
        for name in names:
            file = Path(place, name)
            if not name.casefold().endswith(endings):
                if not is_hidden(name):
                    passed[
                        f"files with the ending {file.suffix.casefold()}" if file.suffix else "files without an ending"
                    ] += 1
            elif is_hidden(name):
                passed["hidden files"] += 1
            elif not file.is_file():
                link = "links to what is not here, as before `git annex get` or `datalad get`"
                passed[link if file.is_symlink() else "what is no regular file"] += 1
            else:
                files.append(file)
    files.sort(key=lambda file: [plain(part) for part in file.relative_to(folder).parts])
    once = list({_identity(file): file for file in reversed(files)}.values())[::-1]
    passed["further names of a file"] += len(files) - len(once)
    if owner is not None:
        known = len(once)
        once = _without_copies(once, owner)
        passed["copies of a file, byte by byte"] += known - len(once)
    return Found(tuple(once), +passed)


def _folder_is_no_place(folder: Path, skip: frozenset[str]) -> str:
    if is_hidden(folder.name):
        return "hidden folders" if folder.name.startswith(".") else f"folders {folder.name}"
    if folder.name.casefold() in skip:
        return f"folders {folder.name}"
    return "linked folders" if folder.is_symlink() else ""


def _identity(file: Path) -> tuple[int, int] | str:
    status = file.stat()
    return (status.st_dev, status.st_ino) if status.st_ino else str(file.resolve())  # some disks do not number files


def _without_copies(files: list[Path], owner: Callable[[Path], Hashable]) -> list[Path]:
    """The files of the first owner of each content, in their order; only files of one size are read."""
    sizes = defaultdict(list)
    for file in files:
        sizes[file.stat().st_size].append(file)
    first: dict[bytes, Hashable] = {}
    copies: set[Path] = set()
    for size, alike in sizes.items():  # empty files are no copies, but damaged
        for file in alike if len(alike) > 1 and size else ():
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").digest()
            if first.setdefault(digest, owner(file)) != owner(file):
                copies.add(file)
    return [file for file in files if file not in copies]


def stamp(files: Iterable[Path]) -> str:
    """What changes when one of the files does: a cache that goes by it never shows what was there before."""
    facts = []
    for file in files:
        status = file.stat()
        facts.append((str(file), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()


def way_out(file: Path, otherwise: str) -> str:
    """How to get the content of a file that cannot be read: from where it is kept, if the file only points there."""
    try:
        with file.open("rb") as stream:
            start = stream.read(512)
    except OSError:
        return otherwise
    lfs, annex = start.startswith(b"version https://git-lfs"), b"annex/objects/" in start
    commands = "git lfs pull" if lfs else "git annex get (or datalad get)" if annex else ""
    return f"it only points to its content, which `{commands}` brings here" if commands else otherwise
