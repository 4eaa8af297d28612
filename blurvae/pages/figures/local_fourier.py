"""Energy and phase in pictures: Fig. 1 of Dalal on a photograph, and what a window of two images holds."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from blurvae import blur, datasets
from blurvae.pages.grids import Grid, image_grid

CUTOFF = 0.05  # cycles/px, from which on energies are matched
VARIANCE = 4.0  # of the blur, px²


def portrait(side: int, top: int = 70, left: int = 170) -> Tensor:
    """A face of the embedded photographs, (1, 3, side, side) on [0, 1] in double precision."""
    picture = datasets.photographs()["astronaut"][:, top : top + side, left : left + side]
    return torch.from_numpy(np.array(picture))[None].double() / 255


def energies(x: Tensor, kernel: Tensor, rings: int = 1) -> dict[str, Tensor]:
    """The four images of Fig. 1 of Dalal: an image, its blur, and each with the other's energy above `CUTOFF`.

    Args:
        x: (n, c, h, w).
        kernel: of the blur, (K, K).
        rings: see `match_high_energy`.
    """
    blurred = blur.circular_convolve(x, kernel)
    return {
        "(a) original": x,
        "(b) blurred": blurred,
        "(c) original, energy of (b)": blur.match_high_energy(x, blurred, CUTOFF, rings),
        "(d) blurred, energy of (a)": blur.match_high_energy(blurred, x, CUTOFF, rings),
    }


def swapped_energy() -> Grid:
    """Fig. 1 of Dalal, after Wang and Simoncelli, on an embedded photograph: a blur of variance 4 px²."""
    x = portrait(160)
    kernel = blur.gaussian_kernel(25, VARIANCE, dtype=x.dtype)
    return image_grid({name: 2 * image - 1 for name, image in energies(x, kernel).items()}, zoom=2, columns=2)


def window_panels(
    images: dict[str, Tensor], windows: Callable[[Tensor], Tensor], row: int, column: int, stride: int
) -> Figure:
    """One window of several images: where it lies, what it holds, its amplitudes and its phases.

    Phases are left white where the amplitude is below a thousandth of the largest.

    Args:
        images: by name, each (1, 1, h, w) in [0, 1].
        windows: cuts images into windows, (n, c, h, w) → (n, c, K, L, size, size).
        row: of the window, from the top.
        column: of the window, from the left.
        stride: px from a window to the next.
    """
    fig, axes = plt.subplots(len(images), 4, figsize=(7.2, 1.9 * len(images)), squeeze=False)
    for line, (name, image) in zip(axes, images.items()):
        window = windows(image)[0, 0, row, column]
        centred = torch.fft.ifftshift(window)  # phases as seen from the middle of the window
        spectrum = torch.fft.fftshift(torch.fft.fft2(centred))
        amplitude = spectrum.abs()
        phase = torch.where(amplitude > 1e-3 * amplitude.max(), spectrum.angle(), torch.nan)
        line[0].imshow(image[0, 0], vmin=0, vmax=1)
        corner, size = (column * stride - 0.5, row * stride - 0.5), len(window)
        line[0].add_patch(Rectangle(corner, size, size, fill=False, edgecolor="#D55E00", linewidth=2))
        line[1].imshow(window, vmin=0, vmax=1)
        line[2].imshow(torch.log10(amplitude.clamp(min=1e-3)), vmin=-3, vmax=2, cmap="magma")
        line[3].imshow(phase, vmin=-np.pi, vmax=np.pi, cmap="twilight")
        line[0].set_ylabel(name)
        for ax, title in zip(line, ("image", "window, faded out", "log amplitude", "phase")):
            ax.set(title=title, xticks=[], yticks=[])
            ax.grid(False)
    return fig
