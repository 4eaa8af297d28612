"""Several trainings in one process: a step of each in turn, on a GPU each on a stream of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.train.loop import Training

PASSED_OVER = (Diverged, MissingData, MissingWeights, CorruptFile, BlockingIOError, torch.OutOfMemoryError)
Ended = tuple[int, Training[Any] | None, Exception | None]


def in_turn(
    starts: Iterable[Callable[[], Training[Any]]],
    width: int,
    passed_over: tuple[type[Exception], ...] = PASSED_OVER,
) -> Iterator[Ended]:
    """Trains at most `width` at a time, a step of each in turn.

    The trainings share no generator, no buffer and no stream, so that one that fails leaves the others as they are, and
    each ends as it would alone. A turn only launches work: what keeps a GPU busy is what the others have launched, up
    to a window of steps each.

    Args:
        starts: each makes a training; the next is asked for, and called, when there is room.
        width: trainings at a time, at least 1.
        passed_over: errors that end one training and no other.

    Yields:
        (number of the training in the order of `starts`, it, what stopped it) as each ends: None where it came to its
        end, and no training where it could not be made.
    """
    waiting, running = iter(enumerate(starts)), deque[tuple[int, Training[Any], Iterator[None]]]()
    while True:
        if len(running) < max(width, 1) and (begun := next(waiting, None)):
            number, start = begun
            try:
                training = start()
            except passed_over as error:
                yield number, None, error
                continue
            running.append((number, training, iter(training)))
            continue
        if not running:
            return
        number, training, steps = running.popleft()
        try:
            with training.on_its_stream():
                next(steps)
        except StopIteration:
            yield number, training, None
        except passed_over as error:
            yield number, training, error
        else:
            running.append((number, training, steps))
