"""Pretrained networks are read from the disk and never downloaded: absent ones are named, with the way to get them."""

from __future__ import annotations

import importlib
from pathlib import Path, PurePosixPath
from types import ModuleType
from urllib.parse import urlsplit

import torch
from torch import nn

from blurvae.errors import MissingNetwork
from blurvae.machine import wait


def package(name: str, wanted_by: str) -> ModuleType:
    """Imports a package that some metrics and terms need, most of them for pretrained networks.

    Args:
        name: of the module, e.g. "torchvision.models".
        wanted_by: who asks, for the message: the reported name of a metric or a term.

    Raises:
        MissingNetwork: the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        module = name.split(".")[0]
        distribution = {"sklearn": "scikit-learn"}.get(module, module.replace("_", "-"))
        raise MissingNetwork(
            f"the package {distribution}",
            f"{wanted_by} needs the package {distribution}, which cannot be imported here ({error}): install it with "
            f"`pip install {distribution}`; until then the value reads 'needs weights'.",
        ) from error


def checkpoint(url: str, wanted_by: str) -> Path:
    """The file that torch's hub would have downloaded from an address, found on this machine.

    Args:
        url: where the network's publisher keeps the file; only its last part is used.
        wanted_by: who asks, for the message: the reported name of a metric or a term.

    Raises:
        MissingNetwork: the file is not in the checkpoint folder of torch's hub.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / PurePosixPath(urlsplit(url).path).name
    if not file.is_file():
        raise MissingNetwork(
            file.name,
            f"{wanted_by} needs the weights {file.name}, which are not in {folder}: put the file from {url} there, or "
            "set TORCH_HOME to the folder that has it under hub/checkpoints; until then the value reads 'needs "
            "weights' (nothing is downloaded unasked).",
        )
    return file


def torchvision_checkpoint(name: str, wanted_by: str) -> Path:
    """The file of the ImageNet weights of a torchvision network.

    Args:
        name: of torchvision's enumeration, e.g. "SqueezeNet1_1_Weights".
        wanted_by: who asks, for the message: the reported name of a metric or a term.

    Raises:
        MissingNetwork: torchvision or the file is absent.
    """
    return checkpoint(getattr(package("torchvision.models", wanted_by), name).IMAGENET1K_V1.url, wanted_by)


def kept(network: nn.Module, device: torch.device) -> nn.Module:
    """A network for all who ask, on whatever stream: frozen, and on its device."""
    network.eval().requires_grad_(False).to(device)
    wait(device)
    return network
