"""The rule on answers that are not unique: it reads no record, since what it asks is computed exactly in a moment."""

from __future__ import annotations

from pathlib import Path

from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments.enhancenet import theory


def mean_and_draw(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """How many random posteriors contradict what is said of their mean and of a draw, and what a drawn bar has."""
    made = [
        Comparison(
            f"of {theory.POSTERIORS} random posteriors contradict that {what}",
            "none",
            (float(number),),
            sign=-1,
            limit=1,
            digits=0,
            exact=True,
        )
        for what, number in theory.contradictions().items()
    ]
    return [*made, Comparison("PSNR of a drawn bar minus that of the mean, dB", "0", (theory.bar(),), -1, 0, 2, True)]
