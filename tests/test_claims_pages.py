"""What the claims pages show of findings: cells, plots, sentences, and the paper's own differences."""

from __future__ import annotations

import re
import statistics

import numpy as np
import pytest
from bs4 import BeautifulSoup

from blurvae import claims
from blurvae.claims import Claim, Comparison, Evidence, Finding
from blurvae.experiments import recorded
from blurvae.pages.claims import decided, forest, matrix, sides, summary
from blurvae.pages.claims.forest import Axis
from blurvae.pages.claims.marks import marks
from blurvae.pages.claims.published import difference

YES, NO, OPEN = (1.0, 1.1, 1.2), (-1.0, -1.1, -1.2), (-1.0, 0.2, 1.0)
METRICS = ("PSNR", "SSIM", "LPIPS-squeeze")


def piece(*values, data="natural", experiment="table6", tier="lesson", silent="", near=0.0):
    """One comparison of the Wiener term with L2 for each metric."""
    evidence = Evidence("better", "17", experiment, tier, data, "wiener", ("l2",), METRICS[: len(values)])
    made = [Comparison(m, "L2", v, digits=2, silent=silent, near=near) for m, v in zip(METRICS, values)]
    return Finding(evidence, tuple(made))


def claim(*made):
    return Claim("B2", "It is so.", "here", "1", tuple(f.evidence for f in made))


def drawn(*made):
    return BeautifulSoup(forest(claim(*made), made), "html.parser")


def numbers(path):
    return [float(n) for n in re.findall(r"-?[\d.]+", path["d"])]


# Plot -----------------------------------------------------------------------------------------------------------------


def test_marks_lie_where_their_numbers_are():
    """Of one column: means, limits and intervals are one affine function of the numbers."""
    made = [piece(YES, data="natural"), piece((0.2, 0.3, 0.4), data="faces64")]
    known, x = [], []
    for f, group in zip(made, drawn(*made).select("svg g"), strict=True):
        (j,) = f.judged
        known += [statistics.fmean(j.comparison.values), 0.0, *j.interval]
        x += [float(group.select_one(".mean")["cx"]), numbers(group.select_one(".limit"))[0]]
        start, _, end = numbers(group.select_one(".interval"))
        x += [start, end]
    slope, offset = np.polyfit(known, x, 1)
    assert slope > 0 and np.abs(slope * np.array(known) + offset - x).max() < 0.2


def test_calls_differ_in_shape_and_not_only_in_colour():
    groups = drawn(piece(YES, NO, OPEN), piece(YES, data="faces64", silent="collapsed")).select("svg g")
    shapes = {g["class"][0]: g.select_one(".mean").name for g in groups}
    assert shapes == {"for": "circle", "against": "path", "open": "circle", "silent": "circle"}


def test_a_wide_interval_goes_on_beyond_the_axis_and_says_so():
    narrow, wide = piece((1.0, 1.01, 1.02)), piece((-30.0, 2.0, 30.0), data="faces64")
    first, second = drawn(narrow, wide).select("svg g")
    assert len(first.select(".interval")) == 1
    assert len(second.select(".interval")) == 3, "an arrow at either end"


def test_what_nobody_counts_does_not_stretch_the_axis():
    shown = drawn(piece(YES), piece((90.0, 91.0, 92.0), data="faces64", silent="collapsed"))
    mean = shown.select("svg g")[1].select_one(".mean")
    assert mean.name == "path", "a mark at the edge, which points to where it lies"


def test_a_margin_is_a_band():
    (group,) = drawn(piece((0.1, 0.0, -0.1), near=1.0)).select("svg g")
    left, _, right = numbers(group.select_one(".near"))[:3]
    assert left < float(group.select_one(".mean")["cx"]) < right


def test_rows_of_one_data_set_stand_together_and_only_the_largest_tier_is_drawn():
    made = [
        piece(YES),
        piece(NO, data="faces64"),
        piece(YES, experiment="table2"),
        piece(OPEN, tier="paper", data="faces64"),
    ]
    shown = marks(made)
    assert [m.place.partition(",")[0] for m in shown] == ["natural", "natural", "faces64"]
    assert [m.judged.call for m in shown] == ["for", "for", "open"]
    assert len({m.row for m in shown}) == 3, "two experiments in one place are told apart"


def test_the_numbers_of_an_axis_are_round_and_find_room():
    for low, high, width in ((-0.31, 0.94, 80), (-45_000, 45_000, 60), (0.05, 0.06, 300), (3, 4000, 70)):
        ticks = Axis(low, high, 0, width).ticks
        assert len(ticks) >= 2 and all(low <= t <= high for t in ticks)
        steps = np.diff(ticks)
        assert len(steps) == 0 or np.allclose(steps, steps[0])


def test_nothing_recorded_is_no_plot():
    assert forest(claim(piece(())), [piece(())]) == ""


# The paper's own differences ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "data", "expected"),
    [
        ("PSNR", "faces64", 23.21 - 22.51),  # the paper's Table 2 on CelebA, for which the faces stand in
        ("PSNR", "celeba", 23.21 - 22.51),
        ("PSNR", "natural", None),
        ("LPIPS-squeeze", "faces64", None),  # another network than the paper's
        ("FD-squeeze (recon)", "faces64", None),
    ],
)
def test_the_paper_stands_beside_what_is_on_its_scale(metric, data, expected):
    evidence = Evidence("better", "10", "table2", "paper", data, "wiener", ("l2", "ce"), (metric,))
    found = difference(evidence, Comparison(metric, recorded.label("table2", "l2"), (1.0,)))
    assert found == (expected if expected is None else pytest.approx(expected))


# Matrix ---------------------------------------------------------------------------------------------------------------


def cells(*made):
    soup = BeautifulSoup(matrix({claim(*made): made}), "html.parser")
    heads = [th.get_text() for th in soup.select("thead th")][1:]
    said = [td.find(attrs={"aria-label": True}) for td in soup.select("tbody td")]
    return {head: cell and cell["aria-label"] for head, cell in zip(heads, said, strict=True)}


def test_pieces_of_one_place_are_one_cell():
    shown = cells(piece(YES), piece(NO, experiment="table2"), piece(YES, data="faces64"))
    assert (
        shown["over all"] == "depends on the experiment" == claims.verdict([piece(YES), piece(NO, experiment="table2")])
    )
    assert list(shown.values())[1:] == ["depends on the experiment", "holds"]


def test_a_place_where_nothing_is_tested_has_no_column():
    assert len(cells(piece(YES), piece((), data="faces64"))) == 2
    assert cells(piece(())) == {"over all": "not tested"}
    made = (piece(YES), piece((), data="faces64"))
    assert "Nothing is recorded yet on faces64." in matrix({claim(*made): made})


def test_what_is_said_in_the_matrix_is_escaped():
    odd = Claim("B2", 'a < b & "c"', "here", "1", ())
    assert "a &lt; b &amp; &quot;c&quot;" in matrix({odd: ()})


# Sentences ------------------------------------------------------------------------------------------------------------


def test_a_sentence_names_tier_what_is_decided_and_the_seeds():
    assert summary([piece(YES, NO)]).startswith("Tier `lesson`: for it PSNR (L2) on natural")
    assert re.search(
        r"; against it SSIM \(L2\) on natural[^;]*; \d+ seeds would decide the others\.$",
        summary([piece(YES, NO, (1, 2, 4))]),
    )
    assert summary([piece((-1.0, 1.0, 0.0))]).endswith("more than 1,000 seeds would be needed to decide all.")
    assert summary([piece(())]) == "Too few seeds are recorded." and summary([]) == "Nothing tests it."


def test_much_that_is_decided_is_counted():
    many = [
        Finding(
            Evidence("better", "17", "table6", "lesson", data, "wiener", ("l2",)),
            tuple(Comparison(f"a metric with a long name, number {i}", "a rival", YES) for i in "abcdef"),
        )
        for data in ("natural", "faces64")
    ]
    assert re.search(r"for it 6 of 6 on natural.*; 6 of 6 on faces64", summary(many))


def test_it_is_said_in_which_metrics_the_side_stays():
    def piece(*values):
        made = (claims.Comparison(f"m{i}", "r", own) for i, own in enumerate(values))
        return claims.Finding(claims.Evidence("at its rate", "18"), tuple(made))

    first, second = piece((1, 2), (1, 2), (3, 1)), piece((2, 1), (-1, -2), (1, 1))
    assert sides([first, second]) == "the same in m0 and m2, another in m1"
    assert sides([first, first]) == "the same in m0, m1 and m2"
    assert sides([first, piece((), (1,), (1,))]) == sides([]) == "not run"
    silent = claims.Finding(first.evidence, (claims.Comparison("m0", "r", (-1, -1), silent="collapsed"),))
    assert sides([first, silent]) == "the same in m1 and m2"


def test_a_piece_without_its_seeds_says_so():
    few = claims.Finding(claims.Evidence("better", "01"), (claims.Comparison("PSNR", "L2", (1, 1)),))
    assert decided(few) == "too few seeds are recorded"
