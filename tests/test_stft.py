"""The short-time Fourier term: against loops, by what it is blind to, and the errata of its paper."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from blurvae import datasets, losses, metrics
from blurvae.errors import MissingData
from blurvae.experiments import recorded
from blurvae.losses.stft import STFT, angle


def images(n: int = 2, c: int = 1, h: int = 12, w: int = 16, seed: int = 0) -> Tensor:
    return 2 * torch.rand(n, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


X, X_HAT = images(), images(seed=1)


def by_loops(term: STFT, x: Tensor, x_hat: Tensor) -> float:
    """Section 3.1 of the paper for one grey image, frequency by frequency, phases in (−π, π] brought together."""
    size, total = term.window, 0.0
    fade = [0.5 - 0.5 * math.cos(2 * math.pi * i / size) if term.hann else 1.0 for i in range(size)]
    # the frequency vector of bin (u, v), each component at most half a cycle a pixel
    length = {(u, v): math.hypot(min(u, size - u), min(v, size - v)) for u in range(size) for v in range(size)}
    for top in range(0, x.shape[0] - size + 1, term.stride):
        for left in range(0, x.shape[1] - size + 1, term.stride):
            for u, v in length:
                found = []
                for image in (x, x_hat):
                    found.append(
                        sum(
                            (image[top + m, left + n].item() + 1) / 2 * fade[m] * fade[n]
                            * cmath.exp(-2j * math.pi * (u * m + v * n) / size)
                            for m in range(size)
                            for n in range(size)
                        )
                    )  # fmt: skip
                a, b = found
                turn = abs(cmath.phase(b) - cmath.phase(a))
                turn = min(turn, 2 * math.pi - turn)
                weight = length[u, v] / max(length.values())
                total += weight * (term.phase * turn + term.amplitude * abs(abs(b) - abs(a)))
    return term.scale * total


@pytest.mark.parametrize("hann", [True, False])
def test_the_term_is_that_of_loops(hann: bool) -> None:
    term = STFT(window=4, stride=2, hann=hann, phase=3.0, amplitude=0.5, scale=2.0)
    x, x_hat = X[..., :6, :8], X_HAT[..., :6, :8]
    expected = [by_loops(term, a[0], b[0]) for a, b in zip(x, x_hat)]
    torch.testing.assert_close(term(x, x_hat), torch.tensor(expected, dtype=torch.float64))


def test_the_released_form_keeps_one_quadrant_without_its_axes_and_does_not_wrap() -> None:
    """The author's code: fft2, its top left quarter, a product of ramps, angles subtracted as they are."""
    term = STFT(window=8, stride=4, hann=False, phase=0.9, amplitude=0.1, scale=0.0015, form="released")
    cut = [((i + 1) / 2)[:, 0].unfold(1, 8, 4).unfold(2, 8, 4) for i in (X, X_HAT)]  # (n, K, L, 8, 8)
    f, f_hat = (torch.fft.fft2(windows)[..., :4, :4] for windows in cut)
    ramp = torch.linspace(0, 1, 4, dtype=torch.float64)
    error = 0.9 * (f_hat.angle() - f.angle()).abs() + 0.1 * (f_hat.abs() - f.abs()).abs()
    expected = 0.0015 * (torch.outer(ramp, ramp) * error).sum((1, 2, 3, 4))
    torch.testing.assert_close(term(X, X_HAT), expected, rtol=1e-5, atol=0)
    stripes = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    stripes[..., ::2] = 1  # only frequencies on an axis
    assert term(stripes, stripes.flip(-1)).item() == pytest.approx(0, abs=1e-9)
    assert STFT(window=8, stride=4, hann=False)(stripes, stripes.flip(-1)).item() > 0


def test_windows_add_up_to_the_image_again() -> None:
    """Hann windows a quarter of their size apart overlap to a constant, so no pixel is lost; with the padding."""
    term = STFT(window=8, stride=2, pad=True)
    cut = term.windows(X)
    n, c, rows, columns = cut.shape[:4]
    before, whole = 8 - 2, torch.zeros(n, c, 2 * (rows - 1) + 8, 2 * (columns - 1) + 8, dtype=X.dtype)
    for k in range(rows):
        for m in range(columns):
            whole[..., 2 * k : 2 * k + 8, 2 * m : 2 * m + 8] += cut[:, :, k, m]
    h, w = X.shape[-2:]
    gain = (8 / 2 / 2) ** 2  # of the sum of squares of cosines in each direction
    torch.testing.assert_close(whole[..., before : before + h, before : before + w], gain * X)


def test_a_single_window_of_the_whole_image_is_the_global_transform() -> None:
    x, x_hat = X[..., :12], X_HAT[..., :12]
    term = STFT(window=12, stride=0, hann=False, phase=0.0, amplitude=1.0, scale=1.0)
    difference = (torch.fft.fft2((x + 1) / 2).abs() - torch.fft.fft2((x_hat + 1) / 2).abs()).abs()
    f = torch.fft.fftfreq(12, dtype=torch.float64)
    weight = torch.hypot(f[:, None], f) / math.sqrt(0.5)
    torch.testing.assert_close(term(x, x_hat), (weight * difference).sum((1, 2, 3)))
    shifted = x.roll((3, 5), (-2, -1))  # a global amplitude does not see a shift, and a local one does
    assert term(x, shifted).max() < 1e-9
    assert STFT(window=4, stride=4, phase=0.0)(x, shifted).min() > 0


def test_the_phase_part_sees_no_contrast_and_the_amplitude_part_no_sign() -> None:
    unit = (X + 1) / 2
    darker = 2 * (0.3 * unit) - 1
    assert STFT(window=4, stride=4, amplitude=0.0)(X, darker).max() < 1e-9
    assert STFT(window=4, stride=4, phase=0.0)(X, darker).min() > 0
    negative = -unit  # outside of [0, 1]: every phase is turned by π
    only_phase = STFT(window=4, stride=4, phase=1.0, amplitude=0.0, scale=1.0)(X, 2 * negative - 1)
    weight = torch.hypot(*torch.meshgrid(*[torch.fft.fftfreq(4, dtype=torch.float64)] * 2, indexing="ij"))
    windows = 3 * 4
    expected = math.pi * windows * (weight / math.sqrt(0.5)).sum().item()
    torch.testing.assert_close(only_phase, torch.full((2,), expected, dtype=torch.float64))


def test_a_turn_by_almost_a_whole_circle_is_almost_none_as_printed_and_almost_all_as_released() -> None:
    turn = torch.tensor([math.pi - 0.01, 0.01 - math.pi], dtype=torch.float64)
    f = torch.polar(torch.ones_like(turn), turn)
    assert angle(f[1] * f[0].conj()).abs().item() == pytest.approx(0.02)
    assert (angle(f[1]) - angle(f[0])).abs().item() == pytest.approx(2 * math.pi - 0.02)


@pytest.mark.parametrize("form", ["printed", "released"])
@pytest.mark.parametrize("black", ["x", "x_hat", "both"])
def test_value_and_gradient_are_finite_where_amplitudes_are_zero(form: str, black: str) -> None:
    none = torch.full_like(X, -1.0)
    x = none if black in ("x", "both") else X
    x_hat = (none if black in ("x_hat", "both") else X_HAT).clone().requires_grad_()
    value = losses.get("stft", window=4, stride=4, form=form)(x, x_hat)
    value.sum().backward()
    assert x_hat.grad is not None and value.isfinite().all() and x_hat.grad.isfinite().all()
    if form == "printed" and black == "both":
        assert not value.any() and not x_hat.grad.any()


def test_windows_that_do_not_tile_the_image_are_refused_by_name_or_padded() -> None:
    with pytest.raises(ValueError, match=r"Windows of 8 px every 5 px do not tile images of 12×16 px.*pad=True"):
        STFT(window=8, stride=5)(X, X_HAT)
    with pytest.raises(ValueError, match="Windows of 14 px"):
        STFT(window=14, stride=2)(X, X_HAT)
    with pytest.raises(ValueError, match="Stride 0 asks for a window of the whole image, 12×16 px, not 12"):
        STFT(window=12, stride=0)(X, X_HAT)
    assert STFT(window=8, stride=5, pad=True)(X, X_HAT).isfinite().all()


def test_erratum_d_e1_the_printed_sign_of_ssim_rewards_dissimilarity() -> None:
    """Eq. 1 and 2 add SSIM to what is minimised: the negative of an image would then be better than the image."""
    x = images(1)
    ssim = {name: 1 - 2 * losses.SSIM()(x, y).item() / x[0].numel() for name, y in (("same", x), ("negative", -x))}
    assert ssim["same"] == pytest.approx(1) and ssim["negative"] < 0
    printed = {name: value for name, value in ssim.items()}  # the pixel part of eq. 2, to be minimised
    assert min(printed, key=lambda name: printed[name]) == "negative"
    released = {name: -500 * value for name, value in ssim.items()}
    assert min(released, key=lambda name: released[name]) == "same"


def test_erratum_d_e3_without_a_floor_there_is_no_whole_number_of_windows() -> None:
    """K = |(M − h)/s| + 1 is printed with bars: at 28 px, windows of 16 every 5, the number is 3.4; 3 windows fit."""
    assert abs((28 - 16) / 5) + 1 == pytest.approx(3.4)
    fitting = [top for top in range(28) if top % 5 == 0 and top + 16 <= 28]
    assert len(fitting) == (28 - 16) // 5 + 1 == 3
    assert STFT().windows(images(1, 1, 28, 28)).shape[2:4] == ((28 - 16) // 4 + 1,) * 2 == (4, 4)


def test_erratum_d_e2_the_first_term_of_the_bound_is_the_reconstruction() -> None:
    """Of E log p − β KL, "the first term is the KL divergence": but the first alone changes with the decoder."""
    q, prior = torch.distributions.Normal(0.5, 0.8), torch.distributions.Normal(0.0, 1.0)
    z = q.sample((1000,))
    bounds = {}
    for slope in (1.0, 2.0):  # two decoders, one encoder
        first = torch.distributions.Normal(slope * z, 1.0).log_prob(torch.tensor(0.5)).mean().item()
        bounds[slope] = first, torch.distributions.kl_divergence(q, prior).item()
    assert bounds[1.0][0] > bounds[2.0][0] and bounds[1.0][1] == bounds[2.0][1] > 0


def test_erratum_d_e4_the_numbers_of_the_abstract_stand_in_no_row_of_the_table() -> None:
    table = recorded.paper_table("dalal/table1")
    assert not (table["PSNR raw"] == 12.12).any() and not (table["SSIM raw"] == 0.507).any()
    assert table.set_index("method").loc["Ours", ["PSNR raw", "SSIM raw"]].tolist() == [11.93, 0.492]


def test_the_single_pages_beside_the_released_weights_have_the_scores_that_are_filed() -> None:
    """The mean of the training images and a black page for every test digit, SSIM without the border, on real MNIST."""
    try:
        train, test = (datasets.load("mnist-binary", split, size=28).images for split in ("train", "test"))
    except MissingData as absent:
        pytest.skip(str(absent))
    filed = recorded.paper_table("dalal/released").set_index("method")
    pages = {"mean of the training images": train.mean(0) / 255, "black": 0 * train[0]}
    for name, page in pages.items():
        error = ((test / 255 - page) ** 2).mean((1, 2, 3))
        assert (-10 * np.log10(error)).mean() == pytest.approx(filed.PSNR[name], abs=0.005)
        few = torch.from_numpy(test[:1000] / 255).float()
        inner = metrics.ssim_map(few, torch.from_numpy(page).expand_as(few).float())[..., 5:-5, 5:-5]
        assert inner.mean().item() == pytest.approx(filed.SSIM[name], abs=0.02)
