"""Pictures are shown as they are: same pixels, same range, whole factors."""

from __future__ import annotations

from io import BytesIO

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from blurvae.pages import plotting

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


def test_labels_take_room_and_leave_images_alone():
    rows = {"original": np.zeros((1, 1, 32, 32), np.uint8), "β = 2": np.full((1, 1, 32, 32), 9, np.uint8)}
    grid = plotting.image_grid(rows)
    assert grid.labels == ("original", "β = 2") and repr(grid) == "Grid of images, rows: original, β = 2"
    assert (grid.pixels[:32, -32:] == 0).all() and (grid.pixels[34:, -32:] == 9).all()
    assert (grid.pixels[:32, :-32] == 0).any(), "the label is drawn"


def test_display_is_the_stored_pixels_with_a_width_of_whole_factors():
    grid = plotting.image_grid([RNG.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)], zoom=3)
    png, shown = grid._repr_png_()
    stored = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    assert (stored == grid.pixels).all()
    assert shown["width"] == 3 * stored.shape[1]
    large = np.asarray(grid.image(3))
    assert (large[::3, ::3] == stored).all() and (large[2::3, 2::3] == stored).all()


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "at least one row"),
        ([np.zeros((2, 3, 4, 4)), np.zeros((3, 3, 4, 4))], {}, "equal shapes"),
        ([np.zeros((2, 2, 4, 4))], {}, "1 or 3 channels"),
        ([np.zeros((4, 4))], {}, r"\(n, c, h, w\)"),
        ([np.zeros((1, 1, 4, 4))], {"zoom": 0}, "zoom"),
        ([np.zeros((1, 1, 4, 4))], {"zoom": 1.5}, "zoom"),
        ([np.zeros((1, 1, 4, 4))], {"labels": ["a", "b"]}, "1 rows need"),
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
