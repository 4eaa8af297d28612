"""Shows the chapters' pictures: grids with their labels as text, line figures in one form for each width of screen.

A notebook holds one PNG a figure. Its metadata say how `plotting.image_grid` and `plotting.show` made it: a grid is cut
into its cells again, at their own pixels, and the page enlarges them by a whole factor; where its rows are moments of
one course, film.js plays them. A line figure has a second PNG with its panels one below the other.
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from html import escape
from io import BytesIO
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, MimeRenderPlugin, NbElementRenderer, load_mime_renders
from PIL import Image
from sphinx.application import Sphinx

from blurvae.pages.grids import GAP, cells_of


class Pictures(MimeRenderPlugin):
    """Renders a PNG that carries our metadata; leaves any other to MyST-NB."""

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        """The nodes of one picture, or None where the metadata are not ours."""
        if inline or data.mime_type != "image/png":
            return None
        shown = data.output_metadata.get("image/png", {})
        options = renderer.renderer.get_cell_level_config("render_image_options", data.cell_metadata, line=data.line)
        if "grid" in shown:
            return [_grid(renderer, b64decode(data.string), shown["grid"], options["alt"])]
        if "narrow" in shown:
            pictures = {"wide": data.string, "narrow": shown["narrow"]}
            return [_line_figure(renderer, b64decode(png), kind, options["alt"]) for kind, png in pictures.items()]
        return None


def _file(renderer: NbElementRenderer, png: bytes) -> str:
    uri: str = renderer.write_file([f"{sha256(png).hexdigest()}.png"], png, overwrite=False, exists_ok=True)
    return uri


def _line_figure(renderer: NbElementRenderer, png: bytes, kind: str, alt: str) -> nodes.image:
    width = Image.open(BytesIO(png)).width // 2  # two pixels of the file for each of the screen
    return nodes.image(uri=_file(renderer, png), alt=alt, width=f"{width}px", classes=["line-figure", kind])


def _grid(renderer: NbElementRenderer, png: bytes, grid: dict[str, Any], alt: str) -> nodes.container:
    columns = grid["columns"]
    outer = nodes.container(classes=["image-grid", *([f"columns-{columns}"] if columns else ["rows"])])
    labels = grid["labels"] or [""] * len(grid["boxes"])
    for i, (label, pixels) in enumerate(zip(labels, cells_of(Image.open(BytesIO(png)), grid["boxes"], grid["zoom"]))):
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
        picture = nodes.image(
            uri=_file(renderer, buffer.getvalue()),
            alt=alt if i == 0 else label or f"row {i + 1}",
            width=f"{pixels.shape[1] * grid['zoom']}px",
            classes=["pixelated"],
        )
        cell = nodes.container("", nodes.container("", picture, classes=["grid-picture"]), classes=["grid-cell"])
        if grid["labels"]:
            cell.insert(0, nodes.container("", nodes.inline("", label), classes=["grid-label"]))
        outer += cell
    if moments := grid.get("moments"):
        outer["classes"].append("film")
        side = (pixels.shape[1] + GAP) // len(moments)  # of a picture and the gap behind it
        text = escape("|".join(moments))
        outer += nodes.raw("", f'<span class="film-moments" data-step="{side}" hidden>{text}</span>', format="html")
    return outer


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer."""
    # MyST-NB finds plugins by entry points, which need an installed package; an extension of the book is none.
    load_mime_renders().append(Pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
