"""Sphinx extension: the tables of the claims page, computed when the pages are built, and the list of claims."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from blurvae import claims
from blurvae.experiments import SOURCES, linear
from blurvae.pages.claims import details, table

_found = cache(lambda source: claims.find_all(source=source))  # both tables of a build show the same


def _numbers() -> list[str]:
    """Every claim as an entry of a glossary, so that {term}`B2` leads to what it says."""
    entries = [line for claim in claims.load() for line in (claim.name, f"  {claim.says} ({claim.where})", "")]
    return ["```{glossary}", *entries, "```"]


class Claims(SphinxDirective):
    """One part of a claims page.

    `{claims} verdicts bredell` and `{claims} evidence bredell` show the claims of a source document, `{claims} deficit`
    how far networks are from the linear model, `{claims} numbers` what each claim says.
    """

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Render the part as if it stood in the page."""
        topic, source = self.arguments[0], self.arguments[1] if len(self.arguments) > 1 else ""
        parts: dict[str, Callable[[], list[str]]] = {
            "verdicts": lambda: table(_found(source), self._link),
            "evidence": lambda: details(_found(source), self._link),
            "deficit": linear.table,
            "numbers": _numbers,
        }
        if topic not in parts:
            raise self.error(f"claims knows {', '.join(parts)}, not {topic!r}")
        if (topic in ("verdicts", "evidence")) != (source in SOURCES):
            raise self.error(f"claims {topic} takes a source document, one of {', '.join(SOURCES)}, not {source!r}")
        lines = parts[topic]()
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="claims"), self.content_offset, container)
        return container.children

    def _link(self, number: str) -> str:
        """A link to the chapter, its bare name where the book does not have it yet."""
        name = f"chapter {number.lstrip('0')}"
        file = next((Path(self.env.srcdir) / "notebooks").glob(f"{number}-*.ipynb"), None)
        return f"[{name}](../notebooks/{file.name})" if file else name


def setup(app: Any) -> dict[str, bool]:
    """Register the directive; the claims page is read anew in every build."""
    app.add_directive("claims", Claims)
    app.connect("env-get-outdated", lambda *_: ["book/claims", "book/claims-of-others"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
