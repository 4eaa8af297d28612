"""The parameters of a chapter: what its cell declares, and values that are refused unless they fit.

papermill itself accepts unknown names in silence.
"""

from __future__ import annotations

import ast
import re
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blurvae.pages.notebooks.chapters import find, read

_TYPES = {"str": str, "int": int, "float": float, "bool": bool}


def declared(slug: str) -> dict[str, tuple[type, Any]]:
    """Names, types and defaults that a chapter's `parameters` cell declares, such as `tier: str = "smoke"`.

    Raises:
        ValueError: the cell holds something else than annotated constants.
    """
    cells = [c for c in read(slug).cells if "parameters" in c.metadata.get("tags", [])]
    found: dict[str, tuple[type, Any]] = {}
    refused = ValueError(f"the parameters cell of {slug} may hold only lines such as `seed: int = 0`")
    try:
        for statement in ast.parse(cells[0].source).body if cells else []:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=value) if (
                    kind in _TYPES and value is not None
                ):
                    found[name] = (_TYPES[kind], ast.literal_eval(value))
                case _:
                    raise refused
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise refused from None
    if not all(_fits(kind, default) for kind, default in found.values()):
        raise refused
    return found


def _fits(kind: type, value: Any) -> bool:
    return type(value) is kind or (kind is float and type(value) is int)


def check(slug: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters, refused unless the chapter declares them with that type.

    Args:
        slug: the chapter.
        given: values by name; an int passes for a float, and nothing else is converted.

    Raises:
        ValueError: an unknown name or a wrong type; the message lists what is allowed.
    """
    known = declared(slug)
    allowed = ", ".join(f"{name}: {kind.__name__}" for name, (kind, _) in known.items()) or "none"
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"chapter {find(slug)} has no parameter {name!r}; it takes {allowed}")
        kind = known[name][0]
        if not _fits(kind, value):
            raise ValueError(
                f"parameter {name!r} of chapter {find(slug)} must be {kind.__name__}, "
                f"not {reprlib.repr(value)}; it takes {allowed}"
            )
    return dict(given)


def parse(slug: str, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters from the text of a command line, converted to the declared types and checked.

    Paths become absolute, since a chapter runs in another folder than the one that they are seen from here.

    Raises:
        ValueError: an unknown name, or text that does not read as the declared type.
    """
    known = declared(slug)
    values: dict[str, Any] = {}
    for name, text in pairs:
        kind = known[name][0] if name in known else str
        try:
            values[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (ValueError, KeyError):
            values[name] = text  # refused below, with the list of what is allowed
        if name == "results" and text:
            values[name] = str(Path(text).expanduser().absolute())
        elif name == "data" and (by_path := re.match("(folder|idx|pack):(.+)", text)):
            values[name] = f"{by_path[1]}:{Path(by_path[2]).expanduser().absolute()}"
    return check(slug, values)
