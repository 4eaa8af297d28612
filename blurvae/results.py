"""Recorded runs as tables: read from JSON, never typed; the spread over seeds is computed on reading."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from blurvae import datasets, experiments, metrics, paths
from blurvae.blur import hermitian_weights
from blurvae.metrics.fitted import scalar_nats, stationary_nats
from blurvae.run import KS, Result, execute, needs, read
from blurvae.text import to_json

DIGITS = {
    "PSNR": 2,
    "SSIM": 3,
    "LPIPS-squeeze": 3,
    "FD-squeeze (recon)": 0,
    "FD-squeeze (samples)": 0,
    "FD-squeeze (GMM samples)": 0,
    "FD-squeeze (data)": 0,
    "high-frequency ratio": 2,
    "log-spectrum distance (recon)": 3,
    "log-spectrum distance (samples)": 3,
    "KL": 1,
    "−ELBO": 0,
    "−log p as printed": 0,
    **{f"−log p bound, K = {k}": 0 for k in KS},
    **{f"bits/dim bound, K = {k}": 3 for k in KS},
    "active units": 0,
    "kernel width": 2,
}
# The paper's columns and the measured one that each stands beside. LPIPS and Fréchet distances use other networks.
PAPER_COLUMNS = {
    "PSNR": "PSNR",
    "SSIM": "SSIM",
    "LPIPS": "LPIPS-squeeze",
    "FID recon": "FD-squeeze (recon)",
    "FID samples": "FD-squeeze (samples)",
    "−log p": "−log p as printed",
}
# Shown where they are recorded, after the columns of the paper's tables.
FURTHER = (
    "FD-squeeze (GMM samples)",
    "active units",
    "kernel width",
)
# The high-frequency ratio is best at 1, the KL term is a price, and a printed −log p gets lower where more is left out
# of it (erratum E5): none of them has a side that is better.
HIGHER_IS_BETTER = {
    name: name in ("PSNR", "SSIM")
    for name in DIGITS
    if name not in ("high-frequency ratio", "KL", "−log p as printed", "active units", "kernel width")
}
FITTED = ("σ² fitted", "one spectrum fitted")  # the covariances of `fitted_bounds`
NOT_RUN = "not run"


def load(experiment: str, tier: str, data: str, folder: Path | None = None) -> list[Result]:
    """Every recorded run of an experiment at a tier on a data set, methods in the experiment's order, then seeds.

    Runs that its table shares with another experiment are read from that one's folder.

    Args:
        experiment: its name.
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.

    Raises:
        ValueError: an unknown experiment, tier or data set, or a folder that does not exist.
        CorruptFile: a record that cannot be read.
    """
    known = [m.name for m in experiments.get(experiment).METHODS + experiments.get(experiment).VARIANTS]
    experiments.check_tier(tier)
    datasets.describe(data)  # refuses a name that no data set has
    folder = paths.results() if folder is None else Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"There is no folder of results {folder}: make it with `blurvae run {experiment} --out {folder}`."
        )
    shared = {(run.experiment, run.method) for run in experiments.borrowed(experiment, tier, data)}
    found = [
        result
        for source in dict.fromkeys([experiment, *(owner for owner, _ in shared)])
        for result in _records(folder / source, tier)
        if (result.run.data, result.run.tier) == (data, tier)
        and (source == experiment or (source, result.run.method) in shared)
    ]

    def order(result: Result) -> tuple[int, str, int]:
        method = result.run.method
        return known.index(method) if method in known else len(known), method, result.run.settings.seed

    return sorted(found, key=order)


def _records(folder: Path, tier: str) -> Iterator[Result]:
    """The records of a tier in a folder; files that are named otherwise than their runs are passed over, aloud.

    A browser or a cloud drive leaves copies, which would count a seed twice.
    """
    for file in sorted(folder.glob(f"*-{tier}-s*.json")):
        if file.name.startswith("."):  # macOS's own
            continue
        result = read(file) if re.fullmatch(r".*-s-?\d+", file.stem) else None
        if result is not None and result.run.path(folder.parent) == file:
            yield result
        else:
            held = f"the record of {result.run.name}" if result else "no run's record by its name"
            warnings.warn(f"{file} is passed over: it holds {held}. Rename it or remove it.", stacklevel=2)


def frame(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """One row for each run and metric.

    Returns:
        Columns experiment, data, method, tier, seed, beta, metric, value (mean over images, or the distance), sd_images
        (over the images, NaN for distances), state ("recorded", "not finite" or "needs weights (file)").
    """
    rows = [
        {
            "experiment": experiment,
            "data": data,
            "method": result.run.method,
            "tier": tier,
            "seed": result.run.settings.seed,
            "beta": result.run.settings.beta,
            "metric": metric,
            "value": entry.get("mean", entry.get("value")),
            "sd_images": entry.get("sd"),
            "state": _state(entry),
        }
        for result in load(experiment, tier, data, folder)
        for metric, entry in result.record["metrics"].items()
    ]
    columns = ["experiment", "data", "method", "tier", "seed", "beta", "metric", "value", "sd_images", "state"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "sd_images": float})


def _state(entry: dict[str, Any]) -> str:
    if "state" in entry:
        return f"{entry['state']} ({entry['what']})"
    return "not finite" if entry.get("mean", entry.get("value")) is None else "recorded"


def history(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """One row a run and epoch: method, seed and what `fit` returns of an epoch."""
    rows = [
        {"method": result.run.method, "seed": result.run.settings.seed, **record}
        for result in load(experiment, tier, data, folder)
        for record in result.record["history"]
    ]
    return pd.DataFrame(rows)


def paper_table(name: str) -> pd.DataFrame:
    """A published table, as printed."""
    return pd.read_csv(paths.paper() / f"{name}.csv")


def label(experiment: str, method: str) -> str:
    """A method's name in tables: "L2" for "l2", "L2, beta=0.4" for a run with a change, "l2,beta=0.4"."""
    module = experiments.get(experiment)
    labels = {m.name: m.label for m in (*module.METHODS, *module.VARIANTS)}
    if method in labels:
        return labels[method]
    # A term of the rate curves is a method at every β, and none without.
    terms = {name.partition(",")[0]: label.partition(", β")[0] for name, label in labels.items()}
    name, *changes = method.split(",")
    return ", ".join([labels.get(name, terms.get(name, name)), *changes])


def spread(runs: pd.DataFrame, metric: str, over: str) -> str:
    """A cell of a table: "mean ± sd" over seeds or over images, "not run", "–" (not measured), or what it needs."""
    if over not in ("seeds", "images"):
        raise ValueError(f"The spread of a table is over 'seeds' or 'images', not {over!r}.")
    cell = runs[runs.metric == metric]
    if cell.empty:
        return NOT_RUN if runs.empty else "–"
    missing = cell[cell.state != "recorded"]
    if not missing.empty:
        return str(missing.state.iloc[0])
    digits = DIGITS.get(metric, 3)
    mean = cell.value.mean()
    sd = cell.value.std() if over == "seeds" else (cell.sd_images**2).mean() ** 0.5
    return f"{mean:.{digits}f}" if pd.isna(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}"


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
    """The experiment's table: paper beside measured where the data set is the paper's, measured alone elsewhere.

    Args:
        experiment: its name.
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        folder: of results; the checkout's data/results where None.
        over: what ± means: the sd over "seeds" (left out where there is one) or over test "images".
        columns: the measured columns to show; the experiment's where empty.
        paper: show the paper's columns beside other data too, under a heading that names the paper's data set.

    Returns:
        Strings, one row a method, with the number of seeds, and with β where a search chose it; a cell without a run
        says "not run" or what it needs, one without the metric "–".
    """
    module = experiments.get(experiment)
    runs = frame(experiment, tier, data, folder)
    methods = {m.name: m for m in (*module.METHODS, *module.VARIANTS)}
    first = {run.method: run for run in reversed(module.runs(tier, data, (0,)))}
    same = data == module.PAPER_DATA
    published = paper_table(module.PAPER_TABLE) if module.PAPER_TABLE and (same or paper) else None
    heading = "paper" if same else f"paper, {module.PAPER_DATA}"
    if published is not None:
        published = published[published.data == module.PAPER_DATA]
    recorded = tuple(metric for metric in FURTHER if metric in set(runs.metric))
    measured = columns or module.COLUMNS or tuple(dict.fromkeys([*metrics.NAMES, "KL", *recorded]))
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*(m.name for m in module.METHODS), *runs.method]):
        own = runs[runs.method == name]
        row: dict[str, Any] = {"method": label(experiment, name), "seeds": str(own.seed.nunique())}
        if module.searched(data):
            betas = own.beta if len(own) else [run.settings.beta for key, run in first.items() if key == name]
            row["β"] = ", ".join(f"{beta:g}" for beta in dict.fromkeys(betas))
        missing = needs(first[name]) if own.empty and name in first else ""
        for metric in measured:
            if published is not None:
                for column in (c for c, beside in PAPER_COLUMNS.items() if beside == metric and c in published):
                    row[f"{column} ({heading})"] = _published(published, methods.get(name), column, over)
            row[metric] = f"needs weights ({missing})" if missing else spread(own, metric, over)
        rows.append(row)
    return pd.DataFrame(rows).set_index("method")


def compare(
    experiment: str,
    tier: str,
    data: str,
    method: str,
    rivals: tuple[str, ...],
    metrics: tuple[str, ...],
    folder: Path | None = None,
) -> pd.DataFrame:
    """A method against its rivals, seed by seed: difference in the mean ± sd over seeds, and in how many it is better.

    Args:
        experiment: its name.
        tier: "smoke", "lesson" or "paper".
        data: the data set's name.
        method: the one in question.
        rivals: whom it is compared with.
        metrics: measured columns; `HIGHER_IS_BETTER` says which side wins.
        folder: of results; the checkout's data/results where None.

    Returns:
        Strings such as "+0.58 ± 0.02 (3/3)": method minus rival, and how many of the seeds the method wins; one row a
        metric, one column a rival; "not run" where no seed has both.
    """
    runs = frame(experiment, tier, data, folder)
    rows: dict[str, dict[str, str]] = {}
    for metric in metrics:
        values = runs[runs.metric == metric].pivot(index="seed", columns="method", values="value")
        for rival in rivals:
            cell = NOT_RUN
            if {method, rival} <= set(values) and not (gap := (values[method] - values[rival]).dropna()).empty:
                sd = f" ± {gap.std():.{DIGITS[metric]}f}" if len(gap) > 1 else ""
                cell = f"{gap.mean():+.{DIGITS[metric]}f}{sd}"
                if metric in HIGHER_IS_BETTER:
                    cell += f" ({int(((gap > 0) == HIGHER_IS_BETTER[metric]).sum())}/{len(gap)})"
            rows.setdefault(metric, {})[label(experiment, rival)] = cell
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def bounds(experiment: str, tier: str, data: str, folder: Path | None = None) -> pd.DataFrame:
    """Bounds on −log p of L2, the Wiener term and its proper variant in every form, means over the seeds in nats.

    Returns:
        Columns "−log p as printed" (as Table 6 of the main paper), "−ELBO" of the density that the model defines, and
        for L2 that with a fitted covariance, see `fitted_bounds`.

    Raises:
        ValueError: no run of L2 is recorded with its pictures.
    """
    runs = load(experiment, tier, data, folder)
    fitted = pd.DataFrame([fitted_bounds(r) for r in runs if r.run.method == "l2" and r.pictures]).mean()
    if fitted.empty:
        raise not_recorded(experiment, tier, data)
    means = frame(experiment, tier, data, folder).groupby(["method", "metric"]).value.mean().unstack()
    methods = experiments.get(experiment).METHODS + experiments.get(experiment).VARIANTS
    rows = [m.name for m in methods if m.name == "l2" or m.term in ("wiener", "wiener-proper")]
    shown: Any = means.reindex(index=rows, columns=["−log p as printed", "−ELBO"])
    for name in FITTED:
        shown.loc["l2", f"−ELBO, {name}"] = fitted[name]
    shown = shown.rename(index=lambda method: label(experiment, method))
    return shown.map(lambda nats: "–" if pd.isna(nats) else f"{nats:.0f}").rename_axis(columns=None)


def fitted_bounds(result: Result) -> dict[str, float]:
    """The −ELBO of a recorded L2 run once its Σ is fitted to the errors of its own test images, in nats per image.

    Args:
        result: a run of the squared error; its parts are read from "−log p as printed" = ½‖e‖² + KL.

    Returns:
        "σ² fitted": Σ = σ²I, which is D/2·(log 2πσ² + 1) + KL.
        "one spectrum fitted": Σ = F* diag(v) F, one variance a frequency for all images and channels. An estimate:
        records hold the error's power at z = μ, here scaled to the squared error at z ~ q.
        Either is absent where the record lacks what it is made of.
    """
    values = {name: entry.get("mean") for name, entry in result.record["metrics"].items()}
    kl, printed = values.get("KL"), values.get("−log p as printed")
    if kl is None or printed is None:
        return {}
    size, channels = result.run.size, datasets.describe(result.run.data)["shape"][0]
    squared_error = 2 * (printed - kl)
    found = {"σ² fitted": scalar_nats(squared_error, channels * size**2) + kl}
    if "error_power" in result.pictures:
        power = torch.from_numpy(result.pictures["error_power"].astype(np.float64))  # (h, w//2+1), mean of the channels
        power *= squared_error / (channels * (power * hermitian_weights((size, size))).sum())
        found["one spectrum fitted"] = channels * stationary_nats(power, power, (size, size)).item() + kl
    return found


def not_recorded(experiment: str, tier: str, data: str, seed: int | None = None) -> ValueError:
    """The error of what shows runs where none is recorded, with the way to make them."""
    of, given = ("", "") if seed is None else (f" with seed {seed}", f" --seed {seed}")
    return ValueError(
        f"No run of {experiment} on {data!r} at tier {tier!r}{of} is recorded with its pictures: make it with "
        f"`blurvae run {experiment} --tier {tier} --data {data}{given} --out FOLDER`."
    )


def ensure(experiment: str, tier: str, data: str, seed: int, folder: str = "", methods: str = "") -> tuple[str, Path]:
    """What a chapter shows: the recorded lessons at tier "smoke", the runs of the tier itself at another one.

    Args:
        experiment: its name.
        tier: the chapter's parameter.
        data: the chapter's parameter.
        seed: of the runs that are made here because none is finished.
        folder: the chapter's parameter `results`; where empty, the recorded results, and runs made here go to
            _build/results.
        methods: the chapter's parameter of that name, where it has one: rows that have to be finished, separated by
            blanks; all where empty. The other rows read "not run" unless they are recorded, too.

    Returns:
        (tier to show, folder of results).

    Raises:
        ValueError: an unknown tier or method.
    """
    where = Path(folder) if folder else paths.results()
    if experiments.check_tier(tier) == "smoke":
        return "lesson", where
    module = experiments.get(experiment)
    known = [m.name for m in (*module.METHODS, *module.VARIANTS)]
    for name in methods.split():
        if name not in known:
            raise ValueError(f"{experiment} has no method {name!r}: choose of {', '.join(known)}.")
    names = methods.split() or [m.name for m in module.METHODS]
    wanted = [r for r in module.runs(tier, data, (seed,)) if r.method in names and not needs(r)]
    if any(not r.path(where).exists() for r in wanted):
        where = where if folder else paths.build() / "results"
        for r in wanted:
            execute(r, out=where, resume=True)
    return tier, where


def _published(table: pd.DataFrame, method: experiments.Method | None, column: str, over: str) -> str:
    """A printed cell; the paper's ± is over images."""
    if method is None or method.paper is None:
        return "–"
    row, sd = table[table.method == method.paper].iloc[0], f"{column} sd"
    if pd.isna(row[column]):
        return "–"
    return f"{row[column]:g} ± {row[sd]:g}" if over == "images" and sd in table else f"{row[column]:g}"


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
        f"{first['data']['n_test']:,} test images, {first['run']['settings']['epochs']} epochs, seeds "
        f"{distinct('run', 'settings', 'seed')};\n{distinct('provenance', 'device')}, "
        f"{distinct('provenance', 'precision')}, commit {distinct('provenance', 'commit')}."
        + "".join(f"\n{note}" for note in (*_search_note(experiment, tier, data), *experiments.get(experiment).NOTES))
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
