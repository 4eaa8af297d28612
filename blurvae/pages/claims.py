"""What the runs say of the claims: as Markdown for their page, as tables and words for chapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

import pandas as pd

from blurvae.claims.ledger import Found, load
from blurvae.claims.model import (
    FAILS,
    HOLDS,
    IN_PART,
    NOT_TESTED,
    REFUTES,
    SEEDS,
    TIMED,
    UNDECIDED,
    Claim,
    Finding,
    predicate,
    verdict,
)
from blurvae.claims.rules import findings
from blurvae.experiments import recorded

COLUMNS = ("claim", "the paper", "ours", "verdict", "evidence")
CALLS = ("for", "open", "against", "collapsed")


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
    seeds = f", {min(repeats)} {'rounds' if finding.evidence.rule == TIMED else 'seeds'}" if repeats else ""
    calls = finding.calls
    count = ", ".join(f"{calls[call]} {call}" for call in CALLS if calls[call])
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


def found(name: str, experiments: Collection[str], tier: str = "lesson") -> list[Finding]:
    """What the recorded runs of some experiments say of one claim.

    Args:
        name: of the claim, such as "B2".
        experiments: names of experiments.
        tier: "smoke", "lesson", "study" or "paper".
    """
    claim = next(c for c in load() if c.name == name)
    return [f for f in findings(claim) if f.evidence.experiment in experiments and f.evidence.tier == tier]


def calls(made: Iterable[Finding]) -> pd.DataFrame:
    """How many comparisons are for a claim, open, against it or collapsed, and the verdict: one row a finding."""
    rows = []
    for f in made:
        e = f.evidence
        rivals = ", ".join(recorded.label(e.experiment, rival) for rival in e.rivals)
        counted = {call: f.calls[call] for call in CALLS}
        beta = e.where.rpartition(", β ")[2].removeprefix("= ") if ", β " in e.where else "–"
        rows.append({"data": e.data, "rule": e.rule, "β": beta, "rivals": rivals} | counted | {"verdict": f.verdict})
    return pd.DataFrame(rows).set_index("data")


def comparisons(made: Iterable[Finding]) -> pd.DataFrame:
    """Every comparison behind findings: mean ± sd, in how many seeds on the claim's side, and what follows."""
    rows = [
        {
            "experiment": f.evidence.experiment,
            "data": f.evidence.data,
            "what is measured": c.what,
            "claimed": c.against,
            "found": str(c),
        }
        for f in made
        for c in f.comparisons
    ]
    return pd.DataFrame(rows).set_index("data")


def joined(verdicts: Mapping[str, str]) -> str:
    """Verdicts as a sentence says them, equal ones once: "holds in part on photographs and on faces".

    Args:
        verdicts: the verdict by where it was found, with its preposition: "on photographs".
    """
    places: dict[str, list[str]] = {}
    for place, said in verdicts.items():
        places.setdefault(predicate(said), []).append(place)
    if HOLDS in places and IN_PART in places:
        places = {HOLDS: places.pop(HOLDS), "in part": places.pop(IN_PART), **places}
    denied = (FAILS, predicate(NOT_TESTED))
    parts = [f"{words} {(' or ' if words in denied else ' and ').join(where)}" for words, where in places.items()]
    return (" and " if len(parts) == len(verdicts) else ", and ").join(parts)
