"""The page "For teachers": its commands make chapters without solutions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import nbformat

from blurvae import paths
from blurvae.pages import __main__ as pages

PAGE = Path(__file__).resolve().parent.parent / "book" / "for-teachers.md"


def _commands() -> list[list[str]]:
    lines = re.findall(
        r"^\.venv/bin/python -m blurvae\.pages (.*--without-solutions.*)$", PAGE.read_text("utf-8"), re.M
    )
    return [shlex.split(line) for line in lines]


def test_the_pages_lose_every_solution_and_nothing_else(tmp_path, monkeypatch):
    (command,) = [command for command in _commands() if command[0] == "html"]
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    monkeypatch.setattr(pages, "build_html", lambda source, out, strict: out)  # the build has a test of its own
    pages.main(command)
    folder = tmp_path / "students" / "src" / "notebooks"
    made = sorted(folder.glob("*.ipynb"))
    assert not list(folder.glob("*.md")), "the sources hold the solutions"
    originals = sorted(PAGE.parent.parent.glob("notebooks/*.ipynb"))
    assert [file.name for file in made] == [file.name for file in originals]
    for file, original in zip(made, originals):
        notebook = nbformat.read(file, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells)
        whole = "\n".join(cell.source for cell in nbformat.read(original, as_version=4).cells)
        left = re.sub(r":::\{solution-start\}.*?:::\{solution-end\}\n:::", "", whole, flags=re.DOTALL)
        assert text.replace("**Your answer**", "").split() == left.split()
        assert "solution-" not in text and text.count(":::{exercise-start}") == whole.count(":::{exercise-start}")
        assert text.count("**Your answer**") == whole.count(":::{solution-start}")


def test_the_notebooks_alone_are_written_for_the_chapters_named(tmp_path, monkeypatch, capsys):
    (command,) = [command for command in _commands() if command[0] == "plain"]
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    pages.main(command)
    made = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [file.name[:2] for file in made] == ["01", "02"]
    assert {file.parent for file in made} == {tmp_path / "students" / "plain"}
    for file in made:
        cells = nbformat.read(file, as_version=4).cells
        answers = [i for i, cell in enumerate(cells) if cell.source == "**Your answer**"]
        assert len(answers) == 3 and "Solution" not in "".join(cell.source for cell in cells)
        empty = [i for i in answers if i + 1 < len(cells) and cells[i + 1].cell_type == "code"]
        assert empty and not any(cells[i + 1].source for i in empty), "where the solution has code"
