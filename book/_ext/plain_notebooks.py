"""Sphinx extension: the chapters' plain notebooks beside the pages, and the buttons that download or start them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from blurvae.pages.notebooks import address, plain

_address = cache(address.read)


def _buttons(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let a chapter's download be its plain notebook, which Binder and Colab open where the address is set."""
    folder, _, slug = pagename.rpartition("/")
    if folder != "notebooks":
        return
    for group in context["header_buttons"]:
        for button in group.get("buttons", ()):
            if button.get("label") == "download-source-button":
                button["url"] = context["pathto"](f"plain/{slug}.ipynb", 1)
                button["tooltip"] = "Download this chapter as a notebook"
    published = _address(Path(app.srcdir))
    services = (
        ("Binder", published.binder(slug), "logo_binder.svg"),
        ("Colab", published.colab(slug), "logo_colab.png"),
    )
    buttons = [
        {"type": "link", "text": name, "tooltip": f"Run this chapter on {name}", "icon": f"_static/images/{logo}"}
        | {"url": url}
        for name, url, logo in services
        if url
    ]
    if buttons:
        group = {"type": "group", "tooltip": "Run this chapter", "icon": "fas fa-rocket", "label": "launch-buttons"}
        context["header_buttons"].insert(0, group | {"buttons": buttons})


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        # Of a label that no page has the build has warned.
        plain.write(Path(app.outdir) / "plain", source=Path(app.srcdir), whole=False)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the theme's buttons, which are there once its own functions (priority 501) have run."""
    app.connect("html-page-context", _buttons, priority=900)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
