"""Executing a run: its training, its evaluation, its files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from blurvae.errors import Diverged
from blurvae.parallel import SOLO, Team
from blurvae.record.execution import Execution
from blurvae.record.files import Result, result_of
from blurvae.record.run import Run
from blurvae.train import State, finish


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
    if out and resume and (record := team.first(partial(_recorded, run, out))):
        return Result(run, record, run.path(out).with_suffix(".npz"))
    with Execution(
        run,
        out=out,
        resume=resume,
        device=device,
        keep_model=keep_model,
        images=images,
        callback=callback,
        compile=compile,
        graphs=graphs,
        deterministic=deterministic,
        team=team,
    ) as begun:
        failure: Diverged | None = None
        try:
            finish(begun.training, progress=progress, deterministic=deterministic)
        except Diverged as error:
            failure = error
        return begun.conclude(failure)


def _recorded(run: Run, out: Path) -> dict[str, Any] | None:
    """The record of a finished run of this configuration, if there is one."""
    if (result := result_of(run, out)) is None:
        return None
    if result.diverged:
        path = run.path(out)
        raise Diverged(f"{path} is recorded as {result.diverged}: change a setting, or remove the file to try again.")
    _ = result.pictures  # damaged ones are named here, not in some chapter
    return result.record
