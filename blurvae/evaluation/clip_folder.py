"""An enlarged clip as a folder of PNG files, each whole or absent, that an interrupted work goes on with."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blurvae.datasets.clip import Clip, Frame
from blurvae.errors import CorruptFile
from blurvae.files import write_atomically, write_json

SECONDS = 30.0  # between two records of what is carried from frame to frame


class Folder:
    """A PNG a frame, each whole or absent, and beside them what it takes to go on after an interruption.

    Args:
        place: the folder, made if necessary.
        clip: what is enlarged; its frames' names are kept.
        what: facts by which it is known that the folder belongs to this clip and model, JSON types only.
        resume: whether to go on in a folder that is there.

    Raises:
        ValueError: the folder is there and `resume` is not set, or it is of another clip or model.
    """

    FACTS, MEMORY = "upscale.json", ".carried.safetensors"

    def __init__(self, place: Path, clip: Clip, what: dict[str, Any], resume: bool = False) -> None:
        self.place, self.clip, self.what, self.saved = place, clip, what, time.monotonic()
        self.last: tuple[int, Mapping[str, Tensor]] | None = None
        self.made: int | None = None  # frames of a clip that is at its end
        facts = place / self.FACTS
        if place.exists() and not place.is_dir():
            raise ValueError(f"{place} is a file: name a folder.")
        if place.is_dir() and any(place.iterdir()):
            if not resume:
                raise ValueError(f"{place} is there already: name another with --out, or add --resume to go on in it.")
            try:
                known = json.loads(facts.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                raise ValueError(f"{place} holds other files than an enlarged clip: name another folder.") from None
            self.made = known.pop("made", None)
            if known != what:
                said = ", ".join(key for key in what if known.get(key) != what[key])
                raise ValueError(f"{place} was begun with another {said}: name another folder, or remove it.")

    def __enter__(self) -> Folder:
        self.place.mkdir(parents=True, exist_ok=True)
        write_json(self.place / self.FACTS, self.what)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._save()
            return
        made = self.made if self.last is None else self.last[0] + 1
        write_json(self.place / self.FACTS, self.what | {"made": made})
        (self.place / self.MEMORY).unlink(missing_ok=True)

    def begin(self, carries: bool) -> tuple[int, dict[str, Tensor]]:
        """See `Output`: behind the last frame that is there, or behind the one whose memory was kept.

        Raises:
            CorruptFile: that memory is damaged.
        """
        if self.made is not None and all(self.file(number).is_file() for number in range(self.made)):
            return self.made, {}
        if not carries:
            number = 0
            while (self.clip.count is None or number < self.clip.count) and self.file(number).is_file():
                number += 1
            return number, {}
        file = self.place / self.MEMORY
        if not file.is_file():
            return 0, {}
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            memory = load_file(file)
            return int(memory.pop("next")), memory
        except (SafetensorError, KeyError, ValueError) as error:
            raise CorruptFile(f"{file} is damaged ({type(error).__name__}): remove it to begin anew.") from None

    def file(self, number: int) -> Path:
        """Where a frame goes."""
        names = self.clip.names
        return self.place / f"{names[number] if names else f'{number:06d}'}.png"

    def write(self, number: int, frame: Frame, memory: Mapping[str, Tensor]) -> None:
        """See `Output`; one that is there already was made of the same clip by the same model."""
        from PIL import Image

        image = Image.fromarray(np.ascontiguousarray(frame.pixels.transpose(1, 2, 0)))
        write_atomically(self.file(number), lambda path: image.save(path, format="PNG"))
        self.last = number, memory
        if time.monotonic() - self.saved > SECONDS:
            self._save()

    def _save(self) -> None:
        if self.last is None or not self.last[1]:
            return
        from safetensors.torch import save_file

        tensors = {name: tensor.cpu().contiguous() for name, tensor in self.last[1].items()}
        tensors["next"] = torch.tensor(self.last[0] + 1)
        write_atomically(self.place / self.MEMORY, lambda path: save_file(tensors, path))
        self.saved = time.monotonic()
