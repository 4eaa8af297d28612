"""Checkpoints: tensors in safetensors, the rest in JSON; the JSON is written last and names the tensors' file."""

from __future__ import annotations

import json
import math
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blurvae.errors import CorruptFile, Diverged
from blurvae.files import write_atomically

FORMAT = 2


@dataclass
class Progress:
    """Where a training stands: everything beside tensors that a checkpoint keeps.

    Attributes:
        epoch: epochs that are over.
        batch: steps of the next one that are over.
        step: steps that are over, of all epochs.
        sums: of what was measured in these `batch` steps, by name.
        history: a record of each epoch.
        seconds: of training so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


class Store:
    """The checkpoint of one training in a folder.

    Args:
        folder: where it lies.
        identity: what is trained, JSON; a checkpoint of anything else is refused.
        players: the networks by name.
        optimisers: of those that learn.
        slots: by player, what its optimiser keeps of a weight.
        noise: the generator of the training's random numbers.
    """

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        players: Mapping[str, nn.Module],
        optimisers: Mapping[str, torch.optim.Optimizer],
        slots: Mapping[str, frozenset[str]],
        noise: torch.Generator,
    ) -> None:
        self.folder, self.identity, self.players = folder, json.loads(json.dumps(identity)), players
        self.optimisers, self.slots, self.noise = optimisers, slots, noise

    def save(self, now: Progress) -> None:
        """Writes everything.

        Raises:
            Diverged: a tensor is not finite; such weights never replace the last good ones.
            OSError: it cannot be written.
        """
        from safetensors.torch import save_file

        tensors = {f"{name}/{key}": v for name, m in self.players.items() for key, v in m.state_dict().items()}
        tensors |= {f"{place}/{key}": v for place, p, of in self._weights() for key, v in of.state[p].items()}
        for name, tensor in tensors.items():  # a loss can be finite while its gradient was not
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise diverged(f"step {now.step} (epoch {now.epoch + 1})", name, math.nan, self.folder)
        tensors["noise"] = self.noise.get_state()
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"state-{now.step}.safetensors"
        # Each its own memory: safetensors refuses weights that two modules share, and reads them into both.
        apart = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        write_atomically(file, lambda path: save_file(apart, path))
        progress = asdict(now)
        record = {
            "format": FORMAT,
            "identity": self.identity,
            "tensors": file.name,
            "progress": progress,
            "crc32": _crc32(file, progress),
        }
        write_atomically(self.folder / "checkpoint.json", lambda path: path.write_text(json.dumps(record)))
        for old in self.folder.glob("state-*.safetensors"):
            if old != file:
                old.unlink()

    def clear(self) -> None:
        """Removes what an earlier run left, so that no message and no resume mistakes it for this one's."""
        (self.folder / "checkpoint.json").unlink(missing_ok=True)

    def load(self) -> Progress | None:
        """Fills networks, optimisers and generator; None where there is no checkpoint, or one of an earlier format.

        Raises:
            ValueError: it belongs to another configuration or another kind of device.
            CorruptFile: it is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        index = self.folder / "checkpoint.json"
        if not index.exists():
            return None
        try:
            record = json.loads(index.read_text())
            earlier = "format" not in record and "settings" in record["identity"]
            if not earlier and record["format"] != FORMAT:
                raise ValueError("another format")
            other = record["identity"] != self.identity
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._corrupt(error) from error
        if earlier:
            warnings.warn(f"The checkpoint in {self.folder} is of an earlier version: starts again.", stacklevel=2)
            return None
        if other:
            raise self._foreign("configuration")
        try:
            now, file = _progress(record["progress"]), self.folder / record["tensors"]
            if file.parent != self.folder or record["crc32"] != _crc32(file, record["progress"]):
                raise ValueError("tensors elsewhere, or another checksum")
            tensors = load_file(file)
            for name, m in self.players.items():
                m.load_state_dict(_below(f"{name}/", tensors))
            for place, weight, of in self._weights():
                kept = _below(f"{place}/", tensors)
                if kept and kept.keys() != self.slots[place.split("/")[1]]:
                    raise ValueError("another optimiser")
                # Slot by slot: load_state_dict would put a copy in the place of the learning rate's tensor.
                for key, value in kept.items():
                    of.state[weight][key] = _slot(value, weight)
            elsewhere = tensors["noise"].shape != self.noise.get_state().shape  # a GPU's generator has another state
            if not elsewhere:
                self.noise.set_state(tensors["noise"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, RuntimeError) as error:
            raise self._corrupt(error) from error
        if elsewhere:
            raise self._foreign("kind of device")
        return now

    def _weights(self) -> Iterator[tuple[str, nn.Parameter, torch.optim.Optimizer]]:
        """Every weight that learns, with its place in the file and its optimiser."""
        for name, of in self.optimisers.items():
            for j, p in enumerate(of.param_groups[0]["params"]):
                yield f"optimiser/{name}/{j}", p, of

    def _foreign(self, what: str) -> ValueError:
        return ValueError(
            f"The checkpoint in {self.folder} belongs to another {what}: resume with the one it was made with, or "
            "remove that folder to start again."
        )

    def _corrupt(self, error: Exception) -> CorruptFile:
        return CorruptFile(
            f"The checkpoint in {self.folder} cannot be read ({type(error).__name__}): "
            "remove that folder to start again."
        )


def diverged(moment: str, what: str, value: float, checkpoint: Path | None) -> Diverged:
    """The error of a training that has a number that is not finite, with what is left of it."""
    good = checkpoint / "checkpoint.json" if checkpoint else None
    last = f"the last good checkpoint is {good}" if good and good.exists() else "there is no checkpoint"
    return Diverged(
        f"Training diverged at {moment}: {what} is {value}; {last}. "
        "Lower the learning rate, or set precision='float32'."
    )


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _slot(value: Tensor, weight: Tensor) -> Tensor:
    """What an optimiser keeps of a weight: a number, or a tensor with the strides of the weight (channels last).

    Fused steps read memory in order, so the strides have to be the weight's.
    """
    if value.shape not in (weight.shape, ()):
        raise ValueError("an optimiser of other networks")
    like = weight if value.shape == weight.shape else value.to(weight.device)
    return torch.empty_like(like).copy_(value)


def _crc32(file: Path, progress: dict[str, Any]) -> int:
    """One checksum of both parts of a checkpoint, against damage."""
    value = zlib.crc32(json.dumps(progress).encode())
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            value = zlib.crc32(chunk, value)
    return value


def _progress(record: dict[str, Any]) -> Progress:
    """Progress as a checkpoint states it.

    Raises:
        ValueError, TypeError: it is not of its form.
    """
    now = Progress(**record)
    if not all(type(count) is int and 0 <= count < 2**53 for count in (now.epoch, now.batch, now.step)):
        raise ValueError("a count that is none")
    if not all(isinstance(number, int | float) and abs(number) < 1e300 for number in (now.seconds, *now.sums.values())):
        raise ValueError("a number that is none")
    if bool(now.sums) != bool(now.batch):
        raise ValueError("sums of other batches")
    if len(now.history) != now.epoch or any(epoch["epoch"] != i for i, epoch in enumerate(now.history, 1)):
        raise ValueError("a history of other epochs")
    return now
