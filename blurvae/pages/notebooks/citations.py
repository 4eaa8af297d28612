"""Citations as text, and the list of the works that are cited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _works(file: Path) -> Any:
    from pybtex.database import parse_file

    return parse_file(str(file), bib_format="bibtex")


@cache
def _style() -> tuple[Any, Any]:
    from pybtex.plugin import find_plugin

    return find_plugin("pybtex.style.formatting", "plain")(), find_plugin("pybtex.backends", "markdown")()


def _name(person: Any) -> str:
    from pybtex.richtext import Text

    return str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names])))


def _authors(work: Any) -> str:
    names = [_name(person) for person in work.persons.get("author") or work.persons.get("editor") or ()]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names) or str(work.fields.get("title", ""))


def cite(role: str, keys: Iterable[str], file: Path) -> str:
    """A citation as text: "Bredell et al. [2023]" for the role `cite:t`, "[Bredell et al., 2023]" for others.

    Args:
        role: name of the role.
        keys: keys of the works.
        file: the BibTeX file.

    Raises:
        ValueError: the file has no such work.
    """
    works = _works(file).entries
    keys = [key.strip() for key in keys]
    for key in keys:
        if key not in works:
            raise ValueError(f"{file.name} has no work {key!r}")
    said = sorted((_authors(works[key]), works[key].fields.get("year", "")) for key in keys)
    if role.endswith(":t"):
        return ", ".join(f"{authors} [{year}]" for authors, year in said)
    return f"[{', '.join(f'{authors}, {year}' for authors, year in said)}]"


def references(keys: Iterable[str], file: Path) -> str:
    """The works as a list of Markdown, by author."""
    style, backend = _style()
    listed = style.format_bibliography(_works(file), sorted(set(keys)))
    texts = [" ".join(one.text.render(backend).split()) for one in listed]
    # The backend escapes every mark that could mean something anywhere in Markdown, and the inside of formulas.
    texts = [re.sub(r"\\([-.(){}!+#])|\$(&lt;|&gt;)\$", r"\1\2", text) for text in texts]
    return "\n".join(f"- {text}" for text in texts)
