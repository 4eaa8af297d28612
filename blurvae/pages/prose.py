"""What a chapter's prose takes from its code: glued numbers, and the sentence with the chapter's run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
            f"This chapter ran in **{self.record['seconds']:.0f} s** on {self.record['device']}, "
            f"torch {torch}{changed}. {again}"
        )

    def __repr__(self) -> str:
        return self._repr_markdown_().replace("**", "").replace("`", "")


def run_time(slug: str) -> RunTime:
    """The recorded run time of a chapter, as a sentence that Jupyter and the book display."""
    return RunTime(find(slug), recorded().get(find(slug), {}))
