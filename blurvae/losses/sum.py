"""Two reconstruction terms added, the second with a weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from blurvae.losses.base import Term, check_scale
from blurvae.losses.ssim import SSIM
from blurvae.losses.stft import STFT


@dataclass(frozen=True)
class Sum(Term):
    """L₁ + weight · L₂, no likelihood, even where both are: the normaliser of a product of densities is another one.

    Attributes:
        first: L₁.
        second: L₂.
        weight: of L₂, > 0.

    Raises:
        ValueError: a weight that is not positive, or a term that weights by an estimated kernel, or learns.
    """

    name: ClassVar[str] = "sum"
    first: Term = field(default_factory=SSIM)
    second: Term = field(default_factory=STFT)
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_scale(self.weight, self.name)
        for term in (self.first, self.second):
            if term.kernel_path is not None:
                raise ValueError(f"A sum takes no term that weights by an estimated kernel, as {term.name!r} does.")
            if term.learns:
                raise ValueError(f"A sum takes no term that learns parameters, as {term.name!r} does.")

    def needs(self, shape: tuple[int, ...]) -> str:
        """See `Term.needs`."""
        return self.first.needs(shape) or self.second.needs(shape)

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        return self.first(x, x_hat, logit=logit) + self.weight * self.second(x, x_hat, logit=logit)
