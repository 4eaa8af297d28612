"""Rules of the chapter on tempered adversarial networks: what a lens does while λ falls, and what it leaves behind."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from blurvae import experiments
from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import recorded
from blurvae.experiments.tempered import theory
from blurvae.record import Run
from blurvae.systems import GAN

ORDERS = 2.0  # of ten, by which a residual must differ to be called another
LEAST = 1e-12  # of a residual: float32 knows no smaller one
OF_EPOCHS = {"good samples": "good", "modes (samples)": "modes", "FD-squeeze (samples)": "fd"}  # columns as watched
Histories = Mapping[int, list[dict[str, Any]]]


def clears(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the residual of an annealed lens, ‖L(x) − x‖²/‖x‖², falls by two orders of ten until 2 K, and after K."""
    own, k = _histories(evidence, folder).get(evidence.method, {}), _epochs_of_k(evidence)

    def log(history: list[dict[str, Any]], at: float) -> float:
        return _log(history[min(math.ceil(at), len(history)) - 1])

    falls = tuple(log(h, 2 * k) - log(h, 1) for _, h in sorted(own.items()))
    later = tuple(log(h, 2 * k) - log(h, k) for _, h in sorted(own.items()))
    what = "log10 of the lens's residual at 2 K"
    return [
        Comparison(what, f"{ORDERS:g} under that after an epoch", falls, -1, -ORDERS, digits=1),
        Comparison(what, "under that at K", later, -1, digits=1),
    ]


def stays(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the last residual of the method's lens is two orders of ten above that of each rival's."""
    histories = _histories(evidence, folder)
    last = {
        method: {seed: _log(history[-1]) for seed, history in histories.get(method, {}).items()}
        for method in (evidence.method, *evidence.rivals)
    }
    made = []
    for rival in evidence.rivals:
        against = f"{recorded.label(evidence.experiment, rival)}, {ORDERS:g} above"
        gaps = records.gaps(last[evidence.method], last[rival])
        made.append(Comparison("log10 of the lens's residual at the end", against, gaps, 1, ORDERS, digits=1))
    return made


def early_and_late(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method minus each rival at ½ K, on what it is claimed to be worse then, and at the end."""
    half = max(1, round(_epochs_of_k(evidence) / 2))
    return [
        *_over_epochs(evidence, folder, evidence.worse, "at ½ K", lambda numbers: numbers[half - 1], -1),
        *_over_epochs(evidence, folder, evidence.metrics, "at the end", lambda numbers: numbers[-1], 1),
    ]


def sooner(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The method minus each rival on the mean over the second half of the epochs: who comes sooner has more of it."""

    def late(numbers: list[float]) -> float:
        return statistics.fmean(numbers[len(numbers) // 2 :])

    return _over_epochs(evidence, folder, evidence.metrics, "over the second half", late, 1)


def less_spread(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Distances from the method's median minus those from each rival's, seed by seed (Brown and Forsythe 1974)."""
    values, made = records.values(evidence, folder), []
    for metric in evidence.metrics:
        for rival in evidence.rivals:
            own, other = (_deviations(values.get(metric, {}).get(name, {})) for name in (evidence.method, rival))
            label, digits = recorded.label(evidence.experiment, rival), recorded.DIGITS[metric]
            what = f"distance of {metric} from its median"
            made.append(Comparison(what, label, records.gaps(own, other), -1, digits=digits))
    return made


def no_gain(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the method gains less than a margin over each rival none of whose trainings fails; else it is silent."""
    values, made = records.values(evidence, folder), []
    for metric, margin in zip(evidence.metrics, evidence.margins, strict=True):
        side, digits = 1 if recorded.HIGHER_IS_BETTER[metric] else -1, recorded.DIGITS[metric]
        for rival in evidence.rivals:
            own, other = (values.get(metric, {}).get(name, {}) for name in (evidence.method, rival))
            fails = any(values.get(recorded.FAILED, {}).get(rival, {}).values())
            silent = "trainings fail without it, too" if fails else ""
            label = f"{recorded.label(evidence.experiment, rival)}, less than {margin:g} gained"
            gaps = records.gaps(own, other)
            made.append(Comparison(metric, label, gaps, -side, side * margin, digits, silent=silent))
    return made


def only_the_identity(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Of five small lenses before a constant discriminator: the slope of L^A, and how much of L^R training leaves."""
    found = [theory.before_a_constant(seed) for seed in range(5)]
    slope, left = (max(numbers) for numbers in zip(*found))
    return [
        Comparison("largest slope of L^A", "no larger than rounding", (slope,), -1, 1e-12, 2, exact=True),
        Comparison("L^R after training over L^R before", "under 0.01", (left,), -1, 0.01, 3, exact=True),
    ]


def _over_epochs(
    evidence: Evidence,
    folder: Path | None,
    metrics: tuple[str, ...],
    when: str,
    taken: Callable[[list[float]], float],
    claimed: int,
) -> list[Comparison]:
    """The method minus each rival, of one number that is taken of a metric's epochs; claimed better (1) or worse."""
    histories, made = _histories(evidence, folder), []
    for metric in metrics:
        key, side = OF_EPOCHS[metric], 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        for rival in evidence.rivals:
            first, second = (
                {s: taken([e[key] for e in h]) for s, h in of.items() if all(key in e for e in h)}
                for of in (histories.get(name, {}) for name in (evidence.method, rival))
            )
            label, digits = recorded.label(evidence.experiment, rival), recorded.DIGITS[metric]
            gaps = records.gaps(first, second)
            made.append(Comparison(f"{metric} {when}", label, gaps, claimed * side, digits=digits))
    return made


def _histories(evidence: Evidence, folder: Path | None) -> Mapping[str, Histories]:
    """The epochs of the trainings that reached their end, by method and seed."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for result in recorded.load(evidence.experiment, evidence.tier, evidence.data, folder):
        if not result.diverged:
            found.setdefault(result.run.method, {})[result.run.seed] = result.record["history"]
    return found


def _epochs_of_k(evidence: Evidence) -> float:
    """K of the method's runs, in epochs."""
    runs = experiments.get(evidence.experiment).runs(evidence.tier, evidence.data, (0,))
    run: Run = next(run for run in runs if run.method == evidence.method)
    system, budget = cast(GAN, run.system), run.budget
    assert run.n_train is not None
    return system.anneal / (run.n_train // (budget.batch_size * system.plays) * budget.passes)


def _log(epoch: Mapping[str, Any]) -> float:
    return math.log10(max(epoch["lens_residual"], LEAST))


def _deviations(values: Mapping[int, float]) -> dict[int, float]:
    if not values:
        return {}
    middle = statistics.median(values.values())
    return {seed: abs(value - middle) for seed, value in values.items()}
