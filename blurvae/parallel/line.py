"""What the processes of a job say to one another beside tensors, and how they notice that one of them is gone."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import torch.distributed as dist

PULSE = 0.5  # seconds between a process's signs of life
SOON = 6  # pulses without one after which a process counts as gone, once anything has failed
PATIENCE = 40  # the same as long as nothing has: 20 s, less than torchrun grants the others before it kills them
AGAIN = "the same command with --resume goes on from the last checkpoint"


def grace() -> float:
    """Seconds after which the others have noticed that a process failed."""
    return PULSE * SOON


class Line:
    """What a process says and hears through the launcher's key-value store; it watches that the others live.

    A thread of each process counts up a number of its own there, and looks at the others': a killed process, or one on
    a machine that lost its network, stops counting. Neither gloo nor NCCL says whose connection broke, and a process
    that waits for a third one does not even see that.

    Args:
        rank: of this process.
        size: number of processes.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        # Whoever holds it: rank 0, or the launcher, in which numbers of an earlier attempt at the job remain.
        self._shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
        self._store = dist.PrefixStore(f"blurvae/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        self._said = 0  # barriers and objects so far, the same number on every rank
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._names: list[str] = []

    def open(self) -> None:
        """Waits for all, then watches them."""
        self._store.set(f"name/{self.rank}", f"{socket.gethostname()}, process {os.getpid()}")
        self._store.set(f"pulse/{self.rank}", "0")
        self.barrier()
        self._names = [name.decode() for name in self._store.multi_get([f"name/{r}" for r in range(self.size)])]
        self._thread.start()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._told)

    def barrier(self) -> None:
        """Waits for all."""
        self._said += 1
        if self._store.add(f"came/{self._said}", 1) == self.size:
            self._store.set(f"all/{self._said}", "")
        self._wait(f"all/{self._said}")

    def broadcast(self, obj: Any) -> Any:
        """Rank 0's object, on every rank as JSON brings it back."""
        self._said += 1
        key = f"object/{self._said}"
        if self.rank == 0:
            self._store.set(key, json.dumps(obj))
        self._wait(key)
        return json.loads(self._store.get(key))

    def gather(self, obj: Any) -> list[Any]:
        """The objects of all ranks in order, as JSON brings them back."""
        keys = [f"object/{self._said + 1}/{r}" for r in range(self.size)]
        self._store.set(keys[self.rank], json.dumps(obj))
        self.barrier()
        return [json.loads(text) for text in self._store.multi_get(keys)]

    def _wait(self, key: str) -> None:
        """Looks for a key, ever more seldom; unlike the store's own waiting it can be interrupted and has no limit."""
        pause = 0.0005
        while not self._store.check([key]):
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    def alarm(self) -> None:
        """Something failed here, so whoever is silent is gone: gives the watching thread the time to end the job."""
        with suppress(RuntimeError):
            self._store.set("alarm", "")
        time.sleep(PULSE * (SOON + 3))

    def fail(self, message: str) -> None:
        """Says that this process ends, and why; the others end then."""
        self._stop.set()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher's answer to another's end: this one ends anyway
        with suppress(RuntimeError):
            self._store.set(f"pulse/{self.rank}", f"failed:{message}")
            time.sleep(2 * PULSE)  # till all have seen it: the store may be rank 0's

    def close(self) -> None:
        """Waits for all and stops watching."""
        self.barrier()
        self._stop.set()
        self._thread.join()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        left = self._store.add("left", 1)
        end = time.monotonic() + PULSE * PATIENCE
        while self.rank == 0 and left < self.size and time.monotonic() < end:  # the store may be rank 0's
            time.sleep(0.01)
            left = self._store.add("left", 0)

    def _told(self, *_: object) -> None:
        """SIGTERM: where another process is gone, that is said; else the job was stopped from outside."""
        self.alarm()
        raise KeyboardInterrupt

    def _watch(self) -> None:
        """Counts up, and ends this process when another one's number has stood still for too long."""
        seen, still = [b""] * self.size, [0] * self.size
        for beat in itertools.count(1):
            if self._stop.wait(PULSE):
                return
            try:
                self._store.set(f"pulse/{self.rank}", str(beat))
                now = self._store.multi_get([f"pulse/{r}" for r in range(self.size)])
                alarmed = self._store.check(["alarm"])
            except RuntimeError:
                self._end([0], seen)
                return
            # Counted in own beats, not seconds: a job that is suspended as a whole goes on.
            still = [count + 1 if a == b else 0 for count, a, b in zip(still, seen, now)]
            seen = now
            limits = [SOON if alarmed or pulse.startswith(b"failed:") else PATIENCE for pulse in seen]
            if self.rank and seen[0].startswith(b"failed:"):  # it speaks for itself, and the store may end with it
                limits[0] = 0
            if gone := [r for r, (count, limit) in enumerate(zip(still, limits)) if count >= limit]:
                self._end(gone, seen)

    def _end(self, gone: list[int], seen: list[bytes]) -> None:
        """Ends this process; the first of those that are left says whose fault it is."""
        if self._stop.is_set():  # this process ends by itself
            return
        lost = gone[0]
        name = f"rank {lost} of {self.size} ({self._names[lost]})"
        why = seen[lost].decode(errors="replace")
        if why.startswith("failed:"):
            said = f"{name}: {why.removeprefix('failed:')}"
        else:
            said = f"{name} is gone: it was killed, or its machine or network failed; {AGAIN}."
        spoken = lost == 0 and why.startswith("failed:")
        if self.rank == min(set(range(self.size)) - set(gone)) and not spoken:
            print(f"blurvae: {said}", file=sys.stderr, flush=True)
        if self.rank == 0:
            time.sleep(2 * PULSE)  # till all have come to the same end: the store may be this process's
        os._exit(1)
