"""What is claimed, what tests it, and the numbers that a test compares."""

from __future__ import annotations

from dataclasses import dataclass

from blurvae import datasets, experiments
from blurvae.claims.inference import Sides, sides
from blurvae.experiments.recorded import paper_data

TIMED = "determinant"  # the rule that reads the benchmark, in rounds in the place of seeds
# Where rules compare that know a method, or its rival, at several β.
POINTS = {"equal rate": "equal KL", "at its rate": "equal KL", "searched": "β searched"}
SEEDS = 3  # fewer say next to nothing about the spread between trainings


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
        margins: of a claim that a metric hardly differs, by how much it may; one for each of `metrics`.
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
    margins: tuple[float, ...] = ()
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
        return ", ".join(filter(None, (self.experiment, f"{self.data}{remark}", f"tier {self.tier}", self.point)))

    @property
    def point(self) -> str:
        """Where on their curves methods are compared, or "".

        "β = 1", "β searched", by a search with the same methods and networks, "β of another search", "β not searched"
        or "equal KL".
        """
        if self.rule in POINTS:
            return POINTS[self.rule]
        if not self.rivals:
            return ""
        module = experiments.get(self.experiment)
        searched = module.searched(self.data)
        if searched and experiments.tuned(self.tier, *searched):
            own = experiments.resolve(self.experiment), self.data
            return "β searched" if tuple(searched) == own else "β of another search"
        runs = (r for r in module.runs(self.tier, self.data, (0,)) if r.method in (self.method, *self.rivals))
        betas = {run.beta for run in runs}
        return "" if betas == {None} else "β = 1" if betas == {1.0} else "β not searched"

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
        name: such as "B1a".
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
    """One number, seed by seed, and the side of a limit on which the claim wants its mean.

    Attributes:
        what: is measured.
        against: a rival, or what the limit says.
        values: one a seed or round; one in all where nothing is random. Empty where nothing is recorded.
        sign: 1 where the claim wants values above the limit, −1 where below.
        limit: 0 for differences.
        digits: after the decimal point.
        exact: nothing random is in it, so one value is enough.
        near: of a claim that the mean hardly differs from the limit, by how much it may; 0 for all others.
        silent: why it decides nothing, whatever the numbers are; empty for most.
    """

    what: str
    against: str
    values: tuple[float, ...] = ()
    sign: int = 1
    limit: float = 0.0
    digits: int = 1
    exact: bool = False
    near: float = 0.0
    silent: str = ""

    @property
    def tested(self) -> bool:
        """Whether there are enough values to decide."""
        return len(self.values) >= (1 if self.exact else SEEDS)

    @property
    def margins(self) -> tuple[float, ...]:
        """The values' distances from the limit, positive on the claim's side."""
        return tuple(self.sign * (value - self.limit) for value in self.values)

    @property
    def sides(self) -> Sides:
        """How the values speak for the claim and against it, see `inference.sides`."""
        return sides(self.margins, self.near)
