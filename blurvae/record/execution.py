"""A run that has begun: from its networks to its files, whoever carries out its training."""

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
from blurvae.machine import choose_device
from blurvae.models import parameter_count, save_model
from blurvae.models.enhancenet import save_generator
from blurvae.parallel import SOLO, Team
from blurvae.provenance import provenance
from blurvae.record.data import image_sets
from blurvae.record.encode import encode
from blurvae.record.files import VALUE, Result, half, write
from blurvae.record.formats import FORMAT
from blurvae.record.run import Run, outcome
from blurvae.systems import FRVSR, BlurVAE, EnhanceNet
from blurvae.systems.frvsr_file import save_frvsr
from blurvae.train import State, Training
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


class Execution:
    """A run that has begun: its training, for whoever carries it out, and what comes after that.

    Args: as `execute` takes them, and
        checkpoints: whether it keeps any, and so keeps other processes away, where there is a folder.
        beside: trainings that are carried out in turn in this process, for the record.

    Attributes:
        training: to be brought to its end, then `conclude`; `close` in any case.

    Raises: as `execute`.
    """

    def __init__(
        self,
        run: Run,
        *,
        out: Path | None = None,
        resume: bool = False,
        device: str = "auto",
        keep_model: bool = False,
        images: bool = True,
        callback: Callable[[State], None] | None = None,
        compile: bool = False,
        graphs: bool = False,
        deterministic: bool = False,
        team: Team = SOLO,
        checkpoints: bool = True,
        beside: int = 1,
    ) -> None:
        if keep_model and not isinstance(run.system, BlurVAE | EnhanceNet | FRVSR):
            name = run.system.name
            raise ValueError(f"There is no model file for the networks of {name!r}: leave keep_model out.")
        self.run, self.out, self.keep_model, self.images, self.team = run, out, keep_model, images, team
        self.where = choose_device(device if team.size == 1 else team.device)
        self.how = {
            "processes": team.size,
            "side_by_side": beside,
            "compiled": compile,
            "deterministic": deterministic or self.where.type == "cpu",
        }
        self.train, self.test = team.together(partial(_ingredients, run))
        self.work = work = run.unfinished(out) if out and checkpoints else None
        with ExitStack() as stack:
            if work:  # a folder that cannot be written shows now, not after the training
                team.first(partial(stack.enter_context, locked(work)))
                if team.is_first:  # nothing stays of a run that never began
                    stack.callback(_remove_empty, work)
            self.started = time.monotonic()
            self.evaluation: Evaluation = EVALUATIONS[run.system.name](
                run.system, run.budget, self.train, self.test, self.where, work, run.n_bound
            )
            team.first(self.evaluation.check)  # images that the metrics refuse are refused before the training
            self.training: Training[Any] = Training(
                run.system,
                networks(run, self.train.shape),
                _seen(self.train, run),
                run.budget,
                device=str(self.where),
                checkpoint=work,
                resume=resume,
                watch=self.evaluation.watch,
                callback=callback,
                compile=compile,
                graphs=graphs,
                team=team,
            )
            self.begun, self.before = time.monotonic(), self.training.progress.seconds
            self.close = stack.pop_all().close

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def conclude(self, failure: Diverged | None = None) -> Result:
        """Evaluates the training that is at its end, or has diverged, and writes what came out.

        Raises:
            Diverged: the training had, and that is recorded.
        """
        trained, measured = time.monotonic() - self.begun, Measured()

        def measure() -> dict[str, Any]:
            """The record, on the first process."""
            nonlocal measured
            if failure is None:
                measured = self.evaluation.measure(self.training.players)
            return self._record(measured, failure, trained)

        record = self.team.first(measure)
        values = {f"{VALUE}{name}": half(found.numpy()) for name, found in measured.values.items()}
        result = Result(self.run, record, measured.pictures | values)
        if self.out:
            if self.keep_model and failure is None:
                self.team.first(partial(_keep, result, self.out, self.training.players, self.train.shape))
            self.team.first(partial(write, result, self.out, images=self.images))
        if failure is not None:
            raise failure
        if self.work:
            self.team.first(partial(_remove_checkpoints, self.work))
        return result

    def _record(self, measured: Measured, failure: Diverged | None, trained: float) -> dict[str, Any]:
        training, players = self.training, named(self.training.players)
        images = training.progress.step * training.plan.images
        how = {
            "precision": training.precision,
            "graphs": training.in_python or "captured",
            "seconds": round(time.monotonic() - self.started, 1),
            "training_seconds": round(trained, 1),
            "images_per_second": round(images / (self.before + trained), 1),
        }
        return {
            "format": FORMAT,
            "run": encode(self.run),
            "outcome": outcome(measured.metrics) if failure is None else _failed(failure, training),
            "data": _described(self.train, self.test),
            "parameters": {name: parameter_count(net) for name, net in players.items()},
            "metrics": measured.metrics,
            "history": training.progress.history,
            "provenance": provenance(self.where) | self.how | how,
        }


def _ingredients(run: Run) -> tuple[ImageSet, ImageSet]:
    """The image sets of a run; raises MissingWeights where its term's network is absent, else as `image_sets`."""
    train, test = image_sets(run)
    if what := run.system.needs(train.shape):
        raise MissingWeights(
            f"{run.name} cannot be trained without {what}, which is not on this machine: put it where "
            "`python -m blurvae.experiments --help` says, or leave this method out with --only."
        )
    return train, test


def _seen(train: ImageSet, run: Run) -> ImageSet:
    """The training images without those that the system keeps back."""
    if (kept := run.system.kept_back()) >= len(train):
        raise ValueError(
            f"{run.name} holds out {kept} of {len(train)} training images, so that none is left: lower "
            "held_out or raise n_train."
        )
    return train.head(len(train) - kept) if kept else train


def _described(train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """What a record says of its data."""
    names = {"name": train.name, "label": train.label, "stands_in_for": train.stands_in_for}
    return names | {"checksum": train.checksum, "n_train": len(train), "n_test": len(test)}


def _failed(failure: Diverged, training: Training[Any]) -> dict[str, Any]:
    """The outcome of a training that diverged."""
    return {"state": "diverged", "epoch": training.progress.epoch + 1, "why": str(failure).partition(";")[0]}


def _keep(result: Result, out: Path, players: Any, shape: tuple[int, ...]) -> None:
    """Writes the trained networks beside the record."""
    run, system = result.run, result.run.system
    note = {"run": encode(run), "provenance": result.record["provenance"]}
    path = run.path(out).with_suffix(".safetensors")
    if isinstance(system, EnhanceNet):
        write_atomically(path, lambda file: save_generator(file, players.generator, note))
        return
    if isinstance(system, FRVSR):
        write_atomically(path, lambda file: save_frvsr(file, system, players, note))
        return
    config = cast(BlurVAE, system).config(shape)
    vae, kernel_net = players.vae, players.kernel_net
    write_atomically(path, lambda file: save_model(file, vae, kernel_net, config, note))


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _remove_checkpoints(work: Path) -> None:
    (work / "checkpoint.json").unlink(missing_ok=True)  # first: no checkpoint may name tensors that are gone
    shutil.rmtree(work, ignore_errors=True)
