"""The kernels of the same test images after each epoch: what Fig. 2 shows and what a small ε does to training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from blurvae.blur import kernel_width, log_abs_det
from blurvae.datasets import ImageSet, to_float
from blurvae.errors import CorruptFile
from blurvae.evaluation.base import to_bytes, unit
from blurvae.files import load_arrays, save_arrays
from blurvae.systems.vae import Players

FOLLOWED = 128  # test images whose kernels are measured after each epoch
SNAPSHOTS = 4  # of them are kept as pictures
EPSILONS = (0.01, 0.5)  # of log|K + εI|: "small" and the paper's Table 6


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
        self.folder, self._seen = folder, dict[int, dict[str, np.ndarray]]()

    def __call__(self, epoch: int, players: Players) -> dict[str, float]:
        """The mean and the sd over images of the width (px), and mean log|K + εI| (nats per image)."""
        vae, kernel_net = players.vae, players.kernel_net
        assert kernel_net is not None  # nobody watches where there is none
        mu, _ = vae.encode(self.x)
        kernel = kernel_net(mu).float()
        if epoch in self.pictured:
            shown = to_bytes(unit(vae.decode(mu[:SNAPSHOTS]).x_hat))
            self._keep(epoch, {"kernel": kernel[:SNAPSHOTS].cpu().numpy(), "reconstruction": shown})
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
        seen = [self._read(epoch) for epoch in self.pictured]
        return {
            "snapshot_epoch": np.array(self.pictured),
            "snapshot_kernel": np.stack([arrays["kernel"] for arrays in seen]),
            "snapshot_reconstruction": np.stack([arrays["reconstruction"] for arrays in seen]),
        }

    def _keep(self, epoch: int, arrays: dict[str, np.ndarray]) -> None:
        if self.folder is None:
            self._seen[epoch] = arrays
        else:
            save_arrays(self.folder / f"kernels-{epoch}.npz", arrays)

    def _read(self, epoch: int) -> dict[str, np.ndarray]:
        if self.folder is None:
            return self._seen[epoch]
        file, again = self.folder / f"kernels-{epoch}.npz", f"remove {self.folder} and run it again"
        if not file.exists():
            raise CorruptFile(f"{file} is missing: {again}.")
        return load_arrays(file, again)
