"""Architectures A and B, the kernel network, the KL term and model files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from blurvae import models
from blurvae.blur import circular_convolve
from blurvae.errors import CorruptFile, MissingWeights
from blurvae.losses import Wiener, kernel_loss
from blurvae.models import VAE, KernelNet
from blurvae.systems import BlurVAE

TINY = {"widths": (4, 8), "latent": 5, "hidden": 7}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def meta_vae(architecture: str, **fields: object) -> VAE:
    """A model without storage: shapes and counts of the full widths for free."""
    with torch.device("meta"):
        return VAE(architecture, **fields)  # type: ignore[arg-type]


# --- parameter counts ------------------------------------------------------------------------------------------------


def conv(c_in: int, c_out: int, side: int) -> int:
    return c_in * c_out * side * side + c_out


def linear(n_in: int, n_out: int) -> int:
    return n_in * n_out + n_out


def count_a(channels: int, size: int, widths: list[int], latent: int = 256, hidden: int = 1000) -> int:
    """App. A by hand: conv 3×3 blocks, a perceptron each way, transposed conv 4×4 blocks (first 512→512), conv 3×3."""
    flat = widths[-1] * (size // 2 ** len(widths)) ** 2
    down = sum(conv(a, b, 3) + 2 * b for a, b in zip([channels, *widths], widths))
    head = linear(flat, hidden) + linear(hidden, 2 * latent)
    tail = linear(latent, hidden) + linear(hidden, flat)
    back = widths[::-1]
    up = sum(conv(a, b, 4) + 2 * b for a, b in zip([back[0], *back], back))
    return down + head + tail + up + conv(widths[0], channels, 3)


def count_b(channels: int, size: int, widths: list[int], latent: int = 256) -> int:
    """Table 4 by hand: five conv 3×3 blocks, one linear layer each way, five conv 3×3 blocks after upsampling."""
    flat = widths[-1] * (size // 2 ** len(widths)) ** 2
    down = sum(conv(a, b, 3) + 2 * b for a, b in zip([channels, *widths], widths))
    back = widths[::-1]
    up = sum(conv(a, b, 3) + 2 * b for a, b in zip([back[0], *back], back))
    return down + linear(flat, 2 * latent) + linear(latent, flat) + up + conv(widths[0], channels, 3)


@pytest.mark.parametrize(
    ("channels", "size", "expected"), [(3, 64, 25_667_027), (3, 32, 13_372_883), (1, 64, 25_664_721)]
)
def test_parameters_of_architecture_a(channels: int, size: int, expected: int) -> None:
    assert count_a(channels, size, [64, 128, 256, 512]) == expected
    assert models.parameter_count(meta_vae("A", size=size, channels=channels)) == expected


@pytest.mark.parametrize(("channels", "size", "expected"), [(3, 64, 7_075_843), (3, 32, 5_894_659)])
def test_parameters_of_architecture_b(channels: int, size: int, expected: int) -> None:
    assert count_b(channels, size, [32, 64, 128, 256, 512]) == expected
    assert models.parameter_count(meta_vae("B", size=size, channels=channels)) == expected


def test_parameters_at_256_px_and_of_the_kernel_network() -> None:
    widths = [64, 128, 256, 512, 512, 512]
    model = meta_vae("A", size=256, widths=widths)
    assert models.parameter_count(model) == count_a(3, 256, widths)
    assert models.parameter_count(KernelNet()) == 256 * 1000 + 1000 + 1000 * 121 + 121
    assert models.parameter_count(KernelNet(size=41)) == 256 * 1000 + 1000 + 1000 * 41**2 + 41**2


def test_frozen_parameters_are_not_counted() -> None:
    net = KernelNet(4, 3, 5)
    before = models.parameter_count(net)
    next(net.parameters()).requires_grad_(False)
    assert models.parameter_count(net) == before - 20


# --- what the paper says of the layers -------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_the_layers_are_those_of_the_paper(architecture: str) -> None:
    model = meta_vae(architecture)
    widths = {"A": [64, 128, 256, 512], "B": [32, 64, 128, 256, 512]}[architecture]
    down = [m for m in model.encoder if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in down] == widths
    assert all(m.kernel_size == (3, 3) and m.stride == (2, 2) for m in down)
    blocks = [m for m in model.decoder if isinstance(m, nn.ConvTranspose2d if architecture == "A" else nn.Conv2d)]
    if architecture == "A":
        assert all(m.kernel_size == (4, 4) and m.stride == (2, 2) for m in blocks)
        assert [(m.in_channels, m.out_channels) for m in blocks] == [(512, 512), (512, 256), (256, 128), (128, 64)]
    else:
        assert [m.out_channels for m in blocks[:-1]] == widths[::-1]
        up = [m for m in model.decoder if isinstance(m, nn.Upsample)]
        assert [(m.mode, m.scale_factor) for m in up] == [("bilinear", 2.0)] * 5
    last = model.decoder[-1]
    assert isinstance(last, nn.Conv2d)
    assert (last.in_channels, last.out_channels, last.kernel_size, last.stride) == (widths[0], 3, (3, 3), (1, 1))
    perceptrons = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert len(perceptrons) == (4 if architecture == "A" else 2)
    # One block is layer, batch norm, LeakyReLU(.01), in this order.
    for part in (model.encoder, model.decoder):
        for i, module in enumerate(part):
            if isinstance(module, nn.BatchNorm2d):
                slope = part[i + 1]
                assert isinstance(slope, nn.LeakyReLU) and slope.negative_slope == 0.01
                assert isinstance(part[i - 1], nn.Conv2d | nn.ConvTranspose2d)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("architecture", "size", "widths"),
    [
        ("A", 32, None),
        ("A", 64, None),
        ("A", 256, (64, 128, 256, 512, 512, 512)),
        ("B", 32, None),
        ("B", 64, None),
        ("B", 256, None),
        ("A", (32, 48), None),
    ],
)
def test_shapes_at_full_width(
    architecture: str, size: int | tuple[int, int], widths: tuple[int, ...] | None, channels: int
) -> None:
    model = meta_vae(architecture, size=size, channels=channels, widths=widths)
    h, w = (size, size) if isinstance(size, int) else size
    x = torch.empty(2, channels, h, w, device="meta")
    mu, log_var = model.encode(x)
    assert mu.shape == log_var.shape == (2, 256)
    decoded = model.decode(mu)
    assert decoded.x_hat.shape == decoded.logit.shape == x.shape


@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_the_mean_is_the_tanh_of_the_logit(architecture: str) -> None:
    torch.manual_seed(0)
    model = VAE(architecture, size=(8, 12), channels=1, **TINY)  # type: ignore[arg-type]
    x_hat, logit = model.decode(torch.randn(3, 5, generator=generator()))
    assert x_hat.shape == (3, 1, 8, 12)
    assert torch.equal(x_hat, torch.tanh(logit))
    assert x_hat.abs().max() < 1
    assert logit.std() > 0


def test_forward_reconstructs_from_the_posterior_mean() -> None:
    torch.manual_seed(0)
    model = VAE("A", size=8, **TINY).eval()  # type: ignore[arg-type]
    x = torch.rand(3, 3, 8, 8, generator=generator()) * 2 - 1
    assert torch.equal(model(x).x_hat, model.decode(model.encode(x)[0]).x_hat)


def test_outputs_are_at_least_float32() -> None:
    torch.manual_seed(0)
    model = VAE("A", size=8, **TINY)  # type: ignore[arg-type]
    x = torch.rand(3, 3, 8, 8, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        assert model.encoder(x).dtype == torch.bfloat16  # so autocast is at work
        mu, log_var = model.encode(x)
        decoded = model.decode(mu)
    assert {t.dtype for t in (mu, log_var, *decoded)} == {torch.float32}
    mu, log_var = model.double().encode(x.double())
    assert {t.dtype for t in (mu, log_var, *model.decode(mu))} == {torch.float64}


BAD_SIZES = [
    ({"architecture": "C"}, "no architecture 'C': choose one of A, B"),
    ({"size": 40}, "40×40 px do not divide by the stride 16 of 4 blocks"),
    ({"size": (64, 40)}, "64×40 px"),
    ({"size": 8}, "8×8 px"),
    ({"size": 0}, "0×0 px"),
    ({"architecture": "B", "size": 16}, "16×16 px do not divide by the stride 32 of 5 blocks"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_SIZES, ids=[m for _, m in BAD_SIZES])
def test_impossible_models_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VAE(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (2, 1, 8, 8), (3, 8, 8)], ids=str)
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    model = VAE("A", size=8, **TINY)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"takes images \(n, 3, 8, 8\), not \("):
        model.encode(torch.zeros(shape))


# --- kernel network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_kernels_of_the_network_are_non_negative_of_sum_one_and_one_per_image(scale: float) -> None:
    torch.manual_seed(0)
    net = KernelNet(6, 5, 20)
    kernel = net(scale * torch.randn(4, 6, generator=generator()))
    assert kernel.shape == (4, 5, 5)
    assert kernel.dtype == torch.float32
    assert (kernel >= 0).all()
    torch.testing.assert_close(kernel.sum((1, 2)), torch.ones(4))
    assert (kernel[0] - kernel[1]).abs().max() > 1e-3


def test_one_kernel_for_all_images_is_uniform_and_then_what_it_learns() -> None:
    """It finds a blur that all images share, by eq. 12, and keeps it in a model file."""
    net = KernelNet(6, 3, 0)
    torch.testing.assert_close(net(torch.randn(4, 6)), torch.full((4, 3, 3), 1 / 9))
    x, blur = torch.randn(8, 1, 12, 12, generator=generator()), torch.tensor([[0, 1, 0], [0, 2, 0], [0, 1, 0]]) / 4
    adam = torch.optim.Adam(net.parameters(), 0.1)
    for _ in range(150):
        loss = kernel_loss(x, circular_convolve(x, blur), net(torch.randn(8, 6))).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    kernel = net(torch.randn(5, 6)).detach()
    assert (kernel - blur).abs().max() < 0.02 and torch.equal(kernel[0], kernel[4])
    config = BlurVAE(Wiener(kernel_size=3), latent=6, one_kernel=True).config((1, 8, 8))["kernel_net"]
    assert config == {"latent": 6, "size": 3, "hidden": 0}
    KernelNet(**config).load_state_dict(net.state_dict())


@pytest.mark.parametrize("size", [0, 4, -1])
def test_kernel_networks_of_even_size_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"odd size of at least 1, not {size}"):
        KernelNet(6, size)


# --- the posterior ---------------------------------------------------------------------------------------------------


def posterior(n: int = 3, latent: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    mu = torch.randn(n, latent, generator=generator(), dtype=torch.float64)
    return mu, 0.7 * torch.randn(n, latent, generator=generator(1), dtype=torch.float64)


def test_kl_is_that_of_torch_distributions_and_zero_for_the_prior() -> None:
    mu, log_var = posterior()
    expected = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(models.kl_divergence(mu, log_var), expected)
    zero = torch.zeros(2, 4)
    assert torch.equal(models.kl_divergence(zero, zero), torch.zeros(2))
    assert torch.autograd.gradcheck(models.kl_divergence, (mu.requires_grad_(), log_var.requires_grad_()))


def test_kl_is_the_monte_carlo_mean_of_the_log_ratio_over_reparametrised_samples() -> None:
    mu, log_var = posterior()
    n = 40_000
    z = models.reparametrise(mu.repeat(n, 1, 1), log_var.repeat(n, 1, 1), generator(2))
    ratio = (Normal(mu, (log_var / 2).exp()).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(2)
    error = ratio.std(0) / math.sqrt(n)
    assert error.max() < 0.03
    assert ((models.kl_divergence(mu, log_var) - ratio.mean(0)).abs() < 4 * error).all()


def test_samples_have_mean_mu_and_variance_sigma_squared() -> None:
    mu, log_var = posterior(1, 3)
    z = models.reparametrise(mu.expand(100_000, 3), log_var.expand(100_000, 3), generator(3))
    sigma = (log_var[0] / 2).exp()
    torch.testing.assert_close(z.mean(0), mu[0], rtol=0, atol=5 * sigma.max().item() / math.sqrt(100_000))
    torch.testing.assert_close(z.std(0), sigma, rtol=0.02, atol=0)


def test_samples_come_from_the_generator_alone_and_pass_gradients() -> None:
    mu, log_var = (t.requires_grad_() for t in posterior())
    torch.manual_seed(0)
    state = torch.get_rng_state()
    z = models.reparametrise(mu, log_var, generator(5))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(z, models.reparametrise(mu, log_var, generator(5)))
    assert not torch.equal(z, models.reparametrise(mu, log_var, generator(6)))
    z.sum().backward()
    assert mu.grad is not None and log_var.grad is not None
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(log_var.grad, (z - mu).detach() / 2)  # d(σn)/d log σ² = σn/2


# --- files -----------------------------------------------------------------------------------------------------------

CONFIG = {
    "vae": {"architecture": "A", "size": 8, "channels": 3, "widths": [4, 8], "latent": 5, "hidden": 7},
    "kernel_net": {"latent": 5, "size": 3, "hidden": 6},
}


def saved(path: Path, with_kernel_net: bool = True) -> tuple[VAE, KernelNet | None]:
    torch.manual_seed(0)
    vae, kernel_net = VAE(**CONFIG["vae"]), KernelNet(**CONFIG["kernel_net"])  # type: ignore[arg-type]
    vae.to(memory_format=torch.channels_last).train()(torch.rand(4, 3, 8, 8, generator=generator()))  # moves the means
    config = CONFIG if with_kernel_net else {**CONFIG, "kernel_net": None}
    models.save_model(path, vae, kernel_net if with_kernel_net else None, config, {"seed": 3, "name": "β"})
    return vae, kernel_net if with_kernel_net else None


def test_a_model_file_loads_in_the_default_precision_whatever_it_is(tmp_path: Path) -> None:
    vae, _ = saved(tmp_path / "m.safetensors")
    torch.set_default_dtype(torch.float64)
    try:
        again, _, _ = models.load_model(tmp_path / "m.safetensors")
    finally:
        torch.set_default_dtype(torch.float32)
    weight, before = (next(net.parameters()) for net in (again, vae))
    assert weight.dtype == torch.float64
    assert torch.equal(weight.float(), before)


@pytest.mark.parametrize("with_kernel_net", [True, False])
def test_a_model_file_gives_back_the_same_networks(tmp_path: Path, with_kernel_net: bool) -> None:
    vae, kernel_net = saved(tmp_path / "m.safetensors", with_kernel_net)
    again, kernel_again, note = models.load_model(tmp_path / "m.safetensors")
    assert note == {"seed": 3, "name": "β"}
    assert not again.training
    assert again.state_dict().keys() == vae.state_dict().keys()
    for key, value in vae.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    x = torch.rand(2, 3, 8, 8, generator=generator(1))
    torch.testing.assert_close(again(x).x_hat, vae.eval()(x).x_hat)
    assert (kernel_again is None) == (kernel_net is None)
    if kernel_net is not None and kernel_again is not None:
        z = torch.randn(2, 5, generator=generator())
        assert torch.equal(kernel_again(z), kernel_net(z))
        assert not kernel_again.training


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"no model none\.safetensors in .*train it"):
        models.load_model(tmp_path / "none.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "m.safetensors"
    saved(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep == 0.5 else int(keep)])
    with pytest.raises(CorruptFile, match=r"m\.safetensors is not a whole model file"):
        models.load_model(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"config": "{", "note": "{}"},
        {"config": json.dumps(CONFIG)},
        {"config": json.dumps({**CONFIG, "vae": {**CONFIG["vae"], "latent": 6}}), "note": "{}"},
        {"config": json.dumps({**CONFIG, "vae": {**CONFIG["vae"], "size": 9}}), "note": "{}"},
        {"config": json.dumps({**CONFIG, "vae": {**CONFIG["vae"], "colour": 3}}), "note": "{}"},
        {"config": json.dumps({"vae": CONFIG["vae"]}), "note": "{}"},
        {"config": "[]", "note": "{}"},
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    from safetensors.torch import load_file, save_file

    path = tmp_path / "m.safetensors"
    saved(path)
    save_file(load_file(path), path, metadata=metadata)
    with pytest.raises(CorruptFile, match="not a whole model file of this project"):
        models.load_model(path)


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tmp_path / "m.safetensors"
    saved(path)
    tensors = load_file(path)
    del tensors["kernel_net/layers.0.bias"]
    save_file(tensors, path, metadata={"config": json.dumps(CONFIG), "note": "{}"})
    with pytest.raises(CorruptFile):
        models.load_model(path)
