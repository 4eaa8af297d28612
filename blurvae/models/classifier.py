"""A small convolutional classifier: features and class probabilities that need no weights from elsewhere."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blurvae import paths
from blurvae.errors import CorruptFile, MissingNetwork
from blurvae.models.files import demand_sha256


class Classified(NamedTuple):
    """What a classifier makes of images.

    Attributes:
        logit: (n, classes), before the softmax.
        features: (n, widths[-1]), what the last linear layer sees.
    """

    logit: Tensor
    features: Tensor


class Classifier(nn.Module):
    """3×3 convolutions, each with batch norm and ReLU, all but the first with stride 2; mean over positions; linear.

    Args:
        channels: of the images.
        classes: how many.
        widths: feature maps of the convolutions.
    """

    def __init__(self, channels: int, classes: int = 10, widths: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        self.config = {"channels": channels, "classes": classes, "widths": list(widths)}
        layers: list[nn.Module] = []
        for i, (before, width) in enumerate(zip([channels, *widths], widths)):
            layers += [
                nn.Conv2d(before, width, 3, stride=2 if i else 1, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Classified:
        """Classifies images (n, c, h, w) on [−1, 1]."""
        features: Tensor = F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1)
        return Classified(self.last(features), features)


def save_classifier(path: Path, classifier: Classifier) -> None:
    """Writes a .safetensors whose header holds the configuration."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    save_file(tensors, path, metadata={"config": json.dumps(classifier.config)})


def load_classifier(path: Path) -> Classifier:
    """Reads a file of `save_classifier`, in evaluation mode and frozen.

    Raises:
        CorruptFile: the file is not whole, or not one of ours.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads(file.metadata()["config"])
            classifier = Classifier(**config)
            classifier.load_state_dict({key: file.get_tensor(key) for key in file.keys()})
    except Exception as error:  # what the constructor raises depends on what the configuration holds
        raise CorruptFile(f"{path} is not a whole classifier of this project ({type(error).__name__}).") from error
    return classifier.eval().requires_grad_(False)


def trained_classifier(name: str, wanted_by: str = "This", device: torch.device | None = None) -> Classifier:
    """A classifier that comes with the book, in evaluation mode and frozen; its card lies beside its file.

    Args:
        name: "mnist" or "cifar10".
        wanted_by: who asks, for the message.
        device: where, the CPU where None.

    Raises:
        MissingNetwork: there is none of that name, or no checkout of the book, which holds them.
        CorruptFile: the file is not whole, or not the one of its card.
    """
    try:
        file = paths.checkpoints() / "classifiers" / f"{name}.safetensors"
    except FileNotFoundError:
        file = Path(f"{name}.safetensors")
    if not file.exists():
        raise MissingNetwork(
            f"classifiers/{file.name}",
            f"{wanted_by} needs the classifier data/checkpoints/classifiers/{file.name} of the book's checkout, which "
            "was not found: start from inside a clone of the repository, or fetch the file again.",
        )
    return _checked(file, file.stat().st_mtime_ns, device or torch.device("cpu"))


@cache
def _checked(file: Path, stamp: int, device: torch.device) -> Classifier:
    card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    demand_sha256(file, card["sha256"])
    with torch.device("cpu"):  # whatever the default is: a file fills no network without memory
        return load_classifier(file).to(device)


class ClassifierMaps(nn.Module):
    """What the convolutions of a classifier see, for losses of features: "block1", "block2", …, each after its ReLU.

    Args:
        classifier: a trained one; its layers are copied, and frozen.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.layers = copy.deepcopy(classifier.layers).eval().requires_grad_(False)

    def forward(self, x: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
        """Feature maps by name, (n, c, h′, w′), of images (n, c, h, w) on [−1, 1].

        Raises:
            ValueError: a block that there is not.
        """
        blocks = {f"block{i + 1}": self.layers[3 * i : 3 * i + 3] for i in range(len(self.layers) // 3)}
        if unknown := [name for name in taps if name not in blocks]:
            raise ValueError(f"The classifier has {', '.join(blocks)}, not {unknown[0]!r}.")
        found = dict[str, Tensor]()
        for name, block in blocks.items():
            x = block(x)
            if name in taps:
                found[name] = x
            if len(found) == len({*taps}):
                break
        return found
