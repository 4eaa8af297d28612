"""What a reconstruction term is, and the pieces that several of them share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

from blurvae.blur import fourier, hermitian_weights, otf, squared_gain
from blurvae.blur.fourier import channels, check_images

KernelPath = Literal["detached", "live", "elbo"]


class Term(ABC):
    """A reconstruction term: `term(x, x_hat, logit=…, kernel=…)` is (n,), in nats per image.

    Images are (n, c, h, w) in [−1, 1]. A term that weights by a kernel says in `kernel_path` how the gradient treats
    it: "detached" (no gradient through k), "live" (through it into z, while the kernel network learns nothing from it),
    "elbo" (the kernel network learns from it too). It is None for terms that need no kernel network.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = False  # parameters of its own, those of `network`
    kernel_path: KernelPath | None = None

    @property
    def warms_up(self) -> bool:
        """Whether squared error stands in for the term during a system's warm-up: where it weights by a kernel."""
        return self.kernel_path is not None

    @property
    def is_likelihood(self) -> bool:
        """Whether the term plus `log_normaliser` is −log of a density over images that integrates to 1."""
        return False

    def needs(self, shape: tuple[int, ...]) -> str:
        """The file or package without which images (c, h, w) cannot be trained on; empty where none is absent."""
        return ""

    def network(self, shape: tuple[int, ...]) -> nn.Module | None:
        """The parameters that the term itself learns of images (c, h, w); None where it `learns` nothing."""
        return None

    def given(self, network: nn.Module | None) -> Term:
        """The term with what it has learned, a module of `network`; itself where it learns nothing.

        Raises:
            ValueError: a term that learns, without what it has learned.
        """
        return self

    def log_normaliser(self, shape: tuple[int, int, int]) -> float:
        """The constant that training leaves out: add it to get −log p(x|z).

        Args:
            shape: (c, h, w) of the images.

        Returns:
            Nats per image.

        Raises:
            ValueError: the term is not a likelihood, so no constant makes it one.
        """
        raise ValueError(f"The term {self.name!r} is not a likelihood: it has no normalising constant.")

    @abstractmethod
    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns the term, (n,), in nats per image."""


def check_pair(x: Tensor, x_hat: Tensor) -> None:
    """Raises ValueError unless both are batches of images of one shape, in floating point."""
    for images, name in ((x, "x"), (x_hat, "x̂")):
        if not isinstance(images, Tensor):
            raise ValueError(f"{name} must be a torch tensor, not {type(images).__name__}: use torch.from_numpy.")
        if not images.is_floating_point():  # bytes would wrap around without a word
            raise ValueError(f"{name} must be floats in [−1, 1], not {images.dtype}: see blurvae.datasets.to_float.")
    if x.ndim != 4 or x.shape != x_hat.shape:
        raise ValueError(f"x and x̂ must both be (n, c, h, w), not {tuple(x.shape)} and {tuple(x_hat.shape)}.")


def check_scale(scale: float, name: str) -> None:
    """Raises ValueError unless a term's weight is a positive number."""
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"The scale of {name!r} is a positive number, not {scale}.")


def image_shape(x: Tensor) -> tuple[int, int]:
    """(h, w) of a batch of images."""
    return x.shape[-2], x.shape[-1]


def per_image(values: Tensor) -> Tensor:
    """Sums over all dimensions but the first: (n, …) → (n,)."""
    return values.flatten(1).sum(1)


def weighted_energy(error: Tensor, weight: Tensor) -> Tensor:
    """Σ_ω weight(ω) |F(e)(ω)|² over the full spectrum and the channels, orthonormal DFT.

    Args:
        error: (n, c, h, w).
        weight: (h, w//2+1), or (n, h, w//2+1) with one weight per image.

    Returns:
        (n,).
    """
    counted = weight * hermitian_weights(image_shape(error), dtype=weight.dtype, device=weight.device)
    energy = squared_gain(fourier(error)).sum(1)  # (n, h, w//2+1): the channels share the weight
    return per_image(counted * energy)


def require_kernel(kernel: Tensor | None, name: str, images: Tensor) -> Tensor:
    """Raises ValueError where a term that needs a kernel got none, or neither one nor one per image."""
    if kernel is None:
        raise ValueError(f"The term {name!r} weights by a blur kernel: pass kernel=(K, K) or (n, K, K).")
    if kernel.ndim == 3 and len(kernel) != len(images):
        raise ValueError(f"The term {name!r} got {len(kernel)} kernels for {len(images)} images: pass one, or as many.")
    return kernel


def kernel_loss(x: Tensor, x_hat: Tensor, kernel: Tensor) -> Tensor:
    """‖x * k − x̂‖², what the kernel network minimises (eq. 9, 10 and 12 of the main paper).

    Args:
        x: sharp images, (n, c, h, w).
        x_hat: what the decoder made of them.
        kernel: (n, K, K) or (K, K).

    Returns:
        (n,), summed over channels and pixels.
    """
    check_pair(x, x_hat)
    check_images(x, kernel)
    shape = image_shape(x)
    # By Parseval the error is summed where it is made, and no transform leads back to the pixels.
    error = channels(otf(kernel, shape)) * fourier(x) - fourier(x_hat)
    return per_image(hermitian_weights(shape, dtype=x.dtype, device=x.device) * squared_gain(error))


def unit_range(x: Tensor) -> Tensor:
    """[−1, 1] → [0, 1]."""
    return (x + 1) / 2


LOG_2PI = math.log(2 * math.pi)
