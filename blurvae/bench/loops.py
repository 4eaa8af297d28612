"""The trainings that are timed: ours, the plain loop, and pythae's trainer, all on the same networks and images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from blurvae import losses
from blurvae.bench import plain
from blurvae.bench.clock import Clock
from blurvae.datasets import ImageSet, to_float
from blurvae.models import VAE, KernelNet
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players
from blurvae.train import Budget, State, fit

FOREVER = 1 << 16  # epochs, more than any timing takes: a training looks at the phase of each before it begins


@dataclass(frozen=True)
class Job:
    """One training on made-up images: architecture A of the paper, 3 channels.

    Attributes:
        device: "cpu" or "cuda".
        precision: of ours, "float32" or "bf16"; the others are float32.
        batch: images a step.
        size: side of the images, px.
        widths: of the encoder's blocks.
        latent: length of z.
        hidden: width of the perceptrons.
        kernel: K of the kernel network.
        term: "wiener" or "l2".
        images: number of images.
        loader_workers: of the opponents' `DataLoader`.
        compile: let `torch.compile` fuse our step.
        graphs: repeat our moves as CUDA graphs.
        deterministic: our deterministic mode.
    """

    device: str = "cpu"
    precision: str = "float32"
    batch: int = 64
    size: int = 64
    widths: tuple[int, ...] = (64, 128, 256, 512)
    latent: int = 256
    hidden: int = 1000
    kernel: int = 11
    term: str = "wiener"
    images: int = 1024
    loader_workers: int = 0
    compile: bool = False
    graphs: bool = False
    deterministic: bool = False

    def players(self) -> Players:
        """The networks, the same for every side."""
        torch.manual_seed(0)
        vae = VAE("A", size=self.size, widths=self.widths, latent=self.latent, hidden=self.hidden)
        return Players(vae, KernelNet(self.latent, self.kernel, self.hidden) if self.term == "wiener" else None)

    def system(self) -> BlurVAE:
        """How they are trained: weighted from the first step on."""
        term = losses.get("wiener", kernel_size=self.kernel) if self.term == "wiener" else losses.get("l2")
        return BlurVAE(term, warm_up=0, widths=self.widths, latent=self.latent, hidden=self.hidden)

    def budget(self, epochs: int) -> Budget:
        """For how long."""
        return Budget(epochs, self.batch, precision=self.precision)

    def data(self) -> ImageSet:
        """The images: uniform noise, since what they show changes nothing about the time of a step."""
        shape = (self.images, 3, self.size, self.size)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return ImageSet("made-up", "train", pixels, None, "uniform noise", "none needed", None, "none")

    def floats(self) -> Tensor:
        """The images as the other sides want them, (n, 3, size, size) in [−1, 1]."""
        return to_float(torch.from_numpy(self.data().images))


def train_ours(
    job: Job, callback: Callable[[State], None], epochs: int = FOREVER, data: ImageSet | None = None
) -> None:
    """`blurvae.train.fit` on a job and its images."""
    modes: dict[str, Any] = {name: True for name in ("compile", "graphs", "deterministic") if getattr(job, name)}
    budget = job.budget(epochs)
    fit(job.system(), job.players(), data or job.data(), budget, device=job.device, callback=callback, **modes)


def ours(clock: Clock, job: Job) -> None:
    """This package."""
    train_ours(job, lambda _: clock.tick())


def train_eager(job: Job, tick: Callable[[], None]) -> None:
    """The plain loop on a job."""
    plain.train(job.players(), job.floats(), job.batch, tick, device=job.device, loader_workers=job.loader_workers)


def eager(clock: Clock, job: Job) -> None:
    """The plain loop."""
    train_eager(job, clock.tick)


def pythae(clock: Clock, job: Job) -> None:
    """The trainer and the VAE (squared error) of pythae around the same encoder and decoder."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    clock.mark()
    vae = job.players().vae

    class Encoder(BaseEncoder):  # type: ignore[misc, unused-ignore]
        def __init__(self, layers: nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: Tensor) -> Any:
            mu, log_var = self.layers(x).chunk(2, dim=1)
            return ModelOutput(embedding=mu, log_covariance=log_var)

    class Decoder(BaseDecoder):  # type: ignore[misc, unused-ignore]
        def __init__(self, layers: nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=torch.tanh(self.layers(z)))

    class Ticks(TrainingCallback):  # type: ignore[misc, unused-ignore]
        def on_train_step_end(self, training_config: Any, **_: Any) -> None:
            clock.tick()

    model = PythaeVAE(
        VAEConfig(input_dim=vae.image_shape, latent_dim=job.latent, reconstruction_loss="mse"),
        encoder=Encoder(vae.encoder),
        decoder=Decoder(vae.decoder),
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=job.batch,
            num_epochs=FOREVER,
            learning_rate=1e-4,
            train_dataloader_num_workers=job.loader_workers,
            no_cuda=job.device == "cpu",
        )
        data = BaseDataset(job.floats(), torch.zeros(job.images))
        BaseTrainer(model, data, training_config=settings, callbacks=[Ticks()]).train()
