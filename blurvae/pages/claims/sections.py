"""The section of each claim: what is claimed, the verdict and one sentence, the plot, and the folded evidence.

A plot in which nothing could be decided is folded with the evidence, so that the page stays a few screens long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from blurvae.claims.ledger import Found
from blurvae.claims.model import SEEDS, Claim
from blurvae.claims.verdict import NOT_TESTED, UNDECIDED, Finding, verdict
from blurvae.pages.claims.forest import forest
from blurvae.pages.claims.matrix import chip
from blurvae.pages.claims.words import decided, summary


def anchor(claim: Claim) -> str:
    """Of its section: "claim-b2"."""
    return f"claim-{claim.name.lower()}"


def sections(found: Found, link: Callable[[str], str] = str) -> list[str]:
    """Every claim as Markdown.

    Args:
        found: of `ledger.find_all`.
        link: from a chapter's number to what the page shows for it.
    """
    lines: list[str] = []
    for claim, made in found.items():
        lines += [
            ":::::{container} claim",
            f"{{#{anchor(claim)}}}",
            f"**{claim.name}** {chip(word := verdict(made))} *{claim.says}* {summary(made)}",
            "",
        ]
        plot = [drawn, ""] if (drawn := forest(claim, made)) else []
        seen, folded = ([], plot) if word == UNDECIDED else (plot, [])
        lines += [*seen, "::::{dropdown} Evidence", ":class-container: evidence", "", *folded]
        lines += [*details(claim, made, link), "::::"]
        lines += [":::::", ""]
    return lines


def details(claim: Claim, made: Iterable[Finding], link: Callable[[str], str] = str) -> list[str]:
    """Every comparison of a claim as Markdown: a table for each piece of evidence, or the command that records it."""
    made = list(made)
    lines = [*([claim.remark, ""] if claim.remark else []), f"Claimed in {claim.where}: {claim.printed}.", ""]
    for finding in (f for f in made if f.verdict != NOT_TESTED):
        rule = finding.evidence.rule
        head = f"{finding.evidence.where} ({link(finding.evidence.chapter)}; {rule})"
        lines += [f"- {head}: **{finding.verdict}**; {decided(finding)}.", ""]
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
    for line, seeds in waiting.items():
        shared = " with a KL in common" if "equal KL" in line else ""
        lines.append(f"{line} ({seeds} of at least {SEEDS} seeds recorded{shared})")
    return [*lines, ""]
