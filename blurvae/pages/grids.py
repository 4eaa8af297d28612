"""Honest display of images: their own pixels, one range, whole factors, labels in real letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 2  # image pixels between two pictures
LETTERS = 13  # height of a label's letters, in screen pixels


@dataclass(frozen=True)
class Cell:
    """One picture of a grid, or one row of pictures side by side.

    Attributes:
        label: what it shows.
        pixels: uint8 array, shape (h, w, 3).
    """

    label: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Grid:
    """Images at their own pixels, shown enlarged by a whole factor without interpolation.

    In a notebook this is one PNG of the size at which it is shown, with its labels drawn. The book cuts that PNG into
    its cells again, exactly, and sets the labels as text (`blurvae.pages.rendering`).

    Attributes:
        cells: the pictures from left to right and from top to bottom, all of one size.
        zoom: screen pixels per image pixel.
        columns: how many cells stand side by side, each below its label; 0 for one below the other, each beside it.
        moments: names of the pictures in each row, where they are one course of time; the book can play it then.
    """

    cells: tuple[Cell, ...]
    zoom: int
    columns: int = 0
    moments: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the cells; empty where none has one."""
        names = tuple(cell.label for cell in self.cells)
        return names if any(names) else ()

    @property
    def pixels(self) -> np.ndarray:
        """The pictures without their labels, not enlarged: uint8 array, shape (h, w, 3)."""
        bare = tuple(Cell("", cell.pixels) for cell in self.cells)
        return np.asarray(replace(self, cells=bare).image())

    def boxes(self, scale: int) -> tuple[list[tuple[int, int, int, int]], tuple[int, int]]:
        """Where each cell lies in the labelled picture: its (left, top, width, height), and the picture's own size."""
        h, w, gap = *(n * scale for n in self.cells[0].pixels.shape[:2]), GAP * scale
        across, above = _room(self.labels) if self.labels else (0, 0)
        if self.columns:
            step = h + gap + above
            places = [(i % self.columns * (w + gap), i // self.columns * step + above) for i in range(len(self.cells))]
        else:
            places = [(across, i * (h + gap)) for i in range(len(self.cells))]
        size = max(x for x, _ in places) + w, max(y for _, y in places) + h
        return [(x, y, w, h) for x, y in places], size

    def image(self, scale: int = 1) -> Image.Image:
        """The labelled grid as a PIL image, every pixel repeated `scale` times in both directions."""
        if scale < 1:
            raise ValueError(f"scale must be a whole number of at least 1, not {scale}")
        boxes, size = self.boxes(scale)
        canvas = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(canvas)
        for cell, (left, top, _, height) in zip(self.cells, boxes):
            canvas.paste(Image.fromarray(np.kron(cell.pixels, np.ones((scale, scale, 1), np.uint8))), (left, top))
            place, anchor = ((left, top - 4), "ls") if self.columns else ((0, top + height // 2), "lm")
            draw.text(place, cell.label, fill="black", font=_font(), anchor=anchor)
        return canvas

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        buffer = BytesIO()
        self.image(self.zoom).save(buffer, format="PNG", optimize=True)
        boxes, (width, _) = self.boxes(self.zoom)
        shown = {"labels": list(self.labels), "boxes": boxes, "zoom": self.zoom, "columns": self.columns}
        more = {"moments": list(self.moments)} if self.moments else {}
        return buffer.getvalue(), {"width": width, "grid": shown | more}

    def __repr__(self) -> str:
        # No pixel counts: the width of the labels depends on the font of the installed Matplotlib.
        return "Grid of images" + (f", rows: {', '.join(self.labels)}" if self.labels else "")


@cache
def _font() -> ImageFont.FreeTypeFont:
    # Matplotlib brings a font with Greek letters, which Pillow's own has not.
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), LETTERS)


def _room(labels: Sequence[str]) -> tuple[int, int]:
    """Screen pixels that labels take: beside a row, and above a picture."""
    return int(max(_font().getlength(label) for label in labels)) + 12, LETTERS + 5


def cells_of(picture: Image.Image, boxes: Sequence[Sequence[int]], zoom: int) -> list[np.ndarray]:
    """The cells of a grid's PNG at their own pixels again: uint8 arrays, shape (h, w, 3)."""
    array = np.asarray(picture.convert("RGB"))
    return [array[y : y + h : zoom, x : x + w : zoom] for x, y, w, h in boxes]


def values(tensor: Any) -> np.ndarray:
    """A tensor or array as NumPy has it, which knows no bfloat16: floating-point tensors become float32."""
    if not hasattr(tensor, "detach"):
        return np.asarray(tensor)
    tensor = tensor.detach().cpu()
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())


def _to_numpy(images: Any) -> np.ndarray:
    """Images as uint8 (n, h, w, 3): uint8 as they are, floats from [−1, 1]; (n, c, h, w) with c of 1 or 3."""
    array = values(images)
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


def image_grid(
    rows: Mapping[str, Any] | Sequence[Any],
    labels: Sequence[str] | None = None,
    *,
    zoom: int = 2,
    columns: int = 0,
    moments: Sequence[str] = (),
) -> Grid:
    """Rows of images side by side: same crop and same range for all, the original in the first row.

    Args:
        rows: images of each row by its name, or a sequence of them; each of shape (n, c, h, w), uint8 or float
            in [−1, 1]. All rows have the same n, h and w.
        labels: names of the rows for a sequence; none are drawn when omitted.
        zoom: screen pixels per image pixel, a whole number.
        columns: set this many rows beside one another, each below its label, which suits large pictures; 0 puts
            one below the other, each beside its label.
        moments: names of the n pictures, where each row is one course of time: the book then plays it on demand.

    Returns:
        A grid that Jupyter displays; `.image(scale)` gives the picture.

    Raises:
        ValueError: rows of different shape, images that are no images, a zoom below 1, or labels or moments that do
            not match.
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
    if moments and len(moments) != len(arrays[0]):
        raise ValueError(f"{len(arrays[0])} pictures a row need as many moments, not {len(moments)}")
    if zoom < 1 or zoom != int(zoom):
        raise ValueError(f"zoom must be a whole number of at least 1, not {zoom}")
    if columns < 0 or columns != int(columns):
        raise ValueError(f"columns must be a whole number of at least 0, not {columns}")
    names = labels or [""] * len(arrays)
    cells = tuple(Cell(name, _side_by_side(a)) for name, a in zip(names, arrays))
    return Grid(cells, int(zoom), int(columns), tuple(moments))


def _side_by_side(images: np.ndarray) -> np.ndarray:
    """Images (n, h, w, 3) as one picture, white between them."""
    apart = np.pad(images, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=255)
    return np.concatenate(list(apart), axis=1)[:, :-GAP]


def show_kernels(kernels: Any, labels: Sequence[str] | None = None, *, zoom: int = 8) -> Grid:
    """Blur kernels side by side, all on one range from 0 (black) to the largest weight among them (white).

    Args:
        kernels: shape (n, K, K), non-negative.
        labels: one name for the row.
        zoom: screen pixels per tap.

    Raises:
        ValueError: another shape, a weight below 0, which a range from 0 would hide, or one that is not finite.
    """
    array = values(kernels)
    if array.ndim != 3 or array.size == 0 or array.min() < 0:
        raise ValueError(f"kernels must be non-negative and of shape (n, K, K), not {tuple(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError("kernels hold NaN or infinity, which are no weights: look for a diverged model.")
    grey = np.rint(255 * (array / (array.max() or 1))).astype(np.uint8)  # kernels of 0 are black
    return image_grid([grey[:, None]], labels, zoom=zoom)
