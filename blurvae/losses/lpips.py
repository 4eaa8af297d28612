"""Learned perceptual image patch similarity as a training term (Zhang et al. 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from blurvae.errors import MissingNetwork
from blurvae.losses.base import Term, check_pair, check_scale, image_shape
from blurvae.models.features import rgb
from blurvae.models.lpips import BACKBONES, network


@dataclass(frozen=True)
class LPIPS(Term):
    """scale · D/2 · LPIPS, the distance between deep features of a frozen network. Not a likelihood.

    LPIPS wants [−1, 1], the range of this package, so nothing is mapped. It has no scale of its own: with D/2, as for
    FFL and SSIM, it grows with the number of values as a squared error does, so that one β serves several sizes. Czolbe
    et al. (2020) weight their SqueezeNet variant by e⁹ at 3×64² px, which is scale = 1.32, and VGG by e¹⁰ (3.58).

    The gradient passes through the network into x̂ only. The network is read on first use, once a device, and is no
    part of the term, which can be compared, copied and pickled without it. Grey images are repeated over three
    channels. A model trained with a net optimises the column LPIPS of that net: compare it on another metric.

    Attributes:
        net: "squeeze" (at least 17×17 px), "alex" (31×31) or "vgg" (16×16; the paper's).
        scale: weight, > 0, in units of D/2.

    Raises:
        ValueError: an unknown net, a scale that is not positive; on a call, images below the net's smallest.
        MissingWeights: on a call, where the package `lpips`, torchvision or the backbone's file is absent.
    """

    name: ClassVar[str] = "lpips"
    net: str = "squeeze"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.net not in BACKBONES:
            raise ValueError(f"The net of {self.name!r} is one of {', '.join(BACKBONES)}, not {self.net!r}.")
        check_scale(self.scale, self.name)

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `Term.needs`."""
        try:
            network(self.net, (shape[-2], shape[-1]), torch.device("cpu"))
        except MissingNetwork as missing:
            return missing.what
        return ""

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image, computed in float32."""
        check_pair(x, x_hat)
        distance = network(self.net, image_shape(x), x.device)
        with torch.autocast(x.device.type, enabled=False):
            a, b = (rgb(v).float().contiguous(memory_format=torch.channels_last) for v in (x.detach(), x_hat))
            value = distance(a, b).flatten().to(x_hat.dtype)
        return self.scale * math.prod(x.shape[1:]) / 2 * value
