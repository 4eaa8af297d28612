"""The `blurvae` command.

Exit codes: 0 done; 1 a run diverged, and the others are done; 2 a value that cannot be used; 3 data or weights that are
not on this machine; 4 a file that is not whole; 5 a chapter in which a training diverged; 6 the disk or its
permissions; 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from blurvae.cli import book, data, pictures, prd, run, runs, upscale
from blurvae.text import speak_any_encoding

START = """\
Three commands to start with:

  blurvae table table5
      what was measured of five reconstruction terms
  blurvae run table5
      the same terms, on tiny networks that are trained here in seconds
  blurvae reconstruct photo.jpg --model natural-wiener
      a picture of yours beside what a trained model makes of it

`blurvae --help` lists all of them, `blurvae table --help` tells more of one."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
data_app = typer.Typer(
    no_args_is_help=True,
    help="The data sets: what there is, what is here, how to get the rest.",
    epilog="Example: blurvae data list",
)
app.add_typer(data_app, name="data")


@app.callback(invoke_without_command=True, epilog="Example: blurvae table table5")
def start(context: typer.Context) -> None:
    """Says where to begin."""
    if context.invoked_subcommand is None:
        typer.echo(START)


COMMANDS: tuple[tuple[typer.Typer, str, Callable[..., None], str], ...] = (
    (app, "list", runs.list_experiments, "list --json"),
    (app, "run", run.run, "run table5 --tier lesson --only wiener --seed 1"),
    (app, "table", book.table, "table table5 --data cifar10 --format csv"),
    (app, "queue", runs.queue, "queue --tier lesson --only table5 --budget 9m"),
    (app, "status", runs.status, "status --tier paper --only cifar10"),
    (app, "take", runs.take, "take gpu.tar --out _build/results"),
    (app, "tune", runs.tune, "tune table2 --data natural --only wiener"),
    (app, "bench", runs.bench, "bench --quick --device cpu"),
    (app, "figure", book.figure, "figure table5-natural-reconstructions --format png"),
    (app, "deblur", pictures.deblur, "deblur photo.jpg --kernel gaussian:2"),
    (app, "models", pictures.list_models, "models --json"),
    (app, "reconstruct", pictures.reconstruct, "reconstruct photo.jpg --model natural-wiener"),
    (app, "upscale", upscale.upscale, "upscale clip.mp4 --out larger.mkv"),
    (app, "prd", prd.prd, "prd --real photographs --generated samples"),
    (data_app, "list", data.data_list, "data list --json"),
    (data_app, "check", data.data_check, "data check natural"),
    (data_app, "prepare", data.data_prepare, "data prepare cifar10 --root datasets"),
)
for group, name, command, example in COMMANDS:
    group.command(name, epilog=f"Example: blurvae {example}")(command)
# Typer has no repeated options with two values, so the pairs behind -p are read from what it leaves over.
app.command(
    epilog="Example: blurvae notebook 09 -p tier lesson -p seed 1",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(book.notebook)


def main() -> None:
    """The command, on a terminal or in a pipe of any encoding."""
    speak_any_encoding()
    app()
