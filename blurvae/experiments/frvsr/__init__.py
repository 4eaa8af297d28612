"""Sajjadi, Vemulapalli and Brown, "Frame-recurrent video super-resolution"."""

from __future__ import annotations

from typing import Any

from blurvae.experiments.base import Given
from blurvae.train import Budget

SMALL: dict[str, Any] = {
    "blocks": 2,
    "filters": 16,
    "flow_widths": (8, 16, 32),
    "reach": 4.0,
    "global_skip": True,
    "lr": 1e-3,
}

WITH_MOTION = ("moving-flow", "moving-occluded")


def check_motion(data: str) -> None:
    """Refuse clips whose frames do not carry their motion: two of their colours would be taken for it.

    Raises:
        ValueError: such a data set.
    """
    if data.partition(":")[0] not in WITH_MOTION:
        raise ValueError(
            f"The clips of {data} do not carry their motion, which these networks are given or judged by: take "
            "moving-flow, or train on other clips by frvsr/davis."
        )


def given(tier: str) -> Given:
    """What all methods are given, of a tier that is known to be offered: the same SRNet, the same clips.

    At "paper" the networks of the text (10-64) on 16 clips of 240 px, where the text cuts 256 out of 40 videos, for
    40,000 steps, a fiftieth of the text's. At "lesson" an SRNet of 16 feature maps and 2 blocks that adds to the
    bicubic enlargement, on clips of 64 px, and a flow that reaches 4 px of the small frames.
    """
    if tier == "paper":
        return Given(Budget(epochs=400, batch_size=4, passes=25), {}, {"size": 240})
    if tier == "lesson":
        return Given(Budget(epochs=12, batch_size=4), SMALL, {"size": 64, "n_train": 256, "n_test": 48})
    small = SMALL | {"blocks": 1, "filters": 4, "flow_widths": (3, 4)}
    return Given(Budget(epochs=2, batch_size=4), small, {"size": 32, "n_train": 8, "n_test": 4})
