"""L2 and the Wiener term trained for a short, a long and a longer time: is the order that the tables show stable?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blurvae.experiments.base import Method, check_tier, make
from blurvae.experiments.bredell import row, table2
from blurvae.record import Run

TITLE = "L2 and Wiener over the length of the training, 64×64 px"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "Images and networks are those of Table 2 at tier lesson. A tenth of the epochs is warm-up, as in the paper, or "
    "two epochs. L2 has three values of β, between two of which it sends as much as Wiener.",
)
EPOCHS = (8, 30, 100)
TERMS = (
    row("l2", "L2", "l2"),
    row("l2,beta=0.5", "L2, β = 0.5", "l2", beta=0.5),
    row("l2,beta=0.3", "L2, β = 0.3", "l2", beta=0.3),
    row("wiener", "Wiener", "wiener"),
)
LENGTHS = {
    epochs: tuple(
        replace(term, name=f"{term.name},epochs={epochs}", label=f"{term.label}, {epochs} epochs") for term in TERMS
    )
    for epochs in EPOCHS
}
METHODS = tuple(method for methods in LENGTHS.values() for method in methods)
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {"smoke": {"natural": (0,)}, "study": {"natural": (0, 1, 2)}}


def searched(data: str) -> None:
    """β is each method's own."""


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, the shortest trainings first.

    Args:
        tier: "study", or "smoke", where all are equally short.
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    given = table2.given("smoke" if check_tier(tier, GRID) == "smoke" else "lesson")
    made: tuple[Run, ...] = ()
    for epochs, methods in LENGTHS.items():
        length = given
        if tier == "study":
            warm_up = {"warm_up": max(2, epochs // 10)}
            length = given._replace(budget=replace(given.budget, epochs=epochs), system={**given.system, **warm_up})
        made += make("bredell/longer", methods, tier, data, seeds, length)
    return made
