"""Generator, discriminator and lens of tempered adversarial networks (Sajjadi et al., ICML 2018; Sajjadi 2024, ch. 4).

Of the first two the text says that they are like DCGAN's (Radford et al. 2016) with 4×4 kernels and one width C, and
has the rest in a figure; here the generator's maps are 4×4 px at first and double their side, the discriminator mirrors
it, and leaky ReLU has slope 0.2. The lens is that of the text, with EnhanceNet's 64 maps, which it does not state.
Points, which are images of 1×1 px with a channel for each coordinate, have perceptrons with two hidden layers instead.
All weights are initialised as Glorot and Bengio (2010) have it, all biases with 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

START = 4  # px, the side of the smallest feature maps
SLOPE = 0.2  # of a leaky ReLU below 0
FILTERS, BLOCKS = 64, 8  # of the lens


def make_generator(
    shape: Sequence[int], *, width: int = 16, latent: int = 100, batch_norm: bool = True
) -> nn.Sequential:
    """Codes (n, latent) to images (n, c, h, w) in [−1, 1], through transposed convolutions; or to points, unbounded.

    Args:
        shape: (c, h, w) of the images, square, their side 4 px times a power of two; (c, 1, 1) for points.
        width: C, feature maps of the last hidden layer; each layer before it, of half the side, has twice as many. For
            points the units of a hidden layer.
        latent: length of z.
        batch_norm: whether the hidden layers have one; never for points.

    Raises:
        ValueError: images of another size.
    """
    channels = shape[0]
    if is_point(shape):
        layers = [*_perceptron(latent, width, channels, nn.ReLU()), nn.Unflatten(1, (channels, 1, 1))]
        return nn.Sequential(*layers).apply(glorot)
    maps = _maps(shape, width)[::-1]  # 4C, 2C, C at 32 px
    layers = [nn.Linear(latent, maps[0] * START**2, bias=not batch_norm), nn.Unflatten(1, (maps[0], START, START))]
    layers += _rectified(maps[0], batch_norm)
    for c_in, c_out in pairwise(maps):
        layers += [nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=not batch_norm), *_rectified(c_out, batch_norm)]
    layers += [nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers).apply(glorot)


def make_discriminator(shape: Sequence[int], *, width: int = 16, batch_norm: bool = True) -> nn.Sequential:
    """Images or points (n, c, h, w) to one unbounded value each, (n,), through strided convolutions.

    Its batch norms, which follow all convolutions but the first, take the moments of the batch in evaluation too: data
    and samples come in batches of their own, and running moments would be those of neither. A critic whose slope is
    penalised must have none, since they make a value depend on the other images of its batch.

    Args:
        shape: as `make_generator` takes it.
        width: C, feature maps of the first layer, doubled where the side is halved; units of a hidden layer for points.
        batch_norm: as `make_generator` takes it.

    Raises:
        ValueError: images of another size.
    """
    channels = shape[0]
    if is_point(shape):
        return nn.Sequential(*_perceptron(channels, width, 1, nn.LeakyReLU(SLOPE)), nn.Flatten(0)).apply(glorot)
    maps = _maps(shape, width)
    layers: list[nn.Module] = []
    for i, (c_in, c_out) in enumerate(zip((channels, *maps), maps)):
        normed = batch_norm and i > 0
        layers.append(nn.Conv2d(c_in, c_out, 4, 2, 1, bias=not normed))
        layers += [nn.BatchNorm2d(c_out, track_running_stats=False)] * normed + [nn.LeakyReLU(SLOPE)]
    layers += [nn.Flatten(), nn.Linear(maps[-1] * START**2, 1), nn.Flatten(0)]
    return nn.Sequential(*layers).apply(glorot)


class Lens(nn.Module):
    """L(x) = x + f(x): what the discriminator is shown in the place of the data.

    With 64 filters and 8 blocks it has 592,065 parameters for grey and 594,371 for colour images.

    Args:
        shape: (c, h, w) of the images, of any size, or (c, 1, 1) of points.
        filters: feature maps of f, or units of each of its two hidden layers.
        blocks: residual blocks of f; none for points.
        identity: whether the last layer starts with 0, so that L starts as the identity, exactly. The text does not say
            so.
    """

    def __init__(
        self, shape: Sequence[int], *, filters: int = FILTERS, blocks: int = BLOCKS, identity: bool = False
    ) -> None:
        super().__init__()
        channels = shape[0]
        if is_point(shape):
            layers = [*_perceptron(channels, filters, channels, nn.ReLU()), nn.Unflatten(1, (channels, 1, 1))]
            last = layers[-2]
        else:
            last = _same(filters, channels)
            layers = [_same(channels, filters), nn.ReLU(), *(Block(filters) for _ in range(blocks)), last]
        self.layers = nn.Sequential(*layers).apply(glorot)
        if identity:
            for weight in last.parameters():
                nn.init.zeros_(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Images or points (n, c, h, w) to such, unbounded."""
        return x + self.layers(x)


class Block(nn.Module):
    """A residual block: x + conv(relu(conv(x))), 3×3, without batch norm."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_same(filters, filters), nn.ReLU(), _same(filters, filters))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, filters, h, w) to such."""
        return x + self.layers(x)


def is_point(shape: Sequence[int]) -> bool:
    """Whether samples of this shape (c, h, w) are points in c dimensions rather than images."""
    return tuple(shape[1:]) == (1, 1)


@contextmanager
def unmoved(network: nn.Module) -> Iterator[None]:
    """Within it, batch norms in training take the batch's moments as ever, but leave their running moments alone.

    Whoever runs a network for another's sake shall not change what it is in evaluation.
    """
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def glorot(layer: nn.Module) -> None:
    """Glorot's uniform weights and biases of 0, for a layer that is linear; others stay as they are."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _maps(shape: Sequence[int], width: int) -> list[int]:
    """Feature maps of the discriminator's convolutions: C, 2C, 4C at 32×32 px.

    Raises:
        ValueError: images that are not square, or of a side that is not 4 px times a power of two.
    """
    _, height, size = shape
    halvings = (size // START).bit_length() - 1
    if height != size or size != START * 2**halvings or halvings < 1:
        raise ValueError(
            f"These networks take square images of {2 * START}, {4 * START}, {8 * START}, … px, or points (1×1 px), "
            f"not {height}×{size} px: give another size."
        )
    return [width * 2**i for i in range(halvings)]


def _perceptron(c_in: int, width: int, c_out: int, activation: nn.Module) -> list[nn.Module]:
    hidden = [nn.Linear(c_in, width), activation, nn.Linear(width, width), activation]
    return [nn.Flatten(), *hidden, nn.Linear(width, c_out)]


def _rectified(width: int, batch_norm: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ReLU()] if batch_norm else [nn.ReLU()]


def _same(c_in: int, c_out: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, padding=1)
