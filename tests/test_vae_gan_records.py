"""What is said of recorded VAE-GANs: how often they fail, what a shift is to them, and the panel of health of games."""

from __future__ import annotations

import math
from dataclasses import replace
from math import comb
from pathlib import Path

import made_up
import matplotlib
import numpy as np
import pytest
import torch
from toys import CASES

matplotlib.use("Agg")

from blurvae import claims, datasets, experiments, metrics
from blurvae.evaluation import real
from blurvae.experiments import intervals
from blurvae.experiments.failures import failure_rates, interval, mcnemar, paired_failures
from blurvae.pages.figures import failures, health, over_seeds
from blurvae.pages.figures.health import PLAYERS
from blurvae.record import execute, read
from blurvae.record.files import write
from blurvae.systems import GAN, VAEGAN, EnhanceNet

NAME = "sharpness/vae_gan"


def tail(runs: int, counts: range, p: float) -> float:
    return sum(comb(runs, k) * p**k * (1 - p) ** (runs - k) for k in counts)


@pytest.mark.parametrize(("failed", "runs"), [(0, 20), (3, 20), (20, 20), (1, 1), (7, 9)])
def test_an_exact_interval_leaves_two_and_a_half_per_cent_on_either_side(failed: int, runs: int) -> None:
    low, high = interval(failed, runs)
    if failed == 0:
        assert low == 0
    else:
        assert tail(runs, range(failed, runs + 1), low) == pytest.approx(0.025, rel=1e-6)
    if failed == runs:
        assert high == 1
    else:
        assert tail(runs, range(failed + 1), high) == pytest.approx(0.025, rel=1e-6)
    assert low <= failed / runs <= high


def test_a_rate_of_nothing_is_refused() -> None:
    for failed, runs in ((0, 0), (3, 2), (-1, 4)):
        with pytest.raises(ValueError, match=f"not {failed} of {runs}"):
            interval(failed, runs)


def record(out: Path, method: str, seed: int, values: dict[str, float], history: list[dict[str, float]] = []) -> None:  # noqa: B006
    (run,) = (r for r in experiments.get(NAME).runs("lesson", "mnist", (seed,)) if r.method == method)
    made_up.write(out, run, {name: {"value": value} for name, value in values.items()}, history)


def test_failures_are_counted_method_by_method(tmp_path: Path) -> None:
    for seed in range(4):
        record(tmp_path, "released", seed, {"failed": float(seed == 2)})
    (lost,) = (r for r in experiments.get(NAME).runs("lesson", "mnist", (4,)) if r.method == "released")
    made_up.write_diverged(tmp_path, lost)
    record(tmp_path, "vae-gan", 0, {"failed": 0.0})
    record(tmp_path, "vae-gan", 1, {"PSNR": 10.0})  # its network was not there: not counted
    found = failure_rates(NAME, "lesson", "mnist", tmp_path)
    assert found.method.tolist() == ["VAE-GAN", "released VAE-GAN"]
    assert found.runs.tolist() == [1, 5] and found.failed.tolist() == [0, 2] and found.rate.tolist() == [0, 0.4]
    assert (found.low[1], found.high[1]) == interval(2, 5)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (3, 4), (1, 9), (10, 10)])
def test_the_p_value_of_paired_failures_is_a_coin_s(first: int, second: int) -> None:
    """Both tails of a fair coin, up to what was seen."""
    n, few = first + second, min(first, second)
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail(n, range(few + 1), 0.5)))
    assert mcnemar(first, second) == mcnemar(second, first)


def test_two_methods_are_compared_seed_by_seed(tmp_path: Path) -> None:
    """Seeds that only one of them has are left out; one that diverged has failed and has no distance."""
    distance = "FD-squeeze (samples)"
    for seed, (one, other) in enumerate([(1, 1), (0, 1), (0, 1), (0, 0)]):
        record(tmp_path, "sharpness", seed, {"failed": one, distance: 10.0 * (seed + 1)})
        record(tmp_path, "vae-gan", seed, {"failed": other, distance: 20.0 * (seed + 1) * (1 + (seed == 3))})
    (lost,) = (r for r in experiments.get(NAME).runs("lesson", "mnist", (4,)) if r.method == "sharpness")
    made_up.write_diverged(tmp_path, lost)
    record(tmp_path, "vae-gan", 4, {"failed": 0.0, distance: 5.0})
    record(tmp_path, "vae-gan", 5, {"failed": 1.0, distance: 5.0})
    pairs = (("sharpness", "vae-gan"), ("released-sharpness", "released"))
    (row,) = paired_failures(NAME, "lesson", "mnist", pairs, tmp_path).itertuples()
    assert (row.method, row.rival) == ("VAE-GAN + sharpness", "VAE-GAN")
    assert (row.seeds, row.both, row.only_method, row.only_rival, row.smaller) == (5, 1, 1, 2, 4)
    assert row.p == mcnemar(1, 2)
    assert (row.ratio, row.low, row.high) == pytest.approx(intervals.geometric([1 / 2, 1 / 2, 1 / 2, 1 / 4]))


@pytest.mark.parametrize(
    ("features", "wins", "verdict"),
    [(0.02, 6, "holds"), (0.2, 4, "depends on the rival"), (0.9, 0, "does not hold")],
)
def test_what_is_invariant_and_what_is_not(features: float, wins: int, verdict: str, tmp_path: Path) -> None:
    """At 0.2 a shift is less than to pixels and to the term, but not nearly nothing; at 0.9 it is more."""
    for seed in range(3):
        values = {f"shift {k} px (features)": features + 0.001 * seed for k in (1, 2)}
        values |= {f"shift {k} px ({of})": 0.3 for k in (1, 2) for of in ("pixels", "sharpness")}
        record(tmp_path, "vae-gan", seed, values)
    s5 = next(claim for claim in claims.load() if claim.name == "S5")
    here = replace(s5, evidence=tuple(e for e in s5.evidence if (e.tier, e.data) == ("lesson", "mnist")))
    (finding,) = claims.findings(here, tmp_path)
    calls = [j.call for j in finding.judged]
    assert (finding.verdict, len(calls), calls.count("for")) == (verdict, 6, wins)


def test_the_panel_shows_every_seed(tmp_path: Path) -> None:
    """The line is the median, the pale band goes from the lowest to the highest seed, the dark one holds half."""
    for seed, share in enumerate((0.2, 0.5, 0.9)):
        epochs = [
            {"epoch": e, "accuracy_real": share, "accuracy_fake": 1 - share, "on_real": -math.log(share)}
            | {"on_reconstruction": 0.0, "gradient_encoder": 10.0**seed}
            for e in (1, 2)
        ]
        record(tmp_path, "released", seed, {"failed": 0.0}, epochs)
    figure = health(NAME, "lesson", "mnist", tmp_path)
    left, middle, right = figure.axes
    real, fake = left.lines
    assert real.get_ydata().tolist() == [0.5, 0.5] and fake.get_ydata().tolist() == [0.5, 0.5]
    assert right.lines[0].get_ydata().tolist() == [10, 10] and right.get_title() == "gradients, 3 seeds"
    assert [line.get_ydata()[0] for line in middle.lines] == pytest.approx([0.5, 1.0])
    pale, dark = (band.get_paths()[0].vertices[:, 1] for band in left.collections[:2])
    assert (pale.min(), pale.max()) == (0.2, 0.9)
    assert (dark.min(), dark.max()) == (0.35, pytest.approx(0.7))
    with pytest.raises(ValueError, match="recorded"):
        health(NAME, "lesson", "natural", tmp_path)


def test_the_panel_leaves_out_what_a_method_does_not_have(tmp_path: Path) -> None:
    """A learned lens is a third player of one game; another has no cross-entropies; E has no discriminator at all."""
    judged = {"epoch": 1, "accuracy_real": 0.75, "accuracy_fake": 0.5}
    judged |= {"gradient_discriminator": 2.0, "gradient_generator": 3.0}
    given = {
        "gan-none": judged | {"on_real": math.log(2), "on_sample": math.log(4)},
        "gan-learned": judged | {"on_real": math.log(2), "on_sample": math.log(4), "gradient_lens": 0.5},
        "lsgan-none": judged | {"real_loss": 0.25},
    }
    runs = experiments.get("tempered/points").runs("lesson", "ring", (0,))
    for run in (r for r in runs if r.method in given):
        made_up.write(tmp_path, run, {}, [given[run.method]])
    panels = health("tempered/points", "lesson", "ring", tmp_path).axes
    labels = [[line.get_label() for line in ax.lines] for ax in panels]
    accuracies, players = ["D on data", "D on fakes"], ["generator", "discriminator"]
    assert labels[:3] == [accuracies, accuracies, players]
    assert labels[3:6] == [accuracies, accuracies, ["lens", *players]]
    assert labels[6:] == [accuracies, [], players]
    assert [text.get_text() for text in panels[7].texts] == ["no cross-entropy\nin this game"]
    assert [line.get_ydata()[0] for line in panels[4].lines] == pytest.approx([0.5, 0.25])
    assert len(health("tempered/points", "lesson", "ring", tmp_path, only=("lsgan-none",)).axes) == 2

    for run in experiments.get("enhancenet/table3").runs("lesson", "natural", (0,)):
        made_up.write(tmp_path, run, {}, [judged if "a" in run.method else {"epoch": 1, "gradient_generator": 1.0}])
    titles = [ax.get_title() for ax in health("enhancenet/table3", "lesson", "natural", tmp_path).axes]
    assert titles[::2] == ["ENet-EA", "ENet-PA", "ENet-EAT", "ENet-PAT"]
    with pytest.raises(ValueError, match="ENet-E, ENet-P have no discriminator"):
        health("enhancenet/table3", "lesson", "natural", tmp_path, only=("e", "p"))


def test_every_player_of_a_game_has_its_look() -> None:
    games = [system for system, _ in CASES.values() if "discriminator" in system.optimisers()]
    assert {type(system) for system in games} >= {GAN, VAEGAN, EnhanceNet}
    assert {player for system in games for player in system.optimisers()} == {*PLAYERS}


def test_rates_are_drawn_with_their_intervals(tmp_path: Path) -> None:
    for seed in range(4):
        record(tmp_path, "released", seed, {"failed": float(seed == 2)})
    figure = failures(NAME, "lesson", ("mnist", "natural"), tmp_path)
    (ax,) = figure.axes  # nothing is recorded of the other
    line, point = ax.lines
    assert tuple(line.get_xdata()) == interval(1, 4) and point.get_xdata()[0] == 0.25
    assert ax.get_title() == "mnist, 4 seeds" and point.get_ydata()[0] == 3  # of the table's rows
    with pytest.raises(ValueError, match="is recorded"):
        failures(NAME, "lesson", ("natural",), tmp_path)


def test_samples_of_every_seed_stand_side_by_side(tmp_path: Path) -> None:
    """The first record keeps all pictures and the second its samples alone; the third has none and is left out."""
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 1, 32, 32)).astype(np.uint8)
    for seed, options in enumerate(({}, {"images": False, "keep": ("sample",)}, {"images": False})):
        record(tmp_path, "released", seed, {"failed": float(seed == 1)})
        (run,) = (r for r in experiments.get(NAME).runs("lesson", "mnist", (seed,)) if r.method == "released")
        pictures = dict.fromkeys(("original", "sample", "reconstruction"), images[seed])  # the first is all runs'
        made = replace(read(run.path(tmp_path)), source=pictures)
        write(made, tmp_path, **options)
        kept = {"sample", "reconstruction"} if not options else {"sample"} if "keep" in options else set()
        assert {*np.load(run.path(tmp_path).with_suffix(".npz"))} == kept
    grid = over_seeds(NAME, "lesson", "mnist", "released", tmp_path, 2)
    assert grid.labels == ("seed 0", "seed 1, failed") and grid.columns == 2
    assert (grid.cells[1].pixels[:, :32, 0] == images[1, 0, 0]).all()
    with pytest.raises(ValueError, match="is recorded with its pictures"):
        over_seeds(NAME, "lesson", "mnist", "vae-gan", tmp_path)


def test_an_evaluation_measures_what_the_tables_show(tmp_path: Path) -> None:
    """Distances of the mean image and of the samples decide what has failed; each epoch knows its health."""
    (run,) = (r for r in experiments.get(NAME).runs("smoke", "natural", (0,)) if r.method == "released-sharpness")
    result = execute(run, out=tmp_path, device="cpu")
    found = result.record["metrics"]
    few = ("precision", "recall")  # of 32 images they are not measured
    assert {column for column in experiments.get(NAME).COLUMNS if not column.startswith(few)} <= {*found}
    train, test = (real(datasets.load("natural", split, size=32).head(n)) for split, n in (("train", 64), ("test", 32)))
    pair = [found[name] for name in ("FD-squeeze (samples)", "FD-squeeze (mean image)", "failed")]
    if "state" in pair[1]:
        assert found["failed"] == pair[1]
    else:
        grey = train.mean(0, keepdim=True).expand(5, -1, -1, -1)
        assert pair[1]["value"] == pytest.approx(metrics.frechet_distance(test, grey), rel=1e-6)
        assert pair[2]["value"] == float(pair[0]["value"] > pair[1]["value"])
    assert [
        {"accuracy_real", "accuracy_fake", "gradient_decoder"} <= epoch.keys() for epoch in result.record["history"]
    ]
    x = 2 * test - 1
    apart = (x - x.roll(1, 0)).square().sum((1, 2, 3)).mean()
    right = torch.cat([x[..., 1:], x[..., -1:]], -1), torch.cat([x[..., :1], x[..., :-1]], -1)
    down = torch.cat([x[..., 1:, :], x[..., -1:, :]], -2), torch.cat([x[..., :1, :], x[..., :-1, :]], -2)
    moved = torch.stack([(x - y).square().sum((1, 2, 3)).mean() for y in (*right, *down)]).mean()
    assert found["shift 1 px (pixels)"]["value"] == pytest.approx((moved / apart).item(), rel=1e-5)
    assert result.pictures["sample"].shape == (8, 3, 32, 32)
