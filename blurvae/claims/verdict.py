"""How the comparisons of a piece become calls, and calls a verdict: it is computed, never typed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from blurvae.claims.inference import ALPHA, holm, interval, seeds_needed
from blurvae.claims.model import POINTS, Comparison, Evidence
from blurvae.experiments.base import TIERS

HOLDS, FAILS, UNDECIDED, NOT_TESTED = "holds", "does not hold", "undecided", "not tested"
DEPENDS = "depends on"
FOR, AGAINST, OPEN = "for", "against", "open"
One = TypeVar("One")
BUDGET = "the budget"
REFUTES = ("converges",)  # rules that a training hardly fails: they can speak against a claim, not for it


@dataclass(frozen=True)
class Judged:
    """A comparison beside the others of its piece.

    Attributes:
        comparison: the numbers.
        call: how it speaks to the claim: "for", "against", "open"; "not tested", or why it decides nothing.
        family: k, by which Holm's correction divides the level at which this one is tested; 1 where nothing is random.
    """

    comparison: Comparison
    call: str
    family: int = 1

    @property
    def interval(self) -> tuple[float, float]:
        """The t interval of level 1 − 5 %/k of the mean: the limit is in it where the call is "open", else not.

        Of a claim that a number hardly differs: it is inside or outside of limit ± near, else the call is "open".
        """
        return interval(self.comparison.values, ALPHA / self.family)

    @property
    def seeds(self) -> int | None:
        """With how many seeds a test of its level would decide four times in five, at the effect that is seen."""
        c = self.comparison
        spread = statistics.stdev(c.margins) if len(c.margins) > 1 else 0.0
        if self.call != OPEN or not spread:
            return None
        effect = abs(abs(statistics.fmean(c.margins)) - c.near)
        return seeds_needed(effect / spread, ALPHA / self.family)

    @property
    def numbers(self) -> str:
        """The mean and its interval, without the call."""
        c = self.comparison
        if not c.values:
            return "not run"
        signed = "+" if not c.limit and not c.exact else ""
        text = f"{statistics.fmean(c.values):{signed}.{c.digits}f}"
        if len(c.values) > 1:
            low, high = self.interval
            text += f" [{low:{signed}.{c.digits}f}, {high:{signed}.{c.digits}f}]"
        return text

    def __str__(self) -> str:
        return f"{self.numbers} {self.call}" if self.comparison.values else self.numbers


@dataclass(frozen=True)
class Finding:
    """What one piece of evidence says."""

    evidence: Evidence
    comparisons: tuple[Comparison, ...]

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The comparisons with their calls, see `judge`."""
        return judge(self.comparisons)

    @property
    def calls(self) -> set[str]:
        """All that is said of the claim, once each."""
        return {j.call for j in self.judged}

    @property
    def verdict(self) -> str:
        """What the comparisons that decide something say together.

        The claim holds where all are for it and does not hold where all are against it. It depends on what they differ
        by where some are for and some against it, and is undecided where some are open.
        """
        decided = {j.call for j in self.judged if not j.comparison.silent}
        if not self.comparisons or NOT_TESTED in self.calls:
            return NOT_TESTED
        if {FOR, AGAINST} <= decided:
            return f"{DEPENDS} {self.evidence.depends or self._what}"
        if decided == {AGAINST}:
            return FAILS
        return HOLDS if decided == {FOR} and self.evidence.rule not in REFUTES else UNDECIDED

    @property
    def _what(self) -> str:
        """By what the comparisons for it and against it differ."""
        sides = [[j.comparison for j in self.judged if j.call == call] for call in (FOR, AGAINST)]
        return _difference(sides, {"the metric": lambda c: c.what, "the rival": lambda c: c.against})

    @property
    def seeds(self) -> int | None:
        """How many seeds would decide all that is open, at the effects that are seen; None where too many would."""
        needed = [j.seeds for j in self.judged if j.call == OPEN]
        return max((n for n in needed if n), default=None) if all(needed) else None


def judge(comparisons: Sequence[Comparison]) -> tuple[Judged, ...]:
    """Comparisons with their calls: Holm's correction is over those of them that chance has a part in."""
    chances = [c for c in comparisons if c.tested and not c.silent and not c.exact]
    found = dict(zip(map(id, chances), holm([c.sides.p for c in chances]), strict=True))
    return tuple(_judge(c, *found.get(id(c), (True, 1))) for c in comparisons)


def _judge(c: Comparison, decided: bool, family: int) -> Judged:
    if not c.tested:
        return Judged(c, NOT_TESTED)
    if c.silent:
        return Judged(c, c.silent)
    call = OPEN
    if decided and c.sides.claimed != c.sides.denied:
        call = FOR if c.sides.claimed < c.sides.denied else AGAINST
    return Judged(c, call, family)


def _difference(sides: Sequence[Iterable[One]], ways: dict[str, Callable[[One], object]]) -> str:
    """The names of what tells two sides apart: the first that does so by itself, else all that differ at all.

    Where the budget does so, too, no other can be told from it, and both are named.
    """
    first, second = map(list, sides)
    apart = [name for name, way in ways.items() if not {way(one) for one in first} & {way(one) for one in second}]
    if apart:
        return " and ".join(name for name in apart if name in (apart[0], BUDGET))
    differ = [name for name, way in ways.items() if len({way(one) for one in (*first, *second)}) > 1]
    return " and ".join(differ)


def verdict(findings: Iterable[Finding]) -> str:
    """The verdict on a claim, which is about all of its tested evidence, at the largest tier that is tested of each.

    That of its pieces where they agree. Where they do not, it depends on what pieces differ by in which it holds and
    does not hold, or on what single pieces say, if some comparisons are for it and some against it with Holm's
    correction over all of the claim, too; else it is undecided.
    """
    found = weighty(findings)
    words = {f.verdict for f in found}
    if len(words) < 2:
        return words.pop() if words else NOT_TESTED
    if not {FOR, AGAINST} <= {j.call for j in judge([c for f in found for c in f.comparisons])}:
        return UNDECIDED
    if {HOLDS, FAILS} <= words:
        ways: dict[str, Callable[[Finding], object]] = {
            "the data": lambda f: f.evidence.data,
            "β": lambda f: f.evidence.point,
            BUDGET: lambda f: f.evidence.tier,
            "the experiment": lambda f: f.evidence.experiment,
            "what is measured": lambda f: f.evidence.rule,
        }
        apart = _difference([[f for f in found if f.verdict == word] for word in (HOLDS, FAILS)], ways)
        return f"{DEPENDS} {apart or 'the method'}"
    own = dict.fromkeys(f.verdict.removeprefix(f"{DEPENDS} ") for f in found if f.verdict.startswith(DEPENDS))
    return f"{DEPENDS} {' and '.join(own)}" if own else UNDECIDED


def weighty(findings: Iterable[Finding]) -> list[Finding]:
    """Those that are tested, without pieces that ask the same of smaller trainings."""
    tested = [f for f in findings if f.verdict != NOT_TESTED]

    def asked(f: Finding) -> tuple[str, str, str]:  # two rules compare at equal KL
        return POINTS.get(f.evidence.rule, f.evidence.rule), f.evidence.data, f.evidence.point

    def size(f: Finding) -> int:
        return TIERS.index(f.evidence.tier) if f.evidence.tier else 0

    largest: dict[tuple[str, str, str], int] = {}
    for f in tested:
        largest[asked(f)] = max(size(f), largest.get(asked(f), 0))
    return [f for f in tested if size(f) == largest[asked(f)]]


def predicate(verdict: str) -> str:
    """A verdict as what a sentence says of a claim: "holds", but "is undecided"."""
    return f"is {verdict}" if verdict in (UNDECIDED, NOT_TESTED) else verdict
