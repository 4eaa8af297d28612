"""What EnhanceNet compares of two pictures in a frozen network's features: them (L_P) and their textures (L_T).

Sajjadi, Schölkopf and Hirsch, ICCV 2017; eqs. 2.5 and 2.6 of Sajjadi (2024). Texture is what a Gram matrix keeps
(Gatys, Ecker and Bethge 2015): how often features occur together in a patch, and not where.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from blurvae.errors import MissingNetwork
from blurvae.models import vgg19
from blurvae.models.classifier import ClassifierMaps, trained_classifier
from blurvae.resampling import imresize

Network = Literal["vgg19-caffe", "classifier"]
Kernel = Literal["bicubic", "box"]


class Weights(NamedTuple):
    """Which layers a loss sees and what each weighs: Table 2.2, or the layers of another network in their place.

    Attributes:
        perceptual: of L_P.
        texture: of L_T.
    """

    perceptual: Mapping[str, float]
    texture: Mapping[str, float]

    def taps(self, perceptual: bool, texture: bool) -> tuple[str, ...]:
        """The layers of the losses that are there."""
        return (*(self.perceptual if perceptual else ()), *(self.texture if texture else ()))


# The classifier's layers are those with the strides of VGG-19's: 4 for pool2, its last for pool5; 1, 2 and 4.
WEIGHTS: dict[Network, Weights] = {
    "vgg19-caffe": Weights({"pool2": 0.2, "pool5": 0.02}, {"conv1_1": 3e-7, "conv2_1": 1e-6, "conv3_1": 1e-6}),
    "classifier": Weights({"block3": 0.2, "block4": 0.02}, {"block1": 3e-7, "block2": 1e-6, "block3": 1e-6}),
}
CLASSIFIER = "cifar10"  # the project's own, in the place of VGG-19 where that is not at hand


def network(name: Network) -> nn.Module:
    """The frozen network: (images (n, 3, h, w) on [−1, 1], layers) → feature maps by layer.

    Raises:
        MissingNetwork: its weights are not on this machine.
        CorruptFile: they are damaged.
    """
    if name == "vgg19-caffe":
        return copy.deepcopy(vgg19.trained_vgg19("EnhanceNet"))  # which others use, and a training moves to its device
    return ClassifierMaps(trained_classifier(CLASSIFIER, "EnhanceNet"))


def missing(name: Network) -> str:
    """The file without which there is no such network here; empty where it is here."""
    if name == "vgg19-caffe":
        return vgg19.missing()
    try:
        trained_classifier(CLASSIFIER)
    except MissingNetwork as absent:
        return absent.what
    return ""


def mean_one(maps: Mapping[str, Tensor], of: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Feature maps in units of the mean of a layer over a picture, (n, c, h, w).

    The weights of Table 2.2 are for features of mean one, as the supplement of the paper says: raw ones of VGG-19 have
    means of a hundred, and a Gram matrix the square of that. The mean is that of the true picture's features, so that
    nothing is learned by changing it.

    Args:
        maps: by layer, to be divided.
        of: by layer, those of the true pictures.
    """
    return {name: f / of[name].mean((1, 2, 3), keepdim=True).clamp(min=1e-6) for name, f in maps.items()}


def perceptual(weights: Mapping[str, float], truth: Mapping[str, Tensor], made: Mapping[str, Tensor]) -> Tensor:
    """L_P = Σ_l w_l · mean (φ_l(I_est) − φ_l(I_HR))² of each picture, (n,) (eq. 2.5)."""
    errors = [w * (made[name] - truth[name]).square().flatten(1).mean(1) for name, w in weights.items()]
    return torch.stack(errors).sum(0)


def gram(maps: Tensor, cells: int) -> Tensor:
    """F Fᵀ of each patch of cells × cells positions, without overlap; what is left over at the border is not seen.

    Args:
        maps: (n, c, h, w).
        cells: side of a patch, in positions of these maps, at most h and w.

    Returns:
        (n, patches, c, c), sums over a patch's positions.

    Raises:
        ValueError: no whole patch.
    """
    patches = _patches(maps, cells)
    return patches @ patches.mT


def gram_error(made: Tensor, truth: Tensor, cells: int) -> Tensor:
    """Mean (Gram(made) − Gram(truth))² over patches and entries, of each picture, (n,).

    Where a patch has few places, m² ≤ c of them, its c × c matrices are not written out: with S and T the difference
    and the sum of the features, (c, m), ‖F Fᵀ − G Gᵀ‖² = ½ ⟨SᵀS, TᵀT⟩ + ½ ⟨SᵀT, TᵀS⟩, matrices of m × m.

    Args:
        made: feature maps, (n, c, h, w).
        truth: the others, (n, c, h, w).
        cells: side of a patch, as `gram` takes it.
    """
    c = made.shape[1]
    if cells**4 > c:
        return (gram(made, cells) - gram(truth, cells)).square().flatten(1).mean(1)
    a, b = _patches(made, cells), _patches(truth, cells)
    s, t = a - b, a + b
    st = s.mT @ t
    squares = ((s.mT @ s) * (t.mT @ t)).sum((2, 3)) + (st * st.mT).sum((2, 3))  # (n, patches)
    return squares.mean(1) / (2 * c * c)


def _patches(maps: Tensor, cells: int) -> Tensor:
    """(n, patches, c, cells²) of maps (n, c, h, w)."""
    (n, c), rows, columns = maps.shape[:2], maps.shape[2] // cells, maps.shape[3] // cells
    if not rows or not columns:
        raise ValueError(f"No patch of {cells}×{cells} cells lies in feature maps of {maps.shape[2]}×{maps.shape[3]}.")
    kept = maps[..., : rows * cells, : columns * cells].reshape(n, c, rows, cells, columns, cells)
    return kept.permute(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, c, cells * cells)


def texture(
    weights: Mapping[str, float], truth: Mapping[str, Tensor], made: Mapping[str, Tensor], cells: Mapping[str, int]
) -> Tensor:
    """L_T = Σ_l w_l · mean (Gram(φ_l(I_est)) − Gram(φ_l(I_HR)))² over patches and entries, of each picture, (n,).

    Eq. 2.6, patch by patch; `cells` is by layer, as `gram` takes it.
    """
    errors = [w * gram_error(made[name], truth[name], cells[name]) for name, w in weights.items()]
    return torch.stack(errors).sum(0)


def smaller(x: Tensor, scale: int, kernel: Kernel) -> Tensor:
    """d_α: pictures made smaller, by MATLAB's bicubic, or as means over blocks; both have the centres' phase."""
    return imresize(x, 1 / scale) if kernel == "bicubic" else avg_pool2d(x, scale)
