"""Blur kernels: non-negative, of sum 1, odd in size, centred on their middle tap."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor


def check_size(size: int) -> int:
    """Returns the size; raises ValueError unless it is odd and at least 1."""
    if not isinstance(size, Real) or size < 1 or size % 2 != 1:
        raise ValueError(f"A kernel has an odd size of at least 1, not {size!r}, so that it has a centre: use e.g. 11.")
    return int(size)


def _grid(size: int, dtype: torch.dtype | None, device: torch.device | str | None) -> tuple[Tensor, Tensor]:
    """Coordinates (row, column) of the taps relative to the centre, each (K, K)."""
    r = torch.arange(check_size(size), dtype=dtype or torch.get_default_dtype(), device=device) - size // 2
    row, column = torch.meshgrid(r, r, indexing="ij")
    return row, column


def delta_kernel(
    size: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:  # (K, K)
    """The kernel that changes nothing: 1 at the centre, so H = 1 everywhere.

    Args:
        size: odd number of taps K along each side.
        dtype: float32 or float64; torch's default where None.
        device: where the kernel is made.

    Returns:
        (K, K), sum 1.

    Raises:
        ValueError: an even or non-positive size.

    Example:
        >>> delta_kernel(3)
        tensor([[0., 0., 0.],
                [0., 1., 0.],
                [0., 0., 0.]])
    """
    row, column = _grid(size, dtype, device)
    return ((row == 0) & (column == 0)).to(row.dtype)


def gaussian_kernel(
    size: int, variance: float, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:  # (K, K)
    """A sampled Gaussian exp(−r² / 2σ²), normalised to sum 1.

    Args:
        size: odd number of taps K along each side.
        variance: σ² in px² (the paper's Table 1 names its kernels by it), > 0.
        dtype: float32 or float64; torch's default where None.
        device: where the kernel is made.

    Returns:
        (K, K), all positive, sum 1. A kernel narrower than about 3σ to each side is a truncated Gaussian, whose H has
        small negative lobes.

    Raises:
        ValueError: an even size or a variance that is not positive.

    Example:
        >>> gaussian_kernel(3, 0.5)
        tensor([[0.0449, 0.1221, 0.0449],
                [0.1221, 0.3319, 0.1221],
                [0.0449, 0.1221, 0.0449]])
    """
    if not (isinstance(variance, Real) and math.isfinite(variance) and variance > 0):
        raise ValueError(f"The variance of a Gaussian kernel is a positive number of px², not {variance!r}.")
    row, column = _grid(size, dtype, device)
    k = torch.exp(-(row.square() + column.square()) / (2 * variance))
    return k / k.sum()


def disk_kernel(
    size: int, radius: float, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:  # (K, K)
    """Defocus: a uniform disc, each tap weighted by the share of its square that the disc covers.

    The share is counted on 16 × 16 points per tap. The transfer function of a disc has zeros and negative lobes, which
    no Gaussian has: the case in which inverse filters fail.

    Args:
        size: odd number of taps K along each side.
        radius: in px, > 0 and ≤ K/2.
        dtype: float32 or float64; torch's default where None.
        device: where the kernel is made.

    Returns:
        (K, K), sum 1.

    Raises:
        ValueError: an even size, or a radius that is not positive or does not fit.
    """
    if not 0 < radius <= size / 2:
        raise ValueError(f"The radius of a disc in a kernel of size {size} lies in (0, {size / 2}] px, not {radius}.")
    row, column = _grid(size, dtype, device)
    s = (torch.arange(16, dtype=row.dtype, device=row.device) + 0.5) / 16 - 0.5
    if radius <= 0.5:  # within the centre tap, where it could fall between the points that are counted
        return delta_kernel(size, dtype=dtype, device=device)
    inside = (row[..., None, None] + s[:, None]) ** 2 + (column[..., None, None] + s) ** 2 <= radius**2
    k = inside.to(row.dtype).mean((-2, -1))
    return k / k.sum()


def motion_kernel(
    size: int,
    length: float,
    angle: float,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:  # (K, K)
    """Uniform motion along a straight line through the centre, drawn with bilinear weights.

    Args:
        size: odd number of taps K along each side.
        length: of the path in px, > 0 and ≤ K − 1.
        angle: of the path in radians, counter-clockwise from the horizontal axis.
        dtype: float32 or float64; torch's default where None.
        device: where the kernel is made.

    Returns:
        (K, K), sum 1, point-symmetric (so H is real).

    Raises:
        ValueError: an even size, a length that is not positive or does not fit, or an angle that is not finite.
    """
    row, column = _grid(size, dtype, device)
    if not 0 < length <= size - 1:
        raise ValueError(f"The length of a motion in a kernel of size {size} lies in (0, {size - 1}] px, not {length}.")
    if not math.isfinite(angle):
        raise ValueError(f"The angle of a motion is a finite number of radians, not {angle}.")
    t = torch.linspace(-0.5, 0.5, 32 * size + 1, dtype=row.dtype, device=row.device) * length
    y, x = -math.sin(angle) * t, math.cos(angle) * t  # rows grow downwards
    near = (1 - (row[..., None] - y).abs()).clamp(min=0) * (1 - (column[..., None] - x).abs()).clamp(min=0)
    k = near.sum(-1)
    return k / k.sum()


WIDEST = 127  # px, the size up to which `named_kernel` makes kernels


def named_kernel(text: str) -> Tensor:  # (K, K)
    """The kernel that a text names, as small as it may be and large enough to hold it.

    Args:
        text: gaussian:VARIANCE (px², cut off at 4σ), disc:RADIUS (px), or motion:LENGTH,ANGLE (px, and degrees
            counter-clockwise from the horizontal axis).

    Returns:
        (K, K), sum 1.

    Raises:
        ValueError: another text, or a kernel that would be wider than 127 px.

    Example:
        >>> named_kernel("gaussian:2").shape, named_kernel("motion:9,30").shape
        (torch.Size([13, 13]), torch.Size([11, 11]))
    """
    kind, _, rest = text.partition(":")
    try:
        values = [float(value) for value in rest.split(",")]
    except ValueError:
        values = []
    if (kind, len(values)) not in (("gaussian", 1), ("disc", 1), ("motion", 2)):
        raise ValueError(
            f"{text!r} names no kernel: write gaussian:VARIANCE, disc:RADIUS or motion:LENGTH,ANGLE, e.g. gaussian:2."
        )
    extent, *angle = values
    if not 0 < extent < math.inf:
        raise ValueError(f"{text!r}: a kernel's variance, radius or length is a positive number.")
    reach = math.ceil({"gaussian": 4 * math.sqrt(extent), "disc": extent, "motion": extent / 2}[kind])
    size = 2 * reach + 1
    if size > WIDEST:
        raise ValueError(f"{text!r} would be {size} px wide: make the picture smaller, so that {WIDEST} px suffice.")
    if kind == "gaussian":
        return gaussian_kernel(size, extent)
    return disk_kernel(size, extent) if kind == "disc" else motion_kernel(size, extent, math.radians(*angle))


def kernel_width(kernel: Tensor) -> Tensor:
    """The effective width of a kernel: √(½ · trace of its second central moment).

    Args:
        kernel: (…, K, K), non-negative, not all zero; it is normalised here.

    Returns:
        (…), in px. A Gaussian has its σ as width, a delta 0.

    Raises:
        ValueError: a kernel that is not square with an odd side.

    Example:
        >>> round(kernel_width(gaussian_kernel(31, 4.0)).item(), 4)
        2.0
    """
    if kernel.ndim < 2 or kernel.shape[-1] != kernel.shape[-2]:
        raise ValueError(f"A kernel has shape (…, K, K), not {tuple(kernel.shape)}.")
    row, column = _grid(kernel.shape[-1], kernel.dtype, kernel.device)
    k = kernel / kernel.sum((-2, -1), keepdim=True)

    def mean(q: Tensor) -> Tensor:
        return (k * q).sum((-2, -1))

    variance = mean(row.square()) - mean(row).square() + mean(column.square()) - mean(column).square()
    return (variance / 2).clamp(min=0).sqrt()
