"""What the equations of the lens say without a training of the game (TA-C8)."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache

import torch
from torch import nn

from blurvae.models.gan import Lens, make_generator
from blurvae.systems import GAN
from blurvae.systems.gan import LAMBDA, Players
from blurvae.train import Scene
from blurvae.train.optimisers import adam

STEPS = 300  # of Adam
SHAPE = (2, 1, 1)


@cache
def before_a_constant(seed: int) -> tuple[float, float]:
    """A random lens of points before a discriminator that gives all of them one value, at λ = 1.

    Args:
        seed: of the lens, the value and the points.

    Returns:
        The largest slope of L^A by a weight of the lens, and L^R after 300 steps on L_L over L^R before.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        system = GAN("lsgan", lens="learned", filters=8)
        constant = nn.Sequential(nn.Flatten(), nn.Linear(2, 1), nn.Flatten(0))
        players = Players(make_generator(SHAPE, width=2, latent=2), constant.double(), Lens(SHAPE, filters=8).double())
        x = torch.randn(64, *SHAPE, dtype=torch.float64)
    lens = players.lens
    assert lens is not None
    nn.init.zeros_(constant[1].weight)  # type: ignore[arg-type]
    scene, weights = Scene(x, {}, {LAMBDA: torch.ones(())}, nullcontext), [*lens.parameters()]
    first = system.focus(players, scene)
    fooled = first.parts["lens_adversarial"]
    slopes = torch.autograd.grad(fooled, weights, retain_graph=True, materialize_grads=True)
    descend = adam(weights, 3e-2)
    for _ in range(STEPS):
        descend(torch.autograd.grad(system.focus(players, scene).losses["lens"], weights))
    left = system.focus(players, scene).parts["lens_change"] / first.parts["lens_change"]
    return max(slope.abs().max().item() for slope in slopes), left.item()
