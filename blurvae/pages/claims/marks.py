"""Which comparisons of a claim are plotted, each with its column and its row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blurvae.claims.model import Evidence
from blurvae.claims.verdict import Finding, Judged, weighty
from blurvae.experiments import recorded
from blurvae.pages.claims.published import difference
from blurvae.pages.claims.words import SETTING, place, quantity

MOST = 6  # columns


@dataclass(frozen=True)
class Mark:
    """One comparison in the plot.

    Attributes:
        column: title of its axis.
        place: where it was tested.
        label: what else tells its row.
        judged: the comparison, with its call.
        paper: the paper's own difference, where there is one.
    """

    column: str
    place: str
    label: str
    judged: Judged
    paper: float | None

    @property
    def row(self) -> tuple[str, str]:
        """The row that it stands in."""
        return self.place, self.label


def marks(made: Iterable[Finding]) -> list[Mark]:
    """The comparisons on which the verdict rests, each with its column and row, data set by data set."""
    pairs = [(f, j) for f in weighty(made) for j in f.judged if j.comparison.values]
    where = _places([f for f, _ in pairs])
    sets, order = (list(dict.fromkeys(way(f) for f, _ in pairs)) for way in (_data, lambda f: where[f.evidence]))
    names = {quantity(j.comparison.what) for _, j in pairs}
    stacked = not names & recorded.DIGITS.keys() and len(names) > (MOST if len(order) > 1 else MOST // 2)
    against: dict[str, set[str]] = {}
    methods: dict[str, set[str]] = {}
    for f, j in pairs:
        against.setdefault(quantity(j.comparison.what), set()).add(j.comparison.against)
        methods.setdefault(f.evidence.rule, set()).add(f.evidence.method)
    found = []
    for f, j in sorted(pairs, key=lambda pair: (sets.index(_data(pair[0])), order.index(where[pair[0].evidence]))):
        c, e, column, parts = j.comparison, f.evidence, quantity(j.comparison.what), []
        if e.rivals and len(methods[e.rule]) > 1:
            parts.append(f"{recorded.label(e.experiment, e.method)} −")
        if stacked:
            column = c.against
            parts.append(c.what)
        elif e.rivals or len(against[column]) > 1:
            parts.append(c.against)
        else:
            column += f": {c.against}"
        parts += re.findall(SETTING, c.what)
        found.append(Mark(column, where[e], _whole(" ".join(parts)), j, difference(e, c)))
    return found


def _whole(label: str) -> str:
    """A label whose settings stay on one line."""
    return label.replace(" = ", "\u00a0=\u00a0")


def _data(finding: Finding) -> str:
    return finding.evidence.data


def _places(made: Sequence[Finding]) -> dict[Evidence, str]:
    """Where pieces were tested, with the experiment where two experiments were there."""
    there: dict[str, set[str]] = {}
    for f in made:
        there.setdefault(place(f.evidence), set()).add(f.evidence.experiment)
    return {
        f.evidence: _whole(place(f.evidence))
        + f" ({f.evidence.experiment.rpartition('/')[2]})" * (len(there[place(f.evidence)]) > 1)
        for f in made
    }
