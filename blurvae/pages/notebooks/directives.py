"""The directives of a MyST text: fenced blocks with a name, options and a body, found without a build."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_FENCE = re.compile(r"^(?P<indent>\s*)(?P<fence>`{3,}|~{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\}(?P<argument>.*)|.*)$")
_OPTION = re.compile(r"^\s*:(?P<name>[\w-]+):(?P<value>.*)$")


@dataclass(frozen=True)
class Directive:
    """A directive of MyST.

    Attributes:
        name: its name, such as "prf:theorem".
        argument: what stands behind the name.
        options: its options by name.
        body: what stands between the fences.
        indent: white space before its fence, as in the item of a list.
    """

    name: str
    argument: str
    options: Mapping[str, Any]
    body: str
    indent: str

    @property
    def label(self) -> str:
        """The label by which the text refers to it; its title where it has none."""
        return str(self.options.get("label") or self.options.get("name") or self.argument)


def split(text: str) -> Iterator[str | Directive]:
    """The pieces of a MyST text in order: Markdown, blocks of code included, and directives."""
    lines, plain, i = text.split("\n"), [""][:0], 0
    while i < len(lines):
        found = _FENCE.match(lines[i])
        if found is None or (found["name"] is None and found["fence"][0] == ":"):
            plain.append(lines[i])
            i += 1
            continue
        end = next((j for j in range(i + 1, len(lines)) if _closes(lines[j], found["fence"])), len(lines))
        if found["name"] is None:
            plain += lines[i : end + 1]
        else:
            if plain:
                yield "\n".join(plain)
                plain = []
            yield _directive(found, lines[i + 1 : end])
        i = end + 1
    if plain:
        yield "\n".join(plain)


def _closes(line: str, fence: str) -> bool:
    line = line.strip()
    return len(line) >= len(fence) and set(line) == {fence[0]}


def _directive(opened: re.Match[str], lines: list[str]) -> Directive:
    import yaml

    lines = [line.removeprefix(opened["indent"]) for line in lines]
    options: dict[str, Any] = {}
    if lines and lines[0].strip() == "---" and "---" in lines[1:]:
        end = lines.index("---", 1)
        options = yaml.safe_load("\n".join(lines[1:end])) or {}
        lines = lines[end + 1 :]
    while lines and (option := _OPTION.match(lines[0])):
        options[option["name"]] = option["value"].strip()
        lines = lines[1:]
    body = "\n".join(lines).strip("\n")
    return Directive(opened["name"], opened["argument"].strip(), options, body, opened["indent"])
