"""Whether kernels belong to their images: on a model whose kernels do, and on one whose kernel is the same for all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys.samples import smooth

from blurvae.blur import circular_convolve, gaussian_kernel
from blurvae.datasets import ImageSet
from blurvae.evaluation.kernels import WHOSE, kernel_errors
from blurvae.models.coder import Coder, Decoded
from blurvae.systems.vae import Players

SHAPE = (3, 8, 8)
CPU = torch.device("cpu")
NARROW, WIDE = gaussian_kernel(5, 0.2), gaussian_kernel(5, 2.0)
WIDE = torch.cat([WIDE[:, :3], 0 * WIDE[:, 3:]], 1) / WIDE[:, :3].sum()  # not symmetric


class Kernels(nn.Module):
    """A wide blur for images that are bright on the left, a narrow one for the others; or one for all."""

    size = 5

    def __init__(self, same: bool = False) -> None:
        super().__init__()
        self.same = same

    def forward(self, z: Tensor) -> Tensor:
        x = z.unflatten(1, SHAPE)
        bright = (x[..., :4].mean((1, 2, 3)) > x[..., 4:].mean((1, 2, 3))) | self.same
        return torch.where(bright[:, None, None], WIDE, NARROW)


class Blurring(Coder):
    """A coder whose code is the image and whose decoder blurs it by those kernels."""

    def __init__(self, kernels: Kernels) -> None:
        super().__init__(nn.Sequential(), nn.Sequential(), SHAPE, 192)
        self.kernels = kernels

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1), torch.zeros(len(x), 192)

    def decode(self, z: Tensor) -> Decoded:
        x_hat = circular_convolve(z.unflatten(1, SHAPE), self.kernels(z))
        return Decoded(x_hat, x_hat)


def image_set(n: int, seed: int) -> ImageSet:
    return ImageSet("smooth", "test", smooth(n, seed=seed), None, "", "", None, "0")


@pytest.mark.parametrize("same", [False, True])
def test_own_kernels_win_where_they_are_per_image_and_only_there(same: bool) -> None:
    kernels = Kernels(same)
    found = kernel_errors(Players(Blurring(kernels), kernels), image_set(40, 0), image_set(30, 1), CPU)
    assert [*found] == [f"kernel error ({whose})" for whose in WHOSE]
    assert {len(values) for values in found.values()} == {30}
    own, another, mean, single, none = (values.mean().item() for values in found.values())
    assert own < 1e-8
    if same:  # the one kernel is found, though nobody told it which
        assert max(another, mean, single) < 1e-3 < none
    else:
        assert 0.01 < single < min(another, none)
        assert single <= mean + 0.05, "over test images, of which neither has seen any"


def test_the_errors_are_those_of_the_images() -> None:
    kernels, test = Kernels(), image_set(6, 1)
    found = kernel_errors(Players(Blurring(kernels), kernels), image_set(40, 0), test, CPU)
    x = torch.from_numpy(test.images).float() / 127.5 - 1
    own = kernels(x.flatten(1))
    x_hat = circular_convolve(x, own)
    for name, expected in (("none", x - x_hat), ("another's", circular_convolve(x, own[[3, 4, 5, 0, 1, 2]]) - x_hat)):
        np.testing.assert_allclose(
            found[f"kernel error ({name})"], expected.square().sum((1, 2, 3)), rtol=1e-4, atol=1e-5
        )
