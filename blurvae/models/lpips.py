"""The frozen network behind LPIPS (Zhang et al. 2018), from its authors' package, version 0.1 of its linear weights."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from blurvae.models import weights

# The backbone's weights in torchvision, and the smallest image (px) that reaches its last layer.
BACKBONES = {
    "squeeze": ("SqueezeNet1_1_Weights", 17),
    "alex": ("AlexNet_Weights", 31),
    "vgg": ("VGG16_Weights", 16),
}


def network(net: str, shape: tuple[int, int], device: torch.device) -> nn.Module:
    """The frozen network on a device, made on its first use: two batches (n, 3, h, w) on [−1, 1] → (n, 1, 1, 1).

    Args:
        net: "squeeze", "alex" or "vgg".
        shape: (h, w) of the images that it is to compare.
        device: where.

    Raises:
        ValueError: an unknown net, or images too small for it.
        MissingNetwork: the package `lpips`, torchvision or the backbone's file is absent.
    """
    if net not in BACKBONES:
        raise ValueError(f"LPIPS knows the nets {', '.join(BACKBONES)}, not {net!r}.")
    name, smallest = BACKBONES[net]
    if min(shape) < smallest:
        raise ValueError(f"LPIPS-{net} needs images of at least {smallest}×{smallest} px, not {shape[0]}×{shape[1]}.")
    file = weights.torchvision_checkpoint(name, f"LPIPS-{net}")
    weights.package("lpips", f"LPIPS-{net}")
    return _network(net, file, device)


@lru_cache(maxsize=4)
def _network(net: str, file: Path, device: torch.device) -> nn.Module:
    """The frozen network, kept for later calls; torchvision will look for its weights in `file`, just found there."""
    from lpips import LPIPS  # type: ignore[import-untyped, unused-ignore]

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):  # its initial weights, replaced, draw numbers
        warnings.simplefilter("ignore")  # lpips calls torchvision by a deprecated argument
        network: nn.Module = LPIPS(net=net, verbose=False)
    return weights.kept(network.to(memory_format=torch.channels_last), device)
