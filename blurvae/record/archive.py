"""Recorded runs on their way home: tar files of at most 16 MiB, each of them whole by itself, read as a stranger's."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurvae.errors import CorruptFile
from blurvae.files import write_atomically

FORMAT = 1
PART = 16 << 20  # bytes of a part
PARTS = 8
MEMBERS = 4096  # of a part
HEAD = "slot.json"  # what was done, and the checksums of the other members
RESULTS, UNFINISHED = "results", "unfinished"  # folders of records, and of the checkpoints of runs that did not end

_ROOM = 1 << 20  # kept free in each part for its head
_STEM = "[A-Za-z0-9_=,+-][A-Za-z0-9_=,.+-]*"
_MEMBER = re.compile(
    rf"{re.escape(HEAD)}|tests\.txt|bench\.json|{RESULTS}(/[a-z0-9_]+)+/{_STEM}\.(json|npz)"
    rf"|{UNFINISHED}(/[a-z0-9_]+)+/{_STEM}/[a-z0-9-]+\.(json|npz|safetensors)"
)


class ArchiveFull(OSError):
    """There is no room for more."""


def part(file: Path, number: int) -> Path:
    """Where a part lies: FILE.tar, FILE.2.tar, and so on."""
    return file if number == 1 else file.with_name(f"{file.stem}.{number}{file.suffix}")


@dataclass
class Archive:
    """The archive that is being filled: the parts before the last are never written again.

    Attributes:
        file: its first part.
        number: of its last part.
        members: of the last part, by name, without the head.
    """

    file: Path
    number: int = 1
    members: dict[str, bytes] = field(default_factory=dict)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Adds files that belong together, to one part; a new part begins where the last has no room.

        Raises:
            ArchiveFull: they are larger than a part, or belong into a ninth.
        """
        if _size(files) > PART - _ROOM:
            raise ArchiveFull(f"{', '.join(files)}: larger than the {PART >> 20} MiB of a part of the archive.")
        together = {**self.members, **files}
        if _size(together) > PART - _ROOM:
            if self.number == PARTS:
                raise ArchiveFull(f"{self.file} has {PARTS} full parts: take them home, and begin another archive.")
            self.number, together = self.number + 1, dict(files)
        self.members = together

    def write(self, head: Mapping[str, Any], loose: Sequence[Mapping[str, bytes]] = ()) -> None:
        """Writes the last part, whole or not at all.

        Args:
            head: what was done, as JSON.
            loose: groups of files that travel where there is room for all of a group, until the next writing.

        Raises:
            OSError: it cannot be written.
        """
        members = dict(self.members)
        for files in loose:
            if _size({**members, **files}) <= PART - _ROOM:
                members |= files
        sums = {name: zlib.crc32(data) for name, data in members.items()}
        text = json.dumps({**head, "format": FORMAT, "part": self.number, "members": sums}, indent=1)
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for name, data in {HEAD: text.encode(), **members}.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        if len(stream.getvalue()) > PART:
            raise ArchiveFull(f"The log of {self.file} has grown too long: take the archive home, and begin another.")
        write_atomically(part(self.file, self.number), lambda path: path.write_bytes(stream.getvalue()))


def reopen(file: Path) -> tuple[Archive, dict[str, Any], dict[str, bytes]]:
    """An archive to go on with, its last head and all of its members; a new one where there is none.

    Raises:
        CorruptFile: a part is not whole.
        OSError: one cannot be read.
    """
    archive, head, everything = Archive(file), dict[str, Any](), dict[str, bytes]()
    for number in range(1, PARTS + 1):
        if part(file, number).exists():
            head, members = read(part(file, number))
            archive.number, archive.members = number, _kept(members)
            everything |= members
    return archive, head, everything


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The head and the other members of a part; nothing in it is trusted, and nothing is written.

    Raises:
        CorruptFile: it is no part of such an archive, it is damaged, or something in it has no business there.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.stat().st_size > PART:
        raise CorruptFile(f"{path} has more than the {PART >> 20} MiB of a part: it is none.")
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                _check(path, entry, members)
                stream = tar.extractfile(entry)
                assert stream is not None  # it is a plain file
                members[entry.name] = stream.read()
                if len(members[entry.name]) != entry.size:
                    raise tarfile.ReadError("a member that ends too early")
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        if isinstance(error, CorruptFile):
            raise
        raise CorruptFile(f"{path} is no whole tar file ({error}): fetch it again, or move it away.") from None
    try:
        head = json.loads(members.pop(HEAD))
        known = head["format"] == FORMAT and isinstance(head.get("log"), list)
        sums = {name: zlib.crc32(data) for name, data in members.items()}
        if not known or head["members"] != sums:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CorruptFile(
            f"{path} is not whole: its {HEAD}, with the checksums of the other members, is absent or does not fit them."
        ) from None
    return head, members


def _check(path: Path, entry: tarfile.TarInfo, members: Mapping[str, bytes]) -> None:
    """Refuses a member that such an archive does not have."""
    name = entry.name if entry.name.isprintable() and len(entry.name) < 200 else ascii(entry.name[:80])
    if len(members) >= MEMBERS:
        raise CorruptFile(f"{path} has more than {MEMBERS} members: no slot makes so many.")
    if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or entry.issparse():
        raise CorruptFile(f"{path} holds {name}, which is a link, a folder or a device and no plain file.")
    if len(entry.name) > 200 or not _MEMBER.fullmatch(entry.name):
        raise CorruptFile(f"{path} holds {name}, which is the place of nothing that a slot makes.")
    if entry.name in members:
        raise CorruptFile(f"{path} holds {name} twice.")
    if not 0 <= entry.size <= PART:
        raise CorruptFile(f"{path} holds {name} with a size of {entry.size} bytes.")


def _kept(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """All but the checkpoints, which travel for one writing only."""
    return {name: data for name, data in members.items() if not name.startswith(f"{UNFINISHED}/")}


def _size(files: Mapping[str, bytes]) -> int:
    """Bytes in a tar, at most: each file has a header or, where its name is long, three blocks more."""
    return sum(4 * 512 + -(-len(data) // 512) * 512 for data in files.values()) + tarfile.RECORDSIZE
