"""Table 1 of the main paper: what the kernel, ε, its gradient and C do."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Method, make, tuned
from blurvae.experiments.bredell import row, table2
from blurvae.record import Run

TITLE = "The choices behind the Wiener term (Table 1)"
PAPER_DATA = "celeba"
PAPER_TABLE = "bredell/table1"
NOTES = ("All rows have the β of the Wiener term of Table 2.",)
METHODS = (
    row("fixed-2", "Gaussian, variance 2", "wiener-fixed", variance=2.0, paper="K(N(0,2), ε) fixed"),
    row("fixed-4", "Gaussian, variance 4", "wiener-fixed", variance=4.0, paper="K(N(0,4), ε) fixed"),
    row("eps-0.01", "ε = 0.01", "wiener", epsilon=0.01, paper="K(G(z), ε small)"),
    row("eps-0.5", "ε = 0.5", "wiener", epsilon=0.5),
    row("wiener", "ε large, C = 0.025", "wiener", paper="K(G(z), ε large)"),
    row("live", "ε large, live kernel", "wiener", kernel_path="live"),
    row("C-0.005", "C = 0.005", "wiener", C=0.005, paper="C = 0.005"),
    row("C-0.1", "C = 0.1", "wiener", C=0.1, paper="C = 0.1"),
)
VARIANTS: tuple[Method, ...] = ()
COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2)},
    "paper": {"celeba": (0, 1, 2)},
}


searched = table2.searched


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; the row "wiener" is Table 2's.

    Args:
        tier: "smoke", "lesson" or "paper", with the budget of Table 2.
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    beta = tuned(tier, *searched(data)).get("wiener", 1.0)
    betas = {m.name: beta for m in METHODS}
    own = [m for m in METHODS if m.name != "wiener"]
    base = [run for run in table2.runs(tier, data, seeds) if run.method == "wiener"]
    return (*base, *make("bredell/table1", own, tier, data, seeds, table2.given(tier), betas))
