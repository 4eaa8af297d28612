"""Optimisers as records, and the step that a rule on the device can withhold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from blurvae.train.schedules import Schedule


class Optimiser(Protocol):
    """A rule of learning with its constants.

    Attributes:
        slots: what it keeps of each weight that has had a gradient.
    """

    slots: ClassVar[frozenset[str]]

    @property
    def lr(self) -> Schedule:
        """The learning rate over time."""

    def make(self, parameters: Iterable[nn.Parameter], lr: Tensor) -> torch.optim.Optimizer:
        """The optimiser of these weights, which reads its learning rate off a tensor, ()."""


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015), one fused kernel for all weights; it can withhold a step itself."""

    slots: ClassVar[frozenset[str]] = frozenset({"step", "exp_avg", "exp_avg_sq"})
    lr: Schedule
    betas: tuple[float, float] = (0.9, 0.999)

    def make(self, parameters: Iterable[nn.Parameter], lr: Tensor) -> torch.optim.Optimizer:
        """See `Optimiser`."""
        return torch.optim.Adam(parameters, lr, betas=self.betas, fused=True, capturable=lr.is_cuda)


@dataclass(frozen=True)
class RMSProp:
    """RMSProp without momentum (Hinton 2012)."""

    slots: ClassVar[frozenset[str]] = frozenset({"square_avg"})
    lr: Schedule
    alpha: float = 0.99
    eps: float = 1e-8

    def make(self, parameters: Iterable[nn.Parameter], lr: Tensor) -> torch.optim.Optimizer:
        """See `Optimiser`."""
        return _RMSProp(parameters, {"lr": lr, "alpha": self.alpha, "eps": self.eps})


class _RMSProp(torch.optim.Optimizer):
    """torch's own reads a learning rate in a tensor off the device, but for its capturable path on a GPU."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            for p in weights:
                if not self.state[p]:
                    self.state[p]["square_avg"] = torch.zeros_like(p)
            squares, gradients = [self.state[p]["square_avg"] for p in weights], [p.grad for p in weights]
            torch._foreach_mul_(squares, group["alpha"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["alpha"])
            roots = torch._foreach_sqrt(squares)
            torch._foreach_add_(roots, group["eps"])
            steps = torch._foreach_div(gradients, roots)
            torch._foreach_mul_(steps, -group["lr"].to(steps[0].dtype))
            torch._foreach_add_(weights, steps)


def adam(
    weights: Iterable[Tensor], lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> Callable[[tuple[Tensor, ...]], None]:
    """Adam as a function of gradients, for small networks: to rounding what `torch.optim.Adam` does.

    That one loads torch's compiler when it is made, which takes longer than many a training in the plane.

    Args:
        weights: which are changed in place.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: ε, added to the root.

    Returns:
        A step of all weights by their gradients, in the order of the weights.

    Example:
        >>> weight = torch.tensor([1.0, -1.0])
        >>> descend = adam([weight], 0.1)
        >>> descend((torch.tensor([3.0, 0.0]),))  # the first step has the length of the learning rate
        >>> weight
        tensor([ 0.9000, -1.0000])
    """
    first, second = betas
    changed = [*weights]
    means, squares = ([torch.zeros_like(w) for w in changed] for _ in range(2))
    steps = 0

    @torch.no_grad()
    def descend(gradients: tuple[Tensor, ...]) -> None:
        nonlocal steps
        steps += 1
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, (1 - second**steps) ** 0.5)
        torch._foreach_add_(roots, eps)
        torch._foreach_addcdiv_(changed, means, roots, -lr / (1 - first**steps))

    return descend


def step(optimiser: torch.optim.Optimizer, allowed: Tensor | None) -> None:
    """One step, or none where the tensor `allowed`, () bool, is false: weights and moments then stay bit for bit.

    A gradient of zero would not do: Adam goes on by its momentum.
    """
    if allowed is None:
        optimiser.step()
        return
    if getattr(optimiser, "_step_supports_amp_scaling", False):
        optimiser.found_inf = allowed.logical_not().float()  # type: ignore[attr-defined]
        optimiser.step()
        del optimiser.found_inf  # type: ignore[attr-defined]
        return
    weights = [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    before = [p.detach().clone() for p in weights]
    slots = [{key: slot.clone() for key, slot in optimiser.state[p].items()} for p in weights]
    optimiser.step()
    with torch.no_grad():
        for p, old, kept in zip(weights, before, slots):
            p.copy_(torch.where(allowed, p, old))
            for key, slot in optimiser.state[p].items():
                slot.copy_(torch.where(allowed, slot, kept.get(key, torch.zeros_like(slot))))
