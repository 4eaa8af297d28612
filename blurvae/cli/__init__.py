"""The `blurvae` command.

Exit codes: 0 done; 1 a run diverged, and the others are done; 2 a value that cannot be used; 3 data or weights that are
not on this machine; 4 a file that is not whole; 5 a chapter in which a training diverged; 6 the disk or its
permissions; 130 interrupted.
"""

from __future__ import annotations

import typer

from blurvae.cli import book, data, pictures, run, runs
from blurvae.text import speak_any_encoding

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command("list")(runs.list_experiments)
app.command()(run.run)
app.command()(book.table)
app.command()(runs.queue)
app.command()(runs.status)
app.command()(runs.take)
app.command()(runs.tune)
app.command()(runs.bench)
app.command()(book.figure)
app.command()(pictures.deblur)
app.command()(pictures.reconstruct)
# Typer has no repeated options with two values, so the pairs behind -p are read from what it leaves over.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(book.notebook)

data_app = typer.Typer(no_args_is_help=True, help="The data sets: what there is, what is here, how to get the rest.")
data_app.command("list")(data.data_list)
data_app.command("check")(data.data_check)
data_app.command("prepare")(data.data_prepare)
app.add_typer(data_app, name="data")


def main() -> None:
    """The command, on a terminal or in a pipe of any encoding."""
    speak_any_encoding()
    app()
