"""Fréchet distance between the features of two sets of images.

Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of Multivariate Analysis 12
(1982); on Inception features: Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, "GANs trained by a two time-scale
update rule converge to a local Nash equilibrium", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blurvae.metrics import _check, _weights

# The ImageNet statistics that torchvision's networks were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Network = Callable[[Tensor], Tensor]  # images on [0, 1] (n, 3, h, w) -> features (n, d)


@dataclass(frozen=True)
class Statistics:
    """The Gaussian fitted to the features of a set of images; compute it once to compare several sets with one."""

    features: str  # the extractor's name
    n: int  # images
    shape: tuple[int, ...]  # (c, h, w) of the images
    mean: Tensor  # (d,), float64 on the CPU
    covariance: Tensor  # (d, d), unbiased, float64 on the CPU


def statistics(images: Tensor, features: str = "squeeze", batch_size: int | None = None) -> Statistics:
    """Mean and covariance of the features of a set of images.

    Args:
        images: (n, c, h, w), c = 1 or 3, on [0, 1], n ≥ 2.
        features: a name of `FEATURES`; see `frechet_distance`.
        batch_size: images at a time; None chooses by their size.

    Raises:
        ValueError: fewer than two or too small images, values outside [0, 1], NaN, an unknown extractor.
        MissingWeights: the extractor's package or weights are absent.
    """
    extractor = _extractor(features)
    _check.images(images)
    n, size = len(images), min(images.shape[-2:])
    if n < 2:
        raise ValueError("A Fréchet distance needs at least 2 images in each set for a covariance, not 1.")
    if size < extractor.smallest:
        raise ValueError(f"{extractor.label} needs images of at least {extractor.smallest} px a side, not {size}.")
    network = extractor.load(images.device)
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        for batch in images.split(batch_size or _check.batch_size(images, extractor.side)):
            f = network(batch).cpu().double()
            m = len(f)
            # Pooled from the batches' own means, so that no large squares are subtracted from one another.
            shift = f.mean(0) - mean
            centred = f - f.mean(0)
            scatter = scatter + centred.T @ centred + torch.outer(shift, shift) * (count * m / (count + m))
            mean = mean + shift * (m / (count + m))
            count += m
    return Statistics(features, n, tuple(images.shape[1:]), mean, scatter / (n - 1))


def frechet_distance(
    a: Tensor | Statistics, b: Tensor | Statistics, features: str = "squeeze", batch_size: int | None = None
) -> float:
    """Fréchet distance between Gaussians fitted to the features of two sets: |μa − μb|² + Tr(Σa + Σb − 2(ΣaΣb)^½).

    The extractors, each with the name under which its value is reported, since values of different ones cannot be
    compared (`label`):

    - "squeeze", FD-squeeze: the last feature map of torchvision's SqueezeNet 1.1, averaged over its positions, 512
      values; ImageNet normalisation; images at their own size, at least 17×17 px (1 position at 32×32, 3×3 at 64×64).
    - "inception", FID: the 2048 pooled features of the network of the original FID, in torch-fidelity's conversion,
      with its resizing to 299×299 px, on images rounded to 8 bits. torchvision's Inception has other weights, and its
      distance is not FID, so it is not used here.
    - "inception-softmax", FID-softmax: the 1000 class probabilities of torchvision's Inception-v3, on images resized
      (bilinear) to 299×299 px without ImageNet normalisation by the caller: the default of ignite's FID, on the scale
      that the paper prints. (The network itself rescales its input, as torchvision's pretrained ones do.)
    - "pixels", FD-pixels: the pixels themselves; for tests and small images, since the covariance is (c·h·w)².

    The value falls with the number of images: compare sets of one size. With fewer images than features the covariances
    are singular, which is allowed here, and the value is mostly bias.

    Args:
        a: (n, c, h, w), c = 1 or 3 (grey is repeated), on [0, 1], n ≥ 2; or its `Statistics`.
        b: (m, c, h, w), m ≥ 2; or its `Statistics`.
        features: a name of `FEATURES`.
        batch_size: images at a time; None chooses by their size.

    Returns:
        The distance, ≥ 0 and symmetric; 0 for equal sets.

    Raises:
        ValueError: fewer than two images, images of two shapes, values outside [0, 1], NaN, an unknown extractor.
        MissingWeights: the extractor's package or weights are absent.
    """
    _extractor(features)
    for s, name in ((a, "a"), (b, "b")):
        if not isinstance(s, Statistics):
            _check.images(s, name)
        elif s.features != features:
            raise ValueError(f"{name} holds statistics of the features {s.features!r}, not of {features!r}.")
    shape_a, shape_b = (s.shape[1:] if isinstance(s, Tensor) else s.shape for s in (a, b))
    _check.same_kind(shape_a, shape_b)
    a, b = (statistics(s, features, batch_size) if isinstance(s, Tensor) else s for s in (a, b))
    return gaussian_distance(a.mean, a.covariance, b.mean, b.covariance)


def gaussian_distance(mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians, whose covariances may be singular.

    With factors Σa = AAᵀ and Σb = BBᵀ from the symmetric eigendecomposition, Tr (Σa^½ Σb Σa^½)^½ is the sum of the
    singular values of AᵀB. Their rounding is 1e-16 of the largest of them; roots of the eigenvalues of the product
    would blow each zero up to 1e-8 of it, and the distance of a set from itself would not be 0.

    Args:
        mean_a: (d,), float64.
        covariance_a: (d, d), symmetric, positive semi-definite.
        mean_b: (d,).
        covariance_b: (d, d).

    Returns:
        The squared distance, ≥ 0.
    """
    factor_a, factor_b = _factor(covariance_a), _factor(covariance_b)
    cross = torch.linalg.svdvals(factor_a.T @ factor_b).sum()
    distance = (mean_a - mean_b).square().sum() + factor_a.square().sum() + factor_b.square().sum() - 2 * cross
    return max(0.0, distance.item())


def _factor(covariance: Tensor) -> Tensor:  # (d, rank)
    """A with AAᵀ = Σ, without the directions whose variance is rounding."""
    # For such a matrix the two decompositions are one, and MKL's eigh does not converge on some singular ones.
    direction, variance, _ = torch.linalg.svd(covariance)
    real = variance > len(variance) * torch.finfo(variance.dtype).eps * variance[0]
    return direction[:, real] * variance[real].sqrt()


def label(features: str) -> str:
    """The name under which a distance over these features is reported, e.g. "FD-squeeze".

    Raises:
        ValueError: an unknown extractor.
    """
    return _extractor(features).label


def _extractor(features: str) -> Extractor:
    if features not in FEATURES:
        raise ValueError(f"Fréchet distances know the features {', '.join(FEATURES)}, not {features!r}.")
    return FEATURES[features]


def _pixels(device: torch.device) -> Network:
    return lambda images: images.flatten(1)


def _squeeze(device: torch.device) -> Network:
    file = _weights.torchvision_checkpoint("SqueezeNet1_1_Weights", "FD-squeeze")
    network = _load_squeeze(file, device)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))

    def extract(images: Tensor) -> Tensor:
        x = (_check.rgb(images).float() - mean) / std
        features: Tensor = network(x.contiguous(memory_format=torch.channels_last))  # (n, 512, h', w')
        return features.mean((2, 3))

    return extract


def _inception(device: torch.device) -> Network:
    module = _weights.package("torch_fidelity.feature_extractor_inceptionv3", "FID")
    network = _load_fidelity(_weights.checkpoint(module.URL_INCEPTION_V3, "FID"), device)

    def extract(images: Tensor) -> Tensor:
        features: Tensor = network((_check.rgb(images).clamp(0, 1) * 255).round().to(torch.uint8))[0]
        return features  # (n, 2048)

    return extract


def _inception_softmax(device: torch.device) -> Network:
    network = _load_inception(_weights.torchvision_checkpoint("Inception_V3_Weights", "FID-softmax"), device)

    def extract(images: Tensor) -> Tensor:
        x = _check.rgb(images).float()
        x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False, antialias=True)
        logits: Tensor = network(x)
        return logits.softmax(1)  # (n, 1000)

    return extract


@lru_cache(maxsize=2)
def _load_squeeze(file: Path, device: torch.device) -> nn.Module:
    from torchvision.models import squeezenet1_1

    with torch.random.fork_rng(devices=[]):  # the initial weights, replaced at once, draw random numbers
        network = squeezenet1_1(weights=None)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    features: nn.Module = network.features
    return features.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)


@lru_cache(maxsize=2)
def _load_fidelity(file: Path, device: torch.device) -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.random.fork_rng(devices=[]):
        network: nn.Module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(file))
    return network.eval().requires_grad_(False).to(device)


@lru_cache(maxsize=2)
def _load_inception(file: Path, device: torch.device) -> nn.Module:
    from torchvision.models import inception_v3

    with torch.random.fork_rng(devices=[]):
        network = inception_v3(weights=None, init_weights=False, transform_input=True)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen.to(device)


@dataclass(frozen=True)
class Extractor:
    """One way to see images as vectors."""

    label: str  # the reported name of the distance
    load: Callable[[torch.device], Network]
    smallest: int = 1  # px, the least height and width
    side: int | None = None  # px to which images are resized; None: not at all


FEATURES = {
    "squeeze": Extractor("FD-squeeze", _squeeze, smallest=17),
    "inception": Extractor("FID", _inception, side=299),
    "inception-softmax": Extractor("FID-softmax", _inception_softmax, side=299),
    "pixels": Extractor("FD-pixels", _pixels),
}
