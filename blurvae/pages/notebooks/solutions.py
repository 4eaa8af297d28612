"""Chapters without the solutions of their exercises, a place for the answer instead."""

from __future__ import annotations

import copy
import re
from typing import Any

_MARK = re.compile(r"^:{3,}\{solution-(start|end)\}.*?^:{3,}[ \t]*$", re.MULTILINE | re.DOTALL)
_WHOLE = re.compile(r"^(?P<fence>:{3,})\{solution\}.*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
ANSWER = "**Your answer**"


def without_solutions(notebook: Any) -> Any:
    """The notebook with an answer cell in place of every solution, and one for code where the solution has some.

    Args:
        notebook: a chapter with MyST's directives.

    Returns:
        A notebook of its own.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    changed, kept = copy.deepcopy(notebook), list[Any]()
    inside = False
    for cell in changed.cells:
        if cell.cell_type == "code":
            if not inside:
                kept.append(cell)
            elif kept[-1].cell_type != "code":
                kept.append(new_code_cell(metadata={"tags": ["answer"]}))
            continue
        position, text = 0, _WHOLE.sub(":::{solution-start}\n:::\n:::{solution-end}\n:::", cell.source)
        for mark in _MARK.finditer(text):
            if not inside:
                kept += [new_markdown_cell(text[position : mark.start()].strip()), new_markdown_cell(ANSWER)]
            inside, position = mark[1] == "start", mark.end()
        if not inside:
            cell.source = text[position:].strip() if position else text
            kept.append(cell)
    changed.cells = [cell for cell in kept if cell.source.strip() or "answer" in cell.metadata.get("tags", [])]
    for i, cell in enumerate(changed.cells):
        cell["id"] = f"cell-{i:02d}"
    return changed
