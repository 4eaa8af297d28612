"""The three games of generator and discriminator, and the penalty that one of them needs.

A game is two functions of the discriminator's values: what it costs to be told "real", and what to be told "fake". With
them, eqs. 4.5 to 4.14 of Sajjadi (2024) are the same for all three:

- the discriminator minimises as_real(D(L(x))) + as_fake(D(G(z))),
- the generator as_real(D(G(z))),
- the lens's adversarial loss is as_fake(D(L(x))).

The value function of the first game is printed as E log D(x) + E[1 − log D(G(z))] (eq. 4.1, erratum TA-E1), which has
no maximum; it is E log D(x) + E log(1 − D(G(z))), with which as_real and as_fake below are −log D and −log(1 − D).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

Name = Literal["gan", "lsgan", "wgan-gp"]


class Game(NamedTuple):
    """What the players of a game pay.

    Attributes:
        as_real: of values (n,), the discriminator's of images, the cost (n,) of being far from "real".
        as_fake: the cost of being far from "fake".
    """

    as_real: Callable[[Tensor], Tensor]
    as_fake: Callable[[Tensor], Tensor]


GAMES: dict[str, Game] = {
    # Goodfellow et al. 2014, of the logit a, D = σ(a): −log σ(a) and −log(1 − σ(a)); the generator's is the
    # non-saturating one.
    "gan": Game(lambda a: softplus(-a), softplus),
    # Mao et al. 2017.
    "lsgan": Game(lambda d: (d - 1).square(), torch.square),
    # Arjovsky et al. 2017; with the slope penalty, which eq. 4.13 leaves out (erratum TA-E3), Gulrajani et al. 2017.
    "wgan-gp": Game(torch.neg, lambda d: d),
}


def slope_penalty(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """(‖∇D(x̂)‖₂ − 1)² at a point x̂ between each real sample and its fake (Gulrajani et al. 2017, eq. 3).

    Args:
        critic: D, values (n,) of samples, each of its own sample alone.
        real: (n, …), what passes for real: as the lens shows it, where there is one.
        fake: (n, …).
        mix: (n, 1, …), uniform on [0, 1): one ε a sample.

    Returns:
        (n,), with a history of operations; the norm is that over all of a sample.
    """
    between = torch.lerp(real, fake, mix).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square()
