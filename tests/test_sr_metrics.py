"""The protocol of super-resolution against scikit-image, and what each of its choices does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torch.nn.functional import interpolate

from blurvae import datasets, metrics
from blurvae.metrics.sr import Protocol, luma
from blurvae.resampling import imresize


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_luma_is_that_of_another_library_and_grey_is_luma_already() -> None:
    x = random(2, 3, 9, 11)
    wanted = np.stack([rgb2ycbcr(image.numpy().transpose(1, 2, 0))[..., 0] for image in x])
    assert np.allclose(255 * luma(x)[:, 0].numpy(), wanted, atol=1e-9)
    assert torch.equal(luma(x[:, :1]), x[:, :1])
    ends = luma(torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1).expand(2, 3, 2, 2))
    assert ends[:, 0, 0, 0].tolist() == pytest.approx([16 / 255, 235 / 255])
    with pytest.raises(ValueError, match="not of 2 channels"):
        luma(x[:, :2])


@pytest.mark.parametrize("shave", [0, 2, 4])
@pytest.mark.parametrize("rounded", [True, False])
def test_psnr_and_ssim_are_another_librarys_on_the_pixels_that_count(shave: int, rounded: bool) -> None:
    x = random(2, 3, 40, 36)
    y = (x + 0.1 * random(2, 3, 40, 36, seed=1) - 0.05).clamp(0, 1)
    protocol = Protocol(shave=shave, round=rounded)
    inner = slice(shave, 40 - shave), slice(shave, 36 - shave)
    for i in range(2):
        a, b = (rgb2ycbcr(image[i].numpy().transpose(1, 2, 0))[..., 0][inner] for image in (x, y))
        if rounded:
            a, b = a.round(), b.round()
        assert protocol.psnr(x, y)[i].item() == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
        _, similarity = structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        assert protocol.ssim(x, y)[i].item() == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-9)


def test_video_psnr_is_one_error_over_all_frames_and_at_most_the_mean_of_theirs() -> None:
    x = random(2, 5, 3, 16, 16)
    y = (x + torch.linspace(0.01, 0.2, 5, dtype=x.dtype).view(1, 5, 1, 1, 1) * (x - 0.5)).clamp(0, 1)
    protocol = Protocol(shave=0, round=False)
    whole = protocol.video_psnr(x, y)
    frames = torch.stack([protocol.psnr(x[:, t], y[:, t]) for t in range(5)], 1)
    assert torch.allclose(whole, -10 * torch.log10((10 ** (-frames / 10)).mean(1)))
    assert (whole < frames.mean(1) - 0.1).all()
    alike = y[:, :1].expand_as(y), x[:, :1].expand_as(x)
    assert torch.allclose(protocol.video_psnr(*alike), protocol.psnr(x[:, 0], y[:, 0]))
    with pytest.raises(ValueError, match="Two clips"):
        protocol.video_psnr(x, y[:, :4])


def test_one_picture_has_many_numbers() -> None:
    """Same picture, same kernel: the choices of a protocol are worth more than most methods."""
    x = torch.from_numpy(datasets.photographs()["coffee"].copy())[None].double() / 255
    y = imresize(imresize(x, 0.25), 4).clamp(0, 1)
    found = {
        name: protocol.psnr(x, y).item()
        for name, protocol in {
            "y": Protocol(),
            "rgb": Protocol(channel="rgb"),
            "border": Protocol(shave=0),
            "not rounded": Protocol(round=False),
        }.items()
    }
    assert found["y"] - found["rgb"] > 20 * math.log10(255 / 219), "by its range alone luma gains 1.32 dB"
    assert len({*found.values()}) == 4 and abs(found["not rounded"] - found["y"]) < 0.02
    aliased = interpolate(x, scale_factor=0.25, mode="bicubic")
    assert abs(Protocol().psnr(x, imresize(aliased, 4).clamp(0, 1)).item() - found["y"]) > 0.3


def test_a_protocol_says_what_it_is_and_refuses_what_it_is_not() -> None:
    assert str(Protocol()) == "Y of BT.601, 8 bits, 4 px shaved, bicubic-antialias"
    assert str(Protocol("rgb", 0, False, "σ 1.5")) == "RGB, not rounded, 0 px shaved, σ 1.5"
    for bad in ({"channel": "l"}, {"shave": -1}, {"shave": 1.5}):
        with pytest.raises(ValueError, match="A protocol"):
            Protocol(**bad)
    with pytest.raises(ValueError, match="Nothing is left"):
        Protocol().psnr(random(1, 3, 8, 8), random(1, 3, 8, 8))
    with pytest.raises(ValueError, match="outside"):
        Protocol().psnr(random(1, 3, 16, 16), 2 * random(1, 3, 16, 16))


def test_without_rounding_and_border_luma_is_the_only_difference_to_psnr() -> None:
    x, y = random(2, 3, 16, 16), random(2, 3, 16, 16, seed=1)
    assert torch.allclose(Protocol("rgb", 0, False).psnr(x, y), metrics.psnr(x, y))
