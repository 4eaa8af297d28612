"""The two architectures of the main paper (App. A) at any size that their stride divides.

What the paper leaves open is chosen here and stated in the book: hidden width 1000 of the two-layer perceptrons, first
transposed convolution 512 → 512, LeakyReLU slope 0.01, torch's default batch norm and initialisation. At 3×64² px that
gives 25,667,027 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from blurvae.models.coder import Coder

Architecture = Literal["A", "B"]
ARCHITECTURES: tuple[str, ...] = get_args(Architecture)
PAPER_WIDTHS: dict[str, tuple[int, ...]] = {"A": (64, 128, 256, 512), "B": (32, 64, 128, 256, 512)}


def _block(layer: nn.Module, width: int) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(width), nn.LeakyReLU(0.01, inplace=True)]


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.01, inplace=True), nn.Linear(hidden, outputs))


class VAE(Coder):
    """q_φ(z|x) and the mean x̂_θ(z) of p_θ(x|z), architecture A or B of the main paper.

    Args:
        architecture: "A" (main results) or "B" (Table 4).
        size: side of the square images in px, or (h, w); divisible by 2 to the number of widths.
        channels: 1 or 3.
        widths: feature maps of the encoder's blocks, the decoder has them reversed; the paper's where None.
        latent: length of z (256 in the paper).
        hidden: width of the hidden layer of architecture A's perceptrons.

    Raises:
        ValueError: an unknown architecture, a width or length below 1, or a size that the stride does not divide.
    """

    def __init__(
        self,
        architecture: str = "A",
        *,
        size: int | tuple[int, int] = 64,
        channels: int = 3,
        widths: Sequence[int] | None = None,
        latent: int = 256,
        hidden: int = 1000,
    ) -> None:
        if architecture not in ARCHITECTURES:
            raise ValueError(f"There is no architecture {architecture!r}: choose one of {', '.join(ARCHITECTURES)}.")
        widths = PAPER_WIDTHS[architecture] if widths is None else tuple(widths)
        h, w = size if isinstance(size, Sequence) and len(size) == 2 else (size, size)
        if not (isinstance(h, int) and isinstance(w, int)):
            raise ValueError(f"size takes a whole number or (h, w), not {size!r}.")
        lengths = [("channels", channels), ("latent", latent), ("hidden", hidden)]
        for name, value in [*lengths, *(("widths", width) for width in widths or (0,))]:
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {value!r}.")
        stride = 2 ** len(widths)
        if h % stride or w % stride or min(h, w) < stride:
            raise ValueError(f"Images of {h}×{w} px do not divide by the stride {stride} of {len(widths)} blocks.")
        image_shape = (channels, h, w)
        h, w = features = (h // stride, w // stride)
        flat = widths[-1] * h * w

        encoder: list[nn.Module] = []
        for c_in, c_out in zip((channels, *widths[:-1]), widths):
            encoder += _block(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), c_out)
        head = _perceptron(flat, hidden, 2 * latent) if architecture == "A" else nn.Linear(flat, 2 * latent)
        encoder += [nn.Flatten(), head]

        tail = _perceptron(latent, hidden, flat) if architecture == "A" else nn.Linear(latent, flat)
        decoder: list[nn.Module] = [tail, nn.Unflatten(1, (widths[-1], h, w))]
        for c_in, c_out in zip((widths[-1], *widths[:0:-1]), widths[::-1]):
            if architecture == "A":
                decoder += _block(nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1), c_out)
            else:
                up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
                decoder += [up, *_block(nn.Conv2d(c_in, c_out, 3, padding=1), c_out)]
        decoder.append(nn.Conv2d(widths[0], channels, 3, padding=1))
        super().__init__(nn.Sequential(*encoder), nn.Sequential(*decoder), image_shape, latent)
        self.features = features


def reparametrise(
    mu: Tensor, log_var: Tensor, generator: torch.Generator | None = None, noise: Tensor | None = None
) -> Tensor:
    """Z = μ + σ·n with n ~ N(0, I) as given, or from the generator, (n, latent)."""
    if noise is None:
        noise = torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return mu + noise * torch.exp(0.5 * log_var)


def kl_divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) in nats per image, summed over the latent dimensions.

    Args:
        mu: (n, latent).
        log_var: (n, latent), log σ².

    Returns:
        (n,), ≥ 0.

    Example:
        >>> kl_divergence(torch.ones(1, 2), torch.zeros(1, 2))
        tensor([1.])
    """
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(-1)


def parameter_count(module: nn.Module) -> int:
    """The number of trained parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
