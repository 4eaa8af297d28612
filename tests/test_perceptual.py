"""Perceptual terms: against the package lpips, SciPy's cosine transform, and formulas written out in NumPy."""

from __future__ import annotations

import math
import pickle
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
from test_train_device import transfers
from torch import Tensor
from toys import with_term
from toys.running import copied, different, trained

from blurvae import blur, datasets, losses, metrics
from blurvae.datasets import ImageSet
from blurvae.errors import CorruptFile, MissingWeights
from blurvae.losses.watson import THRESHOLDS, block_dct, luma_chroma
from blurvae.models import VAE
from blurvae.models.lpips import _network
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players
from blurvae.train import Budget, fit
from blurvae.train.recorders import Tape

SQUEEZE = "squeezenet1_1-b8a52dc0.pth"
T = np.array(THRESHOLDS)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def images(n: int = 3, c: int = 3, size: int = 16, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Smooth images with some noise, within (−1, 1)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, c, 3, 3, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)
    return (1.7 * smooth - 0.85 + 0.1 * torch.rand(n, c, size, size, generator=generator).double()).to(dtype)


def noise(x: Tensor, scale: float = 0.05, seed: int = 9) -> Tensor:
    return scale * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(x)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty checkpoint folder of torch's hub."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def random_squeeze(tmp_path_factory) -> Path:
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = models.squeezenet1_1(weights=None).state_dict()
    file = tmp_path_factory.mktemp("weights") / SQUEEZE
    torch.save(state, file)
    return file


@pytest.fixture
def squeeze(hub, random_squeeze):
    """The package lpips; SqueezeNet has random weights."""
    package = pytest.importorskip("lpips", reason="lpips is not installed")
    (hub / SQUEEZE).symlink_to(random_squeeze)
    return package


# --- what the three share --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("lpips", {"net": "vgg", "scale": 2.0}),
        ("watson", {"chroma": 1.0, "pooling": 2.0}),
        ("watson-dft", {"path": "weights.safetensors"}),
    ],
)
def test_terms_are_values(name: str, constants: dict[str, Any]) -> None:
    term = losses.get(name, **constants)
    assert pickle.loads(pickle.dumps(term)) == term
    assert term != losses.get(name)
    assert not term.is_likelihood and term.kernel_path is None
    with pytest.raises(ValueError, match=f"'{name}' is not a likelihood"):
        term.log_normaliser((3, 16, 16))


@pytest.mark.parametrize(
    ("name", "constants", "message"),
    [
        ("lpips", {"net": "vgg19"}, "net of 'lpips' is one of squeeze, alex, vgg, not 'vgg19'"),
        ("lpips", {"scale": 0.0}, "scale of 'lpips' is a positive number, not 0.0"),
        ("watson", {"scale": math.nan}, "scale of 'watson' .*not nan"),
        ("watson", {"chroma": -1.0}, "chroma of 'watson' .*not -1.0"),
        ("watson", {"black": 0.0}, "black of 'watson' .*not 0.0"),
        ("watson", {"pooling": 5.0}, "pooling of 'watson' .*not at 5.0"),
        ("watson-dft", {"scale": -1.0}, "scale of 'watson-dft' .*not -1.0"),
    ],
)
def test_bad_constants_are_refused(name: str, constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        losses.get(name, **constants)


@pytest.mark.parametrize("name", ["watson", "watson-dft"])
def test_images_without_whole_blocks_or_of_odd_channels_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="multiples of 8 px, not 3 channels of 20×20 px"):
        losses.get(name)(images(size=20), images(size=20))
    with pytest.raises(ValueError, match="not 2 channels of 16×16 px"):
        losses.get(name)(images(c=2), images(c=2))
    with pytest.raises(ValueError, match=r"not \(3, 3, 16, 16\) and \(2, 3, 16, 16\)"):
        losses.get(name)(images(), images(2))


def image_set(size: int) -> ImageSet:
    pixels = ((images(8, size=size, dtype=torch.float32) + 1) * 127.5).to(torch.uint8).numpy()
    return ImageSet("patches", "train", pixels, None, "random", "none", None, "0123")


@pytest.mark.parametrize("name", ["lpips", "watson-dft"])
def test_a_graph_could_hold_what_has_weights(name: str, squeeze, hub, monkeypatch) -> None:
    """As tests of the terms without have it: no number of the host in a step, none read off the device."""
    save_weights(hub / "rgb_watson_fft_trial0.pth")
    tape = Tape()
    assert not different(copied(trained(with_term(name))), copied(trained(with_term(name), recorder=tape)))
    assert not tape.suspicious
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no device "meta"
    assert not transfers(with_term(name))


@pytest.mark.parametrize("size", [32, 64])
def test_a_model_trains_on_them(squeeze, hub, size: int) -> None:
    save_weights(hub / "rgb_watson_fft_trial0.pth")
    for name in ("lpips", "watson", "watson-dft"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            vae = VAE("A", size=size, widths=(4, 8), latent=4, hidden=8)
        system, budget = BlurVAE(losses.get(name), 0.0, lr=3e-3, latent=4), Budget(3, 4, precision="float32")
        history = fit(system, Players(vae, None), image_set(size), budget, device="cpu")
        losses_seen = [epoch["reconstruction"] for epoch in history]
        assert losses_seen[-1] < losses_seen[0], name


# --- LPIPS -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning")  # what the package calls torchvision by
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_half_d_times_the_package_on_its_own_range(squeeze, size: int, channels: int) -> None:
    """The package wants [−1, 1] and gets the images as they are."""
    x, x_hat = (images(2, channels, size, seed=s, dtype=torch.float32) for s in (0, 1))
    term = losses.get("lpips", scale=0.5)
    ours = x_hat.clone().requires_grad_()
    value = term(x, ours)
    assert value.shape == (2,) and value.dtype == torch.float32
    network = squeeze.LPIPS(net="squeeze", verbose=False).requires_grad_(False)
    theirs = x_hat.clone().requires_grad_()
    expected = network(*(v.expand(-1, 3, -1, -1) for v in (x, theirs))).flatten() * 0.5 * channels * size**2 / 2
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    value.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)
    assert (term(x, x) == 0).all()


def test_the_gradient_of_lpips_reaches_only_x_hat(squeeze) -> None:
    x, x_hat = (images(1, size=32, seed=s, dtype=torch.float32).requires_grad_() for s in (0, 1))
    losses.get("lpips")(x, x_hat).sum().backward()
    assert x.grad is None and x_hat.grad.abs().sum() > 0
    network = _network("squeeze", Path(torch.hub.get_dir()) / "checkpoints" / SQUEEZE, torch.device("cpu"))
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not network.training
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)  # dead features have a norm of 0
    losses.get("lpips")(flat.detach(), flat).sum().backward()
    assert flat.grad.isfinite().all()


def test_lpips_reads_its_network_once(squeeze) -> None:
    x = images(1, size=32, dtype=torch.float32)
    losses.get("lpips")(x, x)
    before = _network.cache_info().misses
    losses.get("lpips", scale=3.0)(x, x)
    assert _network.cache_info().misses == before


def test_lpips_names_what_is_missing(hub, monkeypatch) -> None:
    x = images(1, size=32, dtype=torch.float32)
    with monkeypatch.context() as bare:
        bare.setitem(sys.modules, "torchvision.models", None)
        with pytest.raises(
            MissingWeights, match=r"LPIPS-squeeze needs the package torchvision.*pip install torchvision"
        ):
            losses.get("lpips")(x, x)
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    for net, file in (("vgg", "vgg16-397923af.pth"), ("alex", "alexnet-owt-7be5be79.pth")):
        with pytest.raises(MissingWeights, match=f"LPIPS-{net} needs the weights {file}.*TORCH_HOME") as caught:
            losses.get("lpips", net=net)(x, x)
        assert caught.value.what == file


def test_lpips_refuses_images_too_small_for_the_net() -> None:
    x = images(1, size=16, dtype=torch.float32)
    with pytest.raises(ValueError, match="LPIPS-squeeze needs images of at least 17×17 px, not 16×16"):
        losses.get("lpips")(x, x)


def test_real_lpips_as_a_term_is_half_d_times_the_metric() -> None:
    """The metric takes [0, 1], the term [−1, 1]; and more blur costs more."""
    if not (Path(torch.hub.get_dir()) / "checkpoints" / SQUEEZE).is_file():
        pytest.skip(f"needs the real weights {SQUEEZE} in the checkpoint folder of torch's hub (TORCH_HOME)")
    pytest.importorskip("lpips", reason="lpips is not installed")
    x = datasets.to_float(torch.from_numpy(np.array(datasets.load("natural", "test", size=64, n=4).images)))
    costs = []
    for variance in (0.3, 1.0, 4.0):
        blurred = blur.circular_convolve(x, blur.gaussian_kernel(11, variance))
        costs.append(losses.get("lpips")(x, blurred))
        metric = metrics.lpips((x + 1) / 2, (blurred + 1) / 2)
        torch.testing.assert_close(costs[-1], 3 * 64 * 64 / 2 * metric, rtol=1e-3, atol=1e-2)
    assert (costs[0] < costs[1]).all() and (costs[1] < costs[2]).all()


# --- Watson ----------------------------------------------------------------------------------------------------------


def reference(x: Tensor, x_hat: Tensor, chroma: float = 0.5, black: float = 8.0, pooling: float = 4.0) -> float:
    """The model block by block, for one image (c, h, w) on [−1, 1]: the pooled error in thresholds, without ε."""
    planes = []
    for image in (x, x_hat):
        grey_levels = (image.numpy() + 1) / 2 * 255
        if len(grey_levels) == 3:
            r, g, b = grey_levels
            y = 0.299 * r + 0.587 * g + 0.114 * b
            grey_levels = np.stack([y, (b - y) / 1.772, (r - y) / 1.402])
        planes.append(grey_levels)
    h, w = x.shape[-2:]
    corners = [(i, j) for i in range(0, h, 8) for j in range(0, w, 8)]

    def dct(plane: np.ndarray, i: int, j: int) -> np.ndarray:
        return scipy.fft.dctn(plane[i : i + 8, j : j + 8], norm="ortho")

    light = {corner: max(8 * black, dct(planes[0][0], *corner)[0, 0]) for corner in corners}
    mean = np.mean(list(light.values()))
    total = 0.0
    for index, (plane, other) in enumerate(zip(*planes)):
        for corner in corners:
            c = dct(plane, *corner)
            masked = T * (light[corner] / mean) ** 0.649
            slack = np.maximum(masked, np.abs(c) ** 0.7 * masked**0.3)
            slack[0, 0] = masked[0, 0]
            d = (c - dct(other, *corner)) / slack * (chroma if index else 1)
            total += (np.abs(d) ** pooling).sum()
    return float((total / (h * w)) ** (1 / pooling))


def test_the_table_is_that_of_the_paper() -> None:
    assert T.shape == (8, 8) and np.array_equal(T, T.T)
    assert T.min() == 1.01 and T[0, 0] == 1.40 and T[7, 7] == 21.15 and T.sum() == pytest.approx(358.88)


@pytest.mark.parametrize("shape", [(2, 3, 16, 24), (1, 1, 8, 8)], ids=str)
def test_the_block_transform_is_that_of_scipy(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = block_dct(x)
    n, c, h, w = shape
    for i, j in np.ndindex(h // 8, w // 8):
        block = x[..., 8 * i : 8 * i + 8, 8 * j : 8 * j + 8].numpy()
        expected = scipy.fft.dctn(block, axes=(2, 3), norm="ortho").reshape(n, c, 64)
        np.testing.assert_allclose(ours[:, :, i * (w // 8) + j].numpy(), expected, atol=1e-13)
    torch.testing.assert_close(ours.square().sum(), x.square().sum())  # orthonormal


def test_luma_and_chroma_are_those_of_jpeg() -> None:
    """Grey has no chroma; the extremes of Cb and Cr are blue and red, ½ of the range."""
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 1], [1, 0, 0]]).view(3, 3, 1, 1)
    expected = torch.tensor([[1.0, 0, 0], [0.114, 0.5, -0.081312], [0.299, -0.168736, 0.5]]).view(3, 3, 1, 1)
    torch.testing.assert_close(luma_chroma(colours), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fields", [{}, {"chroma": 1.0, "black": 40.0}, {"pooling": 2.0}], ids=str)
def test_watson_is_the_formula_block_by_block(channels: int, fields: dict[str, float]) -> None:
    x = images(2, channels, 24)
    x_hat = x + noise(x)
    term = losses.get("watson", **fields, scale=0.3)
    expected = torch.tensor([reference(a, b, **fields) for a, b in zip(x, x_hat)], dtype=torch.float64)
    assert expected.min() > 1
    torch.testing.assert_close(term.visibility(x, x_hat), expected, rtol=0, atol=0.011)  # ε = .01
    torch.testing.assert_close(term(x, x_hat), 0.3 * channels * 24 * 24 / 2 * term.visibility(x, x_hat))


@pytest.mark.parametrize(("u", "v"), [(0, 0), (0, 1), (3, 2), (7, 7)])
def test_one_cosine_on_grey_is_seen_at_the_table_s_threshold(u: int, v: int) -> None:
    """On a grey image nothing masks: an amplitude of t in each block gives d = 1 for one coefficient of 64."""
    grey = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    coefficients = np.zeros((8, 8))
    coefficients[u, v] = T[u, v]
    block = torch.from_numpy(scipy.fft.idctn(coefficients, norm="ortho")) / 127.5
    x_hat = grey + block.repeat(2, 2)
    expected = (1 / 64) ** 0.25
    visibility = losses.get("watson").visibility(grey, x_hat).item()
    assert visibility == pytest.approx(expected, abs=0.0101)


def test_watson_grows_with_the_error_and_is_zero_and_flat_without_one() -> None:
    term, x = losses.get("watson"), images()
    steps = [term(x, x + s * noise(x)).sum().item() for s in (0.0, 1e-4, 0.01, 0.1, 1.0, 3.0)]
    assert steps[0] == 0
    assert steps == sorted(steps) and len(set(steps)) == 6
    x_hat = x.clone().requires_grad_()
    term(x, x_hat).sum().backward()
    assert torch.equal(x_hat.grad, torch.zeros_like(x))


def test_bright_blocks_hide_more() -> None:
    """Luminance masking: the same error in the block of 3 times the light has a threshold 3^0.649 times as high."""
    x = torch.full((2, 1, 8, 16), -0.5, dtype=torch.float64)
    x[..., 8:] = 0.5
    error = noise(x[:1, :, :, :8], 0.2)
    x_hat = x.clone()
    x_hat[0, :, :, :8] += error[0]
    x_hat[1, :, :, 8:] += error[0]
    dark, bright = losses.get("watson").visibility(x, x_hat).tolist()
    assert dark / bright == pytest.approx(3**0.649, rel=0.01)


def test_texture_hides_errors_of_its_own_frequency() -> None:
    """Contrast masking: a threshold of C^0.7 t^0.3 instead of t where the image has the cosine already."""
    cosine = np.zeros((8, 8))
    cosine[2, 3] = 1.0
    pattern = torch.from_numpy(scipy.fft.idctn(cosine, norm="ortho")).view(1, 1, 8, 8) / 127.5
    plain = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    term, error = losses.get("watson"), 20 * pattern
    seen = term.visibility(plain, plain + error).item()
    hidden = term.visibility(plain + 60 * pattern, plain + 60 * pattern + error).item()
    assert (seen + 0.01) / (hidden + 0.01) == pytest.approx((60 / T[2, 3]) ** 0.7, rel=1e-3)  # ε = .01
    assert term.visibility(plain + 60 * pattern, plain + 40 * pattern).item() == pytest.approx(hidden)


def test_watson_does_not_change_under_shifts_by_whole_blocks() -> None:
    term, x = losses.get("watson"), images(size=24)
    x_hat = x + noise(x)
    shifted = [v.roll((8, 16), (2, 3)) for v in (x, x_hat)]
    torch.testing.assert_close(term(*shifted), term(x, x_hat))
    assert not torch.allclose(term(*(v.roll(3, 3) for v in (x, x_hat))), term(x, x_hat), rtol=1e-3)


def test_watson_sees_grey_levels_of_0_to_255_in_minus_one_to_one() -> None:
    """With images taken for [0, 1] or [−1, 1] by mistake, the light of a block would be another."""
    x = images(2, 1)
    x_hat = x + noise(x)
    right = losses.get("watson").visibility(x, x_hat)
    expected = torch.tensor([reference(a, b) for a, b in zip(x, x_hat)], dtype=torch.float64)
    torch.testing.assert_close(right, expected, rtol=0, atol=0.011)
    wrong = losses.get("watson").visibility((x + 1) / 2, (x_hat + 1) / 2)
    assert ((wrong / right - 1).abs() > 0.1).all()


def test_black_images_are_finite() -> None:
    black = torch.full((2, 3, 16, 16), -1.0)
    x_hat = (black + 0.1).requires_grad_()
    value = losses.get("watson")(black, x_hat)
    value.sum().backward()
    assert value.isfinite().all() and (value > 0).all() and x_hat.grad.isfinite().all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pooling", [2.0, 4.0])
def test_gradient_of_watson(channels: int, pooling: float) -> None:
    x = images(1, channels, 8)
    term = losses.get("watson", pooling=pooling, scale=1.0)
    assert torch.autograd.gradcheck(lambda y: term(x, y), ((x + noise(x)).requires_grad_(),))


@pytest.mark.parametrize("name", ["watson", "watson-dft"])
def test_terms_are_one_number_per_image_in_either_precision(hub, name: str) -> None:
    save_weights(hub / "rgb_watson_fft_trial0.pth")
    term, x = losses.get(name), images()
    x_hat = x + noise(x)
    together = term(x, x_hat)
    torch.testing.assert_close(together, torch.cat([term(x[i : i + 1], x_hat[i : i + 1]) for i in range(3)]))
    single = term(x.float(), x_hat.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), together, rtol=1e-3, atol=1e-3)


# --- Watson-DFT ------------------------------------------------------------------------------------------------------


def plane_weights(seed: int) -> dict[str, Tensor]:
    """Under the names of the authors' file: logarithms of t and w_φ, the logit of w."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "blocksize": torch.tensor(8),
        "t_tild": torch.randn(8, 5, generator=generator) - 3,
        "alpha": torch.tensor(-0.135 + 0.1 * seed),
        "w_tild": torch.tensor(-1.3),
        "beta": torch.tensor(0.614 + 0.3 * seed),
        "w_phase_tild": torch.randn(8, 5, generator=generator) - 2,
    }


def save_weights(file: Path, channels: int = 3, **changes: Tensor) -> dict[str, Tensor]:
    state = dict(plane_weights(0))
    if channels == 3:
        state = {f"{p}.{key}": v for s, p in enumerate(("ly", "lcb", "lcr")) for key, v in plane_weights(s).items()}
        state["w_tild"] = torch.tensor([1.0, -0.5, 0.2])
    state.update(changes)
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, file)
    else:
        torch.save(state, file)
    return state


def reference_dft(target: np.ndarray, other: np.ndarray, weights: dict[str, np.ndarray]) -> float:
    """One plane (h, w) on [0, 1], in the words of the paper: amplitudes with masking, phases with arccos cos."""
    h, w = target.shape
    blocks = [(i, j) for i in range(0, h, 8) for j in range(0, w, 8)]
    spectra = [np.stack([np.fft.rfft2(p[i : i + 8, j : j + 8]) / 64 for i, j in blocks]) for p in (target, other)]
    a, a_hat = (np.abs(s) for s in spectra)
    exponent = 1 / (1 + np.exp(-weights["w_tild"]))
    t = np.exp(weights["t_tild"]) * ((a[:, 0, 0] / a[:, 0, 0].mean()) ** weights["alpha"])[:, None, None]
    masked = a**exponent * t ** (1 - exponent)
    slack = (t * np.exp(t) + masked * np.exp(masked)) / (np.exp(t) + np.exp(masked))
    amplitude = ((np.abs(a - a_hat) / slack) ** weights["beta"]).sum() ** (1 / weights["beta"])
    turn = np.arccos(np.clip(np.cos(np.angle(spectra[0]) - np.angle(spectra[1])), -1, 1))
    phase = np.exp(weights["w_phase_tild"])
    for row in (0, 4):
        phase[row, [0, 4]] = 0
    return float(amplitude + (phase * turn).sum())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("channels", [1, 3])
def test_watson_dft_is_the_formula_of_the_paper(tmp_path, suffix: str, channels: int) -> None:
    file = tmp_path / f"weights{suffix}"
    state = {key: value.double().numpy() for key, value in save_weights(file, channels).items()}
    x = images(2, channels)
    x_hat = x + noise(x, 0.2)
    ours = losses.get("watson-dft", path=str(file), scale=0.5)(x, x_hat)
    for i in range(2):
        a, b = ((v[i].numpy() + 1) / 2 for v in (x, x_hat))
        if channels == 1:
            expected = reference_dft(a[0], b[0], state)
        else:
            matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
            planes = [np.einsum("kc,chw->khw", matrix, v) + np.array([0, 0.5, 0.5])[:, None, None] for v in (a, b)]
            mixture = np.exp(state["w_tild"]) / np.exp(state["w_tild"]).sum()
            expected = 0.0
            for plane, name in enumerate(("ly", "lcb", "lcr")):
                weights = {key[len(name) + 1 :]: v.copy() for key, v in state.items() if key.startswith(f"{name}.")}
                expected += mixture[plane] * reference_dft(planes[0][plane], planes[1][plane], weights)
        assert ours[i].item() == pytest.approx(0.5 * expected, rel=1e-4)


def test_watson_dft_of_equal_and_of_flat_images(hub) -> None:
    """No phase where there is no amplitude: a flat image has a finite gradient."""
    save_weights(hub / "gray_watson_fft_trial0.pth", 1)
    term, x = losses.get("watson-dft"), images(2, 1)
    assert term(x, x).max() < 1e-3
    steps = [term(x, x + s * noise(x)).sum().item() for s in (0.0, 0.1, 1.0, 3.0)]
    assert steps == sorted(steps)
    for flat in (torch.zeros(1, 1, 16, 16), torch.full((1, 1, 16, 16), -1.0)):
        x_hat = (flat + noise(flat)).requires_grad_()
        same = flat.clone().requires_grad_()
        (term(flat, x_hat) + term(flat, same)).sum().backward()
        assert x_hat.grad.isfinite().all() and same.grad.isfinite().all()


def test_gradient_of_watson_dft(hub) -> None:
    save_weights(hub / "gray_watson_fft_trial0.pth", 1)
    x = images(1, 1, 8)
    term = losses.get("watson-dft")
    x_hat = (x + noise(x, 0.3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: term(x, y), (x_hat,), eps=1e-7, atol=1e-3, rtol=1e-3)


def test_absent_weights_of_watson_dft_are_named(hub, tmp_path) -> None:
    for channels, name in ((3, "rgb_watson_fft_trial0.pth"), (1, "gray_watson_fft_trial0.pth")):
        with pytest.raises(MissingWeights, match=f"'watson-dft' needs the weights {name}.*TORCH_HOME") as caught:
            losses.get("watson-dft")(images(c=channels), images(c=channels))
        assert caught.value.what == name
    with pytest.raises(MissingWeights, match=r"finds no weights at .*absent\.pth"):
        losses.get("watson-dft", path=str(tmp_path / "absent.pth"))(images(), images())


def test_damaged_weights_of_watson_dft_are_refused(tmp_path) -> None:
    def use(name: str) -> None:
        losses.get("watson-dft", path=str(tmp_path / name))(images(), images())

    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save(["ly.t_tild"], tmp_path / "list.pth")
    save_weights(tmp_path / "grey.pth", 1)
    save_weights(tmp_path / "shape.pth", **{"ly.t_tild": torch.zeros(8, 8)})
    save_weights(tmp_path / "nan.pth", **{"lcr.beta": torch.tensor(math.nan)})
    torch.save({"ly.t_tild": Path("an object")}, tmp_path / "object.pth")
    for name in (
        "text.pth",
        "text.safetensors",
        "other.pth",
        "list.pth",
        "grey.pth",
        "shape.pth",
        "nan.pth",
        "object.pth",
    ):
        with pytest.raises(CorruptFile, match=f"{name} holds no weights of Watson-DFT for RGB images"):
            use(name)


# --- on the GPU ------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", ["watson", "watson-dft"])
def test_on_the_gpu_terms_agree_and_never_wait_for_it(hub, name: str) -> None:
    save_weights(hub / "rgb_watson_fft_trial0.pth")
    term, x = losses.get(name), images(dtype=torch.float32)
    x_hat = x + noise(x)
    there = [x.cuda(), x_hat.cuda().requires_grad_()]
    term(*there).sum().backward()
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = term(*there)
        value.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    torch.testing.assert_close(value.detach().cpu(), term(x, x_hat), rtol=1e-4, atol=1e-3)
