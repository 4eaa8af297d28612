"""A claim's comparisons as a forest plot: inline SVG, whose letters stay text and whose colours follow the theme.

It is written out, not drawn by matplotlib: fifty of them would take a build half a minute.
"""

from __future__ import annotations

import statistics
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from blurvae.claims.model import Claim
from blurvae.claims.verdict import AGAINST, FOR, OPEN, Finding
from blurvae.experiments import recorded
from blurvae.pages.claims.axis import GAP, LETTER, Axis, number
from blurvae.pages.claims.marks import Mark, marks

WIDTH, ROW = 688, 14  # px
NARROWEST, FEWEST, TIGHTEST = 70, 4, 36  # px of an axis and rows of parts beside one another, px of any axis
BEYOND = 0.6  # of what the means span, that an axis shows further for open intervals


def forest(claim: Claim, made: Iterable[Finding]) -> str:
    """The plot: a column for each metric with its own axis, a row for each place and rival.

    Returns:
        A figure with an inline SVG, without a blank line, for the middle of a page; empty where nothing is recorded.
    """
    found = marks(made)
    if not found:
        return ""
    columns, height = list(dict.fromkeys(m.column for m in found)), 0.0
    parts: list[str] = []
    for block in _blocks(list(dict.fromkeys(m.row for m in found)), columns):
        own = [m for m in found if m.column in block]
        spans = {column: _span([m for m in own if m.column == column]) for column in block}
        groups = _split(list(dict.fromkeys(m.row for m in own)), len(block))
        step = (WIDTH + GAP) / len(groups)
        panels = [_panel([m for m in own if m.row in g], g, spans, i * step, step - GAP) for i, g in enumerate(groups)]
        inner = "".join(part for drawn, _ in panels for part in drawn)
        parts.append(f'<g transform="translate(0 {height:g})">{inner}</g>' if parts else inner)
        height += max(tall for _, tall in panels)
    told = f"Forest plot of {claim.name}: {len(found)} comparisons in {len(columns)} columns."
    svg = f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img" aria-label="{told}">'
    return f'<figure class="forest" tabindex="0">{svg}{"".join(parts)}</svg></figure>'


def _blocks(rows: list[tuple[str, str]], columns: list[str]) -> list[list[str]]:
    """The columns, in two blocks one below the other where their axes would have no room for two numbers."""
    half, (*_, each) = -(-len(columns) // 2), _widths(rows, len(columns), WIDTH)
    return [columns[:half], columns[half:]] if each < TIGHTEST else [columns]


def _split(rows: list[tuple[str, str]], columns: int) -> list[list[tuple[str, str]]]:
    """The rows in as many parts side by side as leave room for their axes, parted between places where that is near."""
    for count in (3, 2):
        axes = (WIDTH + GAP) / count - GAP - sum(_labels(rows))
        if len(rows) >= FEWEST * count and axes / columns - GAP >= NARROWEST:
            ends = [0]
            for i in range(1, count):
                even = round(i * len(rows) / count)
                near = [
                    k for k in range(even - 2, even + 3) if ends[-1] < k < len(rows) and rows[k][0] != rows[k - 1][0]
                ]
                ends.append(min(near, key=lambda k: abs(k - even)) if near else even)
            return [rows[start:end] for start, end in zip(ends, [*ends[1:], len(rows)])]
    return [rows]


def _labels(rows: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """The widths that both columns of labels want, px; a place may take as many lines as it has rows."""
    count = Counter(where for where, _ in rows)
    first = 11
    for where, lines in count.items():
        narrow = next(n for n in range(8, len(where) + 9) if len(textwrap.wrap(where, n)) <= min(lines, 2))
        first = max(first, narrow)
    second = max((len(label) for _, label in rows), default=0)
    return (first + 1.5) * LETTER, (second + 1.5 * bool(second)) * LETTER


def _widths(rows: Sequence[tuple[str, str]], columns: int, width: float) -> tuple[float, float, float]:
    """Of both columns of labels, and what a plot of this width leaves to each axis, px."""
    first, second = _labels(rows)
    second = min(second, 0.55 * width - first)
    return first, second, (width - first - second) / columns - GAP


def _panel(
    found: Sequence[Mark],
    rows: Sequence[tuple[str, str]],
    columns: Mapping[str, tuple[float, float]],
    left: float,
    width: float,
) -> tuple[list[str], float]:
    """The rows and columns of one half, and its height."""
    first, second, each = _widths(rows, len(columns), width)
    wraps = [textwrap.wrap(label, max(int(second / LETTER), 8)) or [""] for _, label in rows]
    titles = [textwrap.wrap(_title(column), max(int(each / LETTER), 8)) for column in columns]
    top = 13.0 * max(map(len, titles)) + 16
    tops, y = [], top
    for i, lines in enumerate(wraps):
        y += 3 * (i > 0 and rows[i][0] != rows[i - 1][0])
        tops.append(y)
        y += ROW + 12 * (len(lines) - 1)
    bottom = y + 2
    parts = []
    for (where, _), lines, at, above in zip(rows, wraps, tops, [("", ""), *rows]):
        if where != above[0]:
            named = textwrap.wrap(where, max(int(first / LETTER), 8))
            parts += [_text(left, at + 11 + 13 * i, line, "place") for i, line in enumerate(named)]
            if above[0]:
                parts.append(f'<path class="rule" d="M{left:g} {at - 1:g}H{left + width:g}"/>')
        parts += [_text(left + first, at + 11 + 12 * i, line) for i, line in enumerate(lines)]
    for i, ((column, span), title) in enumerate(zip(columns.items(), titles)):
        own = [m for m in found if m.column == column]
        if not own:
            continue
        axis = Axis(*span, left + first + second + GAP / 2 + i * (each + GAP), each)
        middle = axis.left + axis.width / 2
        parts += [_text(middle, top - 18 - 13 * k, line, "title") for k, line in enumerate(reversed(title))]
        parts.append(_text(middle, top - 5, _side(own, each), "side"))
        parts += [f'<path class="grid" d="M{axis.x(t):g} {top:g}V{bottom:g}"/>' for t in axis.ticks]
        parts += [_text(axis.x(t), bottom + 12, number(t), "tick") for t in axis.ticks]
        parts.append(f'<path class="rule" d="M{axis.left:g} {bottom:g}h{axis.width:g}"/>')
        for m in own:
            at = rows.index(m.row)
            parts.append(_mark(m, axis, tops[at] + ROW / 2, tops[at], ROW + 12 * (len(wraps[at]) - 1)))
    return parts, bottom + 20


def _title(column: str) -> str:
    unit = recorded.unit(column) if column in recorded.DIGITS else ""
    return f"{column} ({unit})" if unit else column


def _side(own: Iterable[Mark], room: float) -> str:
    """Where the claim wants the numbers, if it wants all of a column on one side, in so many px."""
    wanted = {(m.judged.comparison.sign, m.judged.comparison.near > 0) for m in own}
    if len(wanted) > 1:
        return ""
    sign, near = wanted.pop()
    if near:
        return "claimed in the band" if 19 * LETTER <= room else "in the band"
    return "claimed →" if sign > 0 else "← claimed"


def _span(own: Sequence[Mark]) -> tuple[float, float]:
    """The ends of an axis that shows every mean, limit and paper's value, and whole the intervals that decide.

    Of the others it shows what lies within their reach: over 25 comparisons of three seeds an interval is so wide
    that beside it every mean would lie on zero.
    """
    judged = [m.judged for m in own if not m.judged.comparison.silent] or [m.judged for m in own]
    seen = [v for j in judged for v in (statistics.fmean(j.comparison.values), j.comparison.limit)]
    seen += [
        v
        for j in judged
        if j.comparison.near
        for v in (j.comparison.limit - j.comparison.near, j.comparison.limit + j.comparison.near)
    ]
    seen += [v for j in judged if j.call in (FOR, AGAINST) for v in j.interval]
    seen += [m.paper for m in own if m.paper is not None]
    low, high = min(seen), max(seen)
    reach = BEYOND * (high - low or max(abs(high), 1.0))
    ends = [end for j in judged for end in j.interval]
    low, high = max(low - reach, min(low, *ends)), min(high + reach, max(high, *ends))
    pad = 0.04 * (high - low or 1.0)
    return low - pad, high + pad


def _mark(m: Mark, axis: Axis, y: float, top: float, height: float) -> str:
    """A comparison: its limit, its interval with an arrow where it goes on, its mean."""
    j, c = m.judged, m.judged.comparison
    x, limit = axis.x(statistics.fmean(c.values)), axis.x(c.limit)
    shown = {FOR: "for", AGAINST: "against", OPEN: "open"}.get(j.call, "silent")
    parts = [f'<path class="limit" d="M{limit:g} {top:g}v{height:g}"/>']
    if c.near:
        low, high = axis.x(c.limit - c.near), axis.x(c.limit + c.near)
        parts.insert(0, f'<path class="near" d="M{low:g} {top:g}H{high:g}v{height:g}H{low:g}z"/>')
    if len(c.values) > 1:
        ends = [axis.x(end) for end in j.interval]
        parts.append(f'<path class="interval" d="M{ends[0]:g} {y:g}H{ends[1]:g}"/>')
        if j.interval[0] < axis.low:
            parts.append(f'<path class="interval" d="M{ends[0] + 4:g} {y - 3:g}l-4 3l4 3"/>')
        if j.interval[1] > axis.high:
            parts.append(f'<path class="interval" d="M{ends[1] - 4:g} {y - 3:g}l4 3l-4 3"/>')
    if m.paper is not None:
        parts.append(f'<path class="paper" d="M{axis.x(m.paper):g} {y - 4.5:g}l4.5 4.5l-4.5 4.5l-4.5 -4.5z"/>')
    if not axis.low <= statistics.fmean(c.values) <= axis.high:
        turn = -1 if x == axis.x(axis.low) else 1
        parts.append(f'<path class="mean" d="M{x - 5 * turn:g} {y - 3:g}l{5 * turn} 3l{-5 * turn} 3z"/>')
    elif j.call == AGAINST:
        parts.append(f'<path class="mean" d="M{x - 3:g} {y - 3:g}h6v6h-6z"/>')
    else:
        parts.append(f'<circle class="mean" cx="{x:g}" cy="{y:g}" r="3.2"/>')
    said = f"{c.what}, {' '.join(filter(None, m.row))}: {j}"
    return f'<g class="{shown}"><title>{escape(said)}</title>{"".join(parts)}</g>'


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{f" class={kind}" if kind else ""}>{escape(words)}</text>' if words else ""
