"""The data of the pages' demos say what the pictures are."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

from blurvae import datasets
from blurvae.datasets.bars import PLACEMENTS
from blurvae.pages import demos


def test_the_signs_of_bars_are_their_pictures() -> None:
    pictures = datasets.load("bars", "test", size=16).images[:5]
    demo = demos.bars(pictures)
    shapes = dict(zip(demos.SIGNS, [np.zeros((2, 2)), *PLACEMENTS]))
    for signs, picture in zip(demo.data["pictures"].split(" "), pictures, strict=True):
        cells = np.array([shapes[sign] for sign in signs]).reshape(8, 8, 2, 2)
        assert np.array_equal(cells.swapaxes(1, 2).reshape(16, 16) * 255, picture[0])
    wide = demos.bars(np.zeros((1, 1, 4, 8)))
    assert wide.data == {"pictures": "." * 8, "columns": "4"}


def test_pictures_that_are_no_bars_are_refused() -> None:
    dot = np.zeros((1, 1, 4, 4))
    dot[0, 0, 1, 2] = 1
    with pytest.raises(ValueError, match="a bar of two white pixels or none"):
        demos.bars(dot)


def test_a_demo_is_a_sentence_where_no_script_runs() -> None:
    demo = demos.Demo("name", {"key": 'a "quoted" <value>'}, "What is < seen.")
    text = demo._repr_html_()
    assert html.unescape(re.search(r'data-key="([^"]*)"', text)[1]) == 'a "quoted" <value>'
    assert "<p>What is &lt; seen.</p>" in text and repr(demo) == "Demo name: What is < seen."
