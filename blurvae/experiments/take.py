"""Taking the archives of slots in: everything is checked before anything is filed below a folder of results."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from blurvae import experiments, paths
from blurvae.errors import CorruptFile
from blurvae.experiments import TIERS
from blurvae.record import Result, Run, archive, read
from blurvae.record.files import result_of, write
from blurvae.record.formats import FORMAT
from blurvae.record.queue import IMAGES_OF_SEED

ARRAYS = 32 << 20  # bytes of the arrays of a run, at most
SPEEDS = "seconds", "images_per_second"
PROVENANCE = {"commit", "date", "versions", "device", "precision", *SPEEDS}


@dataclass
class Taken:
    """What became of the records of some archives, by name.

    Attributes:
        filed: those that are below the folder of results now.
        kept: those that were there already.
        outdated: those of other settings than their experiment has now, which stay in the archive.
        dirty: those of the filed whose code differed from the commit that they name.
        trouble: what the archives say of runs that were not recorded.
    """

    filed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    dirty: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def take(files: Iterable[Path], out: Path, replace: bool = False) -> Taken:
    """Files the records of archives: pictures with one seed only, as the queue keeps them, and shared arrays once.

    Args:
        files: the parts of one or several archives, in any order; of two records of one run the later counts.
        out: folder of results.
        replace: whether a record takes the place of one of the same run that is there already.

    Raises:
        CorruptFile: a file is no archive of a slot, is damaged, or holds what no slot makes.
        ValueError: a record was made by code of another repository.
        OSError: a file cannot be read or written.
    """
    taken, found = Taken(), dict[str, Result]()
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(map(Path, files)):
            head, members = archive.read(file)
            for result in _unpacked(file, members, Path(folder) / str(number)):
                if result.run in _asked(result.run):
                    found[result.run.whole_name] = result
                else:
                    taken.outdated.append(result.run.whole_name)
            taken.trouble += _trouble(head["log"])
    for name, result in found.items():
        if not replace and _is_recorded(result.run, out):
            taken.kept.append(name)
            continue
        write(result, out, images=result.run.seed == IMAGES_OF_SEED)
        taken.filed.append(name)
        if str(result.record["provenance"]["commit"]).endswith("-dirty"):
            taken.dirty.append(name)
    taken.outdated = [name for name in dict.fromkeys(taken.outdated) if name not in found]
    taken.trouble = [said for said in dict.fromkeys(taken.trouble) if said.partition(": ")[0] not in found]
    return taken


def _unpacked(file: Path, members: Mapping[str, bytes], place: Path) -> list[Result]:
    """The results of a part, from copies of its files below an empty folder."""
    results = [name for name in members if name.startswith(f"{archive.RESULTS}/")]
    for name in results:  # `archive.read` lets no names through but plain ones below that folder
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(members[name])
    found = []
    for name in results:
        if name.endswith(".json"):
            try:
                found.append(_checked(place / name, place / archive.RESULTS))
            except ValueError as error:
                kind = CorruptFile if isinstance(error, CorruptFile) else ValueError
                raise kind(f"{file}: {str(error).replace(f'{place}/', '')}") from None
    return found


def _checked(path: Path, out: Path) -> Result:
    """A result that can be filed.

    Raises:
        CorruptFile: it is damaged, or not what its name says.
        ValueError: its code is not of this repository.
    """
    said = path.relative_to(out).as_posix()
    result = read(path)
    run, record, data = result.run, result.record, result.record["data"]
    if json.loads(path.read_text(encoding="utf-8"))["format"] != FORMAT:
        raise CorruptFile(f"{said} is a record of another format than {FORMAT}.")
    if f"{run.whole_name}.json" != said or run.experiment not in experiments.EXPERIMENTS or run.tier not in TIERS:
        raise CorruptFile(f"{said} is no record of the run that its name says.")
    whole = re.fullmatch("[0-9a-f]{64}", data["checksum"]) and all(
        0 < data[key] < 10**9 for key in ("n_train", "n_test")
    )
    if not whole or not PROVENANCE <= record["provenance"].keys():
        raise CorruptFile(f"{said} does not say what its data are, or how it was made.")
    made = record["provenance"]
    kinds = isinstance(made["device"], str) and all(isinstance(made[key], (int, float)) for key in SPEEDS)
    if not kinds or not (result.diverged or (record["metrics"] and record["history"])):
        raise CorruptFile(f"{said} does not say what came of it, or how fast it was made.")
    if not _is_ours(str(record["provenance"]["commit"])):
        raise ValueError(
            f"{said} was made by the code of commit {record['provenance']['commit']!a:.60}, which is none of this "
            "repository's: fetch that commit first, or leave the archive."
        )
    if not result.diverged and not path.with_suffix(".npz").exists():
        raise CorruptFile(f"{said} comes without its arrays.")
    if sum(array.nbytes for array in result.pictures.values()) > ARRAYS:
        raise CorruptFile(f"{said} has more than {ARRAYS >> 20} MiB of arrays, which no run has.")
    trial = Result(run, record, result.pictures)
    try:  # whatever such arrays lead to, it does so before anything is filed
        for images in (True, False):
            write(trial, path.parents[len(path.relative_to(out).parts)] / "trial", images=images)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptFile(f"{said} has arrays that no run has ({error}).") from None
    return trial


@cache
def _is_ours(commit: str) -> bool:
    """Whether this repository has the commit."""
    digits = commit.removesuffix("-dirty")
    if not re.fullmatch("[0-9a-f]{7,40}", digits):
        return False
    try:
        command = ["git", "cat-file", "-e", f"{digits}^{{commit}}"]
        return subprocess.run(command, cwd=paths.root(), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        raise ValueError("git is not here, which knows the commits of this repository: install it.") from None


@cache
def _asked(run: Run) -> tuple[Run, ...]:
    """The runs that its experiment makes of its tier, data and seed."""
    return experiments.get(run.experiment).runs(run.tier, run.data, (run.seed,))


def _is_recorded(run: Run, out: Path) -> bool:
    """Whether this very run is recorded; a damaged record, or one of other settings, is none of it."""
    try:
        return result_of(run, out) is not None
    except CorruptFile:
        return False


def _trouble(log: Iterable[Any]) -> list[str]:
    """What a log says of runs that came to nothing, in plain signs, since nobody knows who wrote it."""
    lines = []
    for entry in log:
        if isinstance(entry, dict) and entry.get("state") != "recorded":
            name = entry.get("run") or entry.get("data")
            text = f"{name}: {entry.get('state')}. {entry.get('why', '')}"
            lines.append("".join(sign if sign.isprintable() else "?" for sign in text)[:500].rstrip())
    return lines
