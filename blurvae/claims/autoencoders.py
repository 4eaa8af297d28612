"""Rules of the chapter on regularised autoencoders: densities fitted ex post, ranks of a family, trends, and noise."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.functional import hessian, jacobian

from blurvae import experiments
from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import recorded

NEAR = 10.0  # %, by which a distance may be larger and still be called as good
NOISE, PAIRS, EXACT = 1e-3, 100_000, 5.0  # variance, draws with their opposites, % of the gain that must be explained


def ex_post(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """For each model samples of the mixture minus those of column N: metrics are named "… (GMM samples)"."""
    values, made = records.values(evidence, folder), []
    for metric in evidence.metrics:
        sign = 1 if recorded.HIGHER_IS_BETTER[metric] else -1
        for name in (evidence.method, *evidence.rivals):
            own, other = (values.get(m, {}).get(name, {}) for m in (metric, metric.replace("GMM samples", "N")))
            gaps = records.gaps(own, other)
            what = f"{metric} of {recorded.label(evidence.experiment, name)}"
            made.append(Comparison(what, "minus (N)", gaps, sign, digits=recorded.DIGITS[metric]))
    return made


def best_of_family(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The best of the methods whose names begin as the evidence's does, minus the best of the rivals, seed by seed."""
    values, made = records.values(evidence, folder), []
    family = [m.name for m in experiments.get(evidence.experiment).METHODS if m.name.startswith(evidence.method)]
    for metric in evidence.metrics:
        higher, found = recorded.HIGHER_IS_BETTER[metric], values.get(metric, {})
        best = max if higher else min
        names = (*family, *evidence.rivals)
        seeds = set.intersection(*({*found.get(name, {})} for name in names))
        gaps = tuple(
            best(found[name][s] for name in family) - best(found[name][s] for name in evidence.rivals)
            for s in sorted(seeds)
        )
        against = "best of " + ", ".join(recorded.label(evidence.experiment, name) for name in evidence.rivals)
        what = f"{metric}, best of {len(family)} {recorded.label(evidence.experiment, evidence.method)}"
        made.append(Comparison(what, against, gaps, 1 if higher else -1, digits=recorded.DIGITS[metric]))
    return made


def as_good(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether the method's distances are at most a tenth larger than each rival's."""
    values, made = records.values(evidence, folder), []
    for metric in evidence.metrics:
        for rival in evidence.rivals:
            own, other = (values.get(metric, {}).get(name, {}) for name in (evidence.method, rival))
            label = recorded.label(evidence.experiment, rival)
            what = f"{metric} above that of {label}, %"
            made.append(Comparison(what, f"under {NEAR:g}", records.excess(own, other), -1, NEAR))
    return made


def trend(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Whether metrics rise, or fall where they are in `worse`, along the experiment's rows: Spearman's correlation."""
    from scipy.stats import spearmanr

    values, made = records.values(evidence, folder), []
    rows = [m.name for m in experiments.get(evidence.experiment).METHODS]
    for metric in (*evidence.metrics, *evidence.worse):
        found = values.get(metric, {})
        seeds = set.intersection(*({*found.get(name, {})} for name in rows))
        ranks = tuple(float(spearmanr(range(len(rows)), [found[n][s] for n in rows]).statistic) for s in sorted(seeds))
        sign, side = (1, "above 0") if metric in evidence.metrics else (-1, "below 0")
        made.append(Comparison(f"rank correlation of {metric} with the row", side, ranks, sign, digits=2))
    return made


def noise_as_penalty(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """What noise at the input of a small decoder adds to its squared error, against Jacobian penalty and curvature."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    a, b, z, far = normal(8, 3), normal(6, 8) / 3, normal(3), normal(6).tanh()

    def decoder(one: Tensor) -> Tensor:
        return (one @ a.T).tanh() @ b.T

    slope = jacobian(decoder, z).square().sum().item()
    bends = [hessian(lambda one, k=k: decoder(one)[k], z).trace() for k in range(len(far))]
    step = math.sqrt(NOISE) * normal(PAIRS, 3)
    noisy = torch.cat([decoder(z + way) for way in (step, -step)])
    made = []
    for fit, x in (("does not fit", far), ("fits to a hundredth", torch.lerp(decoder(z), far, 0.01))):
        error = x - decoder(z)
        gain = ((x - noisy).square().sum(1).mean() - error.square().sum()).item() / NOISE
        bend = (error @ torch.stack(bends)).item()
        for what, explained in (("penalty and curvature leave", slope - bend), ("the penalty alone leaves", slope)):
            text = f"gain of the squared error by noise that {what} open where the decoder {fit}, %"
            off = 100 * abs(explained / gain - 1)
            made.append(Comparison(text, f"under {EXACT:g}", (off,), -1, EXACT, 1, True))
    return made
