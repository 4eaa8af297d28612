"""Sajjadi (2024), chapter 4, and Sajjadi, Parascandolo, Mehrjou and Schölkopf, "Tempered adversarial networks" (2018).

Widths, length of z, batch sizes and Adam's β are in no text; the experiments say what they have. Methods are named by
game and lens, "gan-learned" for example.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from blurvae.experiments.base import Method
from blurvae.record import Run
from blurvae.systems import GAN, TemperedVAE

LABELS = {"gan": "GAN", "lsgan": "LSGAN", "wgan-gp": "WGAN-GP", "dcgan": "DCGAN"}
LENSES: dict[str, tuple[str, dict[str, Any]]] = {  # by the name in methods: label and fields
    "none": ("no lens", {}),
    "learned": ("learned lens", {"lens": "learned"}),
    "blur": ("blur lens", {"lens": "blur"}),
    "noise": ("blur lens", {"lens": "noise"}),  # on points, whose density is what is blurred
    "constant": ("learned lens, λ = 1", {"lens": "learned", "schedule": "constant"}),
}


# The text's K, where the captions have 10,000 (TA-E2), and the other reading of eq. 4.2 (TA-E3).
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "text-k": ("K = 100,000", {"anneal": 100_000}),
    "mean": ("mean over pixels", {"reduction": "mean"}),
}
GAMES = {"dcgan": "gan", "lsgan": "lsgan", "wgan-gp": "wgan-gp"}  # of images, by the name in methods
SMOKE: dict[str, Any] = {"width": 2, "filters": 2, "blocks": 1, "latent": 4}  # of images
K = 10_000  # plays of the discriminator, of a method before a tier says how many there are


def on_images(name: str, lens: str, paper: str | None = None, **fields: Any) -> Method:
    """A row of images.

    Args:
        name: of `GAMES`.
        lens: of `LENSES`.
        paper: the row's name in the published table.
        fields: of the system, beside those of game and lens.
    """
    words, own = LENSES[lens]
    system = GAN(GAMES[name], **fields | own)  # type: ignore[arg-type]
    return Method(f"{name}-{lens}", f"{LABELS[name]}, {words}", system, paper)


def changed(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    """The rows with an annealed learned lens, with each of `CHANGES`."""
    return tuple(
        Method(f"{m.name}-{name}", f"{m.label}, {words}", replace(cast(GAN, m.system), **fields))
        for m in methods
        for name, (words, fields) in CHANGES.items()
        if m.name.endswith("-learned")
    )


def annealed(runs: tuple[Run, ...], share: float) -> tuple[Run, ...]:
    """The runs with K brought from 10,000 plays of the discriminator to a share of those of their training.

    Args:
        runs: of GANs, with a number of training images; K in steps, so that with five plays a step it is 2,000, and
            that of a method with another K in proportion. Of tempered VAEs a step is a play.
        share: of all plays.
    """
    return tuple(replace(run, system=_with_k(run, share)) for run in runs)


def _with_k(run: Run, share: float) -> GAN | TemperedVAE:
    system, budget = cast(GAN | TemperedVAE, run.system), run.budget
    assert run.n_train is not None
    plays = run.n_train // budget.batch_size * budget.passes * budget.epochs
    return replace(system, anneal=max(1, round(system.anneal * share * plays / K)))
