"""Images as vectors: the features over which sets are compared, each by the name that its values are reported with.

Values over different features cannot be compared. Each extractor has the label of its Fréchet distance, the more
widely known of its uses:

- "squeeze", FD-squeeze: the last feature map of torchvision's SqueezeNet 1.1, averaged over its positions, 512 values;
  ImageNet normalisation; images at their own size, at least 17×17 px (1 position at 32×32, 3×3 at 64×64).
- "vgg", FD-vgg: the last feature map of torchvision's VGG-16 in the same way, 512 values; at least 32×32 px.
- "alex", FD-alex: that of torchvision's AlexNet before its last pooling in the same way, 256 values; at least 31×31 px.
- "inception", FID: the 2048 pooled features of the network of the original FID, in torch-fidelity's conversion, with
  its resizing to 299×299 px, on images rounded to 8 bits. torchvision's Inception has other weights, and its distance
  is not FID, so it is not used here.
- "inception-softmax", FID-softmax: the 1000 class probabilities of torchvision's Inception-v3, on images resized
  (bilinear) to 299×299 px without ImageNet normalisation by the caller: the default of ignite's FID, on the scale that
  the main paper prints. (The network itself rescales its input, as torchvision's pretrained ones do.)
- "classifier-mnist" and "classifier-cifar10": what the last layer of the project's own classifier sees, 64 and 192
  values. Their weights come with the book: no other features but the next need nothing from elsewhere.
- "pixels", FD-pixels: the pixels themselves; for tests and small images, since a covariance is (c·h·w)².

Beside these `embed_pair` knows "pca", the first 50 principal components of the real images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from blurvae.metrics import _check
from blurvae.models import features as networks
from blurvae.models.features import Features


@dataclass(frozen=True)
class Extractor:
    """One way to see images as vectors."""

    label: str  # the reported name of the distance
    load: Callable[[torch.device, str], Features]  # on a device, for the distance of that label
    smallest: int = 1  # px, the least height and width
    side: int | None = None  # px to which images are resized; None: not at all


def _pixels(device: torch.device, wanted_by: str) -> Features:
    return lambda images: images.flatten(1)


COMPONENTS = 50  # of "pca", or as many as the real images have
FEATURES = {
    "squeeze": Extractor("FD-squeeze", networks.squeezenet, smallest=17),
    "vgg": Extractor("FD-vgg", networks.vgg16, smallest=32),
    "alex": Extractor("FD-alex", networks.alexnet, smallest=31),
    "inception": Extractor("FID", networks.inception, side=299),
    "inception-softmax": Extractor("FID-softmax", networks.inception_softmax, side=299),
    "classifier-mnist": Extractor("FD-classifier-mnist", partial(networks.classifier, "mnist"), smallest=28),
    "classifier-cifar10": Extractor("FD-classifier-cifar10", partial(networks.classifier, "cifar10"), smallest=32),
    "pixels": Extractor("FD-pixels", _pixels),
}


def extractor(features: str) -> Extractor:
    """The extractor of that name.

    Raises:
        ValueError: there is none.
    """
    if features not in FEATURES:
        raise ValueError(f"The features known are {', '.join(FEATURES)}, not {features!r}.")
    return FEATURES[features]


def label(features: str) -> str:
    """The name under which a Fréchet distance over these features is reported, e.g. "FD-squeeze".

    Raises:
        ValueError: an unknown extractor.
    """
    return extractor(features).label


def embed(images: Tensor, features: str = "squeeze", batch_size: int | None = None) -> Tensor:
    """The features of a set of images, (n, d), float32 (of pixels the images' own type), on the images' device.

    Args:
        images: (n, c, h, w), c = 1 or 3 (grey is repeated), on [0, 1].
        features: a name of `FEATURES`.
        batch_size: images at a time; None chooses by their size.

    Raises:
        ValueError: too small images, values outside [0, 1], NaN, an unknown extractor.
        MissingWeights: the extractor's package or weights are absent.
    """
    extractor(features)
    _check.images(images)
    return torch.cat([*embedded(images, features, batch_size)])


def embedded(images: Tensor, features: str, batch_size: int | None = None) -> Iterator[Tensor]:
    """The features batch by batch, of images that have been looked at; see `embed`."""
    found, size = extractor(features), min(images.shape[-2:])
    if size < found.smallest:
        raise ValueError(f"{found.label} needs images of at least {found.smallest} px a side, not {size}.")
    network = found.load(images.device, found.label)
    for batch in images.split(batch_size or _check.batch_size(images, found.side)):
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            yield network(batch)


def embed_pair(*, real: Tensor, generated: Tensor, features: str = "squeeze") -> tuple[Tensor, Tensor]:
    """The features of two sets, (n, d) and (m, d); "pca" is fitted to the real one.

    Args:
        real: (n, c, h, w), c = 1 or 3, on [0, 1].
        generated: (m, c, h, w), likewise.
        features: a name of `FEATURES`, or "pca".

    Raises:
        ValueError: images of two shapes, or see `embed`.
        MissingWeights: the extractor's package or weights are absent.
    """
    for images, name in ((real, "real"), (generated, "generated")):
        _check.images(images, name)
    _check.same_kind(real.shape[1:], generated.shape[1:], ("real", "generated"))
    if features != "pca":
        return embed(real, features), embed(generated, features)
    components = principal_components(real, min(COMPONENTS, len(real) - 1, real[0].numel()))
    return components(real), components(generated)


def principal_components(real: Tensor, count: int) -> Callable[[Tensor], Tensor]:
    """The first principal components of a set of real images as features, fitted to that set alone.

    Args:
        real: (n, c, h, w).
        count: d ≤ n − 1 and ≤ c·h·w, how many.

    Returns:
        A function from images (m, c, h, w) to (m, d), float64.

    Raises:
        ValueError: more components than the set has.
    """
    x = real.flatten(1).double()
    most = min(len(x) - 1, x.shape[1])
    if not 1 <= count <= most:
        raise ValueError(f"{len(x)} images of {x.shape[1]} values have {most} principal components, not {count}.")
    mean = x.mean(0)
    directions = torch.linalg.svd(x - mean, full_matrices=False).Vh[:count]
    return lambda images: (images.flatten(1).double() - mean) @ directions.T
