"""The inside of a MyST paragraph as Markdown of any viewer: roles resolved, macros expanded, links that lead there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from blurvae.pages.notebooks import citations
from blurvae.pages.notebooks.address import Address
from blurvae.pages.notebooks.labels import Book, Label
from blurvae.pages.notebooks.tex import expand

_TOKENS = re.compile(
    r"""
    (?P<fence>^[ \t]*(?P<f>`{3,}|~{3,}).*?^[ \t]*(?P=f)[`~]*[ \t]*$)
    |(?P<target>^\([^)\s]+\)=[ \t]*\n?)
    |(?P<comment>^%[^\n]*\n?)
    |(?P<heading>^\#{1,2}(?=[ ]))
    |\{(?P<role>[a-z]+(?::[a-z]+)?)\}(?P<r>`+)(?P<said>.+?)(?P=r)
    |(?P<code>(?<!`)(?P<c>`+)(?!`).+?(?<!`)(?P=c)(?!`))
    |\$\$(?P<display>.+?)\$\$(?:[ \t]*\((?P<label>[\w:-]+)\))?
    |(?<![\\$])\$(?P<formula>[^\s$](?:[^$]*[^\s$\\])?)\$
    |(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<to>[^)\s]+)\)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


@dataclass
class Page:
    """A page that is being written, with what its text refers to.

    Attributes:
        name: the page, as in `_toc.yml` without suffix.
        source: folder of the book's sources.
        book: numbers, titles and glued values.
        macros: TeX macros by name.
        address: where repository and pages are published.
        sections: how many sections were begun.
        cited: keys of the works cited so far.
        pictures: files of pictures shown so far, by the name of their attachment.
    """

    name: str
    source: Path
    book: Book
    macros: Mapping[str, Any]
    address: Address
    sections: int = 0
    cited: set[str] = field(default_factory=set)
    pictures: dict[str, Path] = field(default_factory=dict)

    @property
    def works(self) -> Path:
        """The BibTeX file."""
        return self.source / "book" / "references.bib"


def inline(text: str, page: Page) -> str:
    """Markdown without directives, as Markdown that any viewer of notebooks understands.

    Raises:
        ValueError: a role that is not known here, or a label, work, value or formula that is not there or not whole.
    """
    return _TOKENS.sub(lambda found: _token(found, page), text)


def formula(tex: str, page: Page, label: str = "") -> str:
    """A displayed formula on one line, since a line of a quotation would begin with a mark, with its number."""
    tag = f" \\tag{{{page.book.find(label).number}}}" if label else ""
    return f"$${' '.join(expand(tex, page.macros).split())}{tag}$$"


def _token(found: re.Match[str], page: Page) -> str:
    if found["fence"] or found["code"]:
        return found[0]
    if found["target"] or found["comment"]:
        return ""
    if found["heading"]:
        return f"{found[0]}{_section(found[0], page)}"
    if found["role"]:
        return _role(found["role"], " ".join(found["said"].split()), page)
    if found["display"]:
        return formula(found["display"], page, found["label"] or "")
    if found["formula"]:
        return f"${' '.join(expand(found['formula'], page.macros).split())}$"
    return _link(found["text"], found["to"], bool(found["image"]), page)


def _section(marks: str, page: Page) -> str:
    chapter = page.book.numbers.get(page.name, "")
    page.sections += marks == "##"
    return f" {chapter}.{page.sections}." if chapter and marks == "##" else f" {chapter}." if chapter else ""


def _role(name: str, said: str, page: Page) -> str:
    if name not in _ROLES:
        raise ValueError(f"{page.name}: a plain notebook knows no role {{{name}}}: add it to _ROLES of {__name__}")
    return _ROLES[name](name, said, page)


def _named(said: str) -> tuple[str, str]:
    """The label and the reader's own text of a role, which says `label` or `text <label>`."""
    found = re.fullmatch(r"(.*\S)\s*<(.+)>", said, re.DOTALL)
    return (found[2], found[1]) if found else (said, "")


def _reference(name: str, said: str, page: Page) -> str:
    key, own = _named(said)
    label = page.book.find(key)
    number = f"({label.number})" if name == "eq" else f"{label.name} {label.number}".strip()
    own = own.replace("%s", label.number).replace("{number}", label.number).replace("{name}", label.title)
    return _to_page(own or (number if label.number else inline(label.title, page)), label, page)


def _to_page(text: str, label: Label, page: Page) -> str:
    elsewhere = label.page.startswith("notebooks/") and label.page != page.name
    return f"[{text}]({PurePosixPath(label.page).name}.ipynb)" if elsewhere else text


def _document(name: str, said: str, page: Page) -> str:
    key, own = _named(said)
    return _link(own, f"{key}.md", False, page)


def _citation(name: str, said: str, page: Page) -> str:
    keys = [key.strip() for key in said.split(",")]
    page.cited.update(keys)
    return citations.cite(name, keys, page.works)


def _glued(name: str, said: str, page: Page) -> str:
    key, _, form = said.rpartition("::")[2].partition(":")
    text = page.book.value(key)
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    return format(value, form) if form else str(value)


def _as_html(tag: str) -> Callable[[str, str, Page], str]:
    return lambda name, said, page: f"<{tag}>{said}</{tag}>"


_ROLES: dict[str, Callable[[str, str, Page], str]] = {
    **dict.fromkeys(("eq", "ref", "numref", "prf:ref"), _reference),
    **dict.fromkeys(("cite", "cite:t", "cite:p", "cite:ts", "cite:ps"), _citation),
    **dict.fromkeys(("glue", "glue:text"), _glued),
    "doc": _document,
    "term": lambda name, said, page: inline(_named(said)[1] or said, page),
    "abbr": lambda name, said, page: said.partition("(")[0].strip(),
    "math": lambda name, said, page: f"${expand(said, page.macros)}$",
    "sub": _as_html("sub"),
    "sup": _as_html("sup"),
    "kbd": _as_html("kbd"),
}


def _link(text: str, to: str, image: bool, page: Page) -> str:
    """A link, or its text alone where nothing that a reader of the notebook can open is known."""
    target, _, anchor = to.partition("#")
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return f"{'!' * image}[{inline(text, page)}]({to})"
    file = _inside(PurePosixPath(page.name).parent / target) if target else page.name
    if image:
        name = PurePosixPath(file).name
        page.pictures[name] = page.source / file
        return f"![{text}](attachment:{name})"
    name = re.sub(r"\.(md|ipynb)$", "", file)
    shown = inline(text or page.book.titles.get(name, "") or page.book.find(anchor).title, page)
    if not target:
        return shown
    if name.startswith("notebooks/"):
        return f"[{shown}]({PurePosixPath(name).name}.ipynb)"
    if name in page.book.titles:
        address = page.address.page(name, anchor)
    else:
        address = page.address.file(file)
    return f"[{shown}]({address})" if address else shown


def _inside(path: PurePosixPath) -> str:
    """A path without its steps back, as seen from the book's folder."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
