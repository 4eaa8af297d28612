"""Demos: pictures that a reader moves on a page of the book, by a script of its own and without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from blurvae.datasets.bars import PLACEMENTS

SIGNS = ".tblr"  # an empty cell, and a bar at its top, bottom, left, right


@dataclass(frozen=True)
class Demo:
    """The data of a demo, which `book/_static/demo-NAME.js` shows in its place.

    Attributes:
        name: of the script.
        data: by attribute what the script reads.
        says: what stands there without scripts, and outside the book.
    """

    name: str
    data: Mapping[str, str]
    says: str

    def __repr__(self) -> str:
        return f"Demo {self.name}: {self.says}"

    def _repr_html_(self) -> str:
        held = "".join(f' data-{key}="{escape(value)}"' for key, value in self.data.items())
        return f'<div class="demo demo-{self.name}"{held}><p>{escape(self.says)}</p></div>'


def bars(pictures: np.ndarray) -> Demo:
    """Pictures of bars with an answer for each, from the mean of all that fit to one of them that is drawn.

    Args:
        pictures: (n, 1, h, w), 0 where a pixel is black and 1 or 255 where it is white, of cells of 2×2 px with a bar
            or none.

    Returns:
        Its cells, a sign of `SIGNS` each, row by row: (h/2) · (w/2) a picture.

    Raises:
        ValueError: a cell that is neither empty nor a bar.
    """
    n, _, h, w = pictures.shape
    cells = (pictures > 0).reshape(n, h // 2, 2, w // 2, 2).swapaxes(2, 3)  # (n, i, j, 2, 2)
    kinds = np.concatenate([np.zeros((1, 2, 2), bool), PLACEMENTS > 0])
    alike = (cells[..., None, :, :] == kinds).all((-1, -2))  # (n, i, j, kinds)
    if not alike.any(-1).all():
        raise ValueError("A cell of 2×2 px holds a bar of two white pixels or none: these pictures have others.")
    signs = ("".join(SIGNS[kind] for kind in one.argmax(-1).ravel()) for one in alike)
    says = "In the book a slider moves an answer here, from the mean of all that fits to one of them."
    return Demo("bars", {"pictures": " ".join(signs), "columns": str(w // 2)}, says)
