"""Metrics over pretrained networks. Where real weights are not needed, random ones stand in under their file names."""

from __future__ import annotations

import random
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from blurvae import metrics
from blurvae.errors import MissingWeights
from blurvae.metrics.frechet import gaussian_distance

SQUEEZE = "squeezenet1_1-b8a52dc0.pth"


def images(n: int = 6, c: int = 3, size: int = 24, seed: int = 0) -> Tensor:
    return torch.rand(n, c, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty checkpoint folder of torch's hub, and no way to the network."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def random_squeeze(tmp_path_factory) -> Path:
    """Random SqueezeNet weights; the classifier, which no metric uses, is zero."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = models.squeezenet1_1(weights=None).state_dict()
    for key, value in state.items():
        if key.startswith("classifier"):
            value.zero_()
    file = tmp_path_factory.mktemp("weights") / SQUEEZE
    torch.save(state, file)
    return file


@pytest.fixture
def squeeze(hub, random_squeeze):
    """SqueezeNet, and LPIPS-squeeze where its package is installed, over random weights."""
    (hub / SQUEEZE).symlink_to(random_squeeze)
    return hub


@pytest.fixture
def real_squeeze():
    if not (Path(torch.hub.get_dir()) / "checkpoints" / SQUEEZE).is_file():
        pytest.skip(f"needs the real weights {SQUEEZE} in the checkpoint folder of torch's hub (TORCH_HOME)")


# --- absent weights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "name", "file"),
    [
        (lambda: metrics.lpips(images(), images()), "LPIPS-squeeze", SQUEEZE),
        (lambda: metrics.lpips(images(size=32), images(size=32), "alex"), "LPIPS-alex", "alexnet-owt-7be5be79.pth"),
        (lambda: metrics.lpips(images(), images(), "vgg"), "LPIPS-vgg", "vgg16-397923af.pth"),
        (lambda: metrics.frechet_distance(images(), images()), "FD-squeeze", SQUEEZE),
        (lambda: metrics.embed(images(size=32), "alex"), "FD-alex", "alexnet-owt-7be5be79.pth"),
        (
            lambda: metrics.frechet_distance(images(), images(), "inception-softmax"),
            "FID-softmax",
            "inception_v3_google-0cc3c7bd.pth",
        ),
    ],
)
def test_absent_weights_are_named_and_not_downloaded(hub, call, name, file):
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    with pytest.raises(MissingWeights) as caught:
        call()
    for word in (name, file, str(hub), "TORCH_HOME", "needs weights"):
        assert word in str(caught.value)
    assert caught.value.what == file
    assert not list(hub.iterdir())


def test_absent_package_is_named(squeeze, monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(MissingWeights, match="pip install lpips") as caught:
        metrics.lpips(images(), images())
    assert caught.value.what == "the package lpips"


def test_fid_is_refused_without_the_network_of_fid(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(MissingWeights, match="FID needs the package torch-fidelity"):
        metrics.frechet_distance(images(), images(), "inception")
    module = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.URL_INCEPTION_V3 = "https://example.org/weights-inception-2015-12-05-6726825d.pth"
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(MissingWeights, match=r"FID needs the weights weights-inception-2015-12-05-6726825d\.pth"):
        metrics.frechet_distance(images(), images(), "inception")


def test_fid_sees_8_bits_and_three_channels(hub, monkeypatch):
    seen: list[Tensor] = []

    class Extractor(torch.nn.Module):
        def __init__(self, name: str, features: list[str], file: str) -> None:
            super().__init__()
            assert features == ["2048"]
            assert Path(file).is_file()

        def forward(self, x: Tensor) -> tuple[Tensor]:
            seen.append(x)
            return (x.flatten(1).float(),)

    module = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.URL_INCEPTION_V3 = "https://example.org/inception.pth"
    module.FeatureExtractorInceptionV3 = Extractor
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (hub / "inception.pth").touch()
    x = images(c=1, size=4)
    assert metrics.frechet_distance(x, x, "inception") < 1e-8
    assert seen[0].dtype == torch.uint8
    half = torch.cat(seen)[: len(x)]  # a, then b
    torch.testing.assert_close(half[:, 2], (x[:, 0] * 255).round().byte())


def test_evaluate_says_which_weights(hub):
    row = metrics.evaluate(images(), images(seed=1))
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    assert row["LPIPS-squeeze"] == {"state": "needs weights", "what": SQUEEZE}
    assert row["FD-squeeze (recon)"] == {"state": "needs weights", "what": SQUEEZE}


def test_evaluate_with_weights(squeeze):
    pytest.importorskip("lpips", reason="lpips is not installed")
    x, y = images(), images(seed=1)
    row = metrics.evaluate(x, y, y.flip(0))
    assert row["LPIPS-squeeze"]["mean"] == pytest.approx(metrics.lpips(x, y).mean().item(), rel=1e-4)
    assert row["FD-squeeze (recon)"]["value"] == pytest.approx(metrics.frechet_distance(x, y))
    assert row["FD-squeeze (samples)"]["value"] == pytest.approx(row["FD-squeeze (recon)"]["value"], rel=1e-4)


# --- LPIPS -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lpips_squeeze(squeeze):
    return pytest.importorskip("lpips", reason="lpips is not installed")


def test_lpips_is_the_package_on_mapped_images(lpips_squeeze, recwarn):
    x, y = images(), images(seed=1)
    value = metrics.lpips(x, y)
    assert value.shape == (6,)
    assert not recwarn.list
    network = lpips_squeeze.LPIPS(net="squeeze", verbose=False)
    with torch.no_grad():
        torch.testing.assert_close(value, network(x, y, normalize=True).flatten(), rtol=1e-4, atol=1e-6)


def test_lpips_is_quiet_and_draws_no_random_numbers(lpips_squeeze, capfd):
    from blurvae.models.lpips import _network

    _network.cache_clear()
    before = torch.get_rng_state(), random.getstate()
    metrics.lpips(images(), images(seed=1))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert capfd.readouterr() == ("", "")


def test_lpips_properties(lpips_squeeze):
    x, y = images(), images(seed=1)
    value = metrics.lpips(x, y)
    assert (metrics.lpips(x, x) == 0).all()
    assert (value > 0).all()
    torch.testing.assert_close(metrics.lpips(y, x), value, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(metrics.lpips(x, y, batch_size=4), value, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(metrics.lpips(x.double(), y.double()), value, rtol=1e-4, atol=1e-6)
    gray, other = x[:, :1], y[:, :1]
    colour = metrics.lpips(gray.repeat(1, 3, 1, 1), other.repeat(1, 3, 1, 1))
    torch.testing.assert_close(metrics.lpips(gray, other), colour)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    steps = [metrics.lpips((x + s * noise).clamp(0, 1), x).mean().item() for s in (0.02, 0.1, 0.5)]
    assert steps == sorted(steps)


def test_lpips_is_differentiable(lpips_squeeze):
    x = images(2).requires_grad_()
    metrics.lpips(x, images(2, seed=1)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_lpips_refuses_unknown_nets_and_small_images():
    with pytest.raises(ValueError, match="squeeze, alex, vgg"):
        metrics.lpips(images(), images(), "resnet")
    with pytest.raises(ValueError, match="17×17"):
        metrics.lpips(images(size=16), images(size=16))


def test_smallest_images_are_the_networks_own():
    """One pixel less leaves a layer without output; on the meta device, where nothing is computed."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    from blurvae.models.lpips import BACKBONES

    with torch.device("meta"):
        networks = {
            "squeeze": models.squeezenet1_1().features,
            "alex": models.alexnet().features[:12],
            "vgg": models.vgg16().features[:30],
        }
        for name, network in networks.items():
            smallest = BACKBONES[name][1]
            assert network(torch.empty(1, 3, smallest, smallest)).numel() > 0
            with pytest.raises(RuntimeError):
                network(torch.empty(1, 3, smallest - 1, smallest - 1))


def test_the_second_judge_sees_torchvisions_last_map_before_its_pooling(tmp_path, monkeypatch):
    """Of random weights, kept where torch's hub would have put the real ones, at the least size and above it."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    hub = tmp_path / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(0)
    network = models.alexnet(num_classes=1000)
    torch.save(network.state_dict(), hub / "alexnet-owt-7be5be79.pth")
    for size in (31, 64):
        x = images(3, size=size)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with torch.no_grad():
            maps = network.features[:12]((x.permute(0, 2, 3, 1) - mean).div(std).permute(0, 3, 1, 2))
        torch.testing.assert_close(metrics.embed(x, "alex"), maps.mean((2, 3)), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="FD-alex needs images of at least 31 px a side, not 30"):
        metrics.embed(images(3, size=30), "alex")


def test_lpips_gives_the_value_in_the_documentation_of_torchmetrics(real_squeeze):
    pytest.importorskip("lpips", reason="lpips is not installed")
    generator = torch.Generator().manual_seed(42)
    x, y = torch.rand(2, 3, 100, 100, generator=generator), torch.rand(2, 3, 100, 100, generator=generator)
    assert metrics.lpips(x, y).tolist() == pytest.approx([0.1024, 0.0938], abs=6e-5)


# --- Fréchet distance ------------------------------------------------------------------------------------------------


def covariance(d: int, rank: int, seed: int) -> Tensor:
    factor = torch.randn(d, rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return factor @ factor.T / rank


@pytest.mark.parametrize("d", [1, 2, 7, 40])
def test_frechet_distance_of_gaussians_agrees_with_scipy(d):
    a, b = covariance(d, 2 * d, 0), covariance(d, 2 * d, 1)
    mean_a, mean_b = torch.zeros(d, dtype=torch.float64), torch.linspace(0, 1, d, dtype=torch.float64)
    root = scipy.linalg.sqrtm(a.numpy() @ b.numpy()).real
    expected = (mean_b**2).sum().item() + np.trace(a.numpy() + b.numpy() - 2 * root)
    assert gaussian_distance(mean_a, a, mean_b, b) == pytest.approx(expected, rel=1e-9)
    assert gaussian_distance(mean_b, b, mean_a, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_diagonal_gaussians_has_a_closed_form():
    a, b = torch.tensor([4.0, 1.0, 0.0, 9.0]).double(), torch.tensor([1.0, 1.0, 4.0, 0.0]).double()
    zero = torch.zeros(4, dtype=torch.float64)
    assert gaussian_distance(zero + 1, a.diag(), zero, b.diag()) == pytest.approx(4 + 1 + 0 + 4 + 9)
    rotation, _ = torch.linalg.qr(covariance(4, 4, 2))
    turned = [rotation @ s.diag() @ rotation.T for s in (a, b)]
    assert gaussian_distance(rotation @ (zero + 1), turned[0], zero, turned[1]) == pytest.approx(18)
    assert gaussian_distance(zero, 0 * a.diag(), zero, b.diag()) == pytest.approx(6)


@pytest.mark.parametrize("rank", [3, 60, 120])
def test_frechet_distance_of_equal_gaussians_is_zero_at_any_rank(rank):
    s, mean = 100 * covariance(60, rank, 0), torch.ones(60, dtype=torch.float64)
    assert gaussian_distance(mean, s, mean, s) < 1e-8


def test_frechet_distance_of_singular_gaussians():
    """Against the exact value on the samples themselves: the singular values of the product of the centred sets."""
    x, y = (torch.randn(10, 60, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in (0, 1))
    a, b = ((v - v.mean(0)) / 3 for v in (x, y))
    expected = a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()
    zero = torch.zeros(60, dtype=torch.float64)
    assert gaussian_distance(zero, a.T @ a, zero, b.T @ b) == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("batch_size", [None, 1, 4, 100])
def test_statistics_are_mean_and_covariance(batch_size):
    x = images(9, size=3) * 0.01 + 0.9  # nearly constant: sums of squares would lose digits
    s = metrics.statistics(x, "pixels", batch_size)
    flat = x.flatten(1).double().numpy()
    np.testing.assert_allclose(s.mean.numpy(), flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(s.covariance.numpy(), np.cov(flat.T), rtol=1e-9, atol=1e-18)
    assert (s.features, s.n, s.shape) == ("pixels", 9, (3, 3, 3))


def test_frechet_distance_of_images():
    x, y = images(30, size=4), images(20, size=4, seed=1)
    value = metrics.frechet_distance(x, y, "pixels")
    assert metrics.frechet_distance(x, x.flip(0), "pixels") < 1e-8
    assert metrics.frechet_distance(metrics.statistics(x, "pixels"), y, "pixels") == value
    assert metrics.frechet_distance(y, x, "pixels") == pytest.approx(value)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    steps = [metrics.frechet_distance((x + s * noise).clamp(0, 1), x, "pixels") for s in (0.02, 0.1, 0.5)]
    assert steps == sorted(steps)


def test_frechet_distance_refuses():
    with pytest.raises(ValueError, match="at least 2 images"):
        metrics.frechet_distance(images(1), images(3), "pixels")
    with pytest.raises(ValueError, match=r"squeeze, vgg, alex, inception, inception-softmax, .*pixels"):
        metrics.frechet_distance(images(), images(), "resnet")
    with pytest.raises(ValueError, match="features 'pixels', not of 'squeeze'"):
        metrics.frechet_distance(metrics.statistics(images(), "pixels"), images(), "squeeze")
    with pytest.raises(ValueError, match="at least 17 px"):
        metrics.frechet_distance(images(size=16), images(size=16))


def test_labels():
    own = {"inception": "FID", "inception-softmax": "FID-softmax"}
    assert [metrics.label(f) for f in metrics.FEATURES] == [own.get(f, f"FD-{f}") for f in metrics.FEATURES]


def test_squeeze_features(squeeze, random_squeeze):
    from torchvision.models import squeezenet1_1

    network = squeezenet1_1(weights=None).eval()
    network.load_state_dict(torch.load(random_squeeze, weights_only=True))
    x = images(5, size=64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = network.features((x - mean) / std).mean((2, 3)).double()
    torch.testing.assert_close(metrics.statistics(x).mean, expected.mean(0), rtol=1e-4, atol=1e-5)


def test_frechet_distance_over_squeeze_features(squeeze):
    x = images(20)  # 20 images, 512 features: singular covariances
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    state = torch.get_rng_state()
    assert metrics.frechet_distance(x, x) < 1e-8
    assert torch.equal(torch.get_rng_state(), state)
    assert metrics.frechet_distance(x, x, batch_size=7) < 1e-8
    steps = [metrics.frechet_distance((x + s * noise).clamp(0, 1), x) for s in (0.05, 0.2, 0.8)]
    assert steps == sorted(steps)
    gray = x[:, :1]
    colour = metrics.frechet_distance(gray.repeat(1, 3, 1, 1), 1 - gray.repeat(1, 3, 1, 1))
    assert metrics.frechet_distance(gray, 1 - gray) == pytest.approx(colour)


def test_softmax_features_are_those_of_the_pretrained_network(hub):
    """As ignite builds it: pretrained=True rescales the input in the network, and softmax follows the last layer."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = models.inception_v3(weights=None, init_weights=False, transform_input=True).eval()
    torch.save(network.state_dict(), hub / "inception_v3_google-0cc3c7bd.pth")
    x = images(3, size=32)
    s = metrics.statistics(x, "inception-softmax")
    with torch.no_grad():
        resized = torch.nn.functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
        expected = network(resized).softmax(1).double()
    torch.testing.assert_close(s.mean, expected.mean(0), rtol=1e-4, atol=1e-8)
    assert s.mean.sum().item() == pytest.approx(1, abs=1e-5)
