"""Fitted Gaussian likelihoods against dense multivariate normals, by property, and from a record."""

from __future__ import annotations

import math

import made_up
import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from blurvae import experiments
from blurvae.blur import fourier, squared_gain
from blurvae.experiments.derived import FITTED, fitted_bounds, scale_gain
from blurvae.metrics.fitted import scalar_nats, stationary_nats
from blurvae.record import Result, read
from blurvae.record.files import shared_file


def errors(n: int, c: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    """Smooth noise, so that its spectrum is not flat."""
    white = torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return white + white.roll(1, 3) + 0.5 * white.roll(1, 2)


def power(e: torch.Tensor) -> torch.Tensor:
    return squared_gain(fourier(e))


@pytest.mark.parametrize(("h", "w"), [(4, 5), (5, 4), (4, 4), (3, 3)])
def test_a_stationary_density_is_a_dense_multivariate_normal(h: int, w: int) -> None:
    e = errors(6, 1, h, w)
    spectrum = power(errors(50, 1, h, w, seed=1)).mean((0, 1))
    full = np.empty((h, w))  # by definition: v(ω) = v(−ω)
    for i in range(h):
        for j in range(w):
            full[i, j] = spectrum[(i, j) if j <= w // 2 else (-i % h, w - j)]
    F = np.kron(np.fft.fft(np.eye(h), norm="ortho"), np.fft.fft(np.eye(w), norm="ortho"))
    covariance = F.conj().T @ np.diag(full.ravel()) @ F
    assert np.abs(covariance.imag).max() < 1e-12
    normal = MultivariateNormal(torch.zeros(h * w, dtype=torch.float64), torch.from_numpy(covariance.real))
    ours = stationary_nats(power(e), spectrum, (h, w))
    torch.testing.assert_close(ours[:, 0], -normal.log_prob(e.flatten(1)))


def test_a_flat_spectrum_is_one_variance_at_its_best() -> None:
    e = errors(7, 3, 6, 5)
    size, squared_error = e[0].numel(), e.square().sum((1, 2, 3)).mean().item()
    flat = torch.full((6, 3), squared_error / size, dtype=torch.float64)
    ours = stationary_nats(power(e), flat, (6, 5)).sum(1).mean().item()
    assert ours == pytest.approx(scalar_nats(squared_error, size), rel=1e-12)
    assert ours == pytest.approx(size / 2 * (math.log(2 * math.pi * squared_error / size) + 1), rel=1e-12)
    for other in (0.9, 1.1):
        assert stationary_nats(power(e), other * flat, (6, 5)).sum(1).mean() > ours


def test_the_mean_power_is_the_best_spectrum_and_never_worse_than_one_variance() -> None:
    e = errors(200, 2, 6, 8)
    p = power(e)
    best = p.mean((0, 1))
    value = stationary_nats(p, best, (6, 8)).sum(1).mean().item()
    assert value == pytest.approx(2 * stationary_nats(best, best, (6, 8)).item(), rel=1e-12), "linear in the power"
    assert value < scalar_nats(e.square().sum((1, 2, 3)).mean().item(), 96) - 1
    for seed in range(20):
        other = best * (0.2 * power(errors(1, 1, 6, 8, seed=seed))[0, 0]).exp().clamp(0.1, 10)
        assert stationary_nats(p, other, (6, 8)).sum(1).mean() >= value


def test_bad_input_is_refused_by_name() -> None:
    good = torch.ones(4, 3)
    with pytest.raises(ValueError, match=r"4×5 px have half spectra \(…, 4, 3\), but the power has \(4, 5\)"):
        stationary_nats(torch.ones(4, 5), good, (4, 5))
    with pytest.raises(ValueError, match=r"the spectrum \(3,\)"):
        stationary_nats(good, good[0], (4, 5))
    with pytest.raises(ValueError, match="must be above 0"):
        stationary_nats(good, good - 1, (4, 5))
    for nothing in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="squared error above 0"):
            scalar_nats(nothing, 20)


# From a record --------------------------------------------------------------------------------------------------------


def recorded(out, *, spectrum: bool = True) -> Result:
    """A run of L2 whose test errors are known: its record holds their mean squared error and, at z = μ, their power."""
    made = next(r for r in experiments.get("table5").runs("smoke", "natural", (0,)) if r.method == "l2")
    e = errors(300, 3, 32, 32)
    at_mean = 0.7 * e  # smaller at z = μ, of the same spectrum; in units of [0, 1]
    squared_error, kl = e.square().sum((1, 2, 3)).mean().item(), 12.5
    values = {"KL": kl, "−log p as printed": squared_error / 2 + kl}
    path = made_up.write(out, made, {name: {"mean": value, "sd": 0.0, "n": 300} for name, value in values.items()})
    result = read(path)
    if spectrum:
        np.savez(path.with_suffix(".npz"), error_power=power(at_mean / 2).mean((0, 1)).numpy().astype(np.float32))
        shared = shared_file(made, result.record, out)
        shared.parent.mkdir()
        np.savez(shared, original=np.zeros((1, 3, 32, 32), np.uint8))
    return result


def test_the_bounds_of_a_record_are_those_of_its_errors(tmp_path) -> None:
    found = fitted_bounds(recorded(tmp_path))
    e = errors(300, 3, 32, 32)
    p = power(e)
    assert set(found) == set(FITTED)
    exact = stationary_nats(p, p.mean((0, 1)), (32, 32)).sum(1).mean().item() + 12.5
    assert found["one spectrum fitted"] == pytest.approx(exact, rel=1e-5)
    sigma = math.sqrt(e.square().mean().item())
    isotropic = -torch.distributions.Normal(0.0, sigma).log_prob(e).sum((1, 2, 3)).mean().item() + 12.5
    assert found["σ² fitted"] == pytest.approx(isotropic, rel=1e-6)
    assert found["one spectrum fitted"] < found["σ² fitted"] - 100


def test_what_a_record_lacks_is_absent(tmp_path) -> None:
    assert set(fitted_bounds(recorded(tmp_path, spectrum=False))) == {"σ² fitted"}
    bare = recorded(tmp_path / "other")
    del bare.record["metrics"]["KL"]
    assert fitted_bounds(bare) == {}


def test_a_scale_gains_what_the_best_of_many_scales_does(tmp_path) -> None:
    result, error, size = recorded(tmp_path), 400.0, 3 * 32 * 32
    result.record["history"] = [{"reconstruction": 9e9}, {"reconstruction": error}]
    best = min(size / 2 * math.log(s) + error / s for s in np.linspace(0.05, 3, 50_001))
    assert scale_gain(result) == pytest.approx(error - best, rel=1e-6)
