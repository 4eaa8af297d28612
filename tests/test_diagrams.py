"""The diagrams: their words fit their boxes on every screen, and their losses see what they are made of."""

from __future__ import annotations

from functools import partial

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import FancyArrowPatch

from blurvae.pages import showing
from blurvae.pages.figures import diagrams

DRAWINGS = {
    "vae": (2.2, diagrams.vae),
    "with the kernel network": (3.2, partial(diagrams.vae, kernel=True)),
    "recurrence": (3.6, diagrams.recurrence),
}


@pytest.fixture(params=DRAWINGS)
def drawn(request):
    height, draw = DRAWINGS[request.param]
    fig, ax = plt.subplots(figsize=(showing.WIDEST, height), layout="constrained")
    yield fig, ax, draw(ax)
    plt.close(fig)


def test_every_word_fits_into_its_box_also_on_a_phone(drawn):
    fig, ax, boxes = drawn
    for arrange in (lambda fig: None, showing.stack):
        arrange(fig)
        assert not showing.flaws(fig)
        frames = [box.get_window_extent() for box in boxes.values()]
        for text in (text for text in ax.texts if text.get_text() != "next\nframe"):  # stands beside its arrow
            words = text.get_window_extent()
            assert any(f.x0 < words.x0 and words.x1 < f.x1 and f.y0 < words.y0 and words.y1 < f.y1 for f in frames)


def test_the_image_reaches_every_loss_that_compares_with_it(drawn):
    _, ax, boxes = drawn
    joined = {(arrow.patchA, arrow.patchB) for arrow in ax.patches if isinstance(arrow, FancyArrowPatch)}
    losses = {"error": ("x", "x_hat"), "vae_loss": ("x", "x_hat", "k"), "kernel_loss": ("x", "x_hat", "k")}
    losses |= {"flow_loss": ("flow", "now"), "sr_loss": ("estimate",)}
    for loss in losses.keys() & boxes.keys():
        assert {(boxes[part], boxes[loss]) for part in losses[loss]} <= joined
