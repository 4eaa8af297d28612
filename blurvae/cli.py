"""The `blurvae` command.

Exit codes: 0 done; 2 a value that cannot be used; 3 data or weights that are not on this machine; 4 a file that is not
whole; 5 a training that diverged; 6 the disk or its permissions; 130 interrupted.
"""

from __future__ import annotations

import errno
import functools
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.text import speak_any_encoding, to_json

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
data_app = typer.Typer(no_args_is_help=True, help="The data sets: what there is, what is here, how to get the rest.")
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Tier = Annotated[str, typer.Option(help="smoke (seconds), lesson (≤ 2 minutes a run on 2 cores) or paper (GPU).")]
Data = Annotated[str, typer.Option(help="Name of a data set; see `blurvae data list`.")]
DataName = Annotated[str, typer.Argument(help="Name of a data set.")]
Root = Annotated[Path | None, typer.Option(help="Folder of data sets; the variable BLURVAE_DATA where left out.")]


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turns the package's exceptions into one line on stderr and an exit code."""
    codes: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
        ((MissingData, MissingWeights), 3),
        (CorruptFile, 4),
        (Diverged, 5),
        (OSError, 6),
        (ValueError, 2),
    )

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:  # the reader of a pipe has seen enough
            sys.stdout = open(os.devnull, "w")
        except KeyboardInterrupt:
            again = "; the same command with --resume goes on from the last checkpoint" * (command.__name__ == "run")
            typer.echo(f"blurvae: interrupted{again}.", err=True)
            raise typer.Exit(130) from None
        except (ValueError, OSError, Diverged) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOMEM:
                raise _full(error) from None
            typer.echo(f"blurvae: {_sentence(error)}", err=True)
            raise typer.Exit(next(code for kind, code in codes if isinstance(error, kind))) from None
        except ImportError as error:
            way = "install the book's packages with `pip install -e '.[book]'` in the checkout"
            typer.echo(f"blurvae: the package {error.name} is not here: {way}.", err=True)
            raise typer.Exit(2) from None
        except (MemoryError, RuntimeError) as error:
            if not (isinstance(error, MemoryError) or any(sign in str(error) for sign in FULL)):
                raise  # a fault of the program or of the machine, which its own words and trace tell best
            raise _full(error) from None

    return run


# torch's words where memory is full: its own allocators', CUDA's and those of CUDA's libraries.
FULL = ("DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def _full(error: Exception) -> typer.Exit:
    """Says that memory is full, with the first of the error's own words."""
    said = f" ({str(error).splitlines()[0].rstrip('.')})" if str(error) else ""
    typer.echo(f"blurvae: the memory does not suffice{said}: lower batch_size, widths, hidden or n_train.", err=True)
    return typer.Exit(2)


def _sentence(error: Exception) -> str:
    """What an error says; the system's own say which file, and get the way out added."""
    if isinstance(error, OSError) and error.filename:
        reason = (error.strerror or type(error).__name__).lower()
        return f"{error.filename}: {reason}: name another path, or see to its permissions and free space."
    return str(error)


@app.command("list")
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
        typer.echo(f"  variants: {', '.join(m.name for m in e.VARIANTS)} (with --only)")


@app.command()
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
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same bits each time on a GPU too; a CPU gives them anyway.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train and evaluate the methods of an experiment; processes that torchrun or srun started do so together."""
    _without_traces()
    from blurvae import experiments
    from blurvae.parallel import Team
    from blurvae.run import execute, needs

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
        done = []
        callback = _forecast(runs, out, resume) if speaks else None
        for i, r in enumerate(runs, 1):
            if speaks:
                typer.echo(f"[{i}/{len(runs)}] {r.name} …", err=True)
            result = execute(
                r,
                out=out,
                resume=resume,
                device=device,
                keep_model=keep_model,
                progress=sys.stderr.isatty() and speaks,
                compile=compile,
                deterministic=deterministic,
                callback=callback,
                team=team,
            )
            spent, psnr = result.record["provenance"]["seconds"], result.record["metrics"]["PSNR"]["mean"]
            psnr = math.nan if psnr is None else psnr
            if speaks:
                typer.echo(f"[{i}/{len(runs)}] {r.name}: PSNR {psnr:.2f} dB, {spent:.0f} s → {r.path(out)}", err=True)
            done.append(
                {"run": r.name, "path": str(r.path(out)), "metrics": result.record["metrics"], "seconds": spent}
            )
        if as_json and team.is_first:
            typer.echo(to_json(done))


FIRST, LAST = 8, 40  # steps of the first training by which the time of all is judged
WITH_KERNEL = 1.3  # how much longer a step with a kernel network takes than one without, about
WITH_EVALUATION = 1.2  # how much longer a lesson takes than its training, about


def _forecast(runs: list[Any], out: Path, resume: bool) -> Callable[[Any], None]:
    """A callback that says once, after the first steps, about how long the runs will take on this machine."""
    from blurvae import losses
    from blurvae.queue import images

    seen: list[float] = []

    def weight(r: Any) -> float:
        return WITH_KERNEL if losses.get(r.term, **dict(r.constants)).kernel_path else 1.0

    def after_step(_: Any) -> None:
        if len(seen) <= LAST:
            seen.append(time.monotonic())
        if len(seen) == LAST:
            todo = [r for r in runs if not (resume and r.path(out).exists())]
            steps = sum(images(r) / r.settings.batch_size * weight(r) for r in todo)
            minutes = (seen[-1] - seen[FIRST]) / (LAST - 1 - FIRST) * steps / weight(todo[0]) * WITH_EVALUATION / 60
            if minutes > 1:
                many = f"{len(todo)} run{'s' * (len(todo) > 1)}"
                typer.echo(f"about {minutes:.0f} minutes for {many} on this machine, by its first steps", err=True)

    return after_step


def _without_traces() -> None:
    """Keeps torch from tracing a lost connection, of which Team makes a sentence: it asks when it is imported."""
    if "SLURM_STEP_ID" in os.environ:  # torchrun's connection outlives its processes
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise ValueError(f"{text!r} is not KEY=VALUE, e.g. --set beta=0.5.")
    return key.strip(), value.strip()


@app.command()
@guarded
def table(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment; see `blurvae list`.")],
    tier: Tier = "lesson",
    data: Data = "natural",
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv or json.")] = "text",
    over: Annotated[str, typer.Option(help="What ± means: the sd over seeds or over images.")] = "seeds",
    results: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
) -> None:
    """Print the table of an experiment, the paper's numbers beside the measured ones."""
    from blurvae.pages import tables

    shown = tables.table(experiment, tier, data, results, over=over, paper=True)
    if form == "text":  # a terminal is narrow: what is missing is said once, below
        missing = sorted({cell for cell in shown.to_numpy().ravel() if cell.startswith("needs weights (")})
        shown = shown.replace(dict.fromkeys(missing, "needs weights"))
    typer.echo(tables.render(shown, form))
    if form == "text" and missing:
        typer.echo("\n" + "\n".join(missing))
    if form in ("text", "markdown"):
        typer.echo(f"\n{tables.caption(experiment, tier, data, results)} ± is the sd over {over}.")


@app.command()
@guarded
def queue(
    tier: Tier = "paper",
    budget: Annotated[str, typer.Option(help="Time, e.g. 9m; no run starts that would end later.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
    only: Annotated[list[str], typer.Option(help="An experiment, data set or method; repeatable.")] = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Work through every run of a tier that has no recorded result, cheapest first; with all processes of a job."""
    _without_traces()
    from blurvae import paths
    from blurvae import queue as runs
    from blurvae.parallel import Team

    with Team.from_environment(device) as team:
        show = sys.stderr.isatty() and team.is_first
        said = runs.finish(tier, out or paths.results(), only, budget, device=device, progress=show, team=team)
        if team.is_first:
            typer.echo(said)


@app.command()
@guarded
def status(
    tier: Tier = "lesson",
    out: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
    only: Annotated[list[str], typer.Option(help="An experiment, data set or method; repeatable.")] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Say of every run of a tier whether it is recorded, running, not run, or needs weights."""
    from blurvae import paths
    from blurvae import queue as runs

    typer.echo(runs.render(runs.matrix(tier, out or paths.results(), only), as_json))


@app.command()
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
    from blurvae import tune as search

    found = search.tune(experiment, data, tier=tier, only=only, out=out, device=device, progress=sys.stderr.isatty())
    for trial in found.trials:
        mark = "  chosen" if found.chosen[trial["method"]] == trial["beta"] else ""
        value = trial["metrics"][search.CRITERION]["value"] if trial["metrics"] else None
        value = math.nan if value is None else value
        typer.echo(f"{trial['method']:<16} β {trial['beta']:<6g} {search.CRITERION} {value:.0f}{mark}")
    typer.echo(found.path)


@app.command()
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


@app.command()
@guarded
def figure(
    name: Annotated[str, typer.Argument(help="Name of a figure; without one, the names are listed.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path("_build/figures"),
    form: Annotated[str, typer.Option("--format", help="pdf or png.")] = "pdf",
) -> None:
    """Write the publication version of a figure."""
    from blurvae.pages import figures, plotting

    if not name:
        typer.echo("\n".join(sorted(figures.FIGURES)))
        return
    if form not in ("pdf", "png"):
        raise ValueError(f"A figure is written as pdf or png, not {form!r}.")
    plotting.use_style()
    typer.echo(figures.write(name, out, form))


@data_app.command("list")
@guarded
def data_list(as_json: Json = False) -> None:
    """List the data sets, their licences and whether they are on this machine."""
    from blurvae import datasets

    rows = [{"name": name, "here": _here(name), **datasets.describe(name)} for name in datasets.names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    for row in rows:
        stands = f"; stands in for {row['stands_in_for']}" if row.get("stands_in_for") else ""
        typer.echo(f"{row['name']:<12} {'here' if row['here'] else 'absent':<7} {row.get('licence', '')}{stands}")
    typer.echo(
        "`blurvae data prepare NAME` brings an absent one here, or says what to get where and under which terms."
    )


def _here(name: str) -> bool:
    from blurvae import datasets

    try:
        datasets.load(name, "test", n=1)
    except (MissingData, CorruptFile):
        return False
    return True


@data_app.command("check")
@guarded
def data_check(name: DataName, root: Root = None, as_json: Json = False) -> None:
    """Compare a prepared data set with its checksum; a missing one ends with code 3, a damaged one with 4."""
    from dataclasses import asdict

    from blurvae import datasets

    report = datasets.check(name, root)
    if as_json:
        typer.echo(to_json(asdict(report)))
    if not report.ok:
        raise (CorruptFile if report.present else MissingData)(report.problem)
    if not as_json:
        same = {True: "the pixels of the recorded results", False: "not the pixels of the recorded results"}
        said = f"; {same[report.reference]}" if report.reference is not None else ""
        typer.echo(f"{name}: whole, {report.shape} (n, c, h, w), sha256 {report.checksum}{said}")


@data_app.command("prepare")
@guarded
def data_prepare(
    name: DataName,
    root: Root = None,
    source: Annotated[
        Path | None,
        typer.Option(help="Your copy of the official archive or folder; downloaded, where that is allowed."),
    ] = None,
) -> None:
    """Download or read an official archive, check it and write it as a pack; or say what to get where."""
    from blurvae import datasets

    typer.echo(datasets.prepare(name, root=root, source=source, progress=sys.stderr.isatty()))


# Typer has no repeated options with two values, so the pairs behind -p are read from what it leaves over.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@guarded
def notebook(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Number or name of a chapter, e.g. 09.")],
    out: Annotated[Path, typer.Option(help="Folder for the executed notebook.")] = Path("_build/notebooks"),
) -> None:
    """Execute a chapter with papermill: blurvae notebook 09 -p tier lesson -p seed 1.

    -p NAME VALUE sets a parameter of the chapter and can be repeated; names and types are checked first.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError
    from papermill.exceptions import PapermillException

    from blurvae.pages.notebooks import chapters, execution, parameters

    rest = context.args
    if len(rest) % 3 or any(flag != "-p" for flag in rest[::3]):
        raise ValueError(f"{' '.join(rest)!r} is not of the form -p NAME VALUE, e.g. -p tier lesson.")
    name = chapters.find(slug)
    target = out / f"{name}.ipynb"
    given = parameters.parse(name, list(zip(rest[1::3], rest[2::3])))
    try:
        execution.execute(name, given, target)
    except PapermillExecutionError as error:
        kinds = {kind.__name__: kind for kind in (MissingData, MissingWeights, CorruptFile, Diverged)}
        said = f"{name} stopped at cell {error.cell_index}: {error.evalue} ({target} holds it up to there)"
        raise kinds.get(error.ename, ValueError)(said) from None
    except (PapermillException, NoSuchKernel, DeadKernelError, RuntimeError) as error:
        if type(error) is RuntimeError and "Kernel" not in str(error):
            raise
        raise ValueError(
            f"{name} could not be executed ({str(error) or type(error).__name__}): a kernel named python3 of this "
            "Python has to start; `python -m ipykernel install --sys-prefix` makes one, and `jupyter kernelspec list` "
            "says which one is taken."
        ) from None
    typer.echo(target)


def main() -> None:
    """The command, on a terminal or in a pipe of any encoding."""
    speak_any_encoding()
    app()


if __name__ == "__main__":
    main()
