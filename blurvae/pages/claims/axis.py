"""An axis below a column of a forest plot: where a value lies, and which round numbers find room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.ticker import MaxNLocator

LETTER, GAP = 5.7, 18  # px: of a letter on average, 11 px high; between axes


@dataclass(frozen=True)
class Axis:
    """A column's axis.

    Attributes:
        low: its left end, in the unit of the column.
        high: its right end.
        left: px.
        width: px.
    """

    low: float
    high: float
    left: float
    width: float

    def x(self, value: float) -> float:
        """Where a value lies, px; an end where it lies beyond."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.left + part * self.width, 1)

    @property
    def ticks(self) -> list[float]:
        """Round numbers, as many as find room below the axis; two at least, for one is no scale."""
        found: list[float] = []
        for most in (6, 5, 4, 3, 2):
            steps = MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=2).tick_values(self.low, self.high)
            ticks = [float(t) for t in steps if self.low <= t <= self.high]
            if self._fit(ticks):
                return ticks
            found = ticks if len(ticks) > 1 else found
        return [found[0], found[-1]]

    def _fit(self, ticks: Sequence[float]) -> bool:
        """Whether the letters keep off one another, and off the letters of the axes beside."""
        if len(ticks) < 2:
            return False
        spans = [(self.x(t) - half, self.x(t) + half) for t in ticks for half in [len(number(t)) * LETTER / 2 + 1]]
        inside = spans[0][0] >= self.left - GAP / 2 and spans[-1][1] <= self.left + self.width + GAP / 2
        return inside and all(one[1] + 4 <= other[0] for one, other in pairwise(spans))


def number(value: float) -> str:
    """A round number as an axis has it: "−0.5", "20k"."""
    text = f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:.10g}"
    return text.replace("-", "−")
