"""The Fourier transform, transfer functions and circular convolution, on the half spectrum of a real image."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, int]


def _real(x: Tensor, what: str) -> Tensor:
    """Raises lower precisions to float32, since no FFT takes them; integers are refused."""
    if not torch.is_floating_point(x):
        raise ValueError(f"{what} must hold real floating-point numbers, not {x.dtype}: convert it with .float().")
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def check_kernel(kernel: Tensor, shape: Shape) -> None:
    """Raises ValueError unless the kernel is (…, K, K) with K odd and at most the image's smaller side."""
    if kernel.ndim < 2 or kernel.shape[-1] != kernel.shape[-2] or kernel.numel() == 0:
        raise ValueError(f"A kernel has shape (K, K) or (n, K, K) with K ≥ 1, not {tuple(kernel.shape)}.")
    size = kernel.shape[-1]
    if size % 2 == 0:
        raise ValueError(f"A kernel of even size {size} has no centre tap: use {size - 1} or {size + 1}.")
    if size > min(shape):
        raise ValueError(f"A kernel of size {size} does not fit an image of {shape[0]}×{shape[1]} px: make it smaller.")


class _HalfSpectrum(torch.autograd.Function):
    """`torch.fft.rfft2` with its adjoint as one transform from half spectrum to image.

    torch's own backward pads the gradient to a full spectrum and transforms that as complex numbers: twice the work.
    """

    @staticmethod
    def forward(image: Tensor, norm: str) -> Tensor:
        return torch.fft.rfft2(image, norm=norm)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: Tensor) -> None:
        image, ctx.norm = inputs
        ctx.shape = image.shape[-2:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # x̄ = Re Σ over the half spectrum; irfft2 counts the mirrored bins twice, so they enter by one half.
        counted = gradient / hermitian_weights(ctx.shape, dtype=gradient.real.dtype, device=gradient.device)
        return torch.fft.irfft2(counted, s=ctx.shape, norm={"ortho": "ortho", "backward": "forward"}[ctx.norm]), None


class _AnyHalfSpectrum(_HalfSpectrum):
    """The same for `torch.func.vmap` and forward-mode derivatives too, with which `torch.compile` takes no function."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return torch.fft.rfft2(tangent, norm=ctx.norm)  # the transform is linear


def _half_spectrum(image: Tensor, norm: str) -> Tensor:
    transform = _HalfSpectrum if torch.compiler.is_compiling() else _AnyHalfSpectrum
    return cast(Tensor, transform.apply(image, norm))


def fourier(image: Tensor) -> Tensor:
    """The orthonormal DFT of real images.

    Args:
        image: (…, h, w).

    Returns:
        (…, h, w//2+1), complex.
    """
    return _half_spectrum(_real(image, "An image"), "ortho")


def inverse_fourier(spectrum: Tensor, shape: Shape) -> Tensor:
    """The inverse of `fourier`.

    Args:
        spectrum: (…, h, w//2+1).
        shape: (h, w) of the image; w cannot be read from the half spectrum.

    Returns:
        (…, h, w), real.
    """
    return torch.fft.irfft2(spectrum, s=shape, norm="ortho")


def hermitian_weights(
    shape: Shape, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:  # (h, w//2+1)
    """How often each bin of the half spectrum occurs in the full one: 2, but 1 in the columns that mirror themselves.

    Column 0 and, for even w, column w/2 hold both halves of their conjugate pairs already.

    Args:
        shape: (h, w) of the image.
        dtype: of the weights; torch's default where None.
        device: where the weights are made.

    Returns:
        (h, w//2+1); the sum is h·w.

    Example:
        >>> hermitian_weights((2, 5))
        tensor([[1., 2., 2.],
                [1., 2., 2.]])
    """
    h, w = shape
    column = torch.arange(w // 2 + 1, device=device)
    mirrored = (column > 0) & (2 * column < w)
    # Not by weights[0] = 1: up to torch 2.11 a GPU waits there for the number, and a step must not.
    return (1 + mirrored.to(dtype or torch.get_default_dtype())).expand(h, -1)


def otf(kernel: Tensor, shape: Shape) -> Tensor:
    """The optical transfer function H = F(k): zero-pad to the image, move the centre tap to (0, 0), un-normalised DFT.

    Args:
        kernel: (K, K) or (n, K, K), K odd, K ≤ min(h, w).
        shape: (h, w) of the image that the kernel blurs.

    Returns:
        (…, h, w//2+1), complex; H(0) = Σk, which is 1 for a kernel of sum 1.

    Raises:
        ValueError: an even, empty or too large kernel.

    Example:
        >>> from blurvae.blur import gaussian_kernel
        >>> otf(gaussian_kernel(3, 0.5), (4, 4)).real
        tensor([[1.0000, 0.5761, 0.1522],
                [0.5761, 0.3319, 0.0877],
                [0.1522, 0.0877, 0.0232],
                [0.5761, 0.3319, 0.0877]])
    """
    check_kernel(kernel, shape)
    (h, w), size = shape, kernel.shape[-1]
    padded = F.pad(_real(kernel, "A kernel"), (0, w - size, 0, h - size))
    centred = torch.roll(padded, (-(size // 2), -(size // 2)), (-2, -1))
    return _half_spectrum(centred, "backward")


def channels(spectrum: Tensor) -> Tensor:
    """Gives spectra of per-image kernels, (n, h, v), a channel axis, (n, 1, h, v); a single one, (h, v), stays."""
    return spectrum[:, None] if spectrum.ndim == 3 else spectrum


def circular_convolve(image: Tensor, kernel: Tensor) -> Tensor:
    """The circular convolution x * k: every channel with the same kernel, the image continued periodically.

    Args:
        image: (n, c, h, w).
        kernel: (K, K), or (n, K, K) with one kernel per image.

    Returns:
        (n, c, h, w).

    Raises:
        ValueError: an even, empty or too large kernel, or a number of kernels that is not the number of images.
    """
    check_images(image, kernel)
    shape = (image.shape[-2], image.shape[-1])
    return inverse_fourier(fourier(image) * channels(otf(kernel, shape)), shape)


def check_images(image: Tensor, kernel: Tensor) -> None:
    """Raises ValueError unless images are a batch (n, c, h, w) and kernels one, (K, K), or as many, (n, K, K)."""
    if image.ndim != 4 or image.numel() == 0:
        raise ValueError(f"Images have shape (n, c, h, w) and are not empty, not {tuple(image.shape)}.")
    if kernel.ndim > 3 or (kernel.ndim == 3 and kernel.shape[0] != image.shape[0]):
        raise ValueError(
            f"Kernels {tuple(kernel.shape)} do not fit {image.shape[0]} images: give one (K, K), or one per image."
        )
