"""Bad input over the whole public API: each row ends in its documented exception, in one sentence.

A row is what is called, the exception, and what its message must hold: the culprit and the way out. The options of the
command line have a table of their own, of arguments, exit code and text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from blurvae import blur, datasets, experiments, losses, metrics
from blurvae.cli import app
from blurvae.datasets import ImageSet, download
from blurvae.datasets.core import Archive
from blurvae.errors import CorruptFile, MissingData, MissingWeights
from blurvae.experiments import recorded
from blurvae.experiments.matrix import finish, matrix
from blurvae.machine import choose_device
from blurvae.models import VAE, KernelNet, load_model
from blurvae.pages import plotting, tables
from blurvae.pages.notebooks import chapters, parameters
from blurvae.record import Run, execute, queue, read
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players
from blurvae.train import Budget, fit

NAN, INF = float("nan"), float("inf")
UNIT = torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(0))  # on [0, 1], as metrics take them
X, X_HAT = 2 * UNIT - 1, (2 * UNIT - 1).flip(0)  # on [−1, 1], as models and terms do
KERNEL = blur.gaussian_kernel(5, 1.0)
PIXELS = np.arange(8 * 3 * 16 * 16, dtype=np.uint8).reshape(8, 3, 16, 16)
DATA = ImageSet("noise", "train", PIXELS, None, "numpy", "CC0", None, "0")
SMALL: dict[str, Any] = {"size": 16, "widths": (4, 4), "latent": 4, "hidden": 8}
BUDGET = Budget(epochs=1, batch_size=4)
RUN = Run("bredell/table5", "l2", "smoke", "natural", BlurVAE(warm_up=0), budget=BUDGET)
SYSTEM = BlurVAE(warm_up=0, latent=4)
EXECUTE = sys.modules["blurvae.record.execute"]  # the module, whose name the function has too


def spoilt(images: torch.Tensor, value: float) -> torch.Tensor:
    result = images.clone()
    result[1, 0, 3, 4] = value
    return result


def players(**changes: Any) -> Players:
    with torch.random.fork_rng(devices=[]):
        return Players(VAE(**(SMALL | changes)), None)


def weighted(size: int) -> BlurVAE:
    return replace(SYSTEM, term=losses.Wiener(kernel_size=size))


def pack(**changes: Any) -> Any:
    facts: dict[str, Any] = {"name": "x", "source": "s", "licence": "l", "split": {"train": (0, 6), "test": (6, 8)}}
    images = changes.pop("images", PIXELS)
    return datasets.write_pack(Path("x"), images, **(facts | changes))


def damaged(name: str, content: bytes) -> Path:
    Path(name).write_bytes(content)
    return Path(name)


Row = tuple[str, Callable[[], object], type[Exception], tuple[str, ...]]


def row(what: str, call: Callable[[], object], error: type[Exception], *says: str) -> Row:
    return what, call, error, says


LOSSES = [
    row("name", lambda: losses.get("l3"), ValueError, "'l3'", "choose one of l2, l1"),
    row("constant", lambda: losses.get("wiener", D=1), ValueError, "no constant 'D'", "it has C, epsilon"),
    row("constant of none", lambda: losses.get("l2", C=1), ValueError, "no constant 'C'", "it has none"),
    row("C < 0", lambda: losses.Wiener(C=-0.1), ValueError, "C is a finite number ≥ 0", "0.025", "-0.1"),
    row("C NaN", lambda: losses.Wiener(C=NAN), ValueError, "C is a finite number ≥ 0", "nan"),
    row("C text", lambda: losses.get("wiener", C="0.1"), ValueError, "C is a finite number", "'0.1'"),
    row("ε < 0", lambda: losses.Wiener(epsilon=-0.1), ValueError, "ε", "-0.1", "H = −ε", "None"),
    row("ε infinite", lambda: losses.Wiener(epsilon=INF), ValueError, "ε", "None for the paper's large ε", "inf"),
    row("ε text", lambda: losses.get("wiener", epsilon="big"), ValueError, "ε", "'big'", "None"),
    row("even kernel", lambda: losses.Wiener(kernel_size=4), ValueError, "odd size", "not 4", "11"),
    row("kernel text", lambda: losses.get("wiener", kernel_size="11"), ValueError, "odd size", "'11'"),
    row("kernel half", lambda: losses.get("wiener", kernel_size=5.5), ValueError, "odd size", "5.5"),
    row("kernel path", lambda: losses.get("wiener", kernel_path="dead"), ValueError, "'dead'", "'detached' or 'live'"),
    row("proper C = 0", lambda: losses.WienerProper(C=0), ValueError, "positive number", "0.025", "not 0"),
    row("proper C text", lambda: losses.get("wiener-proper", C="1"), ValueError, "positive number", "'1'"),
    row("proper path", lambda: losses.get("wiener-proper", kernel_path=""), ValueError, "'elbo'", "not ''"),
    row("variance", lambda: losses.WienerFixed(variance=0), ValueError, "variance", "positive number of px²", "not 0"),
    row("variance text", lambda: losses.get("wiener-fixed", variance="2"), ValueError, "variance", "'2'"),
    row("alpha < 0", lambda: losses.FocalFrequency(alpha=-1), ValueError, "alpha", "≥ 0", "-1"),
    row("alpha text", lambda: losses.get("ffl", alpha="1"), ValueError, "alpha", "'1'"),
    row("two shapes", lambda: losses.L2()(X, X[:, :1]), ValueError, "(n, c, h, w)", "(3, 1, 20, 20)"),
    row("one image", lambda: losses.L1()(X[0], X[0]), ValueError, "(n, c, h, w)", "(3, 20, 20)"),
    row("bytes", lambda: losses.L2()(*[X.byte()] * 2), ValueError, "torch.uint8", "to_float"),
    row("array", lambda: losses.L2()(X.numpy(), X), ValueError, "ndarray", "torch.from_numpy"),  # type: ignore[arg-type]
    row("no kernel", lambda: losses.Wiener()(X, X_HAT), ValueError, "'wiener'", "pass kernel="),
    row(
        "two kernels for three images",
        lambda: losses.WienerProper()(X, X_HAT, kernel=KERNEL.expand(2, 5, 5)),
        ValueError,
        "2 kernels for 3 images",
        "pass one, or as many",
    ),
    row(
        "kernel beyond the image",
        lambda: losses.Wiener()(X, X_HAT, kernel=blur.gaussian_kernel(41, 4.0)),
        ValueError,
        "size 41",
        "20×20 px",
        "make it smaller",
    ),
    row("small images", lambda: losses.SSIM()(X[..., :5, :5], X[..., :5, :5]), ValueError, "6×6", "5×5"),
    row("net", lambda: losses.get("lpips", net="resnet"), ValueError, "squeeze, alex, vgg", "'resnet'"),
    row("scale", lambda: losses.get("lpips", scale=0), ValueError, "scale", "positive", "0"),
    row("pooling", lambda: losses.Watson(pooling=9), ValueError, "pooling", "between 1 and 4", "9"),
    row("blocks of 8", lambda: losses.Watson()(X, X_HAT), ValueError, "multiples of 8 px", "20×20"),
    row("no likelihood", lambda: losses.SSIM().log_normaliser((3, 8, 8)), ValueError, "'ssim' is not a likelihood"),
    row("eq. 12", lambda: losses.kernel_loss(X, X_HAT[:2], KERNEL), ValueError, "(2, 3, 20, 20)"),
]

BLUR = [
    row("even delta", lambda: blur.delta_kernel(4), ValueError, "odd size", "not 4"),
    row("size 0", lambda: blur.gaussian_kernel(0, 1), ValueError, "odd size of at least 1", "not 0"),
    row("variance < 0", lambda: blur.gaussian_kernel(3, -1), ValueError, "variance", "-1"),
    row("radius", lambda: blur.disk_kernel(5, 3), ValueError, "radius", "(0, 2.5]", "not 3"),
    row("length", lambda: blur.motion_kernel(5, 9, 0), ValueError, "length", "(0, 4]", "not 9"),
    row("angle", lambda: blur.motion_kernel(5, 2, NAN), ValueError, "angle", "radians", "nan"),
    row("kernel not square", lambda: blur.otf(torch.ones(3, 5), (8, 8)), ValueError, "(K, K)", "(3, 5)"),
    row("kernel even", lambda: blur.otf(torch.ones(4, 4), (8, 8)), ValueError, "even size 4", "use 3 or 5"),
    row("kernel empty", lambda: blur.otf(torch.ones(0, 0), (8, 8)), ValueError, "K ≥ 1", "(0, 0)"),
    row("kernel integer", lambda: blur.otf(torch.ones(3, 3).int(), (8, 8)), ValueError, "torch.int32", ".float()"),
    row("image complex", lambda: blur.fourier(X.to(torch.complex64)), ValueError, "complex64", "real"),
    row("convolve 3-d", lambda: blur.circular_convolve(X[0], KERNEL), ValueError, "(n, c, h, w)", "(3, 20, 20)"),
    row("convolve empty", lambda: blur.circular_convolve(X[:0], KERNEL), ValueError, "not empty", "(0, 3, 20, 20)"),
    row(
        "convolve kernels",
        lambda: blur.circular_convolve(X, KERNEL.expand(2, 5, 5)),
        ValueError,
        "(2, 5, 5) do not fit 3 images",
        "one per image",
    ),
    row("Wiener C", lambda: blur.wiener_deconvolve(X, KERNEL, -1.0), ValueError, "C is a finite number ≥ 0", "-1"),
    row(
        "Wiener C tensor",
        lambda: blur.wiener_deconvolve(X, KERNEL, torch.full((20, 11), NAN)),
        ValueError,
        "C is a finite number ≥ 0",
        "nan",
    ),
    row("ε NaN", lambda: blur.log_abs_det(KERNEL, (8, 8), NAN), ValueError, "ε", "finite", "nan"),
    row("proper C", lambda: blur.proper_log_det(KERNEL, (8, 8), 0), ValueError, "C > 0", "0.025"),
    row("log-det C", lambda: blur.wiener_log_det(KERNEL, (8, 8), INF), ValueError, "C is a finite number", "inf"),
    row("dense", lambda: blur.block_circulant(KERNEL[None], (8, 8)), ValueError, "one kernel", "(1, 5, 5)"),
    row("full spectrum", lambda: blur.radial_average(UNIT[0], (20, 20)), ValueError, "20, 11", "(3, 20, 20)"),
    row(
        "rings",
        lambda: blur.radial_average(blur.power_spectrum(UNIT), (20, 20), 90),
        ValueError,
        "90 rings",
        "use 10",
    ),
    row(
        "two points",
        lambda: blur.fit_power_law(torch.arange(1, 9) / 16, torch.ones(8), 0.1, 0.15),
        ValueError,
        "0.1 and 0.15",
        "widen",
    ),
    row(
        "power 0",
        lambda: blur.fit_power_law(torch.arange(1, 9) / 16, torch.zeros(8)),
        ValueError,
        "log scale",
        "positive",
    ),
    row("width", lambda: blur.kernel_width(torch.ones(3, 5)), ValueError, "(…, K, K)", "(3, 5)"),
]

MODELS = [
    row("architecture", lambda: VAE("C"), ValueError, "'C'", "choose one of A, B"),
    row("stride", lambda: VAE(size=33), ValueError, "33×33", "stride 16"),
    row("size 0", lambda: VAE(size=0), ValueError, "0×0", "stride"),
    row("other images", lambda: players().vae.encode(X), ValueError, "(n, 3, 16, 16)", "(3, 3, 20, 20)"),
    row("bytes", lambda: players().vae.encode(torch.from_numpy(PIXELS)), ValueError, "torch.uint8", "to_float"),
    row("latent", lambda: players().vae.decode(torch.zeros(2, 5)), ValueError, "(n, 4)", "(2, 5)"),
    row("even kernel", lambda: KernelNet(size=4), ValueError, "odd size", "not 4"),
    row("latent of the kernel", lambda: KernelNet(4, 3)(torch.zeros(2, 5)), ValueError, "(n, 4)", "(2, 5)"),
    row("latent 0", lambda: KernelNet(latent=0), ValueError, "latent", "at least 1", "not 0"),
    row("channels", lambda: VAE(channels=0), ValueError, "channels", "at least 1", "not 0"),
    row("no blocks", lambda: VAE(widths=()), ValueError, "widths", "at least 1"),
    row("width", lambda: VAE(widths=(8, 0.5)), ValueError, "widths", "0.5"),  # type: ignore[arg-type]
    row("size text", lambda: VAE(size="64px"), ValueError, "size", "'64px'"),  # type: ignore[arg-type]
    row("no file", lambda: load_model(Path("absent.safetensors")), MissingWeights, "absent", "blurvae run"),
    row(
        "no model",
        lambda: load_model(damaged("x.safetensors", b"\x80\x04.")),
        CorruptFile,
        "x.safetensors",
        "fetch or train it again",
    ),
]

METRICS = [
    row("range", lambda: metrics.psnr(X, UNIT), ValueError, "x reaches from", "(x + 1) / 2"),
    row("NaN", lambda: metrics.psnr(UNIT, spoilt(UNIT, NAN)), ValueError, "y holds NaN", "look for"),
    row("infinite", lambda: metrics.psnr(spoilt(UNIT, INF), UNIT), ValueError, "x", "inf", "[0, 1]"),
    row("bytes", lambda: metrics.ssim(UNIT.byte(), UNIT.byte()), ValueError, "torch.uint8", "convert"),
    row("half", lambda: metrics.ssim(UNIT.half(), UNIT.half()), ValueError, "torch.float16", "float32 or float64"),
    row("array", lambda: metrics.psnr(UNIT.numpy(), UNIT), ValueError, "ndarray", "torch.from_numpy"),  # type: ignore[arg-type]
    row("one image", lambda: metrics.psnr(UNIT[0], UNIT[0]), ValueError, "(n, c, h, w)", "(3, 20, 20)"),
    row("two shapes", lambda: metrics.psnr(UNIT, UNIT[:2]), ValueError, "image by image", "(2, 3, 20, 20)"),
    row("small", lambda: metrics.ssim(UNIT[..., :4], UNIT[..., :4]), ValueError, "6×6", "20×4"),
    row("net", lambda: metrics.lpips(UNIT, UNIT, "resnet"), ValueError, "squeeze, alex, vgg", "'resnet'"),
    row("small for a net", lambda: metrics.lpips(UNIT[..., :9], UNIT[..., :9]), ValueError, "17×17", "20×9"),
    row("features", lambda: metrics.frechet_distance(UNIT, UNIT, "resnet"), ValueError, "inception", "'resnet'"),
    row("one of a set", lambda: metrics.statistics(UNIT[:1], "pixels"), ValueError, "at least 2 images"),
    row(
        "two kinds",
        lambda: metrics.frechet_distance(UNIT, UNIT[:, :1], "pixels"),
        ValueError,
        "(3, 20, 20) and (1, 20, 20)",
    ),
    row(
        "statistics of others",
        lambda: metrics.frechet_distance(metrics.statistics(UNIT, "pixels"), UNIT, "squeeze"),
        ValueError,
        "'pixels'",
        "'squeeze'",
    ),
    row("NaN in a set", lambda: metrics.frechet_distance(UNIT, spoilt(UNIT, NAN)), ValueError, "b holds NaN"),
    row("two channels", lambda: metrics.mean_log_spectrum(UNIT[:, :2]), ValueError, "RGB (3)", "2 channels"),
    row(
        "no detail",
        lambda: metrics.high_frequency_ratio(UNIT, torch.zeros_like(UNIT)),
        ValueError,
        "no energy",
        "constant images",
    ),
    row("evaluate one", lambda: metrics.evaluate(UNIT[:1], UNIT[:1]), ValueError, "at least 2 test images"),
    row("crop", lambda: metrics.evaluate(UNIT, UNIT, crop=28), ValueError, "crop of 28 px", "20×20"),
    row("samples", lambda: metrics.evaluate(UNIT, UNIT, UNIT[:, :1]), ValueError, "samples", "(1, 20, 20)"),
    row("samples NaN", lambda: metrics.evaluate(UNIT, UNIT, spoilt(UNIT, NAN)), ValueError, "samples holds NaN"),
]

TRAINING = [
    row("epochs", lambda: Budget(epochs=0), ValueError, "epochs must be a whole number ≥ 1", "not 0"),
    row("epochs half", lambda: Budget(epochs=1.5), ValueError, "epochs", "1.5"),  # type: ignore[arg-type]
    row("warm-up", lambda: BlurVAE(warm_up=-1), ValueError, "warm_up", "≥ 0", "-1"),
    row("batch", lambda: Budget(batch_size=0), ValueError, "batch_size", "≥ 1", "not 0"),
    row("seed", lambda: Budget(seed=0.5), ValueError, "seed must be a whole number", "0.5"),  # type: ignore[arg-type]
    row("rate", lambda: BlurVAE(lr=0), ValueError, "lr must be a positive number", "1e-4", "not 0"),
    row("kernel rate", lambda: BlurVAE(kernel_lr=NAN), ValueError, "kernel_lr", "positive", "nan"),
    row("β", lambda: BlurVAE(beta=-1), ValueError, "beta", "≥ 0", "-1"),
    row("precision", lambda: Budget(precision="fp16"), ValueError, "'fp16'", "'bf16'"),
    row("device", lambda: choose_device("tpu0"), ValueError, "'tpu0'", "'auto', 'cpu' or 'cuda'"),
    row("GPU 99", lambda: choose_device("cuda:99"), ValueError, "cuda:99", "device='cpu'"),
    row("one image", lambda: fit(SYSTEM, players(), DATA.head(1), BUDGET), ValueError, "two images", "'noise'"),
    row(
        "no kernel network",
        lambda: fit(weighted(3), players(), DATA, BUDGET),
        ValueError,
        "'wiener'",
        "KernelNet(…)",
    ),
    row(
        "channels",
        lambda: fit(SYSTEM, players(channels=1), DATA, BUDGET, device="cpu"),
        ValueError,
        "(n, 1, 16, 16)",
        "(4, 3, 16, 16)",
    ),
    row(
        "Apple's GPU",
        lambda: fit(SYSTEM, players(), DATA, BUDGET, device="mps"),
        ValueError,
        "'mps'",
        "'cpu' or 'cuda'",
    ),
    row("no device", lambda: choose_device("meta"), ValueError, "'meta'", "'cpu' or 'cuda'"),
    row(
        "latent of the kernel network",
        lambda: fit(weighted(3), Players(players().vae, KernelNet(5, 3)), DATA, BUDGET),
        ValueError,
        "(n, 5)",
        "(4, 4)",
    ),
    row(
        "kernel beyond the image",
        lambda: fit(weighted(17), Players(players().vae, KernelNet(4, 17)), DATA, BUDGET),
        ValueError,
        "size 17",
        "16×16 px",
    ),
    row("size", lambda: replace(RUN, size=0), ValueError, "size takes whole numbers of at least 1", "not 0"),
    row("widths", lambda: BlurVAE(widths=(8, -8)), ValueError, "widths", "-8"),
    row("no widths", lambda: BlurVAE(widths=()), ValueError, "widths", "at least 1"),
    row("images", lambda: replace(RUN, n_train=1.5), ValueError, "n_train", "1.5"),
    row("seed of a run", lambda: RUN.with_changes({"seed": str(2**40)}), ValueError, "2^40"),
    row("key", lambda: RUN.with_changes({"lrr": "1"}), ValueError, "'lrr'", "lr"),
    row("value", lambda: RUN.with_changes({"epochs": "many"}), ValueError, "'many'", "whole number"),
    row("passes", lambda: Budget(passes=0), ValueError, "passes", "≥ 1", "not 0"),
    row(
        "latent of the system",
        lambda: fit(BlurVAE(latent=5), players(), DATA, BUDGET),
        ValueError,
        "length 4",
        "one of 5",
        "give both the same",
    ),
    row("data of a run", lambda: execute(replace(RUN, data="faces")), ValueError, "'faces'", "did you mean faces"),
    row("size of its data", lambda: execute(replace(RUN, size=48)), ValueError, "not 48", "size=32"),
    row("GPU of a run", lambda: execute(RUN, device="cuda:99"), ValueError, "cuda:99", "'auto'"),
    row("Apple's GPU in a run", lambda: execute(RUN, device="mps"), ValueError, "'mps'", "'cpu' or 'cuda'"),
    row("record", lambda: read(damaged("r.json", b"{}")), CorruptFile, "r.json", "remove it and run it again"),
]

DATASETS = [
    row("name", lambda: datasets.load("cifar", "train"), ValueError, "'cifar'", "did you mean cifar10"),
    row("no text", lambda: datasets.load(None, "train"), ValueError, "named by a text", "None"),  # type: ignore[arg-type]
    row("split", lambda: datasets.load("natural", "valid"), ValueError, "'valid'", "'train' or 'test'"),
    row("size", lambda: datasets.load("natural", "test", size=48), ValueError, "not 48", "size=64"),
    row("size text", lambda: datasets.load("natural", "test", size="32"), ValueError, "whole number", "'32'"),  # type: ignore[arg-type]
    row("too many", lambda: datasets.load("natural", "test", n=2001), ValueError, "2000 test images", "2001"),
    row("half an image", lambda: datasets.load("natural", "test", n=0.5), ValueError, "1 to 2000", "0.5"),  # type: ignore[arg-type]
    row("true", lambda: datasets.load("natural", "test", n=True), ValueError, "1 to 2000", "True"),
    row("exponent", lambda: datasets.load("power-law:9", "test"), ValueError, "from 0 to 6", "9"),
    row("no path", lambda: datasets.load("folder:", "test"), ValueError, "needs a path", "folder:PATH"),
    row("no folder", lambda: datasets.load("folder:absent", "test"), MissingData, "absent", "folder:PATH"),
    row("no pack", lambda: datasets.load("pack:absent", "test"), MissingData, "absent", "images.npy"),
    row("no root", lambda: datasets.load("cifar10", "test"), MissingData, "BLURVAE_DATA", "data prepare cifar10"),
    row("not there", lambda: datasets.load("hcp", "test", root="."), MissingData, "hcp", "accept the terms"),
    row(
        "root a file",
        lambda: datasets.load("mnist", "test", root=damaged("f", b"")),
        MissingData,
        "f, which is a file",
        "BLURVAE_DATA",
    ),
    row("unprepared", lambda: datasets.prepare("natural", "."), ValueError, "needs no preparation", "scikit-image"),
    row("terms", lambda: datasets.prepare("celeba", "."), ValueError, "non-commercial", "--source FOLDER"),
    row("no source", lambda: datasets.prepare("hcp", ".", "absent"), MissingData, "absent is not there", "--source"),
    row("check", lambda: datasets.check("imagenet"), ValueError, "'imagenet'", "there are natural"),
    row("pack type", lambda: pack(images=PIXELS.astype(float)), ValueError, "uint8 (n, c, h, w)", "float64"),
    row("pack split", lambda: pack(split={"train": (0, 7), "test": (6, 8)}), ValueError, "split", "8 images"),
    row("pack labels", lambda: pack(labels=np.zeros(3, np.int64)), ValueError, "8 integers", "(3,)"),
    row("floats", lambda: datasets.to_float(UNIT), ValueError, "uint8", "torch.float32"),
    row("bytes", lambda: datasets.to_uint8(UNIT.byte()), ValueError, "floats in [-1, 1]", "torch.uint8"),
    row("NaN", lambda: datasets.to_uint8(spoilt(X, NAN)), ValueError, "NaN", "diverged"),
    row("set", lambda: replace(DATA, images=PIXELS[0]), ValueError, "noise", "(n, c, h, w)", "(3, 16, 16)"),
    row("labels", lambda: replace(DATA, labels=np.zeros(3)), ValueError, "noise", "8 images"),
    row("not square", lambda: replace(DATA, images=PIXELS[..., :9]).size, ValueError, "16×9", "size="),
    row(
        "fields",
        lambda: datasets.power_law_fields(1, 1, rng=np.random.default_rng(0)),
        ValueError,
        "size >= 2",
    ),
    row(
        "discs",
        lambda: datasets.dead_leaves_picture(8, smallest=9, largest=4, rng=np.random.default_rng(0)),
        ValueError,
        "smallest < largest",
        "9",
    ),
    row(
        "address",
        lambda: download.fetch(Archive("https://example.org/x", ""), Path(), mirror="ftp://example.org"),
        ValueError,
        "ftp://example.org",
        "source",
    ),
]

RESULTS = [
    row("experiment", lambda: experiments.get("table55"), ValueError, "'table55'", "table5"),
    row("tier", lambda: experiments.check_tier("big"), ValueError, "'big'", "smoke (seconds), lesson"),
    row("duration", lambda: queue.seconds("soon"), ValueError, "'soon'", "90s, 9m or 2h"),
    row("tier of a queue", lambda: matrix("big", Path()), ValueError, "'big'", "smoke (seconds), lesson"),
    row("only", lambda: matrix("smoke", Path(), ["l22"]), ValueError, "'l22'", "choose of"),
    row("budget", lambda: finish("smoke", Path(), (), "9 parsecs"), ValueError, "'9 parsecs'", "9m"),
    row("data of results", lambda: recorded.load("table5", "smoke", "cfar10", Path()), ValueError, "mean cifar10"),
    row(
        "no results", lambda: recorded.load("table5", "smoke", "natural", Path("absent")), ValueError, "absent", "--out"
    ),
    row(
        "spread",
        lambda: tables.spread(recorded.frame("table5", "smoke", "natural", Path()), "PSNR", "days"),
        ValueError,
        "'days'",
        "'seeds', 'images', 'interval'",
    ),
    row("format", lambda: tables.render(recorded.paper_table("table5"), "xml"), ValueError, "'xml'", "markdown"),
    row("chapter", lambda: chapters.find("99"), ValueError, "99", "09"),
    row("parameter", lambda: parameters.check("09", {"teir": "smoke"}), ValueError, "'teir'", "tier"),
    row("type", lambda: parameters.check("09", {"seed": "0"}), ValueError, "'seed'", "must be int", "'0'"),
    row("text", lambda: parameters.parse("09", [("seed", "abc")]), ValueError, "'seed'", "'abc'"),
    row("grid", lambda: plotting.image_grid([UNIT[:, :2]]), ValueError, "1 or 3 channels", "(3, 2, 20, 20)"),
    row("grid NaN", lambda: plotting.image_grid([spoilt(X, NAN)]), ValueError, "NaN", "diverged"),
    row("rows", lambda: plotting.image_grid({"a": X, "b": X[:2]}), ValueError, "(2"),
]

TABLE = {
    "losses": LOSSES,
    "blur": BLUR,
    "models": MODELS,
    "metrics": METRICS,
    "training": TRAINING,
    "datasets": DATASETS,
    "results": RESULTS,
}


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [pytest.param(*rest, id=f"{part}: {what}") for part, rows in TABLE.items() for what, *rest in rows],
)
def test_bad_input_is_named_in_one_sentence(
    call: Callable[[], object],
    error: type[Exception],
    says: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    if error is not CorruptFile:
        monkeypatch.setattr(EXECUTE, "finish", lambda *_, **__: pytest.fail("trained before it refused"))
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is error, f"{type(caught.value).__name__}: {message}"  # its own, not a library's
    assert all(text in message for text in says), message
    assert "\n" not in message and len(message) < 2000


def test_the_table_is_as_wide_as_the_package() -> None:
    names = [f"{part}: {row[0]}" for part, rows in TABLE.items() for row in rows]
    assert len(set(names)) == len(names) >= 60


COMMANDS: list[tuple[list[str], int, str]] = [
    (["run", "tabel5"], 2, "no experiment 'tabel5'"),
    (["run", "dalal/table5"], 2, "no experiment 'dalal/table5': choose one of bredell/table5"),
    (["run", "bredell/table5", "--set", "budget.beta=1"], 2, "called 'budget.beta'"),
    (["run", "table5", "--tier", "big"], 2, "no tier 'big'"),
    (["run", "table5", "--only", "l3"], 2, "no method 'l3'"),
    (["run", "table5", "--set", "beta"], 2, "not KEY=VALUE"),
    (["run", "table5", "--set", "bta=1"], 2, "called 'bta'"),
    (["run", "table5", "--data", "imagenet"], 2, "imagenet"),
    (["run", "table5", "--device", "tpu0"], 2, "tpu0"),
    (["run", "table5", "--device", "mps"], 2, "not on 'mps'"),
    (["run", "table5", "--device", "meta"], 2, "not on 'meta'"),
    (["run", "table5", "--seed", "99999999999999999999"], 2, "seed must lie between"),
    (["run", "table5", "--seed", "x"], 2, "--seed"),
    (["run", "table5", "--set", "seed=abc"], 2, "'abc' is not a value for seed: it takes a whole number."),
    (["run", "table5", "--set", "widths=8-x"], 2, "widths: it takes whole numbers such as 16-32-64."),
    (["run", "table5", "--set", "widths="], 2, "'' is not a value for widths"),
    (["run", "table5", "--set", "widths=0-8"], 2, "widths takes whole numbers of at least 1, not 0"),
    (["run", "table5", "--set", "widths=-8,8"], 2, "widths takes whole numbers of at least 1, not -8"),
    (["run", "table5", "--set", "widths=2-2-2-2-2-2"], 2, "stride 64"),
    (["run", "table5", "--set", "latent=0"], 2, "latent takes"),
    (["run", "table5", "--set", "hidden=-2"], 2, "hidden takes"),
    (["run", "table5", "--set", "size=-32"], 2, "size takes"),
    (["run", "table5", "--set", "size=33"], 2, "size=32, size=64 or size=256"),
    (["run", "table5", "--set", "n_train=0"], 2, "n_train takes"),
    (["run", "table5", "--set", "n_train=1"], 2, "raise n_train"),
    (["run", "table5", "--set", "n_test=1"], 2, "raise n_test"),
    (["run", "table5", "--set", "n_test=2.5"], 2, "n_test: it takes a whole number or none."),
    (["run", "table5", "--set", "n_train=9999999"], 2, "natural has 8000 train images"),
    (["run", "table5", "--set", "precision=fp8"], 2, "'fp8'"),
    (["run", "table5", "--set", "beta=nan"], 2, "beta"),
    (["run", "table5", "--set", "lr=0"], 2, "lr must be"),
    (["run", "table5", "--set", "architecture=C"], 2, "no architecture 'C'"),
    (["run", "table5", "--set", "hidden=99999999999"], 2, "lower batch_size, widths, hidden"),
    (["run", "table5", "--only", "wiener", "--set", "C=nan"], 2, "constant C"),
    (["run", "table5", "--only", "wiener", "--set", "kernel_size=4"], 2, "odd size"),
    (["run", "table5", "--only", "wiener", "--set", "kernel_path=dead"], 2, "'dead'"),
    (["run", "table5", "--data", "power-law", "--set", "size=4"], 2, "at least 6×6"),
    (["run", "table5", "--data", "folder:/nowhere"], 3, "/nowhere"),
    (["run", "table5", "--data", "pack:/nowhere"], 3, "/nowhere"),
    (["table", "table5", "--data", "cfar10"], 2, "did you mean cifar10"),
    (["table", "table5", "--tier", "big"], 2, "no tier 'big'"),
    (["figure", "table5-natural-samples", "--format", "svg"], 2, "'svg'"),
    (["notebook", "09", "-p", "seed"], 2, "-p NAME VALUE"),
    (["notebook", "09", "-p", "seed", "abc"], 2, "must be int"),
    (["data", "check", "cifar10"], 3, "BLURVAE_DATA"),
    (["data", "check", "pack:"], 2, "pack:PATH"),
    (["data", "check", "folder:/nowhere"], 3, "/nowhere"),
    (["data", "check", "power-law:x"], 2, "power-law:2.5"),
    (["data", "prepare", "natural"], 2, "nothing to prepare"),
    (["data", "prepare", "cifar10"], 3, "BLURVAE_DATA"),
    (["data", "prepare", "celeba"], 2, "non-commercial research only"),
    (["data", "prepare", "hcp"], 2, "accept the terms"),
    (["data", "prepare", "volumes", "--root", "/nowhere", "--source", "/nowhere"], 3, "--source FOLDER"),
    (["queue", "--budget", "soon"], 2, "'soon' is not a duration"),
    (["status", "--only", "l22"], 2, "'l22'"),
    (["data", "prepare", "mnist", "--root", "/nowhere", "--source", "/nowhere"], 3, "/nowhere"),
    (["run", "table5", "--data", "cifar10"], 3, "cifar10"),
    (["table", "table5", "--format", "xml"], 2, "no table format 'xml'"),
    (["table", "table5", "--results", "/nowhere"], 2, "/nowhere"),
    (["table", "table5", "--over", "days"], 2, "'days'"),
    (["figure", "fig99"], 2, "no figure 'fig99'"),
    (["notebook", "99"], 2, "99"),
    (["notebook", "09", "-p", "teir", "lesson"], 2, "teir"),
    (["notebook", "09", "-p", "tier", "lesso"], 2, "no tier 'lesso'"),
    (["notebook", "09", "-p", "data", "natral"], 2, "did you mean natural"),
    (["data", "check", "imagenet"], 2, "imagenet"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), COMMANDS, ids=[" ".join(row[0]) for row in COMMANDS])
def test_a_bad_option_is_named_and_has_its_exit_code(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    monkeypatch.setattr(EXECUTE, "finish", lambda *_, **__: pytest.fail("trained before it refused"))
    if arguments[0] == "run":
        arguments = [*arguments, "--out", str(tmp_path)]
        arguments += [] if "--only" in arguments else ["--only", "l2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    assert says in " ".join(result.output.split())
    assert not any(tmp_path.rglob("*.json")), "refused before any work"
