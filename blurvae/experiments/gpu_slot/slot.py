"""The archive of a slot with its log: what came home earlier, what is missing, and what has been made since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from blurvae.errors import CorruptFile
from blurvae.experiments.gpu_slot.checks import parts
from blurvae.experiments.gpu_slot.comparisons import Comparison, comparisons
from blurvae.experiments.gpu_slot.pace import Pace
from blurvae.files import write_atomically
from blurvae.provenance import commit, device_name, versions
from blurvae.record import Run, read
from blurvae.record.archive import PART, RESULTS, UNFINISHED, ArchiveFull, reopen
from blurvae.record.files import result_of, shared_file
from blurvae.record.queue import RECORDED

FAILED, STOPPED, PASSED, BEGUN = "failed", "stopped", "passed over", "begun"
ENOUGH = 3  # times that a run is begun before it waits for all others


class Slot:
    """What is made in a slot, and its archive.

    Args:
        file: the first part of the archive.
        work: folder of results, and of checkpoints, on this machine.
        deadline: on the clock of `time.monotonic`.
        device: of the runs.
        tier: of the runs.
        say: takes each sentence.

    Attributes:
        head: what the archive says of itself beside the log.
        log: a record of each attempt at a run, of earlier slots too.
        unsaved: what is recorded here and not in the archive; empty where all is.
        full: whether the archive takes no more.
    """

    def __init__(
        self,
        file: Path,
        work: Path,
        deadline: float,
        device: torch.device,
        tier: str,
        say: Callable[[str], None],
    ) -> None:
        self.work, self.deadline, self.device, self.say = work, deadline, device, say
        self.archive, self.head, members = reopen(file)
        self.log: list[dict[str, Any]] = self.head.pop("log", [])
        self.head |= {"tier": tier, "commit": commit(), "device": device_name(device), "versions": versions()}
        self.unsaved, self.full, self._before = set[str](), False, len(self.log)
        self._added = set[str]()  # in the archive, which has not been written since
        self._unpack(members)
        self._packed = members.keys()

    def _unpack(self, members: dict[str, bytes]) -> None:
        """Brings records and checkpoints of the archive here, where this machine has none."""
        for name, data in sorted(
            members.items(), key=lambda item: item[0].endswith(".json")
        ):  # what they name is there
            root, _, rest = name.partition("/")
            folder, _, inner = rest.rpartition("/")
            if root == UNFINISHED:  # unfinished/experiment/run/file belongs into experiment/.run/file
                experiment, _, run = folder.rpartition("/")
                place = self.work / experiment / f".{run}" / inner
            elif root == RESULTS:
                place = self.work / rest
            else:
                continue
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(place, lambda path, data=data: path.write_bytes(data))  # type: ignore[misc]

    def begin(self, runs: Sequence[Run], pace: Pace, graphs: frozenset[str]) -> list[Comparison]:
        """Packs what was recorded on this machine and is not in the archive, and orders what is missing.

        Args:
            runs: all that the archive is to have, in the order of the experiments.
            pace: learns from the log, of runs on this device that were made as these will be.
            graphs: the systems and terms whose moves are captured.

        Returns:
            Comparisons without the runs that are recorded; runs that failed in an earlier slot come last.
        """
        missing = []
        for run in runs:
            if not self.is_recorded(run):
                missing.append(run)
            elif _member(run.path(self.work), self.work) not in self._packed:
                self.pack(run)
        by_name = {run.whole_name: run for run in runs}
        begun = Counter[str]()
        for entry in self.log:
            name, state = entry.get("run", ""), entry.get("state")
            begun[name] += ENOUGH if state == FAILED else state != PASSED
            if state in (RECORDED, STOPPED) and name in by_name:
                graphed = parts(by_name[name]) <= graphs
                way = {"device": self.head["device"], "width": pace.width, "graphs": graphed}
                if way.items() <= entry.items():
                    pace.learn(by_name[name], entry.get("whole", entry["seconds"]))
        trouble = [run for run in missing if begun[run.whole_name] >= ENOUGH]
        return comparisons(run for run in missing if run not in trouble) + comparisons(trouble)

    def is_recorded(self, run: Run) -> bool:
        """Whether the record of this very run lies here; a damaged one is removed."""
        try:
            return result_of(run, self.work) is not None
        except CorruptFile:
            run.path(self.work).unlink()
            return False

    def pack(self, run: Run) -> None:
        """Adds the files of a recorded run to the archive."""
        path = run.path(self.work)
        files = [path, path.with_suffix(".npz"), shared_file(run, read(path).record, self.work)]
        try:
            self.archive.add({_member(file, self.work): file.read_bytes() for file in files if file.exists()})
            self._added.add(run.whole_name)
        except OSError as error:
            self.unsaved.add(run.whole_name)
            self.full = self.full or isinstance(error, ArchiveFull)
            self.say(f"{run.whole_name}: recorded in {path}, but not in the archive: {error}")

    def save(self, unfinished: bool = False) -> None:
        """Writes the archive; with checkpoints, those that have room in it."""
        indices = sorted(self.work.glob("**/.*/checkpoint.json")) if unfinished else []
        try:
            self.archive.write({**self.head, "log": self.log}, [_checkpoint(index, self.work) for index in indices])
            self.unsaved -= {"the log", *self._added}
            self._added.clear()
        except OSError as error:
            self.unsaved |= {"the log", *self._added}
            self.say(f"The archive could not be written: {error}")

    def pass_over(self, data: str, why: str) -> None:
        """Notes that a data set is not to be had here, and says so."""
        entry = {"data": data, "state": PASSED, "why": why}
        self.log += [entry] if entry not in self.log else []
        self.say(f"{data}: passed over. {why}")

    def summary(self) -> tuple[int, int]:
        """How many runs were recorded since this slot began, and how many failed for good."""
        ended = Counter({entry["run"]: entry["state"] for entry in self.log[self._before :] if "run" in entry}.values())
        return ended[RECORDED], ended[FAILED]


def _member(file: Path, work: Path) -> str:
    """A file of results in the archive."""
    return f"{RESULTS}/{file.relative_to(work).as_posix()}"


def _checkpoint(index: Path, work: Path) -> dict[str, bytes]:
    """The files of a checkpoint in the archive; none where they have no room in a part."""
    folder = index.parent
    place = f"{UNFINISHED}/{folder.parent.relative_to(work).as_posix()}/{folder.name[1:]}"
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]  # what the watch keeps is among them
    if sum(file.stat().st_size for file in files) > PART:
        return {}
    return {f"{place}/{file.name}": file.read_bytes() for file in files}
