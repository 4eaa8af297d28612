"""`blurvae run`: trains and evaluates the methods of an experiment, and says early how long it will take."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from blurvae.cli.guard import guarded, without_traces
from blurvae.cli.options import Data, Json, Tier
from blurvae.text import to_json


@guarded
def run(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment; see `blurvae list`.")],
    tier: Tier = "smoke",
    data: Data = "natural",
    seed: Annotated[list[int], typer.Option(help="Seed of a run; repeat for several.")] = [0],  # noqa: B006 (typer copies it)
    change: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. beta=0.5 or C=0.1; repeatable."),
    ] = [],  # noqa: B006
    only: Annotated[list[str], typer.Option(metavar="METHOD", help="Run only this method; repeatable.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Folder of results, one JSON a run.")] = Path("_build/results"),
    resume: Annotated[bool, typer.Option("--resume", help="Keep finished runs and go on from checkpoints.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    keep_model: Annotated[
        bool, typer.Option("--keep-model", help="Also write each trained model (safetensors).")
    ] = False,
    compile: Annotated[
        bool, typer.Option("--compile", help="Let torch.compile fuse the step: minutes at the start, for a GPU.")
    ] = False,
    graphs: Annotated[
        bool, typer.Option("--graphs", help="On a GPU, repeat each move as a CUDA graph; not yet shown to work.")
    ] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same bits each time on a GPU too; a CPU gives them anyway.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train and evaluate the methods of an experiment; processes that torchrun or srun started do so together."""
    without_traces()
    from blurvae import experiments
    from blurvae.errors import Diverged
    from blurvae.parallel import Team
    from blurvae.record import execute, needs, read

    with Team.from_environment(device) as team:
        speaks = team.is_first and not as_json
        module = experiments.get(experiment)
        known = [m.name for m in (*module.METHODS, *module.VARIANTS)]
        for name in only:
            if name not in known:
                raise ValueError(f"{experiment} has no method {name!r}: choose one of {', '.join(known)}.")
        chosen = only or [m.name for m in module.METHODS]
        changes = dict(_pair(text) for text in change)
        runs = [r.with_changes(changes) for r in module.runs(tier, data, seed) if r.method in chosen]
        if not runs:
            raise ValueError(f"{experiment} has no run of {', '.join(only)} at tier {tier!r}: choose another tier.")
        if not only:  # one that is asked for by its name ends the command instead
            for r in [r for r in runs if (what := needs(r))]:
                if team.is_first:
                    typer.echo(f"{r.name}: passed over, needs weights ({what})", err=True)
                runs.remove(r)
        done: list[dict[str, Any]] = []
        lost: list[str] = []
        callback = _forecast(runs, out, resume) if speaks else None
        for i, r in enumerate(runs, 1):
            if speaks:
                typer.echo(f"[{i}/{len(runs)}] {r.name} …", err=True)
            try:
                record = execute(
                    r,
                    out=out,
                    resume=resume,
                    device=device,
                    keep_model=keep_model,
                    progress=sys.stderr.isatty() and speaks,
                    compile=compile,
                    graphs=graphs,
                    deterministic=deterministic,
                    callback=callback,
                    team=team,
                ).record
            except Diverged as error:  # it is recorded
                lost.append(r.name)
                if not team.is_first:
                    continue
                typer.echo(f"[{i}/{len(runs)}] {r.name}: {error}", err=True)
                record = read(r.path(out)).record
            else:
                if speaks:
                    model = r.path(out).with_suffix(".safetensors")
                    kept = f", {model}" if keep_model and model.exists() else ""
                    typer.echo(f"[{i}/{len(runs)}] {r.name}: {_said(record)} → {r.path(out)}{kept}", err=True)
            done.append({"run": r.name, "path": str(r.path(out)), "outcome": record["outcome"]})
            done[-1] |= {"metrics": record["metrics"], "seconds": record["provenance"]["seconds"]}
        if team.is_first:
            if as_json:
                typer.echo(to_json(done))
            if lost:
                typer.echo(f"blurvae: {len(lost)} of {len(runs)} runs diverged: {', '.join(lost)}.", err=True)
    if lost:
        raise typer.Exit(1)


def _said(record: dict[str, Any]) -> str:
    """What a line says of a finished run: its PSNR, where that is measured, and its time."""
    seconds = f"{record['provenance']['seconds']:.0f} s"
    if "PSNR" not in record["metrics"]:
        return seconds
    psnr = record["metrics"]["PSNR"].get("mean")
    return f"PSNR {math.nan if psnr is None else psnr:.2f} dB, {seconds}"


FIRST, LAST = 8, 40  # steps of the first training by which the time of all is judged
WITH_KERNEL = 1.3  # how much longer a step with a kernel network takes than one without, about
WITH_EVALUATION = 1.2  # how much longer a lesson takes than its training, about


def _forecast(runs: list[Any], out: Path, resume: bool) -> Callable[[Any], None]:
    """A callback that says once, after the first steps, about how long the runs will take on this machine."""
    from blurvae.record.queue import images

    seen: list[float] = []

    def weight(r: Any) -> float:
        return WITH_KERNEL if getattr(getattr(r.system, "term", None), "kernel_path", None) else 1.0

    def after_step(_: Any) -> None:
        if len(seen) <= LAST:
            seen.append(time.monotonic())
        if len(seen) == LAST:
            todo = [r for r in runs if not (resume and r.path(out).exists())]
            steps = sum(images(r) / r.budget.batch_size * weight(r) for r in todo)
            minutes = (seen[-1] - seen[FIRST]) / (LAST - 1 - FIRST) * steps / weight(todo[0]) * WITH_EVALUATION / 60
            if minutes > 1:
                many = f"{len(todo)} run{'s' * (len(todo) > 1)}"
                typer.echo(f"about {minutes:.0f} minutes for {many} on this machine, by its first steps", err=True)

    return after_step


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise ValueError(f"{text!r} is not KEY=VALUE, e.g. --set beta=0.5.")
    return key.strip(), value.strip()
