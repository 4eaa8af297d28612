"""The small VAE of two papers: its networks as published, its late term, what it refuses and what is measured of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from blurvae import experiments, losses, metrics
from blurvae.datasets import ImageSet
from blurvae.evaluation import SmallVAEEvaluation
from blurvae.models import parameter_count
from blurvae.models.small import SmallCoder
from blurvae.record import networks
from blurvae.systems import SmallVAE
from blurvae.train import Budget, fit
from blurvae.train.schedules import When


def image_set(n: int, c: int, size: int) -> ImageSet:
    images = np.random.default_rng(0).integers(0, 256, (n, c, size, size), np.uint8)
    return ImageSet("noise", "test", images, None, "a test", "CC0", None, "0")


def test_dalals_network_has_as_many_parameters_as_in_its_authors_code() -> None:
    assert parameter_count(SmallCoder("conv", size=28)) == 69_989
    assert parameter_count(SmallCoder("perceptrons", latent=20)) == sum(
        (a + 1) * b for a, b in ((784, 400), (400, 40), (20, 400), (400, 784))
    )


@pytest.mark.parametrize("network", ["conv", "perceptrons"])
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3)])
def test_networks_see_and_make_images_on_0_to_1(network: str, output: str, size: int, channels: int) -> None:
    torch.manual_seed(0)
    vae = SmallCoder(network, size=size, channels=channels, output=output)
    seen = []
    vae.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = 2 * torch.rand(5, channels, size, size) - 1
    x_hat, logit = vae(x)
    torch.testing.assert_close(seen[0], (x + 1) / 2)
    assert x_hat.shape == x.shape
    made = vae.decoder(vae.encode(x)[0])
    if output == "sigmoid":
        torch.testing.assert_close((x_hat + 1) / 2, torch.sigmoid(made))
        torch.testing.assert_close(x_hat, torch.tanh(logit))
    else:
        torch.testing.assert_close((x_hat + 1) / 2, made)
        assert logit.isnan().all(), "no term may read a logit that there is none of"


def test_the_learning_rate_goes_up_and_down_in_shrinking_cycles() -> None:
    lr = SmallVAE(half_cycle=2000).optimisers()["vae"].lr
    assert [lr(When(step, 0, ())) for step in (0, 2000, 4000, 6000, 8000)] == pytest.approx(
        [1e-4, 1e-3, 1e-4, 5.5e-4, 1e-4]
    )
    assert SmallVAE(lr=2e-3).optimisers()["vae"].lr(When(9, 0, ())) == 2e-3


def test_a_late_term_is_the_first_one_until_then() -> None:
    data, budget = image_set(n=24, c=1, size=8), Budget(epochs=2, batch_size=8, precision="float32")
    small = {"network": "perceptrons", "hidden": 6, "output": "sigmoid"}
    late = SmallVAE(losses.L1(), first=losses.L2(), late=1, **small)
    histories = {}
    for name, system in {
        "late": late,
        "l2": SmallVAE(losses.L2(), **small),
        "l1": SmallVAE(losses.L1(), **small),
    }.items():
        torch.manual_seed(0)
        histories[name] = fit(system, system.players((1, 8, 8)), data, budget)
    assert [epoch["phase"] for epoch in histories["late"]] == ["first", "train"]
    assert histories["late"][0]["reconstruction"] == histories["l2"][0]["reconstruction"]
    assert histories["late"][1]["reconstruction"] > histories["l2"][1]["reconstruction"], "‖e‖₁ > ½‖e‖² within [−1, 1]"
    assert histories["l1"][0]["reconstruction"] > histories["late"][0]["reconstruction"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"term": losses.Wiener()}, "'wiener' wants a kernel network, which the system 'vae' has"),
        ({"term": losses.CrossEntropy()}, "Cross-entropy wants images that stay within.*output='sigmoid'"),
        ({"first": losses.Sum(losses.SSIM(), losses.CrossEntropy())}, "Cross-entropy wants images"),
        ({"beta": -1.0}, "beta is ≥ 0"),
        ({"lr": 1e-5}, "0 < lr_low ≤ lr < 1"),
        ({"late": -1}, "late and half_cycle are ≥ 0, not -1"),
    ],
)
def test_what_cannot_be_trained_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SmallVAE(**fields)
    with pytest.raises(ValueError, match="whose side 4 divides, 8 px at least, not 30"):
        SmallVAE().players((1, 30, 30))
    with pytest.raises(ValueError, match="The network is conv or perceptrons"):
        SmallVAE(network="unet").players((1, 28, 28))


def test_raw_images_are_measured_beside_clamped_ones() -> None:
    """An image beyond [0, 1] is nearer to the original when it is clamped; between 0 and 1 the two are one."""
    test = image_set(n=12, c=1, size=28)
    system = SmallVAE()
    torch.manual_seed(0)
    players = system.players(test.shape)
    with torch.no_grad():
        players.vae.decoder[-1].bias += 3  # far beyond white
    found = SmallVAEEvaluation(system, Budget(), None, test, torch.device("cpu")).measure(players).metrics
    assert found["PSNR (raw)"]["mean"] < 0 < found["PSNR"]["mean"]
    with torch.no_grad():
        x = torch.from_numpy(test.images.copy()).float() / 127.5 - 1
        raw = (players.vae(x).x_hat + 1) / 2
    expected = metrics.psnr((x + 1) / 2, raw, check_values=False).mean().item()
    assert found["PSNR (raw)"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert found["sharpness"]["mean"] == pytest.approx(0, abs=1e-6), "all white"
    assert found["blur percentage"]["mean"] == pytest.approx(100, abs=1e-3)
    assert {"SSIM (raw)", "SSIM (z ~ q)", "PSNR (raw, z ~ q)", "SSIM without border (raw, z ~ q)"} <= set(found)


def test_the_authors_weights_of_kl_are_those_of_his_code_in_our_units() -> None:
    """His losses: mean squared error + 0.005 KL, and −500 SSIM + 0.0015 STFT + 0.005 KL; ours are multiples of them."""
    runs = {run.method: run for run in experiments.get("dalal/table1").runs("lesson", "mnist-binary", (0,))}
    x, y = (torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    for name, pixel in {
        "l2": (x - y).square().mean((1, 2, 3)),
        "l1": (x - y).abs().mean((1, 2, 3)),
        "ssim": 500 * (1 - metrics.ssim(x, y, border=False)),
    }.items():
        system = runs[name].system
        ratio = system.term(2 * x - 1, 2 * y - 1) / pixel
        torch.testing.assert_close(ratio, torch.full((2,), system.beta / 0.005))
    ours = runs["stft-ssim"].system
    stft = losses.STFT(phase=0.9, amplitude=0.1, scale=0.0015, hann=False, form="released")
    whole = 500 * (1 - metrics.ssim(x, y, border=False)) + stft(2 * x - 1, 2 * y - 1)
    torch.testing.assert_close(ours.term(2 * x - 1, 2 * y - 1) / whole, torch.full((2,), ours.beta / 0.005))


def test_the_report_divides_by_the_number_of_pixels() -> None:
    """Its loss is BCE/784 + KL/784 + sharpness: ours is 784 times that, (a) of means and (b) averaged or summed."""
    runs = {run.method: run for run in experiments.get("sharpness/variants").runs("study", "mnist", (0,))}
    weights = {name: run.system.term.weight for name, run in runs.items() if name != "naive"}
    assert weights["a"] == 784 and weights["b"] == weights["c"] == pytest.approx(784 / 676)
    assert weights["b-sum"] == weights["d-sum"] == pytest.approx(784)
    assert all(run.beta == 1 and run.system.late in (0, 15) for run in runs.values())
    assert (runs["b"].budget.epochs, runs["b"].budget.batch_size, runs["b"].n_train) == (25, 128, None)
    assert math.prod(networks(runs["b"], (1, 28, 28)).vae.encoder[1].weight.shape) == 784 * 400
