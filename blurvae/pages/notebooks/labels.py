"""What the pages refer to, found without a build: numbers of equations, figures and theorems, titles, glued values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurvae.pages.notebooks.directives import split

GLUED = "application/papermill.record/text/plain"
_EQUATION = re.compile(r"^[ \t]*(?:`{3,}|~{3,})|\$\$[ \t]*\((?P<label>[\w:-]+)\)", re.MULTILINE)
_SECTION = re.compile(r"^\((?P<label>[^)\s]+)\)=\s*\n+#+ +(?P<title>.+)$", re.MULTILINE)
_NAMES = {"figure": "Fig.", "table": "Table", "code-block": "Listing"}


@dataclass(frozen=True)
class Label:
    """What a label names.

    Attributes:
        page: the page that holds it, as in `_toc.yml` without suffix.
        name: what it is, such as "Theorem"; empty for a section and an equation.
        number: its number in the book; empty for a section.
        title: its title as MyST; may be empty.
    """

    page: str
    name: str = ""
    number: str = ""
    title: str = ""


@dataclass(frozen=True)
class Book:
    """What the pages of a book refer to.

    Attributes:
        titles: title of each page, in the order of the book.
        numbers: number of each numbered chapter.
        labels: what each label names.
        glued: text of each glued value, by its name.
        whole: whether every page is there; a draft shows a label that it lacks by its name.
    """

    titles: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    glued: dict[str, str] = field(default_factory=dict)
    whole: bool = True

    def find(self, label: str) -> Label:
        """What a label names.

        Raises:
            ValueError: no page of the whole book has it.
        """
        if label not in self.labels and self.whole:
            raise ValueError(f"no page has the label {label!r}")
        return self.labels.get(label, Label("", title=label))

    def value(self, name: str) -> str:
        """The text of a glued value.

        Raises:
            ValueError: no stored output has it.
        """
        if name not in self.glued:
            raise ValueError(f"no stored output glues {name!r}: `python -m blurvae.pages update` stores them")
        return self.glued[name]


def read_book(source: Path, *, whole: bool = True) -> Book:
    """Read what the pages below a folder refer to; numbers follow Sphinx's rules.

    Args:
        source: the checkout, or a copy made by `copy_sources`.
        whole: whether a label that no page has is an error.
    """
    import yaml

    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    book, counts = Book(whole=whole), Counter[tuple[str, str]]()
    pages = [(toc["root"], False)]
    pages += [(page["file"], bool(part.get("numbered"))) for part in toc["parts"] for page in part["chapters"]]
    for file, numbered in pages:
        page = file.removesuffix(".ipynb")
        chapter = str(len(book.numbers) + 1) if numbered else ""
        if numbered:
            book.numbers[page] = chapter
        content = cells(source, page)
        book.glued.update(glued(content))
        for cell in content:
            text = cell["source"] if cell["cell_type"] == "markdown" else ""
            if page not in book.titles and (heading := re.search(r"^# +(.+)$", text, re.MULTILINE)):
                book.titles[page] = heading[1]
            for label, name, title in [*_labelled(text), *_pictured(cell)]:
                number = ""
                if name is not None:
                    counts[name, chapter] += 1
                    number = f"{chapter}.{counts[name, chapter]}".removeprefix(".")
                book.labels[label] = Label(page, name or "", number, title)
    return book


def glued(cells: Iterable[Any]) -> dict[str, str]:
    """The text of each value that the outputs of cells glue, by its name."""
    outputs = [output for cell in cells for output in cell.get("outputs", []) if GLUED in output.get("data", {})]
    return {output["metadata"]["scrapbook"]["name"]: output["data"][GLUED] for output in outputs}


def cells(source: Path, page: str) -> list[Any]:
    """The cells of a page: those of the notebook, or one for the text."""
    import nbformat

    file = source / f"{page}.ipynb"
    if file.exists():
        return list(nbformat.read(file, as_version=4).cells)
    return [{"cell_type": "markdown", "source": (source / f"{page}.md").read_text(encoding="utf-8")}]


def _pictured(cell: Any) -> Iterator[tuple[str, str, str]]:
    figure = cell.get("metadata", {}).get("mystnb", {}).get("figure", {})
    if figure.get("name"):
        yield figure["name"], "Fig.", figure.get("caption", "")


def _labelled(text: str) -> Iterator[tuple[str, str | None, str]]:
    """Label, name (None for what has no number) and title of all that a text labels, in order."""
    for piece in split(text):
        if isinstance(piece, str):
            yield from _in_markdown(piece)
            continue
        name = piece.name.removesuffix("-start")
        if name.startswith("prf:") and name != "prf:proof" and "nonumber" not in piece.options:
            yield piece.label, name.removeprefix("prf:").capitalize(), piece.argument
        elif name == "exercise" and "nonumber" not in piece.options:
            yield piece.label, "Exercise", piece.argument
        elif name == "math" and "label" in piece.options:
            yield piece.label, "", ""
        elif name in _NAMES and "name" in piece.options:
            yield piece.label, _NAMES[name], piece.argument
        if name not in ("math", "code-block", "code", "raw"):
            yield from _labelled(piece.body)


def _in_markdown(text: str) -> Iterator[tuple[str, str | None, str]]:
    code = False
    for found in _EQUATION.finditer(text):
        code ^= found["label"] is None
        if found["label"] and not code:
            yield found["label"], "", ""
    for found in _SECTION.finditer(text):
        yield found["label"], None, found["title"]
