"""What the child processes of the fault suite do: the package's own commands, with a kill at a chosen moment.

The fork server imports this module once, so that a child's time is spent on the work and not on imports.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import tarfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch._dynamo  # Adam imports it at its first step
import typer.rich_utils  # noqa: F401
from tqdm import tqdm

from blurvae import cli, datasets
from blurvae.cli import guard
from blurvae.datasets import cifar10, download
from blurvae.datasets.core import Archive
from blurvae.experiments.__main__ import main as queue
from blurvae.train import loop

RECORDS = 100  # in each batch of the made-up archive
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


@dataclass(frozen=True)
class Moment:
    """Where a child kills itself: before the n-th file operation below a folder; -1 never does, and counts.

    Attributes:
        folder: where operations count.
        n: the operation.
        cut: at a renaming, what part of the new file has arrived by then (1: all of it).
        only: text that the operation's path must contain.
        but: text that it must not contain, if any.
    """

    folder: str
    n: int = -1
    cut: float = 1.0
    only: str = ""
    but: str = ""


def arm(moment: Moment | None, count: Path | None) -> Callable[[], None]:
    """Watches the file operations of this process; returns what records their number."""
    if moment is None:
        return lambda: None
    seen = 0

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in EVENTS or not args or not isinstance(args[0], (str, os.PathLike)):
            return
        path = os.fspath(args[0])
        relative = not os.path.isabs(path)  # rmtree removes by name, from an open folder
        if not relative and not path.startswith(moment.folder):
            return
        if relative and event not in ("os.remove", "os.rmdir"):
            return
        if moment.only not in path or (moment.but and moment.but in path):
            return
        if seen == moment.n:
            if event == "os.rename" and moment.cut < 1 and os.path.isfile(path):
                os.truncate(path, int(os.path.getsize(path) * moment.cut))
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    sys.addaudithook(watch)
    return lambda: count.write_text(str(seen)) if count else None


def child(
    what: str, arguments: Sequence[Any], log: str, moment: Moment | None, count: Path | None, file_limit: int | None
) -> None:
    """Runs one command with its output in a file."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    if file_limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    loop.CHECKPOINT_SECONDS = -1.0  # after every window of steps
    done = arm(moment, count)
    try:
        {"blurvae": cli.app, "queue": queue, "prepare": prepare}[what](list(arguments))
    finally:
        done()


def archive() -> bytes:
    """A made-up archive in the official form."""
    records = np.random.default_rng(0).integers(0, 256, (5, RECORDS, cifar10.RECORD), np.uint8)
    records[:, :, 0] %= 10
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for k, part in enumerate(records, 1):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{k}.bin")
            info.size = part.nbytes
            tar.addfile(info, io.BytesIO(part.tobytes()))
    return buffer.getvalue()


def prepare(arguments: list[str]) -> None:
    """`blurvae data prepare cifar10` with the made-up archive as the official one: root, md5, source or mirror."""
    root, md5, source, mirror = arguments
    card = replace(cifar10.CARD, archives=(Archive(cifar10.CARD.archives[0].url, md5),))
    cifar10.CARD, cifar10.PER_BATCH, download._CHUNK = card, RECORDS, 1 << 14
    os.environ["no_proxy"] = "*"
    try:
        datasets.prepare("cifar10", root, source=source or None, mirror=mirror or None, progress=False)
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {guard.sentence(error)}")


assert torch  # imported for its time
tqdm.set_lock(threading.RLock())  # its own is a named semaphore, which a killed child would leave to the fork server
datasets.load("natural", "train", n=1)  # decoded once, before the fork
