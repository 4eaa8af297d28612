"""The paper's own differences, where its column is on the scale of ours: PSNR and SSIM, but no distance of features."""

from __future__ import annotations

from blurvae import datasets, experiments
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import recorded

SCALES = {ours: column for column, ours in recorded.PAPER_COLUMNS.items() if "squeeze" not in ours}


def difference(evidence: Evidence, comparison: Comparison) -> float | None:
    """What the paper prints for the method, minus what it prints for the rival.

    Returns:
        None where the paper has no such row or column, where ours is on another scale, or where ours are data that
        neither are the paper's nor stand in for them.
    """
    if not evidence.experiment or comparison.what not in SCALES:
        return None
    module = experiments.get(evidence.experiment)
    if not module.PAPER_TABLE:
        return None
    rows, column = recorded.paper_table(module.PAPER_TABLE), SCALES[comparison.what]
    own = evidence.data in set(rows.data)
    if column not in rows or not (own or datasets.describe(evidence.data)["stands_in_for"]):
        return None
    rows = rows[rows.data == (evidence.data if own else module.PAPER_DATA)].dropna(subset=column)
    printed = dict(zip(rows.method, rows[column].astype(float)))
    known = {m.name: m for m in (*module.METHODS, *module.VARIANTS)}
    rivals = [known[name].paper for name in evidence.rivals if known[name].label == comparison.against]
    names = (known[evidence.method].paper, *rivals)
    if len(names) != 2 or not set(names) <= printed.keys():
        return None
    return printed[names[0]] - printed[names[1]]
