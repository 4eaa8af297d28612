"""Pictures are shown as they are: same pixels, same range, whole factors."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from base64 import b64decode
from io import BytesIO

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import font_manager
from PIL import Image

from blurvae.pages import grids, plotting, showing

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed_figures():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def test_grid_keeps_every_pixel_of_every_image():
    rows = RNG.integers(0, 256, (2, 3, 3, 8, 5), dtype=np.uint8)  # (row, n, c, h, w)
    grid = plotting.image_grid(rows)
    assert grid.pixels.shape == (2 * 8 + 2, 3 * 5 + 2 * 2, 3)
    for i in range(2):
        for j in range(3):
            crop = grid.pixels[i * 10 : i * 10 + 8, j * 7 : j * 7 + 5]
            assert (crop == rows[i, j].transpose(1, 2, 0)).all()


def test_floats_are_shown_on_one_fixed_range():
    images = torch.tensor([-1.0, -0.5, 0.0, 1.0, 3.0]).view(5, 1, 1, 1).expand(5, 1, 4, 4)
    pixels = plotting.image_grid([images]).pixels
    assert [pixels[0, j * 6, 0] for j in range(5)] == [0, 64, 128, 255, 255]
    faint = plotting.image_grid([images[1:3]]).pixels
    assert faint[0, 0, 0] == 64, "an image alone is not stretched to its own range"


@pytest.mark.parametrize("columns", [0, 2, 3])
@pytest.mark.parametrize("names", [("original", "β = 2", "ε large"), ()])
def test_cells_are_got_back_from_the_labelled_picture(columns, names):
    rows = RNG.integers(0, 256, (3, 2, 3, 8, 5), dtype=np.uint8)
    grid = plotting.image_grid(rows, names or None, zoom=4, columns=columns)
    png, shown = grid._repr_png_()
    picture = Image.open(BytesIO(png))
    assert grid.labels == names and picture.width == shown["width"]
    boxes = shown["grid"]["boxes"]
    for cell, found in zip(grid.cells, grids.cells_of(picture, boxes, 4)):
        assert (found == cell.pixels).all() and found.shape == (8, 2 * 5 + grids.GAP, 3)
    outside = np.asarray(picture.convert("L")).copy()
    for x, y, w, h in boxes:
        outside[y : y + h, x : x + w] = 255
    assert (outside < 128).any() == bool(names), "labels are drawn beside the cells, never on them"
    lefts = {x for x, *_ in boxes}
    assert len(lefts) == max(1, columns), "cells stand in this many columns"


def test_a_grid_of_moments_is_the_same_picture_and_says_which_they_are():
    rows = RNG.integers(0, 256, (2, 3, 3, 8, 5), dtype=np.uint8)
    plain, film = (plotting.image_grid(rows, moments=moments)._repr_png_() for moments in ((), ("0", "5", "10")))
    assert plain[0] == film[0] and "moments" not in plain[1]["grid"]
    assert film[1]["grid"] == plain[1]["grid"] | {"moments": ["0", "5", "10"]}


def test_greek_letters_are_drawn_as_such():
    drawn = {label: plotting.image_grid({label: np.zeros((1, 1, 32, 32), np.uint8)}).image(2) for label in "βεσ"}
    missing = plotting.image_grid({"\U000f0000": np.zeros((1, 1, 32, 32), np.uint8)}).image(2)  # no font has it
    assert len({picture.tobytes() for picture in (*drawn.values(), missing)}) == 4


def test_display_has_a_square_of_whole_factors_for_each_pixel():
    grid = plotting.image_grid([RNG.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)], zoom=3)
    png, shown = grid._repr_png_()
    stored = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    assert (stored[::3, ::3] == grid.pixels).all() and (stored[2::3, 2::3] == grid.pixels).all()
    assert shown["width"] == stored.shape[1] == 3 * grid.pixels.shape[1]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "at least one row"),
        ([np.zeros((2, 3, 4, 4)), np.zeros((3, 3, 4, 4))], {}, "equal shapes"),
        ([np.zeros((2, 2, 4, 4))], {}, "1 or 3 channels"),
        ([np.zeros((4, 4))], {}, r"\(n, c, h, w\)"),
        ([np.zeros((1, 1, 4, 4))], {"zoom": 0}, "zoom"),
        ([np.zeros((1, 1, 4, 4))], {"zoom": 1.5}, "zoom"),
        ([np.zeros((1, 1, 4, 4))], {"columns": -1}, "columns"),
        ([np.zeros((1, 1, 4, 4))], {"labels": ["a", "b"]}, "1 rows need"),
        ([np.zeros((3, 1, 4, 4))], {"moments": ["t = 0", "t = 1"]}, "3 pictures a row need as many moments, not 2"),
    ],
)
def test_what_is_no_honest_grid_is_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_grid(rows, **options)


def test_kernels_share_one_range_from_zero():
    kernels = torch.zeros(2, 3, 3)
    kernels[0, 1, 1], kernels[1] = 1.0, 1 / 9
    pixels = plotting.show_kernels(kernels).pixels
    assert pixels[1, 1, 0] == 255 and pixels[0, 0, 0] == 0 and pixels[1, 6, 0] == round(255 / 9)
    with pytest.raises(ValueError, match="non-negative"):
        plotting.show_kernels(-kernels)


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (6, 7), (5, 8)])
def test_spectrum_image_completes_the_half_spectrum(shape):
    image = RNG.normal(size=shape)
    drawn = plotting.spectrum_image(np.abs(np.fft.rfft2(image)), plt.subplots()[1], shape)
    np.testing.assert_allclose(drawn.get_array(), np.fft.fftshift(np.abs(np.fft.fft2(image))), rtol=1e-10)
    left, right, bottom, top = drawn.get_extent()
    assert right - left == pytest.approx(1) and bottom - top == pytest.approx(1)
    with pytest.raises(ValueError, match="half spectrum"):
        plotting.spectrum_image(np.zeros(shape), plt.subplots()[1], shape)


def test_curves_draw_the_mean_over_seeds():
    frame = pd.DataFrame({"epoch": [1, 1, 2, 2], "loss": [1.0, 3.0, 0.0, 2.0], "method": ["L2"] * 4})
    ax = plotting.curves(frame, x="epoch", y="loss", hue="method")
    assert ax.lines[0].get_ydata().tolist() == [2.0, 1.0]


def test_style_is_explicit_and_resamples_nothing():
    with plt.rc_context():
        plt.rcdefaults()  # whatever an earlier test has set
        before = plt.rcParams["image.interpolation"]
        plotting.use_style()
        assert plt.rcParams["image.interpolation"] == "none" != before


def test_a_tensor_of_bytes_is_shown_as_its_pixels_and_other_integers_are_refused():
    images = RNG.integers(0, 256, (2, 3, 4, 4), dtype=np.uint8)
    shown = plotting.image_grid([images]).pixels
    assert (plotting.image_grid([torch.from_numpy(images)]).pixels == shown).all()
    for dtype in (torch.int64, torch.bool, torch.int16):
        with pytest.raises(ValueError, match="uint8, or floats"):
            plotting.image_grid([torch.from_numpy(images).to(dtype)])
    with pytest.raises(ValueError, match="uint8, or floats"):
        plotting.image_grid([images.astype(np.int64)])


def test_kernels_of_zeros_are_black_and_those_that_are_not_finite_refused(recwarn):
    assert not plotting.show_kernels(np.zeros((1, 5, 5))).pixels.any()
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinity"):
            plotting.show_kernels(np.full((1, 5, 5), bad))
    assert not recwarn.list


def test_bfloat16_is_shown_like_float32():
    kernel = torch.rand(1, 5, 5).bfloat16()
    assert (plotting.show_kernels(kernel).pixels == plotting.show_kernels(kernel.float()).pixels).all()
    ax = plt.subplots()[1]
    values = torch.rand(4, 3).bfloat16()
    drawn = plotting.spectrum_image(values, ax, (4, 4)).get_array()
    assert np.allclose(drawn, plotting.full_spectrum(values.float().numpy(), (4, 4)))


def _panels():
    with plt.rc_context():
        plotting.use_style()
        fig, axes = plt.subplots(1, 3, figsize=(7.2, 3), sharey=True)
    for i, ax in enumerate(axes):
        ax.plot([0, 1], [0, 1 + i], label=f"curve {i}")
        ax.set(xlabel="x (px)", title=f"panel {i}")
    axes[0].set_ylabel("y (dB)")
    return fig, axes


def test_a_phone_gets_the_panels_below_one_another_each_with_its_labels():
    fig, axes = _panels()
    plotting.legend_above(fig, 3)
    assert showing.flaws(fig) == []
    showing.stack(fig)
    assert showing.flaws(fig) == []
    assert fig.get_figwidth() <= showing.NARROWEST
    tops = [ax.get_window_extent().y0 for ax in axes]
    assert tops == sorted(tops, reverse=True) and len(set(tops)) == 3
    for ax in axes:
        assert ax.get_ylabel() == "y (dB)"
        assert [text.get_text() for text in ax.get_yticklabels() if text.get_visible() and text.get_text()]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["curve 0", "curve 1", "curve 2"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda fig, axes: axes[2].legend(loc="center"), "the legend lies on the curve 'curve 2'"),
        (lambda fig, axes: axes[1].annotate("small", (0.2, 1), fontsize=7), "'small' has letters of 7.0 points"),
        (lambda fig, axes: fig.text(0.99, 0.5, "beyond the edge"), "goes beyond the edge"),
        (lambda fig, axes: fig.set_figwidth(9), "9.00 inches wide"),
        (lambda fig, axes: axes[2].axvline(0.5) and axes[2].legend(loc="upper center"), "lies on the curve"),
    ],
)
def test_flaws_of_a_figure_are_found(spoil, said):
    fig, axes = _panels()
    assert showing.flaws(fig) == []
    spoil(fig, axes)
    assert any(said in flaw for flaw in showing.flaws(fig)), showing.flaws(fig)


def test_a_shown_figure_has_two_pixels_for_each_of_the_screen_and_is_closed(monkeypatch):
    fig, _ = _panels()
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: seen.append((data, options["metadata"])))
    plotting.show(fig)
    data, shown = seen[0][0], seen[0][1]["image/png"]
    assert shown["flaws"] == [] and data["text/plain"] == "Figure of 3 panels"
    for png, width in ((data["image/png"], 7.2), (shown["narrow"], showing.NARROWEST)):
        assert Image.open(BytesIO(b64decode(png))).width == pytest.approx(2 * 96 * width, abs=1)
    assert shown["width"] == round(96 * 7.2) and not plt.fignum_exists(fig.number)


def test_square_panels_keep_their_labels_within_the_figure(monkeypatch):
    """A layout of a fixed aspect is settled in its second pass; after the first a label hangs over the edge."""
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: seen.append(options["metadata"]))
    with plt.rc_context():
        plotting.use_style()
        fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.9), sharex=True, sharey=True)
        for ax in axes:
            ax.plot([0, 1], [0, 1], label="diagonal")
            ax.set(xlabel="recall ↑", title="clusters", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes[0].set_ylabel("precision ↑")
        plotting.legend_above(fig)
        plotting.show(fig)
    assert seen[0]["image/png"]["flaws"] == []


def test_formulae_keep_their_fonts_where_the_kept_list_of_fonts_lacks_them(tmp_path):
    """As on a machine where Matplotlib's own fonts could not be read when its list was made."""
    kept = tmp_path / f"fontlist-v{font_manager.FontManager.__version__}.json"
    fonts = copy.copy(font_manager.fontManager)
    fonts.ttflist = [font for font in fonts.ttflist if font.name.startswith("DejaVu Sans")]
    font_manager.json_dump(fonts, kept)
    draw = (
        "import matplotlib.pyplot as plt\nfrom blurvae.pages import plotting\n{}\n"
        "fig = plt.figure()\nfig.text(0.5, 0.5, '$H(0) = 1$')\nfig.canvas.draw()"
    )
    environment = os.environ | {"MPLCONFIGDIR": str(tmp_path), "MPLBACKEND": "Agg"}

    def said(code: str) -> str:
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return run.stderr

    assert "['STIXGeneral'] not found" in said(draw.format(""))
    assert said(draw.format("plotting.use_style()")) == ""
