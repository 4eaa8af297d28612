"""What is watched of an adversarial training, and what a shift is to a distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toys import CASES, IMAGES, vae_gan
from toys.running import copied, different, made, started, trained

from blurvae import losses
from blurvae.datasets import ImageSet, to_float
from blurvae.evaluation.health import HealthWatch, Verdicts, failed, modes
from blurvae.metrics.shift import shift_sensitivity, shifted
from blurvae.systems.vae_gan import Players, Seen
from blurvae.train import evaluating
from blurvae.train.stage import named

SYSTEM = vae_gan(equilibrium=0.0)
TEST = ImageSet("images", "test", IMAGES.images[:10], None, "", "", None, "0123")
CPU = torch.device("cpu")


def watch() -> HealthWatch:
    return HealthWatch(SYSTEM, TEST, CPU, seed=7)


def test_the_watch_measures_by_hand() -> None:
    """Accuracies and norms of gradients of the fixed batch, the discriminator in evaluation."""
    players = made((SYSTEM, IMAGES))
    with evaluating(named(players).values()):
        found = watch()(1, players)
    assert set(found) == set(watch().names)
    for net in players:
        net.eval()
    generator = torch.Generator().manual_seed(7)
    n, prior = (torch.randn(10, 3, generator=generator) for _ in range(2))
    x = to_float(torch.from_numpy(TEST.images))
    mu, log_var = players.encoder(x).chunk(2, 1)
    x_hat, sample = (players.decoder(z).tanh() for z in (mu + (0.5 * log_var).exp() * n, prior))
    logit, _ = players.discriminator(torch.cat([x, x_hat, sample]))
    assert found["accuracy_real"] == pytest.approx((logit[:10] > 0).float().mean().item())
    assert found["accuracy_fake"] == pytest.approx((logit[10:] <= 0).float().mean().item())
    p = torch.sigmoid(logit).split(10)
    gan = -(p[0].log().mean() + (1 - p[1]).log().mean() + (1 - p[2]).log().mean())
    gan.backward()
    norm = torch.cat([w.grad.flatten() for w in players.discriminator.parameters()]).norm().item()
    assert found["gradient_discriminator"] == pytest.approx(norm, rel=1e-4)


def test_the_same_players_are_found_the_same_and_others_others() -> None:
    players = made((SYSTEM, IMAGES))
    with evaluating(named(players).values()):
        first, second = watch()(1, players), watch()(1, players)
        with torch.no_grad():
            players.discriminator.head.bias.fill_(100.0)  # everything is real
        fooled = watch()(1, players)
    assert first == second
    assert (fooled["accuracy_real"], fooled["accuracy_fake"]) == (1.0, 0.0)


def test_a_watched_training_is_the_same_training() -> None:
    """Weights, buffers, moments and generators, bit for bit; the record has the numbers of every epoch."""
    alone, watched = trained((SYSTEM, IMAGES), watch=None), trained((SYSTEM, IMAGES), watch=watch())
    assert not different(copied(alone), copied(watched))
    assert all(set(watch().names) <= epoch.keys() for epoch in watched.progress.history)
    assert all(0 <= epoch["accuracy_fake"] <= 1 for epoch in watched.progress.history)


def test_what_is_seen_are_verdicts() -> None:
    assert isinstance(Seen(*torch.zeros(3, 2)), Verdicts)
    assert not isinstance(Players(*(torch.nn.Identity(),) * 3), Verdicts)


def test_scheduled_values_are_refused() -> None:
    with pytest.raises(ValueError, match="scheduled values"):
        HealthWatch(CASES["two terms"][0], TEST, CPU, 0)


def of(samples: float, mean: float, classes: int | None = None) -> dict[str, Any]:
    found = {"FD-squeeze (samples)": {"value": samples}, "FD-squeeze (mean image)": {"value": mean}}
    return found | ({} if classes is None else {"modes (samples)": {"value": classes}})


@pytest.mark.parametrize(
    ("measured", "value"),
    [(of(10, 20), 0.0), (of(20, 10), 1.0), (of(10, 20, 1), 1.0), (of(10, 20, 2), 0.0), (of(20, 10, 10), 1.0)],
)
def test_what_counts_as_failed(measured: dict[str, Any], value: float) -> None:
    assert failed(measured) == {"value": value}


@pytest.mark.parametrize("name", ["FD-squeeze (samples)", "modes (samples)"])
def test_without_its_network_nothing_is_said_to_have_failed(name: str) -> None:
    absent = {"state": "needs weights", "what": "a file"}
    assert failed(of(10, 20, 2) | {name: absent}) == absent


def test_modes_are_classes_of_digits() -> None:
    """One drawn digit over and over is one mode; faint copies of another below a hundredth add none."""
    one = torch.zeros(200, 1, 32, 32)
    one[..., 6:26, 15:18] = 1  # a bar: a one
    nought = torch.zeros(200, 1, 32, 32)
    nought[..., 6:26, 10:22] = 1
    nought[..., 9:23, 13:19] = 0  # a frame: a nought
    assert modes(one, "mnist") == {"modes (samples)": {"value": 1}}
    assert modes(torch.cat([one[:100], nought[:100]]), "mnist") == {"modes (samples)": {"value": 2}}
    assert modes(torch.cat([one[:199], nought[:1]]), "mnist") == {"modes (samples)": {"value": 1}}
    assert modes(one, "natural") == {}


# Shifts -------------------------------------------------------------------------------------------------------------

squared = losses.L2()


def test_images_move_in_four_directions() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1
    places = [tuple(moved.nonzero()[0, -2:].tolist()) for moved in shifted(x, 2)[:, 0, 0]]
    assert places == [(2, 4), (2, 0), (4, 2), (0, 2)]
    edge = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 5, 5)
    assert shifted(edge, 1)[0, 0, 0, 0].tolist() == [0, 0, 1, 2, 3]  # the border is repeated


def test_a_blind_distance_is_invariant_and_a_sharp_one_is_not() -> None:
    """Means of images know nothing of places; white noise moved by a pixel is another image."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(64, 1, 16, 16, generator=generator)
    spots = torch.zeros(8, 1, 16, 16)
    for i in range(8):
        spots[i, 0, 5 + i // 4, 5 + i % 4] = i + 1.0  # nothing near the border

    def of_means(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x.mean((1, 2, 3)) - y.mean((1, 2, 3))).square()

    assert shift_sensitivity(of_means, spots, 1) == 0
    assert shift_sensitivity(squared, noise, 1) == pytest.approx(1, abs=0.1)
    smooth = torch.from_numpy(np.asarray(IMAGES.images)).float() / 255
    assert shift_sensitivity(squared, smooth, 1) < shift_sensitivity(squared, smooth, 2) < 0.5


def test_shifts_that_measure_nothing_are_refused() -> None:
    x = torch.rand(3, 1, 4, 4)
    for call, says in (
        (lambda: shifted(x, 0), "move by 1 to 3 px, not by 0"),
        (lambda: shifted(x, 4), "not by 4"),
        (lambda: shift_sensitivity(squared, x[:1], 1), "at least 2"),
        (lambda: shift_sensitivity(squared, torch.ones(3, 1, 4, 4), 1), "0 between different images"),
    ):
        with pytest.raises(ValueError, match=says):
            call()


def test_a_started_training_has_the_players_of_the_watch() -> None:
    assert [*started((SYSTEM, IMAGES)).stage.named] == watch().players
