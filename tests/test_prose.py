"""What prose takes from code: numbers with their power of ten, and lines of the package's own source."""

from __future__ import annotations

import doctest

import nbformat
import pytest

from blurvae import paths
from blurvae.pages import excerpt, power_of_ten, prose
from blurvae.systems import BlurVAE


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(45812984491, 1, "4.6 · 10¹⁰"), (1.3e-9, 0, "1 · 10⁻⁹"), (-99999, 1, "−1.0 · 10⁵"), (1, 2, "1.00 · 10⁰")],
)
def test_a_number_has_its_power_of_ten(value, digits, text):
    assert power_of_ten(value, digits) == text


def test_the_examples_are_true():
    assert doctest.testmod(prose).failed == 0


def test_an_excerpt_is_code_from_the_first_line_named_to_the_last():
    shown = excerpt(BlurVAE.play, "mu, log_var", "z = reparametrise")
    assert shown.file == "blurvae/systems/vae.py"
    lines = shown.lines.splitlines()
    assert lines[0] == "    mu, log_var = players.vae.encode(x)" and lines[-1].startswith("z = reparametrise(mu")
    assert "```python\n" in shown._repr_markdown_() and shown.file in shown._repr_markdown_()


def test_one_line_can_be_shown():
    assert excerpt(BlurVAE.play, "vae.encode", "vae.encode").lines == "mu, log_var = players.vae.encode(x)"


@pytest.mark.parametrize(("first", "last"), [("no such words", "vae.encode"), ("vae.decode", "vae.encode")])
def test_an_excerpt_of_a_function_that_has_changed_is_refused(first, last):
    with pytest.raises(ValueError, match=r"BlurVAE\.play has no line with"):
        excerpt(BlurVAE.play, first, last)


def test_excerpts_are_as_wide_as_the_text_column():
    shown = []
    for file in paths.notebooks().glob("*.ipynb"):
        for cell in nbformat.read(file, as_version=4).cells:
            if "excerpt(" in cell.source and cell.cell_type == "code":
                shown += [output.data["text/plain"] for output in cell.outputs if "data" in output]
    assert shown
    assert not [line for text in shown for line in text.splitlines() if len(line) > 88]
