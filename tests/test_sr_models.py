"""The networks of EnhanceNet and FRVSR: their counts, their grids, and what each pixel of theirs sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import conv2d

from blurvae.errors import CorruptFile, MissingNetwork
from blurvae.models import parameter_count
from blurvae.models.enhancenet import Discriminator, Generator
from blurvae.models.frvsr import FNet, SRNet
from blurvae.models.vgg19 import FILE, VGG19, missing, trained_vgg19
from blurvae.resampling import imresize


def random(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


def test_parameters_of_enhancenet_are_those_of_table_2_1() -> None:
    """And EN-E3: the 3.1 MB of the text are 3.41, or those of a network with one convolution fewer."""
    conv, full = 64 * 64 * 9 + 64, parameter_count(Generator())
    assert full == 852_867 == (3 * 64 * 9 + 64) + 23 * conv + (64 * 3 * 9 + 3)
    assert parameter_count(Generator(2)) == 815_939 == full - conv
    assert 4 * full / 1e6 == pytest.approx(3.41, abs=0.005) and 4 * (full - conv) / 2**20 == pytest.approx(
        3.11, abs=0.005
    )
    assert parameter_count(Discriminator()) == 13_102_881


@pytest.mark.parametrize(
    ("blocks", "filters", "alone", "total"),
    [
        (3, 64, 326_595, 2_072_101),
        (5, 64, 474_307, 2_219_813),
        (10, 64, 843_587, 2_589_093),
        (3, 128, 1_243_011, 2_988_517),
        (5, 128, 1_833_347, 3_578_853),
        (10, 128, 3_309_187, 5_054_693),
    ],
)
def test_parameters_of_frvsr(blocks: int, filters: int, alone: int, total: int) -> None:
    with torch.device("meta"):
        assert parameter_count(SRNet(51, filters=filters, blocks=blocks)) == alone
        assert parameter_count(FNet()) == 1_745_506 == total - alone


@pytest.mark.parametrize("scale", [2, 4])
def test_a_generator_adds_a_residual_to_bicubic_at_any_size(scale: int) -> None:
    torch.manual_seed(0)
    net, low = Generator(scale, width=4, blocks=2), random(2, 3, 7, 9)
    high = net(low)
    assert high.shape == (2, 3, 7 * scale, 9 * scale)
    assert torch.allclose(high - net.residual(low), imresize(low, scale), atol=1e-6)
    torch.manual_seed(0)
    alone = Generator(scale, width=4, blocks=2, global_skip=False)
    assert torch.equal(alone(low), net.residual(low)), "the same network without the sum"
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    assert torch.equal(net(low), imresize(low, scale))


def seen(net: torch.nn.Module, low: Tensor, at: int) -> tuple[int, int]:
    """The first and the last row of the small picture that a row of the large one depends on."""
    low = low.clone().requires_grad_()
    net(low)[..., at, :].sum().backward()
    rows = low.grad.abs().sum((0, 1, 3)).nonzero().squeeze(1)  # type: ignore[union-attr]
    return int(rows[0]), int(rows[-1])


def test_doubling_repeats_pixels_before_its_convolutions() -> None:
    """A row sees the same small rows as its mirror image does: no half-pixel shift hides in the networks."""
    torch.manual_seed(0)
    net, low = Generator(4, width=4, blocks=1).double(), random(1, 3, 24, 24).double()
    for at in (0, 13, 40):
        first, last = seen(net, low, at)
        mirrored = seen(net, low, 95 - at)
        assert (first, last) == (23 - mirrored[1], 23 - mirrored[0])


def test_the_discriminator_is_for_its_size_and_remembers() -> None:
    net = Discriminator(16, widths=(2, 3), hidden=5)
    assert net(random(4, 3, 16, 16)).shape == (4,)
    assert net.performance.tolist() == [0, 0] and "performance" in net.state_dict()
    with pytest.raises(ValueError, match="halves 5 times, so 32 must divide 48"):
        Discriminator(48)


def test_biases_begin_at_zero_and_weights_within_glorots_bounds() -> None:
    for net in (Generator(width=8, blocks=1), Discriminator(16, widths=(2, 3), hidden=5), FNet(3, (4, 6)), SRNet(9)):
        for name, weight in net.named_parameters():
            if name.endswith("bias"):
                assert not weight.any()
            else:
                fan = (weight.shape[0] + weight.shape[1]) * weight[0, 0].numel()
                assert weight.abs().max() <= (6 / fan) ** 0.5 and weight.any()


@pytest.mark.parametrize("shape", [(16, 24), (13, 18), (3, 5)])
def test_flow_has_the_size_of_its_frames_and_stays_within_its_reach(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = FNet(3, (4, 6, 8), reach=2.5)
    with torch.no_grad():
        net.last[1].bias.fill_(100.0)
    flow = net(random(2, 3, *shape), random(2, 3, *shape, seed=1))
    assert flow.shape == (2, 2, *shape) and torch.allclose(flow, torch.tensor(2.5))


def test_srnet_enlarges_what_it_is_given() -> None:
    assert SRNet(51, filters=4, blocks=1)(random(1, 51, 5, 6)).shape == (1, 3, 20, 24)
    assert SRNet(9, filters=4, blocks=1, scale=2)(random(1, 9, 5, 6)).shape == (1, 3, 10, 12)
    for scale in (3, 1, 0, 4.0):
        with pytest.raises(ValueError, match="by doubling"):
            SRNet(3, scale=scale)  # type: ignore[arg-type]


# VGG-19 --------------------------------------------------------------------------------------------------------------

SMALL = {1: (2, 3), 2: (4,)}


def test_vgg_sees_blue_green_red_less_its_mean_and_stops_where_it_may() -> None:
    torch.manual_seed(0)
    net, x = VGG19(SMALL), random(2, 3, 8, 8)
    mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    bytes_ = (x[:, [2, 1, 0]] + 1) / 2 * 255 - mean
    first = net.convolutions["conv1_1"]
    by_hand = conv2d(bytes_, first.weight, first.bias, padding=1).relu()  # type: ignore[arg-type]
    found = net(x, ("conv1_1", "pool1"))
    assert torch.allclose(found["conv1_1"], by_hand, rtol=1e-4, atol=1e-3)
    assert found["pool1"].shape == (2, 3, 4, 4) and [*found] == ["conv1_1", "pool1"]
    broken = net.convolutions["conv2_1"]
    with torch.no_grad():
        broken.weight.fill_(torch.nan)
    assert net(x, ("pool1",))["pool1"].isfinite().all()
    with pytest.raises(ValueError, match="not 'conv9_1'"):
        net(x, ("conv1_1", "conv9_1"))


def test_absent_and_damaged_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLURVAE_DATA", str(tmp_path))
    assert missing() == f"$BLURVAE_DATA/{FILE}"
    with pytest.raises(MissingNetwork, match="no substitute") as caught:
        trained_vgg19("L_T")
    assert caught.value.what == "vgg19-caffe"
    (tmp_path / FILE).parent.mkdir()
    save_file({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / FILE)
    assert missing() == ""
    with pytest.raises(CorruptFile, match="not a whole VGG-19"):
        trained_vgg19()


@pytest.mark.skipif(missing() != "" or "BLURVAE_DATA" not in os.environ, reason="the original VGG-19 is not here")
def test_the_real_network_has_means_of_its_card() -> None:
    """Mean activations grow from about 20 at conv1_1; the normalised copy's scales bring each filter near 1."""
    from blurvae import datasets

    photographs = datasets.photographs()
    x = torch.stack([torch.from_numpy(p[:, :256, :256].copy()) for p in photographs.values()]).float() / 127.5 - 1
    net = trained_vgg19()
    assert parameter_count(net) == 0, "it is frozen"
    assert sum(p.numel() for p in net.parameters()) == 20_024_384
    means = {name: maps.mean().item() for name, maps in net(x, ("conv1_1", "conv2_1", "conv3_1")).items()}
    assert 10 < means["conv1_1"] < 60 and means["conv3_1"] > means["conv1_1"]
