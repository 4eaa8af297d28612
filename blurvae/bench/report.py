"""The record of a benchmark as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from blurvae.bench.targets import Record


def render(record: Record) -> str:
    """The record as text for a terminal."""
    machine, parts = record["machine"], record["parts"]
    lines = [
        f"{machine.get('name', 'unknown machine')}, {machine.get('memory', 0) / 2**30:.0f} GiB; "
        f"training in {record['precision']}; commit {record['commit']}, {record['date']}",
        ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        f"load average {_load(record['load']['start'])} at the start, {_load(record['load']['end'])} at the end",
    ]
    if (record["load"]["start"] or [0])[0] > machine.get("cores", 1) / 4:
        lines.append("DISTURBED: other processes were at work when it started; measure again on an idle machine.")
    if record["quick"]:
        lines.append("QUICK: tiny networks and few repetitions; these figures mean nothing.")
    lines += _section("Ceilings, best (median)")
    for name, row in record["ceilings"].items():
        if isinstance(row, dict):
            product, copy = row["matrix_product"], row["memory_copy"]
            lines.append(
                f"  {name:<8} matrix product {_si(product['best'])}FLOP/s ({_si(product['median'])}) "
                f"by {product.get('by', 'product')}, "
                f"memory copy {_si(copy['best'])}B/s ({_si(copy['median'])})"
            )
    for name, part in parts.items():
        lines += _section(TITLES[name])
        lines += [f"  {line}" for line in ([_reason(part)] if "not_run" in part else _LINES[name](part))]
    lines += _section("Targets")
    for row in record["targets"]:
        said = {True: "met", False: "MISSED", None: f"not run ({row.get('reason')})"}[row["met"]]
        value = "–" if row["value"] is None else f"{row['value']:.4g}"
        place = f" at {row['at']}" if row["at"] else ""
        lines.append(f"  {row['name']:<56} {row['sense']} {row['limit']:<8g} {value:>8}  {said}{place}")
    return "\n".join(lines)


TITLES = {
    "step": "1. Training step, architecture A, Wiener: images/s, median (least to most)",
    "wiener": "2. Wiener step against L2 step: images/s, median (least to most)",
    "log-determinant": "3. Log-determinant: seconds by side of the image, of one kernel where no number is given",
    "ffl": "3. Focal frequency loss with its gradient",
    "epoch": "4. An epoch at CelebA's size, data path included",
    "modes": "Modes on a GPU: images/s, median (least to most)",
    "side by side": "Trainings side by side at one GPU: images/s of all",
    "evaluation": "The evaluation of a run: seconds",
    "import": "5. Import, best of several",
    "html": "5. The pages of the book",
    "profile": "Profile of a step",
}


def _section(title: str) -> list[str]:
    return ["", title]


def _reason(row: Record) -> str:
    return f"not run ({row['not_run']})"


def _load(load: list[float] | None) -> str:
    return "unknown" if load is None else f"{load[0]:.2f}"


def _si(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "


def _seconds(value: float) -> str:
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def _spread(row: Record, digits: str = ".4g") -> str:
    return f"{row['median']:{digits}} ({row['min']:{digits}} to {row['max']:{digits}})"


def _side(name: str, row: Record, beside: str, label: str) -> str:
    """A line of a comparison: speed, ratio, memory, shares."""
    if "not_run" in row:
        return f"  {name:<24} {_reason(row)}"
    text = f"  {name:<24} {_spread(row['images_per_second']):<28}"
    if beside in row:
        text += f" {label} {_spread(row[beside], '.3g')}"
    if row.get("memory") is not None:
        text += f"; memory {_si(row['memory'])}B"
    if "share_of_allowed" in row:
        text += f"; {row['share_of_allowed']:.0%} of what the ceilings allow"
    return text


def _step(part: Record) -> Iterator[str]:
    for name, row in part["loader_workers"].items():
        tried = ", ".join(f"{n}: {_seconds(s)} a step" for n, s in row.get("seconds_a_step", {}).items())
        yield f"loading processes of {name}: {row['chosen']}" + (f" (of {tried})" if tried else "")
    for batch, sides in part["batches"].items():
        yield f"batch {batch}"
        for name, row in sides.items():
            yield _side(name, row, "ours_is_faster_by", "ours faster by")


def _wiener(part: Record) -> Iterator[str]:
    for size, sides in part.items():
        yield f"{size} px, batch {sides['batch']}"
        for name, row in sides.items():
            if isinstance(row, dict):
                yield _side(name, row, "times_l2", "time of L2 ×")


def _log_determinant(part: Record) -> Iterator[str]:
    for name, row in part.items():
        if not isinstance(row, dict):
            continue
        times = ", ".join(f"{size}² {_seconds(s['median'])}" for size, s in row["seconds"].items())
        yield f"{name}: {times}; exponent {row['exponent']:.2f} from {row['fitted_from']}² up"
    yield f"relative difference of the two: {part['difference']:.1e}"


def _ffl(part: Record) -> Iterator[str]:
    for name in ("ours", "package"):
        row = part[name]
        yield f"{name}: {_reason(row) if 'not_run' in row else _seconds(median(row['seconds']))}"
    if "ours_is_faster_by" in part:
        yield f"ours faster by {_spread(part['ours_is_faster_by'], '.3g')}"


def _epoch(part: Record) -> Iterator[str]:
    for batch, row in part["batches"].items():
        measured = ", ".join(_seconds(s) for s in row["later_epochs"]) or "no later one"
        yield (
            f"batch {batch}, {part['images']} images: "
            f"first epoch with start {_seconds(row['first_epoch_with_start'])}, then {measured}"
        )
        how = "extrapolated to" if part["extrapolated"] else "at"
        yield (
            f"  {how} {part['celeba']} images: an epoch {row['epoch_at_celeba_size']:.0f} s, "
            f"100 epochs {row['hundred_epochs'] / 3600:.2f} h"
        )


def _modes(part: Record) -> Iterator[str]:
    for batch, sides in part.items():
        yield f"batch {batch}"
        for name, row in sides.items():
            yield _side(name, row, "times_default", "time of default ×")


def _side_by_side(part: Record) -> Iterator[str]:
    for size, ways in part.items():
        for way, rows in ways.items():
            shown = ", ".join(
                f"{width}: {_reason(row) if 'not_run' in row else format(row['images_per_second'], ',.0f')}"
                for width, row in rows.items()
            )
            yield f"{size} px, {way:<6} {shown}"


def _evaluation(part: Record) -> Iterator[str]:
    yield (
        f"{part['images']} images: {_seconds(part['seconds'])}, the first time {_seconds(part['first'])}; "
        f"{part['absent']} of {part['metrics']} metrics lack their network here"
    )


def _import(part: Record) -> Iterator[str]:
    for name, row in part.items():
        times = f", {row['times_torch']:.2f} × torch" if "times_torch" in row else ""
        yield f"{name}: {_seconds(row['best'])} (median {_seconds(row['median'])}){times}"


def _html(part: Record) -> Iterator[str]:
    yield f"{part['pages']} pages in {_seconds(part['seconds'])}"


def _profile(part: Record) -> Iterator[str]:
    for name in ("ours", "eager"):
        row = part[name]
        if "not_run" in row:
            yield f"{name}: {_reason(row)}"
            continue
        share = row["products_share_of_arithmetic"]
        yield (
            f"{name}, batch {part['batch']}: {_seconds(row['seconds_a_step'])} a step"
            + (f"; {share:.0%} of the matrix-product ceiling within convolutions and products" if share else "")
        )
        for group, seconds in row["groups"].items():
            yield f"  {group:<36} {_seconds(seconds):>9} {seconds / row['seconds_a_step']:>5.0%}"
        for operator in row["operators"][:12]:
            share = operator["seconds"] / row["seconds_a_step"]
            yield f"    {operator['name'][:48]:<48} {_seconds(operator['seconds']):>9} {share:>5.0%}"


_LINES = {
    "step": _step,
    "wiener": _wiener,
    "log-determinant": _log_determinant,
    "ffl": _ffl,
    "epoch": _epoch,
    "modes": _modes,
    "side by side": _side_by_side,
    "evaluation": _evaluation,
    "import": _import,
    "html": _html,
    "profile": _profile,
}
