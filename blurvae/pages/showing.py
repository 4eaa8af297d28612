"""How a drawn figure reaches the reader: sharp on every screen, panels one below the other on a phone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from blurvae.pages.grids import Grid

INCH = 96  # screen pixels per inch of a figure, as in CSS
WIDEST = 7.2  # inches: the text column of the book
NARROWEST = 3.7  # inches: the text column on a phone
SMALLEST = 8.25  # points: letters of 11 screen pixels


def show(fig: Figure | Grid, *, columns: int = 1) -> None:
    """Show a figure in place of `plt.show()`, with twice the pixels of the screen, and close it.

    The book shows the same figure on a phone with its panels one below the other; `flaws` of both are kept beside the
    picture, for the test that a legend never lies on a curve.

    Args:
        fig: the figure, at most `WIDEST` inches wide; a grid of images is shown as it is.
        columns: how many panels stand side by side on a phone.
    """
    from IPython.display import display

    if isinstance(fig, Grid):
        display(fig)
        return
    width = round(INCH * fig.get_figwidth())
    text = f"Figure of {len(fig.axes)} panel{'s' if len(fig.axes) > 1 else ''}"
    wide, wrong = _png(fig), _flaws_as_drawn(fig)
    stack(fig, columns)
    narrow = _png(fig)
    wrong += [f"on a phone: {flaw}" for flaw in _flaws_as_drawn(fig)]
    shown = {"width": width, "narrow": narrow, "flaws": wrong}
    plt.close(fig)
    display({"image/png": wide, "text/plain": text}, metadata={"image/png": shown}, raw=True)


def _png(fig: Figure) -> str:
    """A figure, which is laid out and drawn, as base64 of a PNG of two pixels for each of the screen."""
    canvas = FigureCanvasAgg(fig)
    fig.set_dpi(2 * INCH)
    if any(ax.get_aspect() != "auto" for ax in fig.axes):
        fig.draw_without_rendering()  # the layout of panels of a fixed aspect is settled in the second pass only
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if not any(ax.images or any(isinstance(c, QuadMesh) for c in ax.collections) for ax in fig.axes):
        picture = picture.quantize(128, Image.Quantize.MAXCOVERAGE)  # lines and bands have few colours: a quarter
    buffer = BytesIO()
    picture.save(buffer, format="PNG", compress_level=7)  # the last 7 % of the bytes take six times as long
    return b64encode(buffer.getvalue()).decode()


def legend_above(fig: Figure, columns: int = 4) -> None:
    """One legend for all panels, above them: where there are many curves it lies on none of them.

    Args:
        fig: the figure; a label that several panels have is named once.
        columns: entries a line.
    """
    entries: dict[str, Artist] = {}
    for ax in fig.axes:
        for handle, label in zip(*ax.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    if not entries:  # nothing that is drawn has a name
        return
    fig.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=_even(len(entries), columns))


def _even(entries: int, columns: int) -> int:
    """The columns, at most so many, that leave no line of a legend much shorter than the others."""
    lines = -(-entries // columns)
    return -(-entries // lines)


def stack(fig: Figure, columns: int = 1) -> None:
    """Arrange a figure's panels for a narrow screen: one below the other, each with its own labels.

    Args:
        fig: the figure, which is changed.
        columns: how many panels stand side by side.
    """
    panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    if not panels:
        return
    spans = {ax: (spec.rowspan.start, spec.colspan.start) for ax in panels if (spec := ax.get_subplotspec())}
    panels.sort(key=spans.__getitem__)
    lines = 1 + max(row for row, _ in spans.values())
    height = fig.get_figheight() / lines
    if len(panels) > 1:
        _spell_out_labels(panels, spans)
        columns = min(columns, len(panels))
        grid = GridSpec(-(-len(panels) // columns), columns, figure=fig)
        for i, ax in enumerate(panels):
            ax.set_subplotspec(grid[i // columns, i % columns])
        height *= grid.nrows
        if columns > 1:  # panels side by side get narrower, and their height with them
            across = 1 + max(column for _, column in spans.values())
            height *= min(1.0, NARROWEST / columns / (fig.get_figwidth() / across))
    fig.set_size_inches(min(fig.get_figwidth(), NARROWEST), height)
    for legend in list(fig.legends):
        _narrow_legend(fig, legend)


def _narrow_legend(fig: Figure, legend: Legend) -> None:
    """Set a figure's legend again with as many columns as its width takes."""
    handles = [handle for handle in legend.legend_handles if handle is not None]
    labels = [text.get_text() for text in legend.get_texts()]
    for columns in range(4, 0, -1):
        legend.remove()  # its columns are fixed when it is made
        legend = fig.legend(handles, labels, loc="outside upper center", ncols=_even(len(labels), columns))
        if legend.get_window_extent().width <= fig.bbox.width:
            return


def _spell_out_labels(panels: list[Axes], spans: dict[Axes, tuple[int, int]]) -> None:
    """Give every panel the axis labels and tick labels that it shared with a neighbour."""
    for ax in panels:
        row, column = spans[ax]
        beside = [p for p in panels if spans[p][0] == row and ax.get_shared_y_axes().joined(ax, p)]
        below = [p for p in panels if spans[p][1] == column and ax.get_shared_x_axes().joined(ax, p)]
        if len(beside) > 1:
            ax.set_ylabel(ax.get_ylabel() or next(filter(None, (p.get_ylabel() for p in beside)), ""))
            ax.tick_params(labelleft=True)
        if len(below) > 1:
            ax.set_xlabel(ax.get_xlabel() or next(filter(None, (p.get_xlabel() for p in reversed(below))), ""))
            ax.tick_params(labelbottom=True)


def flaws(fig: Figure) -> list[str]:
    """What a reader would stumble over in a drawn figure.

    Returns:
        One sentence for each: a legend on a curve, letters below 11 screen pixels, letters beyond the edge, a figure
        that is wider than the text column and so would be shrunk.
    """
    fig.draw_without_rendering()
    return _flaws_as_drawn(fig)


def _flaws_as_drawn(fig: Figure) -> list[str]:
    """See `flaws`, of a figure that is drawn already."""
    found = []
    if fig.get_figwidth() > WIDEST:
        found.append(f"the figure is {fig.get_figwidth():.2f} inches wide; the text column has {WIDEST}")
    for ax in fig.axes:
        for legend in [*([own] if (own := ax.get_legend()) else []), *fig.legends]:
            box = legend.get_window_extent()
            found += [f"the legend lies on {name}" for name in _lines_in(ax, box)]
    edge = fig.bbox.padded(1)
    for text in _texts(fig):
        shown = text.get_text()
        points = text.get_fontproperties().get_size_in_points()
        if points < SMALLEST:
            found.append(f"{shown!r} has letters of {points:.1f} points; at least {SMALLEST}")
        box = text.get_window_extent()
        if box.x0 < edge.x0 or box.x1 > edge.x1 or box.y0 < edge.y0 or box.y1 > edge.y1:
            found.append(f"{shown!r} goes beyond the edge")
    return found


def _lines_in(ax: Axes, box: Bbox) -> Iterator[str]:
    inside = Bbox.intersection(box, ax.bbox)
    if inside is None or inside.width <= 0 or inside.height <= 0:
        return
    for line in filter(Line2D.get_visible, ax.lines):
        points = line.get_transform().transform(line.get_xydata())
        if len(points) and Path(points).intersects_bbox(inside, filled=False):
            yield f"the curve {str(line.get_label())!r}"


def _texts(fig: Figure) -> Iterator[Text]:
    """Every text that is seen: labels, ticks within the limits, legends, notes."""
    hidden = {id(text) for ax in fig.axes for text in _out_of_sight(ax)}
    for text in fig.findobj(Text):
        if isinstance(text, Text) and id(text) not in hidden and text.get_visible() and text.get_text().strip():
            yield text


def _out_of_sight(ax: Axes) -> Iterator[Text]:
    """Labels of ticks beyond the limits, and all labels of an axis that is switched off."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not ax.axison or not axis.get_visible() or not low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)
