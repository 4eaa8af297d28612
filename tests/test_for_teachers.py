"""The page "For teachers": its script makes chapters without solutions."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from blurvae.pages.notebooks import build

PAGE = Path(__file__).resolve().parent.parent / "book" / "for-teachers.md"


def test_the_script_removes_every_solution_and_nothing_else(tmp_path, monkeypatch):
    page = PAGE.read_text(encoding="utf-8")
    script = re.search(r"<<'EOF'\n(.*?)^EOF$", page, re.MULTILINE | re.DOTALL)
    assert script is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "build_html", lambda source, out: out)  # the build has a test of its own
    exec(compile(script[1], PAGE.name, "exec"), {})
    made = sorted((tmp_path / "_build/students/src/notebooks").iterdir())
    originals = sorted(PAGE.parent.parent.glob("notebooks/*.ipynb"))
    assert [file.name for file in made] == [file.name for file in originals]
    for file, original in zip(made, originals):
        text = "\n".join(cell.source for cell in nbformat.read(file, as_version=4).cells)
        whole = "\n".join(cell.source for cell in nbformat.read(original, as_version=4).cells)
        left = re.sub(r":::\{solution-start\}.*?:::\{solution-end\}\n:::", "", whole, flags=re.DOTALL)
        assert re.sub(r"\s+", " ", text).strip() == re.sub(r"\s+", " ", left).strip()
        assert "solution-" not in text and text.count(":::{exercise-start}") == whole.count(":::{exercise-start}")
