"""The paper's claims and what the recorded runs say of each: a verdict is computed from its numbers, never typed."""

from blurvae.claims.ledger import find_all, load
from blurvae.claims.model import Claim, Comparison, Evidence
from blurvae.claims.records import COLLAPSED
from blurvae.claims.rules import RULES, findings
from blurvae.claims.verdict import UNDECIDED, Finding, Judged, predicate, verdict

__all__ = [
    "COLLAPSED",
    "RULES",
    "UNDECIDED",
    "Claim",
    "Comparison",
    "Evidence",
    "Finding",
    "Judged",
    "find_all",
    "findings",
    "load",
    "predicate",
    "verdict",
]
