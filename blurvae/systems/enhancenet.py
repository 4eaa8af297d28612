"""EnhanceNet (Sajjadi, Schölkopf and Hirsch, ICCV 2017; chapter 2 of Sajjadi 2024): one picture made larger.

Squared error is least for the mean of all large pictures that the small one may stand for, which is blurred. The other
losses ask for one of them: features (L_P), textures (L_T), or what a discriminator takes for real (L_A).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from blurvae.models.enhancenet import WIDTHS, Discriminator, Generator, doublings
from blurvae.resampling import corners, window
from blurvae.systems import shared, textures
from blurvae.train import Draw, Move, Scene, System, Turn
from blurvae.train.optimisers import Adam, Optimiser
from blurvae.train.schedules import Constant

Loss = Literal["E", "P", "EA", "PA", "EAT", "PAT", "ET", "PT"]
LOSSES: tuple[Loss, ...] = ("E", "P", "EA", "PA", "EAT", "PAT")  # of the text
GAMELESS: tuple[Loss, ...] = ("ET", "PT")  # textures without a discriminator


class Players(NamedTuple):
    """The networks; the judge and the features where the loss has such a part."""

    generator: Generator
    discriminator: Discriminator | None
    features: nn.Module | None  # fixed


class Seen(NamedTuple):
    """What the losses were computed of: the estimates (n, c, h, w)."""

    x_hat: Tensor


class Judged(NamedTuple):
    """The same where there is a discriminator, with its logits (n,) of real pictures and of estimates."""

    x_hat: Tensor
    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class EnhanceNet(System[Players]):
    """A generator that makes pictures larger, with the losses that the letters name, weighted as in Table 2.2.

    E is mean squared error on [0, 1], summed over colours (eq. 2.4 with its normaliser set right, EN-E4); P and T are
    those of `textures`; A is −log D(I_est), which is not the minimax game that the text speaks of (EN-E6).

    Attributes:
        loss: "E", "P", "EA", "PA", "EAT" or "PAT"; beside these of the text "ET" or "PT".
        scale: 4 or 2.
        kernel: how pictures are made smaller: "bicubic" is MATLAB's, "box" a mean over blocks.
        crop: px, side of the part of each picture that a step sees, cut at random after the whole was made smaller; 0
            for the whole.
        euclidean: weight of E, which the text does not state.
        perceptual: factor of P's weights.
        adversarial: weight of A: 1, and 2 in PAT.
        texture: factor of T's weights.
        patch: side of the patches of T; 0 for one patch, the whole.
        patch_unit: "pixels" of the picture, as the text has it, or "cells" of each feature map, as public code has.
        features: "vgg19-caffe", which the paper takes, or the project's own "classifier" where that is not at hand.
        threshold: the discriminator learns only where it judged less than this share rightly, of the real pictures or
            of the estimates of the batch before; the text has the rule without the number.
        width: feature maps of the generator.
        blocks: its residual blocks.
        widths: feature maps of the discriminator.
        hidden: its hidden layer.
        lr: Adam's learning rate.
        global_skip: whether the generator adds to the bicubic enlargement, as in the text.

    Raises:
        ValueError: a value out of its range.
    """

    name: ClassVar[str] = "enhancenet"
    loss: Loss = "E"
    scale: int = 4
    kernel: textures.Kernel = "bicubic"
    crop: int = 128
    euclidean: float = 1.0
    perceptual: float = 1.0
    adversarial: float = 1.0
    texture: float = 1.0
    patch: int = 16
    patch_unit: Literal["pixels", "cells"] = "pixels"
    features: textures.Network = "vgg19-caffe"
    threshold: float = 0.9
    width: int = 64
    blocks: int = 10
    widths: tuple[int, ...] = WIDTHS
    hidden: int = 1024
    lr: float = 1e-4
    global_skip: bool = True

    def __post_init__(self) -> None:
        weights = {
            "euclidean": "the weight of squared error",
            "perceptual": "the factor of the perceptual loss",
            "adversarial": "the weight of the adversarial loss",
            "texture": "the factor of the texture loss",
            "threshold": "a share",
        }
        shared.check_numbers(self, ("lr",), weights, ("width", "blocks", "widths", "hidden"))
        if self.loss not in (offered := (*LOSSES, *GAMELESS)):
            raise ValueError(f"EnhanceNet has the losses {', '.join(offered)}, not {self.loss!r}.")
        if type(self.patch) is not int or self.patch < 0:
            raise ValueError(f"patch is a number of pixels, or 0 for the whole, not {self.patch!r}.")
        doublings(self.scale)
        if type(self.crop) is not int or self.crop < 0 or self.crop % self.scale:
            raise ValueError(f"crop is a number of pixels that the scale of {self.scale} divides, not {self.crop!r}.")

    @property
    def judges(self) -> bool:
        """Whether there is a discriminator."""
        return "A" in self.loss

    @property
    def taps(self) -> tuple[str, ...]:
        """The layers whose features are compared; none where no loss is one of features."""
        return textures.WEIGHTS[self.features].taps("P" in self.loss, "T" in self.loss)

    def players(self, shape: tuple[int, ...]) -> Players:
        """The networks for pictures of this shape (c, h, w), initialised from torch's global generator."""
        channels, height, width = shape
        side = self.crop or height
        if side > min(height, width) or height % self.scale or width % self.scale:
            raise ValueError(
                f"Pictures of {height}×{width} px have no part of {side}×{side} px, or do not divide by the scale of "
                f"{self.scale}: lower crop, or take another size."
            )
        if (self.judges or "T" in self.loss) and not self.crop and height != width:
            raise ValueError(f"The discriminator and patches take squares, not {height}×{width} px: set crop.")
        generator = Generator(self.scale, channels, self.width, self.blocks, self.global_skip)
        judge = Discriminator(side, channels, self.widths, self.hidden) if self.judges else None
        if self.taps and channels not in (1, 3):
            raise ValueError(f"The features are those of colour or grey pictures, not of {channels} channels: take E.")
        if "T" in self.loss and self.patch and (side % self.patch or self.patch < self.scale):
            raise ValueError(f"Patches of {self.patch} px do not tile {side} px: change patch or crop.")
        return Players(generator, judge, textures.network(self.features) if self.taps else None)

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `System.needs`."""
        return textures.missing(self.features) if self.taps else ""

    def cost(self, shape: tuple[int, ...]) -> float:
        """Pixels × the square of the width, more with a discriminator and with VGG-19: see `System.cost`."""
        vgg = 64**2 * (3 if "P" in self.loss else 1) if self.taps and self.features != "classifier" else 0
        return float((self.crop**2 or shape[-1] * shape[-2]) * (self.width**2 * (1 + 0.6 * self.judges) + vgg))

    def optimisers(self) -> Mapping[str, Optimiser]:
        """The same for both players."""
        learning = ("generator", "discriminator") if self.judges else ("generator",)
        return dict.fromkeys(learning, Adam(Constant(self.lr)))

    def moves(self, phase: str) -> tuple[Move[Players], ...]:
        """One move for both players, and the rule that lets the discriminator learn."""
        draws = {"at": Draw("uniform", (2,))} if self.crop else {}
        return (Move("enhance", self.play, draws, rule=self.rule if self.judges else None),)

    def pair(self, x: Tensor, at: Tensor | None) -> tuple[Tensor, Tensor]:
        """Small pictures and the large ones that they were made of, a part of each where `at`, (n, 2), says where."""
        low = textures.smaller(x, self.scale, self.kernel)
        if at is None:
            return low, x
        corner = corners(at, x.shape, self.crop, self.scale)
        return window(low, corner // self.scale, self.crop // self.scale), window(x, corner, self.crop)

    def play(self, players: Players, scene: Scene) -> Turn:
        """The losses that the letters name, of one batch."""
        low, x = self.pair(scene.x, scene.noise.get("at"))
        with scene.autocast():
            x_hat = players.generator(low).to(x.dtype)
        parts = {"euclidean": ((x - x_hat) / 2).square().sum(1).mean()}
        loss = self.euclidean * parts["euclidean"] if "E" in self.loss else torch.zeros_like(parts["euclidean"])
        if players.features is not None:
            found = self.compared(players.features, x, x_hat, scene)
            parts |= found
            loss = loss + torch.stack([*found.values()]).sum()
        if players.discriminator is None:
            return Turn({"generator": loss}, parts, Seen(x_hat))
        with scene.autocast():
            verdict = players.discriminator(torch.cat([x, x_hat]))
        real, fake = verdict.to(x.dtype).chunk(2)
        parts |= {
            "fooled": softplus(-fake).mean(),  # L_A = −log D(I_est)
            "on_real": softplus(-real).mean(),
            "on_sample": softplus(fake).mean(),
            "right_real": (real > 0).to(x.dtype).mean(),
            "right_fake": (fake <= 0).to(x.dtype).mean(),
        }
        losses = {
            "generator": loss + self.adversarial * parts["fooled"],
            "discriminator": parts["on_real"] + parts["on_sample"],  # L_D (eq. 2.8)
        }
        return Turn(losses, parts, Judged(x_hat, real, fake))

    def compared(self, features: nn.Module, x: Tensor, x_hat: Tensor, scene: Scene) -> dict[str, Tensor]:
        """L_P and L_T with their weights, as far as the letters name them."""
        weights = textures.WEIGHTS[self.features]
        with scene.autocast():
            raw, made = (features(images.expand(-1, 3, -1, -1), self.taps) for images in (x, x_hat))  # grey thrice
        raw, made = ({name: f.to(x.dtype) for name, f in maps.items()} for maps in (raw, made))
        truth, made = textures.mean_one(raw, raw), textures.mean_one(made, raw)
        found = {}
        if "P" in self.loss:
            found["perceptual"] = self.perceptual * textures.perceptual(weights.perceptual, truth, made).mean()
        if "T" in self.loss:
            cells = {name: self.cells(f, x) for name, f in truth.items()}
            found["texture"] = self.texture * textures.texture(weights.texture, truth, made, cells).mean()
        return found

    def cells(self, maps: Tensor, x: Tensor) -> int:
        """Side of a patch in a feature map of pictures x."""
        if not self.patch:
            return maps.shape[-1]
        return max(1, self.patch * maps.shape[-1] // x.shape[-1]) if self.patch_unit == "pixels" else self.patch

    def rule(self, players: Players, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The discriminator steps where it judged the batch before badly; it is judged anew in every step."""
        assert players.discriminator is not None
        performance = players.discriminator.performance
        allowed = performance.min() < self.threshold
        performance.copy_(torch.stack((measured["right_real"], measured["right_fake"])))
        return {"discriminator": allowed}
