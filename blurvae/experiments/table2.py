"""Table 2, upper half, and Fig. 3 and 8 of the main paper: eight reconstruction terms on faces of 64×64 px."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blurvae.experiments import Method, check_tier, make, tuned
from blurvae.run import Run
from blurvae.training import Settings

TITLE = "Faces and natural patches, 64×64 px (Table 2, upper half; Fig. 8)"
PAPER_DATA = "celeba"
PAPER_TABLE = "table2"
NOTES = (
    "The paper's row Watson is a loss trained on human judgements, in a larger network; its weights are not here.",
    "The rows Watson (1993) are the model of vision that this loss started from: they learn nothing.",
    "Watson (1993) pools errors with exponent 4, which heeds the worst blocks alone; exponent 2 is ours.",
    "The paper's row VGG is LPIPS with VGG-16; LPIPS-squeeze is ours, and is judged by its own metric in LPIPS.",
)
# FFL, SSIM, Watson and LPIPS have no scale in nats: β is searched where their KL is that of L2.
METHODS = (
    Method("l2", "L2", "l2", paper="L2"),
    Method("l1", "L1", "l1", paper="L1"),
    Method("ssim", "SSIM", "ssim", paper="SSIM", search=(0.03, 0.1, 0.3, 1.0)),
    Method("ce", "CE", "ce", paper="CE"),
    Method("ffl", "FFL", "ffl", beta=0.2, paper="FFL", search=(0.02, 0.06, 0.2, 0.6)),
    Method("wiener", "Wiener", "wiener", paper="Ours"),
    Method("wiener-proper", "Wiener-proper", "wiener-proper"),
    Method("watson", "Watson (1993)", "watson"),
    Method("watson-2", "Watson (1993), exponent 2", "watson", (("pooling", 2.0),)),
    Method("watson-dft", "Watson, trained", "watson-dft", paper="Watson"),
    Method("lpips-squeeze", "LPIPS-squeeze", "lpips", (("net", "squeeze"),)),
    Method("lpips-vgg", "LPIPS-VGG", "lpips", (("net", "vgg"),), paper="VGG"),
)
VARIANTS: tuple[Method, ...] = ()

PAPER = Settings(epochs=100, warm_up=10, batch_size=64, lr=1e-4)
LESSON = Settings(epochs=8, warm_up=2, batch_size=32, lr=1e-3, kernel_lr=1e-3)
SMOKE = Settings(epochs=2, warm_up=1, batch_size=16, lr=1e-3, kernel_lr=1e-3)

COLUMNS: tuple[str, ...] = ()
GRID = {
    "smoke": {"natural": (0,)},
    "lesson": {"natural": (0, 1, 2), "faces64": (0, 1, 2)},
    "paper": {"faces64": (0, 1, 2), "celeba": (0, 1, 2)},
}


def budget(tier: str) -> tuple[Settings, dict[str, Any]]:
    """What all methods at 64×64 px are given, in this and in other tables.

    Returns:
        (settings, fields of `Run`): at tier "lesson" 2,000 images, 8 epochs, widths 16-32-64-128; at "smoke" 64.
    """
    match check_tier(tier):
        case "paper":
            return PAPER, {"size": 64}
        case "lesson":
            widths = (16, 32, 64, 128)
            return LESSON, {"size": 64, "widths": widths, "hidden": 256, "n_train": 2000, "n_test": 500}
    return SMOKE, {"size": 64, "widths": (8, 16), "latent": 16, "hidden": 32, "n_train": 64, "n_test": 32}


def searched(data: str) -> tuple[str, str]:
    """The (experiment, data set) whose search chose β."""
    return "table2", data


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method.

    Args:
        tier: "smoke", "lesson" or "paper".
        data: a data set of 64×64 px.
        seeds: one run a method and seed.
    """
    settings, common = budget(tier)
    return make("table2", METHODS, tier, data, seeds, settings, tuned(tier, *searched(data)), **common)
