"""Sphinx extension: thumbnails of the chapters' figures, which show the very files that the chapters show."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

_log = logging.getLogger(__name__)


ROWS = 6  # of a grid of images, more than a thumbnail is high


class Shown(NamedTuple):
    """A figure of a chapter: where it stands, and its picture, or the rows of its grid."""

    page: str
    name: str
    pictures: list[nodes.image]


class Wanted(nodes.General, nodes.Element):
    """The place of one thumbnail, or of all of them; filled when every chapter has been read."""


class Thumbnail(SphinxDirective):
    """`{thumbnail} NAME`: the picture of one figure, for a card that is a link; `:rows:` chooses some of a grid."""

    required_arguments = 1
    option_spec: ClassVar = {"rows": lambda text: [int(number) for number in text.split()]}

    def run(self) -> list[nodes.Node]:
        """Keep the place."""
        return [Wanted(figure=self.arguments[0], rows=self.options.get("rows"))]


class Gallery(SphinxDirective):
    """`{gallery}`: the pictures of all figures, chapter by chapter, each a link to its place."""

    def run(self) -> list[nodes.Node]:
        """Keep the place."""
        return [Wanted(figure="")]


def _figures(env: BuildEnvironment) -> dict[str, Shown]:
    """Every named figure of the chapters by its name, in the order of the table of contents."""
    if not hasattr(env, "blurvae_figures"):
        pages = sorted(page for page in env.all_docs if page.startswith("notebooks/"))
        env.blurvae_figures = {
            name: Shown(page, name, pictures)
            for page in pages
            for figure in env.get_doctree(page).findall(nodes.figure)
            if (pictures := [image for image in figure.findall(nodes.image) if "narrow" not in image["classes"]])
            for name in figure["ids"][:1]
        }
    found: dict[str, Shown] = env.blurvae_figures
    return found


def _thumbnail(shown: Shown, rows: Iterable[int]) -> nodes.inline:
    box = nodes.inline(classes=["thumbnail"])
    for image in [shown.pictures[row - 1] for row in rows if row <= len(shown.pictures)]:
        uri, classes = image["uri"], image["classes"]
        box += nodes.image(uri=uri, candidates={"*": uri}, alt=image["alt"], classes=classes, loading="lazy")
    return box


def _gallery(app: Sphinx, page: str) -> list[nodes.Node]:
    filled: list[nodes.Node] = []
    for chapter, figures in groupby(_figures(app.env).values(), key=lambda shown: shown.page):
        number = ".".join(map(str, app.env.toc_secnumbers.get(chapter, {}).get("", ())))
        title = app.env.titles[chapter].astext()
        filled.append(nodes.rubric("", f"{number}. {title}" if number else title))
        box = nodes.container(classes=["gallery"])
        for shown in figures:
            numbers = app.env.toc_fignumbers.get(chapter, {}).get("figure", {}).get(shown.name, ())
            uri = f"{app.builder.get_relative_uri(page, chapter)}#{shown.name}"
            link = nodes.reference("", "", _thumbnail(shown, range(1, ROWS + 1)), refuri=uri, internal=True)
            link += nodes.inline("", f"Fig. {'.'.join(map(str, numbers))}")
            box += nodes.paragraph("", "", link)
        filled.append(box)
    return filled


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the pictures where they are wanted."""
    for wanted in list(doctree.findall(Wanted)):
        name = wanted["figure"]
        if not name:
            wanted.replace_self(_gallery(app, page))
        elif shown := _figures(app.env).get(name):
            wanted.replace_self(_thumbnail(shown, wanted["rows"] or range(1, ROWS + 1)))
        else:
            _log.warning("no chapter has a figure named %s", name, location=page)
            wanted.parent.remove(wanted)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_node(Wanted)
    app.add_directive("thumbnail", Thumbnail)
    app.add_directive("gallery", Gallery)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
