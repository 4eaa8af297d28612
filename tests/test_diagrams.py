"""The diagram of the autoencoder: its words fit its boxes on every screen, and its losses see what they are made of."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import FancyArrowPatch

from blurvae.pages import showing
from blurvae.pages.figures import diagrams


@pytest.fixture(params=[False, True], ids=["vae", "with the kernel network"])
def drawn(request):
    fig, ax = plt.subplots(figsize=(showing.WIDEST, 3.2 if request.param else 2.2), layout="constrained")
    yield fig, ax, diagrams.vae(ax, kernel=request.param)
    plt.close(fig)


def test_every_word_fits_into_its_box_also_on_a_phone(drawn):
    fig, ax, boxes = drawn
    for arrange in (lambda fig: None, showing.stack):
        arrange(fig)
        assert not showing.flaws(fig)
        frames = [box.get_window_extent() for box in boxes.values()]
        for text in ax.texts:
            words = text.get_window_extent()
            assert any(f.x0 < words.x0 and words.x1 < f.x1 and f.y0 < words.y0 and words.y1 < f.y1 for f in frames)


def test_the_image_reaches_every_loss_that_compares_with_it(drawn):
    _, ax, boxes = drawn
    joined = {(arrow.patchA, arrow.patchB) for arrow in ax.patches if isinstance(arrow, FancyArrowPatch)}
    losses = {"error": ("x", "x_hat"), "vae_loss": ("x", "x_hat", "k"), "kernel_loss": ("x", "x_hat", "k")}
    for loss in losses.keys() & boxes.keys():
        assert {(boxes[part], boxes[loss]) for part in losses[loss]} <= joined
