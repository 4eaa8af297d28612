"""How a method looks: the same colour and dashes in every figure."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from blurvae import experiments
from blurvae.experiments import recorded
from blurvae.pages.plotting import PALETTE

BLUE, VERMILION, GREEN, PINK, AMBER, SKY, BLACK = PALETTE[:7]
SOLID, DASHED, DOTTED, DASH_DOT = "-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2))
# A method looks the same in every chapter; dashes tell apart what gray print and colour blindness would not.
LOOKS: dict[str, tuple[str, Any]] = {
    "l2": (BLUE, SOLID),
    "l1": (BLUE, DASHED),
    "ssim": (GREEN, SOLID),
    "ce": (PINK, SOLID),
    "ffl": (AMBER, SOLID),
    "wiener": (VERMILION, SOLID),
    "wiener-proper": (VERMILION, DASHED),
    "wiener-fixed": (VERMILION, DOTTED),
    "watson": (SKY, SOLID),
    "watson-2": (SKY, DASHED),
    "lpips-squeeze": (GREEN, DASHED),
    "lpips-vgg": (GREEN, DOTTED),
    "stft-ssim": (PINK, DASHED),
}
OTHERS = tuple(
    (colour, dash) for dash in (SOLID, DASHED, DOTTED, DASH_DOT) for colour in (BLUE, GREEN, PINK, AMBER, SKY)
)


def looks(experiment: str) -> dict[str, tuple[str, Any]]:
    """Colour and dashes of an experiment's methods, by label in the order of its table."""
    module = experiments.get(experiment)
    methods = {m.label: m.name for m in (*module.METHODS, *module.VARIANTS)}
    taken = {LOOKS[name] for name in methods.values() if name in LOOKS}
    others = cycle(look for look in OTHERS if look not in taken)
    return {label: LOOKS.get(name) or next(others) for label, name in methods.items()}


def quantity(metric: str) -> str:
    """A metric as an axis names it: with its unit, and an arrow towards the better side."""
    unit = recorded.unit(metric)
    return f"{metric}{f' ({unit})' * bool(unit)}{recorded.arrow(metric)}"


def logarithmic(ax: Axes) -> None:
    """A logarithmic vertical axis whose ticks are written out, for an axis that already shows its curves."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else (1, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
