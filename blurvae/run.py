"""A run: one training and its evaluation, described by a frozen record and written as one JSON file."""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Tensor

from blurvae import datasets, losses, metrics
from blurvae.blur import fourier, kernel_width, log_abs_det, squared_gain
from blurvae.errors import CorruptFile, MissingNetwork, MissingWeights
from blurvae.losses import watson_dft
from blurvae.metrics.active_units import active_units
from blurvae.metrics.evaluate import summary
from blurvae.metrics.importance import bits_per_dimension, dequantise, importance_bounds, minus_log_likelihood
from blurvae.models import VAE, KernelNet, kl_divergence, parameter_count, save_model
from blurvae.models.lpips import network as lpips_network
from blurvae.models.samplers import fit_gaussian_mixture, interpolate
from blurvae.parallel import SOLO, Team
from blurvae.provenance import provenance
from blurvae.text import data_stem, stem
from blurvae.training import (
    Players,
    Settings,
    State,
    choose_device,
    choose_precision,
    fit,
    write_atomically,
    write_json,
)

try:
    import fcntl
except ImportError:  # pragma: no cover (not POSIX)
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
PICTURES = 8  # originals in a result's .npz; reconstructions and samples as many
PICTURES_LARGE = 2  # beyond 64×64 px, where no interpolation is kept either
STEPS = 7  # of an interpolation between two test images
CHANGEABLE = ("architecture", "size", "widths", "latent", "hidden", "n_train", "n_test", "n_valid", "n_bound")
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
        n_valid: where positive, so many training images at the end of the set are held out and measured in the place
            of the test images.
        n_bound: test images of which the importance-weighted bound on −log p is computed, at most 256.
        settings: budget, learning rates, β, seed, precision.

    Raises:
        ValueError: a size, a width or a count that is no whole number, or too small.
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
    n_valid: int = 0
    n_bound: int = 0
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        counts = [(name, getattr(self, name)) for name in ("size", "latent", "hidden")]
        counts += [(name, n) for name in ("n_train", "n_test") if (n := getattr(self, name)) is not None]
        for name, value in [*counts, *(("widths", width) for width in self.widths or (0,))]:
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {value!r}.")
        for name in ("n_valid", "n_bound"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ValueError(f"{name} takes whole numbers of at least 0, not {getattr(self, name)!r}.")
        if self.n_bound > 256:
            raise ValueError(
                f"n_bound is at most 256 images, since each is decoded hundreds of times, not {self.n_bound}."
            )

    @property
    def name(self) -> str:
        """The stem of the run's files: data-method-tier-s<seed>, short enough for every disk; see `text.stem`."""
        return f"{data_stem(self.data)}-{stem(self.method, 48)}-{self.tier}-s{self.settings.seed}"

    def path(self, out: Path) -> Path:
        """The run's JSON file below a folder of results."""
        return Path(out) / self.experiment / f"{self.name}.json"

    def unfinished(self, out: Path) -> Path:
        """The folder of the run's checkpoints until it is finished."""
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
            elif key in CHANGEABLE:
                run = replace(run, **{key: _parse(Run, key, text)})
            else:
                known = [f.name for f in fields(Settings)] + list(constants)
                raise ValueError(
                    f"There is nothing to set called {key!r}: choose one of {', '.join([*known, *CHANGEABLE])}."
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
        source: the arrays, or the .npz file that holds them.
    """

    run: Run
    record: dict[str, Any]
    source: dict[str, np.ndarray] | Path = field(repr=False, compare=False)

    @cached_property
    def pictures(self) -> dict[str, np.ndarray]:
        """A few test images, reconstructions, samples, kernels and mean spectra; empty where the file is absent.

        Raises:
            CorruptFile: the file is not whole.
        """
        return self.source if isinstance(self.source, dict) else _load_npz(self.source)


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


def needs(run: Run) -> str:
    """The file or package without which the run's term cannot train here; empty where nothing is absent."""
    term = losses.get(run.term, **dict(run.constants))
    try:
        if isinstance(term, losses.LPIPS):
            lpips_network(term.net, (run.size, run.size), torch.device("cpu"))
        if isinstance(term, losses.WatsonDFT) and term.path is None:
            watson_dft.find(None, colour=datasets.describe(run.data)["shape"][0] == 3)
    except MissingNetwork as missing:
        return missing.what
    return ""


def execute(
    run: Run,
    *,
    out: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    keep_model: bool = False,
    images: bool = True,
    callback: Callable[[State], None] | None = None,
    progress: bool = False,
    compile: bool = False,
    deterministic: bool = False,
    team: Team = SOLO,
) -> Result:
    """Trains and evaluates; with a folder, writes <experiment>/<name>.json and .npz there.

    Args:
        run: what to do.
        out: folder of results; nothing is written where None.
        resume: return a finished result of the same configuration as it is, and go on from a checkpoint.
        device: "auto", "cpu" or "cuda".
        keep_model: also write <name>.safetensors.
        images: keep a few test images, reconstructions and samples beside the spectra and the kernels.
        callback: called after each training step.
        progress: a progress bar on a terminal.
        compile: as `fit` takes it.
        deterministic: as `fit` takes it.
        team: the processes that train together, this one alone where left out. The first evaluates and writes; the
            others return its record without pictures.

    Raises:
        MissingData: the data set is not on this machine.
        MissingWeights: the network of a learned term is not.
        CorruptFile: the data set, or what is to be resumed, is damaged.
        ValueError: a value that cannot be used, images that the metrics cannot measure, a checkpoint of another run.
        OSError: the folder cannot be written.
        BlockingIOError: another process is at this run in this folder.
        Diverged: the training did.
    """
    if out and resume and (record := team.first(partial(_recorded, run, out))):
        return Result(run, record, run.path(out).with_suffix(".npz"))
    where = choose_device(device if team.size == 1 else team.device)
    train, test = team.together(partial(_ingredients, run))
    players, config = networks(run, train.channels)
    with ExitStack() as stack:
        work = run.unfinished(out) if out else None
        if work:  # a folder that cannot be written shows now, not after the training
            team.first(partial(stack.enter_context, locked(work)))
            if team.is_first:  # nothing stays of a run that never began
                stack.callback(_remove_empty, work)
        how = {"resume": resume, "progress": progress, "compile": compile, "deterministic": deterministic}
        result = _measure(run, train, test, players, where, work, callback, team, how)
        if not images:
            result = replace(result, source={k: v for k, v in result.pictures.items() if v.dtype != np.uint8})
        if out:
            team.first(partial(_write, result, out, players if keep_model else None, config))
    return result


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _recorded(run: Run, out: Path) -> dict[str, Any] | None:
    """The record of a finished run of this configuration, if there is one."""
    if not run.path(out).exists():
        return None
    result = read(run.path(out))
    if result.run != run:
        return None
    _ = result.pictures  # damaged ones are named here, not in some chapter
    return result.record


def _ingredients(run: Run) -> tuple[datasets.ImageSet, datasets.ImageSet]:
    """The image sets of a run; raises MissingWeights where its term's network is absent, else as `image_sets`."""
    if what := needs(run):
        raise MissingWeights(
            f"{run.name} cannot be trained without {what}, which is not on this machine: put it where "
            "`python -m blurvae.queue --help` says, or leave this method out with --only."
        )
    return image_sets(run)


def image_sets(run: Run) -> tuple[datasets.ImageSet, datasets.ImageSet]:
    """What a run trains on and what it measures: the test images, or held-out training images where it has n_valid.

    Raises:
        MissingData: the data set is not on this machine.
        CorruptFile: it is damaged.
        ValueError: a set of fewer than two images, or fewer than are asked for.
    """
    if run.n_valid:
        whole = datasets.load(run.data, "train", size=run.size)
        train = whole.head(len(whole) - run.n_valid if run.n_train is None else run.n_train)
        if len(train) + run.n_valid > len(whole):
            raise ValueError(
                f"{run.data} has {len(whole)} training images, not {len(train)} and {run.n_valid} to hold out: "
                "lower n_train or n_valid."
            )
        test = replace(whole, images=whole.images[-run.n_valid :], labels=None)
    else:
        train = datasets.load(run.data, "train", size=run.size, n=run.n_train)
        test = datasets.load(run.data, "test", size=run.size, n=run.n_test)
    for images, key in ((train, "n_train"), (test, "n_valid" if run.n_valid else "n_test")):
        if len(images) < 2:
            raise ValueError(f"A run needs two {images.split} images of {images.name} at least, not 1: raise {key}.")
    return train, test


def _measure(
    run: Run,
    train: datasets.ImageSet,
    test: datasets.ImageSet,
    players: Players,
    where: torch.device,
    work: Path | None,
    callback: Callable[[State], None] | None,
    team: Team,
    how: dict[str, bool],
) -> Result:
    """Trains as `fit` does with the options in `how`, and evaluates on the first rank; writes checkpoints alone."""
    started = time.monotonic()
    some = centre(_real(test.head(min(len(test), 64))), test)
    team.first(partial(metrics.evaluate, some, some, some))  # images that it refuses are refused before the training
    training = time.monotonic()
    batch_size = min(run.settings.batch_size, len(train))
    follow = Follow(run, players, test, len(train) // batch_size, where, work)

    def after_step(state: State) -> None:
        if team.is_first:
            follow(state)
        if callback is not None:
            callback(state)

    history = fit(
        players,
        losses.get(run.term, **dict(run.constants)),
        train,
        run.settings,
        device=str(where),
        checkpoint=work,
        callback=after_step,
        team=team,
        **how,
    )
    trained = time.monotonic() - training
    pictures: dict[str, np.ndarray] = {}

    def finish() -> dict[str, Any]:
        measured, seen = evaluate(players, test, run, train)
        pictures.update(seen | follow.pictures())
        steps = run.settings.epochs * (len(train) // batch_size)
        return {
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
            "history": [epoch | seen for epoch, seen in zip(history, follow.history(), strict=True)],
            "provenance": {
                **provenance(where),
                "processes": team.size,
                "compiled": how["compile"],
                "deterministic": how["deterministic"] or where.type == "cpu",
                "precision": choose_precision(run.settings.precision, where),
                "seconds": round(time.monotonic() - started, 1),
                "training_seconds": round(trained, 1),
                "images_per_second": round(steps * batch_size / trained, 1),
            },
        }

    return Result(run, team.first(finish), pictures)


def _write(result: Result, out: Path, players: Players | None, config: dict[str, Any]) -> None:
    """Writes a finished run, its model too where the players are given, and removes its checkpoints."""
    run, record, path, work = result.run, result.record, result.run.path(out), result.run.unfinished(out)
    if players is not None:
        note = {"run": asdict(run), "provenance": record["provenance"]}
        write_atomically(path.with_suffix(".safetensors"), lambda file: save_model(file, *players, config, note))
    write_atomically(path.with_suffix(".npz"), lambda file: _save_npz(file, result.pictures))
    # The JSON comes last: its presence says that the run is finished.
    write_json(path, record)
    (work / "checkpoint.json").unlink(missing_ok=True)  # first: no checkpoint may name tensors that are gone
    shutil.rmtree(work, ignore_errors=True)


FOLLOWED = 128  # test images whose kernels are measured after each epoch
SNAPSHOTS = 4  # of them are kept as pictures
EPSILONS = (0.01, 0.5)  # of log|K + εI|: "small" and the paper's Table 6


class Follow:
    """After each epoch, the kernels of the same test images: what Fig. 2 shows and what a small ε does to training.

    It keeps its arrays in the run's folder until the run is finished, so that they survive an interruption: those of an
    epoch are there before any checkpoint that lies behind it. A run without a kernel network has none.
    """

    def __init__(
        self, run: Run, players: Players, test: datasets.ImageSet, steps: int, where: torch.device, work: Path | None
    ) -> None:
        self.run, self.steps, self.work, self.active = run, steps, work, players.kernel_net is not None
        self.x = datasets.to_float(torch.from_numpy(np.array(test.images[:FOLLOWED]))).to(where)
        first = max(run.settings.warm_up, 1)
        self.pictured = sorted(
            {first, first + 1, first + 5, run.settings.epochs} & set(range(1, run.settings.epochs + 1))
        )
        self.seen: dict[int, dict[str, np.ndarray]] = {}

    def __call__(self, state: State) -> None:
        """Looks at the kernels after the last step of an epoch."""
        if not self.active or state.step % self.steps:
            return
        epoch = state.step // self.steps
        arrays = self._look(state.players, epoch in self.pictured)
        if self.work is None:
            self.seen[epoch] = arrays
        else:
            write_atomically(self._file(epoch), lambda file: _save_npz(file, arrays))

    @torch.no_grad()
    def _look(self, players: Players, picture: bool) -> dict[str, np.ndarray]:
        vae, kernel_net = players
        assert kernel_net is not None
        vae.eval()
        mu, _ = vae.encode(self.x)
        kernel = kernel_net(mu).float()
        shown = _unit(vae.decode(mu[:SNAPSHOTS]).x_hat) if picture else None
        vae.train()
        channels, shape = self.x.shape[1], (self.x.shape[2], self.x.shape[3])
        arrays = {"width": kernel_width(kernel)}
        arrays |= {f"log_det_{epsilon:g}": channels * log_abs_det(kernel, shape, epsilon) for epsilon in EPSILONS}
        if shown is not None:
            arrays |= {"kernel": kernel[:SNAPSHOTS], "reconstruction": shown}
        found = {name: array.cpu().numpy() for name, array in arrays.items()}
        if "reconstruction" in found:
            found["reconstruction"] = (found["reconstruction"] * 255).round().astype(np.uint8)
        return found

    def _file(self, epoch: int) -> Path:
        assert self.work is not None
        return self.work / f"kernels-{epoch}.npz"

    def _read(self, epoch: int) -> dict[str, np.ndarray]:
        if self.work is None:
            return self.seen[epoch]
        if not self._file(epoch).exists():
            raise CorruptFile(f"{self._file(epoch)} is missing: remove {self.work} and run it again.")
        return _load_npz(self._file(epoch))

    def history(self) -> list[dict[str, float]]:
        """For each epoch the mean and the sd over images of the width (px), and mean log|K + εI| (nats per image)."""
        rows: list[dict[str, float]] = []
        for epoch in range(1, self.run.settings.epochs + 1):
            arrays = self._read(epoch) if self.active else {}
            row = {f"test_{name}": float(arrays[name].mean()) for name in arrays if arrays[name].ndim == 1}
            if "width" in arrays:
                row["test_width_sd"] = float(arrays["width"].std(ddof=1))
            rows.append(row)
        return rows

    def pictures(self) -> dict[str, np.ndarray]:
        """The snapshots: epochs (e,), kernels (e, images, K, K) and reconstructions (e, images, c, h, w)."""
        if not self.active:
            return {}
        seen = [self._read(epoch) for epoch in self.pictured]
        return {
            "snapshot_epoch": np.array(self.pictured),
            "snapshot_kernel": np.stack([arrays["kernel"] for arrays in seen]),
            "snapshot_reconstruction": np.stack([arrays["reconstruction"] for arrays in seen]),
        }


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


LATENTS = 10_000  # training images whose latents the Gaussian mixture is fitted to, at most
COMPONENTS = 10


@torch.no_grad()
def evaluate(
    players: Players, test: datasets.ImageSet, run: Run, train: datasets.ImageSet | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Measures reconstructions (z = μ) of the test images and as many samples.

    Args:
        players: the trained networks.
        test: the images to measure.
        run: what was run.
        train: the training images; with them, samples are drawn from a Gaussian mixture over their latents too.

    Returns:
        (metrics, pictures); metrics as `blurvae.metrics.evaluate` returns them, with the KL term and bounds on −log p
        in nats per image, the width of the kernels in px and the number of active latent dimensions.
    """
    vae, kernel_net = players
    vae.eval()
    where = next(vae.parameters()).device
    generator = torch.Generator().manual_seed(run.settings.seed + 1)
    term = losses.get(run.term, **dict(run.constants))
    originals, reconstructions, samples, means, kl, kernels = [], [], [], [], [], []
    bounds: dict[str, list[Tensor]] = {}
    for x in _batches(test, where):
        mu, log_var = vae.encode(x)
        means.append(mu)
        kl.append(kl_divergence(mu, log_var).cpu())
        originals.append(_unit(x))
        reconstructions.append(_unit(vae.decode(mu).x_hat))
        z = torch.randn(len(x), vae.latent, generator=generator).to(where)
        samples.append(_unit(vae.decode(z).x_hat))
        for name, values in _bounds(players, term, x, mu, log_var, generator).items():
            bounds.setdefault(name, []).append(values.cpu())
        if kernel_net is not None:
            kernels.append(kernel_net(mu).float().cpu())
    x, x_hat, sampled = torch.cat(originals), torch.cat(reconstructions), torch.cat(samples)
    measured = metrics.evaluate(centre(x, test), centre(x_hat, test), centre(sampled, test))
    measured["KL"] = summary(torch.cat(kl))
    measured["active units"] = {"value": active_units(torch.cat(means))}
    measured |= {name: summary(torch.cat(values)) for name, values in bounds.items()}
    few = PICTURES if run.size <= 64 else PICTURES_LARGE
    pictures = {
        "original": _bytes(x[:few]),
        "reconstruction": _bytes(x_hat[:few]),
        "sample": _bytes(sampled[:few]),
        "log_spectrum_data": metrics.mean_log_spectrum(x).numpy().astype(np.float32),
        "log_spectrum_reconstruction": metrics.mean_log_spectrum(x_hat).numpy().astype(np.float32),
        "log_spectrum_sample": metrics.mean_log_spectrum(sampled).numpy().astype(np.float32),
        "error_power": squared_gain(fourier(x - x_hat)).mean((0, 1)).numpy().astype(np.float32),
        "data_power": squared_gain(fourier(x)).mean((0, 1)).numpy().astype(np.float32),
    }
    if run.size <= 64:
        pictures["interpolation"] = _bytes(_unit(_line(players.vae, test, where)))
    if kernels:
        kernel = torch.cat(kernels)
        measured["kernel width"] = summary(kernel_width(kernel))
        pictures["kernel"] = kernel[:PICTURES].numpy().astype(np.float32)
    if run.n_bound:
        measured |= _importance(players, term, test, run)
    if train is not None:
        latents = torch.cat(
            [vae.encode(batch)[0].double() for batch in _batches(train.head(min(len(train), LATENTS)), where)]
        )
        mixture = fit_gaussian_mixture(latents, min(COMPONENTS, len(latents)), run.settings.seed)
        drawn = torch.cat([_unit(vae.decode(z).x_hat) for z in mixture.sample(len(x), generator).split(256)])
        # What two sets of real images are apart at this sample size: no model can be expected below it.
        real = _real(train.head(min(len(train), len(test))))
        measured |= _distances(centre(x, test), {"GMM samples": centre(drawn, test), "data": centre(real, test)})
        pictures["sample_gmm"] = _bytes(drawn[:few])
    return measured, pictures


def _batches(images: datasets.ImageSet, where: torch.device) -> Iterator[Tensor]:
    """The images in order, (≤ 256, c, h, w) on [−1, 1]."""
    for start in range(0, len(images), 256):
        yield datasets.to_float(torch.from_numpy(np.array(images.images[start : start + 256])).to(where))


def _line(vae: VAE, test: datasets.ImageSet, where: torch.device) -> Tensor:
    """What the decoder makes of the way from the first test image to the second."""
    a, b = datasets.to_float(torch.from_numpy(np.array(test.images[:2])).to(where))
    return interpolate(vae, a, b, STEPS)


PRINTED_EPSILON = 0.5  # of the paper's Table 6


def _bounds(
    players: Players, term: losses.Term, x: Tensor, mu: Tensor, log_var: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """An upper bound on −log p(x) and what is printed for one, in nats per image, (n,) each, z ~ q(z|x), at β = 1.

    "−ELBO" is that of a normalised density over [−1, 1]^D; "−log p as printed" is what the paper's Table 6 prints:
    without D/2·log 2π, and for the paper's term with log|K + εI|, ε = 0.5, in the place of its own determinant.
    """
    shape = (x.shape[1], x.shape[2], x.shape[3])
    noise = torch.randn(mu.shape, generator=generator).to(mu)
    z = mu + noise * torch.exp(0.5 * log_var)
    x_hat, logit = players.vae.decode(z)
    kernel = players.kernel_net(z) if players.kernel_net is not None else None
    rate = kl_divergence(mu, log_var)
    found = {}
    if term.is_likelihood or isinstance(term, losses.Wiener):
        found["−ELBO"] = minus_log_likelihood(term, x, x_hat, logit=logit, kernel=kernel) + rate
    if isinstance(term, losses.L2):
        found["−log p as printed"] = term(x, x_hat) + rate
    elif isinstance(term, losses.Wiener):
        assert kernel is not None  # execute() made the network that the term needs
        quadratic = replace(term, epsilon=None, kernel_path="detached")(x, x_hat, kernel=kernel) + rate
        found["−log p as printed"] = quadratic + shape[0] * log_abs_det(kernel, shape[1:], PRINTED_EPSILON)
    return found


KS = (1, 50, 500)  # importance samples


def _importance(players: Players, term: losses.Term, test: datasets.ImageSet, run: Run) -> dict[str, Any]:
    """The importance-weighted bounds on −log p of the first test images, with noise within their grey levels."""
    where, shape = next(players.vae.parameters()).device, test.shape
    generator = torch.Generator().manual_seed(run.settings.seed + 2)
    x = dequantise(next(_batches(test.head(min(run.n_bound, len(test))), where)), generator)
    bounds = importance_bounds(players, term, x, KS, generator)
    found = {f"−log p bound, K = {k}": summary(nats) for k, nats in bounds.items()}
    return found | {f"bits/dim bound, K = {k}": summary(bits_per_dimension(n, shape)) for k, n in bounds.items()}


def _distances(x: Tensor, sets: dict[str, Tensor]) -> dict[str, Any]:
    """FD-squeeze of each set from the images x, or what is missing for it."""
    try:
        reference = metrics.statistics(x)
        return {f"FD-squeeze ({name})": {"value": metrics.frechet_distance(reference, y)} for name, y in sets.items()}
    except MissingNetwork as missing:
        entry = {"state": "needs weights", "what": missing.what}
        return {f"FD-squeeze ({name})": entry for name in sets}


def centre(images: Tensor, data: datasets.ImageSet) -> Tensor:
    """What is measured of images (n, c, h, w): MNIST is padded to 32×32 px, its own are the central 28×28."""
    if data.inner is None:
        return images
    (h, w), (top, left) = data.inner, ((n - k) // 2 for n, k in zip(images.shape[-2:], data.inner))
    return images[..., top : top + h, left : left + w]


def _real(images: datasets.ImageSet) -> Tensor:
    return torch.from_numpy(np.array(images.images)).float() / 255


def _unit(x: Tensor) -> Tensor:
    return ((x + 1) / 2).clamp(0, 1).float().cpu()


def _bytes(x: Tensor) -> np.ndarray:
    return (x * 255).round().to(torch.uint8).numpy()


def _is_measured(entry: Any) -> bool:
    """Whether it is an entry of `metrics.evaluate`: a mean with its sd, a value, or the state that says why not.

    A number that was not finite is recorded as null.
    """
    if not isinstance(entry, dict):
        return False
    numbers = [entry[key] for key in ("mean", "value", "sd") if entry.get(key) is not None]
    texts = [entry.get(key) for key in ("state", "what")] if "state" in entry else []
    # an integer beyond every float is no number either
    return all(isinstance(x, float) or (isinstance(x, int) and abs(x) < 2**1023) for x in numbers) and all(
        isinstance(text, str) for text in texts
    )


def read(path: Path) -> Result:
    """Reads a recorded run; its pictures are read when they are asked for.

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
    return Result(run, record, path.with_suffix(".npz"))
