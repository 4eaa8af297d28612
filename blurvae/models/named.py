"""Trained models by name: a safetensors file and beside it a card, which says what it is and what it measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from blurvae import paths
from blurvae.errors import CorruptFile, MissingWeights
from blurvae.models.enhancenet import Generator, load_generator
from blurvae.models.files import demand_sha256, kind, load_model
from blurvae.models.kernel_net import KernelNet
from blurvae.models.vae import VAE


class Trained(NamedTuple):
    """A trained model.

    Attributes:
        vae: the VAE, in evaluation mode.
        kernel_net: the kernel network, None where the model was trained without one.
        card: what is known of it; of a file of one's own, the note that it holds.
    """

    vae: VAE
    kernel_net: KernelNet | None
    card: dict[str, Any]


class TrainedGenerator(NamedTuple):
    """A trained generator of EnhanceNet, which enlarges.

    Attributes:
        generator: in evaluation mode.
        card: as of `Trained`.
    """

    generator: Generator
    card: dict[str, Any]


def names() -> list[str]:
    """The models that come with the book.

    Raises:
        MissingWeights: the package runs outside a checkout of the book, which holds them.
    """
    return sorted(file.stem for file in _folder().glob("*.json"))


def card(name: str) -> dict[str, Any]:
    """What is known of a model: sha256, licence, run, data, parameters, metrics with their protocol, provenance.

    Args:
        name: of `names`.

    Raises:
        MissingWeights: there is no such model, or no checkout of the book.
        CorruptFile: the card is not whole.
    """
    if name not in (known := names()):
        raise MissingWeights(f"There is no model {name!r}: choose one of {', '.join(known)}, or name a .safetensors.")
    file = _folder() / f"{name}.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found["sha256"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise CorruptFile(f"{file} is not a whole card of a model: fetch it again.") from None
    return found


def load(name: str) -> Trained | TrainedGenerator:
    """A trained model: a VAE, or a generator that enlarges.

    Args:
        name: of `names`, or the path of a .safetensors that `blurvae run --keep-model` wrote.

    Raises:
        MissingWeights: there is no such model, or no checkout of the book.
        CorruptFile: the file is not whole, or not the one of its card.

    Example:
        >>> load("natural-wiener").vae.image_shape
        (3, 32, 32)
        >>> load("natural-enet").generator.scale
        4
    """
    if str(name).endswith(".safetensors"):
        file = Path(name)
        return TrainedGenerator(*load_generator(file)) if kind(file) == "enhancenet" else Trained(*load_model(file))
    known = card(name)
    file = _folder() / f"{name}.safetensors"
    if not file.exists():
        raise MissingWeights(f"There is a card of {name}, but no {file}: fetch it again.")
    demand_sha256(file, known["sha256"])
    if kind(file) == "enhancenet":
        return TrainedGenerator(load_generator(file)[0], known)
    return Trained(*load_model(file)[:2], known)


def _folder() -> Path:
    try:
        return paths.checkpoints()
    except FileNotFoundError:
        raise MissingWeights(
            "The models by name are files of the book's checkout, which was not found above the package or the working "
            "folder: clone the repository and install it with `pip install -e .`, or start from inside the clone."
        ) from None
