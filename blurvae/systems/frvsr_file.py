"""FRVSR's networks as a file: one .safetensors whose header holds the system's fields. Nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from blurvae.errors import CorruptFile, MissingWeights
from blurvae.models.files import contents
from blurvae.systems.frames import MOTION
from blurvae.systems.frvsr import FRVSR, Players

_FRAMES = 3  # of the shape that `players` is asked with; the networks are the same for all


def save_frvsr(path: Path, system: FRVSR, players: Players, note: dict[str, Any]) -> None:
    """Writes FNet, where there is one, and SRNet.

    Args:
        path: of the .safetensors file.
        system: whose players they are.
        players: the networks.
        note: anything else to keep, JSON types only.
    """
    from safetensors.torch import save_file

    last = players.sr.layers[-1]
    assert isinstance(last, nn.Conv2d)
    header = {"system": asdict(system), "channels": last.out_channels}
    tensors = {
        f"{name}/{key}": tensor.detach().cpu().contiguous()
        for name, net in players._asdict().items()
        if net is not None
        for key, tensor in net.state_dict().items()
    }
    save_file(tensors, path, metadata={"frvsr": json.dumps(header), "note": json.dumps(note)})


def load_frvsr(path: Path) -> tuple[FRVSR, Players, dict[str, Any]]:
    """Reads a file of `save_frvsr`.

    Returns:
        (system, players, note), the networks in evaluation mode. The system takes pictures, without motion behind their
        channels, unless its networks cannot do without being given it.

    Raises:
        MissingWeights: there is no such file.
        CorruptFile: it is not whole, or holds no networks of FRVSR.
    """
    if not Path(path).is_file():
        raise MissingWeights(f"There is no model {path}: train it with `blurvae run frvsr/motion --keep-model`.")
    try:
        config, note, tensors = contents(path, "frvsr")
        fields: dict[str, Any] = config["system"]
        told = fields["motion"] == "given" and fields["method"] != "sisr"
        system = FRVSR(
            **fields | {"flow_widths": tuple(fields["flow_widths"]), "crop": 0, "motion": "given" if told else "no"}
        )
        shape = (_FRAMES, config["channels"] + MOTION * told, 16 * system.scale, 16 * system.scale)
        with torch.device("meta"):  # a configuration of other networks must not take the memory that it asks for
            expected = _shapes(system.players(shape))
        if expected != {key: tensor.shape for key, tensor in tensors.items()}:
            raise ValueError("the tensors are not those of the configuration")
        with torch.random.fork_rng(devices=[]):
            players = system.players(shape)
        for name, net in players._asdict().items():
            if net is not None:
                own = {key.partition("/")[2]: tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}
                net.load_state_dict(own)
                net.eval().requires_grad_(False)
    except Exception as error:  # what the constructors raise depends on what the configuration holds
        raise CorruptFile(f"{path} holds no whole networks of FRVSR ({type(error).__name__}).") from error
    return system, players, note


def _shapes(players: Players) -> dict[str, torch.Size]:
    nets = {name: net for name, net in players._asdict().items() if net is not None}
    return {f"{name}/{key}": tensor.shape for name, net in nets.items() for key, tensor in net.state_dict().items()}
