"""The short-time Fourier loss: amplitudes and phases of windows of an image.

Dalal, "Deblurring Variational Autoencoders with Short-Time Fourier Transform", section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from blurvae.blur import fourier, hermitian_weights, radial_frequency
from blurvae.losses.base import Term, check_pair, check_scale, per_image, unit_range

TINY = 1e-6


@dataclass(frozen=True)
class STFT(Term):
    """scale · Σ_j W_j (phase · |∠F̂_j − ∠F_j| + amplitude · | |F̂_j| − |F_j| |), j over windows and their frequencies.

    On [0, 1], with un-normalised transforms as printed. The weights W_j grow linearly with the frequency, from 0 at
    frequency zero to 1 at the highest. `window` as large as the image with `stride = 0` is the global transform.

    The difference of two phases is an angle in [0, π]. A coefficient without amplitude in either image has no phase
    and adds no phase term; the printed equation leaves it open.

    Attributes:
        window: side of a window, px.
        stride: px from a window to the next; 0 for a single window that is the whole image.
        hann: whether the windows fade out as a Hann window, else they are cut out.
        phase: λ, the weight of the phase; the paper wants λ > 1.
        amplitude: the weight of the amplitude.
        scale: λ_freq of eq. 2.
        pad: put black around the image, so that all of its pixels lie in equally many windows.
        form: "printed", or as the author's code has it: "released" keeps the frequencies with 0 ≤ u, v < window/2,
            weights them by the product of two ramps, which is zero on both axes, and subtracts phases without wrapping
            them, so that −π and π are as far apart as can be.

    Raises:
        ValueError: a window, stride or weight that cannot be used.
    """

    name: ClassVar[str] = "stft"
    window: int = 16
    stride: int = 4
    hann: bool = True
    phase: float = 9.0
    amplitude: float = 1.0
    scale: float = 1.5e-4
    pad: bool = False
    form: Literal["printed", "released"] = "printed"

    def __post_init__(self) -> None:
        if type(self.window) is not int or self.window < 4 or self.window % 2:
            raise ValueError(f"The window of {self.name!r} is an even number of at least 4 px, not {self.window!r}.")
        if type(self.stride) is not int or not 0 <= self.stride <= self.window:
            raise ValueError(f"The stride of {self.name!r} lies between 0 and the window, not at {self.stride!r}.")
        if min(self.phase, self.amplitude) < 0 or self.phase + self.amplitude == 0:
            raise ValueError(f"The weights phase and amplitude of {self.name!r} are ≥ 0, and one of them is positive.")
        if self.form not in ("printed", "released"):
            raise ValueError(f"The form of {self.name!r} is 'printed' or 'released', not {self.form!r}.")
        check_scale(self.scale, self.name)

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        """Returns (n,), in the scale of nats per image."""
        check_pair(x, x_hat)
        # un-normalised, (n, c, K, L, window, window/2 + 1)
        f, f_hat = (self.window * fourier(self.windows(unit_range(images))) for images in (x, x_hat))
        if self.form == "released":
            half = self.window // 2
            f, f_hat = f[..., :half, :half], f_hat[..., :half, :half]
            ramp = torch.linspace(0, 1, half, dtype=x.dtype, device=x.device)
            weight = torch.outer(ramp, ramp)
            turn = (angle(f_hat + TINY) - angle(f + TINY)).abs()
        else:
            shape = (self.window, self.window)
            frequency = radial_frequency(shape, dtype=x.dtype, device=x.device)
            weight = frequency / frequency.max() * hermitian_weights(shape, dtype=x.dtype, device=x.device)
            turn = angle(f_hat * f.conj(), TINY**2).abs()
        change = (modulus(f_hat) - modulus(f)).abs()
        return self.scale * per_image(weight * (self.phase * turn + self.amplitude * change))

    def windows(self, images: Tensor) -> Tensor:
        """The windows of images, faded out where `hann`: (n, c, h, w) → (n, c, K, L, window, window).

        Raises:
            ValueError: windows that do not tile the image, without `pad`.
        """
        size, stride, (h, w) = self.window, self.stride or self.window, images.shape[-2:]
        if not self.stride and (h, w) != (size, size):
            raise ValueError(f"Stride 0 asks for a window of the whole image, {h}×{w} px, not {size}.")
        if self.pad and self.stride:
            before = size - stride  # so that the first pixel lies in as many windows as any other
            right, below = (before + (-(side + 2 * before - size)) % stride for side in (w, h))
            images = F.pad(images, (before, right, before, below))
        elif any(side < size or (side - size) % stride for side in (h, w)):
            raise ValueError(
                f"Windows of {size} px every {stride} px do not tile images of {h}×{w} px: choose others, or pad=True."
            )
        cut = images.unfold(-2, size, stride).unfold(-2, size, stride)
        if not self.hann:
            return cut
        fade = torch.hann_window(size, dtype=images.dtype, device=images.device)
        return cut * torch.outer(fade, fade)


def angle(f: Tensor, least: float = 0.0) -> Tensor:
    """The phase in (−π, π], 0 without a gradient where |F| ≤ least."""
    there = f.real.square() + f.imag.square() > least**2
    return torch.where(there, torch.atan2(f.imag, torch.where(there, f.real, torch.ones_like(f.real))), 0.0)


def modulus(f: Tensor) -> Tensor:
    """|F|, with gradient 0 where it is 0."""
    power = f.real.square() + f.imag.square()
    return torch.where(power > 0, power, torch.ones_like(power)).sqrt() * (power > 0)
