"""A table on a terminal: as many columns side by side as its width takes, the others below, the best ones marked."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

BEST = "*"
LEGEND = f"{BEST} the best of its column, and what lies within its ±; ↑ more is better, ↓ less is better."
NARROWEST = 12  # characters a line that the methods' names get at least


def headed(table: pd.DataFrame) -> pd.DataFrame:
    """A table of recorded runs with unit and better side in its header, and the best cells of each column marked.

    Args:
        table: of `pages.tables.table`.
    """
    from blurvae.experiments.recorded import HIGHER_IS_BETTER, arrow, unit

    def header(name: str) -> str:
        shown = "" if "(paper" in name else unit(name)
        return f"{name}{', ' * bool(shown)}{shown}{arrow(name)}"

    shown = table.copy()
    for metric in map(str, table):
        if (higher := HIGHER_IS_BETTER.get(metric)) is not None:
            shown[metric] = _marked(table[metric], higher)
    return shown.rename(columns=header)


def _marked(cells: pd.Series[str], higher: bool) -> list[str]:
    numbers = [re.fullmatch(r"(-?[\d.]+)(?: ± ([\d.]+))?", cell) for cell in cells]
    values = [(float(n[1]) * (1 if higher else -1), float(n[2] or 0)) if n else None for n in numbers]
    best, sd = max((value for value in values if value), default=(0.0, 0.0))
    return [f"{BEST}{cell}" if value and value[0] >= best - sd else cell for cell, value in zip(cells, values)]


def show(table: pd.DataFrame, notes: str, console: Console) -> None:
    """Prints a table and its notes at the width of a terminal.

    Args:
        table: strings, its index the names of the rows.
        notes: below the table; their lines are wrapped.
        console: of the terminal.
    """
    for columns in _sections(table, console):
        console.print(_section(table, columns, console.width))
        console.print()
    console.print(Text(notes))


def _sections(table: pd.DataFrame, console: Console) -> Iterator[list[str]]:
    """The columns of each part of the table; a published one stays beside the measured one that follows it."""

    def fits(columns: list[str]) -> bool:
        section = _section(table, columns, console.width)
        return console.measure(section, options=console.options.update(width=10**6)).maximum <= console.width

    part: list[str] = []
    for group in _groups(list(map(str, table))):
        for columns in [group] if fits(group) else [[one] for one in group]:
            if part and not fits(part + columns):
                yield part
                part = []
            part = part + columns
    yield part


def _groups(columns: list[str]) -> Iterator[list[str]]:
    group: list[str] = []
    for column in columns:
        group.append(column)
        if "(paper" not in column:
            yield group
            group = []
    if group:
        yield group


def _section(table: pd.DataFrame, columns: list[str], width: int) -> Table:
    section = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="")
    section.add_column(str(table.index.name), overflow="fold")
    for column in columns:
        header = re.sub(r" (?=[↑↓])", "\N{NO-BREAK SPACE}", column)
        longest = max(map(len, [*table[column], *re.split(r"[ -]", header)]))
        header = "\n".join(textwrap.wrap(header, longest, break_long_words=False))
        section.add_column(header, justify="right", overflow="fold", style="dim" * ("(paper" in column))
    for name, row in table[columns].iterrows():
        label = "\n".join(textwrap.wrap(str(name), max(NARROWEST, width // 3)))
        section.add_row(label, *(Text(cell, "bold" * cell.startswith(BEST)) for cell in row))
    return section
