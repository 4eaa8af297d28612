"""Outputs as text with numbers in it: what may differ on another processor is accepted, and everything else refused."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_output

from blurvae import paths
from blurvae.experiments import recorded
from blurvae.pages.comparison import NEAR_INTEGERS, NUMBER, compare_outputs, differences, texts
from blurvae.pages.notebooks.chapters import slugs

ACCEPTED = {
    "one unit": ("108.0 nats, 25.1 dB", "107.9 nats, 25.2 dB"),
    "a width that grows": ("PSNR    9.99  |W|", "PSNR   10.00 |W|"),
    "three digits": ("mean   9.99", "mean   10.0"),
    "a column that widens": (
        "method   PSNR\nL2       9.99\nL1       8.25",
        "method    PSNR\nL2       10.00\nL1        8.25",
    ),
    "the last decimal is gone": ("99.9 %", "100 %"),
    "a zero not printed": ("0.2", "0.21"),
    "signs of zero": ("-0.00 +0.00 −0.0", "0.00 -0.00 +0.0"),
    "across zero": ("H = -0.01", "H = 0.00"),
    "a minus sign": ("−0.34 ± 0.12 (0/3)", "−0.33 ± 0.11 (0/3)"),
    "thousands": ("1,234.5 and 999.9", "1,234.6 and 1,000.0"),
    "percent": ("99.98%", "99.97%"),
    "exponents": ("3e-08, 9e-07, 1.2e+05", "4e-08, 1e-06, 1.3e+05"),
    "a unit of measure": ("84.4k of 12.8ms", "84.5k of 12.7ms"),
    "the end of a sentence": ("The mean is 2.15. It", "The mean is 2.14. It"),
    "cells of a table": ('<tr border="1">\n<td>9.99</td>', '<tr border="1">\n<td>10.00</td>'),
    "not a number twice": ("nan inf -inf", "nan inf -inf"),
}
REFUSED = {
    "two units": ("108.0 nats", "107.8 nats"),
    "two of the finer unit": ("9.98", "10.0"),
    "two units of an exponent": ("3e-08", "5e-08"),
    "another power": ("3e-08", "3e-07"),
    "a sign": ("0.12", "-0.12"),
    "an integer": ("63 of 3072 modes", "64 of 3072 modes"),
    "an integer in thousands": ("25,667,027", "25,667,028"),
    "an integer of a fraction": ("+0.02 (1/3)", "+0.02 (2/3)"),
    "a word": ("holds 0.1", "open 0.1"),
    "a word glued to another": ("does not hold", "doesnot hold"),
    "a missing line": ("a 0.1\nb 0.2\nc 0.3", "a 0.1\nc 0.3"),
    "a line more": ("a 0.1", "a 0.1\nb 0.2"),
    "an empty line more": ("a 0.1\nb", "a 0.1\n\nb"),
    "no number": ("error 0.01", "error nan"),
    "infinity": ("-inf", "inf"),
    "a version": ("torch 2.15.0", "torch 2.15.1"),
    "a date": ("2026-11-23", "2026-11-24"),
    "a size": ("64×64 px, 64² px", "64×65 px, 64² px"),
    "a setting": ("l2,beta=0.05", "l2,beta=0.06"),
    "a negative setting": ("l2,x=-0.05", "l2,x=-0.06"),
    "a method": ("eps-0.5", "eps-0.6"),
    "a seed": ("s0", "s1"),
    "a commit": ("592371fa0e95", "592372fa0e95"),
    "a third number": ("0.1 0.2", "0.1 0.2 0.3"),
    "one number of two": ("1 2", "12"),
    "percent or not": ("0.5%", "0.5"),
    "cells of a table": ("<td>9.99</td>", "<td>10.01</td>"),
}


@pytest.mark.parametrize("pair", ACCEPTED.values(), ids=ACCEPTED)
def test_accepts_what_another_processor_may_print(pair):
    assert not differences(*pair) and not differences(*reversed(pair))


@pytest.mark.parametrize("pair", REFUSED.values(), ids=REFUSED)
def test_refuses_everything_else(pair):
    assert differences(*pair) and differences(*reversed(pair))


@given(st.integers(-(10**5), 10**5), st.integers(-9, 3), st.sampled_from("%.2f %+.3f %.0e %.2e %.3g".split()))
def test_accepts_both_sides_of_every_edge_of_rounding(k, power, form):
    edge = (k + 0.5) * 10.0**power
    below, above = (form % (edge + side * abs(edge) * 1e-13) for side in (-1, 1))
    if any(_is_decimal(text) for text in (below, above)):  # %.3g prints integers from 100 on
        assert not differences(below, above) and not differences(above, below)


def test_integers_of_a_tagged_cell_may_differ_by_one():
    assert not differences("63 of 1,000 modes", "64 of 999 modes", near_integers=True)
    assert differences("63 modes", "65 modes", near_integers=True)
    for exact in ("2026-11-23", "64×64x64", "l2,beta=4", "s0", "592371fa0e95"):
        assert differences(exact, re.sub(r"\d(?=\D*$)", "7", exact), near_integers=True), exact


def test_report_shows_both_lines_and_by_how_much():
    stored, fresh = "a 0.1\nβ = 1: 55 modes, 108.0 nats\nc", "a 0.2\nβ = 1: 56 modes, 107.7 nats\nc"
    (head, old, new) = differences(stored, fresh)
    assert head == "line 2: 55 → 56 (integers are exact); 108.0 → 107.7 (3 units of the last digit)"
    assert old.endswith(stored.splitlines()[1]) and new.endswith(fresh.splitlines()[1])


def test_report_of_a_missing_line_shows_that_line_alone():
    report = differences("a 0.1\nb 0.2\nc 0.3", "a 0.2\nc 0.3")
    assert report == ["line 2: a line is missing", "  stored  b 0.2", "  fresh   (no such line)"]


def _agree(stored: list, fresh: list, tags: tuple[str, ...] = ()) -> tuple[bool, str]:
    cell = SimpleNamespace(cell=SimpleNamespace(metadata={"tags": list(tags)}), sanitize=lambda text: text)
    return compare_outputs(cell, fresh, stored), "\n".join(cell.comparison_traceback)


def _stream(text: str) -> nbformat.NotebookNode:
    return new_output("stream", text=text)


def _shown(**data: str) -> nbformat.NotebookNode:
    return new_output("display_data", {key.replace("_", "/"): value for key, value in data.items()})


def test_outputs_of_a_cell_are_compared_by_kind():
    table = _shown(text_plain="      PSNR\nL2    9.99", text_html="<td>9.99</td>")
    wider = _shown(text_plain="       PSNR  \\\nL2    10.00", text_html="<td>10.00</td>")
    picture, other = (_shown(image_png=png, text_plain="<Figure size 9x9>") for png in ("aaaa", "bbbb"))
    stored = [_stream("gain 0.5\n"), table, picture]
    assert _agree(stored, [_stream("gain 0.6\n"), wider, other]) == (True, "")
    for fresh in (stored[:2], [*stored, _stream("x")], [table, picture], [*stored, picture], []):
        agrees, report = _agree(stored, fresh)
        assert not agrees and report
    agrees, report = _agree(stored, [_stream("gain 0.7\n"), table, picture])
    assert not agrees and report.startswith("stdout:\nline 1: 0.5 → 0.7 (2 units")


def test_glued_values_are_compared_like_printed_ones():
    key = "application/papermill.record/text/plain"
    stored, near, far = (new_output("display_data", {key: text}) for text in ("'8.30'", "'8.31'", "'8.32'"))
    assert _agree([stored], [near])[0] and not _agree([stored], [far])[0]


def test_tag_of_the_cell_is_heeded():
    stored, fresh = [_stream("57 nats")], [_stream("58 nats")]
    assert _agree(stored, fresh, (NEAR_INTEGERS,))[0] and not _agree(stored, fresh)[0]


# The chapters' stored outputs, replayed ------------------------------------------------------------------------------


@cache
def _printed(slug: str) -> list[tuple[str, bool]]:
    """Every text that is compared in a chapter, and whether its cell's integers may differ by one."""
    book = nbformat.read(paths.notebooks() / f"{slug}.ipynb", as_version=4)
    found = []
    for cell in book.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and "nbval-ignore-output" not in tags:
            found += [(text, NEAR_INTEGERS in tags) for kind in texts(cell.outputs).values() for text in kind]
    return found


def _moved(number: str, units: int) -> str:
    """A printed number moved by units of its last digit, in the same format."""
    plain = number.replace("−", "-").replace(",", "")
    mantissa, _, exponent = plain.partition("e")
    digits = len(mantissa.partition(".")[2])
    value = Decimal(plain) + units * Decimal(1).scaleb(int(exponent or 0) - digits)
    form = ("+" if plain[0] == "+" else "") + ("," if "," in number else "") + f".{digits}"
    text = f"{float(value):{form}e}" if exponent else f"{value:{form}f}"
    return text.replace("-", "−") if number[0] == "−" else text


def _is_decimal(number: str) -> bool:
    return "." in number or "e" in number


each = pytest.mark.parametrize("slug", slugs())


@each
@pytest.mark.parametrize("units", [1, -1])
def test_chapter_passes_with_every_number_moved_by_one_unit(slug, units):
    for text, near in _printed(slug):
        moved = NUMBER.sub(lambda m, near=near: _moved(m[1], units) if near or _is_decimal(m[1]) else m[1], text)
        assert not differences(text, moved, near)


@each
def test_chapter_fails_with_any_number_moved_too_far(slug):
    for text, near in _printed(slug):
        for line in text.splitlines():
            for m in NUMBER.finditer(line):
                units = 2 if near or _is_decimal(m[1]) else 1
                for moved in (_moved(m[1], units), _moved(m[1], -units)):
                    if moved.partition("e")[2] != m[1].partition("e")[2]:
                        continue  # 9e-08 and two units print as 1e-07, which is one unit away
                    assert differences(line, line[: m.start()] + moved + line[m.end() :], near), (line, moved)


@each
def test_chapter_fails_with_a_line_missing_or_a_word_changed(slug):
    for text, near in _printed(slug):
        lines = text.splitlines()
        for i in {0, len(lines) // 2, len(lines) - 1}:
            assert differences(text, "\n".join(lines[:i] + lines[i + 1 :]), near)
        for line in lines:
            for word in re.finditer(r"[^\W\d_]+", line):
                assert differences(line, f"{line[: word.start()]}other{line[word.start() :]}", near), line


@each
def test_every_printed_decimal_is_a_number_a_name_or_a_version(slug):
    """So that none is compared as a word: a reader's eye, not the pattern above, says what a number is."""
    for text, _ in _printed(slug):
        for rest in NUMBER.split(text)[::2]:
            for word in re.findall(r"\S*\d\.\d\S*", rest):
                assert re.search(r"\w=[-+−]?\d|\d\.\d+\.\d", word), word


def test_how_to_read_quotes_the_recorded_run_and_its_spread():
    text = (paths.root() / "book" / "how-to-read.md").read_text(encoding="utf-8")
    frame = recorded.frame("rate", "lesson", "natural").query("method == 'l2,beta=0.8'")
    values = frame.pivot_table(index="seed", columns="metric", values="value")
    folder = paths.results()
    again = json.loads((folder / "repeated" / "rate-natural-l2,beta=0.8.json").read_text(encoding="utf-8"))
    first = json.loads((folder / "bredell" / "rate" / "natural-l2,beta=0.8-lesson-s0.json").read_text(encoding="utf-8"))
    assert again["run"] == first["run"] and again["data"] == first["data"]
    assert again["provenance"]["device"] != first["provenance"]["device"]
    for metric in ("PSNR", "KL", "FD-squeeze (recon)"):
        (row,) = re.findall(rf"^\| {re.escape(metric)}.*\|$", text, re.MULTILINE)
        _, shown, repeated, spread = row.strip(" |").split(" | ")
        digits, entry = len(shown.partition(".")[2]), again["metrics"][metric]
        assert repeated == f"{entry.get('mean', entry.get('value')):,.{digits}f}"
        assert shown == f"{values[metric][0]:,.{digits}f}" and spread == f"{values[metric].std():,.{digits}f}"
