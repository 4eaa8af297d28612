"""What is claimed, what tests it, and how numbers become a verdict: it is computed, never typed."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from blurvae import datasets, experiments
from blurvae.experiments.recorded import NOT_RUN, paper_data

HOLDS, IN_PART, FAILS, UNDECIDED, NOT_TESTED = "holds", "holds in part", "does not hold", "undecided", "not tested"
DEPENDS = "depends on"
REFUTES = ("converges",)  # rules that a training hardly fails: they can speak against a claim, not for it
TIMED = "determinant"  # the rule that reads the benchmark, in rounds in the place of seeds
SEEDS = 2  # fewer say nothing about the spread between trainings


@dataclass(frozen=True)
class Evidence:
    """One test of a claim.

    Attributes:
        rule: a name in `RULES`.
        chapter: number of the chapter that shows it, such as "09".
        experiment: whose runs are read; empty where a rule needs none.
        tier: of the runs.
        data: of the runs.
        method: what the claim is about.
        rivals: what it is compared with.
        metrics: measured columns on which the method is claimed to be better.
        worse: those on which it is claimed to be worse.
        depends: on what the answer depends where comparisons disagree, if there is a word for it.
    """

    rule: str
    chapter: str
    experiment: str = ""
    tier: str = ""
    data: str = ""
    method: str = ""
    rivals: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    depends: str = ""

    @property
    def where(self) -> str:
        """The data set, what it stands in for, the tier, and where methods are compared how their β was chosen."""
        if not self.experiment:
            features = f", features {self.method}" if self.method else ""
            return f"{self.data}{features}" or "benchmark"
        card, own = datasets.describe(self.data), experiments.get(self.experiment).PAPER_DATA
        remark = f" (stands in for {card['stands_in_for']})" if card["stands_in_for"] else ""
        if own and not paper_data(self.experiment, self.data) and not remark:
            remark = " (not the paper's data)"
        return f"{self.experiment}, {self.data}{remark}, tier {self.tier}{self._betas}"

    @property
    def _betas(self) -> str:
        """How β was chosen, where methods are compared at one β each: β = 1, searched, not searched."""
        if not self.rivals or self.rule == "equal rate":
            return ""
        module = experiments.get(self.experiment)
        searched = module.searched(self.data)
        if searched and experiments.tuned(self.tier, *searched):
            return ", β searched"
        runs = (r for r in module.runs(self.tier, self.data, (0,)) if r.method in (self.method, *self.rivals))
        return ", β = 1" if {run.beta for run in runs} == {1.0} else ", β not searched"

    @property
    def command(self) -> str:
        """What records the runs."""
        if not self.experiment:
            return "blurvae bench" if self.rule == TIMED else "python -m blurvae.experiments.prd"
        planned = experiments.get(self.experiment).GRID[self.tier][self.data]
        seeds = planned if len(planned) >= SEEDS else range(SEEDS)
        given = " ".join(f"--seed {seed}" for seed in seeds)
        return f"blurvae run {self.experiment} --tier {self.tier} --data {self.data} {given} --out data/results"


@dataclass(frozen=True)
class Claim:
    """What is claimed, by whom it is printed where, and what tests it.

    Attributes:
        name: "B1a" to "B13".
        says: the claim in one sentence, in the book's words.
        where: the place in the paper.
        printed: the paper's number.
        evidence: its tests.
        remark: what a verdict on it must not be read without; empty where nothing.
    """

    name: str
    says: str
    where: str
    printed: str
    evidence: tuple[Evidence, ...]
    remark: str = ""


@dataclass(frozen=True)
class Comparison:
    """One number, seed by seed, and the side of a limit on which the claim wants it.

    Attributes:
        what: is measured.
        against: a rival, or what the limit says.
        values: one a seed or round; one in all where nothing is random. Empty where nothing is recorded.
        sign: 1 where the claim wants values above the limit, −1 where below.
        limit: 0 for differences.
        digits: after the decimal point.
        exact: nothing random is in it, so one value is enough.
        collapsed: a model's code tells nothing (`COLLAPSED`), so that the comparison decides nothing.
    """

    what: str
    against: str
    values: tuple[float, ...] = ()
    sign: int = 1
    limit: float = 0.0
    digits: int = 1
    exact: bool = False
    collapsed: bool = False

    @property
    def tested(self) -> bool:
        """Whether there are enough values to call it."""
        return len(self.values) >= (1 if self.exact else SEEDS)

    @property
    def spread(self) -> float:
        """Standard deviation of the values, 0 for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    @property
    def call(self) -> str:
        """How it speaks to the claim.

        "for": every value lies on the claim's side, and their mean by more than their standard deviation. "against":
        the same on the other side. "open": neither. "not tested": too few values. "collapsed": see there.
        """
        if not self.tested:
            return NOT_TESTED
        if self.collapsed:
            return "collapsed"
        margins = [self.sign * (value - self.limit) for value in self.values]
        for side, name in ((1, "for"), (-1, "against")):
            if all(side * m > 0 for m in margins) and side * statistics.fmean(margins) > self.spread:
                return name
        return "open"

    def __str__(self) -> str:
        if not self.values:
            return NOT_RUN
        signed = "+" if not self.limit and not self.exact else ""
        text = f"{statistics.fmean(self.values):{signed}.{self.digits}f}"
        if len(self.values) > 1:
            wins = sum(self.sign * (value - self.limit) > 0 for value in self.values)
            text += f" ± {self.spread:.{self.digits}f} ({wins}/{len(self.values)})"
        return f"{text} {self.call}"


@dataclass(frozen=True)
class Finding:
    """What one piece of evidence says."""

    evidence: Evidence
    comparisons: tuple[Comparison, ...]

    @property
    def calls(self) -> Counter[str]:
        """How many comparisons are for, against, open, collapsed, not tested."""
        return Counter(c.call for c in self.comparisons)

    @property
    def verdict(self) -> str:
        """What the comparisons that did not collapse say together.

        The claim holds where all are for it and holds in part where more are for it than against it; it does not hold
        where more are against it, and is undecided where as many are, none on either side included.
        """
        calls, evidence = self.calls, self.evidence
        if not self.comparisons or calls[NOT_TESTED]:
            return NOT_TESTED
        if calls["for"] and calls["against"] and evidence.depends:
            return f"{DEPENDS} {evidence.depends}"
        if calls["for"] == calls["against"] or (calls["for"] > calls["against"] and evidence.rule in REFUTES):
            return UNDECIDED
        if calls["for"] < calls["against"]:
            return FAILS
        return HOLDS if calls["for"] == len(self.comparisons) - calls["collapsed"] else IN_PART


def verdict(findings: Iterable[Finding]) -> str:
    """The verdict on a claim, which is about all of its tested evidence.

    That of its pieces where they agree; else it holds in part if it does so anywhere, does not hold if it fails
    anywhere, and is undecided otherwise.
    """
    found = {f.verdict for f in findings} - {NOT_TESTED}
    if len(found) < 2:
        return found.pop() if found else NOT_TESTED
    return IN_PART if found - {FAILS, UNDECIDED} else FAILS


def predicate(verdict: str) -> str:
    """A verdict as what a sentence says of a claim: "holds", but "is undecided"."""
    return f"is {verdict}" if verdict in (UNDECIDED, NOT_TESTED) else verdict
