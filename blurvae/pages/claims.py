"""What the runs say of the claims: as Markdown for their page, as tables and words for chapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

import pandas as pd

from blurvae.claims.ledger import Found, load
from blurvae.claims.model import SEEDS, TIMED, Claim
from blurvae.claims.rules import findings
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
    verdict,
)

COLUMNS = ("claim", "the paper", "ours", "verdict", "evidence")


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
    """The first comparison, with where and how often, and what the others say where there are any."""
    first = finding.judged[0]
    repeats = [len(c.values) for c in finding.comparisons if not c.exact]
    seeds = f", {min(repeats)} {'rounds' if finding.evidence.rule == TIMED else 'seeds'}" if repeats else ""
    c, more = first.comparison, f"; {decided(finding)}" if len(finding.comparisons) > 1 else ""
    return f"*{finding.verdict}*: {finding.evidence.where}{seeds}: {c.what} ({c.against}) {first}{more}."


def decided(finding: Finding) -> str:
    """What is decided within a piece, by metric and rival, and how many seeds would decide the rest.

    As in "for it PSNR (L2, CE), against it SSIM (L2); 12 seeds would decide the others".
    """
    parts = []
    for call in (FOR, AGAINST):
        rivals: dict[str, list[str]] = {}
        for j in finding.judged:
            if j.call == call:
                rivals.setdefault(j.comparison.what, []).append(j.comparison.against)
        if rivals:
            parts.append(f"{call} it " + ", ".join(f"{what} ({', '.join(own)})" for what, own in rivals.items()))
    text = ", ".join(parts) or "nothing is decided"
    if OPEN not in finding.calls:
        return text
    the_rest = "the others" if parts else "all"
    if not finding.seeds:
        return f"{text}; no number of seeds that could be trained would decide {the_rest}"
    return f"{text}; {finding.seeds} seeds would decide {the_rest}"


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
            cells = {(j.comparison.what, j.comparison.against): str(j) for j in finding.judged}
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


def calls(finding: Finding) -> pd.DataFrame:
    """The comparisons of a piece, rivals by metrics: the mean difference, its interval, and how it is called."""
    cells = {(j.comparison.against, j.comparison.what): str(j) for j in finding.judged}
    table = pd.Series(cells).unstack()
    order = [list(dict.fromkeys(names)) for names in zip(*cells, strict=True)]
    return table.reindex(index=order[0], columns=order[1]).fillna("–")


def summary(made: Iterable[Finding]) -> pd.DataFrame:
    """The verdict of each piece and what is decided in it, one row a piece."""
    rows = [
        {
            "data": f.evidence.data,
            "compared at": f.evidence.point or "–",
            "verdict": f.verdict,
            "decided": "–" if f.verdict == NOT_TESTED else decided(f),
        }
        for f in made
    ]
    return pd.DataFrame(rows).set_index("data")


def comparisons(made: Iterable[Finding]) -> pd.DataFrame:
    """Every comparison behind findings: the mean, its interval, and what follows, one a row."""
    rows = [
        {
            "experiment": f.evidence.experiment,
            "data": f.evidence.data,
            "what is measured": j.comparison.what,
            "claimed": j.comparison.against,
            "found": str(j),
        }
        for f in made
        for j in f.judged
    ]
    return pd.DataFrame(rows).set_index("data")


def joined(verdicts: Mapping[str, str]) -> str:
    """Verdicts as a sentence says them, equal ones once: "holds on photographs and on faces".

    Args:
        verdicts: the verdict by where it was found, with its preposition: "on photographs".
    """
    places: dict[str, list[str]] = {}
    for place, said in verdicts.items():
        places.setdefault(predicate(said), []).append(place)
    denied = (FAILS, predicate(NOT_TESTED))
    parts = [f"{words} {(' or ' if words in denied else ' and ').join(where)}" for words, where in places.items()]
    return (" and " if len(parts) == len(verdicts) else ", and ").join(parts)
