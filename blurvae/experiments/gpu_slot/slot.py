"""One slot: runs in the order of their comparisons, and after each of them an archive that is whole."""

from __future__ import annotations

import gc
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.experiments.gpu_slot.comparisons import Comparison, choose, comparisons, without
from blurvae.experiments.gpu_slot.pace import Forecast, OutOfTime, Pace
from blurvae.files import write_atomically
from blurvae.provenance import commit, device_name, versions
from blurvae.record import Run, execute, read
from blurvae.record.archive import PART, RESULTS, UNFINISHED, reopen
from blurvae.record.files import shared_file, write
from blurvae.record.queue import DIVERGED, IMAGES_OF_SEED, RECORDED

ENOUGH = 3  # times that a run is begun before it waits for all others
FAILED, STOPPED, PASSED, BEGUN = "failed", "stopped", "passed over", "begun"


class GpuLost(Exception):
    """The GPU answers this process no more, as after an illegal access; another process may have it."""


class Slot:
    """What is done in a slot, and its archive.

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
        self.pace, self.unsaved = Pace(device.type), set[str]()
        self._retried, self._without_checkpoints = set[Run](), set[Run]()
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

    def begin(self, runs: Sequence[Run]) -> list[Comparison]:
        """Packs what was recorded on this machine and is not in the archive, and orders what is missing.

        Args:
            runs: all that the archive is to have, in the order of the experiments.

        Returns:
            Comparisons without the runs that are recorded; runs that failed in an earlier slot come last.
        """
        missing = []
        for run in runs:
            if not self._is_recorded(run):
                missing.append(run)
            elif _member(run.path(self.work), self.work) not in self._packed:
                self.pack(run)
        by_name = {_name(run): run for run in runs}
        begun, failed = Counter[str](), set[str]()
        for entry in self.log:
            name, state = entry.get("run", ""), entry.get("state")
            begun[name] += state != PASSED
            if state == FAILED:
                failed.add(name)
            if state == RECORDED and entry.get("device") == self.head["device"] and name in by_name:
                self.pace.learn(by_name[name], entry["seconds"])
        trouble = [run for run in missing if _name(run) in failed or begun[_name(run)] >= ENOUGH]
        return comparisons(run for run in missing if run not in trouble) + comparisons(trouble)

    def _is_recorded(self, run: Run) -> bool:
        """Whether the record of this very run lies here; a damaged one is removed."""
        path = run.path(self.work)
        try:
            return path.exists() and read(path).run == run
        except CorruptFile:
            path.unlink()
            return False

    def work_through(self, waiting: list[Comparison]) -> None:
        """Makes what ends in time."""
        while run := choose(waiting, self.deadline - time.monotonic(), self.pace.expected):
            if self.attempt(run):
                waiting = without(waiting, run)
        for comparison in waiting:
            for run in comparison.runs:
                self.say(f"{_name(run)}: not started, about {self.pace.expected(run):.0f} s")

    def attempt(self, run: Run) -> bool:
        """Makes a run, whatever comes of it; whether that is all that can be done about it in this slot."""
        entry: dict[str, Any] = {"run": _name(run), "state": BEGUN, "device": self.head["device"], "seconds": 0.0}
        self.log.append(entry)
        self.save()  # if this process is lost with the run, the archive says which it was
        begun, over = time.monotonic(), True
        try:
            self._execute(run)
            entry["state"] = RECORDED
        except OutOfTime as error:
            entry |= {"state": STOPPED, "why": str(error)}
        except Diverged as error:
            entry |= {"state": DIVERGED, "why": str(error)}
        except (MissingData, MissingWeights, BlockingIOError) as error:
            entry |= {"state": PASSED, "why": str(error)}
        except Exception as error:  # whatever it is, the other runs are worth having
            entry |= {"state": FAILED, "why": _sentence(error)}
            over = not self._again(run, error)
            gc.collect()
            self._free()
        entry["seconds"] = round(time.monotonic() - begun, 1)
        if entry["state"] in (RECORDED, DIVERGED):
            self.pack(run)
        if entry["state"] == RECORDED:
            self.pace.learn(run, entry["seconds"])
        self.say(f"{_name(run)}: {entry['state']}, {entry['seconds']:.0f} s {entry.get('why', '')}".rstrip())
        self.save()
        return over

    def _execute(self, run: Run) -> None:
        kept = run.seed == IMAGES_OF_SEED
        given: dict[str, Any] = {
            "device": str(self.device),
            "images": kept,
            "callback": Forecast(self.pace, run, self.deadline),
        }
        if run in self._without_checkpoints:
            write(execute(run, **given), self.work, images=kept)
        else:
            execute(run, out=self.work, resume=True, **given)

    def _again(self, run: Run, error: Exception) -> bool:
        """Whether another attempt has a chance: without a checkpoint that cannot be used, or cannot be written."""
        at_fault = isinstance(error, OSError | CorruptFile) or "checkpoint" in str(error)
        if run in self._retried or not at_fault or not run.unfinished(self.work).exists():
            return False
        self._retried.add(run)
        shutil.rmtree(run.unfinished(self.work), ignore_errors=True)
        if isinstance(error, OSError):
            self._without_checkpoints.add(run)
        return True

    def _free(self) -> None:
        """Gives back what a run that failed held on a GPU.

        Raises:
            GpuLost: it does not answer.
        """
        if self.device.type != "cuda":
            return
        try:
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
        except RuntimeError as error:
            raise GpuLost(str(error)) from error

    def pack(self, run: Run) -> None:
        """Adds the files of a recorded run to the archive."""
        path = run.path(self.work)
        files = [path, path.with_suffix(".npz"), shared_file(run, read(path).record, self.work)]
        try:
            self.archive.add({_member(file, self.work): file.read_bytes() for file in files if file.exists()})
        except OSError as error:
            self.unsaved.add(_name(run))
            self.say(f"{_name(run)}: recorded in {path}, but not in the archive: {error}")

    def save(self, unfinished: bool = False) -> None:
        """Writes the archive; with checkpoints, those that have room in it."""
        indices = sorted(self.work.glob("**/.*/checkpoint.json")) if unfinished else []
        try:
            self.archive.write({**self.head, "log": self.log}, [_checkpoint(index, self.work) for index in indices])
            self.unsaved.discard("the log")
        except OSError as error:
            self.unsaved.add("the log")
            self.say(f"The archive could not be written: {error}")


def _name(run: Run) -> str:
    return f"{run.experiment}/{run.name}"


def _sentence(error: BaseException) -> str:
    """What an error says, its kind first, short enough for a log."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}"


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
