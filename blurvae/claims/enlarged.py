"""Rules of the chapter on EnhanceNet: who has about the error of bicubic enlargement, and whose training oscillates."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from blurvae import experiments
from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import recorded

ERROR = "euclidean"  # of an epoch: the squared error over its training batches


def near_bicubic(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the method's PSNR is as near to that of bicubic enlargement as the printed table has it.

    The margin is the largest of the printed differences, over the table's data sets.
    """
    module, values = experiments.get(evidence.experiment), records.values(evidence, folder)
    row = next(m.paper for m in module.METHODS if m.name == evidence.method)
    printed = recorded.paper_table(module.PAPER_TABLE)
    printed = printed[printed.method == row]
    near = float((printed["PSNR"] - printed["PSNR, bicubic"]).abs().max())
    own, plain = (values.get(f"PSNR (Y{how})", {}).get(evidence.method, {}) for how in ("", ", bicubic"))
    gaps = records.gaps(own, plain)
    return [Comparison("PSNR (Y) minus that of bicubic, dB", f"within {near:.2f}", gaps, digits=2, near=near)]


def oscillates(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """How unsteadily the method's squared error goes over the epochs, minus that of each rival, seed by seed.

    The mean absolute second difference of log10 of the error, from the second epoch on: what a steady fall has not.
    """
    found = recorded.load(evidence.experiment, evidence.tier, evidence.data, folder)
    unsteady: dict[str, dict[int, float]] = {}
    for result in found:
        if not result.diverged:
            errors = [epoch[ERROR] for epoch in result.record["history"]]
            unsteady.setdefault(result.run.method, {})[result.run.seed] = _unsteady(errors[1:])
    own, made = unsteady.get(evidence.method, {}), []
    for rival in evidence.rivals:
        gaps = records.gaps(own, unsteady.get(rival, {}))
        label = recorded.label(evidence.experiment, rival)
        made.append(Comparison("second differences of log10 of the squared error", label, gaps, digits=3))
    return made


def _unsteady(errors: Sequence[float]) -> float:
    logs = [math.log10(error) for error in errors]
    return statistics.fmean(abs(a - 2 * b + c) for a, b, c in zip(logs, logs[1:], logs[2:]))
