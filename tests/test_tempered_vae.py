"""The VAE whose targets are blurred at first: what it is compared with, what its encoder sees, and its end."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from blurvae import experiments, losses
from blurvae.blur import circular_convolve, gaussian_kernel
from blurvae.models import kl_divergence
from blurvae.record import execute, read
from blurvae.systems import BlurVAE, TemperedVAE
from blurvae.systems.gan import LAMBDA
from blurvae.train import Scene
from blurvae.train.schedules import When

SMALL = {"widths": (4, 6), "latent": 3, "hidden": 8}


def scene(weight: float) -> Scene:
    """Images whose border is one grey value, wide enough for the blur."""
    generator = torch.Generator().manual_seed(0)
    x = torch.full((4, 3, 32, 32), 0.2, dtype=torch.float64)
    x[..., 10:22, 10:22] = torch.rand(4, 3, 12, 12, generator=generator, dtype=torch.float64) * 2 - 1
    noise = {"n": torch.randn(4, 3, generator=generator, dtype=torch.float64)}
    return Scene(x, noise, {LAMBDA: torch.tensor(weight, dtype=torch.float64)}, nullcontext)


def players(system: BlurVAE):
    torch.manual_seed(0)
    made = system.players((3, 32, 32))
    for network in filter(None, made):
        network.double()
    return made


def move(system: BlurVAE, at: Scene):
    (one,) = system.moves("train")
    return one.play(players(system), at)


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_the_loss_is_that_of_the_blurred_image_for_a_code_of_the_sharp_one(weight):
    system, at = TemperedVAE(sigma=1.5, beta=0.7, **SMALL), scene(weight)
    turn = move(system, at)
    blurred = circular_convolve(at.x, gaussian_kernel(11, weight * 1.5**2, dtype=torch.float64))
    mu, log_var = players(system).vae.encode(at.x)
    error = 0.5 * (blurred - turn.seen.x_hat).square().flatten(1).sum(1)
    assert turn.losses["vae"].item() == pytest.approx(
        (error + 0.7 * kl_divergence(mu, log_var)).mean().item(), rel=1e-9
    )
    assert turn.parts[LAMBDA] == weight
    assert (turn.losses["vae"] - move(BlurVAE(beta=0.7, **SMALL), at).losses["vae"]).abs() > 0.1


@pytest.mark.parametrize("term", [losses.L2(), losses.Wiener(kernel_size=3)])
def test_when_the_lens_is_clear_the_step_is_that_of_the_plain_vae_bit_for_bit(term):
    tempered, plain = (kind(term, warm_up=0, **SMALL) for kind in (TemperedVAE, BlurVAE))
    for phase in {tempered.phase(0), tempered.phase(9)}:
        turns = [system.moves(phase)[0].play(players(system), scene(0.0)) for system in (tempered, plain)]
        assert turns[0].losses.keys() == turns[1].losses.keys()
        for name, loss in turns[1].losses.items():
            assert torch.equal(turns[0].losses[name], loss)


def test_the_lens_fades_to_nothing_at_k():
    fades = TemperedVAE(anneal=40).schedules()[LAMBDA]
    values = [fades(When(step, 0, [])) for step in range(60)]
    assert values[0] == 1 and values[40:] == [0.0] * 20 and values[10] == pytest.approx(1 - math.sin(math.pi / 8))
    assert all(a > b for a, b in pairwise(values[:41]))


def test_bad_fields_are_refused():
    for field, value in (("sigma", 0.0), ("anneal", 0), ("warm_up", -1)):
        with pytest.raises(ValueError, match=field):
            TemperedVAE(**{field: value})


def test_the_lesson_pairs_with_the_runs_of_table_5():
    module = experiments.get("tempered/targets")
    made = module.runs("lesson", "natural", (0, 1))
    assert [(run.experiment, run.method) for run in made] == (
        [("bredell/table5", "l2")] * 2 + [("tempered/targets", "l2-blur")] * 2
    )
    plain, tempered = made[1], made[3]
    assert {**vars(tempered.system)}.items() >= {**vars(plain.system)}.items()
    assert tempered.budget == plain.budget and tempered.n_train == plain.n_train
    steps = plain.n_train // plain.budget.batch_size * plain.budget.epochs
    assert tempered.system.anneal == round(0.4 * steps)


def test_a_run_is_recorded_and_measured_against_the_sharp_images(tmp_path):
    (run,) = (r for r in experiments.get("tempered/targets").runs("smoke", "natural", (0,)) if r.method == "l2-blur")
    result = execute(run, out=tmp_path, device="cpu")
    assert result.run == run and read(run.path(tmp_path)).run == run
    assert [epoch[LAMBDA] for epoch in result.record["history"]][-1] == 0
    plain = execute(replace(run, system=replace(run.system, sigma=1e-3)), device="cpu")  # a blur of nothing
    found, other = (one.record["metrics"] for one in (result, plain))
    assert found["PSNR"]["mean"] != other["PSNR"]["mean"] and found["FD-squeeze (data)"] == other["FD-squeeze (data)"]
