"""The evaluation of a small VAE: that of any VAE, and the numbers of the two papers that it comes from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from blurvae import metrics
from blurvae.evaluation.base import Measured, batches, centre
from blurvae.evaluation.vae import VAEEvaluation
from blurvae.metrics.blur_percentage import lost
from blurvae.models import reparametrise
from blurvae.systems.shared import Players

REFERENCE = "sharpness of the originals"
LIKENESSES: dict[str, Callable[..., Tensor]] = {
    "PSNR": metrics.psnr,
    "SSIM": metrics.ssim,
    "SSIM without border": partial(metrics.ssim, border=False),
}


class SmallVAEEvaluation(VAEEvaluation):
    """Adds what Dalal measures, images as they leave the decoder and codes drawn from q, and the report's sharpness."""

    @torch.no_grad()
    def measure(self, players: Players) -> Measured:
        """See `VAEEvaluation.measure`; "raw" is without clamping to [0, 1]."""
        measured, vae = super().measure(players), players.vae
        generator = torch.Generator().manual_seed(self.seed + 3)
        found: dict[str, list[Tensor]] = {}
        for batch in batches(self.test, self.device):
            x = centre((batch + 1) / 2, self.test)
            mu, log_var = vae.encode(batch)
            noise = torch.randn(mu.shape, generator=generator).to(mu)
            for code, z in (("", mu), ("z ~ q", reparametrise(mu, log_var, noise=noise))):
                raw = centre((vae.decode(z).x_hat.float() + 1) / 2, self.test)
                clamped = raw.clamp(0, 1)
                for name, image in ((code, clamped), (", ".join(filter(None, ("raw", code))), raw)):
                    for metric, measure in LIKENESSES.items():
                        key = f"{metric} ({name})" if name else metric
                        if key not in measured.values:  # by the evaluation of any VAE
                            found.setdefault(key, []).append(measure(x, image, check_values=False).cpu())
                if z is mu:
                    for name, images in (("sharpness", clamped), (REFERENCE, x)):
                        found.setdefault(name, []).append(metrics.sharpness(images).cpu())
        z1, z2 = torch.cat(found.pop(REFERENCE)), torch.cat(found["sharpness"])
        if (z1 > 0).all():  # a flat original has no sharpness to lose
            found["blur percentage"] = [lost(z1, z2)]
        for name, values in found.items():
            measured.add(name, torch.cat(values))
        return measured
