"""Drawings of what flows where: the autoencoder with and without the kernel network, a frame of recurrent video."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

NET, VALUE, LOSS = "#e8eef4", "white", "#fdf0dc"  # fills of networks, of what they compute, of what is minimised


def vae(ax: Axes, *, kernel: bool = False) -> dict[str, Rectangle]:
    """Draw image, encoder, z, decoder and reconstruction, and which of them each loss sees.

    Everything is placed in data coordinates, so that the drawing also fits the narrow form of a figure.

    Args:
        ax: an empty panel, at least 2.2 inches high (3.2 with the kernel network); its axes are switched off.
        kernel: draw the kernel network and its loss too.

    Returns:
        The boxes by name, for further arrows: "x", "encoder", "z", "decoder", "x_hat" and, without the kernel network,
        "rate" and "error"; with it "kernel_net", "k", "vae_loss" and "kernel_loss".
    """
    ax.set_axis_off()
    ax.set(xlim=(-0.45, 4.95 if kernel else 4.4), ylim=(-0.45, 3.45 if kernel else 2.45))
    middle, high, low = (1.5, 2.0, 1.0) if kernel else (1.0, 1.0, None)
    boxes = {
        "x": _box(ax, (0, middle), "$x$", 0.42, VALUE),
        "encoder": _box(ax, (1, middle), "encoder\n$q_\\phi(z\\,|\\,x)$", 0.86, NET),
        "z": _box(ax, (2, middle), "$z$", 0.42, VALUE),
        "decoder": _box(ax, (3, high), "decoder\n$p_\\theta(x\\,|\\,z)$", 0.86, NET),
        "x_hat": _box(ax, (3.95, high), "$\\hat x$", 0.42, VALUE),
    }
    if low is not None:
        boxes["kernel_net"] = _box(ax, (3, low), "kernel\nnet $G_\\gamma$", 0.86, NET)
        boxes["k"] = _box(ax, (4.65, low), "$k$", 0.42, VALUE)
        weighted = r"$\frac{1}{2}\,\Vert W_k \cdot \mathcal{F}(x - \hat x) \Vert^2 + \beta\,\mathrm{KL}$"
        fitted = r"$\Vert x * k - \hat x \Vert^2$"
        boxes["vae_loss"] = _box(ax, (2.3, 3), f"loss of encoder and decoder\n{weighted}", 5.12, LOSS)
        boxes["kernel_loss"] = _box(ax, (2.3, 0), f"loss of the kernel network\n{fitted}", 5.12, LOSS)
        seen = {"vae_loss": ("x", "encoder", "x_hat", "k"), "kernel_loss": ("x", "x_hat", "k")}
    else:
        rate = r"$\mathrm{KL}(q_\phi \,\Vert\, \mathcal{N}(0, I))$"
        error = r"$\frac{1}{2}\,\Vert x - \hat x \Vert^2$"
        boxes["rate"] = _box(ax, (1.975, 2), f"rate: how much $z$ tells of $x$\n{rate}", 4.37, LOSS)
        boxes["error"] = _box(ax, (1.975, 0), f"error: how far $\\hat x$ is from $x$\n{error}", 4.37, LOSS)
        seen = {"rate": ("encoder",), "error": ("x", "x_hat")}
    for start, end in (("x", "encoder"), ("encoder", "z"), ("z", "decoder"), ("decoder", "x_hat")):
        arrow(ax, boxes[start], boxes[end])
    if kernel:
        arrow(ax, boxes["z"], boxes["kernel_net"])
        arrow(ax, boxes["kernel_net"], boxes["k"])
    for loss, parts in seen.items():
        for part in parts:
            arrow(ax, boxes[part], boxes[loss], upright=True)
    return boxes


def recurrence(ax: Axes) -> dict[str, Rectangle]:
    """Draw what one frame of FRVSR takes: flow, warp, space to depth, SRNet, and the estimate that goes on.

    Args:
        ax: an empty panel, at least 3.6 inches high; its axes are switched off.

    Returns:
        The boxes by name: "before" and "now" (small frames), "fnet", "flow", "larger", "carried" (the estimate
        before), "warp", "depth", "again" ("now" once more), "srnet", "estimate", and the losses "flow_loss" and
        "sr_loss".
    """
    ax.set_axis_off()
    ax.set(xlim=(-0.5, 5.0), ylim=(-1.95, 3.0))
    boxes = {
        "before": _box(ax, (0, 2.6), "$I_{t-1}$", 0.62, VALUE),
        "now": _box(ax, (0, 1.55), "$I_t$", 0.62, VALUE),
        "again": _box(ax, (1.95, -0.6), "$I_t$", 0.62, VALUE),
        "fnet": _box(ax, (1.15, 2.6), "FNet", 0.86, NET),
        "flow": _box(ax, (2.25, 2.6), "$F_t$", 0.5, VALUE),
        "larger": _box(ax, (3.3, 2.6), "larger,\n× s", 0.86, VALUE),
        "warp": _box(ax, (3.3, 1.55), "warp", 0.86, VALUE),
        "carried": _box(ax, (4.55, 1.55), "$\\hat I_{t-1}$", 0.62, VALUE),
        "depth": _box(ax, (3.3, 0.5), "to\ndepth", 0.86, VALUE),
        "srnet": _box(ax, (3.3, -0.6), "SRNet", 0.86, NET),
        "estimate": _box(ax, (4.55, -0.6), "$\\hat I_t$", 0.62, VALUE),
        "flow_loss": _box(ax, (1.1, 0.45), "$\\Vert W(I_{t-1}, F_t) - I_t \\Vert^2$", 2.82, LOSS),
        "sr_loss": _box(ax, (3.6, -1.6), "$\\Vert \\hat I_t - \\mathrm{truth} \\Vert^2$", 2.3, LOSS),
    }
    ways = ("before", "fnet"), ("now", "fnet"), ("fnet", "flow"), ("flow", "larger"), ("carried", "warp")
    for start, end in (*ways, ("again", "srnet"), ("srnet", "estimate")):
        arrow(ax, boxes[start], boxes[end])
    downwards = ("larger", "warp"), ("warp", "depth"), ("depth", "srnet"), ("flow", "flow_loss"), ("now", "flow_loss")
    for start, end in (*downwards, ("estimate", "sr_loss")):
        arrow(ax, boxes[start], boxes[end], upright=True)
    arrow(ax, boxes["estimate"], boxes["carried"], linestyle=(0, (3, 2)), color="#0072B2")
    ax.text(4.62, 0.5, "next\nframe", ha="left", va="center", fontsize=9, color="#0072B2")
    return boxes


def arrow(
    ax: Axes,
    start: Rectangle,
    end: Rectangle,
    *,
    upright: bool = False,
    shift: tuple[float, float] = (0, 0),
    **style: Any,
) -> FancyArrowPatch:
    """Draw an arrow from the edge of one box to the edge of another.

    Args:
        ax: the panel of both.
        start: where it begins.
        end: where it points.
        upright: straight up or down through the middle of the narrower box, in place of from middle to middle.
        shift: moves it, in data coordinates, so that two arrows may run side by side.
        **style: for `FancyArrowPatch`, such as `color` and `linestyle`.
    """
    (x0, y0), (x1, y1) = start.get_center(), end.get_center()
    if upright:
        x0 = x1 = min(start, end, key=Rectangle.get_width).get_center()[0]
    ends = ((x0 + shift[0], y0 + shift[1]), (x1 + shift[0], y1 + shift[1]))
    look: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 11,
        "color": "0.55",
        "linewidth": 1.3,
        "shrinkA": 1,
        "shrinkB": 1,
    }
    drawn = FancyArrowPatch(*ends, patchA=start, patchB=end, zorder=1, **(look | style))
    ax.add_patch(drawn)
    return drawn


def _box(ax: Axes, centre: tuple[float, float], text: str, width: float, fill: str, height: float = 0.62) -> Rectangle:
    x, y = centre
    box = Rectangle((x - width / 2, y - height / 2), width, height, facecolor=fill, edgecolor="0.35", zorder=2)
    ax.add_patch(box)
    ax.text(x, y, text, ha="center", va="center", fontsize=9, zorder=3)
    return box
