"""Comparison of a chapter's stored and fresh outputs as text with numbers in it: a pytest plugin on top of nbval.

On another processor sums are taken in another order, and a number at the edge of rounding prints as 107.9 instead of
108.0. So a number with a point or an exponent may differ by one unit of its last printed digit. Lines, words and bare
integers are exact, and so is a number inside of a word, a setting, a version or a date: s0, eps-0.5, beta=0.05, 2.15.0.
In a cell with the tag `near-integers`, for results rounded to integers, integers may differ by one as well.

Blanks are alignment: beside a number they do not count, elsewhere one is as good as many. Pictures are not compared. A
table is compared by its HTML, since its plain text breaks lines by width.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

NEAR_INTEGERS = "near-integers"

# A sign, digits with or without thousands separators, then an exponent as Python prints it, decimals, or neither.
NUMBER = re.compile(
    r"(?<![\w.=])(?<![\w.=][-+−])"
    r"([-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d++)(?:(?:\.\d++)?[eE][-+]\d\d++|\.\d++|(?![-.]?\w)))"
    r"(?!\.?\d)"
)


def differences(stored: str, fresh: str, near_integers: bool = False) -> list[str]:
    """What differs between two printed texts.

    Args:
        stored: the text in the notebook.
        fresh: the text that the code printed now.
        near_integers: let bare integers differ by one.

    Returns:
        For each line that differs: its place, both texts, and the numbers that are too far apart. Empty when none does.
    """
    report = []
    for place, old, new in _paired(stored.splitlines(), fresh.splitlines()):
        what = _line_differences(old, new, near_integers)
        if what:
            shown = ["(no such line)" if line is None else line for line in (old, new)]
            report += [f"{place}: {'; '.join(what)}", f"  stored  {shown[0]}", f"  fresh   {shown[1]}"]
    return report


def _paired(stored: list[str], fresh: list[str]) -> Iterator[tuple[str, str | None, str | None]]:
    """Place, stored line and fresh line; where lines are missing, those with the same words are paired."""
    blocks: Sequence[tuple[str, int, int, int, int]]
    if len(stored) == len(fresh):
        blocks = [("", 0, len(stored), 0, len(fresh))]
    else:
        old, new = ([tuple(_words(line)) for line in lines] for lines in (stored, fresh))
        blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for _, i, i_end, j, j_end in blocks:
        for n, pair in enumerate(zip_longest(stored[i:i_end], fresh[j:j_end])):
            yield f"line {i + n + 1}", *pair


def _line_differences(stored: str | None, fresh: str | None, near_integers: bool) -> list[str]:
    if stored == fresh:
        return []
    if stored is None or fresh is None:
        return ["one line more" if stored is None else "a line is missing"]
    if _words(stored) != _words(fresh):
        return ["other words"]
    found = []
    for old, new in zip(NUMBER.findall(stored), NUMBER.findall(fresh)):
        exact = not near_integers and not set(".eE") & set(old + new)
        units = _units_apart(old, new)
        if units > (0 if exact else 1):
            found.append(f"{old} → {new} ({'integers are exact' if exact else f'{units} units of the last digit'})")
    return found


def _words(line: str) -> list[str]:
    """The text around each number of a line, with runs of blanks as one and without those beside a number."""
    return [" ".join(part.split()) for part in NUMBER.split(line)[::2]]


def _units_apart(stored: str, fresh: str) -> int:
    """The difference of two printed numbers in units of the last digit: the finer one, for 9.99 against 10.0."""
    a, b = (Decimal(number.replace(",", "").replace("−", "-")) for number in (stored, fresh))
    unit = min(Decimal(1).scaleb(int(x.as_tuple().exponent)) for x in (a, b))
    return int(abs(a - b) / unit)


def texts(outputs: Iterable[Any]) -> dict[str, list[str]]:
    """The printed texts of a cell's outputs by kind (stdout, text/html, ...), without pictures, each table once."""
    found = defaultdict(list)
    for output in outputs:
        if output.output_type == "stream":
            found[output.name].append(output.text)
        elif output.output_type == "error":
            found["error"].append(f"{output.ename}: {output.evalue}")
        data = output.get("data", {})
        for kind, text in data.items():
            if not kind.startswith("image/") and not (kind == "text/plain" and "text/html" in data):
                found[kind].append(str(text))
    return found


def compare_outputs(cell: Any, fresh: Iterable[Any], stored: Iterable[Any]) -> bool:
    """Takes the place of the method of that name of nbval's cell: whether the outputs agree, and a report if not."""
    near = NEAR_INTEGERS in cell.cell.metadata.get("tags", [])
    old, new = texts(stored), texts(fresh)
    report = []
    for kind in old | new:
        counts = len(old.get(kind, [])), len(new.get(kind, []))
        if counts[0] != counts[1]:
            report.append(f"{kind}: {counts[0]} outputs stored, {counts[1]} fresh")
        for before, now in zip_longest(old.get(kind, []), new.get(kind, []), fillvalue=""):
            found = differences(cell.sanitize(before), cell.sanitize(now), near)
            report += [f"{kind}:", *found] if found else []
    cell.comparison_traceback = report
    return not report


def pytest_itemcollected(item: Any) -> None:
    """Let every notebook cell that nbval collects compare its outputs so."""
    if type(item).__name__ == "IPyNbCell":
        item.compare_outputs = functools.partial(compare_outputs, item)
