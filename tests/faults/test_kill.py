"""kill -9 at random moments, full disks, read-only folders, two processes at one run: nothing is lost, nothing is half.

Real processes and real signals, in temporary folders; `make test-faults` runs it. The moments come from a seeded
generator: some on the clock, some before a file operation, some in the middle of the file that is being written.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import children
import numpy as np
import pytest
from children import Moment
from conftest import Tally

from blurvae import experiments
from blurvae.datasets import packs
from blurvae.record import Run, queue, read

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")

HERE = Path(__file__).parent
EPOCHS = 20
QUEUED = ("l2", "ffl", "wiener")
LIMIT = 300.0  # seconds after which a child counts as hanging


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))  # the fork server imports children.py by name
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("COLUMNS", "500")
        patch.delenv("BLURVAE_DATA", raising=False)
        yield


def start(
    what: str,
    arguments: list[Any],
    log: Path,
    moment: Moment | None = None,
    count: Path | None = None,
    file_limit: int | None = None,
) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["children"])
    process = context.Process(
        target=children.child, args=(what, [str(a) for a in arguments], str(log), moment, count, file_limit)
    )
    process.start()
    return process


def watch(process: BaseProcess, until: float, reader: Callable[[], None]) -> int | None:
    """Reads what the process writes, over and over, until it ends or the time comes."""
    while process.is_alive() and time.monotonic() < until:
        reader()
        process.join(min(0.02, max(0.0, until - time.monotonic())))
    return process.exitcode


@dataclass
class Job:
    """Work in a folder: how it is started and taken up again, what a reader may see, and what it must end with."""

    what: str
    first: Callable[[Path], list[Any]]
    again: Callable[[Path], list[Any]]
    check: Callable[[Path, Path, bool], None]  # (folder, folder of the reference, finished)
    reference: Path
    seconds: float = 0.0
    log: str = field(default="")

    def do(self, folder: Path, arguments: list[Any], **given: Any) -> tuple[int | None, str]:
        """Runs to the end; returns the exit code and the output."""
        folder.mkdir(parents=True, exist_ok=True)
        log = folder.with_suffix(".log")
        log.write_text("")
        process = start(self.what, arguments, log, **given)
        code = watch(process, time.monotonic() + LIMIT, lambda: self.check(folder, self.reference, False))
        if code is None:
            process.kill()
            pytest.fail(f"{arguments} hangs: {log.read_text()}")
        return code, log.read_text()

    def prepare(self) -> Job:
        """Makes the uninterrupted reference, and its duration."""
        self.do(self.reference, self.first(self.reference))
        begun = time.monotonic()
        warm = self.reference.with_name(self.reference.name + "-warm")
        code, said = self.do(warm, self.first(warm))
        self.seconds = time.monotonic() - begun
        assert code == 0, said
        self.check(warm, self.reference, True)
        return self

    def events(self, folder: Path, only: str = "", but: str = "") -> int:
        """How many file operations an uninterrupted job does."""
        count = folder.with_suffix(".count")
        code, said = self.do(folder, self.first(folder), moment=Moment(str(folder), only=only, but=but), count=count)
        assert code == 0, said
        return int(count.read_text())

    def kill_on_the_clock(self, folder: Path, arguments: list[Any], rng: np.random.Generator, tally: Tally) -> bool:
        """Kills the job at a moment drawn evenly from its duration; whether it was still alive then."""
        folder.mkdir(parents=True, exist_ok=True)
        process = start(self.what, arguments, folder.with_suffix(".log"))
        watch(
            process,
            time.monotonic() + self.seconds * rng.uniform(0.02, 1.0),
            lambda: self.check(folder, self.reference, False),
        )
        return self._killed(process, tally)

    def kill_at(self, folder: Path, arguments: list[Any], moment: Moment, tally: Tally) -> bool:
        """Lets the job kill itself before a file operation."""
        folder.mkdir(parents=True, exist_ok=True)
        process = start(self.what, arguments, folder.with_suffix(".log"), moment)
        watch(process, time.monotonic() + LIMIT, lambda: self.check(folder, self.reference, False))
        return self._killed(process, tally)

    def _killed(self, process: BaseProcess, tally: Tally) -> bool:
        process.kill()
        process.join()
        killed = process.exitcode == -signal.SIGKILL
        tally.tries += killed
        tally.kills += killed
        return killed

    def recover(self, folder: Path, tally: Tally, faults: int = 1) -> None:
        """Takes the job up again: it must end like the reference."""
        self.check(folder, self.reference, False)
        code, said = self.do(folder, self.again(folder))
        assert code == 0, said
        self.check(folder, self.reference, True)
        tally.survived += faults


# What each job leaves -------------------------------------------------------------------------------------------------


def same_result(path: Path, reference: Path) -> None:
    made, expected = read(path), read(reference)
    assert made.record["metrics"] == expected.record["metrics"]
    assert made.record["history"] == expected.record["history"]
    assert made.pictures.keys() == expected.pictures.keys() and made.pictures
    for name, array in expected.pictures.items():
        np.testing.assert_array_equal(made.pictures[name], array, strict=True)


def check_runs(runs: tuple[Run, ...]) -> Callable[[Path, Path, bool], None]:
    def check(out: Path, reference: Path, finished: bool) -> None:
        for r in runs:
            queue.state(r, out)  # no reader stumbles over what lies there
            if r.path(out).exists() and out != reference:
                same_result(r.path(out), r.path(reference))
            elif r.path(out).with_suffix(".npz").exists():
                with np.load(r.path(out).with_suffix(".npz")) as arrays:
                    assert all(arrays[key].size for key in arrays.files)
            index = r.unfinished(out) / "checkpoint.json"
            if index.exists():
                try:
                    json.loads(index.read_text())
                except FileNotFoundError:
                    pass  # the run has ended since
            if finished:
                assert queue.state(r, out) in (queue.RECORDED, queue.NEEDS_WEIGHTS)

    return check


def check_pack(root: Path, reference: Path, finished: bool) -> None:
    folder = root / "cifar10"
    if folder.exists() or finished:  # a pack appears whole
        packs.verify(packs.read(folder))
        if root != reference:
            for file in (reference / "cifar10").iterdir():
                assert (folder / file.name).read_bytes() == file.read_bytes()


# The jobs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    """`blurvae run` of two methods with many epochs, checkpoints after each."""

    def job(method: str) -> Job:
        (r,) = (r for r in experiments.get("table5").runs("smoke", "natural", (0,)) if r.method == method)

        def command(out: Path) -> list[Any]:
            changed = ["--set", f"epochs={EPOCHS}", "--only", method, "--device", "cpu", "--out", out]
            return ["run", "table5", "--tier", "smoke", "--keep-model", *changed]

        runs = (r.with_changes({"epochs": str(EPOCHS)}),)
        reference = tmp_path_factory.mktemp("references") / method
        return Job("blurvae", command, lambda out: [*command(out), "--resume"], check_runs(runs), reference).prepare()

    return {method: job(method) for method in ("l2", "wiener")}


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """`python -m blurvae.experiments` with three methods."""
    runs = tuple(r for r in experiments.get("table5").runs("smoke", "natural", (0,)) if r.method in QUEUED)

    def command(out: Path) -> list[Any]:
        return ["--tier", "smoke", "--device", "cpu", "--out", out, "--only", "table5", *QUEUED]

    return Job("queue", command, command, check_runs(runs), tmp_path_factory.mktemp("references") / "queue").prepare()


@pytest.fixture(scope="module")
def preparation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Job]]:
    """`datasets.prepare` of a made-up official archive, from a slow loopback server and from a file."""
    data = children.archive()
    folder = tmp_path_factory.mktemp("references")
    file = folder / "cifar-10-binary.tar.gz"
    file.write_bytes(data)
    md5 = hashlib.md5(data).hexdigest()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            if begin >= len(data):
                self.send_error(416)
                return
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            try:
                for k in range(begin, len(data), 1 << 14):
                    self.wfile.write(data[k : k + (1 << 14)])
                    time.sleep(0.003)
            except OSError:
                pass  # the other side was killed

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    address = f"http://127.0.0.1:{http.server_address[1]}"
    commands: dict[str, Callable[[Path], list[Any]]] = {
        "server": lambda root: [root, md5, "", address],
        "file": lambda root: [root, md5, file, ""],
    }
    yield {k: Job("prepare", c, c, check_pack, folder / f"by-{k}").prepare() for k, c in commands.items()}
    http.shutdown()
    http.server_close()


# kill -9 --------------------------------------------------------------------------------------------------------------


def on_the_clock(job: Job, folder: Path, times: int, seed: int, tally: Tally, again: bool = False) -> None:
    """So many kills that met a living process; with `again`, every second one is followed by a kill of the recovery."""
    rng = np.random.default_rng(seed)
    done = 0
    for i in range(4 * times):
        if done == times:
            return
        out = folder / f"clock-{i}"
        faults = int(job.kill_on_the_clock(out, job.first(out), rng, tally))
        if faults and again and done % 2:
            faults += job.kill_on_the_clock(out, job.again(out), rng, tally)
        job.recover(out, tally, faults)
        done += faults > 0
    assert done == times, f"only {done} of {times} kills met a living process"


def at_operations(
    job: Job, folder: Path, times: int, seed: int, tally: Tally, only: str = "", but: str = "", last: int = 0
) -> None:
    """So many kills before file operations, or before the last so many; half of the renamings find half a file."""
    rng = np.random.default_rng(seed)
    n = job.events(folder / "count", only, but)
    assert n >= times / 2
    for i, k in enumerate(rng.permutation(np.arange(max(0, n - last) if last else 0, n).repeat(2))[:times]):
        out = folder / f"operation-{i}"
        moment = Moment(str(out), int(k), float(rng.random()) if i % 2 else 1.0, only, but)
        assert job.kill_at(out, job.first(out), moment, tally), f"operation {k} of {n} did not come"
        job.recover(out, tally)


@pytest.mark.parametrize("method", ["l2", "wiener"])
def test_training_is_killed(training: dict[str, Job], tmp_path: Path, tally: Tally, method: str) -> None:
    on_the_clock(training[method], tmp_path, 8, 1 + len(method), tally, again=True)


@pytest.mark.parametrize("method", ["l2", "wiener"])
def test_checkpoint_writing_is_killed(training: dict[str, Job], tmp_path: Path, tally: Tally, method: str) -> None:
    at_operations(training[method], tmp_path, 8, 11 + len(method), tally, only="/.natural-", but=".json.tmp")


def test_result_writing_is_killed(training: dict[str, Job], tmp_path: Path, tally: Tally) -> None:
    """The model, the pictures, the record, and the removal of the checkpoints."""
    at_operations(training["wiener"], tmp_path, 14, 21, tally, last=16)


@pytest.mark.parametrize("way", ["server", "file"])
def test_data_preparation_is_killed(preparation: dict[str, Job], tmp_path: Path, tally: Tally, way: str) -> None:
    on_the_clock(preparation[way], tmp_path, 4, 31, tally, again=True)
    at_operations(preparation[way], tmp_path, 6, 32, tally)


def test_the_queue_is_killed(queued: Job, tmp_path: Path, tally: Tally) -> None:
    on_the_clock(queued, tmp_path, 6, 41, tally, again=True)
    at_operations(queued, tmp_path, 6, 42, tally)


def test_the_queue_is_killed_as_it_is_typed(queued: Job, tmp_path: Path, tally: Tally) -> None:
    """`python -m blurvae.experiments` from nothing, twice; the moment counts from its first folder."""
    rng = np.random.default_rng(43)
    for i in range(2):
        out = tmp_path / f"{i}"
        command = [sys.executable, "-m", "blurvae.experiments", *map(str, queued.first(out))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        late = time.monotonic() + LIMIT
        while not out.exists() and process.poll() is None and time.monotonic() < late:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1) * queued.seconds)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        tally.tries, tally.kills = tally.tries + 1, tally.kills + 1
        queued.recover(out, tally)


# Two processes --------------------------------------------------------------------------------------------------------


def test_the_second_process_at_a_run_is_refused(training: dict[str, Job], tmp_path: Path, tally: Tally) -> None:
    pytest.importorskip("fcntl", reason="without fcntl two processes at one run are not kept apart")
    job, out = training["wiener"], tmp_path / "out"
    out.mkdir()
    holder = start(job.what, job.first(out), tmp_path / "first.log")
    late = time.monotonic() + LIMIT
    while not list(out.glob("bredell/table5/.*/checkpoint.json")) and holder.is_alive() and time.monotonic() < late:
        time.sleep(0.005)
    assert holder.pid
    os.kill(holder.pid, signal.SIGSTOP)  # it keeps the run while it does nothing
    (index,) = out.glob("bredell/table5/.*/checkpoint.json")
    before = index.read_bytes()
    for arguments in (job.first(out), job.again(out)):
        tally.tries += 1
        code, said = job.do(out, arguments)
        assert code == 6 and "Another process works in" in said and "Traceback" not in said, said
        assert index.read_bytes() == before
        tally.survived += 1
    holder.kill()  # the lock goes with its holder
    holder.join()
    tally.tries, tally.kills = tally.tries + 1, tally.kills + 1
    job.recover(out, tally)


# Full disks and read-only folders -------------------------------------------------------------------------------------


def mount(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small file system of its own, None where this user cannot mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = sys.platform == "linux" and mount("-t", "tmpfs", "-o", "size=16m", "none", str(folder))
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def half_way(training: dict[str, Job], out: Path, tally: Tally) -> dict[Path, bytes]:
    """A finished run and a killed one with a checkpoint; returns their files."""
    code, said = training["l2"].do(out, training["l2"].first(out))
    assert code == 0, said
    moment = Moment(str(out), 40, only="/.natural-wiener")
    assert training["wiener"].kill_at(out, training["wiener"].first(out), moment, tally)
    training["wiener"].check(out, training["wiener"].reference, False)
    tally.survived += 1
    return contents(out)


def refused(said: str, what: tuple[str, ...]) -> bool:
    """One sentence that names a file and what is wrong with it."""
    lines = [line for line in said.splitlines() if line.startswith("blurvae: ")]
    named = len(lines) == 1 and os.sep in lines[0] and any(word in lines[0].lower() for word in what)
    return named and "Traceback" not in said


@pytest.mark.parametrize("how", ["a full disk", "a limit"])
def test_no_room(
    training: dict[str, Job], preparation: dict[str, Job], tmp_path: Path, tally: Tally, disk: Path | None, how: str
) -> None:
    if how == "a full disk" and disk is None:
        pytest.skip(
            "a disk to fill can be mounted by root on Linux only; a limit to the size of files stands in for it"
        )
    place = disk if disk and how == "a full disk" else tmp_path
    out, job = place / "out", training["wiener"]
    kept = half_way(training, out, tally)
    limit, what = (
        (4096, ("file too large", "cannot be written whole")) if how == "a limit" else (None, ("no space left",))
    )
    filler = place / "filler"
    if how == "a full disk":
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(file.tell() - 2 * 4096)  # room for a name, not for a checkpoint
    logs = tmp_path / "logs"
    logs.mkdir()
    for k, (one, arguments, exit_code) in enumerate(
        [(job, job.again(out), 6), *((p, p.first(place / f"root-{way}"), 1) for way, p in preparation.items())]
    ):
        tally.tries += 1
        code, said = one.do(logs / f"{k}", arguments, file_limit=limit)
        assert code == exit_code and refused(said, what), said
        assert {file: data for file, data in contents(out).items() if file in kept} == kept
        tally.survived += 1
    filler.unlink(missing_ok=True)
    job.do(out, job.again(out))
    job.check(out, job.reference, True)
    for way, p in preparation.items():
        code, said = p.do(place / f"root-{way}", p.again(place / f"root-{way}"))
        assert code == 0, said
        p.check(place / f"root-{way}", p.reference, True)


def test_a_read_only_folder(
    training: dict[str, Job], preparation: dict[str, Job], tmp_path: Path, tally: Tally, disk: Path | None
) -> None:
    if disk is None and os.geteuid() == 0:
        pytest.skip("root may write anywhere, and no file system could be mounted read-only here")
    place = disk or tmp_path / "place"
    out, job = place / "out", training["wiener"]
    kept = half_way(training, out, tally)
    what = ("read-only" if disk else "permission denied",)
    folders = [place, *(folder for folder in place.rglob("*") if folder.is_dir())]
    if disk:
        assert mount("-o", "remount,ro", str(disk))
    else:
        for folder in folders:
            folder.chmod(0o500)
    logs = tmp_path / "logs"
    logs.mkdir()
    source = preparation["file"]
    try:
        for k, (one, arguments, exit_code) in enumerate(
            ((job, job.again(out), 6), (job, job.first(out), 6), (source, source.first(place / "root"), 1))
        ):
            tally.tries += 1
            code, said = one.do(logs / f"{k}", arguments)
            assert code == exit_code and refused(said, what), said
            assert contents(out) == kept
            tally.survived += 1
        code, said = job.do(logs / "finished", training["l2"].again(out))
        assert code == 0, f"a finished run is read where nothing can be written: {said}"
    finally:
        if disk:
            mount("-o", "remount,rw", str(disk))
        for folder in folders:
            folder.chmod(0o700)
    job.do(out, job.again(out))
    job.check(out, job.reference, True)
