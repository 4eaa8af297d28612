"""What a chapter's prose takes from code: glued numbers, lines of the package, the sentence with its run time."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blurvae
from blurvae.pages.notebooks.chapters import find, recorded


def glue(name: str, value: Any, display: bool = False) -> None:
    """Store a number or text under a name for the book's prose; without MyST-NB (on Colab) show it instead.

    Args:
        name: name used by the glue roles of the page.
        value: a Python or NumPy number, or a string.
        display: show the value below the cell as well.
    """
    value = value.item() if hasattr(value, "item") else value
    try:
        from myst_nb import glue as store
    except ImportError:
        print(f"{name} = {value}")
        return
    store(name, value, display=display)


def power_of_ten(value: float, digits: int = 1) -> str:
    """A large or small number as prose has it, with its power of ten.

    Args:
        value: not zero.
        digits: after the point.

    >>> power_of_ten(45812984491), power_of_ten(1.3e-9, 0)
    ('4.6 · 10¹⁰', '1 · 10⁻⁹')
    """
    number, exponent = f"{value:.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{number.replace('-', '−')} · 10{raised}"


@dataclass(frozen=True)
class Excerpt:
    """Lines of the package's own source, shown as code below the name of their file.

    Attributes:
        file: where they stand, from the root of the checkout.
        lines: the code.
    """

    file: str
    lines: str

    def _repr_markdown_(self) -> str:
        return f"*{self.file}*\n\n```python\n{self.lines}\n```"

    def __repr__(self) -> str:
        return f"# {self.file}\n{self.lines}"


def excerpt(function: Callable[..., Any], first: str, last: str) -> Excerpt:
    """The lines of a function from the first that holds one text to the next that holds another.

    Args:
        function: of the package.
        first: a part of the first line.
        last: a part of the last line, which may be the same line.

    Raises:
        ValueError: the function has no such line: it has changed, and the page that shows it has to follow.
    """
    name = getattr(function, "__qualname__", repr(function))
    lines = inspect.getsource(function).splitlines()
    start = _line_with(first, lines, 0, name)
    stop = _line_with(last, lines, start, name)
    file = Path(inspect.getfile(function)).relative_to(Path(blurvae.__file__).parents[1])
    return Excerpt(file.as_posix(), textwrap.dedent("\n".join(lines[start : stop + 1])))


def _line_with(text: str, lines: list[str], start: int, name: str) -> int:
    for i in range(start, len(lines)):
        if text in lines[i]:
            return i
    raise ValueError(f"{name} has no line with {text!r}: look up what has become of it.")


@dataclass(frozen=True)
class RunTime:
    """The sentence at the head of a chapter that says how long it ran, on what and how to run it again.

    Attributes:
        slug: the chapter.
        record: its recorded run; empty when it was never run.
    """

    slug: str
    record: Mapping[str, Any]

    def _repr_markdown_(self) -> str:
        again = f"`blurvae notebook {self.slug}` runs it again."
        if not self.record:
            return f"The run time of this chapter has not been recorded yet. {again}"
        torch = self.record["versions"]["torch"]
        changed = "".join(f", `{k}={v!r}`" for k, v in self.record.get("parameters", {}).items() if k != "results")
        return (
            f"This chapter takes **{self.record['seconds']:.0f} s** of processor time on {self.record['device']}, "
            f"torch {torch}{changed}. {again}"
        )

    def __repr__(self) -> str:
        return self._repr_markdown_().replace("**", "").replace("`", "")


def run_time(slug: str) -> RunTime:
    """The recorded run time of a chapter, as a sentence that Jupyter and the book display."""
    return RunTime(find(slug), recorded().get(find(slug), {}))
