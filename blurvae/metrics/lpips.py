"""Learned perceptual image patch similarity.

Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
2018; computed by its authors' package `lpips`, version 0.1 of its linear weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from blurvae.metrics import _check
from blurvae.metrics.batches import over_batches
from blurvae.models.features import rgb
from blurvae.models.lpips import network


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

    def signed(images: Tensor) -> Tensor:
        return (2 * rgb(images).float() - 1).contiguous(memory_format=torch.channels_last)

    with torch.autocast(x.device.type, enabled=False):
        return over_batches(lambda a, b: distance(signed(a), signed(b)).flatten(), x, y, batch_size)
