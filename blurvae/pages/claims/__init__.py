"""What the runs say of the claims: a matrix, for each a section with a plot, and words and tables for chapters."""

from blurvae.pages.claims.forest import forest
from blurvae.pages.claims.frames import calls, comparisons, decisions, found, pieces
from blurvae.pages.claims.matrix import matrix
from blurvae.pages.claims.sections import anchor, details, sections
from blurvae.pages.claims.words import decided, joined, sides, summary, tally

__all__ = [
    "anchor",
    "calls",
    "comparisons",
    "decided",
    "decisions",
    "details",
    "forest",
    "found",
    "joined",
    "matrix",
    "pieces",
    "sections",
    "sides",
    "summary",
    "tally",
]
