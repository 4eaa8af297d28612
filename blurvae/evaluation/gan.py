"""The evaluation of a GAN, with or without a lens: its health and its lens after each epoch, its samples at the end.

All samples are measured against the data as they are, not as a lens shows them (section 4.2.4 of Sajjadi 2024).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from blurvae import metrics
from blurvae.datasets import ImageSet
from blurvae.datasets.points import CENTRES, SD
from blurvae.evaluation import pieces
from blurvae.evaluation.base import BATCH, Measured, centre, real, to_bytes, unit
from blurvae.evaluation.health import MODES, HealthWatch, failed, modes
from blurvae.evaluation.samples import precision_recall
from blurvae.evaluation.snapshots import Snapshots
from blurvae.models.gan import is_point
from blurvae.systems.gan import GAN, Players
from blurvae.train import Budget
from blurvae.train.plan import plan

FRAMES, SHOWN = 12, 512  # moments of which pictures are kept of points, and how many points
FRAMES_OF_IMAGES, SHOWN_IMAGES = 6, 8
REACH = 1.5  # coordinates of points are kept as bytes on [−1.5, 1.5]
FOLLOWED = 500  # samples whose distance from the test images is measured after each epoch, at most
KINDS = 10_000  # samples of Color MNIST whose kinds are counted: of 1,000, all but 0.05 on average
GOOD = "good samples"
FEWEST_GOOD = 0.1  # points scattered over the square have 0.07 on the grid and 0.02 on the ring


class GANWatch:
    """Measures after each epoch the game's health, the lens, and the samples; keeps pictures of some epochs.

    Beside the numbers of `HealthWatch`: "lens_residual", ‖L(x) − x‖² / ‖x‖² of its test images at this moment's λ;
    of points "modes" and "good", of as many samples as there are test points; of images "fd", the FD-squeeze of at most
    500 samples, where its network is on this machine.

    Args:
        system: what is trained.
        budget: its epochs, and the seed.
        steps: of an epoch.
        test: the test images or points.
        device: of the networks.
        folder: for pictures; in memory where None.
    """

    def __init__(
        self, system: GAN, budget: Budget, steps: int, test: ImageSet, device: torch.device, folder: Path | None
    ) -> None:
        self.system, self.test, self.device, self.seed = system, test, device, budget.seed + 1
        self.health = HealthWatch(system, test, device, self.seed, steps)
        self.points = is_point(test.shape)
        frames = min(FRAMES if self.points else FRAMES_OF_IMAGES, budget.epochs)
        self.pictured = sorted({round(budget.epochs * (i + 1) / frames) for i in range(frames)})
        self.snapshots = Snapshots("samples", folder)
        has_lens = ("lens_residual",) * (system.lens != "none")
        self.names = (*self.health.names, *has_lens, *(("modes", "good") if self.points else ()))

    def __call__(self, epoch: int, players: Players) -> dict[str, float]:
        """The numbers by name."""
        found = self.health(epoch, players)
        judge, *_ = self.system.moves(self.system.phase(epoch - 1))
        scene = self.health.scene(judge, epoch, torch.Generator().manual_seed(self.seed))
        seen = self.system.seen(players, scene)
        if self.system.lens != "none":
            found["lens_residual"] = ((seen - scene.x).square().sum() / scene.x.square().sum()).item()
        drawn = sampled(self.system, players, min(len(self.test), FOLLOWED), self.seed, self.device)
        if self.points:
            points = sampled(self.system, players, len(self.test), self.seed, self.device)
            covered = metrics.coverage(points.flatten(1), centres(self.test), SD)
            found |= {"modes": float(covered.modes), "good": covered.good}
        else:
            entry = metrics.attempt(lambda: {"value": self._distance(centre(unit(drawn), self.test))})
            found |= {"fd": float(entry["value"])} if "value" in entry else {}
        if epoch in self.pictured:
            arrays = {"lensed": seen, "sample": drawn}
            self.snapshots.keep(epoch, {name: self._bytes(images) for name, images in arrays.items()})
        return found

    def pictures(self) -> dict[str, np.ndarray]:
        """The snapshots: epochs (e,); data under the lens and samples, bytes (e, images, c, h, w), see `as_bytes`.

        Raises:
            CorruptFile: those of an epoch before an interruption are gone or damaged.
        """
        kept = [self.snapshots.read(epoch) for epoch in self.pictured]
        shown = {f"snapshot_{name}": np.stack([arrays[name] for arrays in kept]) for name in ("lensed", "sample")}
        return {"snapshot_epoch": np.array(self.pictured)} | shown

    @cached_property
    def _reference(self) -> metrics.Statistics:
        return metrics.statistics(centre(real(self.test.head(min(len(self.test), FOLLOWED)), self.device), self.test))

    def _distance(self, drawn: Tensor) -> float:
        return metrics.frechet_distance(self._reference, drawn)

    def _bytes(self, images: Tensor) -> np.ndarray:
        return as_bytes(images[:SHOWN]) if self.points else to_bytes(unit(images[:SHOWN_IMAGES]))


class GANEvaluation:
    """Measures as many samples as there are test images or points.

    Args:
        system: what is trained.
        budget: its epochs, and the seed.
        train: the training images or points.
        test: those to measure.
        device: of the networks.
        folder: for what the watch keeps until the training is over.
        n_bound: 0: a GAN has no likelihood.

    Raises:
        ValueError: a bound that is asked for, or a batch that does not fit.
    """

    def __init__(
        self,
        system: GAN,
        budget: Budget,
        train: ImageSet,
        test: ImageSet,
        device: torch.device,
        folder: Path | None = None,
        n_bound: int = 0,
    ) -> None:
        if n_bound:
            raise ValueError("A GAN has no bound on −log p: leave n_bound out.")
        self.system, self.seed, self.train, self.test, self.device = system, budget.seed, train, test, device
        self.watch = GANWatch(system, budget, plan(system, None, train, budget).steps, test, device, folder)

    def check(self) -> None:
        """See `Evaluation`."""
        if self.watch.points:
            centres(self.test)
        else:
            pieces.check(self.test)

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """The metrics of points or of images.

        Of points: "modes (samples)" and "good samples", see `metrics.coverage`, precision and recall over coordinates,
        and "failed" where more than half of the modes are missing or fewer than a tenth of the samples are good.

        Of images: distances of the samples, of other real images ("data") and of the mean image from the test images,
        precision and recall, the distance of spectra, modes where there is a classifier, and "failed" as
        `health.failed` has it.

        Pictures are test images, samples and what the watch has kept.
        """
        players.generator.eval()
        drawn = sampled(self.system, players, len(self.test), self.seed + 1, self.device)
        measured = self._points(drawn) if self.watch.points else self._images(players, drawn)
        measured.pictures |= self.watch.pictures()
        return measured

    def _points(self, drawn: Tensor) -> Measured:
        known = centres(self.test)
        found = metrics.coverage(drawn.flatten(1), known, SD)
        lost = found.modes < len(known) / 2 or found.good < FEWEST_GOOD
        measured = Measured(
            {MODES: {"value": found.modes}, GOOD: {"value": found.good}, "failed": {"value": float(lost)}}
        )
        x = real(self.test, self.device)
        sets = {"samples": unit(drawn), "data": real(self.train.head(min(len(self.train), len(x))), self.device)}
        measured.metrics |= precision_recall(x, sets, "pixels", self.seed)
        measured.pictures = {"original": as_bytes(2 * x[:SHOWN] - 1), "sample": as_bytes(drawn[:SHOWN])}
        return measured

    def _images(self, players: Players, drawn: Tensor) -> Measured:
        test, whole = self.test, unit(drawn)
        x, samples = (centre(images, test) for images in (real(test, self.device), whole))
        data = centre(real(self.train.head(min(len(self.train), len(x))), self.device), test)
        mean = data.mean(0, keepdim=True).repeat(2, 1, 1, 1)  # two: a covariance of 0
        measured = Measured(pieces.distances(x, {"samples": samples, "data": data, "mean image": mean}))
        measured.metrics["log-spectrum distance (samples)"] = {"value": metrics.log_spectrum_distance(samples, x)}
        measured.metrics |= precision_recall(x, {"samples": samples, "data": data}, seed=self.seed)
        many = KINDS if test.name == "color-mnist" else len(x)
        counted = whole if many == len(x) else unit(sampled(self.system, players, many, self.seed + 1, self.device))
        measured.metrics |= modes(counted, test.name)
        measured.metrics["failed"] = failed(measured.metrics)
        few = pieces.PICTURES_LARGE if pieces.large(test) else pieces.PICTURES
        measured.pictures = {
            "original": to_bytes(x[:few]),
            "sample": to_bytes(samples[:few]),
            "log_spectrum_sample": pieces.array(metrics.mean_log_spectrum(samples)),
            "log_spectrum_data": pieces.array(metrics.mean_log_spectrum(x)),
        }
        return measured


def sampled(system: GAN, players: Players, n: int, seed: int, device: torch.device) -> Tensor:
    """What the generator makes of n codes that the seed draws, (n, c, h, w) in [−1, 1], points unbounded."""
    z = torch.randn(n, system.latent, generator=torch.Generator().manual_seed(seed)).to(device)
    return torch.cat([players.generator(some).float() for some in z.split(BATCH)])


def centres(points: ImageSet) -> Tensor:
    """The centres of a data set of points, (m, 2).

    Raises:
        ValueError: none are known.
    """
    if points.name not in CENTRES:
        raise ValueError(f"No modes are known of {points.name!r}: give points of {' or '.join(CENTRES)}, or images.")
    return torch.from_numpy(CENTRES[points.name])


def as_bytes(points: Tensor) -> np.ndarray:
    """Coordinates as pictures keep them, from −1.5 (0) to 1.5 (255), those beyond at the edge."""
    return to_bytes((points / REACH + 1).clamp(0, 2).float() / 2)
