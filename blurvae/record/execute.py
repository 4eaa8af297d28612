"""Executing a run: its training, its evaluation, its files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from blurvae.datasets import ImageSet
from blurvae.errors import Diverged, MissingWeights
from blurvae.evaluation import EVALUATIONS, Evaluation, Measured
from blurvae.files import locked, write_atomically
from blurvae.machine import choose_device, choose_precision
from blurvae.models import parameter_count, save_model
from blurvae.parallel import SOLO, Team
from blurvae.provenance import provenance
from blurvae.record.data import image_sets
from blurvae.record.encode import encode
from blurvae.record.files import VALUE, Result, half, read, write
from blurvae.record.formats import FORMAT
from blurvae.record.run import Run, outcome
from blurvae.systems import BlurVAE
from blurvae.train import State, Training, finish
from blurvae.train.stage import named


def networks(run: Run, shape: tuple[int, ...] | None = None) -> Any:
    """The run's players for images of this shape (its own where None), initialised from its seed.

    The global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return run.system.players(shape or run.shape)


def needs(run: Run) -> str:
    """The file or package without which the run cannot train here; empty where nothing is absent."""
    return run.system.needs(run.shape)


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
    graphs: bool = False,
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
        compile: as `train.fit` takes it.
        graphs: as `train.fit` takes it; the record says whether moves were captured.
        deterministic: as `train.fit` takes it.
        team: the processes that train together, this one alone where left out. The first evaluates and writes; the
            others return its record without pictures.

    Raises:
        MissingData: the data set is not on this machine.
        MissingWeights: the network of a learned term is not.
        CorruptFile: the data set, or what is to be resumed, is damaged.
        ValueError: a value that cannot be used, images that the metrics cannot measure, a checkpoint of another run.
        OSError: the folder cannot be written.
        BlockingIOError: another process is at this run in this folder.
        Diverged: the training did, now or, with `resume`, when it was recorded; with a folder it is recorded.
    """
    if keep_model and not isinstance(run.system, BlurVAE):
        raise ValueError(f"A model file holds a VAE, not the networks of {run.system.name!r}: leave keep_model out.")
    if out and resume and (record := team.first(partial(_recorded, run, out))):
        return Result(run, record, run.path(out).with_suffix(".npz"))
    where = choose_device(device if team.size == 1 else team.device)
    train, test = team.together(partial(_ingredients, run))
    players = networks(run, train.shape)
    with ExitStack() as stack:
        work = run.unfinished(out) if out else None
        if work:  # a folder that cannot be written shows now, not after the training
            team.first(partial(stack.enter_context, locked(work)))
            if team.is_first:  # nothing stays of a run that never began
                stack.callback(_remove_empty, work)
        started = time.monotonic()
        evaluation: Evaluation = EVALUATIONS[run.system.name](
            run.system, run.budget, train, test, where, work, run.n_bound
        )
        team.first(evaluation.check)  # images that the metrics refuse are refused before the training
        training = Training(
            run.system,
            players,
            train,
            run.budget,
            device=str(where),
            checkpoint=work,
            resume=resume,
            watch=evaluation.watch,
            callback=callback,
            compile=compile,
            graphs=graphs,
            team=team,
        )
        failure: Diverged | None = None
        begun, before = time.monotonic(), training.progress.seconds
        try:
            finish(training, progress=progress, deterministic=deterministic)
        except Diverged as error:
            failure = error
        trained = time.monotonic() - begun
        measured = Measured()

        def conclude() -> dict[str, Any]:
            """The record, on the first process."""
            nonlocal measured
            if failure is None:
                measured = evaluation.measure(players)
            how = {
                "processes": team.size,
                "compiled": compile,
                "graphs": training.in_python or "captured",
                "deterministic": deterministic or where.type == "cpu",
                "precision": choose_precision(run.budget.precision, where),
                "seconds": round(time.monotonic() - started, 1),
                "training_seconds": round(trained, 1),
                "images_per_second": round(training.progress.step * training.plan.images / (before + trained), 1),
            }
            return {
                "format": FORMAT,
                "run": encode(run),
                "outcome": outcome(measured.metrics) if failure is None else _failed(failure, training),
                "data": _described(train, test),
                "parameters": {name: parameter_count(net) for name, net in named(players).items()},
                "metrics": measured.metrics,
                "history": training.progress.history,
                "provenance": provenance(where) | how,
            }

        record = team.first(conclude)
        values = {f"{VALUE}{name}": half(found.numpy()) for name, found in measured.values.items()}
        result = Result(run, record, measured.pictures | values)
        if out:
            if keep_model and failure is None:
                team.first(partial(_keep, result, out, players, train.shape))
            team.first(partial(write, result, out, images=images))
        if failure is not None:
            raise failure
        if work:
            team.first(partial(_remove_checkpoints, work))
    return result


def _recorded(run: Run, out: Path) -> dict[str, Any] | None:
    """The record of a finished run of this configuration, if there is one."""
    path = run.path(out)
    if not path.exists():
        return None
    result = read(path)
    if result.run != run:
        return None
    if result.diverged:
        raise Diverged(f"{path} is recorded as {result.diverged}: change a setting, or remove the file to try again.")
    _ = result.pictures  # damaged ones are named here, not in some chapter
    return result.record


def _ingredients(run: Run) -> tuple[ImageSet, ImageSet]:
    """The image sets of a run; raises MissingWeights where its term's network is absent, else as `image_sets`."""
    train, test = image_sets(run)
    if what := run.system.needs(train.shape):
        raise MissingWeights(
            f"{run.name} cannot be trained without {what}, which is not on this machine: put it where "
            "`python -m blurvae.experiments --help` says, or leave this method out with --only."
        )
    return train, test


def _described(train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """What a record says of its data."""
    names = {"name": train.name, "label": train.label, "stands_in_for": train.stands_in_for}
    return names | {"checksum": train.checksum, "n_train": len(train), "n_test": len(test)}


def _failed(failure: Diverged, training: Training[Any]) -> dict[str, Any]:
    """The outcome of a training that diverged."""
    return {"state": "diverged", "epoch": training.progress.epoch + 1, "why": str(failure).partition(";")[0]}


def _keep(result: Result, out: Path, players: Any, shape: tuple[int, ...]) -> None:
    """Writes the trained networks beside the record."""
    run, system = result.run, cast(BlurVAE, result.run.system)
    config, note = system.config(shape), {"run": encode(run), "provenance": result.record["provenance"]}
    path = run.path(out).with_suffix(".safetensors")
    vae, kernel_net = players
    write_atomically(path, lambda file: save_model(file, vae, kernel_net, config, note))


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _remove_checkpoints(work: Path) -> None:
    (work / "checkpoint.json").unlink(missing_ok=True)  # first: no checkpoint may name tensors that are gone
    shutil.rmtree(work, ignore_errors=True)
