"""The commands of the book: tables, figures, and chapters with other parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blurvae.cli.guard import guarded
from blurvae.cli.options import Data, Tier
from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights


@guarded
def table(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment; see `blurvae list`.")],
    tier: Tier = "lesson",
    data: Data = "natural",
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv or json.")] = "text",
    over: Annotated[
        str, typer.Option(help="What ± means: sd over seeds or images; interval: of 95 % over seeds.")
    ] = "seeds",
    results: Annotated[Path | None, typer.Option(help="Folder of results; the recorded ones where left out.")] = None,
) -> None:
    """Print the table of an experiment, the paper's numbers beside the measured ones."""
    from rich.console import Console

    from blurvae.cli import terminal
    from blurvae.pages import tables

    shown = tables.table(experiment, tier, data, results, over=over, paper=True)
    if form != "text":
        typer.echo(tables.render(shown, form))
        if form == "markdown":
            typer.echo(f"\n{tables.caption(experiment, tier, data, results)} {tables.MEANING[over]}")
        return
    missing = sorted({cell for cell in shown.to_numpy().ravel() if cell.startswith("needs weights (")})
    shown = terminal.headed(shown.replace(dict.fromkeys(missing, "needs weights")))  # which ones is said once, below
    caption = f"{tables.caption(experiment, tier, data, results)} {tables.MEANING[over]}"
    if shown["seeds"].eq("0").all() and (places := _recorded(experiment, results)):
        caption += f"\nRecorded are its runs of {', '.join(places)}."
    notes = "\n".join([*missing, *[""] * bool(missing), caption, terminal.LEGEND])
    console = Console(highlight=False)
    if console.is_terminal:
        terminal.show(shown, notes, console)
    else:  # a pipe has no width
        typer.echo(f"{tables.render(shown, form)}\n\n{notes}")


def _recorded(experiment: str, results: Path | None) -> list[str]:
    """The options of the tables of an experiment that have runs."""
    from blurvae import experiments
    from blurvae.experiments import recorded

    grid = experiments.get(experiment).GRID
    every = [(tier, data) for tier, sets in grid.items() for data in sets]
    return [f"--tier {tier} --data {data}" for tier, data in every if recorded.load(experiment, tier, data, results)]


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


@guarded
def notebook(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Number or name of a chapter, e.g. 09.")],
    out: Annotated[Path, typer.Option(help="Folder for the executed notebook.")] = Path("_build/notebooks"),
) -> None:
    """Execute a chapter with papermill: blurvae notebook 09 -p tier lesson -p seed 1.

    -p NAME VALUE sets a parameter of the chapter and can be repeated; names, types, tiers and data sets are checked
    first. The notebook that it writes reads well in any viewer: .venv/bin/jupyter lab FILE.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError
    from papermill.exceptions import PapermillException

    from blurvae.datasets import registry
    from blurvae.experiments import check_tier
    from blurvae.pages.notebooks import chapters, execution, parameters, plain

    rest = context.args
    if len(rest) % 3 or any(flag != "-p" for flag in rest[::3]):
        raise ValueError(f"{' '.join(rest)!r} is not of the form -p NAME VALUE, e.g. -p tier lesson.")
    name = chapters.find(slug)
    target = out / f"{name}.ipynb"
    given = parameters.parse(name, list(zip(rest[1::3], rest[2::3])))
    if "tier" in given:
        check_tier(given["tier"])
    if "data" in given:
        registry.find(given["data"])
    try:
        execution.execute(name, given, target)
        plain.rewrite(target, name)
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
    typer.echo(f"{target}\nTo look at it: .venv/bin/jupyter lab {target}")
