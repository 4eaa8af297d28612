"""Rules of the chapter on video super-resolution: what frames before are worth, over time, in blur and in cost."""

from __future__ import annotations

import statistics
from itertools import pairwise
from pathlib import Path

import numpy as np

from blurvae.claims import records
from blurvae.claims.model import Comparison, Evidence
from blurvae.experiments import recorded
from blurvae.experiments.frvsr import blur, motion, theory

PSNR = "PSNR (video)"
SEEN = (4, 12, 24)  # frames before, between which PSNR rises, rises still, and rises no more
LEVEL, SHOWN = 0.1, 0.01  # dB: what a rise must exceed to be one, and what a table shows
BEFORE_THE_END = (10, 20, 39)  # frames after the first at which a true first one may still help
CLAIMED = 50  # frames for more than which it is claimed to
SOON, MUCH_LATER = 10, 30  # frames after a later start: the gap that it leaves has begun to close, and is not closed
FEW, MANY = 3, 10  # frames of the linear model beside one
NONE, LEAST = -12.0, 1e-30  # log10 of a slope, relative to that of the last flow, that is rounding; what 0 is taken for
NETWORKS = 5  # untrained ones


def over_frames(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """PSNR less that of bicubic enlargement on long clips, from the first frame to the fifth, the 13th and the 25th.

    Frames differ in difficulty, and bicubic enlargement knows nothing of those before.
    """
    plain = theory.bicubic_by_frame(evidence.data)
    gains = [curve - plain for curve in _curves(evidence, "psnr_by_frame_long", folder)]
    few, some, many = SEEN
    what = "gain over bicubic, dB: after {} frames minus after {}"

    def rises(later: int, sooner: int) -> tuple[float, ...]:
        return tuple(float(gain[later] - gain[sooner]) for gain in gains)

    first = rises(few, 0)
    silent = "never rose" if first and statistics.fmean(first) <= 0 else ""  # a level curve settles at nothing
    near, level = f"within ±{LEVEL:g}", rises(many, some)
    return [
        Comparison(what.format(few, 0), "0", first, digits=2),
        Comparison(what.format(some, few), "0", rises(some, few), digits=2),
        Comparison(what.format(many, some), near, level, digits=2, near=LEVEL, silent=silent),
    ]


def true_frame(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """What a true first frame adds to PSNR later; a gain at the end of forty frames says nothing of more than fifty.

    Runs that were followed over sixty frames are asked at their end, too.
    """
    gaps = _gaps(evidence, "psnr_by_frame_longer_injected", "psnr_by_frame_longer", folder)
    gaps = gaps or _gaps(evidence, "psnr_by_frame_long_injected", "psnr_by_frame_long", folder)
    last = len(gaps[0]) - 1 if gaps else 0
    made = []
    for later in BEFORE_THE_END + ((last,) if last > CLAIMED else ()):
        values = tuple(float(gap[later]) for gap in gaps)
        silent = "so far" if later <= CLAIMED and values and statistics.fmean(values) > SHOWN else ""
        what = f"PSNR {later} frames after a true one, less without, dB"
        made.append(Comparison(what, f"over {SHOWN:g}", values, limit=SHOWN, digits=3, silent=silent))
    return made


def later_start(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """What the frames before a later start were worth: in its first frame, and how slowly that is made up for."""
    gaps = _gaps(evidence, "psnr_by_frame_longer", "psnr_by_frame_longer_later", folder)
    first, soon, late = (tuple(float(gap[theory.START - 1 + k]) for gap in gaps) for k in (0, SOON, MUCH_LATER))
    what = f"PSNR with all frames less that with a start at frame {theory.START}, dB: "
    closed = tuple(a - b for a, b in zip(first, soon))
    return [
        Comparison(f"{what}in that frame", f"over {LEVEL:g}", first, limit=LEVEL, digits=2),
        Comparison(f"{what}that less {SOON} frames later", "0", closed, digits=2),
        Comparison(f"{what}{MUCH_LATER} frames later", f"over {SHOWN:g}", late, limit=SHOWN, digits=3),
    ]


def clip_length(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """What each length of the clips in training gains over the next shorter one, and the shorter step over the longer.

    The method has the longest clips, rivals shorter and shorter ones.
    """
    values = records.values(evidence, folder).get(PSNR, {})
    lengths = [values.get(name, {}) for name in (evidence.method, *evidence.rivals)]
    labels = [recorded.label(evidence.experiment, name) for name in evidence.rivals]
    gained = [records.gaps(longer, shorter) for longer, shorter in pairwise(lengths)]
    made = [Comparison(PSNR, label, values, digits=2) for label, values in zip(labels, gained)]
    seeds = set.intersection(*(set(of) for of in lengths))
    steps = [[longer[seed] - shorter[seed] for seed in sorted(seeds)] for longer, shorter in pairwise(lengths)]
    for longer, shorter in pairwise(steps):
        less = tuple(b - a for a, b in zip(longer, shorter))
        made.append(Comparison("the gain of the step before, dB", "that of the next", less, digits=2))
    return made


def best_blur(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The σ at which the linear estimate from several frames errs least, minus that from one frame."""
    one = theory.best_blur(1)
    return [
        Comparison(f"best σ, px: {frames} frames minus one", "0", (theory.best_blur(frames) - one,), -1, 0, 2, True)
        for frames in (FEW, MANY)
    ]


def blur_of_networks(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """The σ of a method's highest video PSNR, minus a rival's, seed by seed; silent where one lies at an end."""
    values = records.values(evidence, folder).get(PSNR, {})

    def best(method: str) -> dict[int, float]:
        """By seed, of the seeds that have all σ."""
        rows = {sigma: values.get(name, {}) for sigma, name in blur.over_sigma(method).items()}
        seeds = set.intersection(*(set(row) for row in rows.values()))
        return {seed: _highest({sigma: row[seed] for sigma, row in rows.items()}) for seed in seeds}

    own, made = best(evidence.method), []
    for rival in evidence.rivals:
        other, ends = best(rival), {min(blur.SIGMAS), max(blur.SIGMAS)}
        silent = "a best σ is the least or the largest tried" if ends & {*own.values(), *other.values()} else ""
        gaps, against = records.gaps(own, other), f"that of {motion.SHARED[rival]}"
        made.append(Comparison("best σ of the networks, px", against, gaps, -1, digits=2, silent=silent))
    return made


def _highest(curve: dict[float, float]) -> float:
    """Where the parabola through the highest of a curve's points and its neighbours is highest, or an end point."""
    at, of = (np.array(numbers) for numbers in zip(*sorted(curve.items())))
    i = int(of.argmax())
    if i in (0, len(of) - 1):
        return float(at[i])
    a, b, _ = np.polyfit(at[i - 1 : i + 2], of[i - 1 : i + 2], 2)
    return float(-b / (2 * a))


def cost_of_a_frame(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Multiplications of FRVSR less those of VSR, in % of the latter, for the networks of the text."""
    own, rival = (theory.gigaproducts(method) for method in ("frvsr", "vsr"))
    return [
        Comparison(
            f"multiplications a frame, {name}, %",
            "those of VSR",
            (100 * (own[name] / rival[name] - 1),),
            -1,
            0,
            1,
            True,
        )
        for name in own
    ]


def through_time(evidence: Evidence, folder: Path | None) -> list[Comparison]:
    """Slopes of the last of ten frames' error in the flows before it, of untrained networks."""
    found = [np.array(theory.slopes(seed)) for seed in range(NETWORKS)]
    found = [np.log10(np.maximum(slopes / slopes[-1], LEAST)) for slopes in found]
    what = "log10 of the last frame's slope in {}, over that in its own flow"
    return [
        Comparison(what.format(flow), f"over {NONE:g}", values, limit=NONE, digits=1)
        for flow, values in {
            "the least of the other nine flows": tuple(float(slopes[1:].min()) for slopes in found),
            "the first frame's flow": tuple(float(slopes[0]) for slopes in found),
        }.items()
    ]


def _gaps(evidence: Evidence, one: str, other: str, folder: Path | None) -> list[np.ndarray]:
    """One curve of PSNR by frame less another, seed by seed; NaN where either has no finite value."""
    both = zip(_curves(evidence, one, folder), _curves(evidence, other, folder))
    return [np.where(np.isfinite(a) & np.isfinite(b), a, np.nan) - b for a, b in both]


def _curves(evidence: Evidence, key: str, folder: Path | None) -> list[np.ndarray]:
    """PSNR by frame of the method's runs, seed by seed."""
    found = sorted(records.runs(evidence, folder), key=lambda result: result.run.seed)
    return [result.pictures[key].astype(float) for result in found if key in result.pictures]
