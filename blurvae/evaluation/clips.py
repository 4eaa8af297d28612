"""A clip enlarged frame by frame: whatever its length, one frame and what is carried to the next are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from blurvae.datasets.clip import Clip, Frame
from blurvae.datasets.cuts import CutFinder
from blurvae.evaluation.enlargers import Enlarger

LOOK, CHANGE = "last look", "last change"  # of the finder of cuts, in what is carried


class Output(Protocol):
    """What takes enlarged frames in the order of time, within its `with`: `clip_folder.Folder`, `clip_video.Video`."""

    def begin(self, carries: bool) -> tuple[int, dict[str, Tensor]]:
        """The number of the first frame to be made, and what was carried to it.

        Args:
            carries: whether frames need what is carried to them.
        """

    def write(self, number: int, frame: Frame, memory: Mapping[str, Tensor]) -> None:
        """Takes an enlarged frame, and what is carried to the next."""


def upscale_clip(
    clip: Clip,
    enlarger: Enlarger,
    output: Output,
    finder: CutFinder | None = None,
    progress: Callable[[Iterable[Frame], int], Iterable[Frame]] = lambda frames, done: frames,
) -> list[int]:
    """Enlarges the frames that are not there yet.

    Where a scene begins, nothing is carried over from the one before.

    Args:
        clip: what is enlarged.
        enlarger: by what.
        output: where it goes.
        finder: of the cuts; a new one where None.
        progress: wraps the frames, for a bar; it is told how many are there already.

    Returns:
        The numbers of the frames with which scenes began, from 0, of those that were made now.
    """
    finder = finder or CutFinder()
    start, memory = output.begin(enlarger.carries)
    if memory:
        finder.look, finder.change = memory.pop(LOOK).numpy(), float(memory.pop(CHANGE))
        enlarger.remember(memory)
    scenes = []
    for number, frame in enumerate(progress(clip.frames(start), start), start):
        if finder(frame.pixels):
            scenes.append(number)
            enlarger.forget()
        large = frame._replace(pixels=enlarger(frame.pixels))
        carried = dict(enlarger.memory())
        if carried:
            assert finder.look is not None
            carried |= {LOOK: torch.from_numpy(np.array(finder.look)), CHANGE: torch.tensor(finder.change).double()}
        output.write(number, large, carried)
    return scenes
