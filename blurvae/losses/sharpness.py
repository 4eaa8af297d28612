"""The sharpness loss: the largest difference of each pixel from its neighbours, against that of the original.

Karna and Tanneru, "Introducing sharpness measure in variational autoencoders and variational autoencoder generative
adversarial networks" (a student report), variants (a) to (c).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from blurvae.losses.base import Term, check_pair, check_scale, per_image, unit_range
from blurvae.metrics.blur_percentage import neighbour_differences, neighbour_maximum


@dataclass(frozen=True)
class Sharpness(Term):
    """scale · Σ_j (m_j − m̂_j)², m_j the largest of the eight differences at pixel j, and two variants of it.

    On [0, 1]; channels are summed; pixels at the border have no eight neighbours and are left out. It is no
    likelihood: it says nothing of the brightness of an image, so it is added to a term that does.

    Attributes:
        variant: "a" is scale · (Z − Ẑ)², Z the mean of m_j; "b" the sum above; "c" the sum of (s_j − ŝ_j)², s_j the
            mean of the eight squared differences.
        absolute: the largest difference in size; the report's filters take the largest with its sign.
        scale: the weight. The released script divides the likelihood and the KL term by the number of pixels D and
            adds a mean of (a) over images, or of (b) and (c) over pixels and images, which in nats is D · (a), or
            D/J · (b) and (c), J the number of pixels with eight neighbours: 784, and 784/676 on 28×28 px.

    Raises:
        ValueError: another variant, or a scale that is not positive.
    """

    name: ClassVar[str] = "sharpness"
    variant: Literal["a", "b", "c"] = "b"
    absolute: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.variant not in ("a", "b", "c"):
            raise ValueError(f"The variant of {self.name!r} is a, b or c, not {self.variant!r}.")
        check_scale(self.scale, self.name)

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        check_pair(x, x_hat)
        x, x_hat = unit_range(x), unit_range(x_hat)
        if self.variant == "c":
            s, s_hat = (neighbour_differences(images).square().mean(2) for images in (x, x_hat))
            return self.scale * per_image((s - s_hat).square())
        m, m_hat = (neighbour_maximum(images, absolute=self.absolute) for images in (x, x_hat))
        if self.variant == "a":
            return self.scale * per_image((m.mean((2, 3)) - m_hat.mean((2, 3))).square())
        return self.scale * per_image((m - m_hat).square())
