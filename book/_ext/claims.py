"""Sphinx extension: the matrix, the sections and the words of the claims pages, computed when the pages are built."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective, SphinxRole

from blurvae import claims
from blurvae.experiments import SOURCES, linear
from blurvae.pages.claims import anchor, forest, matrix, sections, tally

_found = cache(lambda source: claims.find_all(source=source))  # all parts of a build show the same
_GAMES = ("tempered", "enhancenet", "frvsr")
PAGES = {source: f"book/claims-of-{'adversaries' if source in _GAMES else 'others'}" for source in SOURCES}
PAGES |= {"bredell": "book/claims"}


def _numbers() -> list[str]:
    """Every claim as an entry of a glossary, so that {term}`B2` leads to what it says."""
    entries = [line for claim in claims.load() for line in (claim.name, f"  {claim.says} ({claim.where})", "")]
    return ["```{glossary}", *entries, "```"]


def _source(claim: str) -> str:
    """The document of a claim, by its prefix: the longest that fits."""
    return max((s for s, prefix in SOURCES.items() if claim.startswith(prefix)), key=lambda s: len(SOURCES[s]))


def _one(name: str) -> tuple[claims.Claim, tuple[claims.Finding, ...]]:
    return next((claim, made) for claim, made in _found(_source(name)).items() if claim.name == name)


class Claims(SphinxDirective):
    """One part of a claims page.

    `{claims} matrix bredell` and `{claims} sections bredell` show the claims of a source document, the matrix with
    `:small:` as it fits another page, `{claims} forest B13` a plot alone, `{claims} deficit` how far networks are from
    the linear model, `{claims} numbers` what each claim says.
    """

    required_arguments = 1
    optional_arguments = 1
    option_spec: ClassVar = {"small": lambda text: True}

    def run(self) -> list[nodes.Node]:
        """Render the part as if it stood in the page."""
        topic, name = self.arguments[0], self.arguments[1] if len(self.arguments) > 1 else ""
        parts: dict[str, Callable[[], list[str]]] = {
            "matrix": lambda: [matrix(_found(name), self._page(name), small="small" in self.options)],
            "sections": lambda: sections(_found(name), self._link),
            "forest": lambda: [forest(*_one(name))],
            "deficit": linear.table,
            "numbers": _numbers,
        }
        if topic not in parts:
            raise self.error(f"claims knows {', '.join(parts)}, not {topic!r}")
        if topic in ("matrix", "sections") and name not in SOURCES:
            raise self.error(f"claims {topic} takes a source document, one of {', '.join(SOURCES)}, not {name!r}")
        container = nodes.container()
        self.state.nested_parse(StringList(parts[topic](), source="claims"), self.content_offset, container)
        return container.children

    def _page(self, source: str) -> str:
        """The address of the page with a document's claims, empty on that page itself."""
        return "" if self.env.docname == PAGES[source] else _address(self.env, source)

    def _link(self, number: str) -> str:
        """A link to the chapter, its bare name where the book does not have it yet."""
        name = f"chapter {number.lstrip('0')}"
        file = next((Path(self.env.srcdir) / "notebooks").glob(f"{number}-*.ipynb"), None)
        return f"[{name}](../notebooks/{file.name})" if file else name


class Verdict(SphinxRole):
    """What a sentence says of a claim: {verdict}`B2`, such as "holds"; {verdict}`B2 on brain` of its data.

    "Is undecided" is followed by how many comparisons are for the claim, against it and open.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The words, as a link to the claim's section."""
        name, _, data = self.text.partition(" on ")
        try:
            claim, made = _one(name)
        except (StopIteration, ValueError):
            problem = self.inliner.reporter.error(f"there is no claim {name!r}", line=self.lineno)
            return [], [problem]
        own = [f for f in made if data in ("", f.evidence.data)]
        address = f"{_address(self.env, _source(name))}#{anchor(claim)}"
        word = claims.verdict(own)
        link = nodes.reference("", "", nodes.strong("", claims.predicate(word)), refuri=address)
        counted = [nodes.Text(f" ({tally(own)})")] if word == claims.UNDECIDED else []
        return [nodes.inline("", "", link, *counted, classes=["verdict-words"])], []


def _address(env: Any, source: str) -> str:
    address: str = env.app.builder.get_relative_uri(env.docname, PAGES[source])
    return address


def setup(app: Any) -> dict[str, bool]:
    """Register the directive and the role; the pages that have them are read anew in every build."""
    app.add_directive("claims", Claims)
    app.add_role("verdict", Verdict())
    app.connect("env-get-outdated", lambda *_: ["book/index", *PAGES.values()])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
