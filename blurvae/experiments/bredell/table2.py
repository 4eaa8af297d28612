"""Table 2, upper half, and Fig. 3 and 8 of the main paper: eight reconstruction terms on faces of 64×64 px."""

from __future__ import annotations

from collections.abc import Sequence

from blurvae.experiments.base import Given, Method, check_tier, make, tuned
from blurvae.experiments.bredell import LESSON, PAPER, SMOKE, row
from blurvae.record import Run
from blurvae.train import Budget

TITLE = "Faces and natural patches, 64×64 px (Table 2, upper half; Fig. 8)"
PAPER_DATA = "celeba"
PAPER_TABLE = "bredell/table2"
NOTES = (
    "The paper's row Watson is a loss trained on human judgements, in a larger network; its weights are not here.",
    "The rows Watson (1993) are the model of vision that this loss started from: they learn nothing.",
    "Watson (1993) pools errors with exponent 4, which heeds the worst blocks alone; exponent 2 is ours.",
    "The paper's row VGG is LPIPS with VGG-16; LPIPS-squeeze is ours, and is judged by its own metric in LPIPS.",
)
# FFL, SSIM, Watson and LPIPS have no scale in nats: β is searched where their KL is that of L2.
METHODS = (
    row("l2", "L2", "l2", paper="L2"),
    row("l1", "L1", "l1", paper="L1"),
    row("ssim", "SSIM", "ssim", paper="SSIM", search=(0.03, 0.1, 0.3, 1.0)),
    row("ce", "CE", "ce", paper="CE"),
    row("ffl", "FFL", "ffl", beta=0.2, paper="FFL", search=(0.02, 0.06, 0.2, 0.6)),
    row("wiener", "Wiener", "wiener", paper="Ours"),
    row("wiener-proper", "Wiener-proper", "wiener-proper"),
    row("watson", "Watson (1993)", "watson"),
    row("watson-2", "Watson (1993), exponent 2", "watson", pooling=2.0),
    row("watson-dft", "Watson, trained", "watson-dft", paper="Watson"),
    row("lpips-squeeze", "LPIPS-squeeze", "lpips", net="squeeze"),
    row("lpips-vgg", "LPIPS-VGG", "lpips", net="vgg", paper="VGG"),
)
VARIANTS: tuple[Method, ...] = ()

COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2)},
    "paper": {"faces64": (0, 1, 2), "celeba": (0, 1, 2)},
}


def given(tier: str) -> Given:
    """What all methods at 64×64 px are given, in this and in other tables.

    At tier "lesson" 2,000 images, 8 epochs, widths 16-32-64-128; at "smoke" 64 images.
    """
    match check_tier(tier, GRID):
        case "paper":
            return Given(Budget(epochs=100, batch_size=64), PAPER, {"size": 64})
        case "lesson":
            system = LESSON | {"widths": (16, 32, 64, 128), "hidden": 256}
            return Given(Budget(epochs=8, batch_size=32), system, {"size": 64, "n_train": 2000, "n_test": 500})
    system = SMOKE | {"widths": (8, 16), "latent": 16, "hidden": 32}
    return Given(Budget(epochs=2, batch_size=16), system, {"size": 64, "n_train": 64, "n_test": 32})


def searched(data: str) -> tuple[str, str]:
    """The (experiment, data set) whose search chose β."""
    return "bredell/table2", data


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson" or "paper".
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    return make("bredell/table2", METHODS, tier, data, seeds, given(tier), tuned(tier, *searched(data)))
