"""Claims by places, a coloured and lettered cell each: the verdicts of a document at a glance, as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from blurvae.claims.ledger import Found
from blurvae.claims.verdict import DEPENDS, FAILS, HOLDS, NOT_TESTED, UNDECIDED, Finding, verdict
from blurvae.pages.claims.words import place

LETTERS = {HOLDS: "H", FAILS: "N", DEPENDS: "D", UNDECIDED: "U"}
POINTS = ("", "β = 1", "β searched", "β of another search", "β not searched", "equal KL")


def kind(word: str) -> str:
    """A verdict without what it depends on."""
    return DEPENDS if word.startswith(DEPENDS) else word


def css(word: str) -> str:
    """The class of a verdict's colour: "holds", "does-not-hold", "depends-on", "undecided", "not-tested"."""
    return kind(word).replace(" ", "-")


def chip(word: str) -> str:
    """A verdict as HTML, on its colour."""
    return f'<span class="verdict {css(word)}">{escape(word)}</span>'


def places(made: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Pieces of evidence by where they were tested: data sets as they come, operating points in one order."""
    made = list(made)
    sets = list(dict.fromkeys(f.evidence.data for f in made))
    found: dict[str, list[Finding]] = {}
    points = (*POINTS, *(f.evidence.point for f in made))  # a point that has no place in the order comes last
    for f in sorted(made, key=lambda f: (sets.index(f.evidence.data), points.index(f.evidence.point))):
        found.setdefault(place(f.evidence), []).append(f)
    return found


def matrix(found: Found, page: str = "", *, small: bool = False) -> str:
    """The verdict on each claim, over all its evidence and place by place.

    Args:
        found: of `ledger.find_all`.
        page: the address of the page with the claims' sections, empty on that page itself.
        small: one line a claim, in the place of its whole sentence.

    Returns:
        A table with its legend. A place has a column where something is tested there; the others are named below.
    """
    every = places(f for made in found.values() for f in made)
    tested = {name: made for name, made in every.items() if any(f.verdict != NOT_TESTED for f in made)}
    starts = {name for i, name in enumerate(tested) if not i or _data(tested, i) != _data(tested, i - 1)}
    head = "".join(
        f'<th scope="col"{_first(name in starts)}><span>{escape(name)}</span></th>' for name in ("over all", *tested)
    )
    rows = []
    for claim, made in found.items():
        address = f"{page}#claim-{claim.name.lower()}"
        own = places(made)
        cells = [_cell(claim.name, "over all", verdict(made), address, first=True)]
        for name in tested:
            word = verdict(own[name]) if name in own else ""
            cells.append(_cell(claim.name, name, word, address, first=name in starts))
        says = f'<span class="says" title="{escape(claim.says)}">{escape(claim.says)}</span>'
        rows.append(f'<tr><th scope="row"><a href="{address}">{claim.name}</a> {says}</th>{"".join(cells)}</tr>')
    table = f'<table><thead><tr><th scope="col">claim</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    frame = (
        f'<div class="verdict-matrix{" small" * small}" tabindex="0" role="region" aria-label="Verdicts">{table}</div>'
    )
    return "\n".join(filter(None, (frame, _legend(), "" if small else _untested(found))))


def _untested(found: Found) -> str:
    """The data sets for which evidence is planned and none is recorded, as a sentence; empty where there is none."""
    every = [f for made in found.values() for f in made]
    tested = {f.evidence.data for f in every if f.verdict != NOT_TESTED}
    names = dict.fromkeys(f.evidence.data for f in every if f.evidence.data not in tested)
    return f'<p class="verdict-legend">Nothing is recorded yet on {", ".join(map(escape, names))}.</p>' if names else ""


def _data(tested: dict[str, list[Finding]], i: int) -> str:
    return list(tested.values())[i][0].evidence.data


def _first(yes: bool) -> str:
    return ' class="first"' * yes


def _cell(claim: str, where: str, word: str, address: str, first: bool) -> str:
    """A cell: a letter on a colour, which says its word to who hears it."""
    if not word:
        return f"<td{_first(first)}></td>"
    said = f'title="{claim} {escape(where)}: {escape(word)}" aria-label="{escape(word)}"'
    shown = "first " * first + css(word)
    if word == NOT_TESTED:
        return f'<td class="{shown}"><span {said} role="img">·</span></td>'
    return f'<td class="{shown}"><a href="{address}" {said}>{LETTERS[kind(word)]}</a></td>'


def _legend() -> str:
    items = "".join(
        f'<span class="item"><b class="{css(word)}">{letter}</b> {word}{" …" * (word == DEPENDS)}</span>'
        for word, letter in LETTERS.items()
    )
    return f'<p class="verdict-legend">{items}<span class="item"><b class="not-tested">·</b> {NOT_TESTED}</span></p>'
