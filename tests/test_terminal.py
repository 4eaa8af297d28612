"""The command on a terminal: where it begins, what its help shows, and tables of any width."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pandas as pd
import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from blurvae import experiments
from blurvae.cli import START, app, terminal
from blurvae.pages import tables

WIDTHS = (40, 80, 120)
TABLES = (("table5", "cifar10"), ("table2", "faces64"), ("table6", "natural"))


def call(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


# Where it begins, and help ------------------------------------------------------------------------------------------


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name), command
        yield from commands(command, (*path, name))


ROOT = get_command(app)
COMMANDS = dict(commands(ROOT))


def parse(line: str) -> tuple[tuple[str, ...], dict[str, object]]:
    """The command that a line calls, and its parameters; an unknown option, or a value of a wrong type, is an error."""
    program, *words = shlex.split(line)
    assert program == "blurvae"
    path: tuple[str, ...] = ()
    while (*path, words[0] if words else "") in COMMANDS:
        path = (*path, words.pop(0))
    assert path, line
    return path, COMMANDS[path].make_context(path[-1], words).params


def test_alone_it_shows_three_commands_to_start_with():
    said = call()
    lines = [line.strip() for line in said.splitlines() if line.startswith("  blurvae ")]
    assert said.strip() == START and len(lines) == 3
    assert "blurvae --help" in said and max(map(len, said.splitlines())) <= 80
    assert [parse(line)[0] for line in lines] == [("table",), ("run",), ("reconstruct",)]


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=lambda path: " ".join(("blurvae", *path)))
def test_help_ends_in_an_example_that_can_be_typed(path):
    said = call(*path, "--help").strip().splitlines()[-1].strip()
    assert said.startswith("Example: blurvae ")
    called, parameters = parse(said.removeprefix("Example: "))
    assert called[: len(path)] == path
    if "experiment" in parameters:
        experiments.get(str(parameters["experiment"]))


# Tables ---------------------------------------------------------------------------------------------------------------


def printed(table: pd.DataFrame, width: int, notes: str = "") -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="standard", highlight=False)
    terminal.show(table, notes, console)
    return console.file.getvalue()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("experiment", "data"), TABLES, ids=lambda name: name)
def test_a_table_fits_the_terminal_and_loses_nothing(experiment, data, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = plain(call("table", experiment, "--data", data)).splitlines()
    assert width - 12 < max(map(len, lines)) <= width
    for name, row in tables.table(experiment, "lesson", data, paper=True).iterrows():
        found = " ".join(line for line in lines if line.startswith(str(name).split()[0]))
        assert all(re.sub(r" \(\w+[.-].*", "", cell) in found for cell in row), "a cell stands on one line"
    rules = [line for line in lines if line.startswith("──")]
    heads = [line for line in lines if line.startswith("method")]
    assert len(rules) == len(heads) >= 2, "the names are repeated"


@pytest.mark.parametrize("width", [10, 20])
def test_what_is_wider_than_the_terminal_is_folded_and_not_cut(width):
    table = pd.DataFrame({"PSNR": ["12.345 ± 0.567"]}, index=pd.Index(["Wiener-proper"], name="method"))
    said = plain(printed(table, width))
    assert "…" not in said and max(map(len, said.splitlines())) <= width
    assert sorted(re.sub(r"[\s─]", "", said)) == sorted("methodPSNRWiener-proper12.345±0.567")


def test_the_papers_column_stays_beside_the_measured_one():
    table = terminal.headed(tables.table("table5", "lesson", "cifar10", paper=True))
    for columns in terminal._sections(table, Console(width=80)):
        assert not columns[-1].endswith("(paper)")


def made(**columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(columns, index=pd.Index(["a", "b", "c", "d"], name="method"))
    return terminal.headed(table.rename(columns=lambda name: name.replace("_", " ")))


def test_the_best_is_marked_by_its_side_and_what_lies_within_its_sd():
    table = made(
        PSNR=["20.00 ± 0.10", "19.95 ± 0.01", "19.80", "needs weights"],
        KL=["1.0", "2.0", "3.0", "–"],
        SSIM=["not run"] * 4,
    )
    assert table["PSNR, dB ↑"].tolist() == ["*20.00 ± 0.10", "*19.95 ± 0.01", "19.80", "needs weights"]
    assert table["KL, nats"].tolist() == ["1.0", "2.0", "3.0", "–"], "the KL term has no better side"
    assert table["SSIM ↑"].tolist() == ["not run"] * 4
    lower = terminal.headed(pd.DataFrame({"LPIPS-squeeze": ["0.300", "0.299"], "−ELBO": ["-5", "4"]}))
    assert lower["LPIPS-squeeze ↓"].tolist() == ["0.300", "*0.299"]
    assert lower["−ELBO, nats ↓"].tolist() == ["*-5", "4"]
    assert "\x1b[1m*20.00 ± 0.10\x1b[0m" in printed(table, 80)


def test_a_pipe_gets_whole_lines_without_colours_and_with_the_marks(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    said = call("table", "table5", "--data", "cifar10")
    assert "\x1b" not in said
    head, *rows = said.split("\n\n")[0].splitlines()
    assert "PSNR, dB ↑" in head and "KL, nats" in head and len(head) > 200
    last = "the linear model is the last row, and the best"
    assert len(rows) == 9 and re.search(r"\*20\.\d\d ± 0\.\d\d", rows[-1]), last
    assert terminal.LEGEND in said
    csv = call("table", "table5", "--data", "cifar10", "--format", "csv").splitlines()
    assert csv[0].startswith("method,seeds,PSNR (paper),PSNR,") and "*" not in "".join(csv), "programs read csv"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_on_a_real_terminal_it_takes_its_width():
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "blurvae.cli", "table", "table6"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:  # Linux's way to say that the other side is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    text = said.decode()
    assert "\x1b[1m*" in text
    assert 60 < max(map(len, plain(text).replace("\r", "").splitlines())) <= 72
