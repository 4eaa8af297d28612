"""Rules that look into runs, at their kernels, errors and histories, and two that need none: blur and its cost."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch

from blurvae import blur, datasets, experiments, metrics, paths
from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import recorded
from blurvae.metrics.high_frequency import CUTOFF
from blurvae.record import Result
from blurvae.systems import BlurVAE

LOW = 0.1  # cycles/px, below which chapter 2 calls a frequency low
HALF = 50.0  # %, from where on something dominates
RIVALS = {"another's": "another image's", "mean": "the mean kernel", "one for all": "the best one for all"}
RISE = 5.0  # %, of the objective from one epoch to the next
CHEAP = 10.0  # %, of a training step


def kernel_falls(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """How much of the kernels' fall at the switch the weighting causes: anything, and most of it.

    By the mean width in training batches over the first two weighted epochs (a mean over an epoch lags behind the
    switch), beside a control from the same seed that is never weighted.
    """
    runs = {r.run.seed: r for r in records.runs(evidence, folder)}
    controls = {r.run.seed: r for r in records.runs(replace(evidence, method=evidence.rivals[0]), folder)}
    shares = []
    for seed in sorted(runs.keys() & controls.keys()):
        switch = cast(BlurVAE, runs[seed].run.system).warm_up  # epochs before the first weighted one
        weighted, control = (_fall(r, switch) for r in (runs[seed], controls[seed]))
        shares.append(100 * (1 - control / weighted))
    what = "share of the kernel width's fall over two weighted epochs that a control lacks, %"
    return [Comparison(what, f"over {limit:g}", tuple(shares), limit=limit) for limit in (0.0, HALF)]


def _fall(result: Result, switch: int) -> float:
    """Per cent an epoch that the mean kernel width loses in the two epochs after the first `switch` ones."""
    width = [epoch["kernel_width"] for epoch in result.record["history"]][switch - 1 : switch + 2]
    return statistics.fmean(100 * (1 - after / before) for before, after in pairwise(width))


def kernel_differs(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether a kernel belongs to its image: by how much its own blurs it more like its reconstruction than others do.

    Of test images at z = μ, see `evaluation.kernels.kernel_errors`: a network that has learned one blur for all images
    loses nothing with another image's kernel, and gains nothing on the mean one or on the best single one.
    """
    errors = {
        whose: records.values(evidence, folder).get(f"kernel error ({whose})", {}).get(evidence.method, {})
        for whose in ("own", *RIVALS)
    }
    what = "‖x ∗ k − x̂‖² with an image's own kernel, % less than with"
    return [
        Comparison(what, name, tuple(-gap for gap in records.excess(errors["own"], errors[whose])))
        for whose, name in RIVALS.items()
    ]


def _share(power: torch.Tensor, shape: tuple[int, int], below: float = LOW) -> float:
    """Per cent of a half spectrum's power below a frequency, frequency zero left out as in chapter 2."""
    frequency = blur.radial_frequency(shape)
    weighted = power.double() * blur.hermitian_weights(shape) * (frequency > 0)
    return 100 * (weighted[frequency < below].sum() / weighted.sum()).item()


def error_share(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether low frequencies hold most of a trained model's squared error, at every β that is recorded.

    Runs that the experiment shares with another one stand in the evidence of that, where it has any of its own.
    """
    shares: dict[float, list[float]] = {}
    rates: dict[float, list[float]] = {}
    found = recorded.load(evidence.experiment, evidence.tier, evidence.data, folder)
    of_method = [r for r in found if evidence.method in (r.run.method, experiments.term_of(r.run.method))]
    own_name = experiments.resolve(evidence.experiment)
    for result in [r for r in of_method if r.run.experiment == own_name] or of_method:
        if "error_power" in result.pictures:
            power, beta = torch.from_numpy(result.pictures["error_power"]), result.run.beta or 0.0
            shares.setdefault(beta, []).append(_share(power, (power.shape[0], 2 * (power.shape[1] - 1))))
            rates.setdefault(beta, []).append(result.record["metrics"]["KL"]["mean"])
    label = recorded.label(evidence.experiment, evidence.method)
    made = [
        Comparison(
            f"squared error of {label} below {LOW} cycles/px, β = {beta:g}, %",
            f"over {HALF:g}",
            tuple(own),
            limit=HALF,
            silent=records.collapsed(rates[beta]),
        )
        for beta, own in sorted(shares.items())
    ]
    return made or [Comparison(f"squared error of {label} below {LOW} cycles/px, %", f"over {HALF:g}", limit=HALF)]


def blur_share(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the error of Gaussian blurs of patches of 64×64 px is one of low frequencies, in three readings.

    As a sum over the frequencies below 0.1 cycles/px, over those below 0.25, and per frequency.
    """
    x = torch.from_numpy(np.array(datasets.load(evidence.data, "test", size=64).images) / 255)
    made, few = [], _share(torch.ones(64, 33), (64, 64))  # few: per cent of the frequencies that are low
    for variance in (2.0, 4.0):
        error = blur.blur_error_spectrum(x, blur.gaussian_kernel(11, variance, dtype=x.dtype)).mean((0, 1))
        of = f"variance {variance:g}, {len(x)} patches"
        for below in (LOW, CUTOFF):
            what, share = f"blur error below {below:g} cycles/px, {of}, %", _share(error, (64, 64), below)
            made.append(Comparison(what, f"over {HALF:g}", (share,), limit=HALF, digits=0, exact=True))
        what = f"blur error per frequency below {LOW} cycles/px, {of}, in units of its mean"
        made.append(Comparison(what, "over 1", (_share(error, (64, 64)) / few,), limit=1.0, exact=True))
    return made


def determinant(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the determinant's time grows no faster than the pixels, and is a small part of a step at 64×64 px."""
    file = (paths.results() if folder is None else folder) / "bench" / "cpu.json"
    exponents, shares, machine = [], [], "not run"
    if file.exists() and not (record := json.loads(file.read_text(encoding="utf-8")))["quick"]:
        machine, determinant = record["machine"]["name"], record["parts"]["log-determinant"]
        exponents.append(float(determinant["fft"]["exponent"]))
        seconds = determinant["fft with gradient"]["seconds"]["64"]["max"]
        rounds = record["parts"]["step"]["batches"]["64"]["ours"]["images_per_second"]["rounds"]
        shares = [100 * seconds * speed for speed in rounds]
    part = f"log-determinant with its gradient, % of a step's time at 64×64 px, {machine}"
    middle = (statistics.median(shares),) if shares else ()  # rounds of one process are no sample
    return [
        Comparison(part, f"under {CHEAP:g}", middle, sign=-1, limit=CHEAP, exact=True),
        Comparison("exponent of its time in the number of pixels", "under 1.1", tuple(exponents), -1, 1.1, 2, True),
    ]


def converges(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether both players' losses fall while the weighting is on, without a jump, and no training diverges."""
    values: list[list[float]] = [[], [], []]
    weighted = 0
    for result in records.runs(evidence, folder):
        epochs = [epoch for epoch in result.record["history"] if epoch["phase"] == "weighted"]
        weighted = len(epochs)
        objective = [epoch["reconstruction"] + (result.run.beta or 0.0) * epoch["kl"] for epoch in epochs]
        kernel = [epoch["kernel_loss"] for epoch in epochs]
        values[0].append(100 * (objective[-1] / objective[0] - 1))
        values[1].append(100 * (kernel[-1] / kernel[0] - 1))
        values[2].append(100 * max(after / before - 1 for before, after in pairwise(objective)))
    last = f"last of {weighted} weighted epochs against first, %"
    names = (
        (f"objective, {last}", "below 0"),
        (f"kernel loss, {last}", "below 0"),
        ("largest rise of the objective between epochs, %", f"under {RISE:g}"),
    )
    limits = (0.0, 0.0, RISE)
    made = [Comparison(*name, tuple(v), sign=-1, limit=limit) for name, v, limit in zip(names, values, limits)]
    found = recorded.load(evidence.experiment, evidence.tier, evidence.data, folder)
    if lost := sum(r.run.method == evidence.method and bool(r.diverged) for r in found):
        made.append(Comparison("trainings that diverged", "none", (float(lost),), -1, digits=0, exact=True))
    return made


def phase_or_energy(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Which is nearer to patches of 64×64 px: they with the energy of a blur at high frequencies, or the reverse.

    Both are Fig. 1 of Dalal; high is from 0.1 cycles/px on, where the energy is matched by one gain an image, and by
    a gain for each of 32 rings.
    """
    x = torch.from_numpy(np.array(datasets.load(evidence.data, "test", size=64, n=100).images) / 255)
    blurred = blur.circular_convolve(x, blur.gaussian_kernel(11, 2.0, dtype=x.dtype))
    made = []
    for rings, of in ((1, "one band"), (32, "32 bands")):
        pairs = ((x, blurred), (blurred, x))
        kept, restored = (blur.match_high_energy(*pair, LOW, rings).clamp(0, 1) for pair in pairs)
        for name, metric, digits in (("PSNR", metrics.psnr, 2), ("SSIM", metrics.ssim, 3)):
            gap = (metric(x, kept) - metric(x, restored)).mean().item()
            what = f"{name}, {of}, {len(x)} patches: sharp with the blur's energy, minus the reverse"
            made.append(Comparison(what, "over 0", (gap,), digits=digits, exact=True))
    return made
