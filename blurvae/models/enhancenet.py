"""EnhanceNet's generator and discriminator (Sajjadi, Schölkopf and Hirsch, ICCV 2017; Table 2.1 of Sajjadi 2024).

Batch norm is nowhere. Weights begin as Glorot and Bengio (2010) have them, biases at 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from blurvae.errors import CorruptFile, MissingWeights
from blurvae.models.files import contents
from blurvae.resampling import imresize

LEAK = 0.2  # of leaky ReLU, which the text does not state
WIDTHS = (32, 64, 128, 256, 512)
N = TypeVar("N", bound=nn.Module)


def glorot(network: N) -> N:
    """Initialises convolutions and linear layers in place: uniform weights by Glorot and Bengio's rule, biases 0."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return network


class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))), 3×3, nothing after the sum.

    Args:
        width: feature maps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same shape."""
        out: Tensor = x + self.layers(x)
        return out


class Generator(nn.Module):
    """A small picture to a large one: bicubic enlargement plus a residual image, which alone is learned.

    Features are computed at the small size, then doubled by repeating pixels, each time before a convolution, and go
    through one more convolution at the large size: a transposed convolution would leave a checkerboard.

    Args:
        scale: 2 or 4, or another power of two.
        channels: of the pictures.
        width: feature maps, 64 in the paper.
        blocks: residual blocks, 10 in the paper.
        global_skip: whether the bicubic enlargement is added; without it all of the picture is learned.

    Attributes:
        config: these arguments.
        reach: px of the small picture that a pixel of the large one sees on either side, at most.

    Raises:
        ValueError: a scale that is no power of two.
    """

    def __init__(
        self, scale: int = 4, channels: int = 3, width: int = 64, blocks: int = 10, global_skip: bool = True
    ) -> None:
        super().__init__()
        self.config = {"scale": scale, "channels": channels, "width": width, "blocks": blocks}
        self.config |= {"global_skip": global_skip}
        self.scale, stages, self.reach = scale, doublings(scale), 2 * blocks + 4
        doubled: list[nn.Module] = []
        for _ in range(stages):
            doubled += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            *(ResidualBlock(width) for _ in range(blocks)),
            *doubled,
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1),
        )
        glorot(self)

    def residual(self, low: Tensor) -> Tensor:
        """What is learned, (n, c, scale·h, scale·w): I_res where the bicubic enlargement is added."""
        found: Tensor = self.layers(low)
        return found

    def forward(self, low: Tensor) -> Tensor:
        """Enlarges pictures (n, c, h, w) on [−1, 1] of any size; the result is not clamped."""
        learned = self.residual(low).to(low.dtype)
        return imresize(low, self.scale) + learned if self.config["global_skip"] else learned


class Discriminator(nn.Module):
    """Judges pictures of one size: 3×3 convolutions, every second of stride 2, two linear layers, leaky ReLU.

    It remembers how well it told the last batch apart (`performance`), as shares of real and of generated pictures
    that it judged rightly; a rule of the system goes by it.

    Args:
        size: side of the pictures, px, divisible by 2 to the number of widths; 128 in the paper.
        channels: of the pictures.
        widths: feature maps, two convolutions each.
        hidden: of the linear layer between, 1024 in the paper.

    Raises:
        ValueError: a size that the strides do not divide.
    """

    performance: Tensor

    def __init__(self, size: int = 128, channels: int = 3, widths: Sequence[int] = WIDTHS, hidden: int = 1024) -> None:
        super().__init__()
        stride = 2 ** len(widths)
        if size % stride or size < stride:
            raise ValueError(f"The discriminator halves {len(widths)} times, so {stride} must divide {size} px.")
        convolutions: list[nn.Module] = []
        for before, width in zip((channels, *widths), widths):
            convolutions += [nn.Conv2d(before, width, 3, padding=1), nn.Conv2d(width, width, 3, 2, padding=1)]
        self.convolutions = nn.ModuleList(convolutions)
        self.hidden = nn.Linear(widths[-1] * (size // stride) ** 2, hidden)
        self.head = nn.Linear(hidden, 1)
        self.register_buffer("performance", torch.zeros(2))
        glorot(self)

    def forward(self, x: Tensor) -> Tensor:
        """The logit of each picture (n, c, size, size) on [−1, 1], (n,): D = sigmoid(logit)."""
        for layer in self.convolutions:
            x = leaky_relu(layer(x), LEAK)
        logit: Tensor = self.head(leaky_relu(self.hidden(x.flatten(1)), LEAK))
        return logit.squeeze(1)


def save_generator(path: Path, generator: Generator, note: dict[str, Any]) -> None:
    """Writes a .safetensors whose header holds the configuration, and anything else to keep, JSON types only."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    save_file(tensors, path, metadata={"enhancenet": json.dumps(generator.config), "note": json.dumps(note)})


def load_generator(path: Path) -> tuple[Generator, dict[str, Any]]:
    """Reads a file of `save_generator`.

    Returns:
        (generator, note), in evaluation mode.

    Raises:
        MissingWeights: there is no such file.
        CorruptFile: it is not whole, or holds no generator of this project.
    """
    if not Path(path).is_file():
        raise MissingWeights(f"There is no model {path}: train it with `blurvae run enhancenet/table3 --keep-model`.")
    try:
        config, note, tensors = contents(path, "enhancenet")
        with torch.device("meta"):  # a configuration of other networks must not take the memory that it asks for
            shapes = {name: tensor.shape for name, tensor in Generator(**config).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise ValueError("the tensors are not those of the configuration")
        with torch.random.fork_rng(devices=[]):
            generator = Generator(**config)
        generator.load_state_dict(tensors)
    except Exception as error:  # what the constructor raises depends on what the configuration holds
        raise CorruptFile(f"{path} is not a whole generator of this project ({type(error).__name__}).") from error
    return generator.eval().requires_grad_(False), note


def doublings(scale: int) -> int:
    """How often a network doubles.

    Raises:
        ValueError: a scale that is no power of two.
    """
    if type(scale) is not int or scale < 2 or scale & (scale - 1):
        raise ValueError(f"The networks enlarge by doubling: the scale is 2, 4 or 8, not {scale!r}.")
    return scale.bit_length() - 1
