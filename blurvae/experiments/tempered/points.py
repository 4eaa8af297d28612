"""Three games on points of the plane: which modes a generator drops, with no lens, a learned one, a blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from blurvae.experiments.base import Given, Method, check_tier, make
from blurvae.experiments.tempered import LABELS, LENSES, K, annealed
from blurvae.record import Run
from blurvae.systems import GAN
from blurvae.train import Budget

TITLE = "GANs on points, tempered by a lens (chapter 4 of Sajjadi 2024, in the plane)"
PAPER_DATA = ""
PAPER_TABLE = ""
NOTES = (
    "The dissertation has no points; claims about modes and failures are tested on them, since there one can count.",
    "The blur lens adds noise of falling variance to the data, which blurs their density; nobody has tried it.",
    "A training has failed where it has less than half of the modes, or less than a tenth of its samples are good.",
    "All games see as many points; a critic's five plays leave WGAN-GP a fifth of the generator's steps.",
)
# Of the slope penalty: with 10, as on images, no generator of this size leaves the middle in these budgets; the code of
# Gulrajani et al. has 0.1 for points too.
GAMES: dict[str, dict[str, Any]] = {"gan": {}, "lsgan": {}, "wgan-gp": {"penalty": 0.1}}
SHARE = 0.3  # of the discriminator's plays, K
# Changes of the annealed lens: label, factors of K and of λ. How much λ weighs beside eq. 4.2 is not printed (TA-E3):
# a mean over the 3,072 values of an image has what 3,072 λ have beside the sum.
CHANGES = {"half": ("½ K", 0.5, 1.0), "double": ("2 K", 2.0, 1.0), "strong": ("10 λ", 1.0, 10.0)}


def _method(game: str, lens: str, change: str = "") -> Method:
    (words, fields), (more, of_k, of_lambda) = LENSES[lens], CHANGES.get(change, ("", 1.0, 1.0))
    system = GAN(game, sigma=0.4, lr=2e-3, latent=2, width=64, **GAMES[game] | fields)  # type: ignore[arg-type]
    system = replace(system, anneal=round(of_k * K / system.plays), strength=of_lambda)
    name, label = filter(None, (game, lens, change)), filter(None, (LABELS[game], words, more))
    return Method("-".join(name), ", ".join(label), system)


METHODS = tuple(_method(game, lens) for game in GAMES for lens in ("none", "learned", "noise", "constant"))
# Least squares whose D ends in a sigmoid, which the text leaves open (TA-A1); and a network four times as wide, at the
# learning rate at which its plain training is stable on three seeds that are not recorded (TA-C7).
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("sigmoid", {"sigmoid": True}),
    "wide": ("256 units", {"width": 256, "lr": 1e-3}),
}


def _other(lens: str, name: str) -> Method:
    base, (words, fields) = _method("lsgan", lens), OTHERS[name]
    return Method(f"{base.name}-{name}", f"{base.label}, {words}", replace(cast(GAN, base.system), **fields))


VARIANTS = (
    *(_method(game, "learned", change) for game in GAMES for change in CHANGES),
    *(_other(lens, name) for name in OTHERS for lens in ("none", "learned")),
)
COLUMNS = (
    "modes (samples)",
    "good samples",
    "precision-pixels (samples)",
    "recall-pixels (samples)",
    "precision-pixels (data)",
    "recall-pixels (data)",
    "failed",
)
MANY = tuple(range(20))
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "smoke": {"ring": (0,)},
    "lesson": {"ring": MANY, "grid": MANY},
}


def searched(data: str) -> None:
    """There is no β."""


def given(tier: str, data: str) -> Given:
    """What all methods are given, of a tier that is known to be offered.

    At "lesson" 2,000 batches of 128 points of the ring, 3,000 of the grid.
    """
    if tier == "smoke":
        return Given(Budget(epochs=3, batch_size=16), {"width": 8, "filters": 8}, _sizes(160, 128))
    return Given(Budget(epochs=16 if data == "ring" else 24, batch_size=128), {}, _sizes(16_000, 4000))


def _sizes(n_train: int, n_test: int) -> dict[str, int]:
    return {"size": 1, "n_train": n_train, "n_test": n_test}


def runs(tier: str, data: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a tier, method by method; the variants on the ring alone.

    Args:
        tier: "smoke" or "lesson", see `given`.
        data: "ring" or "grid".
        seeds: one run a method and seed.

    Raises:
        ValueError: another tier, or data that are no points.
    """
    check_tier(tier, GRID)
    if data not in GRID["lesson"]:
        raise ValueError(f"tempered/points is of ring and grid, not of {data!r}.")
    rows = METHODS + (VARIANTS if data == "ring" else ())
    return annealed(make("tempered/points", rows, tier, data, seeds, given(tier, data)), SHARE)
