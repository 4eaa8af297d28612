"""A small convolutional classifier: features and class probabilities that need no weights from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from blurvae.errors import CorruptFile


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
