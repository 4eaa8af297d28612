"""The kernels of test images: after each epoch, as Fig. 2 shows them, and at the end, whether they are per image."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from blurvae.blur import delta_kernel, kernel_width, log_abs_det, simplex_kernels
from blurvae.datasets import ImageSet, to_float
from blurvae.evaluation.base import batches, to_bytes, unit
from blurvae.evaluation.snapshots import Snapshots
from blurvae.losses import kernel_loss
from blurvae.systems.vae import Players

FOLLOWED = 128  # test images whose kernels are measured after each epoch
SNAPSHOTS = 4  # of them are kept as pictures
EPSILONS = (0.01, 0.5)  # of log|K + εI|: "small" and the paper's Table 6
FITTED = 2**21  # pixels of the training images of which the mean kernel and the one for all are made, at most
WHOSE = ("own", "another's", "mean", "one for all", "none")  # the kernels of `kernel_errors`


class KernelWatch:
    """Measures the kernels of the first test images, as a `train.Watch`, and keeps pictures of some epochs.

    The pictures lie in the run's folder until it is finished, so that they survive an interruption: those of an epoch
    are there before any checkpoint that lies behind it.

    Args:
        test: the test images.
        warm_up: epochs of warm-up: the last of them, the next and the fifth after it are pictured, as in Fig. 2.
        epochs: of the training; the last is pictured.
        device: of the networks.
        folder: for pictures; in memory where None.
    """

    names = ("test_width", *(f"test_log_det_{epsilon:g}" for epsilon in EPSILONS), "test_width_sd")

    def __init__(self, test: ImageSet, warm_up: int, epochs: int, device: torch.device, folder: Path | None) -> None:
        self.x = to_float(torch.from_numpy(np.array(test.images[:FOLLOWED]))).to(device)
        first = max(warm_up, 1)
        self.pictured = sorted({first, first + 1, first + 5, epochs} & set(range(1, epochs + 1)))
        self.snapshots = Snapshots("kernels", folder)

    def __call__(self, epoch: int, players: Players) -> dict[str, float]:
        """The mean and the sd over images of the width (px), and mean log|K + εI| (nats per image)."""
        vae, kernel_net = players.vae, players.kernel_net
        assert kernel_net is not None  # nobody watches where there is none
        mu, _ = vae.encode(self.x)
        kernel = kernel_net(mu).float()
        if epoch in self.pictured:
            shown = to_bytes(unit(vae.decode(mu[:SNAPSHOTS]).x_hat))
            self.snapshots.keep(epoch, {"kernel": kernel[:SNAPSHOTS].cpu().numpy(), "reconstruction": shown})
        channels, shape = self.x.shape[1], (self.x.shape[2], self.x.shape[3])
        width = kernel_width(kernel).cpu().numpy()
        found = {"test_width": float(width.mean())}
        for epsilon in EPSILONS:
            log_det = channels * log_abs_det(kernel, shape, epsilon)
            found[f"test_log_det_{epsilon:g}"] = float(log_det.cpu().numpy().mean())
        return found | {"test_width_sd": float(width.std(ddof=1))}

    def pictures(self) -> dict[str, np.ndarray]:
        """The snapshots: epochs (e,), kernels (e, images, K, K) and reconstructions (e, images, c, h, w).

        Raises:
            CorruptFile: those of an epoch before an interruption are gone or damaged.
        """
        seen = [self.snapshots.read(epoch) for epoch in self.pictured]
        return {
            "snapshot_epoch": np.array(self.pictured),
            "snapshot_kernel": np.stack([arrays["kernel"] for arrays in seen]),
            "snapshot_reconstruction": np.stack([arrays["reconstruction"] for arrays in seen]),
        }


@torch.no_grad()
def kernel_errors(players: Players, train: ImageSet, test: ImageSet, device: torch.device) -> dict[str, Tensor]:
    """Whether a kernel belongs to its image: ‖x ∗ k − x̂‖² of test images, z = μ, with other kernels in its place.

    A network that has learned one blur for all images does as well with another image's kernel, and no better than the
    best single kernel does.

    Args:
        players: the trained networks.
        train: of the first of them, 2²¹ px in all, the mean kernel and the one for all are made.
        test: the images that are measured.
        device: of the networks.

    Returns:
        By name (n,), squared error on [−1, 1]: "kernel error (own)"; "(another's)", of the test image half the set
        away; "(mean)", the mean kernel of training images; "(one for all)", the kernel ≥ 0 and of sum 1 with the least
        error over the training images, absent where scipy is, on a bare GPU machine; "(none)", ‖x − x̂‖².
    """
    vae, kernel_net = players.vae, players.kernel_net
    assert kernel_net is not None  # nobody asks where there is none

    def seen(images: ImageSet) -> tuple[Tensor, Tensor, Tensor]:
        parts = []
        for x in batches(images, device):
            mu, _ = vae.encode(x)
            parts.append((x, vae.decode(mu).x_hat, kernel_net(mu).float()))
        x, x_hat, kernel = (torch.cat(part) for part in zip(*parts))
        return x, x_hat, kernel

    x, x_hat, kernel = seen(train.head(min(len(train), max(1, FITTED // math.prod(train.shape[1:])))))
    # As channels of one image, since a kernel blurs all channels alike.
    sharp, made = (images.flatten(0, 1)[None] for images in (x, x_hat))
    single = simplex_kernels(sharp, made, kernel_net.size)[0].to(device) if find_spec("scipy") else None
    mean = kernel.mean(0)
    x, x_hat, kernel = seen(test)
    none = delta_kernel(kernel_net.size, device=device)
    tried = (kernel, kernel.roll(len(kernel) // 2, 0), mean, single, none)
    return {
        f"kernel error ({whose})": kernel_loss(x, x_hat, k).cpu() for whose, k in zip(WHOSE, tried) if k is not None
    }
