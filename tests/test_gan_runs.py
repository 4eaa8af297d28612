"""What is measured of a GAN: covered modes, the lens and the samples over time; and the experiments that record it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from toys import gan
from toys.running import copied, different, made, trained
from toys.samples import Pictures, smooth

from blurvae import datasets, experiments, metrics
from blurvae.datasets import ImageSet, to_float
from blurvae.datasets.points import CENTRES, SD
from blurvae.evaluation.gan import GANEvaluation, GANWatch, as_bytes, centres
from blurvae.evaluation.health import MODES, modes
from blurvae.experiments.tempered import points
from blurvae.pages.figures import adversaries
from blurvae.record import execute
from blurvae.systems import GAN
from blurvae.train import Budget, evaluating
from blurvae.train.stage import named

CPU = torch.device("cpu")


# --- metrics ---------------------------------------------------------------------------------------------------------


def mixture(name: str, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws and the centres that they are of."""
    rng, known = np.random.default_rng(seed), CENTRES[name]
    which = rng.integers(len(known), size=n)
    return torch.from_numpy(known[which] + SD * rng.standard_normal((n, 2))), torch.from_numpy(which)


@pytest.mark.parametrize("name", CENTRES)
def test_draws_from_the_mixture_cover_it_and_are_as_good_as_a_normal_is(name: str) -> None:
    known = torch.from_numpy(CENTRES[name])
    x, which = mixture(name, 40_000)
    found = metrics.coverage(x, known, SD)
    good = 1 - np.exp(-4.5)  # of a normal in the plane
    assert found.modes == len(known)
    assert found.good == pytest.approx(good, abs=5 * np.sqrt(good * (1 - good) / 40_000))
    for dropped in (1, 5):
        assert metrics.coverage(x[which >= dropped], known, SD).modes == len(known) - dropped
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert metrics.coverage(x[order], known.flip(0), SD) == found
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    assert metrics.coverage(x @ turn, known @ turn, SD).modes == found.modes
    half = metrics.coverage(torch.cat([x, x + 10]), known, SD)
    assert half == (found.modes, pytest.approx(found.good / 2))


def test_scattered_points_are_hardly_good() -> None:
    """By the areas of the discs: the least share that the experiment asks for is more than scattered points have."""
    x = torch.rand(200_000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for known in CENTRES.values():
        share = len(known) * np.pi * (3 * SD) ** 2 / 4
        assert metrics.coverage(x, torch.from_numpy(known), SD).good == pytest.approx(share, rel=0.05)
        assert share < 0.1


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(3, 3), r"\(3, 3\) and \(8, 2\)"),
        (torch.zeros(0, 2), "of one dimension"),
        (torch.full((3, 2), torch.nan), "NaN"),
    ],
)
def test_points_that_cannot_be_counted_are_refused(x: torch.Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        metrics.coverage(x, torch.from_numpy(CENTRES["ring"]), SD)


def test_expected_kinds_are_those_of_draws() -> None:
    rng = np.random.default_rng(0)
    drawn = [len(np.unique(rng.integers(50, size=80))) for _ in range(2000)]
    assert metrics.expected_kinds(50, 80) == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / 2000**0.5)
    assert metrics.expected_kinds(7, 1) == pytest.approx(1)


def bar() -> torch.Tensor:
    """A one."""
    image = torch.zeros(32, 32)
    image[6:26, 15:18] = 1
    return image


def frame() -> torch.Tensor:
    """A nought."""
    image = torch.zeros(32, 32)
    image[6:26, 10:22] = 1
    image[9:23, 13:19] = 0
    return image


def test_modes_of_color_mnist_are_triples_of_digits() -> None:
    """In whatever numbers, and in the order of the colours."""
    one, nought = bar(), frame()
    kinds = [torch.stack(kind) for kind in ((one, one, one), (one, nought, one), (nought, one, one))]
    few = torch.stack([kinds[0]] * 150 + [kinds[1]])
    assert modes(few, "color-mnist") == {MODES: {"value": 2, "n": 151}}
    assert modes(torch.cat([few, kinds[2][None]]), "color-mnist") == {MODES: {"value": 3, "n": 152}}


# --- the watch and the evaluation ------------------------------------------------------------------------------------


def points_set(n: int = 60) -> ImageSet:
    return datasets.load("ring", "test", n=n)


def watch(system: GAN, test: ImageSet, folder: Path | None = None, epochs: int = 3) -> GANWatch:
    return GANWatch(system, Budget(epochs=epochs, batch_size=4, seed=3), 6, test, CPU, folder)


def test_the_watch_measures_by_hand() -> None:
    """The lens against its definition, at the λ of the next step; modes and good of as many samples as test points."""
    system, test = gan(lens="noise", sigma=0.5, anneal=24), points_set()
    players = made((system, test))
    with evaluating(named(players).values()):
        found = watch(system, test)(2, players)
    assert set(found) == set(watch(system, test).names)
    x = to_float(test.tensor())
    draws = torch.Generator().manual_seed(4)
    torch.randn(60, system.latent, generator=draws)
    noise = torch.randn(x.shape, generator=draws)
    variance = (1 - np.sin(np.pi * 12 / 48)) * 0.25  # two epochs of six steps
    assert found["lens_residual"] == pytest.approx(
        (variance * noise.square().sum() / x.square().sum()).item(), rel=1e-5
    )
    z = torch.randn(60, system.latent, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        covered = metrics.coverage(players.generator.eval()(z).flatten(1), centres(test), SD)
    assert (found["modes"], found["good"]) == covered


def test_the_learned_lens_is_measured_as_it_is() -> None:
    system, test = gan(lens="learned", anneal=10), points_set()
    players = made((system, test))
    with evaluating(named(players).values()):
        found = watch(system, test)(1, players)
    x = to_float(test.tensor())
    with torch.no_grad():
        wanted = (players.lens(x) - x).square().sum() / x.square().sum()
    assert found["lens_residual"] == pytest.approx(wanted.item(), rel=1e-5) and wanted > 0
    assert "gradient_lens" in found and "gradient_lens" not in watch(gan(), test).names


def test_a_watched_training_is_the_same_training(tmp_path: Path) -> None:
    """Weights, buffers, moments and generators, bit for bit; and an interrupted one keeps the same pictures."""
    pictures = Pictures("images of 32 px", smooth(26, size=32))  # FD-squeeze takes no smaller ones than 17 px
    test = ImageSet("images", "test", pictures.images[:10], None, "", "", None, "0123")
    case = gan(lens="learned", anneal=12), pictures
    alone = trained(case, watch=None)
    whole = watch(case[0], test)
    assert not different(copied(alone), copied(trained(case, watch=whole)))
    how: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blurvae.train.loop.CHECKPOINT_SECONDS", -1.0)
        trained(case, stop=13, watch=watch(case[0], test, tmp_path), **how)
        again = watch(case[0], test, tmp_path)
        assert not different(copied(alone), copied(trained(case, watch=again, **how)))
    for name, array in whole.pictures().items():
        assert np.array_equal(array, again.pictures()[name])
    assert whole.pictures()["snapshot_lensed"].shape == (3, 8, 3, 32, 32)


@pytest.mark.parametrize(("epochs", "pictured"), [(1, [1]), (5, [1, 2, 3, 4, 5]), (36, [*range(3, 37, 3)])])
def test_pictures_are_of_moments_evenly_apart(epochs: int, pictured: list[int]) -> None:
    assert watch(gan(), points_set(), epochs=epochs).pictured == pictured


def test_coordinates_are_kept_within_half_a_level() -> None:
    x = torch.tensor([[-1.5, 1.5], [0.3, -0.7], [9.0, -9.0]])
    back = as_bytes(x) / 255 * 3 - 1.5
    assert np.abs(back - x.clamp(-1.5, 1.5).numpy()).max() <= 1.5 / 255 + 1e-6


class Perfect(torch.nn.Module):
    """A generator that draws from the mixture, but for some modes; codes are normal in the plane."""

    def __init__(self, known: torch.Tensor) -> None:
        super().__init__()
        self.known, self.scale = known, torch.nn.Parameter(torch.ones(()))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        which = (torch.arange(len(z)) * 7) % len(self.known)
        return (self.known[which] + self.scale * SD * z).float()[:, :, None, None]


@pytest.mark.parametrize(("name", "kept", "failed"), [("ring", 8, 0.0), ("ring", 3, 1.0), ("grid", 13, 0.0)])
def test_what_is_measured_of_points(name: str, kept: int, failed: float) -> None:
    test, train = datasets.load(name, "test", n=1000), datasets.load(name, "train", n=1000)
    system = gan(latent=2)
    players = made((system, test))._replace(generator=Perfect(torch.from_numpy(CENTRES[name])[:kept]))
    evaluation = GANEvaluation(system, Budget(epochs=1, batch_size=4), train, test, CPU)
    evaluation.check()
    with evaluating(named(players).values()):
        evaluation.watch(1, players)
    found = evaluation.measure(players)
    assert found.metrics[MODES] == {"value": kept} and found.metrics["failed"] == {"value": failed}
    assert found.metrics["good samples"]["value"] == pytest.approx(0.989, abs=0.02)
    recall = {of: found.metrics[f"recall-pixels ({of})"]["value"] for of in ("samples", "data")}
    precision = found.metrics["precision-pixels (samples)"]["value"]
    assert precision > 0.9 and recall["data"] > 0.9
    assert recall["samples"] > 0.9 if kept == len(CENTRES[name]) else recall["samples"] < 0.9
    assert found.pictures["original"].shape == found.pictures["sample"].shape == (512, 2, 1, 1)


def test_what_has_no_bound_or_no_modes_is_refused() -> None:
    test = points_set()
    with pytest.raises(ValueError, match="no bound on −log p"):
        GANEvaluation(gan(), Budget(1, 4), test, test, CPU, n_bound=4)
    other = replace(test, name="folder:mine")
    with pytest.raises(ValueError, match="No modes are known of 'folder:mine': give points of ring or grid"):
        GANEvaluation(gan(), Budget(1, 4), other, other, CPU).check()
    with pytest.raises(ValueError, match="raise batch_size"):
        GANEvaluation(gan(), Budget(1, 1), test, test, CPU)


# --- the experiments -------------------------------------------------------------------------------------------------


def test_k_is_the_same_share_of_the_steps_for_every_game() -> None:
    """Their numbers differ, since a critic's five plays take five batches of a step."""
    runs = {run.method: run for run in points.runs("lesson", "ring", (0,))}
    k = {name: run.system.anneal for name, run in runs.items()}
    assert k["gan-learned"] == k["lsgan-noise"] == 600 and k["wgan-gp-learned"] == 120
    assert (k["gan-learned-half"], k["gan-learned-double"]) == (300, 1200)
    names = ("gan-learned", "gan-learned-half", "gan-learned-double")
    assert len({replace(runs[name], method="", system=replace(runs[name].system, anneal=1)) for name in names}) == 1
    assert {run.data for run in points.runs("lesson", "grid", (0,))} == {"grid"}
    assert not [run for run in points.runs("lesson", "grid", (0,)) if run.method.endswith(("half", "double"))]
    with pytest.raises(ValueError, match="of ring and grid, not of 'mnist'"):
        points.runs("lesson", "mnist", (0,))


def test_a_lens_is_all_that_methods_of_one_game_differ_in() -> None:
    lens = {"lens": "none", "schedule": "annealed", "anneal": 1}
    for name, games in (("tempered/points", 3), ("tempered/color_mnist", 2)):
        module = experiments.get(name)
        assert len({replace(method.system, **lens) for method in module.METHODS}) == games


@pytest.mark.parametrize("method", ["gan-noise", "wgan-gp-learned"])
def test_a_run_on_points_records_what_the_chapters_show(method: str, tmp_path: Path) -> None:
    (run,) = (run for run in points.runs("smoke", "ring", (0,)) if run.method == method)
    result = execute(run, out=tmp_path, device="cpu")
    assert {*points.COLUMNS} <= {*result.record["metrics"]}
    for epoch in result.record["history"]:
        assert {"modes", "good", "lambda", "lens_residual", "accuracy_real", "gradient_generator"} <= epoch.keys()
    assert result.pictures["snapshot_epoch"].tolist() == [1, 2, 3]
    assert result.pictures["snapshot_sample"].shape == result.pictures["snapshot_lensed"].shape == (3, 128, 2, 1, 1)
    assert result.run == run and not run.unfinished(tmp_path).exists()
    kept = np.load(run.path(tmp_path).with_suffix(".npz"))
    assert kept["snapshot_sample"].dtype == np.uint8


def test_games_are_drawn_over_time(tmp_path: Path) -> None:
    """Moments show the kept points where they were; curves are medians over the recorded seeds."""
    runs = [run for run in points.runs("smoke", "ring", (0, 1)) if run.method == "lsgan-noise"]
    done = [execute(run, out=tmp_path, device="cpu", images=run.seed == 0) for run in runs]
    figure = adversaries.moments("tempered/points", "smoke", "ring", tmp_path, "lsgan-noise", places=(0, 1, 7, -1))
    assert [ax.get_title() for ax in figure.axes[:3]] == ["epoch 1", "epoch 2", "epoch 3"]
    drawn, kept = figure.axes[5].lines[0].get_xydata(), done[0].pictures["snapshot_sample"][2]
    assert np.allclose(drawn, 3.0 * kept[:, :, 0, 0] / 255 - 1.5)
    with pytest.raises(ValueError, match="with seed 1 is recorded with its pictures"):
        adversaries.moments("tempered/points", "smoke", "ring", tmp_path, "lsgan-noise", seed=1)
    figure = adversaries.over_training("tempered/points", "smoke", "ring", tmp_path, ("lsgan-noise",))
    wanted = [np.median([result.record["history"][e]["good"] for result in done]) for e in range(3)]
    assert figure.axes[2].lines[0].get_ydata().tolist() == pytest.approx(wanted)
    with pytest.raises(ValueError, match="recorded"):
        adversaries.over_training("tempered/points", "smoke", "grid", tmp_path)
    plt.close("all")


def test_a_run_on_images_records_what_the_tables_show(tmp_path: Path) -> None:
    runs = experiments.get("tempered/color_mnist").runs("smoke", "natural", (0,))
    (run,) = (run for run in runs if run.method == "dcgan-learned")
    result = execute(run, out=tmp_path, device="cpu")
    found = result.record["metrics"]
    few = ("precision", "recall", "modes")  # of 32 images, and of data without a classifier
    assert {c for c in experiments.get(run.experiment).COLUMNS if not c.startswith(few)} <= {*found}
    if "value" in found["FD-squeeze (samples)"]:
        distances = [found[f"FD-squeeze ({of})"]["value"] for of in ("samples", "mean image")]
        assert found["failed"] == {"value": float(distances[0] > distances[1])}
        assert all(epoch["fd"] > 0 for epoch in result.record["history"])
    assert result.pictures["snapshot_lensed"].shape == (2, 8, 3, 32, 32)
