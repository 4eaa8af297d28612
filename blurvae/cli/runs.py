"""The commands around runs: what there is, what is left to do, which β, and what a step costs."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from blurvae.cli.guard import guarded, without_traces
from blurvae.cli.options import Data, Json, Tier
from blurvae.text import to_json


@guarded
def list_experiments(as_json: Json = False) -> None:
    """List the experiments with their methods."""
    from blurvae import experiments

    found = {name: experiments.get(name) for name in experiments.EXPERIMENTS}
    if as_json:
        rows = {
            name: {"title": e.TITLE, "methods": [m.name for m in e.METHODS], "variants": [m.name for m in e.VARIANTS]}
            for name, e in found.items()
        }
        typer.echo(to_json(rows))
        return
    for name, e in found.items():
        typer.echo(f"{name}: {e.TITLE}\n  methods:  {', '.join(m.name for m in e.METHODS)}")
        if e.VARIANTS:
            typer.echo(f"  variants: {', '.join(m.name for m in e.VARIANTS)} (with --only)")


@guarded
def queue(
    tier: Tier = "paper",
    budget: Annotated[str, typer.Option(help="Time, e.g. 9m; no run starts that would end later.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
    only: Annotated[list[str], typer.Option(help="An experiment, data set or method; repeatable.")] = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Work through every run of a tier that has no recorded result, cheapest first; with all processes of a job."""
    without_traces()
    from blurvae import paths
    from blurvae.experiments import matrix
    from blurvae.parallel import Team

    with Team.from_environment(device) as team:
        show = sys.stderr.isatty() and team.is_first
        said = matrix.finish(tier, out or paths.results(), only, budget, device=device, progress=show, team=team)
        if team.is_first:
            typer.echo(said)


@guarded
def status(
    tier: Tier = "lesson",
    out: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
    only: Annotated[list[str], typer.Option(help="An experiment, data set or method; repeatable.")] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Say of every run of a tier whether it is recorded, running, not run, or needs weights."""
    from blurvae import paths
    from blurvae.experiments import matrix

    typer.echo(matrix.render(matrix.matrix(tier, out or paths.results(), only), as_json))


@guarded
def take(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The parts of an archive: FILE.tar and so on.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In the place of a record of the same run, too.")] = False,
) -> None:
    """File the records that `python -m blurvae.experiments.gpu_slot` made elsewhere; all are checked first."""
    from blurvae import paths
    from blurvae.experiments.take import take

    taken = take(files, out or paths.results(), replace)
    for what, names in (
        ("filed", taken.filed),
        ("kept, recorded already", taken.kept),
        ("left, of other settings than now", taken.outdated),
        ("made by code that differed from its commit", taken.dirty),
        ("came to nothing", taken.trouble),
    ):
        for name in names:
            typer.echo(f"{what}: {name}")
    typer.echo(f"{len(taken.filed)} filed, {len(taken.kept)} kept, {len(taken.outdated)} left")


@guarded
def tune(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment; see `blurvae list`.")],
    data: Data = "natural",
    tier: Annotated[str, typer.Option(help="smoke, lesson or paper: half of its epochs are spent a β.")] = "lesson",
    only: Annotated[list[str], typer.Option(metavar="METHOD", help="Search for this method; repeatable.")] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Search β for each method on held-out training images; the tables then use it. What is recorded is kept."""
    from blurvae.experiments import tune as search

    found = search.tune(experiment, data, tier=tier, only=only, out=out, device=device, progress=sys.stderr.isatty())
    for trial in found.trials:
        mark = "  chosen" if found.chosen[trial["method"]] == trial["beta"] else ""
        value = trial["metrics"][search.CRITERION]["value"] if trial["metrics"] else None
        value = math.nan if value is None else value
        typer.echo(f"{trial['method']:<16} β {trial['beta']:<6g} {search.CRITERION} {value:.0f}{mark}")
    typer.echo(found.path)


@guarded
def bench(
    out: Annotated[Path | None, typer.Option(help="File for the JSON, or a folder for <device>.json.")] = None,
    only: Annotated[list[str], typer.Option(metavar="PART", help="Measure only this part; repeatable.")] = [],  # noqa: B006
    quick: Annotated[bool, typer.Option("--quick", help="Tiny networks, to see that it works.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Only where the time of a step goes.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Let torch.compile fuse our steps.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Json = False,
) -> None:
    """Measure what a training step costs here, beside a plain loop, pythae and the machine's ceilings (minutes)."""
    from blurvae import bench as benchmark

    parts = ["profile"] if profile else only
    record = benchmark.run(device, parts, quick=quick, compile=compiled, out=out, progress=not as_json)
    typer.echo(to_json(record) if as_json else benchmark.render(record))
