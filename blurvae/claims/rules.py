"""The rules by name: each turns a piece of evidence into comparisons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from blurvae.claims.autoencoders import as_good, best_of_family, ex_post, noise_as_penalty, trend
from blurvae.claims.clips import (
    best_blur,
    blur_of_networks,
    clip_length,
    cost_of_a_frame,
    later_start,
    over_frames,
    through_time,
    true_frame,
)
from blurvae.claims.enlarged import near_bicubic, oscillates
from blurvae.claims.model import Claim, Comparison, Evidence
from blurvae.claims.observations import (
    blur_share,
    converges,
    determinant,
    error_share,
    kernel_differs,
    kernel_falls,
    phase_or_energy,
)
from blurvae.claims.posteriors import mean_and_draw
from blurvae.claims.precision import (
    equal_distance,
    modes_apart,
    rank_correlation,
    score_rises,
    side_of_models,
    stable_average,
    theorems,
    toys,
    which_side,
    within_a_class,
)
from blurvae.claims.scores import at_its_rate, at_the_best_beta, better, equal_rate, fitted_covariance, hardly_differs
from blurvae.claims.shifts import invariance
from blurvae.claims.tempered import clears, early_and_late, less_spread, no_gain, only_the_identity, sooner, stays
from blurvae.claims.verdict import Finding

RULES: dict[str, Callable[[Evidence, Path | None], list[Comparison]]] = {
    "better": better,
    "hardly differs": hardly_differs,
    "searched": at_the_best_beta,
    "kernel falls": kernel_falls,
    "kernel differs": kernel_differs,
    "error share": error_share,
    "blur share": blur_share,
    "determinant": determinant,
    "phase or energy": phase_or_energy,
    "converges": converges,
    "fitted covariance": fitted_covariance,
    "equal rate": equal_rate,
    "at its rate": at_its_rate,
    "theorems": theorems,
    "modes apart": modes_apart,
    "score rises": score_rises,
    "equal distance": equal_distance,
    "stable average": stable_average,
    "within a class": within_a_class,
    "rank correlation": rank_correlation,
    "which side": which_side,
    "side of models": side_of_models,
    "toys": toys,
    "ex post": ex_post,
    "best of a family": best_of_family,
    "as good": as_good,
    "trend": trend,
    "noise as penalty": noise_as_penalty,
    "invariance": invariance,
    "lens clears": clears,
    "lens stays": stays,
    "early and late": early_and_late,
    "sooner": sooner,
    "less spread": less_spread,
    "no gain": no_gain,
    "only the identity": only_the_identity,
    "mean and draw": mean_and_draw,
    "near bicubic": near_bicubic,
    "oscillates": oscillates,
    "over frames": over_frames,
    "later start": later_start,
    "true frame": true_frame,
    "best blur": best_blur,
    "blur of networks": blur_of_networks,
    "clip length": clip_length,
    "cost of a frame": cost_of_a_frame,
    "through time": through_time,
}


def findings(claim: Claim, folder: Path | None = None) -> tuple[Finding, ...]:
    """What each piece of a claim's evidence says.

    Args:
        claim: one of `load`.
        folder: of results; the checkout's data/results where None.
    """
    return tuple(Finding(e, tuple(RULES[e.rule](e, folder))) for e in claim.evidence)
