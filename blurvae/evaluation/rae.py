"""The evaluation of regularised autoencoders: reconstructions, and samples of densities that are fitted ex post.

Sajjadi (2024), sections 6.5 and 6.8.1. All distances are between as many images as are tested: from the test images to
reconstructions, to samples and to other real images, which no model can be expected to come below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from blurvae import metrics
from blurvae.datasets import ImageSet
from blurvae.evaluation import pieces
from blurvae.evaluation.base import Measured, batches, centre, real, to_bytes, unit
from blurvae.evaluation.samples import SIDES, precision_recall
from blurvae.models import Coder, fit_gaussian_mixture, slerp
from blurvae.systems.rae import RAE, WITH_KL
from blurvae.systems.shared import Players
from blurvae.train import Budget

ITERATIONS = 100  # of expectation and maximisation, at most, as in section 6.8
WITH_PRIOR = (*WITH_KL, "wae")  # models whose training knows N(0, I)
FROM_PRIOR = (
    "vae",
    "wae",
)  # those that are sampled from it in column N of Table 6.2; the others from a Gaussian fitted
COMPONENTS = (2, 5, 20, 50, 100)  # of mixtures that an experiment may fit beside the usual one
DENSITIES = ("Gaussian", "GMM", *(f"GMM, K = {k}" for k in COMPONENTS))
NEIGHBOURS = 3  # training images beside a sample


class HeldOut:
    """Measures the loss on held-out training images after each epoch, as a `train.Watch`: the learning rate needs it.

    Args:
        system: whose term and β are taken; the code is the mean, and nothing of the decoder's is in it.
        images: held-out training images.
        device: of the networks.
    """

    names = ("valid_loss",)

    def __init__(self, system: RAE, images: ImageSet, device: torch.device) -> None:
        self.system, self.images, self.device = system, images, device

    def __call__(self, epoch: int, players: Players) -> Mapping[str, float]:
        """The mean of reconstruction term and β · code over the images; for "ae" and "wae" that of the term alone."""
        system, vae, kernel_net = self.system, players.vae, players.kernel_net
        costs = system.model not in ("ae", "wae")
        found = []
        for x in batches(self.images, self.device):
            mu, log_var = vae.encode(x)
            x_hat, logit = vae.decode(mu)
            kernel = kernel_net(mu) if kernel_net is not None else None
            loss = system.term(x, x_hat, logit=logit, kernel=kernel)
            found.append(loss + system.beta * system.code(mu, log_var) if costs else loss)
        return {"valid_loss": torch.cat(found).mean().item()}


class RAEEvaluation:
    """Measures reconstructions of the test images, and samples of the prior and of densities of the codes.

    Args:
        system: what is trained.
        budget: the seed.
        train: the training images, those that are held out at their end; densities are fitted to the codes of the rest.
        test: the images to measure.
        device: of the networks.
        folder: not used.
        n_bound: 0: a deterministic encoder has no bound.

    Raises:
        ValueError: fewer than two held-out images, or a bound that is asked for.
    """

    def __init__(
        self,
        system: RAE,
        budget: Budget,
        train: ImageSet,
        test: ImageSet,
        device: torch.device,
        folder: Path | None = None,
        n_bound: int = 0,
    ) -> None:
        if system.held_out < 2:
            raise ValueError(
                "Densities are judged, and codes interpolated, on training images that are held out: set held_out to "
                f"2 or more, not {system.held_out}."
            )
        if n_bound:
            raise ValueError("A deterministic encoder has no bound on −log p: leave n_bound out.")
        self.system, self.seed, self.test, self.device = system, budget.seed, test, device
        seen = max(len(train) - system.held_out, 1)
        self.train = train.head(seen)
        self.held_out = replace(train, images=train.images[seen:], labels=None)
        self.watch = HeldOut(system, self.held_out, device)

    def check(self) -> None:
        """See `Evaluation`."""
        pieces.check(self.test)

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """Metrics as `blurvae.metrics.evaluate` returns them, and those of what was fitted ex post.

        Distances of samples bear the density that they are from: "samples" of N(0, I), for models whose training knows
        it; "Gaussian samples" and "GMM samples" of what is fitted to the codes of training images; "N" of the one that
        Table 6.2 calls so. "held-out recon" are held-out training images, reconstructed, "interpolation" images halfway
        between two held-out codes, "data" training images. "log q" is the mean log-density of codes in nats.
        """
        vae = players.vae
        vae.eval()
        test, n, generator = self.test, len(self.test), torch.Generator().manual_seed(self.seed + 1)
        x = torch.cat([unit(batch) for batch in batches(test, self.device)])
        x_hat = pieces.decoded(vae, pieces.codes(vae, test, self.device))
        sets, densities = self._sampled(vae, n, generator)
        prior = centre(sets["samples"], test) if "samples" in sets else None
        measured = Measured(*metrics.evaluate_each(centre(x, test), centre(x_hat, test), prior))
        if self.system.model in WITH_KL:
            rates = [self.system.code(*vae.encode(batch)) for batch in batches(test, self.device)]
            measured.add("KL", torch.cat(rates).cpu())
        sets["data"] = real(self.train.head(min(len(self.train), n)), self.device)
        others = {name: centre(images, test) for name, images in sets.items() if name != "samples"}
        measured.metrics |= pieces.distances(centre(x, test), others) | densities
        judged = {name: others[name] for name in ("Gaussian samples", "GMM samples", "data")}
        judged |= {} if prior is None else {"samples": prior}
        pieces.second_judge(centre(x, test), centre(x_hat, test), measured, judged)
        measured.metrics |= precision_recall(centre(x, test), judged, seed=self.seed)
        n_is = "samples" if self.system.model in FROM_PRIOR else "Gaussian samples"
        for name, entry in list(measured.metrics.items()):
            if name.endswith(f"({n_is})") and name.startswith(("FD", *SIDES)):
                measured.metrics[name.replace(n_is, "N")] = entry
        few = pieces.PICTURES_LARGE if pieces.large(test) else pieces.PICTURES
        measured.pictures = {
            "original": to_bytes(x[:few]),
            "reconstruction": to_bytes(x_hat[:few]),
            "sample_n": to_bytes(sets[n_is][:few]),
            "sample_gmm": to_bytes(sets["GMM samples"][:few]),
            "nearest": self._nearest(sets["GMM samples"][: few // 2]),
            **pieces.spectra(x, x_hat),
        }
        if not pieces.large(test):
            way = pieces.line(vae, test, self.device, spherical=True)
            measured.pictures["interpolation"] = to_bytes(unit(way))
        return measured

    def _sampled(
        self, vae: Coder, n: int, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], dict[str, metrics.Entry]]:
        """Sets of n images on [0, 1] by name, and the log-densities of codes."""
        train, held_out = (pieces.codes(vae, images, self.device) for images in (self.train, self.held_out))
        sets, densities = dict[str, Tensor](), dict[str, metrics.Entry]()
        if self.system.model in WITH_PRIOR:
            z = torch.randn(n, vae.latent, generator=generator).to(self.device)
            sets["samples"] = pieces.decoded(vae, z)
        first, *more = self.system.components
        names = {"Gaussian": 1, "GMM": first} | {f"GMM, K = {k}": k for k in more}
        for name, k in names.items():
            mixture = fit_gaussian_mixture(train, min(k, len(train)), self.seed, iterations=ITERATIONS)
            sets[name.replace("Gaussian", "Gaussian samples").replace("GMM", "GMM samples")] = pieces.decoded(
                vae, mixture.sample(n, generator)
            )
            for whose, z in (("training", train), ("held-out", held_out)):
                densities[f"log q of {whose} codes ({name})"] = metrics.summary(mixture.log_prob(z).cpu())
        sets["held-out recon"] = pieces.decoded(vae, held_out[:n])
        a, b = (held_out[torch.randint(len(held_out), (n,), generator=generator)] for _ in range(2))
        sets["interpolation"] = pieces.decoded(vae, slerp(a, b, torch.full((n, 1), 0.5).to(a)))
        return sets, densities

    def _nearest(self, samples: Tensor) -> np.ndarray:
        """Each sample and the training images that are nearest in squared error, bytes (samples, 1 + 3, c, h, w)."""
        found = [torch.cdist(samples.flatten(1), unit(x).flatten(1)) for x in batches(self.train, self.device)]
        places = torch.cat(found, 1).topk(min(NEIGHBOURS, len(self.train)), largest=False).indices.cpu().numpy()
        return np.concatenate([to_bytes(samples)[:, None], self.train.images[places]], 1)
