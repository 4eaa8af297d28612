"""Recorded runs as tables for pages: paper beside measured, and a method against its rivals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from blurvae import experiments, metrics
from blurvae.evaluation.pieces import SECOND
from blurvae.experiments import intervals, matched, pca
from blurvae.experiments.recorded import (
    DIGITS,
    FAILED,
    NOT_RUN,
    NOTHING,
    PAPER_COLUMNS,
    frame,
    label,
    load,
    lost_as_failed,
    paper_data,
    paper_table,
)
from blurvae.pages.frames import MARKS, marks, told_collapsed
from blurvae.record import needs
from blurvae.text import to_json

MEANING = {
    "seeds": "± is the sd over seeds.",
    "images": "± is the sd over images.",
    "interval": "± is half of Student's interval of 95 % over seeds.",
}
BESIDE = "wiener"  # at whose KL L2 and the linear model are shown
# Shown where they are recorded, after the columns of the paper's tables.
FURTHER = (
    *(f"LPIPS-{SECOND}", f"FD-{SECOND} (recon)", f"FD-{SECOND} (samples)"),
    "FD-squeeze (GMM samples)",
    "active units",
    "kernel width",
)


def table(
    experiment: str,
    tier: str,
    data: str,
    folder: Path | None = None,
    *,
    over: str = "seeds",
    columns: tuple[str, ...] = (),
    paper: bool = False,
) -> pd.DataFrame:
    """The experiment's table: paper beside measured where the paper has the data set, measured alone elsewhere.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        over: what ± means, a key of `MEANING`; over seeds it is left out where there is one.
        columns: the measured columns to show; the experiment's where empty.
        paper: show the paper's columns beside other data too, under a heading that names the paper's data set.

    Returns:
        Strings, one row a method, with the number of seeds, and with β where a search chose it; a cell without a run
        says "not run" or what it needs, one without the metric "–". The best are marked, see `frames.marks`.
    """
    module = experiments.get(experiment)
    runs = frame(experiment, tier, data, folder)
    methods = {m.name: m for m in (*module.METHODS, *module.VARIANTS)}
    first = {run.method: run for run in reversed(module.runs(tier, data, (0,)))}
    published = paper_table(module.PAPER_TABLE) if module.PAPER_TABLE else None
    source = paper_data(experiment, data) or module.PAPER_DATA
    heading = "paper" if data == source else f"paper, {source}"
    if published is not None:
        published = published[published.data == source] if data == source or paper else None
    recorded = tuple(metric for metric in FURTHER if metric in set(runs.metric))
    measured = columns or module.COLUMNS or tuple(dict.fromkeys([*metrics.NAMES, "KL", *recorded]))
    # The paper names no network for its LPIPS: its column stands beside the one that no training here has seen.
    second = f"LPIPS-{SECOND}"
    beside = PAPER_COLUMNS | ({"LPIPS": second} if second in measured else {})
    rows: list[dict[str, Any]] = []
    cells: dict[tuple[str, str], str] = {}
    for name in dict.fromkeys([*(m.name for m in module.METHODS), *runs.method]):
        own = runs[runs.method == name]
        row: dict[str, Any] = {"method": label(experiment, name), "seeds": str(own.seed.nunique())}
        if module.searched(data):
            betas = own.beta if len(own) else [run.beta for key, run in first.items() if key == name]
            row["β"] = ", ".join(f"{beta:g}" for beta in dict.fromkeys(betas))
        missing = needs(first[name]) if own.empty and name in first else ""
        for metric in measured:
            if published is not None:
                for column in (c for c, ours in beside.items() if ours == metric and c in published):
                    row[f"{column} ({heading})"] = _published(published, methods.get(name), column, over)
            row[metric] = f"needs weights ({missing})" if missing else spread(own, metric, over)
            cells[name, metric] = row[metric]
        rows.append(row)
    if BESIDE in methods:
        rows.extend(_controls(experiment, tier, data, folder, measured, over))
    made = pd.DataFrame(rows).set_index("method").fillna("–")
    made.attrs[MARKS] = marks(runs, cells, {name: label(experiment, name) for name, _ in cells})
    return made


def _controls(
    experiment: str, tier: str, data: str, folder: Path | None, measured: Sequence[str], over: str
) -> list[dict[str, Any]]:
    """Rows of L2 and of the linear model at the KL of the main paper's method, where their curves are recorded."""
    linear, rows = pca.rows(experiment, tier, data, folder), []
    seeds = len({result.run.seed for result in load(experiment, tier, data, folder) if result.run.method == BESIDE})
    linear = linear[linear.method == BESIDE].assign(value=linear.linear)
    for name, found in (("L2", matched.rows(experiment, tier, data, folder)), ("linear model", linear)):
        if not found.empty:
            cells = found.assign(state="recorded", sd_images=float("nan"))
            n = found.seed.nunique()
            few = f" ({n} of {seeds} seeds)" if n < seeds else ""  # whose KL no two runs enclose
            row = {"method": f"{name} at the KL of {label(experiment, BESIDE)}{few}", "seeds": str(n)}
            rows.append(row | {metric: spread(cells, metric, over) for metric in measured})
    return rows


def _published(table: pd.DataFrame, method: experiments.Method | None, column: str, over: str) -> str:
    """A printed cell; the paper's ± is over images."""
    if method is None or method.paper is None:
        return "–"
    rows, sd = table[table.method == method.paper], f"{column} sd"
    if rows.empty or pd.isna((row := rows.iloc[0])[column]):
        return "–"
    return f"{row[column]:g} ± {row[sd]:g}" if over == "images" and sd in table else f"{row[column]:g}"


def spread(runs: pd.DataFrame, metric: str, over: str) -> str:
    """A cell: "mean ± sd" over seeds or images, "1 of 5" that failed, "–" (not measured), or why a seed has none."""
    if over not in MEANING:
        raise ValueError(f"The spread of a table is over {', '.join(map(repr, MEANING))}, not {over!r}.")
    cell = runs[runs.metric.isin((metric, NOTHING))]
    if cell.empty:
        return NOT_RUN if runs.empty else "–"
    if metric == FAILED:
        return f"{(lost := lost_as_failed(cell).value).sum():.0f} of {len(lost)}"
    missing = cell[cell.state != "recorded"]
    if not missing.empty:
        return str(missing.state.iloc[0])
    digits = DIGITS.get(metric, 3)
    mean = cell.value.mean()
    if over == "interval":
        sd = intervals.student(cell.value).high - mean
    else:
        sd = cell.value.std() if over == "seeds" else (cell.sd_images**2).mean() ** 0.5
    return f"{mean:.{digits}f}" if pd.isna(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}"


def compare(
    experiment: str,
    tier: str,
    data: str,
    method: str,
    rivals: tuple[str, ...],
    metrics: tuple[str, ...],
    folder: Path | None = None,
) -> pd.DataFrame:
    """A method against its rivals, seed by seed: difference in the mean, and Student's interval of 95 %.

    Args:
        experiment: its name.
        tier: "smoke", "lesson", "study" or "paper".
        data: the data set's name.
        method: the one in question.
        rivals: whom it is compared with.
        metrics: measured columns.
        folder: of results; the checkout's data/results where None.

    Returns:
        Strings such as "+0.58 (+0.53 to +0.63)", method minus rival; one row a metric, one column a rival; "not run"
        or "diverged (epoch n)" where no seed has both.
    """
    runs = frame(experiment, tier, data, folder)
    lost = runs[runs.metric == NOTHING].drop_duplicates("method").set_index("method").state
    rows: dict[str, dict[str, str]] = {}
    for metric in metrics:
        values = runs[runs.metric == metric].pivot(index="seed", columns="method", values="value")
        for rival in rivals:
            cell = lost.get(method, lost.get(rival, NOT_RUN))
            if {method, rival} <= set(values) and not (gap := (values[method] - values[rival]).dropna()).empty:
                cell = f"{intervals.student(gap):+.{DIGITS[metric]}f}"
            rows.setdefault(metric, {})[label(experiment, rival)] = cell
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def caption(experiment: str, tier: str, data: str, folder: Path | None = None) -> str:
    """What a table rests on: data set, tier, seeds, hardware and commit, from the records themselves."""
    results = load(experiment, tier, data, folder)
    if not results:
        return f"{experiment}, tier {tier}, {data}: not run."

    def distinct(*keys: str) -> str:
        values = []
        for result in results:
            value: Any = result.record
            for key in keys:
                value = value[key]
            values.append(str(value))
        return ", ".join(dict.fromkeys(values))

    first = results[0].record
    return (
        f"{distinct('data', 'label')}, tier {tier}: {first['data']['n_train']:,} training and "
        f"{first['data']['n_test']:,} test images, {first['run']['budget']['epochs']} epochs, seeds "
        f"{distinct('run', 'budget', 'seed')};\n{distinct('provenance', 'device')}, "
        f"{distinct('provenance', 'precision')}, commit {distinct('provenance', 'commit')}."
        + "".join(f"\n{note}" for note in (*_search_note(experiment, tier, data), *experiments.get(experiment).NOTES))
        + told_collapsed(results)
    )


def _search_note(experiment: str, tier: str, data: str) -> tuple[str, ...]:
    """Where the β of a table come from."""
    searched = experiments.get(experiment).searched(data)
    if searched is None:
        return ()
    if path := experiments.search_record(tier, *searched):
        chosen = experiments.tuned(tier, *searched)
        open_to_it = {m.name for m in experiments.get(searched[0]).METHODS} - chosen.keys()
        own = [m.label for m in experiments.get(experiment).METHODS if m.name in open_to_it]
        but = f", but for {', '.join(own)}: these have their own" if own else ""
        return (f"β by a search on held-out training images (tune/{path.name}){but}.",)
    return ("β was not searched: it is each method's own.",)


def render(table: pd.DataFrame, form: str) -> str:
    """A table as "text", "markdown", "csv" or "json".

    Raises:
        ValueError: another form.
    """
    plain = table.reset_index()
    match form:
        case "text":
            return plain.to_string(index=False)
        case "csv":
            return plain.to_csv(index=False).rstrip("\n")
        case "json":
            return to_json(plain.to_dict("records"))
        case "markdown":
            lines = [list(plain.columns), ["---"] * len(plain.columns), *plain.to_numpy().tolist()]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    raise ValueError(f"There is no table format {form!r}: choose text, markdown, csv or json.")
