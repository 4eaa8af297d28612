"""Tables as HTML: numbers on one point, the best marked by a test of its own, and what is missing quiet."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from scipy import stats

from blurvae.pages import frames

BLANKS = "\u2007\u2008"


def shown(texts):
    """The cells without tags, padded to one width by a blank of their own kind."""
    return [BeautifulSoup(cell, "html.parser").get_text() for cell in frames.aligned(texts)]


@pytest.mark.parametrize(
    "texts",
    [
        ["20.31 ± 0.05", "9.80 ± 10.20", "–", "100.00 ± 1.00"],
        ["0.3", "1", "12.25"],
        ["-0.5", "+12", "3"],
        ["1,234 ± 5", "12 ± 999"],
        ["50 %", "7.5 %"],
    ],
)
def test_numbers_of_a_column_stand_on_one_point(texts):
    cells = [cell for cell in shown(texts) if re.search(r"\d", cell)]
    from_right = set()
    for cell in cells:
        place = re.search(r"[.\u2008]", cell.partition("±")[0])
        from_right.add(len(cell) - place.start() if place else len(cell.partition("±")[2]))
    assert len(from_right) == 1, cells


def test_a_plus_minus_never_breaks_and_a_minus_is_one():
    (cell,) = frames.aligned(["-1.50 ± 0.25"])
    assert cell == "−1.50\u00a0±\u00a00.25"


def test_different_metrics_below_one_another_are_left_alone():
    assert not any(
        set(BLANKS) & set(cell) for cell in frames.aligned(["20.31 ± 0.05", "0.507 ± 0.006", "36520 ± 1892"])
    )


def test_what_is_missing_is_quiet_and_words_are_escaped():
    cells = frames.aligned(["not run", "–", "needs weights (vgg16.pth)", "a < b"])
    assert ['class="quiet"' in cell for cell in cells] == [True, True, True, False] and cells[3] == "a &lt; b"


def test_a_sentence_may_break_over_lines_and_an_interval_in_it_may_not():
    cells = frames.aligned(["+1159 [−3553, +5870] real against real is as far", "+1159 [−3553, +5870]", "holds"])
    assert ['class="words"' in cell for cell in cells] == [True, False, False]
    assert "+1159\u00a0[−3553,\u00a0+5870] real against real is as far" in cells[0]


def runs(**values):
    rows = [
        {"metric": metric, "method": method, "seed": seed, "value": value}
        for metric, methods in values.items()
        for method, own in methods.items()
        for seed, value in enumerate(own)
    ]
    return pd.DataFrame(rows)


def test_the_best_and_what_a_paired_test_cannot_tell_from_it_are_marked():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 5)
    own = {name: 20 - d + shared + rng.normal(0, 0.05, 5) for name, d in (("a", 0.0), ("b", 0.02), ("c", 1.0))}
    shown_as = {(name, "PSNR"): name.upper() for name in own}
    found = frames.marks(runs(PSNR=own), shown_as, {name: f"label {name}" for name in own})
    best = max(own, key=lambda name: own[name].mean())
    level = {n for n in own if n != best and stats.ttest_rel(own[best], own[n]).pvalue > 0.05}
    assert found == {f"label {best}|{best.upper()}": "best"} | {f"label {n}|{n.upper()}": "level" for n in level}
    assert level and "label c|C" not in found


def test_lower_is_better_where_it_is_and_silent_models_do_not_count():
    values = {"a": (0.3, 0.31, 0.32), "b": (0.1, 0.11, 0.12), "c": (0.0, 0.0, 0.0)}
    kl = {"a": (20.0,) * 3, "b": (20.0,) * 3, "c": (0.1,) * 3}
    cells = {(name, "LPIPS-squeeze"): name for name in values} | {("a", "KL"): "20"}
    found = frames.marks(runs(KL=kl, **{"LPIPS-squeeze": values}), cells, {name: name for name in values})
    assert found == {"b|b": "best"}


def test_two_seeds_mark_nothing():
    values = {"a": (1.0, 1.1), "b": (2.0, 2.1)}
    assert frames.marks(runs(PSNR=values), {(n, "PSNR"): n for n in values}, {n: n for n in values}) == {}


def test_marks_stay_when_a_table_is_turned_cut_and_renamed():
    table = pd.DataFrame({"seeds": ["3", "3"], "PSNR": ["20 ± 1", "19 ± 1"]}, index=pd.Index(["a", "b"], name="method"))
    table.attrs[frames.MARKS] = {"a|20 ± 1": "best", "b|19 ± 1": "level"}
    for one in (
        table,
        table.T,
        table[table.seeds != "0"].drop(columns="seeds").rename(columns={"PSNR": "PSNR (dB) ↑"}),
    ):
        soup = BeautifulSoup(frames.as_html(one), "html.parser")
        assert [soup.strong.get_text(), soup.u.get_text()] == ["20\u00a0±\u00a01", "19\u00a0±\u00a01"]
        assert "5 %" in soup.caption.get_text()


def test_numbers_are_written_as_pandas_writes_them():
    table = pd.DataFrame({"x": [1.5, -22.25], "n": [1, 20]}, index=["a < b", "c"])
    soup = BeautifulSoup(frames.as_html(table), "html.parser")
    assert [td.get_text() for td in soup.select("td")] == ["1.50", "1", "−22.25", "20"]
    assert soup.select_one("tbody th").get_text() == "a < b" and soup.caption is None
