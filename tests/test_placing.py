"""What a filter that is not told the motion can make of moved frames, against what one that is told it can."""

from __future__ import annotations

import pytest
import torch

from blurvae.blur import alias_system, fold
from blurvae.experiments.frvsr import placing, theory

PLACES = [(1.0, -0.5), (0.5, 1.5)]


@pytest.mark.parametrize("place", PLACES)
def test_with_one_motion_a_warp_loses_nothing_that_a_filter_could_not_bring_back(place: tuple[float, float]) -> None:
    wanted = theory.error_of(torch.tensor([(0.0, 0.0), place]), placing.SIGMA)
    assert placing.error([placing.small([place])]) == pytest.approx(wanted, rel=1e-6)
    assert placing.error([placing.large(place)]) == pytest.approx(wanted, rel=1e-6)


def test_on_the_small_grid_all_phases_leave_the_lowest_alias_alone() -> None:
    """The mean of what a frame that is moved without loss has of each alias: H/s of the lowest, nothing of others."""
    omega = 2 * torch.pi * torch.fft.fftfreq(theory.SIDE // 4, dtype=torch.float64)
    rows = []
    for y, x in ((y, x) for y in range(4) for x in range(4)):
        frame = alias_system(torch.tensor([[y, x]]), 4, theory.gaussian_gain(placing.SIGMA))[:, :, 0]
        angle = -(y * omega[:, None] + x * omega) / 4
        rows.append(torch.polar(torch.ones_like(angle), angle)[..., None] * frame)
    mean = torch.stack(rows).mean(0).abs()
    f = torch.fft.fftfreq(theory.SIDE, dtype=torch.float64).abs()
    low = fold(((f[:, None] < 1 / 8) & (f < 1 / 8)).double(), 4).bool()  # frequencies that the small grid holds
    inner = low.any(-1)  # but for its own Nyquist frequency, where two are as low
    gain = fold(theory.gaussian_gain(placing.SIGMA), 4) / 4
    assert torch.allclose(mean[low], gain[low], atol=1e-12)
    assert mean[inner][~low[inner]].max() < 1e-12


def test_phases_survive_on_the_large_grid() -> None:
    """One filter for all sixteen phases."""
    phases = [(float(y), float(x)) for y in range(4) for x in range(4)]
    alone = placing.error([placing.small([])])
    on_the_small, on_the_large = (
        placing.error(placing.small([p]) for p in phases),
        placing.error(map(placing.large, phases)),
    )
    assert on_the_large < on_the_small < alone


def test_being_told_never_hurts() -> None:
    found = placing.gains()
    assert found["three frames, told"] > found["two frames, told"] > 0
    for many in ("two", "three"):
        assert 0 < found[f"{many} frames on the small grid, not told"] < found[f"{many} frames, told"]
    assert found["a frame and an estimate on the large grid, not told"] < found["two frames, told"]
