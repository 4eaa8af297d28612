"""Many small VAEs and GANs of digits: where they lie in the plane of recall and precision (Figs 5.10 and 5.11).

The thesis has 800 models of Lucic et al., "Are GANs created equal?" (NeurIPS 2018): seven kinds of GAN and a VAE, with
a hundred settings each, drawn at random. Here a VAE and a GAN are drawn together, sixteen times: the two have the same
number of steps, width and length of z, and each a learning rate of its own, the VAE also β, and every other GAN is an
LSGAN. So a pair's difference is one number, independent of all others, as a verdict wants it.

None is chosen or tuned, and none left out. A training that diverges has no samples: it shares nothing with the data,
and both its coordinates are 0. Of one that is no better than the mean image "failed" says so, and its numbers count.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from blurvae import datasets, metrics
from blurvae.datasets import ImageSet
from blurvae.errors import Diverged
from blurvae.evaluation import centre, pieces
from blurvae.evaluation.base import real, unit
from blurvae.evaluation.gan import sampled
from blurvae.experiments.prd import sets
from blurvae.systems import GAN, BlurVAE
from blurvae.train import Budget, fit

FEATURES = "classifier-mnist"
PAIRS = tuple(range(16))
N_TRAIN, N = 8000, 2000  # images to train on; test images, and samples of a model
BATCH = 32
EPOCHS, WIDTHS, LATENTS = (3, 6, 9), (8, 12, 16), (8, 16, 32)
RATES, BETAS = (5e-4, 5e-3), (0.1, 3.0)  # the ends of what is uniform in the logarithm
KINDS = ("VAE", "GAN")
SIDES = ("precision", "recall", "knn precision", "knn recall")  # what a training that diverged has none of


def name(pair: int) -> str:
    """Of the record of a pair."""
    return f"models-{pair:02d}"


def rows(folder: Path | None = None) -> list[dict[str, Any]]:
    """The rows of all recorded pairs, below a folder of results (the checkout's data/results where None)."""
    files = [file for pair in PAIRS if (file := sets.path(name(pair), folder)).exists()]
    return [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))["rows"]]


def drawn(pair: int) -> tuple[Budget, dict[str, BlurVAE | GAN]]:
    """The settings of a pair: what both have, and the system of each kind."""
    rng = np.random.default_rng(pair)
    epochs, width, latent = (int(rng.choice(values)) for values in (EPOCHS, WIDTHS, LATENTS))

    def between(ends: tuple[float, float]) -> float:
        return float(f"{np.exp(rng.uniform(*np.log(ends))):.3g}")

    widths = (width, 2 * width, 4 * width)
    vae = BlurVAE(beta=between(BETAS), lr=between(RATES), widths=widths, latent=latent, hidden=128)
    gan = GAN("lsgan" if pair % 2 else "gan", lr=between(RATES), width=width, latent=latent)
    return Budget(epochs=epochs, batch_size=BATCH, seed=pair, precision="float32"), {"VAE": vae, "GAN": gan}


def samples(system: BlurVAE | GAN, budget: Budget, train: ImageSet, n: int) -> Tensor:
    """Trains a model and has it draw, (n, c, h, w) on [0, 1]; a VAE's are the means of p(x|z), as they are shown.

    Raises:
        Diverged: the training did.
    """
    cpu = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(budget.seed)
        players: Any = system.players(train.shape)
        fit(cast(Any, system), players, train, budget, device="cpu")
    for network in filter(None, players):
        network.eval()
    with torch.no_grad():
        if isinstance(system, GAN):
            return unit(sampled(system, players, n, budget.seed + 1, cpu))
        z = torch.randn(n, system.latent, generator=torch.Generator().manual_seed(budget.seed + 1))
        return pieces.decoded(players.vae, z)


def measured(images: Tensor, test: Tensor, seed: int) -> dict[str, Any]:
    """A set in both ways to measure the two coordinates, and what the classifier says of it.

    Args:
        images: (n, 1, 28, 28) on [0, 1].
        test: (n, d), the features of real ones.
        seed: of the clusterings.

    Returns:
        `sets.measured` without the curve, the four numbers of `knn_precision_recall` with "knn" before their names,
        and `sets.classes_of`.
    """
    vectors = metrics.embed(images, FEATURES)
    found = sets.measured(test, vectors, seed=seed)
    del found["curve"]
    near = metrics.knn_precision_recall(real=test, generated=vectors)._asdict()
    found |= {f"knn {side}": value for side, value in near.items()}
    return found | sets.classes_of(sets.probabilities(images, "mnist"))


def record(pair: int, n: int = N, n_train: int = N_TRAIN) -> dict[str, Any]:
    """Trains and measures a pair, and other real images beside it.

    Args:
        pair: of `PAIRS`.
        n: test images, samples of a model.
        n_train: training images.

    Returns:
        A row each for "VAE", "GAN" and "data": the settings, and `measured`.

    Raises:
        MissingData: MNIST is not on this machine.
    """
    train, test = (datasets.load("mnist", split, size=32) for split in ("train", "test"))
    rng = np.random.default_rng([pair, 1])
    x = metrics.embed(centre(real(test)[rng.permutation(len(test))[:n]], test), FEATURES)
    grey = centre(real(train.head(n_train)).mean(0, keepdim=True), train).repeat(2, 1, 1, 1)  # two: a covariance of 0
    worst = sets.distance(x, metrics.embed(grey, FEATURES))
    budget, systems = drawn(pair)
    rows: list[dict[str, Any]] = []
    for kind, system in systems.items():
        start, row = time.process_time(), {"kind": kind, "pair": pair, "epochs": budget.epochs} | settings(system)
        try:
            images = centre(samples(system, budget, train.head(n_train), n), train)
        except Diverged as error:
            rows.append(row | {"diverged": str(error), "failed": True} | dict.fromkeys(SIDES, 0.0))
            continue
        found = measured(images, x, pair)
        row["seconds"] = round(time.process_time() - start, 1)
        rows.append(row | found | {"failed": found["FD"] > worst})
    others = real(train)[n_train:]
    images = centre(others[rng.permutation(len(others))[:n]], train)
    rows.append({"kind": "data", "pair": pair} | measured(images, x, pair))
    sizes = {"n": n, "n_train": n_train, "batch_size": BATCH}
    return {"data": "mnist", "features": FEATURES, "checksum": train.checksum} | sizes | {"rows": rows}


def settings(system: BlurVAE | GAN) -> dict[str, Any]:
    """What was drawn of a system, for its row."""
    own: dict[str, Any] = {"lr": system.lr, "latent": system.latent}
    if isinstance(system, GAN):
        return own | {"game": system.game, "width": system.width}
    return own | {"beta": system.beta, "width": system.widths[0]}
