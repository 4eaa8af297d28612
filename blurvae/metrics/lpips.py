"""Learned perceptual image patch similarity.

Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
2018; computed by its authors' package `lpips`, version 0.1 of its linear weights.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from blurvae.metrics import _check, _weights

# The backbone's weights in torchvision, and the smallest image (px) that reaches its last layer.
BACKBONES = {
    "squeeze": ("SqueezeNet1_1_Weights", 17),
    "alex": ("AlexNet_Weights", 31),
    "vgg": ("VGG16_Weights", 16),
}


def lpips(x: Tensor, y: Tensor, net: str = "squeeze", batch_size: int | None = None) -> Tensor:  # (n,)
    """LPIPS of each image, the distance between deep features, calibrated on human judgements.

    Values of different backbones are not comparable: report them as LPIPS-squeeze, LPIPS-alex, LPIPS-vgg. The
    backbone's ImageNet weights must lie in the checkpoint folder of torch's hub (TORCH_HOME); nothing is downloaded.
    Gray images are repeated over three channels. Differentiable.

    Args:
        x: (n, c, h, w), c = 1 or 3, on [0, 1]; the mapping to the network's [−1, 1] is done here.
        y: (n, c, h, w), on [0, 1].
        net: "squeeze" (at least 17×17 px), "alex" (31×31) or "vgg" (16×16).
        batch_size: images at a time; None chooses by their size.

    Returns:
        (n,), ≥ 0; 0 for equal images. Computed in float32.

    Raises:
        ValueError: shapes that differ, too small images, values outside [0, 1], NaN, an unknown net.
        MissingWeights: the package `lpips`, torchvision or the backbone's file is absent.
    """
    _check.pair(x, y)
    distance = network(net, (x.shape[-2], x.shape[-1]), x.device)
    size = batch_size or _check.batch_size(x)

    def signed(images: Tensor) -> Tensor:
        return (2 * _check.rgb(images).float() - 1).contiguous(memory_format=torch.channels_last)

    with torch.autocast(x.device.type, enabled=False):
        return torch.cat(
            [distance(signed(a), signed(b)).flatten() for a, b in zip(x.split(size), y.split(size), strict=True)]
        )


def network(net: str, shape: tuple[int, int], device: torch.device) -> nn.Module:
    """The frozen network on a device, made on its first use: two batches (n, 3, h, w) on [−1, 1] → (n, 1, 1, 1).

    Args:
        net: "squeeze", "alex" or "vgg".
        shape: (h, w) of the images that it is to compare.
        device: where.

    Raises:
        ValueError: an unknown net, or images too small for it.
        MissingWeights: the package `lpips`, torchvision or the backbone's file is absent.
    """
    if net not in BACKBONES:
        raise ValueError(f"LPIPS knows the nets {', '.join(BACKBONES)}, not {net!r}.")
    weights, smallest = BACKBONES[net]
    if min(shape) < smallest:
        raise ValueError(f"LPIPS-{net} needs images of at least {smallest}×{smallest} px, not {shape[0]}×{shape[1]}.")
    file = _weights.torchvision_checkpoint(weights, f"LPIPS-{net}")
    _weights.package("lpips", f"LPIPS-{net}")
    return _network(net, file, device)


@lru_cache(maxsize=4)
def _network(net: str, file: Path, device: torch.device) -> nn.Module:
    """The frozen network, kept for later calls; torchvision will look for its weights in `file`, just found there."""
    from lpips import LPIPS  # type: ignore[import-untyped, unused-ignore]

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):  # its initial weights, replaced, draw numbers
        warnings.simplefilter("ignore")  # lpips calls torchvision by a deprecated argument
        network: nn.Module = LPIPS(net=net, verbose=False)
    return network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
