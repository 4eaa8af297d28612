"""What the runs say of a claim, in words: where, what is decided, and how many seeds would decide the rest."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from blurvae.claims.inference import MOST
from blurvae.claims.model import Evidence
from blurvae.claims.verdict import (
    AGAINST,
    FAILS,
    FOR,
    NOT_TESTED,
    OPEN,
    REFUTES,
    UNDECIDED,
    Finding,
    predicate,
    weighty,
)
from blurvae.experiments.recorded import NOT_RUN

SETTING = r"\b(?:β|K|k) = [\d.]*\d"  # at which something is measured
LONGEST = 140  # characters of what is decided, before its rivals are left to the plot


def place(evidence: Evidence) -> str:
    """The data set and the operating point: "faces64, β = 1"."""
    return ", ".join(filter(None, (evidence.data or "benchmark", evidence.point)))


def quantity(what: str) -> str:
    """What is measured, without the setting at which it is: one column of a plot."""
    return re.sub(rf", {SETTING}|(?<=last of )\d+ ", "", what)


def decided(finding: Finding) -> str:
    """What is decided within a piece, by metric and rival, and how many seeds would decide the rest.

    As in "for it PSNR (L2, CE), against it SSIM (L2); 12 seeds would decide the others".
    """
    if finding.verdict == NOT_TESTED:
        return "too few seeds are recorded"
    parts = []
    for call in (FOR, AGAINST):
        rivals: dict[str, list[str]] = {}
        for j in finding.judged:
            if j.call == call:
                rivals.setdefault(j.comparison.what, []).append(j.comparison.against)
        if rivals:
            parts.append(f"{call} it " + ", ".join(_told(what, own) for what, own in rivals.items()))
    text = ", ".join(parts) or "nothing is decided"
    return f"{text}; {_rest([finding], bool(parts))}" if OPEN in finding.calls else text


def _rest(made: Sequence[Finding], some: bool) -> str:
    """How many seeds would decide what is open in some pieces."""
    the_rest = "the others" if some else "all"
    needed = [f.seeds for f in made if OPEN in f.calls]
    if not all(needed):
        return f"more than {MOST:,} seeds would be needed to decide {the_rest}"
    return f"{max(n for n in needed if n)} seeds would decide {the_rest}"


def summary(made: Iterable[Finding]) -> str:
    """One sentence on a claim: the tier that speaks, what is decided where, and the seeds that decide the rest."""
    made = list(made)
    found = weighty(made)
    if not found:
        return "Too few seeds are recorded." if made else "Nothing tests it."
    tiers = dict.fromkeys(f.evidence.tier for f in found if f.evidence.tier)
    head = f"Tier {' and '.join(f'`{tier}`' for tier in tiers)}: " if tiers else ""
    parts = [text for call in (FOR, AGAINST) if (text := _where(found, call))]
    text = "; ".join(parts) or "nothing is decided"
    if trouble := _trouble(found):
        return f"{head}{trouble}"
    if any(OPEN in f.calls for f in found):
        text += f"; {_rest(found, bool(parts))}"
    return _sentence(f"{head}{text}")


def tally(made: Iterable[Finding]) -> str:
    """How many comparisons are for a claim, against it and open: "1 for, 4 against, 25 open"."""
    found = Counter(j.call for f in weighty(made) for j in f.judged)
    return ", ".join(f"{found[call]} {call}" for call in (FOR, AGAINST, OPEN))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _where(found: Sequence[Finding], call: str) -> str:
    """What is called so, by place: with its rivals, without where that is long, or only how much of it."""
    places: dict[str, dict[str, dict[str, None]]] = {}
    for f in found:
        for c in (j.comparison for j in f.judged if j.call == call):
            places.setdefault(place(f.evidence), {}).setdefault(quantity(c.what), {})[c.against] = None
    if not places:
        return ""

    for whole in (True, False):
        texts: dict[str, list[str]] = {}
        for where, names in places.items():
            text = ", ".join(_told(name, rivals if whole else ()) for name, rivals in names.items())
            texts.setdefault(text, []).append(where)
        line = "; ".join(f"{text} on {' and on '.join(where)}" for text, where in texts.items())
        if len(line) <= LONGEST:
            return f"{call} it {line}"
    return f"{call} it {_counted(found, call)}"


def _counted(found: Iterable[Finding], call: str) -> str:
    """How many comparisons are called so, by place: "4 of 10 on natural, β = 1"."""
    places: dict[str, list[bool]] = {}
    for f in found:
        places.setdefault(place(f.evidence), []).extend(j.call == call for j in f.judged)
    return "; ".join(f"{sum(own)} of {len(own)} on {where}" for where, own in places.items() if any(own))


def _told(what: str, rivals: Collection[str]) -> str:
    """What is measured and against what: "PSNR (L2, CE)", "squared error below 0.1 cycles/px (over 50 %)"."""
    bare = what.removesuffix(", %")
    percent = " %" * (bare != what and len(rivals) == 1 and next(iter(rivals))[-1].isdigit())
    text = ("; " if any("," in one for one in rivals) else ", ").join(rivals)
    return f"{bare} ({text}{percent})" if rivals else bare


def _trouble(made: Iterable[Finding]) -> str:
    """How many runs of how many weighted epochs the rule of convergence has seen, where none speaks against it."""
    seen = [f for f in made if f.evidence.rule in REFUTES and f.verdict == UNDECIDED]
    if not seen:
        return ""
    epochs = [int(number) for f in seen for number in re.findall(r"last of (\d+) weighted", f.comparisons[0].what)]
    runs = sum(len(f.comparisons[0].values) for f in seen)
    return f"no trouble seen in {runs} runs of {min(epochs)} to {max(epochs)} weighted epochs."


def joined(verdicts: Mapping[str, str]) -> str:
    """Verdicts as a sentence says them, equal ones once: "holds on photographs and on faces".

    Args:
        verdicts: the verdict by where it was found, with its preposition: "on photographs".
    """
    places: dict[str, list[str]] = {}
    for where, said in verdicts.items():
        places.setdefault(predicate(said), []).append(where)
    denied = (FAILS, predicate(NOT_TESTED))
    parts = [f"{words} {_listed(where, 'or' if words in denied else 'and')}" for words, where in places.items()]
    return (" and " if len(parts) == len(verdicts) else ", and ").join(parts)


def sides(made: Sequence[Finding]) -> str:
    """In which metrics all pieces have the mean difference on one side, in a half-sentence; "not run" where one lacks.

    As in "the same in PSNR and SSIM, another in LPIPS-squeeze": of longer and longer trainings, whether their order
    stays. Means are compared, whatever their intervals are, but of no metric that decides nothing in one of them.
    """
    found: dict[str, set[bool]] = {}
    silent = {c.what for f in made for c in f.comparisons if c.silent}
    for comparison in (c for f in made for c in f.comparisons if c.what not in silent):
        if not comparison.values:
            return NOT_RUN
        found.setdefault(comparison.what, set()).add(statistics.fmean(comparison.margins) > 0)
    same, other = ([what for what, own in found.items() if (len(own) == 1) == one] for one in (True, False))
    parts = [f"{word} in {_listed(names)}" for word, names in (("the same", same), ("another", other)) if names]
    return ", ".join(parts) or NOT_RUN


def _listed(names: Sequence[str], last: str = "and") -> str:
    """As in "a, b and c"."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))
