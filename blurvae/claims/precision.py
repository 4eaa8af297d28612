"""Rules on precision and recall: they read what `python -m blurvae.experiments.prd` records, a number a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments.prd import choices, models, modes, sets
from blurvae.metrics.prd import RUNS

ALIKE = 1.5  # times, by which two distances may differ that cannot tell two failures apart
STABLE = 0.01  # of precision or recall, from one average over clusterings to the next
SCORE = 0.1  # of a score from 1 to 10, below which two sets are one to a classifier

Row = dict[str, Any]


def theorems(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """How many random pairs of distributions contradict the statements that `metrics` names."""
    record = _read("theory", folder)
    found = record.get("violations", {})
    return [
        Comparison(
            f"of {record.get('pairs', 0)} random pairs contradict {name}",
            "none",
            (float(found[name]),) if name in found else (),
            sign=-1,
            limit=1,
            digits=0,
            exact=True,
        )
        for name in evidence.metrics
    ]


def modes_apart(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the distance falls to i = 5 classes, rises then, and is alike at 4 and 6, where the pair is not."""
    rows = _by_seed(_read(modes.name(evidence.data, evidence.method), folder), "i")

    def each(value: Callable[[dict[Any, Row]], float]) -> tuple[float, ...]:
        return tuple(value(row) for row in rows)

    def ratio(row: dict[Any, Row]) -> float:
        return float(max(row[4]["FD"], row[6]["FD"]) / min(row[4]["FD"], row[6]["FD"]))

    return [
        Comparison("FD of 4 classes", "5 classes", each(lambda r: r[4]["FD"] - r[5]["FD"]), digits=1),
        Comparison("FD of 6 classes", "5 classes", each(lambda r: r[6]["FD"] - r[5]["FD"]), digits=1),
        Comparison("larger FD of 4 and 6 classes, times the smaller", f"under {ALIKE:g}", each(ratio), -1, ALIKE, 2),
        Comparison("recall of 6 classes", "4 classes", each(lambda r: r[6]["recall"] - r[4]["recall"]), digits=3),
        Comparison(
            "precision of 4 classes", "6 classes", each(lambda r: r[4]["precision"] - r[6]["precision"]), digits=3
        ),
    ]


def score_rises(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether a score by class probabilities rises with every class, those that are not in P among them."""
    rows = _by_seed(_read(modes.name(evidence.data, evidence.method), folder), "i")
    least = tuple(min(row[i + 1]["score"] - row[i]["score"] for i in range(1, 10)) for row in rows)
    return [Comparison("least rise of the score from i to i + 1 classes", "0", least, digits=3)]


def equal_distance(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether few sharp digits have more precision and less recall than all, noisy ones at the same distance."""
    record = _read(f"equal-fd-{evidence.method}", folder)
    made = []
    for digits in sorted({row["digits"] for row in record.get("rows", ())}) or [0]:
        own = _by_seed({"rows": [row for row in record.get("rows", ()) if row["digits"] == digits]}, "set")
        for side, sign in (("precision", 1), ("recall", -1)):
            gaps = tuple(row["few digits"][side] - row["all, noisy"][side] for row in own)
            made.append(Comparison(f"{side} of {digits} digits", "all, noisy, at one FD", gaps, sign, digits=3))
    return made


def stable_average(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The standard error of the pair's average over ten clusterings, at each number of clusters, of both sets."""
    rows = [row for row in _read("choices", folder).get("rows", ()) if row["n"] == choices.COMMON]
    made = []
    for name in ("eight digits", "data"):
        for k in choices.CLUSTERS:
            for side in ("precision", "recall"):
                own = [row for row in rows if (row["set"], row["clusters"]) == (name, k)]
                errors = tuple(row[f"{side} sd"] / RUNS**0.5 for row in own)
                what = f"standard error of the average {side} over {RUNS} clusterings, {name}, k = {k}"
                made.append(Comparison(what, f"under {STABLE:g}", errors, -1, STABLE, 4))
    return made


def within_a_class(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether all ones have more recall than upright ones, where the score by class probabilities is the same."""
    rows = [row for row in _read("ones", folder).get("rows", ()) if row["features"] == evidence.method]
    own = _by_seed({"rows": rows}, "set")
    recall = tuple(row["all ones"]["recall"] - row["upright ones"]["recall"] for row in own)
    score = tuple(abs(row["all ones"]["score"] - row["upright ones"]["score"]) for row in own)
    return [
        Comparison("recall of all ones", "upright ones", recall, digits=3),
        Comparison("difference of their scores", f"under {SCORE:g}", score, -1, SCORE, 3),
    ]


def rank_correlation(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether precision falls with the entropy of single images, and recall rises with that of the set."""
    found = _read("fleet", folder).get("correlations", ())
    made = []
    for sets_of in ("all", "mild"):
        for name, sign in (("precision, entropy of an image", -1), ("recall, entropy of the set", 1)):
            values = tuple(row[name] for row in found if row["sets"] == sets_of)
            made.append(Comparison(f"rank correlation over {sets_of} sets: {name}", "0", values, sign, digits=2))
    return made


def which_side(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether sets of few clean digits lie above the diagonal, precision over recall, and blurred ones below it."""
    rows = _by_seed(_read("fleet", folder), "set")
    made = []
    for names, sign in (
        (("1 digits", "2 digits", "4 digits"), 1),
        (("10 digits, weak blur", "10 digits, middle blur"), -1),
    ):
        for name in names:
            gaps = tuple(row[name]["precision"] - row[name]["recall"] for row in rows)
            made.append(Comparison(f"precision minus recall of {name}", "0", gaps, sign, digits=3))
    return made


def side_of_models(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether a VAE lies nearer to recall than the GAN that was drawn with it: recall minus precision, pair by pair.

    "Lower precision or higher recall" is also true of a VAE that is worse in both, and then says nothing about which
    side it errs on. So the difference of the two decides, by clusters and by neighbours; each alone is shown beside it.
    Nothing is compared before all pairs are recorded, whose number was fixed beforehand.
    """
    by_pair: dict[int, dict[str, Row]] = {}
    for row in models.rows(folder):
        by_pair.setdefault(row["pair"], {})[row["kind"]] = row
    pairs = list(by_pair.values()) if len(by_pair) == len(models.PAIRS) else []

    def gaps(value: Callable[[Row], float]) -> tuple[float, ...]:
        return tuple(value(pair["VAE"]) - value(pair["GAN"]) for pair in pairs)

    made = []
    for way, by in (("", "clusters"), ("knn ", "neighbours")):
        precision, recall = (way + side for side in ("precision", "recall"))
        lean = gaps(lambda row, p=precision, r=recall: row[r] - row[p])  # type: ignore[misc]
        made.append(Comparison(f"recall minus precision of a VAE, by {by}", "its GAN", lean, digits=3))
        for side, key, sign in (("precision", precision, -1), ("recall", recall, 1)):
            one = gaps(lambda row, k=key: row[k])  # type: ignore[misc]
            silent = "one of the two sides"
            made.append(Comparison(f"{side} of a VAE, by {by}", "its GAN", one, sign, digits=3, silent=silent))
    return made


def toys(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Precision minus recall of the two-state toys of Figs 5.2 and 5.3."""
    found = _read("theory", folder).get("toys", {})
    made = []
    for name, sign in (("a", 1), ("b", -1), ("e", 1), ("f", -1)):
        gaps = (found[name]["precision"] - found[name]["recall"],) if name in found else ()
        made.append(Comparison(f"precision minus recall of toy ({name})", "0", gaps, sign, digits=3, exact=True))
    return made


def _read(name: str, folder: Path | None) -> dict[str, Any]:
    """A record, empty where there is none."""
    file = sets.path(name, folder)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def _by_seed(record: dict[str, Any], key: str) -> list[dict[Any, Row]]:
    """The rows of each seed by a key of theirs."""
    rows: Iterable[Row] = record.get("rows", ())
    found: dict[int, dict[Any, Row]] = {}
    for row in rows:
        found.setdefault(row["seed"], {})[row[key]] = row
    return [found[seed] for seed in sorted(found)]
