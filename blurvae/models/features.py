"""Frozen networks that see images as vectors; their weights are read from the disk when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blurvae.models import weights
from blurvae.models.classifier import trained_classifier

# The ImageNet statistics that torchvision's networks were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Features = Callable[[Tensor], Tensor]  # images on [0, 1] (n, c, h, w), c = 1 or 3 -> (n, d)


def rgb(x: Tensor) -> Tensor:
    """Repeats grey images over three channels, since networks trained on photographs take colour.

    Raises:
        ValueError: neither 1 nor 3 channels.
    """
    if x.shape[1] not in (1, 3):
        raise ValueError(f"Images of {x.shape[1]} channels are neither grey (1) nor RGB (3).")
    return x.expand(-1, 3, -1, -1)


def squeezenet(device: torch.device, wanted_by: str) -> Features:
    """The last feature map of torchvision's SqueezeNet 1.1, averaged over its positions: (n, 512).

    Args:
        device: where.
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: torchvision or the file of weights is absent.
    """
    file = weights.torchvision_checkpoint("SqueezeNet1_1_Weights", wanted_by)
    return _pooled(_load_map("squeezenet1_1", file, device), device)


def vgg16(device: torch.device, wanted_by: str) -> Features:
    """The last feature map of torchvision's VGG-16, averaged over its positions: (n, 512).

    Args:
        device: where.
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: torchvision or the file of weights is absent.
    """
    return _pooled(_load_map("vgg16", weights.torchvision_checkpoint("VGG16_Weights", wanted_by), device), device)


def alexnet(device: torch.device, wanted_by: str) -> Features:
    """The last feature map of torchvision's AlexNet before its pooling, averaged over its positions: (n, 256).

    Args:
        device: where.
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: torchvision or the file of weights is absent.
    """
    maps = _load_map("alexnet", weights.torchvision_checkpoint("AlexNet_Weights", wanted_by), device)
    return _pooled(nn.Sequential(*[*maps.children()][:-1]), device)


def _pooled(network: nn.Module, device: torch.device) -> Features:
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))

    def extract(images: Tensor) -> Tensor:
        x = (rgb(images).float() - mean) / std
        features: Tensor = network(x.contiguous(memory_format=torch.channels_last))  # (n, d, h', w')
        return features.mean((2, 3))

    return extract


def classifier(name: str, device: torch.device, wanted_by: str) -> Features:
    """What the last layer of one of the project's classifiers sees: (n, d).

    Args:
        name: "mnist", grey images of 32×32 px, or of 28×28, which are put on black as the data set is; or "cifar10".
        device: where.
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: its file is absent.
        CorruptFile: its file is not whole.
    """
    network = trained_classifier(name, wanted_by, device)
    channels = network.config["channels"]

    def extract(images: Tensor) -> Tensor:
        x = images.float() if channels == 1 else rgb(images).float()
        if x.shape[1] != channels:
            raise ValueError(f"{wanted_by} needs grey images, not ones of {x.shape[1]} channels.")
        if name == "mnist" and tuple(x.shape[-2:]) == (28, 28):
            x = F.pad(x, (2, 2, 2, 2))
        features: Tensor = network(2 * x - 1).features
        return features

    return extract


def inception(device: torch.device, wanted_by: str) -> Features:
    """The pooled features of the network of the original FID, on images rounded to 8 bits: (n, 2048).

    Args:
        device: where.
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: torch-fidelity or the file of weights is absent.
    """
    module = weights.package("torch_fidelity.feature_extractor_inceptionv3", wanted_by)
    network = _load_fidelity(weights.checkpoint(module.URL_INCEPTION_V3, wanted_by), device)

    def extract(images: Tensor) -> Tensor:
        features: Tensor = network((rgb(images).clamp(0, 1) * 255).round().to(torch.uint8))[0]
        return features  # (n, 2048)

    return extract


def inception_softmax(device: torch.device, wanted_by: str) -> Features:
    """The class probabilities of torchvision's Inception-v3, on images resized to 299×299 px: (n, 1000).

    Args:
        device: where.
        wanted_by: who asks, for the message.

    Raises:
        MissingNetwork: torchvision or the file of weights is absent.
    """
    network = _load_inception(weights.torchvision_checkpoint("Inception_V3_Weights", wanted_by), device)

    def extract(images: Tensor) -> Tensor:
        x = rgb(images).float()
        x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False, antialias=True)
        logits: Tensor = network(x)
        return logits.softmax(1)  # (n, 1000)

    return extract


@lru_cache(maxsize=2)
def _load_map(name: str, file: Path, device: torch.device) -> nn.Module:
    from torchvision import models

    with torch.random.fork_rng(devices=[]):  # the initial weights, replaced at once, draw random numbers
        network = getattr(models, name)(weights=None)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return weights.kept(network.features.to(memory_format=torch.channels_last), device)


@lru_cache(maxsize=2)
def _load_fidelity(file: Path, device: torch.device) -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.random.fork_rng(devices=[]):
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(file))
    return weights.kept(network, device)


@lru_cache(maxsize=2)
def _load_inception(file: Path, device: torch.device) -> nn.Module:
    from torchvision.models import inception_v3

    with torch.random.fork_rng(devices=[]):
        network = inception_v3(weights=None, init_weights=False, transform_input=True)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return weights.kept(network, device)
