"""One readable loop: the alternating optimisation of the main paper (eq. 11 and 12), resumable, on CPU or GPU."""

from __future__ import annotations

import errno
import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from blurvae.blur import kernel_width
from blurvae.datasets import ImageSet, to_float
from blurvae.errors import CorruptFile, Diverged
from blurvae.losses import L2, Term, kernel_loss
from blurvae.machine import choose_device, choose_precision, compiled, free_memory, memory_kept, repeatable
from blurvae.models import VAE, KernelNet, kl_divergence, parameter_count, reparametrise
from blurvae.parallel import SOLO, Team
from blurvae.text import to_json

CHECKPOINT_SECONDS = 30.0
PARTS = ("reconstruction", "kl", "kernel_loss", "kernel_width")


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train.

    Attributes:
        epochs: passes over the training images.
        warm_up: epochs at the start with Σ = I, in which the kernel network trains already (10 for CelebA).
        batch_size: images a step; a last incomplete batch is left out.
        lr: Adam's learning rate of encoder and decoder.
        kernel_lr: Adam's learning rate of the kernel network.
        beta: β, the weight of the KL term; 1 is the ELBO.
        seed: of initialisation, shuffling and noise.
        precision: "auto", "float32" or "bf16".
    """

    epochs: int = 100
    warm_up: int = 10
    batch_size: int = 64
    lr: float = 1e-4
    kernel_lr: float = 1e-4
    beta: float = 1.0
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("warm_up", 0), ("batch_size", 1), ("seed", -math.inf)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} must be a whole number{f' ≥ {least}' * (least >= 0)}, not {value!r}.")
        if abs(self.seed) >= 2**40:  # the generator of an epoch's order is seeded with a multiple of it
            raise ValueError(f"seed must lie between −2^40 and 2^40, not at {self.seed}.")
        for name in ("lr", "kernel_lr"):
            if not (_is_number(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(
                    f"{name} must be a positive number (the paper takes 1e-4), not {getattr(self, name)!r}."
                )
        if not (_is_number(self.beta) and self.beta >= 0):
            raise ValueError(f"beta, the weight of the KL term, must be a finite number ≥ 0, not {self.beta!r}.")
        if self.precision not in ("auto", "float32", "bf16"):
            raise ValueError(f"precision is 'auto', 'float32' or 'bf16', not {self.precision!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


class Players(NamedTuple):
    """The two players of the alternation: θ, φ in `vae` and γ in `kernel_net` (None for terms without a kernel)."""

    vae: VAE
    kernel_net: KernelNet | None


class Forward(NamedTuple):
    """One pass of eq. 11: what is minimised and what it was made of."""

    objective: Tensor  # (), nats per image
    reconstruction: Tensor  # (), nats per image
    kl: Tensor  # (), nats per image
    z: Tensor  # (n, latent)
    x_hat: Tensor  # (n, c, h, w)
    kernel: Tensor | None  # (n, K, K)


@dataclass
class State:
    """What a callback sees after each step."""

    epoch: int
    step: int
    weighted: bool
    players: Players
    x: Tensor
    forward: Forward


@dataclass
class Progress:
    """Where a training stands: everything beside tensors that a checkpoint keeps."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def forward(
    players: Players,
    term: Term,
    x: Tensor,
    *,
    beta: float = 1.0,
    weighted: bool = True,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
    autocast: AbstractContextManager[Any] | None = None,
) -> Forward:
    """Eq. 11: reconstruction + β·KL, with the gradient that the term's `kernel_path` prescribes.

    Args:
        players: the VAE and, for terms that need one, the kernel network.
        term: the reconstruction term; squared error stands in for it while `weighted` is false.
        x: (n, c, h, w) in [−1, 1].
        beta: weight of the KL term.
        weighted: false during warm-up, where Σ = I.
        noise: n ~ N(0, I) of z = μ + σ·n, (n, latent); drawn from the generator where None.
        generator: of that noise.
        autocast: the context that encoder and decoder run in; losses and spectra stay outside it, in float32.

    Returns:
        The objective, its parts and the tensors that eq. 12 reuses. γ gets a gradient from the objective only for the
        path "elbo".
    """
    vae, kernel_net = players
    autocast = autocast or nullcontext()
    with autocast:
        mu, log_var = vae.encode(x)
    z = reparametrise(mu, log_var, generator, noise)
    with autocast:
        x_hat, logit = vae.decode(z)
    kernel = None
    if weighted and term.kernel_path is not None:
        if kernel_net is None:
            raise ValueError(f"The term {term.name!r} needs a kernel network: pass kernel_net=KernelNet(…).")
        match term.kernel_path:
            case "elbo":
                kernel = kernel_net(z)
            case "live":  # through G into z, but not into G's weights
                frozen = {name: p.detach() for name, p in kernel_net.named_parameters()}
                kernel = torch.func.functional_call(kernel_net, frozen, (z,))
            case _:
                with torch.no_grad():
                    kernel = kernel_net(z)
    active = term if weighted or term.kernel_path is None else L2()
    reconstruction = active(x, x_hat, logit=logit, kernel=kernel).mean()
    kl = kl_divergence(mu, log_var).mean()
    return Forward(reconstruction + beta * kl, reconstruction, kl, z, x_hat, kernel)


def kernel_step(kernel_net: KernelNet, x: Tensor, out: Forward) -> tuple[Tensor, Tensor]:
    """Eq. 12: ‖x * G_γ(z) − x̂‖², with z and x̂ detached so that only γ learns from it.

    Returns:
        (loss, kernels): (), the mean over the batch of the squared error of an image; (n, K, K).
    """
    kernel = kernel_net(out.z.detach())
    return kernel_loss(x, out.x_hat.detach(), kernel).mean(), kernel


def step(
    players: Players,
    term: Term,
    x: Tensor,
    noise: Tensor,
    *,
    beta: float,
    weighted: bool,
    autocast: AbstractContextManager[Any] | None = None,
) -> tuple[Tensor, Tensor, Forward]:
    """Both players' losses on one batch.

    Returns:
        (loss, parts, forward): the sum of eq. 11 and eq. 12, (). Its gradient is both players' own, since eq. 11 holds
        γ fixed and eq. 12 holds θ and φ; for the path "elbo" it is eq. 11 alone, which moves γ too. `parts` holds what
        the history records, as `PARTS` names it.
    """
    out = forward(players, term, x, beta=beta, weighted=weighted, noise=noise, autocast=autocast)
    loss, parts = out.objective, [out.reconstruction, out.kl]
    if players.kernel_net is not None:
        blur_error, kernel = kernel_step(players.kernel_net, x, out)
        if not (weighted and term.kernel_path == "elbo"):
            loss = loss + blur_error
        parts += [blur_error, kernel_width(kernel.detach()).mean()]
    return loss, torch.stack([part.detach().double() for part in parts]), out


class Images:
    """Batches of a data set, resident on the device as uint8 where they fit, else streamed from their memory map."""

    def __init__(self, images: np.ndarray, device: torch.device, resident: bool | None = None) -> None:
        self.device = device
        self.images = images
        self.resident = _fits(images.nbytes, device) if resident is None else resident
        self.tensor = torch.from_numpy(np.array(images)).to(device) if self.resident else None

    def rows(self, order: Tensor) -> Tensor:
        """An order of images, moved to where `images[…]` reads it without waiting for the device."""
        return order.to(self.device) if self.resident else order

    def __getitem__(self, index: Tensor) -> Tensor:  # (n, c, h, w) in [−1, 1]
        if self.tensor is not None:
            batch = self.tensor[index.to(self.device)]
        else:
            rows = index.numpy()
            order = np.argsort(rows)  # reading a memory map forwards, then back into the order asked for
            batch = torch.from_numpy(np.array(self.images[rows[order]])[np.argsort(order)]).to(self.device)
        return to_float(batch).contiguous(memory_format=torch.channels_last)


def _fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes leave at least half of the free memory to the training itself."""
    return size < (torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()) / 2


def fit(
    players: Players,
    term: Term,
    data: ImageSet,
    settings: Settings,
    *,
    device: str = "auto",
    checkpoint: Path | None = None,
    resume: bool = False,
    callback: Callable[[State], None] | None = None,
    progress: bool = False,
    compile: bool = False,
    deterministic: bool = False,
    team: Team = SOLO,
) -> list[dict[str, Any]]:
    """Trains the VAE on eq. 11 and the kernel network on eq. 12, one step each per batch.

    Args:
        players: the networks, trained in place and moved to the device.
        term: the reconstruction term.
        data: the training images.
        settings: budget, learning rates, β, seed, precision.
        device: "auto", "cpu" or "cuda".
        checkpoint: folder for checkpoints, written at most every 30 s and at the end; none where None.
        resume: go on from the checkpoint in that folder if there is one. The result is that of an uninterrupted run,
            on a CPU bit for bit.
        callback: called after each step with the `State`.
        progress: a progress bar on a terminal.
        compile: let `torch.compile` fuse the step, on a GPU into CUDA graphs: the first step then takes a minute or so.
        deterministic: on a GPU, use only algorithms that give the same bits each time; a CPU does anyway.
        team: the processes that share each batch, all with the same arguments; this one alone where left out.

    Returns:
        One record an epoch: the mean over its images of the reconstruction term, the KL term (nats per image), the
        kernel network's loss and the effective width of its kernels (px).

    Raises:
        Diverged: a loss stopped being finite.
        ValueError: fewer than two images, a missing kernel network, a device that is not there, a checkpoint of
            another configuration.
        CorruptFile: a checkpoint that cannot be read.
    """
    where = choose_device(device)
    precision = choose_precision(settings.precision, where)
    vae, kernel_net = players
    if len(data) < 2:
        raise ValueError(f"Batch norm needs at least two images to train on, {data.name!r} has {len(data)}.")
    if term.kernel_path is not None and kernel_net is None:
        raise ValueError(f"The term {term.name!r} needs a kernel network: pass Players(vae, KernelNet(…)).")
    if kernel_net is not None and getattr(term, "kernel_size", kernel_net.size) != kernel_net.size and term.kernel_path:
        raise ValueError(
            f"The term {term.name!r} takes kernels of size {term.kernel_size}, the kernel network makes them of size "  # type: ignore[attr-defined]
            f"{kernel_net.size}: give both the same."
        )
    batch_size = min(settings.batch_size, len(data))
    team.check(batch_size)
    if compile and team.size > 1:
        raise ValueError("compile fuses the step of one process: leave it out, or train with one process.")
    if batch_size == 1 and vae.features == (1, 1):
        raise ValueError(
            "Batch norm needs more than one value of a channel, and a batch of one image has features of 1×1 px here: "
            "raise batch_size, or leave out one of the widths."
        )
    for player in filter(None, players):
        player.to(where).to(memory_format=torch.channels_last).train()
        team.prepare(player)
    optimisers = [
        torch.optim.Adam(player.parameters(), lr, fused=True)
        for player, lr in zip(players, (settings.lr, settings.kernel_lr))
        if player is not None
    ]
    noise = torch.Generator(where).manual_seed(settings.seed)

    now, store = Progress(), None
    if checkpoint is not None:
        identity = {
            "settings": asdict(settings),
            "term": repr(term),
            "data": data.checksum,
            "images": len(data),  # the checksum is that of the whole set, whatever part of it is used
            "parameters": {
                name: parameter_count(net) for name, net in zip(Players._fields, players) if net is not None
            },
            "precision": precision,
        }
        store = _Store(checkpoint, identity, players, optimisers, noise)
        if resume:
            now = team.together(store.load) or now
        else:
            team.first(store.clear)

    started, saved = time.monotonic() - now.seconds, time.monotonic()
    autocast = torch.autocast(where.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    losses_of = compiled(step) if compile else step
    with (
        memory_kept(where),
        repeatable(deterministic, where),
        _bar(settings.epochs * (len(data) // batch_size), now.step, progress and team.is_first) as bar,
    ):
        images, batches = Images(data.images, where), len(data) // batch_size
        real = next(vae.parameters()).dtype  # float64 where torch makes networks so
        while now.epoch < settings.epochs:
            weighted = now.epoch >= settings.warm_up
            order = images.rows(_permutation(len(data), settings.seed, now.epoch))
            window: list[Tensor] = []  # what the last steps measured, still on the device
            while now.batch < batches:
                x = images[team.share(order[now.batch * batch_size : (now.batch + 1) * batch_size])].to(real)
                # The noise of the whole batch, whoever computes its images: a sample meets the same noise in any team.
                n = team.share(torch.randn(batch_size, vae.latent, generator=noise, device=where, dtype=x.dtype))
                loss, parts, out = losses_of(
                    players, term, x, n, beta=settings.beta, weighted=weighted, autocast=autocast
                )
                for adam in optimisers:
                    adam.zero_grad(set_to_none=True)
                loss.backward()
                for player, adam in zip(filter(None, players), optimisers):
                    team.average_gradients(player.parameters())
                    adam.step()
                window.append(parts.clone())  # a CUDA graph writes the next step's parts to the same place
                now.batch, now.step = now.batch + 1, now.step + 1
                bar.update()
                if callback is not None:
                    callback(State(now.epoch, now.step, weighted, players, x, out))
                # Reading a number waits for the device, so the losses of 50 steps are read together.
                if len(window) == 50 or now.batch == batches:
                    now.sums = _add_finite(now.sums, team.mean(torch.stack(window)), now, checkpoint)
                    window.clear()
                    # Rank 0's clock decides, and what it cannot write is everybody's failure.
                    if store is not None and team.broadcast_object(time.monotonic() - saved > CHECKPOINT_SECONDS):
                        now.seconds = time.monotonic() - started
                        team.first(partial(store.save, now))
                        saved = time.monotonic()
            means = {name: value / batches for name, value in zip(PARTS, now.sums)}
            now.history.append({"epoch": now.epoch + 1, "weighted": weighted and term.kernel_path is not None, **means})
            now.epoch, now.batch, now.sums = now.epoch + 1, 0, []
    if store is not None:
        now.seconds = time.monotonic() - started
        team.first(partial(store.save, now))
    for player in filter(None, players):
        player.eval()
    return now.history


def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch: a function of seed and epoch alone, so that a resumed run need not store it."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(1_000_003 * seed + epoch))


def _add_finite(sums: list[float], window: Tensor, now: Progress, checkpoint: Path | None) -> list[float]:
    """Adds the losses of the last steps to the sums of the epoch; raises Diverged at the first that is not finite."""
    rows = window.tolist()
    for i, row in enumerate(rows):
        for name, value in zip(PARTS, row):
            if not math.isfinite(value):
                raise _diverged(f"step {now.step - len(rows) + i + 1} (epoch {now.epoch + 1})", name, value, checkpoint)
    return [sum(column) for column in zip(sums or [0.0] * len(rows[0]), *rows)]


def _diverged(moment: str, what: str, value: float, checkpoint: Path | None) -> Diverged:
    good = checkpoint / "checkpoint.json" if checkpoint else None
    last = f"the last good checkpoint is {good}" if good and good.exists() else "there is no checkpoint"
    return Diverged(
        f"Training diverged at {moment}: {what} is {value}; {last}. "
        "Lower the learning rate, or set precision='float32'."
    )


def _bar(total: int, initial: int, show: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, initial=initial, disable=None if show else True, unit="step", leave=False)


class _Store:
    """Checkpoints: tensors in safetensors, the rest in JSON; the JSON is written last and names the tensors' file."""

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        players: Players,
        optimisers: list[torch.optim.Adam],
        noise: torch.Generator,
    ) -> None:
        self.folder, self.identity, self.players = folder, identity, players
        self.optimisers, self.noise = optimisers, noise

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield from ((name, m) for name, m in zip(Players._fields, self.players) if m is not None)

    def save(self, now: Progress) -> None:
        from safetensors.torch import save_file

        tensors = {f"{name}/{key}": value for name, m in self._modules() for key, value in m.state_dict().items()}
        for i, adam in enumerate(self.optimisers):
            for j, slots in adam.state_dict()["state"].items():
                tensors |= {f"adam{i}/{j}/{key}": value for key, value in slots.items()}
        # A loss can be finite while its gradient was not: such weights never replace the last good ones.
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise _diverged(f"step {now.step} (epoch {now.epoch + 1})", name, math.nan, self.folder)
        tensors["noise"] = self.noise.get_state()
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"state-{now.step}.safetensors"
        # Each its own memory: safetensors refuses weights that two modules share, and reads them into both.
        apart = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        write_atomically(file, lambda path: save_file(apart, path))
        progress = asdict(now)
        record = {
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
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        index = self.folder / "checkpoint.json"
        if not index.exists():
            return None
        try:
            record = json.loads(index.read_text())
            other = record["identity"] != self.identity
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._corrupt(error) from error
        if other:
            raise self._foreign("configuration")
        try:
            now, file = _progress(record["progress"], 2 * len(self.optimisers)), self.folder / record["tensors"]
            if file.parent != self.folder:
                raise ValueError("tensors elsewhere")
            if record["crc32"] != _crc32(file, record["progress"]):
                raise ValueError("another checksum")
            tensors = load_file(file)
            for name, m in self._modules():
                m.load_state_dict(
                    {k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")}
                )
            for i, adam in enumerate(self.optimisers):
                slots: dict[int, dict[str, Tensor]] = {}
                for key, value in tensors.items():
                    if key.startswith(f"adam{i}/"):
                        _, j, slot = key.split("/")
                        slots.setdefault(int(j), {})[slot] = value
                for k, parameter in enumerate(adam.param_groups[0]["params"]):
                    _check_slots(slots.get(k, {}), parameter)
                    # Fused Adam reads memory in order: a slot needs the strides of its parameter (channels last).
                    for key in slots.get(k, {}).keys() - {"step"}:
                        slots[k][key] = torch.empty_like(parameter).copy_(slots[k][key])
                adam.load_state_dict({**adam.state_dict(), "state": slots})
            elsewhere = tensors["noise"].shape != self.noise.get_state().shape  # a GPU's generator has another state
            if not elsewhere:
                self.noise.set_state(tensors["noise"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, RuntimeError) as error:
            raise self._corrupt(error) from error
        if elsewhere:
            raise self._foreign("kind of device")
        return now

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


def _crc32(file: Path, progress: dict[str, Any]) -> int:
    """One checksum of both parts of a checkpoint, against damage."""
    value = zlib.crc32(json.dumps(progress).encode())
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            value = zlib.crc32(chunk, value)
    return value


def _progress(record: dict[str, Any], parts: int) -> Progress:
    """Progress as a checkpoint states it, where so many parts of the loss are summed.

    Raises:
        ValueError, TypeError: it is not of its form.
    """
    now = Progress(**record)
    counts, numbers = (now.epoch, now.batch, now.step), [now.seconds, *now.sums]
    if not all(type(count) is int and 0 <= count < 2**53 for count in counts):
        raise ValueError("a count that is none")
    if not all(isinstance(number, int | float) and abs(number) < 1e300 for number in numbers):
        raise ValueError("a number that is none")
    if not isinstance(now.sums, list) or len(now.sums) != (parts if now.batch else 0):
        raise ValueError("sums of other batches")
    if not isinstance(now.history, list) or len(now.history) != now.epoch:
        raise ValueError("a history of other epochs")
    if [epoch["epoch"] for epoch in now.history] != [*range(1, now.epoch + 1)]:
        raise ValueError("a history of other epochs")
    return now


def _check_slots(slots: dict[str, Tensor], parameter: Tensor) -> None:
    """Refuses what Adam could not go on with; a parameter that no gradient reached has no slots."""
    shapes = {"step": (), "exp_avg": tuple(parameter.shape), "exp_avg_sq": tuple(parameter.shape)}
    if slots and {key: tuple(slot.shape) for key, slot in slots.items()} != shapes:
        raise ValueError("an optimiser of other networks")


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file beside its place, then renames it: a reader sees the old file or the whole new one.

    Raises:
        OSError: it cannot be written, on a full disk for instance; the error names the file.
    """
    from safetensors import SafetensorError

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise OSError(errno.EIO, f"Cannot be written whole ({error})", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON as `write_atomically` writes a file, in the form of `text.to_json`."""
    text = to_json(value) + "\n"
    write_atomically(path, lambda file: file.write_text(text))
