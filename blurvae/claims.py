"""The paper's claims and what the recorded runs say of each: a verdict is computed from its numbers, never typed.

`data/claims.toml` says what is claimed, where, and which comparisons test it; the rules that read them are here.
"""

from __future__ import annotations

import json
import re
import statistics
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blurvae import blur, datasets, experiments, paths
from blurvae.experiments import rate, recorded
from blurvae.metrics.high_frequency import CUTOFF
from blurvae.metrics.rate_curves import Curve, mean_difference
from blurvae.run import Result

HOLDS, IN_PART, FAILS, UNDECIDED, NOT_TESTED = "holds", "holds in part", "does not hold", "undecided", "not tested"
DEPENDS = "depends on"
REFUTES = ("converges",)  # rules that a training hardly fails: they can speak against a claim, not for it
SEEDS = 2  # fewer say nothing about the spread between trainings
COLLAPSED = 5.0  # nats per image, below which a code tells nothing and a comparison with its model decides nothing
LOW = 0.1  # cycles/px, below which chapter 2 calls a frequency low
HALF = 50.0  # %, from where on something dominates
DIFFERENT = 5.0  # %, of its mass in which one image's kernel differs from another's
RISE = 5.0  # %, of the objective from one epoch to the next
CHEAP = 10.0  # %, of a training step


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
            return self.data or "benchmark"
        card, own = datasets.describe(self.data), experiments.get(self.experiment).PAPER_DATA
        remark = f" (stands in for {card['stands_in_for']})" if card["stands_in_for"] else ""
        if own and self.data != own and not remark:
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
        return ", β = 1" if {run.settings.beta for run in runs} == {1.0} else ", β not searched"

    @property
    def command(self) -> str:
        """What records the runs."""
        if not self.experiment:
            return "blurvae bench"
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
            return recorded.NOT_RUN
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


# Reading claims -------------------------------------------------------------------------------------------------------


def load(file: Path | None = None) -> tuple[Claim, ...]:
    """The claims of a file, data/claims.toml of the checkout where None.

    Raises:
        ValueError: a key, rule, experiment, method, metric, tier or data set that does not exist.
    """
    file = paths.root() / "data" / "claims.toml" if file is None else Path(file)
    try:
        return tuple(_claim(entry) for entry in tomllib.loads(file.read_text(encoding="utf-8"))["claim"])
    except KeyError as error:
        raise ValueError(f"{file} has a claim without {error}: add it.") from None
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None


def _claim(entry: dict[str, Any]) -> Claim:
    known = {"name", "says", "where", "printed", "evidence", "remark"}
    if extra := set(entry) - known:
        raise ValueError(f"claim {entry['name']} has {', '.join(sorted(extra))}; it takes {', '.join(sorted(known))}.")
    evidence = tuple(one for group in entry["evidence"] for one in _evidence(entry["name"], dict(group)))
    printed = _printed(entry["printed"])
    return Claim(entry["name"], entry["says"], entry["where"], printed, evidence, entry.get("remark", ""))


def _evidence(claim: str, group: dict[str, Any]) -> list[Evidence]:
    """One for each "tier data" in the group's list `on`."""
    places = [place.split(" ") for place in group.pop("on", [])]
    group = {key: tuple(value) if isinstance(value, list) else value for key, value in group.items()}
    if extra := set(group) - {f.name for f in fields(Evidence)}:
        raise ValueError(f"evidence of claim {claim} has no {', '.join(sorted(extra))}.")
    if group["rule"] not in RULES:
        raise ValueError(f"there is no rule {group['rule']!r} for claim {claim}: choose one of {', '.join(RULES)}.")
    if not group.get("experiment"):
        return [Evidence(**group)]
    module = experiments.get(group["experiment"])
    methods = {m.name for m in (*module.METHODS, *module.VARIANTS)}
    if group["experiment"] == "rate":
        methods = {m.name for m in (*rate.TERMS, *rate.OTHER_TERMS)}
    sides = recorded.HIGHER_IS_BETTER
    for what, names, allowed in (
        ("method", (group["method"], *group.get("rivals", ())), methods),
        ("metric with a better side", (*group.get("metrics", ()), *group.get("worse", ())), set(sides)),
    ):
        if unknown := [name for name in names if name not in allowed]:
            raise ValueError(f"claim {claim} names {unknown[0]!r}, which is no {what} of {group['experiment']}.")
    for place in places:
        if len(place) != 2 or place[1] not in module.GRID.get(place[0], {}):
            raise ValueError(f"claim {claim} wants {' '.join(place)!r}, which {group['experiment']} does not record.")
    if not places:
        raise ValueError(f"evidence of claim {claim} needs `on`, a list such as ['lesson natural'].")
    return [Evidence(**group, tier=tier, data=data) for tier, data in places]


def _printed(text: str) -> str:
    """Fills {table|data|method|column} with the number that the paper prints there."""

    def cell(match: re.Match[str]) -> str:
        table, data, method, column = match.groups()
        rows = recorded.paper_table(table)
        found = rows[(rows.data == data) & (rows.method == method)]
        if found.empty or column not in found:
            raise ValueError(f"{table} of the paper has no {column} of {method} on {data}.")
        return f"{found[column].iloc[0]:g}"

    return re.sub(r"\{([^|{}]+)\|([^|{}]+)\|([^|{}]+)\|([^|{}]+)\}", cell, text)


# Rules ----------------------------------------------------------------------------------------------------------------


def _values(evidence: Evidence, folder: Path | None) -> dict[str, dict[str, dict[int, float]]]:
    """{metric: {method: {seed: value}}}."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    runs = recorded.frame(evidence.experiment, evidence.tier, evidence.data, folder).dropna(subset="value")
    for metric, method, seed, value in zip(runs.metric, runs.method, runs.seed, runs.value):
        found.setdefault(metric, {}).setdefault(method, {})[seed] = value
    return found


def _runs(evidence: Evidence, folder: Path | None) -> list[Result]:
    found = recorded.load(evidence.experiment, evidence.tier, evidence.data, folder)
    return [result for result in found if result.run.method == evidence.method]


def _better(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method minus each rival on each metric, seed by seed."""
    values, made = _values(evidence, folder), []
    for metric in dict.fromkeys((*evidence.metrics, *evidence.worse)):
        side = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        sign = side if metric in evidence.metrics else -side
        for rival in evidence.rivals:
            own, other = (values.get(metric, {}).get(name, {}) for name in (evidence.method, rival))
            gaps = tuple(own[seed] - other[seed] for seed in sorted(own.keys() & other.keys()))
            label, digits = recorded.label(evidence.experiment, rival), recorded.DIGITS[metric]
            rates = values.get("KL", {})
            silent = any(_collapsed(rates.get(name, {}).values()) for name in (evidence.method, rival))
            made.append(Comparison(metric, label, gaps, sign, digits=digits, collapsed=silent))
    return made


def _collapsed(rates: Collection[float]) -> bool:
    """Whether the code of a method's models tells nothing, by their KL terms, one a seed."""
    return bool(rates) and statistics.fmean(rates) < COLLAPSED


def _smaller_change(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the step to the second rival changes a metric by more than the step to the first."""
    values, made = _values(evidence, folder), []
    names = (evidence.method, *evidence.rivals)
    near, far = (recorded.label(evidence.experiment, rival) for rival in evidence.rivals)
    for metric in evidence.metrics:
        own, one, two = (values.get(metric, {}).get(name, {}) for name in names)
        seeds = sorted(own.keys() & one.keys() & two.keys())
        gaps = tuple(abs(own[s] - two[s]) - abs(own[s] - one[s]) for s in seeds)
        against = f"change to {far} minus change to {near}"
        made.append(Comparison(metric, against, gaps, digits=recorded.DIGITS[metric]))
    return made


def _kernel_falls(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the mean kernel width falls faster over the first two weighted epochs than before and later.

    The width is a mean over an epoch's training batches, so it lags behind the switch: two epochs are needed to see a
    change. They are compared with up to two epochs before the switch and with the median of those later.
    """
    gaps = []
    for result in _runs(evidence, folder):
        width = [epoch["kernel_width"] for epoch in result.record["history"]]
        falls = [100 * (1 - after / before) for before, after in pairwise(width)]
        switch = result.run.settings.warm_up - 1  # from the last epoch of the warm-up to the first weighted one
        before, after, later = falls[max(switch - 2, 0) : switch], falls[switch : switch + 2], falls[switch + 2 :]
        others = [statistics.fmean(before)] * bool(before) + [statistics.median(later)] * bool(later)
        gaps.append(statistics.fmean(after) - max(others))
    what = "fall of the kernel width an epoch, first two weighted epochs, %"
    return [Comparison(what, "up to two before, or the median later", tuple(gaps))]


def _kernel_differs(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether images have kernels of their own: the total variation between two of them, mean over pairs."""
    differences = []
    for result in _runs(evidence, folder):
        if "kernel" in result.pictures:
            kernel = result.pictures["kernel"].astype(np.float64)  # (images, K, K)
            pairs = [np.abs(a - b).sum() / 2 for a, b in combinations(kernel, 2)]
            differences.append(100 * float(np.mean(pairs)))
    what = "part of its mass in which an image's kernel differs from another's, %"
    return [Comparison(what, f"over {DIFFERENT:g}", tuple(differences), limit=DIFFERENT)]


def _share(power: torch.Tensor, shape: tuple[int, int], below: float = LOW) -> float:
    """Per cent of a half spectrum's power below a frequency, frequency zero left out as in chapter 2."""
    frequency = blur.radial_frequency(shape)
    weighted = power.double() * blur.hermitian_weights(shape) * (frequency > 0)
    return 100 * (weighted[frequency < below].sum() / weighted.sum()).item()


def _error_share(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether low frequencies hold most of a trained model's squared error, at every β that is recorded."""
    shares: dict[float, list[float]] = {}
    rates: dict[float, list[float]] = {}
    for result in recorded.load(evidence.experiment, evidence.tier, evidence.data, folder):
        if result.run.method.partition(",beta=")[0] == evidence.method and "error_power" in result.pictures:
            power, beta = torch.from_numpy(result.pictures["error_power"]), result.run.settings.beta
            shares.setdefault(beta, []).append(_share(power, (power.shape[0], 2 * (power.shape[1] - 1))))
            rates.setdefault(beta, []).append(result.record["metrics"]["KL"]["mean"])
    label = recorded.label(evidence.experiment, evidence.method)
    made = [
        Comparison(
            f"squared error of {label} below {LOW} cycles/px, β = {beta:g}, %",
            f"over {HALF:g}",
            tuple(own),
            limit=HALF,
            collapsed=_collapsed(rates[beta]),
        )
        for beta, own in sorted(shares.items())
    ]
    return made or [Comparison(f"squared error of {label} below {LOW} cycles/px, %", f"over {HALF:g}", limit=HALF)]


def _blur_share(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the error of Gaussian blurs of patches of 64×64 px is one of low frequencies, in three readings.

    As a sum over the frequencies below 0.1 cycles/px, over those below 0.25, and per frequency.
    """
    x = torch.from_numpy(np.array(datasets.load(evidence.data, "test", size=64).images) / 255)
    made, few = [], _share(torch.ones(64, 33), (64, 64))  # few: per cent of the frequencies that are low
    for variance in (2.0, 4.0):
        error = blur.blur_error_spectrum(x, blur.gaussian_kernel(11, variance, dtype=x.dtype)).mean((0, 1))
        of = f"variance {variance:g}, {len(x)} patches"
        for below in (LOW, CUTOFF):
            what, share = f"blur error below {below:g} cycles/px, {of}, %", _share(error, (64, 64), below)
            made.append(Comparison(what, f"over {HALF:g}", (share,), limit=HALF, digits=0, exact=True))
        what = f"blur error per frequency below {LOW} cycles/px, {of}, in units of its mean"
        made.append(Comparison(what, "over 1", (_share(error, (64, 64)) / few,), limit=1.0, exact=True))
    return made


def _determinant(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the determinant's time grows no faster than the pixels, and is a small part of a step at 64×64 px."""
    file = (paths.results() if folder is None else folder) / "bench" / "cpu.json"
    exponents, shares, machine = [], [], "not run"
    if file.exists() and not (record := json.loads(file.read_text(encoding="utf-8")))["quick"]:
        machine, determinant = record["machine"]["name"], record["parts"]["log-determinant"]
        exponents.append(float(determinant["fft"]["exponent"]))
        seconds = determinant["fft with gradient"]["seconds"]["64"]["max"]
        rounds = record["parts"]["step"]["batches"]["64"]["ours"]["images_per_second"]["rounds"]
        shares = [100 * seconds * speed for speed in rounds]
    part = f"log-determinant with its gradient, % of a step's time at 64×64 px, {machine}"
    return [
        Comparison(part, f"under {CHEAP:g}", tuple(shares), sign=-1, limit=CHEAP),
        Comparison("exponent of its time in the number of pixels", "under 1.1", tuple(exponents), -1, 1.1, 2, True),
    ]


def _converges(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether both players' losses fall while the weighting is on, without a jump."""
    values: list[list[float]] = [[], [], []]
    weighted = 0
    for result in _runs(evidence, folder):
        epochs = [epoch for epoch in result.record["history"] if epoch["weighted"]]
        weighted = len(epochs)
        objective = [epoch["reconstruction"] + result.run.settings.beta * epoch["kl"] for epoch in epochs]
        kernel = [epoch["kernel_loss"] for epoch in epochs]
        values[0].append(100 * (objective[-1] / objective[0] - 1))
        values[1].append(100 * (kernel[-1] / kernel[0] - 1))
        values[2].append(100 * max(after / before - 1 for before, after in pairwise(objective)))
    last = f"last of {weighted} weighted epochs against first, %"
    names = (
        (f"objective, {last}", "below 0"),
        (f"kernel loss, {last}", "below 0"),
        ("largest rise of the objective between epochs, %", f"under {RISE:g}"),
    )
    limits = (0.0, 0.0, RISE)
    return [Comparison(*name, tuple(v), sign=-1, limit=limit) for name, v, limit in zip(names, values, limits)]


def _fitted_covariance(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method's −ELBO minus that of L2 with one variance, and with one spectrum, fitted to its errors."""
    own = _values(evidence, folder).get("−ELBO", {}).get(evidence.method, {})
    squared = _runs(replace(evidence, method="l2"), folder)
    rivals = {r.run.settings.seed: recorded.fitted_bounds(r) for r in squared}
    made = []
    for name in recorded.FITTED:
        seeds = sorted(seed for seed in own if name in rivals.get(seed, {}))
        gaps = tuple(own[seed] - rivals[seed][name] for seed in seeds)
        made.append(Comparison("−ELBO", f"L2, {name}", gaps, sign=-1, digits=0))
    return made


def _equal_rate(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The mean height of the method's curve over KL above a rival's, seed by seed, all β recorded."""
    values, made = _values(evidence, folder), []
    for metric in evidence.metrics:
        for rival in evidence.rivals:
            betas = rate.betas(evidence.data)
            names = [[f"{m},beta={beta:g}" for beta in betas] for m in (rival, evidence.method)]
            cells = [[values.get(k, {}).get(n, {}) for n in names[0] + names[1]] for k in ("KL", metric)]
            seeds = sorted(set.intersection(*(set(cell) for row in cells for cell in row)))
            gaps, half = [], len(betas)
            for seed in seeds:
                kl, quality = ([cell[seed] for cell in row] for row in cells)
                gaps.append(mean_difference(Curve(kl[:half], quality[:half]), Curve(kl[half:], quality[half:])))
            sign = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
            against, digits = f"{recorded.label('rate', rival)} at equal KL", recorded.DIGITS[metric]
            made.append(Comparison(metric, against, tuple(gaps), sign, digits=digits))
    return made


RULES: dict[str, Callable[[Evidence, Path | None], list[Comparison]]] = {
    "better": _better,
    "smaller change": _smaller_change,
    "kernel falls": _kernel_falls,
    "kernel differs": _kernel_differs,
    "error share": _error_share,
    "blur share": _blur_share,
    "determinant": _determinant,
    "converges": _converges,
    "fitted covariance": _fitted_covariance,
    "equal rate": _equal_rate,
}


def findings(claim: Claim, folder: Path | None = None) -> tuple[Finding, ...]:
    """What each piece of a claim's evidence says.

    Args:
        claim: one of `load`.
        folder: of results; the checkout's data/results where None.
    """
    return tuple(Finding(e, tuple(RULES[e.rule](e, folder))) for e in claim.evidence)


# Pages ----------------------------------------------------------------------------------------------------------------

COLUMNS = ("claim", "the paper", "ours", "verdict", "evidence")
Found = dict[Claim, tuple[Finding, ...]]


def find_all(folder: Path | None = None) -> Found:
    """Every claim with its findings."""
    return {claim: findings(claim, folder) for claim in load()}


def table(found: Found, link: Callable[[str], str] = str) -> list[str]:
    """The verdicts as lines of a Markdown table, one row a claim.

    Args:
        found: of `find_all`.
        link: from a chapter's number to what the page shows for it.
    """
    rows = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    for claim, made in found.items():
        chapters = ", ".join(link(number) for number in dict.fromkeys(f.evidence.chapter for f in made))
        tested = [f for f in made if f.verdict != NOT_TESTED]
        ours = "<br>".join(map(_headline, tested)) or "–"
        tiers = ", ".join(dict.fromkeys(f"tier {f.evidence.tier}" for f in tested if f.evidence.tier))
        count = f"{len(tested)} of {len(made)} tested"
        rows.append(
            f"| [{claim.name}](#{_anchor(claim)}) {claim.says} | {claim.where}: {claim.printed} | {ours} "
            f"| **{verdict(made)}** ({f'{tiers}; ' if tiers else ''}{count}) | {chapters} |"
        )
    return rows


def _trouble(made: Iterable[Finding]) -> str:
    """How many runs of how many weighted epochs the rule of convergence has seen, where none speaks against it."""
    seen = [f for f in made if f.evidence.rule in REFUTES and f.verdict == UNDECIDED]
    if not seen:
        return ""
    epochs = [int(number) for f in seen for number in re.findall(r"last of (\d+) weighted", f.comparisons[0].what)]
    runs = sum(len(f.comparisons[0].values) for f in seen)
    return f"No trouble seen in {runs} runs of {min(epochs)} to {max(epochs)} weighted epochs."


def _anchor(claim: Claim) -> str:
    return f"claim-{claim.name.lower()}"


def _headline(finding: Finding) -> str:
    """The first comparison, with where and how often, and how many speak for the claim and against it."""
    first = finding.comparisons[0]
    repeats = [len(c.values) for c in finding.comparisons if not c.exact]
    seeds = f", {min(repeats)} {'seeds' if finding.evidence.experiment else 'rounds'}" if repeats else ""
    calls = finding.calls
    count = ", ".join(f"{calls[call]} {call}" for call in ("for", "open", "against", "collapsed") if calls[call])
    more = f"; in all {count}" if len(finding.comparisons) > 1 else ""
    return f"*{finding.verdict}*: {finding.evidence.where}{seeds}: {first.what} ({first.against}) {first}{more}."


def details(found: Found, link: Callable[[str], str] = str) -> list[str]:
    """Every comparison as Markdown: for each claim and piece of evidence a table, or the command that records it."""
    lines: list[str] = []
    for claim, made in found.items():
        lines += [f"{{#{_anchor(claim)}}}", f"**{claim.name}, {verdict(made)}.** {claim.says}", ""]
        if remark := " ".join(filter(None, (_trouble(made), claim.remark))):
            lines += [remark, ""]
        for finding in made:
            if finding.verdict == NOT_TESTED:
                continue
            rule = finding.evidence.rule
            lines += [
                f"- {finding.evidence.where} ({link(finding.evidence.chapter)}; {rule}): **{finding.verdict}**",
                "",
            ]
            against = list(dict.fromkeys(c.against for c in finding.comparisons))
            cells = {(c.what, c.against): str(c) for c in finding.comparisons}
            lines += [f"  |  | {' | '.join(against)} |", f"  |---|{'---:|' * len(against)}"]
            for what in dict.fromkeys(c.what for c in finding.comparisons):
                lines.append(f"  | {what} | {' | '.join(cells.get((what, rival), '–') for rival in against)} |")
            lines.append("")
        waiting: dict[str, int] = {}
        for finding in (f for f in made if f.verdict == NOT_TESTED):
            seeds = min(len(c.values) for c in finding.comparisons if not c.tested)
            line = f"- {finding.evidence.where}: **{NOT_TESTED}**, `{finding.evidence.command}`"
            waiting[line] = min(seeds, waiting.get(line, seeds))
        lines += [f"{line} ({seeds} of at least {SEEDS} seeds recorded)" for line, seeds in waiting.items()]
        lines.append("")
    return lines
