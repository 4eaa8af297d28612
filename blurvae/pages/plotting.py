"""What the figures of the book share: one look, honest display of images.

Importing this module changes nothing; `use_style()` sets the look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

# Okabe and Ito's eight colours, which people with any common colour blindness can tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def use_style() -> None:
    """Set matplotlib's look for the book: colours, sizes, resolution. Called once at the head of a chapter."""
    plt.rcParams.update(
        {
            "figure.figsize": (6.0, 3.4),
            "figure.dpi": 120,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 200,
            "font.size": 10,
            "axes.prop_cycle": plt.cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.6,
            "legend.frameon": False,
            "image.interpolation": "none",  # a resampled image would add blur of its own
            "image.cmap": "gray",
        }
    )


@dataclass(frozen=True)
class Grid:
    """A grid of images at their own pixels, shown enlarged by a whole factor without interpolation.

    Attributes:
        pixels: uint8 array, shape (h, w, 3).
        zoom: screen pixels per image pixel where the grid is displayed; the stored PNG stays at 1.
        labels: names of the rows from top to bottom.
    """

    pixels: np.ndarray
    zoom: int
    labels: tuple[str, ...]

    def image(self, scale: int = 1) -> Image.Image:
        """The grid as a PIL image, every pixel repeated `scale` times in both directions."""
        if scale < 1:
            raise ValueError(f"scale must be a whole number of at least 1, not {scale}")
        return Image.fromarray(np.kron(self.pixels, np.ones((scale, scale, 1), np.uint8)))

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        buffer = BytesIO()
        self.image().save(buffer, format="PNG", optimize=True)
        return buffer.getvalue(), {"width": self.pixels.shape[1] * self.zoom}

    def __repr__(self) -> str:
        # No pixel counts: the width of the labels depends on the font of the installed Pillow.
        return "Grid of images" + (f", rows: {', '.join(self.labels)}" if self.labels else "")


def _values(tensor: Any) -> np.ndarray:
    """A tensor or array as NumPy has it, which knows no bfloat16: floating-point tensors become float32."""
    if not hasattr(tensor, "detach"):
        return np.asarray(tensor)
    tensor = tensor.detach().cpu()
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())


def _to_numpy(images: Any) -> np.ndarray:
    """Images as uint8 (n, h, w, 3): uint8 as they are, floats from [−1, 1]; (n, c, h, w) with c of 1 or 3."""
    array = _values(images)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise ValueError(f"images must have shape (n, c, h, w) with 1 or 3 channels, not {tuple(array.shape)}")
    if array.dtype != np.uint8:
        if array.dtype.kind != "f":
            raise ValueError(
                f"images are uint8, or floats in [−1, 1], not {array.dtype}: convert them to one of these."
            )
        if np.isnan(array).any():
            raise ValueError("images hold NaN, which is no grey level: look for a diverged model.")
        # The same fixed range for every image: stretching each one to its own range would hide differences.
        array = np.rint((np.clip(array, -1, 1) + 1) * 127.5).astype(np.uint8)
    array = array.transpose(0, 2, 3, 1)
    return np.repeat(array, 3, axis=3) if array.shape[3] == 1 else array


_SPELT = str.maketrans({"ε": "eps", "β": "beta", "σ": "sigma"})  # Pillow's own font has no Greek


def _labels(texts: Sequence[str], height: int) -> list[np.ndarray]:
    """Each text as a picture, all of one width and this height, without grey steps so that it enlarges well."""
    font = ImageFont.load_default(size=10)
    pictures = []
    for text in texts:
        text = text.translate(_SPELT)
        image = Image.new("RGB", (12 * len(text) + 12, height), "white")
        draw = ImageDraw.Draw(image)
        draw.fontmode = "1"
        draw.text((0, height // 2), text, fill="black", font=font, anchor="lm")
        pictures.append(np.asarray(image))
    # The width of what was drawn: without grey steps the letters advance by other amounts than the font says.
    width = max((int(np.flatnonzero((p < 255).any((0, 2))).max(initial=0)) for p in pictures), default=0) + 5
    return [np.pad(p, ((0, 0), (0, width), (0, 0)), constant_values=255)[:, :width] for p in pictures]


def image_grid(rows: Mapping[str, Any] | Sequence[Any], labels: Sequence[str] | None = None, *, zoom: int = 2) -> Grid:
    """Rows of images side by side: same crop and same range for all, the original in the first row.

    Args:
        rows: images of each row by its name, or a sequence of them; each of shape (n, c, h, w), uint8 or float
            in [−1, 1]. All rows have the same n, h and w.
        labels: names of the rows for a sequence; none are drawn when omitted.
        zoom: screen pixels per image pixel, a whole number.

    Returns:
        A grid that Jupyter displays; `.image(scale)` gives the picture.

    Raises:
        ValueError: rows of different shape, images that are no images, a zoom below 1, or labels that do not match.
    """
    if isinstance(rows, Mapping):
        labels, rows = tuple(rows), tuple(rows.values())
    arrays = [_to_numpy(row) for row in rows]
    if not arrays:
        raise ValueError("a grid needs at least one row")
    if len({a.shape for a in arrays}) != 1:
        raise ValueError(f"rows of a grid must have equal shapes, not {sorted({a.shape for a in arrays})}")
    if labels is not None and len(labels) != len(arrays):
        raise ValueError(f"{len(arrays)} rows need as many labels, not {len(labels)}")
    if zoom < 1 or zoom != int(zoom):
        raise ValueError(f"zoom must be a whole number of at least 1, not {zoom}")
    gap = 2
    n, h, w, _ = arrays[0].shape
    names = _labels(labels, h) if labels else []
    left = names[0].shape[1] if names else 0
    canvas = np.full((len(arrays) * (h + gap) - gap, left + n * (w + gap) - gap, 3), 255, np.uint8)
    for i, array in enumerate(arrays):
        top = i * (h + gap)
        if names:
            canvas[top : top + h, :left] = names[i]
        for j in range(n):
            x = left + j * (w + gap)
            canvas[top : top + h, x : x + w] = array[j]
    return Grid(canvas, int(zoom), tuple(labels or ()))


def show_kernels(kernels: Any, labels: Sequence[str] | None = None, *, zoom: int = 8) -> Grid:
    """Blur kernels side by side, all on one range from 0 (black) to the largest weight among them (white).

    Args:
        kernels: shape (n, K, K), non-negative.
        labels: one name for the row.
        zoom: screen pixels per tap.

    Raises:
        ValueError: another shape, a weight below 0, which a range from 0 would hide, or one that is not finite.
    """
    array = _values(kernels)
    if array.ndim != 3 or array.size == 0 or array.min() < 0:
        raise ValueError(f"kernels must be non-negative and of shape (n, K, K), not {tuple(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError("kernels hold NaN or infinity, which are no weights: look for a diverged model.")
    grey = np.rint(255 * (array / (array.max() or 1))).astype(np.uint8)  # kernels of 0 are black
    return image_grid([grey[:, None]], labels, zoom=zoom)


def full_spectrum(half: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A half spectrum as the full one, zero frequency in the middle.

    Args:
        half: real, shape (h, w//2+1), in the order of `torch.fft.rfft2`.
        shape: (h, w) of the image.

    Returns:
        Shape (h, w).

    Raises:
        ValueError: values that are not the half spectrum of such an image.
    """
    h, w = shape
    if half.shape != (h, w // 2 + 1):
        raise ValueError(f"the half spectrum of a {h}×{w} image has shape {(h, w // 2 + 1)}, not {half.shape}")
    # A real image's spectrum is symmetric about zero: the other half is the first, turned by 180°.
    rows, columns = -np.arange(h) % h, w - np.arange(w // 2 + 1, w)
    return np.fft.fftshift(np.concatenate([half, half[np.ix_(rows, columns)]], axis=1))


def spectrum_image(values: Any, ax: Axes, shape: tuple[int, int], **options: Any) -> AxesImage:
    """Draw a half spectrum as the full one, zero frequency in the middle, axes in cycles/px.

    Args:
        values: real, shape (h, w//2+1), in the order of `torch.fft.rfft2`.
        ax: where to draw.
        shape: (h, w) of the image.
        **options: for `imshow`, such as `vmin`, `vmax`, `cmap`.

    Returns:
        The drawn image, for a colour bar.

    Raises:
        ValueError: values that are not the half spectrum of such an image.
    """
    half = _values(values)
    h, w = shape
    full = full_spectrum(half, shape)
    f_y, f_x = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape)
    extent = (f_x[0] - 0.5 / w, f_x[-1] + 0.5 / w, f_y[-1] + 0.5 / h, f_y[0] - 0.5 / h)
    drawn = ax.imshow(full, extent=extent, interpolation="nearest", **options)
    ax.set(xlabel="horizontal frequency (cycles/px)", ylabel="vertical frequency (cycles/px)")
    ax.grid(False)
    return drawn


def curves(frame: pd.DataFrame, *, x: str, y: str, hue: str | None = None, ax: Axes | None = None) -> Axes:
    """Lines over x, one colour a value of `hue`; repeated x (seeds) become a mean with a band of ± 1 sd.

    Args:
        frame: one row a measurement.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        hue: column that names the lines.
        ax: where to draw; a new figure where None.
    """
    import seaborn as sns

    ax = ax or plt.subplots()[1]
    count = frame[hue].nunique() if hue else 1
    palette = [PALETTE[i % len(PALETTE)] for i in range(count)] if hue else None
    drawn: Axes = sns.lineplot(frame, x=x, y=y, hue=hue, errorbar="sd", palette=palette, ax=ax)
    if hue:
        drawn.legend(title=None)
    return drawn
