"""Sphinx extension: the API page, from docstrings written to be read as plain text; no script of another host."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_type_hints

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

_CODE = re.compile(r"(``.+?``|`[^`]+`)")
_HIDDEN = "\ue000"  # a character for private use, in no text
_FIELD = re.compile(r"^\s*(:[a-z]+\b[^:]*:|\.\. )")


class Api(SphinxDirective):
    """`{api}` with one module a line: their public members, through autodoc."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Render each module below its name."""
        lines = ["```{eval-rst}"]
        for module in map(str.strip, self.content):
            lines += [f".. rubric:: {module}", "", f".. automodule:: {module}", "   :members:", ""]
        container = nodes.container()
        self.state.nested_parse(StringList([*lines, "```"], source="api"), self.content_offset, container)
        return container.children


def _escape(text: str) -> str:
    """Escape what reStructuredText would read as markup: |H|², x*, name_."""
    text = re.sub(r"(?<!\\)([|*])", r"\\\1", text)
    return re.sub(r"(?<=[A-Za-z0-9])_(?![A-Za-z0-9_])", r"\\_", text)


def escape(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape a docstring's prose; code, field names, directives and doctests stay as they are."""
    doctest = False
    for i, line in enumerate(lines):
        line = line.replace(_HIDDEN, ":")
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        if doctest or line.lstrip().startswith(".. "):
            continue
        # The attributes of a dataclass are what its constructor takes.
        line = line.replace(":ivar ", ":param ", 1).replace(":vartype ", ":type ", 1)
        field = _FIELD.match(line)
        head, rest = (line[: field.end()], line[field.end() :]) if field else ("", line)
        parts = _CODE.split(rest)
        # Every second part is code: single backquotes become literals, as in Markdown.
        parts = [_escape(p) if j % 2 == 0 else f"``{p.strip('`')}``" for j, p in enumerate(parts)]
        lines[i] = head + "".join(parts)


def hide_colons(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Hide a constant's colons from napoleon, which takes the words before one for a type; `escape` shows them."""
    if what in ("data", "attribute", "property"):
        lines[:1] = [line.replace(":", _HIDDEN) for line in lines[:1]]


def qualify(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str, None] | None:
    """Write a named tuple's signature with types that know their modules: several modules have a `Discriminator`.

    autodoc looks their annotations up in the module that `collections` makes for the tuple, where they are unknown.
    """
    if what != "class" or not hasattr(obj, "_field_defaults"):
        return None
    types, plain = get_type_hints(obj), inspect.signature(obj)
    fields = [field.replace(annotation=types[field.name]) for field in plain.parameters.values()]
    qualified = plain.replace(parameters=fields, return_annotation=inspect.Signature.empty)
    return stringify_signature(qualified, unqualified_typehints=True), None


def offline(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop Thebe's scripts: Jupyter Book adds them even when Thebe is off, and they name another host."""
    context["script_files"] = [
        file for file in context.get("script_files", []) if "thebe" not in (str(file) + str(vars(file))).lower()
    ]


def setup(app: Any) -> dict[str, bool]:
    """Connect everything; napoleon (priority 500) has turned Google sections into fields before `escape` runs."""
    app.add_directive("api", Api)
    app.connect("autodoc-process-docstring", hide_colons, priority=400)
    app.connect("autodoc-process-docstring", escape, priority=600)
    app.connect("autodoc-process-signature", qualify)
    app.connect("html-page-context", offline, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
