"""The evaluation of a VAE: reconstructions, samples, bounds on −log p and kernels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from blurvae import losses, metrics
from blurvae.blur import kernel_width, log_abs_det
from blurvae.datasets import ImageSet
from blurvae.evaluation import pieces
from blurvae.evaluation.base import Measured, batches, centre, real, to_bytes, unit
from blurvae.evaluation.fitted import fitted_bounds
from blurvae.evaluation.importance import bits_per_dimension, dequantise, importance_bounds, minus_log_likelihood
from blurvae.evaluation.kernels import KernelWatch, kernel_errors
from blurvae.evaluation.samples import precision_recall
from blurvae.metrics.active_units import active_units
from blurvae.models import Coder, fit_gaussian_mixture, kl_divergence
from blurvae.systems import BlurVAE, SmallVAE
from blurvae.systems.shared import Players
from blurvae.train import Budget

LATENTS = 10_000  # training images whose latents the Gaussian mixture is fitted to, at most
COMPONENTS = 10
KS = (1, 50, 500)  # importance samples
PRINTED_EPSILON = 0.5  # of the paper's Table 6


class VAEEvaluation:
    """Measures reconstructions (z = μ) of the test images and as many samples.

    Args:
        system: what is trained.
        budget: how long, and the seed.
        train: the training images; samples are drawn from a Gaussian mixture over their latents too.
        test: the images to measure.
        device: of the networks.
        folder: of the unfinished run, None where nothing is written.
        n_bound: test images of which the importance-weighted bound is computed.
    """

    def __init__(
        self,
        system: BlurVAE | SmallVAE,
        budget: Budget,
        train: ImageSet | None,
        test: ImageSet,
        device: torch.device,
        folder: Path | None = None,
        n_bound: int = 0,
    ) -> None:
        self.system, self.seed, self.train, self.test, self.device = system, budget.seed, train, test, device
        self.n_bound, self.watch = n_bound, None
        if isinstance(system, BlurVAE) and system.term.kernel_path is not None:
            self.watch = KernelWatch(test, system.warm_up, budget.epochs, device, folder)

    def check(self) -> None:
        """See `Evaluation`."""
        pieces.check(self.test)

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """Metrics as `blurvae.metrics.evaluate` returns them, with the KL term and bounds on −log p in nats per image,
        the width of the kernels in px and the number of active latent dimensions.
        """  # noqa: D205
        vae, kernel_net = players.vae, players.kernel_net
        vae.eval()
        generator = torch.Generator().manual_seed(self.seed + 1)
        test = self.test
        originals, reconstructions, samples, means, kl, kernels = [], [], [], [], [], []
        bounds: dict[str, list[Tensor]] = {}
        for x in batches(test, self.device):
            mu, log_var = vae.encode(x)
            means.append(mu)
            kl.append(kl_divergence(mu, log_var).cpu())
            originals.append(unit(x))
            reconstructions.append(unit(vae.decode(mu).x_hat))
            z = torch.randn(len(x), vae.latent, generator=generator).to(self.device)
            samples.append(unit(vae.decode(z).x_hat))
            for name, values in self._bounds(players, x, mu, log_var, generator).items():
                bounds.setdefault(name, []).append(values.cpu())
            if kernel_net is not None:
                kernels.append(kernel_net(mu).float())
        x, x_hat, sampled = torch.cat(originals), torch.cat(reconstructions), torch.cat(samples)
        measured = Measured(*metrics.evaluate_each(centre(x, test), centre(x_hat, test), centre(sampled, test)))
        measured.add("KL", torch.cat(kl))
        measured.metrics["active units"] = {"value": active_units(torch.cat(means))}
        for name, found in bounds.items():
            measured.add(name, torch.cat(found))
        large = pieces.large(test)
        few = pieces.PICTURES_LARGE if large else pieces.PICTURES
        measured.pictures = pieces.pictures(x, x_hat, sampled, few)
        if not large:
            measured.pictures["interpolation"] = to_bytes(unit(pieces.line(vae, test, self.device)))
        if kernels:
            kernel = torch.cat(kernels)
            measured.add("kernel width", kernel_width(kernel).cpu())
            measured.pictures["kernel"] = pieces.array(kernel[: pieces.PICTURES])
        if self.n_bound:
            self._importance(players, measured)
        sets = {"samples": centre(sampled, test)}
        if players.spectrum is not None:
            measured.pictures["log_variance"] = pieces.array(players.spectrum())
        if self.train is not None:
            if kernel_net is not None:
                for name, errors in kernel_errors(players, self.train, test, self.device).items():
                    measured.add(name, errors)
            for name, nats in fitted_bounds(vae, self.train, test, self.device, self.seed + 3).items():
                measured.add(name, nats)
            drawn = self._mixture(vae, len(x), generator)
            # What two sets of real images are apart at this sample size: no model can be expected below it.
            data = real(self.train.head(min(len(self.train), len(test))), self.device)
            others = {"GMM samples": centre(drawn, test), "data": centre(data, test)}
            measured.metrics |= pieces.distances(centre(x, test), others)
            measured.pictures["sample_gmm"] = to_bytes(drawn[:few])
            sets |= others
        judged = {name: images for name, images in sets.items() if name != "GMM samples"}
        pieces.second_judge(centre(x, test), centre(x_hat, test), measured, judged)
        measured.metrics |= precision_recall(centre(x, test), sets, seed=self.seed)
        if self.watch is not None:
            measured.pictures |= self.watch.pictures()
        return measured

    def _bounds(
        self, players: Players, x: Tensor, mu: Tensor, log_var: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """An upper bound on −log p(x) and what is printed for one, in nats per image, (n,) each, z ~ q(z|x), at β = 1.

        "−ELBO" is that of a normalised density over [−1, 1]^D; "−log p as printed" is what the paper's Table 6 prints:
        without D/2·log 2π, and for the paper's term with log|K + εI|, ε = 0.5, in the place of its own determinant.
        """
        term, shape = self.system.term.given(players.spectrum), (x.shape[1], x.shape[2], x.shape[3])
        noise = torch.randn(mu.shape, generator=generator).to(mu)
        z = mu + noise * torch.exp(0.5 * log_var)
        x_hat, logit = players.vae.decode(z)
        kernel = players.kernel_net(z) if players.kernel_net is not None else None
        rate = kl_divergence(mu, log_var)
        # The reconstruction that the code is charged for, beside that from its mean.
        data = self.test
        found = {"PSNR (z ~ q)": metrics.psnr(centre(unit(x), data), centre(unit(x_hat), data))}
        if term.is_likelihood or isinstance(term, losses.Wiener):
            found["−ELBO"] = minus_log_likelihood(term, x, x_hat, logit=logit, kernel=kernel) + rate
        if isinstance(term, losses.L2):
            found["−log p as printed"] = term(x, x_hat) + rate
        elif isinstance(term, losses.Wiener):
            assert kernel is not None  # the system made the network that the term needs
            quadratic = replace(term, epsilon=None, kernel_path="detached")(x, x_hat, kernel=kernel) + rate
            found["−log p as printed"] = quadratic + shape[0] * log_abs_det(kernel, shape[1:], PRINTED_EPSILON)
        return found

    def _importance(self, players: Players, measured: Measured) -> None:
        """The importance-weighted bounds on −log p of the first test images, with noise within their grey levels."""
        shape, generator = self.test.shape, torch.Generator().manual_seed(self.seed + 2)
        some = self.test.head(min(self.n_bound, len(self.test)))
        x = dequantise(next(batches(some, self.device)), generator)
        bounds = importance_bounds(players, self.system.term, x, KS, generator)
        for k, nats in bounds.items():
            measured.add(f"−log p bound, K = {k}", nats)
        for k, nats in bounds.items():  # the same in another unit, so its values are not kept a second time
            measured.metrics[f"bits/dim bound, K = {k}"] = metrics.summary(bits_per_dimension(nats, shape))

    def _mixture(self, vae: Coder, n: int, generator: torch.Generator) -> Tensor:
        """Images of n codes drawn from a Gaussian mixture over the latents of training images, on [0, 1]."""
        assert self.train is not None
        latents = pieces.codes(vae, self.train.head(min(len(self.train), LATENTS)), self.device)
        mixture = fit_gaussian_mixture(latents, min(COMPONENTS, len(latents)), self.seed)
        return pieces.decoded(vae, mixture.sample(n, generator))
