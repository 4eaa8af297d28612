"""A rule that looks at what a shift of an image is to the features of a trained discriminator."""

from __future__ import annotations

from pathlib import Path

from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.metrics.shift import SHIFTS

INVARIANT = 0.1  # of the distance to another image, below which a moved image counts as the same


def invariance(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether a shift of one or two pixels is nearly nothing to the features, and less than to pixels and to the term.

    All are in units of the distance to another image: see `metrics.shift.shift_sensitivity`.
    """
    values, made = records.values(evidence, folder), []
    for pixels in SHIFTS:
        what, rivals = f"shift {pixels} px (features)", [f"shift {pixels} px ({of})" for of in ("pixels", "sharpness")]
        own = values.get(what, {}).get(evidence.method, {})
        made.append(Comparison(what, f"under {INVARIANT:g}", tuple(own[s] for s in sorted(own)), -1, INVARIANT, 2))
        for rival in rivals:
            other = values.get(rival, {}).get(evidence.method, {})
            made.append(Comparison(what, rival, records.gaps(own, other), sign=-1, digits=2))
    return made
