"""What the figures of the book share: one look, honest display of images.

Importing this module changes nothing; `use_style()` sets the look.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

from blurvae.pages.grids import Grid, image_grid, show_kernels, values
from blurvae.pages.showing import INCH, legend_above, show

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = [
    "PALETTE",
    "Grid",
    "curves",
    "full_spectrum",
    "image_grid",
    "legend_above",
    "show",
    "show_kernels",
    "spectrum_image",
    "use_style",
]

# Okabe and Ito's eight colours, which people with any common colour blindness can tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def use_style() -> None:
    """Set the look of figures and tables: colours, sizes, resolution. Called once at the head of a chapter."""
    from blurvae.pages import frames  # pandas, which a figure alone does without

    frames.install()
    _complete_fonts()
    plt.rcParams.update(
        {
            "figure.figsize": (6.0, 3.4),
            "figure.dpi": INCH,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 2 * INCH,
            "font.size": 10,
            "axes.titlesize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
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


def _complete_fonts() -> None:
    # Matplotlib keeps its list of fonts between processes, and never looks again for what was unreadable when it was
    # made: formulae would be set in another font, with a warning for each.
    known = {str(font.fname) for font in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts([str(Path(mpl.get_data_path(), "fonts", "ttf"))]):
        if path not in known:
            font_manager.fontManager.addfont(path)


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


def spectrum_image(spectrum: Any, ax: Axes, shape: tuple[int, int], **options: Any) -> AxesImage:
    """Draw a half spectrum as the full one, zero frequency in the middle, axes in cycles/px.

    Args:
        spectrum: real, shape (h, w//2+1), in the order of `torch.fft.rfft2`.
        ax: where to draw.
        shape: (h, w) of the image.
        **options: for `imshow`, such as `vmin`, `vmax`, `cmap`.

    Returns:
        The drawn image, for a colour bar.

    Raises:
        ValueError: values that are not the half spectrum of such an image.
    """
    half = values(spectrum)
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
