"""What enlarges the frames of a clip in their order: each for itself, or with the estimate before carried along."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from blurvae import models
from blurvae.datasets.core import Pixels
from blurvae.errors import CorruptFile, MissingWeights
from blurvae.evaluation import upscale
from blurvae.evaluation.base import to_bytes
from blurvae.models.enhancenet import ResidualBlock, load_generator
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Players
from blurvae.systems.frvsr_file import load_frvsr

BICUBIC = "bicubic"
DEFAULT = "natural-enet"


class Enlarger(Protocol):
    """Enlarges frames in the order of time.

    Attributes:
        scale: of either dimension.
        carries: whether a frame needs what is carried to it.
    """

    scale: int
    carries: bool

    def __call__(self, pixels: Pixels) -> Pixels:
        """A frame, uint8 (3, h, w), to (3, scale·h, scale·w)."""

    def forget(self) -> None:
        """A new scene begins: nothing of the frames before it is carried over."""

    def memory(self) -> dict[str, Tensor]:
        """What is carried to the next frame; empty where each frame stands for itself."""

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Goes on from a memory."""


class PerFrame:
    """Each frame for itself.

    Args:
        network: a generator, or bicubic enlargement.
        tile: px, side of a tile of the small frame.
    """

    def __init__(self, network: upscale.Network, tile: int = upscale.TILE) -> None:
        self.network, self.tile, self.scale, self.carries = network, tile, network.scale, False

    def __call__(self, pixels: Pixels) -> Pixels:
        """See `Enlarger`."""
        return upscale.upscale(self.network, pixels, self.tile)

    def forget(self) -> None:
        """There is nothing."""

    def memory(self) -> dict[str, Tensor]:
        """Empty."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """There is nothing."""


class Recurrent:
    """FRVSR: the estimate of the frame before, warped along the flow, helps to enlarge the next (eqs. 3.1 to 3.6).

    SRNet goes over the frame in tiles; FNet sees the whole small frame, padded where its halvings do not divide it.
    What is carried is the estimate itself, neither clamped nor rounded, as in training. The large frame lies on the
    grid that the network was trained on: with a sampling phase of 0 its pixel (4i, 4j) is the small pixel (i, j).

    Args:
        system: with method "frvsr", or "sisr", which carries nothing.
        players: its networks.
        tile: px, side of a tile of the small frame.

    Raises:
        ValueError: a method that sees frames to come, or motion that somebody would have to give.
    """

    def __init__(self, system: FRVSR, players: Players, tile: int = upscale.TILE) -> None:
        if system.method == "vsr":
            raise ValueError("A model of the method vsr sees the frame behind too: take one of frvsr or sisr.")
        if system.method == "frvsr" and players.flow is None:
            raise ValueError("This model was given the motion, which no clip of yours has: take one with its own FNet.")
        self.system, self.players, self.tile = system, players, tile
        self.scale, self.carries = system.scale, system.method == "frvsr"
        self.reach = 2 * sum(isinstance(layer, ResidualBlock) for layer in players.sr.layers) + 4
        self.before: tuple[Tensor, Tensor] | None = None  # the small frame and the estimate of it

    @torch.no_grad()
    def __call__(self, pixels: Pixels) -> Pixels:
        """See `Enlarger`."""
        system, players = self.system, self.players
        now = torch.from_numpy(np.array(pixels))[None].to(next(players.sr.parameters()).device).float() / 255
        (c, h, w), s = now.shape[1:], self.scale
        seen = now
        if self.carries and self.before is None:
            seen = torch.cat((now, now.new_zeros(1, c * s**2, h, w)), 1)
        elif self.before is not None:
            last, estimate = self.before
            flow = system.flow(players, last, now, None, nullcontext)
            seen = torch.cat((now, system.carried(estimate, flow)), 1)
        large = now.new_empty(1, c, s * h, s * w)
        made = upscale.enlarged(
            lambda part: system.made(players, part[:, :c], [part[:, c:]]), seen, s, self.reach, self.tile
        )
        for piece in made:
            large[:, :, piece.rows, piece.columns] = piece.pixels
        if self.carries:
            self.before = now, large
        return to_bytes(large[0].clamp(0, 1))

    def forget(self) -> None:
        """The next frame is a first one, with black before it."""
        self.before = None

    def memory(self) -> dict[str, Tensor]:
        """The small frame and its estimate."""
        return {} if self.before is None else {"frame": self.before[0], "estimate": self.before[1]}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Goes on behind that frame."""
        self.before = (memory["frame"], memory["estimate"]) if memory else None


def named(model: str) -> tuple[Enlarger, str]:
    """What a name stands for, and what to say of it.

    Args:
        model: "bicubic", the name of a generator that `blurvae.models.load` takes, or the path of a .safetensors that
            `blurvae run … --keep-model` wrote for EnhanceNet or FRVSR.

    Raises:
        MissingWeights: there is no such file or name.
        CorruptFile: the file is not whole, or of other networks.
        ValueError: a model that does not enlarge.
    """
    if model == BICUBIC:
        return PerFrame(upscale.Bicubic()), "bicubic"
    if not model.endswith(".safetensors"):
        if model not in models.names():
            raise MissingWeights(
                f"There is no model {model!r}: take {DEFAULT} or {BICUBIC}, or name the .safetensors of a model of "
                "EnhanceNet or FRVSR."
            )
        found = models.load(model)
        if not isinstance(found, models.TrainedGenerator):
            raise ValueError(
                f"{model} reconstructs pictures and does not enlarge them: take {DEFAULT}, {BICUBIC} or the "
                ".safetensors of a model of EnhanceNet or FRVSR."
            )
        return PerFrame(found.generator), model
    file = Path(model)
    if not file.is_file():
        raise MissingWeights(
            f"There is no model {file}: take {DEFAULT} or {BICUBIC}, or train one with `blurvae run enhancenet/table3 "
            "--keep-model` (of pictures) or `blurvae run frvsr/motion --keep-model` (of clips)."
        )
    kind = models.kind(file)
    if kind == "enhancenet":
        generator, note = load_generator(file)
        return PerFrame(generator), _trained(file, note)
    if kind == "frvsr":
        system, players, note = load_frvsr(file)
        return Recurrent(system, players), _trained(file, note)
    raise CorruptFile(f"{file} holds no networks of EnhanceNet or FRVSR: name a file that `blurvae run` wrote of them.")


def _trained(file: Path, note: dict[str, dict[str, str]]) -> str:
    method = note.get("run", {}).get("method", "")
    return f"trained by {method}" if method else file.name
