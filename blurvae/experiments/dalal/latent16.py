"""The losses of Dalal's Table 1 with codes of length 16, so that the code is no longer what the images lack."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.dalal import given, table1
from blurvae.record import Run

TITLE = "Short-time Fourier loss on black-and-white digits, z of length 16 (ours, after Dalal, Table 1)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = table1.NOTES
METHODS = tuple(Method(m.name, m.label, m.system) for m in table1.METHODS)
VARIANTS: tuple[Method, ...] = ()
COLUMNS = table1.COLUMNS
GRID = {"smoke": {"dead-leaves": (0,)}, "lesson": {"mnist-binary": (0, 1, 2)}, "paper": {"mnist-binary": (0, 1, 2)}}


def searched(data: str) -> None:
    """β is the author's."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; arguments as in `table1.runs`."""
    return make("dalal/latent16", METHODS, check_tier(tier, GRID), data, seeds, given(tier, latent=16))
