"""VGG-19 as its authors released it (Simonyan and Zisserman 2014): what EnhanceNet sees pictures by.

`vgg19-caffe` takes blue, green and red from 0 to 255 less its mean. torchvision's VGG-19 was trained anew on RGB from 0
to 1: another network with other features, in which the weights of EnhanceNet's losses mean something else.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from blurvae import paths
from blurvae.errors import CorruptFile, MissingNetwork

NAME = "vgg19-caffe"
FILE = Path("weights") / "vgg19.safetensors"  # below the data root
CONVOLUTIONS = {1: (64, 64), 2: (128, 128), 3: (256,) * 4, 4: (512,) * 4, 5: (512,) * 4}  # by block
MEAN = (103.939, 116.779, 123.68)  # blue, green, red, of 255


class VGG19(nn.Module):
    """The convolutional part, frozen.

    Args:
        widths: feature maps by block.
    """

    mean: Tensor

    def __init__(self, widths: dict[int, tuple[int, ...]] = CONVOLUTIONS) -> None:
        super().__init__()
        before, self.widths = 3, widths
        self.convolutions = nn.ModuleDict()
        for block, outputs in widths.items():
            for i, width in enumerate(outputs, 1):
                self.convolutions[f"conv{block}_{i}"] = nn.Conv2d(before, width, 3, padding=1)
                before = width
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def forward(self, x: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]:
        """Feature maps of RGB pictures (n, 3, h, w) on [−1, 1].

        Args:
            x: the pictures.
            taps: which layers: "conv1_1" to "conv5_4", after ReLU, or "pool1" to "pool5".

        Returns:
            By name (n, c, h′, w′); nothing is computed behind the last that was asked for.

        Raises:
            ValueError: a layer that there is not.
        """
        known = [name for block in self.widths for name in self._layers(block)]
        if unknown := [name for name in taps if name not in known]:
            raise ValueError(f"VGG-19 has the layers {', '.join(known)}, not {unknown[0]!r}.")
        x, found = (x.flip(1) + 1) * 127.5 - self.mean, dict[str, Tensor]()
        for block in self.widths:
            for name in self._layers(block):
                x = max_pool2d(x, 2) if name.startswith("pool") else relu(self.convolutions[name](x))
                if name in taps:
                    found[name] = x
                if len(found) == len({*taps}):
                    return found
        return found

    def _layers(self, block: int) -> list[str]:
        return [*(f"conv{block}_{i}" for i in range(1, len(self.widths[block]) + 1)), f"pool{block}"]


def missing() -> str:
    """The file without which there is no `vgg19-caffe` here; empty where it is here."""
    root = paths.data_root()
    return "" if root is not None and (root / FILE).is_file() else f"$BLURVAE_DATA/{FILE}"


def trained_vgg19(wanted_by: str = "This") -> VGG19:
    """The network with its authors' weights, in evaluation mode and frozen.

    Its layers behind conv3_1 come from 8-bit codebooks in the file at hand, so that pool5 is off by about 2 %.

    Args:
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: the file is not in the data folder.
        CorruptFile: it is not whole.
    """
    root = paths.data_root()
    if missing() or root is None:
        raise MissingNetwork(
            NAME,
            f"{wanted_by} needs the original VGG-19, {FILE} below the folder that the variable BLURVAE_DATA names (see "
            "data/README.md); torchvision's is another network and no substitute.",
        )
    return _loaded(root / FILE, (root / FILE).stat().st_mtime_ns)


@cache
def _loaded(file: Path, stamp: int) -> VGG19:
    from safetensors import safe_open

    with (
        torch.device("cpu"),
        torch.random.fork_rng(devices=[]),
    ):  # the initial weights, replaced at once, draw random numbers
        network = VGG19()
    try:
        with safe_open(file, framework="pt") as tensors:
            for name, layer in network.convolutions.items():
                layer.load_state_dict({part: tensors.get_tensor(f"{name}.{part}") for part in ("weight", "bias")})
    except Exception as error:  # what is raised depends on what the file holds
        raise CorruptFile(
            f"{file} is not a whole VGG-19 ({type(error).__name__}): it must hold conv1_1.weight to conv5_4.bias."
        ) from error
    return network.eval().requires_grad_(False)
