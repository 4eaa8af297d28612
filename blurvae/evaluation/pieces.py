"""Pieces that the evaluations of several systems share: codes, sets of images and their distances, pictures."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from blurvae import metrics
from blurvae.blur import fourier, squared_gain
from blurvae.datasets import ImageSet, to_float
from blurvae.evaluation.base import BATCH, Measured, batches, centre, real, to_bytes, unit
from blurvae.models.coder import Coder
from blurvae.models.lpips import BACKBONES
from blurvae.models.samplers import interpolate

PICTURES = 8  # originals that are kept; reconstructions and samples as many
PICTURES_LARGE = 2  # beyond 64×64 px, where no interpolation is kept either
STEPS = 7  # of an interpolation between two test images
SECOND = "alex"  # LPIPS-squeeze is the first


def check(test: ImageSet) -> None:
    """Refuses images that could not be measured.

    Raises:
        ValueError: images that the metrics refuse.
    """
    some = centre(real(test.head(min(len(test), 64))), test)
    metrics.evaluate(some, some, some)


def array(values: Tensor) -> np.ndarray:
    """As records keep what is no picture."""
    return values.cpu().numpy().astype(np.float32)


def large(images: ImageSet) -> bool:
    """Whether few pictures of such images are kept."""
    return max(images.shape[1:]) > 64


def codes(vae: Coder, images: ImageSet, device: torch.device) -> Tensor:
    """The posterior means of images, (n, latent), float64 on the device."""
    return torch.cat([vae.encode(batch)[0].double() for batch in batches(images, device)])


def decoded(vae: Coder, z: Tensor) -> Tensor:
    """The images of codes, (n, c, h, w) on [0, 1]."""
    return torch.cat([unit(vae.decode(some).x_hat) for some in z.split(BATCH)])


def line(vae: Coder, test: ImageSet, device: torch.device, *, spherical: bool = False) -> Tensor:
    """What the decoder makes of the way from the first test image to the second, see `interpolate`."""
    a, b = to_float(torch.from_numpy(np.array(test.images[:2])).to(device))
    return interpolate(vae, a, b, STEPS, spherical=spherical)


def spectra(x: Tensor, x_hat: Tensor) -> dict[str, np.ndarray]:
    """Mean spectra of images and reconstructions on [0, 1], and the power of their difference, by a record's names."""
    return {
        "log_spectrum_data": array(metrics.mean_log_spectrum(x)),
        "log_spectrum_reconstruction": array(metrics.mean_log_spectrum(x_hat)),
        "error_power": array(squared_gain(fourier(x - x_hat)).mean((0, 1))),
        "data_power": array(squared_gain(fourier(x)).mean((0, 1))),
    }


def pictures(x: Tensor, x_hat: Tensor, sampled: Tensor, few: int) -> dict[str, np.ndarray]:
    """A few originals, reconstructions and samples, all on [0, 1], and the spectra of all, by a record's names."""
    return {
        "original": to_bytes(x[:few]),
        "reconstruction": to_bytes(x_hat[:few]),
        "sample": to_bytes(sampled[:few]),
        "log_spectrum_sample": array(metrics.mean_log_spectrum(sampled)),
        **spectra(x, x_hat),
    }


def second_judge(x: Tensor, x_hat: Tensor, measured: Measured, sets: dict[str, Tensor]) -> None:
    """LPIPS and Fréchet distances by another network, where the images are large enough: one that was in no training.

    Args:
        x: (n, c, h, w) on [0, 1], the test images.
        x_hat: (n, c, h, w), their reconstructions.
        measured: what the rows join.
        sets: other sets whose distances from the test images are wanted, by name.
    """
    name = f"LPIPS-{SECOND}"
    if min(x.shape[-2:]) < BACKBONES[SECOND][1]:
        return

    def row() -> metrics.Entry:
        measured.values[name] = metrics.lpips(x, x_hat, SECOND).cpu()
        return metrics.summary(measured.values[name])

    measured.metrics[name] = metrics.attempt(row)
    measured.metrics |= distances(x, {"recon": x_hat, **sets}, SECOND)


def distances(x: Tensor, sets: dict[str, Tensor], features: str = "squeeze") -> dict[str, metrics.Entry]:
    """The Fréchet distance of each set from the images x, or what is missing for it."""
    reference = cache(lambda: metrics.statistics(x, features))

    def row(y: Tensor) -> metrics.Entry:
        return {"value": metrics.frechet_distance(reference(), y, features)}

    return {f"FD-{features} ({name})": metrics.attempt(partial(row, y)) for name, y in sets.items()}
