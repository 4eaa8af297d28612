"""All metrics of a table's row at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from blurvae.errors import MissingNetwork
from blurvae.metrics import _check
from blurvae.metrics.batches import over_batches
from blurvae.metrics.features import label
from blurvae.metrics.frechet import Statistics, frechet_distance, statistics
from blurvae.metrics.high_frequency import high_frequency_ratio
from blurvae.metrics.lpips import lpips
from blurvae.metrics.psnr import psnr
from blurvae.metrics.spectrum import log_spectrum_distance
from blurvae.metrics.ssim import ssim

Entry = dict[str, float | int | str]


def names(lpips_net: str = "squeeze", features: str = "squeeze") -> tuple[str, ...]:
    """The keys of `evaluate`'s answer, in the order of the paper's tables."""
    distance = label(features)
    return (
        "PSNR",
        "SSIM",
        f"LPIPS-{lpips_net}",
        f"{distance} (recon)",
        f"{distance} (samples)",
        "high-frequency ratio",
        "log-spectrum distance (recon)",
        "log-spectrum distance (samples)",
    )


NAMES = names()


def evaluate(
    x: Tensor,
    x_hat: Tensor,
    samples: Tensor | None = None,
    *,
    lpips_net: str = "squeeze",
    features: str = "squeeze",
    crop: int | None = None,
) -> dict[str, Entry]:
    """Every metric of reconstructions and, where given, of samples, on the device that holds the images.

    Args:
        x: (n, c, h, w), c = 1 or 3, n ≥ 2, test images on [0, 1].
        x_hat: (n, c, h, w), their reconstructions, clamped to [0, 1].
        samples: (m, c, h, w), draws from the model, clamped; as many as test images. None leaves their rows out.
        lpips_net: backbone of LPIPS: "squeeze", "alex", "vgg".
        features: extractor of the Fréchet distance: see `frechet_distance`.
        crop: px; measure the central crop×crop only (28 for MNIST, which is padded to 32).

    Returns:
        By name (`names`): {"mean", "sd", "n"} for metrics of single images, sd over the images with n − 1; {"value"}
        for those of whole sets; {"state": "needs weights", "what": file or package} where the network is not on
        this machine.

    Raises:
        ValueError: shapes that differ, fewer than two images, a crop beyond the images, values outside [0, 1], NaN.
    """
    return evaluate_each(x, x_hat, samples, lpips_net=lpips_net, features=features, crop=crop)[0]


@torch.no_grad()
def evaluate_each(
    x: Tensor,
    x_hat: Tensor,
    samples: Tensor | None = None,
    *,
    lpips_net: str = "squeeze",
    features: str = "squeeze",
    crop: int | None = None,
) -> tuple[dict[str, Entry], dict[str, Tensor]]:
    """What `evaluate` returns, and by name the values (n,) of the metrics of single images; arguments as there."""
    x, x_hat = _centre(x, crop), _centre(x_hat, crop)
    _check.pair(x, x_hat, ("x", "x_hat"))
    if len(x) < 2:
        raise ValueError("An evaluation needs at least 2 test images for its standard deviations, not 1.")
    if samples is not None:
        samples = _centre(samples, crop)
        _check.images(samples, "samples")
        _check.same_kind(x.shape[1:], samples.shape[1:], ("x", "samples"))
    reference: list[Statistics] = []  # of x, made once, when first asked for

    def frechet(images: Tensor) -> Entry:
        if not reference:
            reference.append(statistics(x, features))
        return {"value": frechet_distance(reference[0], images, features)}

    values: dict[str, Tensor] = {}

    def each(name: str, metric: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], Entry]:
        def row() -> Entry:
            values[name] = over_batches(metric, x, x_hat).cpu()
            return summary(values[name])

        return row

    fd, log_spectrum = label(features), "log-spectrum distance"
    rows: dict[str, Callable[[], Entry]] = {
        "PSNR": each("PSNR", psnr),
        "SSIM": each("SSIM", ssim),
        f"LPIPS-{lpips_net}": each(f"LPIPS-{lpips_net}", lambda a, b: lpips(a, b, lpips_net)),
        f"{fd} (recon)": lambda: frechet(x_hat),
        "high-frequency ratio": lambda: {"value": high_frequency_ratio(x_hat, x)},
        f"{log_spectrum} (recon)": lambda: {"value": log_spectrum_distance(x_hat, x)},
    }
    if samples is not None:
        drawn = samples
        rows[f"{fd} (samples)"] = lambda: frechet(drawn)
        rows[f"{log_spectrum} (samples)"] = lambda: {"value": log_spectrum_distance(drawn, x)}
    return {name: attempt(rows[name]) for name in names(lpips_net, features) if name in rows}, values


def _centre(images: Tensor, crop: int | None) -> Tensor:
    """The central crop×crop px; odd margins leave the extra row and column at the bottom and right."""
    if crop is None or images.ndim != 4:
        return images
    h, w = images.shape[-2:]
    if not 1 <= crop <= min(h, w):
        raise ValueError(f"The crop of {crop} px does not lie within images of {h}×{w} px.")
    top, left = (h - crop) // 2, (w - crop) // 2
    return images[..., top : top + crop, left : left + crop]


def summary(values: Tensor) -> Entry:
    """Mean, sd (with n − 1) and number of the values (n,) of single images, n ≥ 2, as an entry of `evaluate`."""
    values = values.double()
    return {"mean": values.mean().item(), "sd": values.std().item(), "n": len(values)}


def attempt(row: Callable[[], Entry]) -> Entry:
    """An entry, or the state that says which network is not on this machine."""
    try:
        return row()
    except MissingNetwork as missing:
        return {"state": "needs weights", "what": missing.what}
