"""The sharpness term and the blur percentage: against the report's filters, and what they are fooled by."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from blurvae import blur, losses, metrics
from blurvae.experiments.sharpness import INNER, naive
from blurvae.metrics.blur_percentage import neighbour_differences, neighbour_maximum

# The report's eight filters as printed, in its order but for the fourth to eighth, which go round.
FILTERS = torch.tensor(
    [
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],
        [[0, 1, 0], [0, -1, 0], [0, 0, 0]],
        [[0, 0, 1], [0, -1, 0], [0, 0, 0]],
        [[0, 0, 0], [1, -1, 0], [0, 0, 0]],
        [[0, 0, 0], [0, -1, 1], [0, 0, 0]],
        [[0, 0, 0], [0, -1, 0], [1, 0, 0]],
        [[0, 0, 0], [0, -1, 0], [0, 1, 0]],
        [[0, 0, 0], [0, -1, 0], [0, 0, 1]],
    ],
    dtype=torch.float64,
)


def images(n: int = 3, c: int = 2, side: int = 9, seed: int = 0) -> Tensor:
    return torch.rand(n, c, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, X_HAT = images(), images(seed=1)


def test_the_differences_are_the_convolutions_of_the_report() -> None:
    expected = F.conv2d(X.flatten(0, 1)[:, None], FILTERS[:, None]).unflatten(0, X.shape[:2])
    torch.testing.assert_close(neighbour_differences(X), expected)
    torch.testing.assert_close(neighbour_maximum(X), expected.amax(2))
    torch.testing.assert_close(neighbour_maximum(X, absolute=True), expected.abs().amax(2))


@pytest.mark.parametrize("absolute", [False, True])
def test_the_variants_are_the_reports_formulas(absolute: bool) -> None:
    convolved = [F.conv2d(i.flatten(0, 1)[:, None], FILTERS[:, None]).unflatten(0, i.shape[:2]) for i in (X, X_HAT)]
    m, m_hat = ((d.abs() if absolute else d).amax(2) for d in convolved)
    expected = {
        "a": (m.mean((2, 3)) - m_hat.mean((2, 3))).square().sum(1),
        "b": (m - m_hat).square().sum((1, 2, 3)),
        "c": (convolved[0].square().mean(2) - convolved[1].square().mean(2)).square().sum((1, 2, 3)),
    }
    for variant, value in expected.items():
        term = losses.get("sharpness", variant=variant, absolute=absolute, scale=3.0)
        torch.testing.assert_close(term(2 * X - 1, 2 * X_HAT - 1), 3 * value)


def test_the_blur_percentage_is_that_of_means_and_falls_with_blur() -> None:
    z1, z2 = (neighbour_maximum(i).mean((1, 2, 3)) for i in (X, X_HAT))
    torch.testing.assert_close(metrics.blur_percentage(X, X_HAT), 100 * (z1 - z2) / z1)
    values = [
        metrics.blur_percentage(X, blur.circular_convolve(X, blur.gaussian_kernel(5, v).double()).clamp(0, 1)).mean()
        for v in (0.1, 0.3, 1.0)
    ]
    assert 0 < values[0] < values[1] < values[2] < 100
    assert torch.equal(metrics.blur_percentage(X, X), torch.zeros(3, dtype=torch.float64))


def test_the_blur_percentage_is_fooled_by_noise_by_shifts_and_by_sign() -> None:
    smooth = blur.circular_convolve(X, blur.gaussian_kernel(5, 2.0).double())
    noisy = (smooth + 0.3 * torch.randn(X.shape, generator=torch.Generator().manual_seed(2)).double()).clamp(0, 1)
    assert (metrics.blur_percentage(smooth, noisy) < -50).all(), "noise is sharper than the original"
    frame = F.pad(X, [4] * 4)
    moved = frame.roll((2, 1), (-2, -1))
    assert metrics.blur_percentage(frame, moved).abs().max() < 1e-9, "another image, as sharp"
    assert (losses.get("sharpness")(2 * frame - 1, 2 * moved - 1) > 1).all(), "pixel by pixel it is seen"
    dot = torch.zeros(1, 1, 9, 9).double()
    dot[..., 4, 4] = 1
    signed, absolute = (metrics.sharpness(i).item() for i in (dot, 1 - dot))
    assert signed == pytest.approx(7 / 49) and absolute == pytest.approx(1 / 49), "the sign decides what a dot counts"
    sizes = [metrics.sharpness(i, absolute=True).item() for i in (dot, 1 - dot)]
    assert sizes == pytest.approx([9 / 49, 9 / 49])


def test_the_term_says_nothing_of_brightness() -> None:
    for variant in ("a", "b", "c"):
        assert losses.get("sharpness", variant=variant)(X, X - 0.5).abs().max() < 1e-20


def test_flat_and_small_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3×3 px have a pixel with eight neighbours, not 2×9"):
        metrics.sharpness(X[..., :2, :])
    with pytest.raises(ValueError, match="is flat, so that no share of its sharpness can be lost"):
        metrics.blur_percentage(torch.full_like(X, 0.5), X)


def test_the_variants_differ_as_chapter_20_proves() -> None:
    x, x_hat = X[:, :1], X_HAT[:, :1]
    a, b = (losses.get("sharpness", variant=v) for v in ("a", "b"))
    inner = 7 * 7
    assert (inner * a(2 * x - 1, 2 * x_hat - 1) < b(2 * x - 1, 2 * x_hat - 1)).all(), "Cauchy and Schwarz"
    mirrored = x.flip(-1)
    torch.testing.assert_close(a(x, mirrored), torch.zeros(3, dtype=torch.float64))
    for variant, degree in {"a": 2, "b": 2, "c": 4}.items():
        term = losses.get("sharpness", variant=variant)
        torch.testing.assert_close(term(x / 2, x_hat / 2), term(x, x_hat) / 2**degree)
    c, in_size = losses.get("sharpness", variant="c"), losses.get("sharpness", absolute=True)
    assert c(x, -x).abs().max() < 1e-20 and in_size(x, -x).abs().max() < 1e-20, "blind to a negative"
    assert (b(x, -x) > 0.1).all(), "with the sign it is not"
    flat = torch.full_like(x, 0.5).requires_grad_()
    assert torch.autograd.grad(c(x, flat).sum(), flat)[0].abs().max() == 0, "(c) starts no edge"
    assert torch.autograd.grad(b(x, flat).sum(), flat)[0].abs().max() > 0.1


def test_erratum_s_e2_the_sum_of_the_text_is_676_times_the_average_of_the_caption() -> None:
    generator = torch.Generator().manual_seed(0)
    t, t_hat = 2 * torch.rand(2, 3, 1, 28, 28, generator=generator, dtype=torch.float64) - 1
    inner = neighbour_maximum((t + 1) / 2)
    average = (inner - neighbour_maximum((t_hat + 1) / 2)).square().flatten(1).mean(1)
    assert inner[0].numel() == INNER == 26 * 26
    assert torch.allclose(losses.Sharpness("b")(t, t_hat), INNER * average)


def test_erratum_s_e3_the_first_layer_takes_28_by_28_images() -> None:
    for size, inputs in ((28, 784), (32, 1024)):
        encoder = naive().players((1, size, size)).vae.encoder
        first = next(layer for layer in encoder.modules() if isinstance(layer, torch.nn.Linear))
        assert first.in_features == inputs == size**2
