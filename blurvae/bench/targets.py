"""What the figures should reach, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What a figure should reach.

    Attributes:
        name: what is compared.
        sense: "≥" or "≤".
        cpu: the limit on a CPU, None where there is none.
        gpu: the limit on a GPU.
        path: where the figure stands among the parts; a key may be a pattern, and then several figures are meant.
        best: whether the best of several figures counts, not the worst.
    """

    name: str
    sense: str
    cpu: float | None
    gpu: float
    path: tuple[str, ...]
    best: bool = False


TARGETS = (
    Target(
        "images/s of Wiener training at 64 px (set for an H200)",
        "≥",
        None,
        40_000,
        ("step", "batches", "*", "ours", "images_per_second", "median"),
        best=True,
    ),
    Target(
        "images/s of Wiener training at 32 px, batch 64, alone (set for an H100)",
        "≥",
        None,
        60_000,
        ("side by side", "32", "graphs", "1", "images_per_second"),
    ),
    Target(
        "images/s of Wiener training at 32 px, batch 64, side by side (set for an H100)",
        "≥",
        None,
        120_000,
        ("side by side", "32", "graphs", "*", "images_per_second"),
        best=True,
    ),
    Target(
        "images/s of Wiener training at 64 px, batch 64, alone (set for an H100)",
        "≥",
        None,
        35_000,
        ("side by side", "64", "graphs", "1", "images_per_second"),
    ),
    Target(
        "images/s of Wiener training at 64 px, batch 512 (set for an H100)",
        "≥",
        None,
        60_000,
        ("modes", "512", "*", "images_per_second", "median"),
        best=True,
    ),
    Target("seconds of evaluating 10,000 images at 32 px (set for an H100)", "≤", None, 5, ("evaluation", "seconds")),
    Target(
        "training step: plain loop / ours",
        "≥",
        1.8,
        5,
        ("step", "batches", "*", "eager", "ours_is_faster_by", "median"),
    ),
    Target(
        "training step: pythae / ours", "≥", 1.5, 3, ("step", "batches", "*", "pythae", "ours_is_faster_by", "median")
    ),
    Target("training step: Wiener / L2", "≤", 1.15, 1.10, ("wiener", "*", "wiener *", "times_l2", "median")),
    Target(
        "seconds of 100 epochs at CelebA's size (set for an H200)",
        "≤",
        None,
        420,
        ("epoch", "batches", "*", "hundred_epochs"),
        best=True,
    ),
    Target("log-determinant: growth exponent in the pixels", "≤", 1.1, 1.1, ("log-determinant", "fft*", "exponent")),
    Target("import: blurvae / torch", "≤", 1.3, 1.3, ("import", "blurvae*", "times_torch")),
)


def targets(record: Record) -> list[Record]:
    """Each target with its measured value and whether it is met.

    Args:
        record: the benchmark's record, as far as it got.

    Returns:
        One record a target: `name`, `sense`, `limit`, `value`, `at` (where it was measured: of several places that
        with the worst value, for the absolute figures that with the best), `met`. Value, `at` and `met` are None where
        nothing was measured, and `reason` says why.
    """
    rows = []
    for target in TARGETS:
        limit = target.gpu if record["device"] == "cuda" else target.cpu
        if limit is None:
            continue
        row: Record = {"name": target.name, "sense": target.sense, "limit": limit}
        found = list(_walk(record["parts"], target.path))
        values = [(value, at) for value, at in found if not isinstance(value, str)]
        if values:
            value, at = (max if (target.sense == "≥") == target.best else min)(values)
            met = value >= limit if target.sense == "≥" else value <= limit
            rows.append(row | {"value": value, "at": at, "met": met})
        else:
            reason = found[0][0] if found else "not measured in this run"
            rows.append(row | {"value": None, "at": None, "met": None, "reason": reason})
    return rows


def _walk(node: Any, path: tuple[str, ...], at: tuple[str, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Every figure at a path with the keys that its patterns met, or the reason why it is not there."""
    if isinstance(node, dict) and "not_run" in node:
        yield node["not_run"], ""
    elif not path:
        yield node, ", ".join(at)
    elif isinstance(node, dict):
        for key, child in node.items():
            if fnmatchcase(key, path[0]):
                yield from _walk(child, path[1:], (*at, key) if "*" in path[0] else at)
