"""Bredell et al., "Explicitly minimizing the blur error of variational autoencoders", ICLR 2023: its experiments."""

from __future__ import annotations

from typing import Any

from blurvae import losses
from blurvae.experiments.base import Method
from blurvae.systems import BlurVAE

# Adam's learning rates and the warm-up, by tier.
PAPER: dict[str, Any] = {"warm_up": 10, "lr": 1e-4}
LESSON: dict[str, Any] = {"warm_up": 2, "lr": 1e-3, "kernel_lr": 1e-3}
SMOKE: dict[str, Any] = {"warm_up": 1, "lr": 1e-3, "kernel_lr": 1e-3}


def row(
    name: str,
    label: str,
    term: str,
    *,
    beta: float = 1.0,
    paper: str | None = None,
    search: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0),
    **constants: Any,
) -> Method:
    """A method that trains the VAE with a reconstruction term.

    Args:
        name: see `Method`.
        label: see `Method`.
        term: a name in `blurvae.losses`.
        beta: β, where no search has chosen another.
        paper: see `Method`.
        search: see `Method`.
        **constants: of the term.
    """
    return Method(name, label, BlurVAE(losses.get(term, **constants), beta), paper, search)
