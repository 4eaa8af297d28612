"""A run: one training and its evaluation, described by a frozen record and written as one JSON file."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Tensor

from blurvae import datasets, losses, metrics
from blurvae.blur import fourier, log_abs_det, squared_gain, wiener_log_det
from blurvae.errors import CorruptFile
from blurvae.metrics.evaluate import summary
from blurvae.models import VAE, KernelNet, kl_divergence, parameter_count, save_model
from blurvae.provenance import provenance
from blurvae.training import Players, Settings, State, choose_device, choose_precision, fit, write_atomically

try:
    import fcntl
except ImportError:  # pragma: no cover (not POSIX)
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
PICTURES = 8  # originals in a result's .npz; reconstructions and samples as many
LARGEST = 1 << 28  # bytes of the arrays of a result's .npz


@dataclass(frozen=True)
class Run:
    """One training and its evaluation.

    Attributes:
        experiment: the experiment it belongs to.
        method: its name in tables and files.
        tier: "smoke", "lesson" or "paper".
        data: a name in `blurvae.datasets`.
        term: a name in `blurvae.losses`.
        constants: of the term, as pairs; its defaults where left out.
        architecture: "A" or "B".
        size: side of the images, px.
        widths: feature maps of the encoder's blocks.
        latent: length of z.
        hidden: hidden width of the perceptrons.
        n_train: training images, all where None.
        n_test: test images, all where None.
        settings: budget, learning rates, β, seed, precision.

    Raises:
        ValueError: a size, a width or a count that is no whole number of at least 1, or a seed that torch cannot take.
    """

    experiment: str
    method: str
    tier: str
    data: str
    term: str
    constants: tuple[tuple[str, Any], ...] = ()
    architecture: str = "A"
    size: int = 32
    widths: tuple[int, ...] = (64, 128, 256, 512)
    latent: int = 256
    hidden: int = 1000
    n_train: int | None = None
    n_test: int | None = None
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        counts = [(name, getattr(self, name)) for name in ("size", "latent", "hidden")]
        counts += [(name, n) for name in ("n_train", "n_test") if (n := getattr(self, name)) is not None]
        for name, value in [*counts, *(("widths", width) for width in self.widths or (0,))]:
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {value!r}.")
        if abs(self.settings.seed) >= 2**40:  # the generator of an epoch's order is seeded with a multiple of it
            raise ValueError(f"seed must lie between −2^40 and 2^40, not at {self.settings.seed}.")

    @property
    def name(self) -> str:
        """The stem of the run's files: data-method-tier-s<seed>."""
        data = self.data.replace(":", "_").replace("/", "_")
        return f"{data}-{self.method}-{self.tier}-s{self.settings.seed}"

    def path(self, out: Path) -> Path:
        """The run's JSON file below a folder of results."""
        return Path(out) / self.experiment / f"{self.name}.json"

    def work(self, out: Path) -> Path:
        """The run's checkpoints while it is unfinished."""
        return Path(out) / self.experiment / f".{self.name}"

    def with_changes(self, changes: dict[str, str]) -> Run:
        """A variant of this run, its method renamed so that its files stand apart.

        Args:
            changes: {name: value as text}; names of this record, of `Settings` or of the term's constants.

        Raises:
            ValueError: an unknown name, or text that is no value of its type.
        """
        run = self
        for key, text in changes.items():
            constants = {f.name: f for f in fields(losses.TERMS[run.term])}  # type: ignore[arg-type]
            if key in {f.name for f in fields(Settings)}:
                run = replace(run, settings=replace(run.settings, **{key: _parse(Settings, key, text)}))
            elif key in constants:
                value = _parse(losses.TERMS[run.term], key, text)
                run = replace(run, constants=tuple(sorted({**dict(run.constants), key: value}.items())))
            elif key in {"architecture", "size", "widths", "latent", "hidden", "n_train", "n_test"}:
                run = replace(run, **{key: _parse(Run, key, text)})
            else:
                known = [f.name for f in fields(Settings)] + list(constants)
                raise ValueError(
                    f"There is nothing to set called {key!r}: choose one of {', '.join(known)}, architecture, size, "
                    "widths, latent, hidden, n_train, n_test."
                )
            if key != "seed":
                run = replace(run, method=f"{run.method},{key}={text}")
        losses.get(run.term, **dict(run.constants))  # refuses a constant out of its range before any run of a series
        return run


def _parse(record: type, key: str, text: str) -> Any:
    """A field's value from text, by its annotation."""
    kind = str(get_type_hints(record)[key])
    optional = "None" in kind
    if optional and text.lower() in ("none", ""):
        return None
    for name, convert, what in (
        ("tuple", _whole_numbers, "whole numbers such as 16-32-64"),
        ("bool", _truth, "true or false"),
        ("int", int, "a whole number"),
        ("float", float, "a number"),
    ):
        if name in kind:
            try:
                return convert(text)
            except ValueError:
                what += " or none" * optional
                raise ValueError(f"{text!r} is not a value for {key}: it takes {what}.") from None
    return text


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("," if "," in text else "-"))


@dataclass(frozen=True)
class Result:
    """What a run measured, as recorded.

    Attributes:
        run: the configuration.
        record: the whole JSON record: data, metrics, history, provenance.
        pictures: a few test images, reconstructions, samples, kernels and mean spectra.
    """

    run: Run
    record: dict[str, Any]
    pictures: dict[str, np.ndarray]


def networks(run: Run, channels: int) -> tuple[Players, dict[str, Any]]:
    """The run's networks and their configuration; the global generator is left as it was."""
    term = losses.get(run.term, **dict(run.constants))
    config: dict[str, Any] = {
        "vae": {
            "architecture": run.architecture,
            "size": run.size,
            "channels": channels,
            "widths": list(run.widths),
            "latent": run.latent,
            "hidden": run.hidden,
        },
        "kernel_net": None,
    }
    if term.kernel_path is not None:
        config["kernel_net"] = {"latent": run.latent, "size": term.kernel_size}  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.settings.seed)
        vae = VAE(**config["vae"])
        kernel_net = KernelNet(**config["kernel_net"]) if config["kernel_net"] else None
    return Players(vae, kernel_net), config


def execute(
    run: Run,
    *,
    out: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    keep_model: bool = False,
    callback: Callable[[State], None] | None = None,
    progress: bool = False,
) -> Result:
    """Trains and evaluates; with a folder, writes <experiment>/<name>.json and .npz there.

    Args:
        run: what to do.
        out: folder of results; nothing is written where None.
        resume: return a finished result of the same configuration as it is, and go on from a checkpoint.
        device: "auto", "cpu" or "cuda".
        keep_model: also write <name>.safetensors.
        callback: called after each training step.
        progress: a progress bar on a terminal.

    Raises:
        MissingData: the data set is not on this machine.
        CorruptFile: the data set, or what is to be resumed, is damaged.
        ValueError: a value that cannot be used, images that the metrics cannot measure, a checkpoint of another run.
        OSError: the folder cannot be written.
        BlockingIOError: another process is at this run in this folder.
        Diverged: the training did.
    """
    path = run.path(out) if out else None
    if path and resume and path.exists():
        result = read(path)
        if result.run == run:
            return result
    where = choose_device(device)
    if where.type not in ("cpu", "cuda"):  # the others lack float64 or the generators that training needs
        raise ValueError(f"Runs compute on 'cpu' or 'cuda', not on {device!r}: choose one, or 'auto'.")
    train = datasets.load(run.data, "train", size=run.size, n=run.n_train)
    test = datasets.load(run.data, "test", size=run.size, n=run.n_test)
    for images, key in ((train, "n_train"), (test, "n_test")):
        if len(images) < 2:
            raise ValueError(f"A run needs two {images.split} images of {images.name} at least, not 1: raise {key}.")
    players, config = networks(run, train.channels)
    work = run.work(out) if out else None
    # A folder that cannot be written shows now, not after the training.
    with locked(work) if work else nullcontext():
        started = time.monotonic()
        # What two sets of real images are apart at this sample size: no model can be expected below it. Measured first,
        # since images that the metrics refuse are refused here already.
        floor = metrics.evaluate(
            _real(test), _real(test), _real(train.head(min(len(train), len(test)))), crop=_crop(run)
        )
        training = time.monotonic()
        history = fit(
            players,
            losses.get(run.term, **dict(run.constants)),
            train,
            run.settings,
            device=str(where),
            checkpoint=work,
            resume=resume,
            callback=callback,
            progress=progress,
        )
        trained = time.monotonic() - training
        measured, pictures = evaluate(players, test, run)
        measured["FD-squeeze (data)"] = floor["FD-squeeze (samples)"]
        steps = run.settings.epochs * (len(train) // min(run.settings.batch_size, len(train)))
        record = {
            "format": FORMAT,
            "run": asdict(run),
            "data": {
                "name": train.name,
                "label": train.label,
                "stands_in_for": train.stands_in_for,
                "checksum": train.checksum,
                "n_train": len(train),
                "n_test": len(test),
            },
            "parameters": {
                name: parameter_count(net) for name, net in zip(Players._fields, players) if net is not None
            },
            "metrics": measured,
            "history": history,
            "provenance": {
                **provenance(where),
                "precision": choose_precision(run.settings.precision, where),
                "seconds": round(time.monotonic() - started, 1),
                "training_seconds": round(trained, 1),
                "images_per_second": round(steps * min(run.settings.batch_size, len(train)) / trained, 1),
            },
        }
        if path and work:
            if keep_model:
                note = {"run": asdict(run), "provenance": record["provenance"]}
                model = path.with_suffix(".safetensors")
                write_atomically(model, lambda file: save_model(file, *players, config, note))
            write_atomically(path.with_suffix(".npz"), lambda file: _save_npz(file, pictures))
            # The JSON comes last: its presence says that the run is finished.
            write_atomically(path, lambda file: file.write_text(json.dumps(record, indent=1) + "\n"))
            (work / "checkpoint.json").unlink(missing_ok=True)  # first: no checkpoint may name tensors that are gone
            shutil.rmtree(work, ignore_errors=True)
    return Result(run, record, pictures)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder and keeps it to this process; the system frees it when the process ends, however it ends.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        warnings.warn("This system has no fcntl: two processes at one run are not kept apart.", stacklevel=3)
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())  # else its holder removed it
        except BlockingIOError:
            free = False
        except OSError as error:  # some network file systems know no locks
            warnings.warn(f"{folder} cannot be locked ({error.strerror}): start no second process at it.", stacklevel=3)
            free = True
        if not free:
            raise BlockingIOError(f"Another process works in {folder}: let it end, or use another folder.")
        yield
    finally:
        os.close(handle)


def _save_npz(file: Path, arrays: dict[str, np.ndarray]) -> None:
    with open(file, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def _load_npz(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, none where it is absent; a damaged one is named itself: its record may be whole."""
    if not file.exists():
        return {}
    try:
        with zipfile.ZipFile(file) as archive:  # reading an array that became shorter would not reach its checksum
            size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST or archive.testzip() is not None:
                raise CorruptFile
        with np.load(file, allow_pickle=False) as arrays:
            pictures = {key: arrays[key] for key in arrays.files}
            if not all(isinstance(array, np.ndarray) for array in pictures.values()):
                raise CorruptFile
            return pictures
    except Exception:  # zipfile and the header of an array let through whatever their fields lead to
        raise CorruptFile(f"{file} is not whole: remove it and {file.stem}.json, and run it again.") from None


@torch.no_grad()
def evaluate(players: Players, test: datasets.ImageSet, run: Run) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Measures reconstructions (z = μ) of the test images and as many samples from the prior.

    Returns:
        (metrics, pictures); metrics as `blurvae.metrics.evaluate` returns them, and the KL term in nats per image.
    """
    vae, kernel_net = players
    vae.eval()
    where = next(vae.parameters()).device
    generator = torch.Generator().manual_seed(run.settings.seed + 1)
    term = losses.get(run.term, **dict(run.constants))
    originals, reconstructions, samples, kl, kernels = [], [], [], [], []
    bounds: dict[str, list[Tensor]] = {}
    for start in range(0, len(test), 256):
        x = datasets.to_float(torch.from_numpy(np.array(test.images[start : start + 256])).to(where))
        mu, log_var = vae.encode(x)
        kl.append(kl_divergence(mu, log_var).cpu())
        originals.append(_unit(x))
        reconstructions.append(_unit(vae.decode(mu).x_hat))
        z = torch.randn(len(x), vae.latent, generator=generator).to(where)
        samples.append(_unit(vae.decode(z).x_hat))
        for name, values in _bounds(players, term, x, mu, log_var, generator).items():
            bounds.setdefault(name, []).append(values.cpu())
        if kernel_net is not None and start == 0:
            kernels.append(kernel_net(mu[:PICTURES]).cpu())
    x, x_hat, sampled = torch.cat(originals), torch.cat(reconstructions), torch.cat(samples)
    measured = metrics.evaluate(x, x_hat, sampled, crop=_crop(run))
    measured["KL"] = summary(torch.cat(kl))
    measured |= {name: summary(torch.cat(values)) for name, values in bounds.items()}
    pictures = {
        "original": _bytes(x[:PICTURES]),
        "reconstruction": _bytes(x_hat[:PICTURES]),
        "sample": _bytes(sampled[:PICTURES]),
        "log_spectrum_data": metrics.mean_log_spectrum(x).numpy().astype(np.float32),
        "log_spectrum_reconstruction": metrics.mean_log_spectrum(x_hat).numpy().astype(np.float32),
        "log_spectrum_sample": metrics.mean_log_spectrum(sampled).numpy().astype(np.float32),
        "error_power": squared_gain(fourier(x - x_hat)).mean((0, 1)).numpy().astype(np.float32),
        "data_power": squared_gain(fourier(x)).mean((0, 1)).numpy().astype(np.float32),
    }
    if kernels:
        pictures["kernel"] = kernels[0].numpy().astype(np.float32)
    return measured, pictures


PRINTED_EPSILON = 0.5  # of the paper's Table 6


def _bounds(
    players: Players, term: losses.Term, x: Tensor, mu: Tensor, log_var: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """Upper bounds on −log p(x) in nats per image, (n,) each, from one sample z ~ q(z|x), at β = 1.

    "−ELBO" is one of a normalised density over [−1, 1]^D; "−log p as printed" is what Table 6 of the main paper prints:
    without D/2·log 2π, and for the paper's term with log|K + εI|, ε = 0.5, in the place of its own determinant.
    """
    shape = (x.shape[1], x.shape[2], x.shape[3])
    noise = torch.randn(mu.shape, generator=generator).to(mu)
    z = mu + noise * torch.exp(0.5 * log_var)
    x_hat, logit = players.vae.decode(z)
    kernel = players.kernel_net(z) if players.kernel_net is not None else None
    rate = kl_divergence(mu, log_var)
    nats = term(x, x_hat, logit=logit, kernel=kernel) + rate
    match term:
        case losses.Wiener():
            assert kernel is not None  # execute() made the network that the term needs
            c, h, w = shape
            quadratic = replace(term, epsilon=None, kernel_path="detached")(x, x_hat, kernel=kernel) + rate
            constant = c * h * w / 2 * math.log(2 * math.pi)
            return {
                "−ELBO": quadratic + constant + c / 2 * wiener_log_det(kernel, (h, w), term.C),
                "−log p as printed": quadratic + c * log_abs_det(kernel, (h, w), PRINTED_EPSILON),
            }
        case losses.L2():
            return {"−ELBO": nats + term.log_normaliser(shape), "−log p as printed": nats}
        case _ if term.is_likelihood:
            return {"−ELBO": nats + term.log_normaliser(shape)}
    return {}


def _crop(run: Run) -> int | None:
    """MNIST is padded to 32×32 px and measured on its own 28×28."""
    return 28 if run.data == "mnist" else None


def _real(images: datasets.ImageSet) -> Tensor:
    return torch.from_numpy(np.array(images.images)).float() / 255


def _unit(x: Tensor) -> Tensor:
    return ((x + 1) / 2).clamp(0, 1).float().cpu()


def _bytes(x: Tensor) -> np.ndarray:
    return (x * 255).round().to(torch.uint8).numpy()


def _is_measured(entry: Any) -> bool:
    """Whether it is an entry of `metrics.evaluate`: a mean with its sd, a value, or the state that says why not."""
    if not isinstance(entry, dict):
        return False
    numbers = [entry[key] for key in ("mean", "value", "sd") if key in entry]
    texts = [entry.get(key) for key in ("state", "what")] if "state" in entry else []
    # an integer beyond every float is no number either
    return all(isinstance(x, float) or (isinstance(x, int) and abs(x) < 2**1023) for x in numbers) and all(
        isinstance(text, str) for text in texts
    )


def read(path: Path) -> Result:
    """Reads a recorded run and its pictures (an empty dictionary where they are absent).

    Raises:
        CorruptFile: the file is not a whole record of this format.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']}")
        for key, kind in (("data", dict), ("metrics", dict), ("history", list), ("provenance", dict)):
            if not isinstance(record.get(key), kind):
                raise ValueError(f"no {key}")
        if not all(_is_measured(entry) for entry in record["metrics"].values()):
            raise ValueError("a metric that is no number")
        if not all(isinstance(epoch, dict) for epoch in record["history"]):
            raise ValueError("an epoch without its losses")
        described = {**record["run"], "settings": Settings(**record["run"]["settings"])}
        described["widths"] = tuple(described["widths"])
        described["constants"] = tuple((key, value) for key, value in described["constants"])
        run = Run(**described)
        for key in ("experiment", "method", "tier", "data", "term", "architecture"):
            if not isinstance(getattr(run, key), str):
                raise ValueError(f"no {key}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptFile(f"{path} is not a whole record of a run ({error}): remove it and run it again.") from error
    return Result(run, record, _load_npz(path.with_suffix(".npz")))
