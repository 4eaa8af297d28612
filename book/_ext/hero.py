"""Sphinx extension: the picture of the front page, a slider where scripts run and four of its stops where none do."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from blurvae.pages.figures.hero import COUNTS, SHOWN

_ALT = (
    "A cat's eye, each time sharp and in another place, and below it the average of 1, 4, 64 and 4096 such pictures, "
    "which is sharp at first and at last a soft blur."
)


class Hero(SphinxDirective):
    """`{hero}`: its content is the caption."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Render picture, caption and the script that makes the picture move, in this order."""
        stops = "".join(
            f'<span class="hero-stop" style="--stop: {COUNTS.index(n)}"><i class="hero-one"></i>'
            f'<i class="hero-mean"></i><span>N = {n}</span></span>'
            for n in SHOWN
        )
        static = "../" * self.env.docname.count("/") + "_static"
        caption = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, caption)
        return [
            nodes.raw(
                "",
                f'<figure class="hero" data-counts="{",".join(map(str, COUNTS))}">'
                f'<div class="hero-still" role="img" aria-label="{_ALT}">{stops}</div><figcaption>',
                format="html",
            ),
            *caption.children,
            nodes.raw("", f'</figcaption><script src="{static}/hero.js"></script></figure>', format="html"),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("hero", Hero)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
