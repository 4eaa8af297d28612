"""The chapters' stored notebooks, as several test files read them."""

from __future__ import annotations

from typing import Any

import nbformat

from blurvae import paths


def cells(slug: str, kind: str = "code") -> list[Any]:
    """The cells of one kind."""
    file = paths.notebooks() / f"{slug}.ipynb"
    return [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == kind]


def tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])
