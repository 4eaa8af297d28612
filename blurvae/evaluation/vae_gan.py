"""The evaluation of a VAE-GAN: that of reconstructions and samples, its failure, and what a shift is to its judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from blurvae import losses, metrics
from blurvae.datasets import ImageSet
from blurvae.evaluation import pieces
from blurvae.evaluation.base import Measured, batches, centre, real, to_bytes, unit
from blurvae.evaluation.health import HealthWatch, failed, modes
from blurvae.evaluation.samples import precision_recall
from blurvae.metrics.active_units import active_units
from blurvae.metrics.shift import SHIFTS, shift_sensitivity
from blurvae.models import kl_divergence
from blurvae.systems.vae_gan import VAEGAN, Players
from blurvae.train import Budget

MOVED = 256  # test images that are moved, at most
SHIFTED = ("features", "features, untrained", "pixels", "sharpness")  # what a shift is measured by


class VAEGANEvaluation:
    """Measures reconstructions (z = μ) of the test images and as many samples from the prior.

    Args:
        system: what is trained.
        budget: the seed.
        train: the training images.
        test: the images to measure.
        device: of the networks.
        folder: not used.
        n_bound: not used: a likelihood of features is none of images.
    """

    def __init__(
        self,
        system: VAEGAN,
        budget: Budget,
        train: ImageSet,
        test: ImageSet,
        device: torch.device,
        folder: Path | None = None,
        n_bound: int = 0,
    ) -> None:
        self.system, self.seed, self.train, self.test, self.device = system, budget.seed, train, test, device
        self.n_bound = n_bound
        self.watch = HealthWatch(system, test, device, budget.seed + 1)

    def check(self) -> None:
        """See `Evaluation`."""
        if self.n_bound:
            raise ValueError("A likelihood of features has no bound on −log p of images: leave n_bound out.")
        pieces.check(self.test)

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """Metrics as `blurvae.metrics.evaluate` returns them, KL and active units of the code, sharpness, distances of
        other real images ("data") and of the training set's mean image, precision and recall of the samples, the number
        of their classes where there is a classifier, "failed" (1 or 0, see `health.failed`), and "shift 1 px (…)", see
        `shift_sensitivity`: of squared distances of pixels, of the features that the likelihood is of, of the same
        before training, and of the sharpness term.
        """  # noqa: D205
        test, generator = self.test, torch.Generator().manual_seed(self.seed + 1)
        shape = test.shape[0], test.shape[1], test.shape[2]
        coder = self.system.coder(players, shape).eval()
        mu, log_var = (torch.cat(part) for part in zip(*(coder.encode(x) for x in batches(test, self.device))))
        x = torch.cat([unit(batch) for batch in batches(test, self.device)])
        x_hat = pieces.decoded(coder, mu)
        z = torch.randn(len(x), coder.latent, generator=generator).to(self.device)
        sampled = pieces.decoded(coder, z)
        inner, inner_hat = centre(x, test), centre(x_hat, test)
        measured = Measured(*metrics.evaluate_each(inner, inner_hat, centre(sampled, test)))
        measured.add("KL", kl_divergence(mu, log_var).cpu())
        measured.metrics["active units"] = {"value": active_units(mu)}
        measured.add("sharpness", metrics.sharpness(inner_hat).cpu())
        data = real(self.train.head(min(len(self.train), len(test))), self.device)
        mean = real(self.train, self.device).mean(0, keepdim=True).repeat(2, 1, 1, 1)  # two: a covariance of 0
        others = {"data": centre(data, test), "mean image": centre(mean, test)}
        measured.metrics |= pieces.distances(inner, others)
        drawn = {"samples": centre(sampled, test), "data": others["data"]}
        pieces.second_judge(inner, inner_hat, measured, drawn)
        measured.metrics |= precision_recall(inner, drawn, seed=self.seed)
        measured.metrics |= modes(sampled, test.name)
        measured.metrics["failed"] = failed(measured.metrics)
        measured.metrics |= self._shifts(players, shape)
        few = pieces.PICTURES_LARGE if pieces.large(test) else pieces.PICTURES
        measured.pictures = pieces.pictures(x, x_hat, sampled, few)
        if not pieces.large(test):
            measured.pictures["interpolation"] = to_bytes(unit(pieces.line(coder, test, self.device)))
        return measured

    def _shifts(self, players: Players, shape: tuple[int, int, int]) -> dict[str, metrics.Entry]:
        """What a shift is to the likelihood's features, beside pixels and the sharpness term."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            untrained = self.system.players(shape).discriminator.to(self.device).eval()

        def features(judge: torch.nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
            def distance(x: Tensor, y: Tensor) -> Tensor:
                a, b = (judge(images).features[self.system.layer].flatten(1) for images in (x, y))
                return (a - b).square().sum(1)

            return distance

        ways: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
            features(players.discriminator),
            features(untrained),
            losses.L2(),
            losses.Sharpness(),
        )
        x = torch.cat([*batches(self.test.head(min(len(self.test), MOVED)), self.device)])
        return {
            f"shift {pixels} px ({name})": {"value": shift_sensitivity(distance, x, pixels)}
            for pixels in SHIFTS
            for name, distance in zip(SHIFTED, ways, strict=True)
        }
