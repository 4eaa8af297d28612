"""Two processes that share each batch end where one does, whatever the system and its rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import test_parallel
from test_parallel import Ended, done
from toys import CASES
from toys.running import trained

from blurvae.parallel import SOLO, Team

pytestmark = test_parallel.pytestmark
environment, job = test_parallel.environment, test_parallel.job

# One of each kind of system; a gradient penalty through batch norm needs one process.
SHARED = ["wiener, live", "vae-gan", "rae-sn", "wgan-gp with a lens", "enhancenet", "frvsr", "enet-pat", "vsr"]


def histories(team: Team) -> dict[str, list[dict[str, Any]]]:
    return {name: trained(CASES[name], team=team).progress.history for name in SHARED}


def test_two_processes_end_where_one_does(job: Callable[..., Ended]) -> None:
    alone = histories(SOLO)
    first, second = done(job(histories))
    assert first == second
    for name, history in alone.items():
        for ours, theirs in zip(history, first[name], strict=True):
            numbers = {key: value for key, value in ours.items() if key != "phase"}
            assert numbers == pytest.approx({key: theirs[key] for key in numbers}, rel=1e-5), (name, ours["epoch"])
            assert ours["phase"] == theirs["phase"]
