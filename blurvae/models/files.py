"""Trained models as files: one safetensors file whose header holds the configuration. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from blurvae.errors import CorruptFile, MissingWeights
from blurvae.models.kernel_net import KernelNet
from blurvae.models.vae import VAE


def save_model(
    path: Path, vae: VAE, kernel_net: KernelNet | None, config: dict[str, Any], note: dict[str, Any]
) -> None:
    """Writes both networks to one file.

    Args:
        path: of the .safetensors file.
        vae: the VAE.
        kernel_net: the kernel network, or None.
        config: {"vae": …, "kernel_net": … or None}, the constructors' arguments.
        note: anything else to keep, JSON types only.
    """
    from safetensors.torch import save_file

    modules = {"vae": vae} | ({"kernel_net": kernel_net} if kernel_net else {})
    tensors = {
        f"{m}/{k}": v.detach().cpu().contiguous().clone()
        for m, net in modules.items()
        for k, v in net.state_dict().items()
    }
    save_file(tensors, path, metadata={"config": json.dumps(config), "note": json.dumps(note)})


def load_model(path: Path) -> tuple[VAE, KernelNet | None, dict[str, Any]]:
    """Reads a file of `save_model`.

    Args:
        path: of the .safetensors file.

    Returns:
        (vae, kernel_net or None, note), the networks in evaluation mode.

    Raises:
        MissingWeights: there is no such file.
        CorruptFile: the file is not whole, or not one of ours.
    """
    path = Path(path)  # a text serves as well
    if not path.exists():
        raise MissingWeights(f"There is no model {path.name} in {path.parent}: train it with `blurvae run`.")
    try:
        config, note, tensors = contents(path, "config")
        if not isinstance(note, dict):
            raise TypeError("the note is no dictionary")
        _demand_same_form(config, tensors)
        vae = VAE(**config["vae"])
        kernel_net = KernelNet(**config["kernel_net"]) if config["kernel_net"] else None
        for name, net in (("vae", vae), ("kernel_net", kernel_net)):
            if net is not None:
                net.load_state_dict(
                    {k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")}
                )
                net.eval()
    except Exception as error:  # what the constructors raise depends on what the configuration holds
        raise CorruptFile(
            f"{path} is not a whole model file of this project ({type(error).__name__}): fetch or train it again."
        ) from error
    return vae, kernel_net, note


def contents(path: Path, key: str) -> tuple[Any, Any, dict[str, Tensor]]:
    """What a model file of this project holds, unchecked: (configuration, note, tensors).

    Args:
        path: of a .safetensors file.
        key: of its header, under which the configuration stands.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    return json.loads(header[key]), json.loads(header["note"]), tensors


def kind(file: Path) -> str:
    """What networks a model file of this project says that it holds: "vae", "enhancenet" or "frvsr"; "" for others."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata() or {}
    except (OSError, SafetensorError):
        return ""
    return next((name for key, name in _KINDS.items() if key in header), "")


_KINDS = {"config": "vae", "enhancenet": "enhancenet", "frvsr": "frvsr"}  # by a key of the header


def demand_sha256(file: Path, sha256: str) -> None:
    """Refuses a file that is not the one of its card.

    Raises:
        CorruptFile: its sha256 is another.
    """
    if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise CorruptFile(f"{file} is not the file of its card (another sha256): fetch both again.")


def _demand_same_form(config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuses a configuration of other networks than the tensors', before it takes the memory that it asks for.

    Raises:
        ValueError: a tensor is missing or unknown, or has another shape or type.
    """
    with torch.device("meta"):
        modules: dict[str, torch.nn.Module] = {"vae": VAE(**config["vae"])}
        if config["kernel_net"]:
            modules["kernel_net"] = KernelNet(**config["kernel_net"])
    expected = {f"{m}/{k}": _form(v) for m, net in modules.items() for k, v in net.state_dict().items()}
    if expected != {key: _form(tensor) for key, tensor in tensors.items()}:
        raise ValueError("the tensors are not those of the configuration")


def _form(tensor: Tensor) -> tuple[torch.Size, torch.dtype | str]:
    """Shape and type; float32 and float64 are one type, since networks are made in torch's default precision."""
    real = tensor.dtype in (torch.float32, torch.float64)
    return tensor.shape, "real" if real else tensor.dtype
