"""The evaluation of single-picture super-resolution: error and look, colour, grids, textures, and the field's sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from blurvae import datasets, metrics
from blurvae.datasets import ImageSet
from blurvae.datasets.bars import PLACEMENTS
from blurvae.errors import MissingData
from blurvae.evaluation import bicubic, pieces
from blurvae.evaluation.base import Measured, batches, to_bytes, unit
from blurvae.evaluation.health import HealthWatch
from blurvae.metrics.lattice import lattice_excess
from blurvae.metrics.sr import Protocol
from blurvae.models.enhancenet import Generator
from blurvae.resampling import imresize
from blurvae.systems import EnhanceNet, textures
from blurvae.systems.enhancenet import Players
from blurvae.train import Budget

BENCHMARKS = {"sr-train": ("set5", "set14", "bsd100", "urban100")}  # by training data: the sets of the field's tables
SEEN_AT, PATCH = "block2", 16  # the classifier's layer and px of a patch by which textures are told apart
NEAR = 0.1  # of black or white, on [0, 1]
DIGITS = {
    **{f"{name} (Y{how})": digits for name, digits in (("PSNR", 2), ("SSIM", 3)) for how in ("", ", bicubic")},
    **{f"{name} ({of})": digits for name, digits in (("PSNR", 2), ("SSIM", 3)) for of in BENCHMARKS["sr-train"]},
    "colour error": 2,
    "checkerboard": 2,
    "checkerboard (data)": 2,
    "texture distance": 3,
    "texture distance (bicubic)": 3,
    "sharp pixels": 3,
    "whole bars": 3,
}
SIDELESS = ("checkerboard", "checkerboard (data)", "texture distance (bicubic)", "sharp pixels")


class EnhanceNetEvaluation:
    """Makes the test pictures small, enlarges them and compares.

    Args:
        system: what is trained.
        budget: the seed.
        train: the training pictures.
        test: the pictures to measure.
        device: of the networks.
        folder: not used.
        n_bound: not used: there is no likelihood.
    """

    def __init__(
        self,
        system: EnhanceNet,
        budget: Budget,
        train: ImageSet,
        test: ImageSet,
        device: torch.device,
        folder: Path | None = None,
        n_bound: int = 0,
    ) -> None:
        self.system, self.train, self.test, self.device, self.n_bound = system, train, test, device, n_bound
        self.protocol = Protocol(shave=system.scale, kernel="means of blocks" if system.kernel == "box" else KERNEL)
        self.watch = HealthWatch(system, test, device, budget.seed + 1)

    def check(self) -> None:
        """See `Evaluation`."""
        if self.n_bound:
            raise ValueError("Super-resolution has no bound on −log p of images: leave n_bound out.")
        pieces.check(self.test)

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """Metrics as `blurvae.metrics.evaluate` returns them, over RGB with the border, and more beside them.

        "PSNR (Y)" and "SSIM (Y)" go by the protocol that each entry names, and are there for bicubic enlargement too;
        "colour error" is how far the mean colour is off, in grey levels; "checkerboard" by how many nats the spectrum
        stands out at multiples of 1/scale cycles/px, with that of the data beside it; "texture distance" is that of
        Gram matrices of patches, relative. Of bars there are the shares of "sharp pixels" and "whole bars"; with the
        field's training photographs PSNR and SSIM on its test sets.
        """
        generator = players.generator
        small = [self.small(batch) for batch in batches(self.test, self.device)]
        x = torch.cat([unit(batch) for batch in batches(self.test, self.device)])
        x_hat = torch.cat([unit(generator(low)) for low in small])
        plain = torch.cat([unit(imresize(low, self.system.scale)) for low in small])
        measured = Measured(*metrics.evaluate_each(x, x_hat))
        pieces.second_judge(x, x_hat, measured, {})
        for how, y in (("", x_hat), (", bicubic", plain)):
            self._compare(measured, how, x, y)
        measured.add("colour error", 255 * (x.mean((2, 3)) - x_hat.mean((2, 3))).abs().mean(1).cpu())
        for name, y in (("checkerboard", x_hat), ("checkerboard (data)", x)):
            measured.metrics[name] = {"value": lattice_excess(metrics.mean_log_spectrum(y), self.system.scale)}
        if x.shape[1] == 3:
            measured.metrics |= self._textures(x, x_hat, plain)
        if self.test.name == "bars":
            measured.metrics |= {name: {"value": share} for name, share in bars(x, x_hat).items()}
        for name in BENCHMARKS.get(self.train.name, ()):
            measured.metrics |= self.benchmark(generator, name)
        few = pieces.PICTURES_LARGE if pieces.large(self.test) else pieces.PICTURES
        low = torch.cat([unit(batch) for batch in small])
        shown = {"original": x, "reconstruction": x_hat, "bicubic": plain, "small": low}
        measured.pictures = {name: to_bytes(images[:few]) for name, images in shown.items()}
        measured.pictures |= pieces.spectra(x, x_hat)
        return measured

    def small(self, x: Tensor) -> Tensor:
        """Pictures on [−1, 1] made small, as a file of 8 bits would hold them."""
        low = unit(textures.smaller(x, self.system.scale, self.system.kernel))
        return (low * 255).round() / 127.5 - 1

    def _compare(self, measured: Measured, how: str, x: Tensor, y: Tensor) -> None:
        """PSNR and SSIM by the protocol, which the entry names."""
        for name, compare in (("PSNR", self.protocol.psnr), ("SSIM", self.protocol.ssim)):
            measured.add(f"{name} (Y{how})", metrics.over_batches(compare, x, y).cpu())
            measured.metrics[f"{name} (Y{how})"]["protocol"] = str(self.protocol)

    def _textures(self, x: Tensor, x_hat: Tensor, plain: Tensor) -> dict[str, metrics.Entry]:
        """‖Gram(y) − Gram(x)‖ / ‖Gram(x)‖, mean over pictures, in the features of the project's classifier."""

        def measure(y: Tensor) -> metrics.Entry:
            network = textures.network("classifier").to(self.device)

            def grams(images: Tensor) -> Tensor:
                maps: Tensor = network(2 * images - 1, (SEEN_AT,))[SEEN_AT]
                cells = max(1, PATCH * maps.shape[-1] // images.shape[-1])
                return textures.gram(maps, cells).flatten(1)

            def relative(a: Tensor, b: Tensor) -> Tensor:
                of = grams(a)
                return (grams(b) - of).norm(dim=1) / of.norm(dim=1)

            return {"value": metrics.over_batches(relative, x, y).double().mean().item()}

        rows: dict[str, Callable[[], metrics.Entry]] = {
            "texture distance": lambda: measure(x_hat),
            "texture distance (bicubic)": lambda: measure(plain),
        }
        return {name: metrics.attempt(row) for name, row in rows.items()}

    def benchmark(self, generator: Generator, name: str) -> dict[str, metrics.Entry]:
        """Whole pictures of one of the field's sets; a grey one goes through the network as three equal channels."""
        scale = self.system.scale
        protocol = Protocol(shave=scale)
        try:
            pictures = datasets.pictures(name)
        except MissingData:
            absent: metrics.Entry = {"state": "needs data", "what": name}
            return {f"{metric} ({name})": absent for metric in ("PSNR", "SSIM")}
        rows = []
        for pixels in pictures.values():
            x = bicubic.whole(pixels, scale).to(self.device)
            low = bicubic.made_small(x, scale)
            y = unit(generator(2 * low.expand(-1, 3, -1, -1) - 1))
            y = y.mean(1, keepdim=True) if x.shape[1] == 1 else y
            rows.append((protocol.psnr(x, y), protocol.ssim(x, y)))
        found = (torch.cat(column).cpu() for column in zip(*rows))
        return {
            f"{metric} ({name})": metrics.summary(values) | {"protocol": str(protocol)}
            for metric, values in zip(("PSNR", "SSIM"), found)
        }


KERNEL = Protocol().kernel


def bars(x: Tensor, y: Tensor) -> dict[str, float]:
    """Of the cells of `bars` that hold a bar: how much of an estimate is black or white, and is a bar.

    Args:
        x: (n, 1, h, w) on [0, 1], images of bars.
        y: (n, 1, h, w), estimates.

    Returns:
        "sharp pixels", the share within a tenth of 0 or 1, and "whole bars", the share of cells that are within a tenth
        of one of the four bars everywhere, the right one or another.
    """
    cells = [
        images.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).movedim(3, 4) for images in (x, y)
    ]  # (n, 1, i, j, 2, 2)
    made = cells[1][cells[0].sum((4, 5)) > 0]  # (m, 2, 2) of (n, 1, i, j, 2, 2)
    near = (made - made.round().clamp(0, 1)).abs() < NEAR
    placements = torch.from_numpy(np.array(PLACEMENTS)).to(made)
    apart = (made[:, None] - placements).abs().amax((2, 3))  # (m, 4)
    return {"sharp pixels": near.double().mean().item(), "whole bars": (apart < NEAR).any(1).double().mean().item()}
