"""Metrics that need no network: by property, and against scikit-image, torchmetrics, numpy and the definitions."""

from __future__ import annotations

import doctest
import importlib
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from blurvae import metrics
from blurvae.blur import circular_convolve, gaussian_kernel

PAIRED = {
    "psnr": metrics.psnr,
    "ssim": metrics.ssim,
    "lpips": metrics.lpips,
    "high_frequency_ratio": metrics.high_frequency_ratio,
    "evaluate": metrics.evaluate,
}
SETS = {
    "frechet_distance": lambda a, b: metrics.frechet_distance(a, b, "pixels"),
    "log_spectrum_distance": metrics.log_spectrum_distance,
}


def images(
    n: int = 3, c: int = 3, h: int = 20, w: int = 23, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Smooth images with some detail, on [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, c, 4, 4, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, size=(h, w), mode="bicubic", antialias=True)
    detail = torch.rand(n, c, h, w, generator=generator, dtype=torch.float64)
    return (0.7 * smooth + 0.3 * detail).clamp(0, 1).to(dtype)


def noisy(x: Tensor, sigma: float, seed: int = 1) -> Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(x.dtype)
    return (x + sigma * noise).clamp(0, 1)


def blurred(x: Tensor, variance: float) -> Tensor:
    return circular_convolve(x, gaussian_kernel(11, variance, dtype=x.dtype)).clamp(0, 1)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [*PAIRED.values(), *SETS.values()], ids=[*PAIRED, *SETS])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.rand(3, 20, 20), r"\(n, c, h, w\)"),
        (torch.rand(0, 3, 20, 20), "n ≥ 1"),
        (torch.zeros(3, 3, 20, 20, dtype=torch.uint8), "float32 or float64"),
        (torch.rand(3, 3, 20, 20).half(), "float32 or float64"),
        (torch.rand(3, 3, 20, 20) * 2 - 1, r"outside \[0, 1\]"),
        (torch.full((3, 3, 20, 20), math.inf), r"outside \[0, 1\]"),
        (torch.full((3, 3, 20, 20), math.nan), "NaN"),
    ],
    ids=["3-d", "empty", "uint8", "half", "[-1, 1]", "inf", "nan"],
)
def test_refuses_what_are_not_images(metric, x, message):
    with pytest.raises(ValueError, match=message):
        metric(x, x)


@pytest.mark.parametrize("metric", PAIRED.values(), ids=PAIRED)
def test_refuses_two_shapes(metric):
    with pytest.raises(ValueError, match="shapes"):
        metric(images(3), images(2))


@pytest.mark.parametrize("metric", SETS.values(), ids=SETS)
def test_sets_may_differ_in_number_but_not_in_shape(metric):
    assert metric(images(5), images(4, seed=1)) > 0
    with pytest.raises(ValueError, match="one shape"):
        metric(images(3, h=20), images(3, h=21))


def test_rounding_at_the_ends_of_the_range_is_accepted():
    x = images()
    assert metrics.psnr(x, x + 1e-6).shape == (3,)


# --- PSNR ------------------------------------------------------------------------------------------------------------


def test_psnr_of_known_errors():
    x = torch.full((3, 3, 8, 8), 0.5)
    y = x + torch.tensor([0.1, 0.01, 0.0]).view(3, 1, 1, 1)
    assert metrics.psnr(x, y).tolist() == pytest.approx([20, 40, math.inf], abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_psnr_agrees_with_scikit_image_and_torchmetrics(dtype):
    from skimage.metrics import peak_signal_noise_ratio

    functional = pytest.importorskip("torchmetrics.functional.image")
    x = images(dtype=dtype)
    y = noisy(x, 0.1)
    ours = metrics.psnr(x, y)
    assert ours.dtype == dtype
    reference = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(x.numpy(), y.numpy())]
    assert ours.tolist() == pytest.approx(reference, rel=1e-5)
    options = {"data_range": 1.0, "dim": (1, 2, 3), "reduction": "none"}
    torch.testing.assert_close(ours, functional.peak_signal_noise_ratio(y, x, **options), rtol=1e-5, atol=1e-5)


def test_mean_psnr_is_not_psnr_of_the_mean_error():
    x = torch.zeros(2, 1, 8, 8)
    y = torch.stack([torch.full((1, 8, 8), 0.2), torch.full((1, 8, 8), 0.01)])
    pooled = -10 * math.log10((x - y).square().mean())
    assert metrics.psnr(x, y).mean().item() > pooled + 9


# --- SSIM ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 1, 28, 28), (2, 3, 17, 40), (2, 1, 6, 7), (1, 2, 64, 33)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_ssim_agrees_with_torchmetrics(shape, dtype, tolerance):
    functional = pytest.importorskip("torchmetrics.functional.image")
    x = images(*shape, dtype=dtype)
    for y in (noisy(x, 0.1), blurred(x, 2.0) if min(shape[2:]) >= 11 else 1 - x):
        reference = functional.structural_similarity_index_measure(y, x, data_range=1.0, reduction="none")
        ours = metrics.ssim(x, y)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, reference, rtol=0, atol=tolerance)


def test_ssim_agrees_with_scikit_image_away_from_the_border():
    from skimage.metrics import structural_similarity

    x = images(2, dtype=torch.float64)
    y = noisy(blurred(x, 1.0), 0.05)
    inside = metrics.ssim(x, y, border=False).tolist()
    for a, b, ours, mean in zip(x.numpy(), y.numpy(), metrics.ssim_map(x, y).numpy(), inside):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
        expected, reference = structural_similarity(a, b, data_range=1.0, full=True, **options)
        assert mean == pytest.approx(expected, abs=1e-9)
        inner = (slice(None), slice(5, -5), slice(5, -5))
        np.testing.assert_allclose(ours[inner], reference[inner], atol=1e-9)


def test_darker_images_have_the_ssim_of_larger_constants():
    x = images(2, dtype=torch.float64)
    y = noisy(blurred(x, 1.0), 0.05)
    for a in (0.3, 0.5):
        larger = metrics.ssim_map(x, y, 0.01**2 / a**2, 0.03**2 / a**2).mean((1, 2, 3))
        torch.testing.assert_close(metrics.ssim(a * x, a * y), larger)
        assert (larger > metrics.ssim(x, y)).all()


def test_ssim_of_equal_images_is_exactly_one():
    for dtype in (torch.float32, torch.float64):
        x = images(dtype=dtype)
        assert (metrics.ssim(x, x) == 1).all()


def test_ssim_does_not_depend_on_order_orientation_or_company():
    x, y = images(4, dtype=torch.float64), images(4, seed=2, dtype=torch.float64)
    value = metrics.ssim(x, y)
    torch.testing.assert_close(metrics.ssim(y, x), value)
    torch.testing.assert_close(metrics.ssim(x.mT, y.mT), value)
    torch.testing.assert_close(metrics.ssim(x.flip(-1, -2), y.flip(-1, -2)), value)
    torch.testing.assert_close(metrics.ssim(x.flip(1), y.flip(1)), value)
    torch.testing.assert_close(metrics.ssim(1 - x[:, :1], 1 - x[:, :1]), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(torch.cat([metrics.ssim(a[None], b[None]) for a, b in zip(x, y)]), value)


def test_ssim_gradient():
    x = images(2, 2, 6, 7, dtype=torch.float64).requires_grad_()
    y = images(2, 2, 6, 7, seed=1, dtype=torch.float64).requires_grad_()
    # Without the look at the values: finite differences may step over the ends of the range.
    assert torch.autograd.gradcheck(lambda a, b: metrics.ssim(a, b, check_values=False), (x, y))


def test_ssim_gradient_is_finite_for_flat_and_equal_images():
    x = torch.zeros(2, 3, 16, 16, requires_grad=True)
    metrics.ssim(x, torch.zeros(2, 3, 16, 16)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() < 1e-3


def test_ssim_in_float32_survives_bright_flat_images():
    # The variances are differences of nearly equal numbers here; C2 = 9e-4 is what they are compared with.
    x = 0.99 + 0.01 * images(2, dtype=torch.float64)
    y = 0.99 + 0.01 * images(2, seed=1, dtype=torch.float64)
    torch.testing.assert_close(metrics.ssim(x.float(), y.float()).double(), metrics.ssim(x, y), rtol=0, atol=2e-5)


def test_ssim_ignores_autocast():
    x, y = images(), images(seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        value = metrics.ssim(x, y)
    torch.testing.assert_close(value, metrics.ssim(x, y), rtol=0, atol=0)


def test_ssim_refuses_images_smaller_than_half_its_window():
    with pytest.raises(ValueError, match="6×6"):
        metrics.ssim(torch.rand(1, 1, 5, 9), torch.rand(1, 1, 5, 9))
    with pytest.raises(ValueError, match=r"11×11.*10×12"):
        metrics.ssim(torch.rand(1, 1, 10, 12), torch.rand(1, 1, 10, 12), border=False)


def test_ssim_as_a_loss_leaves_the_values_unseen_but_not_the_shapes():
    x = torch.rand(2, 1, 8, 8) * 2
    assert metrics.ssim(x, x, check_values=False).tolist() == pytest.approx([1, 1])
    with pytest.raises(ValueError, match="shapes"):
        metrics.ssim(x, x[:1], check_values=False)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
@pytest.mark.parametrize("damage", [noisy, blurred])
def test_more_damage_is_worse(metric, damage):
    x = images(8, h=32, w=32)
    values = [metric(damage(x, strength), x).mean().item() for strength in (0.02, 0.1, 0.5)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


# --- spectra ---------------------------------------------------------------------------------------------------------


def full_spectrum(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """|F_ortho| over the full spectrum, and the radial frequency, straight from the definition."""
    h, w = x.shape[-2:]
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w))
    return np.abs(np.fft.fft2(x.double().numpy(), norm="ortho")), frequency


@pytest.mark.parametrize(("h", "w"), [(16, 16), (15, 16), (16, 15), (9, 11)])
def test_high_frequency_ratio_is_its_definition(h, w):
    x, y = images(h=h, w=w), images(h=h, w=w, seed=5)
    (fx, f), (fy, _) = full_spectrum(x), full_spectrum(y)
    expected = (fy[..., f > 0.25] ** 2).sum() / (fx[..., f > 0.25] ** 2).sum()
    assert metrics.high_frequency_ratio(y, x) == pytest.approx(expected, rel=1e-5)
    per_image = (fx[..., f > 0.25] ** 2).sum((1, 2))
    np.testing.assert_allclose(metrics.high_frequency_energy(x).numpy(), per_image, rtol=1e-5)


def test_high_frequency_ratio_of_equal_blurred_noisy_and_faded_images():
    x = images(8, h=32, w=32)
    assert metrics.high_frequency_ratio(x, x) == 1
    assert metrics.high_frequency_ratio(x / 2, x) == pytest.approx(0.25, rel=1e-4)
    blur = [metrics.high_frequency_ratio(blurred(x, v), x) for v in (0.1, 0.5, 2.0)]
    assert 1 > blur[0] > blur[1] > blur[2]
    assert 1 < metrics.high_frequency_ratio(noisy(x, 0.1), x) < metrics.high_frequency_ratio(noisy(x, 0.3), x)


def test_only_waves_above_a_quarter_cycle_count():
    position = torch.arange(16.0)

    def wave(cycles: int) -> Tensor:
        return (0.5 + 0.4 * torch.cos(2 * math.pi * cycles * position / 16)).expand(1, 1, 16, 16)

    assert metrics.high_frequency_energy(wave(4)).item() == pytest.approx(0, abs=1e-8)
    assert metrics.high_frequency_energy(wave(5)).item() == pytest.approx(256 * 0.08, rel=1e-5)
    assert metrics.high_frequency_energy(wave(8)).item() == pytest.approx(256 * 0.16, rel=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_no_ratio_to_images_without_detail(level):
    with pytest.raises(ValueError, match="no energy"):
        metrics.high_frequency_ratio(images(), torch.full((3, 3, 20, 23), level))


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize(("h", "w"), [(12, 12), (11, 12), (12, 11)])
def test_log_spectrum_is_its_definition(c, h, w):
    a, b = images(3, c, h, w, dtype=torch.float64), images(4, c, h, w, seed=3, dtype=torch.float64)
    weights = torch.tensor([0.299, 0.587, 0.114] if c == 3 else [1.0], dtype=torch.float64)
    mean = [np.log(full_spectrum((s * weights.view(1, c, 1, 1)).sum(1))[0] + 1e-8).mean(0) for s in (a, b)]
    half = metrics.mean_log_spectrum(a)
    assert half.shape == (h, w // 2 + 1)
    np.testing.assert_allclose(half.numpy(), mean[0][:, : w // 2 + 1], atol=1e-9)
    assert metrics.log_spectrum_distance(a, b) == pytest.approx(np.abs(mean[0] - mean[1]).mean(), rel=1e-9)


def test_lattice_excess_is_its_definition():
    x = images(2, 1, 32, 64, dtype=torch.float64)
    log = np.log(np.abs(np.fft.fft2(x[:, 0])) + 1e-8).mean(0)  # the full spectrum
    around = sum(np.roll(log, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1)) - log
    on_the_lattice = (log - around / 8)[:: 32 // 8, :: 64 // 8].flatten()[1:]
    half = torch.from_numpy(log[:, :33])
    assert metrics.lattice_excess(half) == pytest.approx(on_the_lattice.mean(), abs=1e-9)


def test_lattice_excess_finds_a_pattern_that_repeats_every_8_px_and_no_other():
    x = images(4, 1, 64, 64, dtype=torch.float64)
    tile = torch.rand(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain, tiled = (metrics.mean_log_spectrum(y) for y in (x / 2, x / 2 + tile.repeat(8, 8) / 2))
    assert metrics.lattice_excess(tiled) > metrics.lattice_excess(plain) + 1
    assert metrics.lattice_excess(plain + 3) == pytest.approx(metrics.lattice_excess(plain))
    with pytest.raises(ValueError, match="8 divides, not 60×64"):
        metrics.lattice_excess(torch.zeros(60, 33))


def test_log_spectrum_distance_of_equal_and_faded_sets():
    x = images(6)
    assert metrics.log_spectrum_distance(x, x) == 0
    assert metrics.log_spectrum_distance(x / 2, x) == pytest.approx(math.log(2), rel=1e-4)
    assert metrics.log_spectrum_distance(x, x / 2) == metrics.log_spectrum_distance(x / 2, x)
    assert metrics.log_spectrum_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-5)
    gray = x[:, :1]
    torch.testing.assert_close(metrics.mean_log_spectrum(gray.expand(-1, 3, -1, -1)), metrics.mean_log_spectrum(gray))


def test_log_spectrum_distance_grows_with_blur():
    x = images(8, h=32, w=32)
    values = [metrics.log_spectrum_distance(blurred(x, v), x) for v in (0.1, 0.5, 2.0)]
    assert values == sorted(values)


def test_log_spectrum_needs_gray_or_rgb():
    with pytest.raises(ValueError, match="2 channels"):
        metrics.mean_log_spectrum(images(c=2))


@pytest.mark.parametrize("metric", [metrics.high_frequency_energy, metrics.mean_log_spectrum])
def test_batches_do_not_change_a_spectrum(metric, monkeypatch):
    x = images(7, dtype=torch.float64)
    whole = metric(x)
    monkeypatch.setattr("blurvae.metrics._check.batch_size", lambda x, side=None: 3)
    torch.testing.assert_close(metric(x), whole)


def test_a_metric_over_batches_is_that_of_the_whole_set():
    x, y = images(7, dtype=torch.float64), images(7, seed=1, dtype=torch.float64)
    for size in (None, 1, 3, 7, 9):
        assert torch.equal(metrics.over_batches(metrics.psnr, x, y, size), metrics.psnr(x, y))
    seen = []
    metrics.over_batches(lambda a, b: seen.append(len(a)) or metrics.psnr(a, b), x, y, 3)
    assert seen == [3, 3, 1]
    with pytest.raises(ValueError, match="hold 7 and 6 images"):
        metrics.over_batches(metrics.psnr, x, y[:6], 4)


# --- one row of a table ----------------------------------------------------------------------------------------------


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def test_evaluate_without_weights(no_weights):
    x, samples = images(6), images(6, seed=9)
    y = noisy(x, 0.1)
    row = metrics.evaluate(x, y, samples)
    assert tuple(row) == metrics.NAMES
    for name, values in (("PSNR", metrics.psnr(x, y)), ("SSIM", metrics.ssim(x, y))):
        expected = {"mean": values.mean().item(), "sd": values.std(correction=1).item(), "n": 6}
        assert row[name] == pytest.approx(expected, rel=1e-4)
    assert row["high-frequency ratio"] == {"value": metrics.high_frequency_ratio(y, x)}
    assert row["log-spectrum distance (recon)"] == {"value": metrics.log_spectrum_distance(y, x)}
    assert row["log-spectrum distance (samples)"] == {"value": metrics.log_spectrum_distance(samples, x)}
    for name in ("LPIPS-squeeze", "FD-squeeze (recon)", "FD-squeeze (samples)"):
        assert row[name]["state"] == "needs weights"


def test_evaluate_names_its_networks(no_weights):
    row = metrics.evaluate(images(), images(seed=1), lpips_net="vgg", features="pixels")
    assert "LPIPS-vgg" in row
    assert row["FD-pixels (recon)"]["value"] == metrics.frechet_distance(images(), images(seed=1), "pixels")
    assert not [name for name in row if "samples" in name]
    assert set(row) < set(metrics.names("vgg", "pixels"))


def test_evaluate_measures_the_centre(no_weights):
    x, y = images(h=32, w=32), images(h=32, w=32, seed=1)
    inner = (..., slice(2, 30), slice(2, 30))
    assert metrics.evaluate(x, y, x, crop=28) == metrics.evaluate(x[inner], y[inner], x[inner])
    with pytest.raises(ValueError, match="crop of 33"):
        metrics.evaluate(x, y, crop=33)


def test_evaluate_needs_two_images():
    with pytest.raises(ValueError, match="at least 2"):
        metrics.evaluate(images(1), images(1, seed=1))


def test_evaluate_leaves_no_graph(no_weights):
    y = images(seed=1).requires_grad_()
    assert isinstance(metrics.evaluate(images(), y)["PSNR"]["mean"], float)


# --- the package -----------------------------------------------------------------------------------------------------


def test_import_is_light():
    code = (
        "import sys, blurvae.metrics; print({'torchvision', 'lpips', 'torchmetrics', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_examples_in_the_descriptions(name):
    result = doctest.testmod(importlib.import_module(f"blurvae.metrics.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
