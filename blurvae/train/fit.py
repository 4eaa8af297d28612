"""A training from its beginning to its end, in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from blurvae.machine import memory_kept, repeatable
from blurvae.parallel import SOLO, Team
from blurvae.train.budget import Budget
from blurvae.train.feed import Samples
from blurvae.train.loop import Training
from blurvae.train.system import P, System
from blurvae.train.watch import State, Watch


def fit(
    system: System[P],
    players: P,
    data: Samples,
    budget: Budget,
    *,
    device: str = "auto",
    checkpoint: Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    callback: Callable[[State], None] | None = None,
    progress: bool = False,
    compile: bool = False,
    graphs: bool = False,
    deterministic: bool = False,
    team: Team = SOLO,
    **how: Any,
) -> list[dict[str, Any]]:
    """Trains the players of a system to the end of a budget.

    Args:
        system: whose moves are played.
        players: its networks, trained in place and moved to the device.
        data: the training samples.
        budget: epochs, batch size, seed, precision.
        device: "auto", "cpu" or "cuda".
        checkpoint: folder for checkpoints, written at most every 30 s and at the end; none where None.
        resume: go on from the checkpoint in that folder if there is one. The result is that of an uninterrupted run,
            on a CPU bit for bit.
        watch: measures the networks after each epoch.
        callback: called after each step with the `State`.
        progress: a progress bar on a terminal.
        compile: let `torch.compile` fuse the moves: the first step of each phase then takes a minute or so.
        graphs: on a GPU, capture each move once and repeat it as a CUDA graph; no machine has shown yet that it works.
        deterministic: on a GPU, use only algorithms that give the same bits each time; a CPU does anyway. Torch has
            none for the gradient of a warp (FRVSR) and raises RuntimeError. Where the process has used the GPU before,
            the variable CUBLAS_WORKSPACE_CONFIG=:4096:8 must be set from its start.
        team: the processes that share each batch, all with the same arguments; this one alone where left out.
        **how: `recorder` and `resident` of `Training`.

    Returns:
        One record an epoch: its number, its phase, the mean over its plays of what each move measures, and what the
        watch does.

    Raises:
        Diverged: a loss stopped being finite.
        ValueError: networks, images or a batch that cannot be trained on; a device that is not there; a checkpoint of
            another configuration.
        CorruptFile: a checkpoint that cannot be read.
    """
    options: dict[str, Any] = {"device": device, "checkpoint": checkpoint, "resume": resume, "watch": watch}
    training = Training(
        system, players, data, budget, callback=callback, compile=compile, graphs=graphs, team=team, **options, **how
    )
    return finish(training, progress=progress, deterministic=deterministic)


def finish(training: Training[P], *, progress: bool = False, deterministic: bool = False) -> list[dict[str, Any]]:
    """Goes on with a training to its end, and returns its history; `progress` and `deterministic` as in `fit`."""
    now, total = training.progress, training.budget.epochs * training.plan.steps
    with (
        memory_kept(training.device),
        repeatable(deterministic, training.device),
        training.on_its_stream(),
        _bar(total, now.step, progress and training.team.is_first) as bar,
    ):
        for _ in training:
            bar.update()
    return now.history


def _bar(total: int, initial: int, show: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, initial=initial, disable=None if show else True, unit="step", leave=False)
