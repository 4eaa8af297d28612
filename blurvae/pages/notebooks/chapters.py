"""The chapters on disk: pairs of a hand-written .md and an executed .ipynb, and the record of their runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from blurvae import paths


def slugs() -> tuple[str, ...]:
    """Slugs of all chapters on disk, in order."""
    return tuple(sorted(path.stem for path in paths.notebooks().glob("[0-9A][0-9]-*.md")))


def find(slug: str) -> str:
    """The full slug for a slug or its number ("09" finds "09-cifar10-and-natural").

    Raises:
        ValueError: no chapter, or more than one, begins so.
    """
    found = [s for s in slugs() if s == slug or s.startswith(f"{slug}-")]
    if len(found) != 1:
        raise ValueError(f"no chapter {slug!r}; chapters are: {', '.join(slugs())}")
    return found[0]


def source(slug: str) -> Path:
    """The chapter's hand-written .md file."""
    return paths.notebooks() / f"{find(slug)}.md"


def read(slug: str) -> Any:
    """The chapter's hand-written source as a notebook without outputs."""
    import jupytext

    return jupytext.read(source(slug), fmt="md:myst")


def source_hash(slug: str) -> str:
    """sha256 of a chapter's code cells: it says whether the stored outputs belong to the present source."""
    code = "\0".join(c.source for c in read(slug).cells if c.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()


def pairs_in_sync(slug: str) -> bool:
    """Whether the .md and the .ipynb of a chapter hold the same cells (type, source, tags and figure options)."""
    import nbformat

    def cells(notebook: Any) -> list[tuple[str, str, str]]:
        kept = ("tags", "mystnb")
        return [
            (
                c.cell_type,
                c.source.strip(),
                json.dumps({k: c.metadata[k] for k in kept if k in c.metadata}, sort_keys=True),
            )
            for c in notebook.cells
        ]

    file = source(slug).with_suffix(".ipynb")
    return file.exists() and cells(read(slug)) == cells(nbformat.read(file, as_version=4))


def record_file() -> Path:
    """Where the runs of the chapters are recorded."""
    return paths.results() / "chapters.json"


def recorded() -> dict[str, dict[str, Any]]:
    """Recorded runs of the chapters by slug: seconds, date, device, versions, source_sha256."""
    file = record_file()
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
