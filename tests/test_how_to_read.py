"""The page "How to read": what it tells a newcomer to type exists, and fits a terminal."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from typer.main import get_command

from blurvae import paths
from blurvae.cli import app

PAGE = (paths.root() / "book" / "how-to-read.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if not line.startswith("#")]
COMMANDS = [shlex.split(line, comments=True) for line in LINES]


def test_the_first_commands_lead_from_an_empty_folder_to_an_open_chapter():
    assert [command[:2] for command in COMMANDS[:2]] == [["make", "setup"], ["make", "lab"]]
    before = PAGE[: PAGE.index("make setup")]
    assert "% clone\nIn the folder that you cloned or unpacked:" in before and "wsl --install" in before
    for said in ("Python 3.11 to 3.13", "8 GB of disk"):
        assert said in before


@pytest.mark.parametrize("line", LINES)
def test_a_command_fits_a_terminal_and_is_spelt_as_everywhere(line):
    assert len(line) <= 80
    assert re.match(r"make |\.venv/bin/|export ", line)


@pytest.mark.parametrize("target", sorted({command[1] for command in COMMANDS if command[0] == "make"}))
def test_make_has_what_the_page_names(target):
    done = subprocess.run(["make", "help"], cwd=paths.root(), capture_output=True, text=True, check=True)
    assert re.search(rf"^{target} +\S", done.stdout, re.MULTILINE)


def test_make_lab_opens_the_chapter_that_is_asked_for():
    asked = ["make", "-n", "--no-print-directory", "lab", "CHAPTER=04"]
    done = subprocess.run(asked, cwd=paths.root(), capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-2:]
    assert last[0].endswith("-m blurvae.pages plain") and last[1].endswith("jupyter lab _build/plain/04-*.ipynb")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == ".venv/bin/blurvae"], ids=" ".join)
def test_blurvae_has_the_commands_and_options_that_the_page_names(command):
    known = get_command(app)
    words = iter(command[1:])
    while (commands := getattr(known, "commands", None)) is not None:
        known = commands[next(words)]
    options = {option for parameter in known.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
