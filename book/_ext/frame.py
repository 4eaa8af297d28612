"""Sphinx extension: what frames every page, its description for search engines and shared links, and the footer."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from blurvae import __version__, paths

PICTURE = "_static/hero.png"
LENGTH = 160  # characters, about what a search engine shows
UNNUMBERED = ("Exercises", "References")


def _words(node: nodes.Node) -> str:
    """The text of a node as one line, without formulas' markup and without notes."""
    if isinstance(node, nodes.math):
        return node.astext().replace("\\", "").replace("{", "").replace("}", "")
    if isinstance(node, nodes.Text):
        return str(node.astext())
    return "".join(map(_words, node.children))


def description(doctree: nodes.document | None) -> str:
    """The first paragraph of a page, cut at a word; empty where a page has none."""
    if doctree is None:
        return ""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.document) and len(_words(paragraph)) > 20:
            text = " ".join(_words(paragraph).split())
            return text if len(text) <= LENGTH else text[: LENGTH - 1].rsplit(" ", 1)[0].rstrip(",;:–") + "…"
    return ""


def head(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put description and preview into the head of a page; the front page bears the title of the book once."""
    if page == app.config.root_doc:
        context["docstitle"] = ""
    # An address is absolute for those who share the page, relative where it is not published.
    site = app.config.html_baseurl.rstrip("/")
    picture = f"{site}/{PICTURE}" if site else context["pathto"](PICTURE, 1)
    says = description(doctree) or app.config.html_title
    tags = {
        'name="description"': says,
        'property="og:type"': "website",
        'property="og:site_name"': app.config.html_title,
        'property="og:title"': _plain(context.get("title", "")) or app.config.html_title,
        'property="og:description"': says,
        'property="og:image"': picture,
        'property="og:image:alt"': "A cat's eye at four places, and the averages of 1, 4, 64 and 4096 such pictures.",
        'name="twitter:card"': "summary_large_image",
    }
    context["metatags"] = "\n".join(f'    <meta {key} content="{escape(text)}">' for key, text in tags.items())


def _plain(html: str) -> str:
    """A title as Sphinx hands it to its templates, without markup."""
    from bs4 import BeautifulSoup

    return BeautifulSoup(html, "html.parser").get_text()


def footer(app: Sphinx, config: Any) -> None:
    """Name the version, and the day of the newest chapter: equal sources give equal pages, whenever they are built."""
    records = json.loads((paths.results() / "chapters.json").read_text(encoding="utf-8"))
    newest = max(record["date"] for record in records.values())
    config.html_theme_options["extra_footer"] = f"<p>blurvae {__version__}, chapters last executed on {newest}.</p>"


def unnumber(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Take the numbers of sections off exercises and references, which stand last in every chapter."""
    for page, numbers in env.toc_secnumbers.items():
        for entry in env.tocs[page].findall(nodes.reference):
            if entry.astext() in UNNUMBERED and entry.get("secnumber"):
                del entry["secnumber"]
                numbers[entry["anchorname"]] = ()  # a missing one would read as that of the chapter
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("config-inited", footer)
    app.connect("env-get-updated", unnumber, priority=900)  # after Sphinx has given the numbers
    app.connect("html-page-context", head)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
