"""How a table looks: numbers on one point, ± unbroken, the best marked, and what is missing quiet.

`plotting.use_style` installs `as_html` for every table that a chapter shows. It writes plain HTML: a viewer that keeps
no style sheet (GitHub, Colab, paper) shows the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd

from blurvae.claims.inference import ALPHA, sides
from blurvae.claims.model import SEEDS
from blurvae.claims.records import collapsed, gaps
from blurvae.experiments.recorded import FAILED, HIGHER_IS_BETTER, NOT_RUN, NOTHING, label
from blurvae.record import COLLAPSED, Result

BEST, LEVEL, MARKS = "best", "level", "marks"  # a mark, another, and the key of both in a frame's `attrs`
NOTE = f"Bold: the best mean. Underlined: not told from it by a paired t test over seeds, at {100 * ALPHA:g} %."
_NUMBER = re.compile(r"([+\-−]?\d[\d,]*)(\.\d+)?(?: ± (\d[\d,]*)(\.\d+)?)?([^\w]*|.*)$", re.DOTALL)
_QUIET = re.compile(rf"–|{NOT_RUN}|needs weights.*|diverged.*|not finite.*|nan|None|")
_DIGIT, _POINT, _HARD = "\u2007", "\u2008", "\u00a0"  # blanks as wide as a digit and as a point, and one that holds
_WORDS = 40  # characters of a cell that may break over lines, as sentences do and numbers do not


def marks(runs: pd.DataFrame, shown: Mapping[tuple[str, str], str], labels: Mapping[str, str]) -> dict[str, str]:
    """Which cells of a table hold the best mean of their column, and which cannot be told from it.

    Args:
        runs: one row for each run and metric, see `recorded.frame`.
        shown: the text of each cell by method and metric.
        labels: the row of each method.

    Returns:
        {"row|text of the cell": "best" or "level"}: the text stays when columns are renamed or the table is turned.
        Models whose code tells nothing, methods of which a training diverged, counts of failures, which no t test
        compares, and metrics without a better side have no mark.
    """
    found: dict[str, str] = {}
    values: dict[str, dict[str, dict[int, float]]] = {}
    for metric, method, seed, value in runs.dropna(subset="value")[["metric", "method", "seed", "value"]].to_numpy():
        values.setdefault(metric, {}).setdefault(method, {})[seed] = float(value)
    silent = {name for name, own in values.get("KL", {}).items() if collapsed(own.values())}
    silent |= {*runs.method[runs.metric == NOTHING]}  # of which a training diverged
    for metric in {metric for _, metric in shown if metric in HIGHER_IS_BETTER and metric != FAILED}:
        sign = 1 if HIGHER_IS_BETTER[metric] else -1
        own = {m: v for m, v in values.get(metric, {}).items() if m not in silent and len(v) >= SEEDS}
        if len(own) < 2:
            continue
        best = max(own, key=lambda m: sign * sum(own[m].values()) / len(own[m]))
        for name in own:
            apart = gaps(own[best], own[name])
            if name == best or (len(apart) >= SEEDS and sides(apart).p > ALPHA):
                found[f"{labels[name]}|{shown[name, metric]}"] = BEST if name == best else LEVEL
    return found


def told_collapsed(results: Iterable[Result]) -> str:
    """A line that names the methods whose codes tell nothing, for a caption: no verdict rests on their numbers."""
    rates: dict[str, list[float]] = {}
    for r in results:
        if (nats := r.record["metrics"].get("KL", {}).get("mean")) is not None:
            rates.setdefault(label(r.run.experiment, r.run.method), []).append(nats)
    names = [name for name, own in rates.items() if collapsed(own)]
    return f"\nCollapsed, with a code of less than {COLLAPSED:g} nats: {'; '.join(names)}." if names else ""


def as_html(table: pd.DataFrame) -> str:
    """A table as HTML; a frame's `attrs["marks"]` says which cells are best, see `marks`.

    Args:
        table: text and numbers; cells of text such as "20.31 ± 0.05" are set on their point.
    """
    marked: Mapping[str, str] = table.attrs.get(MARKS, {})
    shown = table.copy().astype(object)
    used = False
    for i in range(table.shape[1]):
        column = table.iloc[:, i]
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            shown.isetitem(i, [_plain(text) for text in _formatted(column)])
            continue
        texts = [str(value) for value in column]
        cells = aligned(texts)
        for k, text in enumerate(texts):
            mark = marked.get(f"{_name(table.index[k])}|{text}", marked.get(f"{_name(table.columns[i])}|{text}"))
            tag = {BEST: "strong", LEVEL: "u"}.get(mark or "")
            used |= bool(tag)
            cells[k] = f"<{tag}>{cells[k]}</{tag}>" if tag else cells[k]
        shown.isetitem(i, cells)
    for axis in ("index", "columns"):
        setattr(shown, axis, _escaped(getattr(shown, axis)))
    html: str = shown.to_html(escape=False, border=0, max_rows=pd.get_option("display.max_rows"))
    return html.replace("<thead>", f"<caption>{NOTE}</caption>\n  <thead>", 1) if used else html


def aligned(texts: list[str]) -> list[str]:
    """The cells of a column as HTML: numbers on one point, if all are written alike; long words free to break."""
    parts = [_NUMBER.fullmatch(text) for text in texts]
    numbers = [found for found in parts if found]
    lengths = [max((len(found[k] or "") for found in numbers), default=0) for k in range(6)]
    # With a spread the digits have to be the same too: else the rows are different metrics, and no column is straight.
    forms = {(found[3] is None or len(found[2] or ""), len(found[5])) for found in numbers}
    alike = len(forms) == 1 and not any(re.search(r"[^\W\d]", found[5]) for found in numbers)
    cells = []
    for text, found in zip(texts, parts):
        if not found:
            quiet = f'<span class="quiet" style="opacity: 0.65">{escape(text)}</span>'
            cells.append(quiet if _QUIET.fullmatch(text) else _sentence(text))
            continue
        whole, fraction, spread, more, rest = (found[k] or "" for k in range(1, 6))
        if alike:
            fraction = _pad(fraction, lengths[2])
            spread, more = _DIGIT * (lengths[3] - len(spread)) + spread, _pad(more, lengths[4])
        joined = f"{_HARD}±{_HARD}{spread}{more}" if found[3] else ""
        cells.append(_sentence(f"{whole}{fraction}{joined}{rest}"))
    return cells


def _pad(fraction: str, length: int) -> str:
    """A fraction with blanks as wide as the digits and the point that it lacks."""
    lacks = length - len(fraction)
    return fraction + (_POINT + _DIGIT * (lacks - 1) if lacks and not fraction else _DIGIT * lacks)


def _plain(text: str) -> str:
    return re.sub(r"(?<![\w)\]])-(?=\d)", "−", escape(text, quote=False)).replace(" ± ", f"{_HARD}±{_HARD}")


def _sentence(text: str) -> str:
    """A cell: a long one may break between its words, and nowhere in an interval."""
    if len(text) <= _WORDS:
        return _plain(text)
    return f'<span class="words">{_plain(re.sub(r", (?=[^[]*])", f",{_HARD}", text).replace(" [", f"{_HARD}["))}</span>'


def _formatted(column: pd.Series[Any]) -> list[str]:
    """Numbers as pandas writes them, all with the same digits."""
    lines = column.reset_index(drop=True).to_frame("x").to_string(header=False, index=False, max_rows=len(column) + 1)
    return [line.strip() for line in lines.split("\n")] if len(column) else []


def _name(label: object) -> str:
    """A label of a row or column; the last part of one with several levels."""
    return str(label[-1] if isinstance(label, tuple) else label)


def _escaped(labels: pd.Index[Any]) -> pd.Index[Any]:
    if isinstance(labels, pd.MultiIndex):
        return labels.set_levels([[_label(one) for one in level] for level in labels.levels])
    return pd.Index([_label(one) for one in labels], name=labels.name)


def _label(label: object) -> object:
    return _plain(label) if isinstance(label, str) else label


def install() -> None:
    """Let a notebook show tables so; without one nothing happens."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None and shell.display_formatter is not None:
        shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, as_html)
