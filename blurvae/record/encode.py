"""Frozen dataclasses as JSON and back, and their fields found by name and set from text."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from blurvae.losses import TERMS, Term
from blurvae.systems import SYSTEMS
from blurvae.train import System

NAMED: dict[type, Mapping[str, type]] = {Term: TERMS, System: SYSTEMS}  # kinds of which a record says the name
Path = tuple[str, ...]


def encode(value: Any) -> Any:
    """A record as JSON: one of a kind that has several says its name first."""
    if is_dataclass(value) and not isinstance(value, type):
        name = {"name": type(value).name} if _kinds(type(value)) else {}  # type: ignore[attr-defined]
        return name | {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    return [encode(v) for v in value] if isinstance(value, tuple | list) else value


def decode(kind: Any, value: Any) -> Any:
    """The reverse of `encode`; a field that is left out has its default.

    Args:
        kind: the annotation of what is expected, a dataclass or the base of several.
        value: JSON.

    Raises:
        ValueError: an unknown name or field, or a value of another type.
    """
    names = _kinds(kind)
    if names or is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no {kind.__name__}")
        value = dict(value)
        if names:
            name = value.pop("name", None)
            if not isinstance(name, str) or name not in names:
                raise ValueError(f"no {kind.__name__} is called {name!r}")
            kind = names[name]
        known = hints(kind)
        if unknown := value.keys() - known.keys():
            raise ValueError(f"{kind.__name__} has no {', '.join(sorted(map(str, unknown)))}")
        return kind(**{key: decode(known[key], v) for key, v in value.items()})
    for option in _options(kind):
        if option is None and value is None:
            return None
        if get_origin(option) is tuple and isinstance(value, list):
            return tuple(decode(get_args(option)[0], v) for v in value)
        if get_origin(option) is Literal and isinstance(value, str) and value in get_args(option):
            return value
        if option is float and type(value) in (int, float) and math.isfinite(value):
            return value
        if option in (int, bool, str) and type(value) is option:
            return value
    raise ValueError(f"{value!r} is no {kind}")


@cache
def hints(record: type) -> dict[str, Any]:
    """The fields of a record with their types."""
    return {f.name: get_type_hints(record)[f.name] for f in fields(record)}


def find(record: Any, key: str, fixed: tuple[str, ...] = ()) -> tuple[Path, Any]:
    """The field that a name means: its own name where that is unique, else with as many of the names before it.

    Args:
        record: the dataclass.
        key: a name such as "beta", "lr" or "system.term.C".
        fixed: fields of the record itself that cannot be meant.

    Returns:
        (names from the record down, type).

    Raises:
        ValueError: nothing or several things are called so; the message lists what there is.
    """
    known = [(path, kind) for path, kind in _leaves(record) if path[0] not in fixed]
    asked = tuple(key.split("."))
    found = [(path, kind) for path, kind in known if path[-len(asked) :] == asked]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(".".join(path) for path, _ in found)
        raise ValueError(f"{key!r} can be any of {names}: say more of its name.")
    last = [path[-1] for path, _ in known]
    names = ", ".join(path[-1] if last.count(path[-1]) == 1 else ".".join(path) for path, _ in known)
    raise ValueError(f"There is nothing to set called {key!r}: choose one of {names}.")


def put(record: Any, path: Path, value: Any) -> Any:
    """The record with another value at a path."""
    key, *rest = path
    return replace(record, **{key: put(getattr(record, key), tuple(rest), value) if rest else value})


def parse(kind: Any, key: str, text: str) -> Any:
    """A field's value from text, by its annotation.

    Raises:
        ValueError: text that is no value of its type; the message says what is.
    """
    what = []
    for option in _options(kind):
        if option is None:
            if text.lower() in ("none", ""):
                return None
            what.append("none")
            continue
        try:
            if get_origin(option) is tuple:
                what.append("whole numbers such as 16-32-64")
                return tuple(int(part) for part in text.split("," if "," in text else "-"))
            if get_origin(option) is Literal:
                what.append(" or ".join(get_args(option)))
                if text in get_args(option):
                    return text
            elif option is bool:
                what.append("true or false")
                return {"true": True, "false": False}[text.lower()]
            elif option in (int, float):
                what.append("a whole number" if option is int else "a number")
                return option(text)
            else:
                return text
        except (ValueError, KeyError):
            continue
    raise ValueError(f"{text!r} is not a value for {key}: it takes {' or '.join(what)}.")


def _kinds(kind: Any) -> Mapping[str, type] | None:
    """The names of all of a kind that has several."""
    kind = get_origin(kind) or kind
    return next((names for base, names in NAMED.items() if isinstance(kind, type) and issubclass(kind, base)), None)


def _options(kind: Any) -> list[Any]:
    """The alternatives of an annotation, None for NoneType and last."""
    union = get_origin(kind) in (Union, types.UnionType)
    options = [None if option is type(None) else option for option in (typing.get_args(kind) if union else (kind,))]
    return sorted(options, key=lambda option: option is None)


def _leaves(record: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, type) of every field that is not a record itself."""
    kind: Any
    for key, kind in hints(type(record)).items():  # type: ignore[arg-type]
        value = getattr(record, key)
        if is_dataclass(value):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), kind
