"""Table 6.3 of Sajjadi (2024): precision and recall of the samples of Table 6.2's models."""

from __future__ import annotations

from blurvae.experiments.base import Method
from blurvae.experiments.rae import table2

TITLE = "Precision and recall of samples (Table 6.3)"
PAPER_DATA = table2.PAPER_DATA
PAPER_TABLE = "rae/table3"
NOTES = table2.NOTES
METHODS = table2.METHODS
VARIANTS: tuple[Method, ...] = table2.VARIANTS
COLUMNS = (
    "precision-squeeze (N)",
    "recall-squeeze (N)",
    "precision-squeeze (GMM samples)",
    "recall-squeeze (GMM samples)",
)
GRID = table2.GRID

searched = table2.searched
runs = table2.runs
