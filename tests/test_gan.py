"""GANs and their lens: networks, the games' equations, who learns from what, and the chapter's errata."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import IMAGES, LARGER, gan
from toys.running import BUDGET, copied, different, made, moves, observe, scene, started, trained
from toys.samples import Pictures

from blurvae import blur
from blurvae.models import parameter_count
from blurvae.models.gan import Lens, make_discriminator, make_generator, unmoved
from blurvae.systems import GAN
from blurvae.systems.games import GAMES, slope_penalty
from blurvae.train.schedules import When

LENSES = [gan(lens="learned"), gan("lsgan", lens="learned"), gan("wgan-gp", lens="learned")]
every_game = pytest.mark.parametrize("system", LENSES, ids=lambda system: system.game)


def samples(system: GAN) -> Pictures:
    return LARGER if system.game == "gan" else IMAGES


def draws(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "count"), [(1, 592_065), (3, 594_371)])
def test_parameters_of_the_lens(channels: int, count: int) -> None:
    """As counted from the text with EnhanceNet's 64 filters."""
    assert parameter_count(Lens((channels, 32, 32))) == count


def test_networks_at_32_px_have_three_layers_of_4_by_4_kernels_each() -> None:
    generator, judge = make_generator((3, 32, 32), width=8, latent=5), make_discriminator((3, 32, 32), width=8)
    ups = [part for part in generator if isinstance(part, nn.ConvTranspose2d)]
    downs = [part for part in judge if isinstance(part, nn.Conv2d)]
    assert [(up.in_channels, up.out_channels) for up in ups] == [(32, 16), (16, 8), (8, 3)]
    assert [(down.in_channels, down.out_channels) for down in downs] == [(3, 8), (8, 16), (16, 32)]
    assert {part.kernel_size for part in (*ups, *downs)} == {(4, 4)}
    x = generator(draws(6, 5).float())
    assert x.shape == (6, 3, 32, 32) and x.abs().max() <= 1 and judge(x).shape == (6,)


def test_networks_of_points() -> None:
    shape = (2, 1, 1)
    x = make_generator(shape, width=8, latent=5)(draws(6, 5).float())
    assert x.shape == (6, *shape) and make_discriminator(shape, width=8)(x).shape == (6,)
    assert Lens(shape, filters=8)(x).shape == x.shape


@pytest.mark.parametrize(
    ("game", "of_generator", "of_discriminator"), [("gan", 3, 2), ("lsgan", 0, 0), ("wgan-gp", 3, 0)]
)
def test_batch_norm_is_where_the_game_has_it(game: Any, of_generator: int, of_discriminator: int) -> None:
    players = GAN(game, width=4).players((1, 32, 32))
    found = [sum(isinstance(part, nn.BatchNorm2d) for part in net.modules()) for net in players[:2]]
    assert found == [of_generator, of_discriminator]


def test_a_critic_judges_each_sample_alone() -> None:
    critic, x = GAN("wgan-gp", width=4).players((1, 32, 32)).discriminator, draws(4, 1, 32, 32).float()
    assert torch.allclose(critic(x)[:1], critic(x[:1]), atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 32, 16), (3, 4, 4), (3, 2, 2)])
def test_images_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    for make in (make_generator, make_discriminator):
        with pytest.raises(ValueError, match=f"not {shape[1]}×{shape[2]} px: give another size"):
            make(shape)


@pytest.mark.parametrize("shape", [(3, 9, 7), (2, 1, 1)])
def test_a_lens_that_starts_as_the_identity_is_exactly_that(shape: tuple[int, ...]) -> None:
    x = draws(5, *shape).float()
    assert torch.equal(Lens(shape, filters=4, blocks=2, identity=True)(x), x)
    assert not torch.equal(Lens(shape, filters=4, blocks=2)(x), x)


def test_weights_start_as_glorot_has_them() -> None:
    """Uniform with variance 2 / (in + out), which for a transposed layer is the same the other way round."""
    net = make_generator((3, 32, 32), width=64)
    for layer in (part for part in net if isinstance(part, nn.Linear | nn.ConvTranspose2d)):
        a, b = layer.weight.shape[:2]
        area = layer.weight[0, 0].numel()
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (area * (a + b))), rel=0.05)
        assert layer.bias is None or not layer.bias.any()


def test_batch_norms_that_are_unmoved_normalise_as_ever() -> None:
    net, z = make_generator((1, 8, 8), width=4, latent=3).train(), draws(6, 3).float()
    before = copy.deepcopy(net.state_dict())
    with unmoved(net):
        still = net(z)
    assert not different(before, net.state_dict())
    assert torch.equal(net(z), still) and different(before, net.state_dict())


# --- λ(t) and the lens made by hand ----------------------------------------------------------------------------------


def test_lambda_is_eq_4_4() -> None:
    """At t/K of the dissertation's figure; its mean over [0, K] is 1 − 2/π."""
    (value,) = gan(lens="learned", anneal=1200).schedules().values()
    at = [value(When(round(1200 * t), 0, [])) for t in (0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1, 3)]
    assert at == pytest.approx([1, 0.844, 0.617, 0.5, 0.293, 0.076, 0.012, 0, 0], abs=5e-4)
    assert sum(value(When(t, 0, [])) for t in range(1200)) / 1200 == pytest.approx(1 - 2 / math.pi, abs=1e-3)
    (half,) = gan(lens="blur", anneal=1200, strength=0.5).schedules().values()
    assert half(When(400, 0, [])) == pytest.approx(0.25)
    (constant,) = gan(lens="learned", schedule="constant").schedules().values()
    assert {constant(When(t, 0, [])) for t in (0, 10**6)} == {1.0}
    assert not gan().schedules()


@pytest.mark.parametrize("variance", [0.3, 1.0, 4.0])
def test_blur_is_convolution_with_a_sampled_gaussian(variance: float) -> None:
    x, size = draws(2, 3, 16, 14), blur.taps(2.0)
    kernel = blur.gaussian_kernel(size, variance, dtype=torch.float64)
    padded = nn.functional.pad(x, (size // 2,) * 4, mode="replicate")
    wanted = nn.functional.conv2d(padded, kernel.expand(3, 1, size, size), groups=3)
    assert torch.allclose(blur.diffused(x, torch.tensor(variance, dtype=x.dtype), size), wanted, atol=1e-12)


def test_blur_without_variance_changes_nothing_and_flat_images_stay_flat() -> None:
    x = draws(2, 3, 9, 9).float()
    assert torch.equal(blur.diffused(x, torch.tensor(0.0), 7), x)
    assert torch.equal(blur.scattered(x, torch.tensor(0.0), draws(2, 3, 9, 9, seed=1).float()), x)
    flat = torch.full((1, 1, 9, 9), 0.7, dtype=torch.float64)
    assert torch.allclose(blur.diffused(flat, torch.tensor(5.0), 7), flat)
    with pytest.raises(ValueError, match="odd number of taps"):
        blur.diffused(x, torch.tensor(1.0), 4)


def test_blurs_of_falling_variance_are_ever_nearer() -> None:
    """By the heat equation: less variance, less change; and each is a blur of the next."""
    x = draws(1, 1, 40, 40)
    changes = [
        (blur.diffused(x, torch.tensor(v, dtype=torch.float64), 25) - x).square().sum().item() for v in (0, 0.5, 1, 4)
    ]
    assert changes == sorted(changes) and changes[0] == 0
    twice = blur.diffused(blur.diffused(x, torch.tensor(2.0), 25), torch.tensor(3.0), 25)
    once = blur.diffused(x, torch.tensor(5.0), 25)
    inner = (..., slice(13, -13), slice(13, -13))
    assert (twice - once)[inner].abs().max() < 2e-3 * once.abs().max()


def test_noise_has_the_density_convolved() -> None:
    x, noise = torch.zeros(100_000, 2), draws(100_000, 2).float()
    assert blur.scattered(x, torch.tensor(0.04), noise).std(0).tolist() == pytest.approx([0.2, 0.2], rel=0.02)


# --- the games -------------------------------------------------------------------------------------------------------

PRINTED = {  # eqs. 4.5 to 4.14: generator, discriminator, lens; d of the data under the lens, g of samples
    "gan": (
        lambda g: -torch.log(g),
        lambda d, g: -torch.log(d) - torch.log(1 - g),
        lambda d: -torch.log(1 - d),
    ),
    "lsgan": (lambda g: (g - 1) ** 2, lambda d, g: g**2 + (d - 1) ** 2, lambda d: d**2),
    "wgan-gp": (lambda g: -g, lambda d, g: g - d, lambda d: d),
}


@pytest.mark.parametrize("name", GAMES)
def test_the_games_are_the_printed_equations(name: str) -> None:
    game, (a, b) = GAMES[name], draws(2, 50)
    d, g = (torch.sigmoid(a), torch.sigmoid(b)) if name == "gan" else (a, b)
    generator, discriminator, lens = PRINTED[name]
    assert torch.allclose(game.as_real(b), generator(g))
    assert torch.allclose(game.as_real(a) + game.as_fake(b), discriminator(d, g))
    assert torch.allclose(game.as_fake(a), lens(d))


@every_game
def test_losses_are_those_of_section_3(system: GAN) -> None:
    """Composed by hand of the networks' own values; the critic's with ten times its penalty."""
    players = made((system, samples(system)))
    for net in players:
        net.double()
    generator, discriminator, lens = players
    generates, judges, sees = PRINTED[system.game]
    to = torch.sigmoid if system.game == "gan" else (lambda v: v)
    scenes = [(move, scene((system, samples(system)), move, torch.float64)) for _, move in moves(system)]
    judge, generate, focus = ((move.play(players, at), at) for move, at in scenes)
    turn, at = judge
    real, fake = lens(at.x), generator(at.noise["z"])
    wanted = judges(to(discriminator(real)), to(discriminator(fake))).mean()
    if system.game == "wgan-gp":
        wanted = wanted + 10 * slope_penalty(discriminator, real, fake, at.noise["mix"]).mean()
    assert torch.allclose(turn.losses["discriminator"], wanted)
    turn, at = generate
    assert torch.allclose(turn.losses["generator"], generates(to(discriminator(generator(at.noise["z"])))).mean())
    turn, at = focus
    real = lens(at.x)
    change = sum((a - b).square().sum() for a, b in zip(at.x, real)) / len(real)
    assert torch.allclose(turn.losses["lens"], 0.5 * sees(to(discriminator(real))).mean() + change)


@pytest.mark.parametrize("lens", ["learned", "blur", "noise"])
@every_game
def test_slopes_of_all_losses_are_those_of_differences(system: GAN, lens: Any) -> None:
    """Of each move's loss by its own player's weights, along a random direction, in float64."""
    case = replace(system, lens=lens), samples(system)
    players = made(case)
    for net in filter(None, players):
        net.double()
    for _, move in moves(case[0]):
        at = scene(case, move, torch.float64)
        weights = [*getattr(players, move.name).parameters()]
        way = [draws(*w.shape, seed=i) for i, w in enumerate(weights)]

        def loss(by: float, move: Any = move, at: Any = at, weights: Any = weights, way: Any = way) -> Tensor:
            with torch.no_grad():
                for weight, part in zip(weights, way):
                    weight.add_(part, alpha=by)
            return move.play(players, at).losses[move.name]

        slopes = torch.autograd.grad(loss(0.0), weights)
        slope = sum((a * b).sum() for a, b in zip(slopes, way))
        step = 1e-6
        difference = (loss(step) - loss(-2 * step)) / (2 * step)
        loss(step)
        assert slope.item() == pytest.approx(difference.item(), rel=1e-5, abs=1e-6)


def test_the_mean_over_pixels_is_the_sum_over_their_number() -> None:
    def change(reduction: Any) -> float:
        system = gan("lsgan", lens="learned", reduction=reduction)
        *_, (_, move) = moves(system)
        return move.play(made((system, IMAGES)), scene((system, IMAGES), move)).parts["lens_change"].item()

    assert change("sum") == pytest.approx(3 * 8 * 8 * change("mean"), rel=1e-5)


def test_the_penalty_is_that_of_each_sample() -> None:
    """Against the gradient of one sample after another, over all of its pixels and channels."""
    critic = make_discriminator((3, 8, 8), width=4, batch_norm=False).double()
    real, fake, mix = draws(5, 3, 8, 8), draws(5, 3, 8, 8, seed=1), torch.rand(5, 1, 1, 1, dtype=torch.float64)
    wanted = []
    for x, y, m in zip(real, fake, mix):
        between = ((1 - m) * x + m * y)[None].requires_grad_()
        critic(between).sum().backward()
        wanted.append((between.grad.square().sum().sqrt() - 1) ** 2)
    assert torch.allclose(slope_penalty(critic, real, fake, mix), torch.stack(wanted))


def test_the_penalty_of_a_linear_critic_is_known() -> None:
    """D(x) = ⟨w, x⟩ has slope ‖w‖ everywhere; with ‖w‖ = 1 nothing is paid."""
    for length in (0.0, 1.0, 3.0):
        layer = nn.Linear(12, 1, bias=False).double()
        with torch.no_grad():
            layer.weight.mul_(length / layer.weight.norm())
        critic = nn.Sequential(nn.Flatten(), layer, nn.Flatten(0))
        paid = slope_penalty(critic, draws(4, 3, 2, 2), draws(4, 3, 2, 2, seed=1), draws(4, 1, 1, 1))
        assert torch.allclose(paid, torch.full((4,), (length - 1) ** 2, dtype=torch.float64))


def test_the_penalty_is_computed_outside_autocast() -> None:
    """Slopes of slopes in float32, while all other values of the critic are those of bf16."""
    system, dtypes = gan("wgan-gp", lens="learned"), []
    (_, judge), *_ = moves(system)
    players, at = made((system, IMAGES)), scene((system, IMAGES), judge)
    at = at._replace(autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    players.discriminator.register_forward_hook(lambda net, x, value: dtypes.append(value.dtype))
    turn = judge.play(players, at)
    assert dtypes == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert at.noise["mix"].shape == (len(at.x), 1, 1, 1), "one ε a sample"
    with at.autocast():
        real, fake = players.lens(at.x).float(), players.generator(at.noise["z"]).float()
    wanted = slope_penalty(players.discriminator, real, fake, at.noise["mix"]).mean()
    assert torch.allclose(turn.parts["penalty"], wanted, rtol=1e-6)


def test_a_sigmoid_is_all_that_the_option_of_least_squares_adds() -> None:
    """The open point TA-A1: D's values are those of the network, or σ of them."""
    plain, bent = gan("lsgan", lens="learned"), gan("lsgan", lens="learned", sigmoid=True)
    players = made((plain, IMAGES))
    for (_, move), (_, other) in zip(moves(plain), moves(bent)):
        at = scene((plain, IMAGES), move)
        with_sigmoid = other.play(players, at)
        players.discriminator.append(nn.Sigmoid())
        assert torch.equal(*(found.losses[move.name] for found in (move.play(players, at), with_sigmoid)))
        players.discriminator.pop(-1)
        assert not torch.equal(move.play(players, at).losses[move.name], with_sigmoid.losses[move.name])


def test_a_learned_lens_costs_more_than_the_others() -> None:
    """Its networks keep the full resolution: with the text's 64 filters it is most of the work."""
    costs = {lens: GAN(lens=lens).cost((3, 32, 32)) for lens in ("none", "blur", "learned")}
    assert costs["none"] == costs["blur"] == 32 * 32 * 16**2 and costs["learned"] > 100 * costs["none"]
    small, none = (GAN(lens=lens, filters=64, width=64).cost((2, 1, 1)) for lens in ("learned", "none"))
    assert small == 1.5 * none


def test_verdicts_are_above_0_for_real() -> None:
    """Of a critic, whose values have no zero, by the mean of its two means."""
    for game, values, verdicts in (
        ("gan", (2.0, -1.0), (2.0, -1.0)),
        ("lsgan", (1.0, 0.0), (0.5, -0.5)),
        ("wgan-gp", (7.0, 3.0), (2.0, -2.0)),
    ):
        real, fake = (torch.full((3,), v) for v in values)
        middle = gan(game).middle(real, fake)
        assert ((real - middle)[0], (fake - middle)[0]) == verdicts


# --- who learns from what --------------------------------------------------------------------------------------------


@every_game
def test_the_three_detachments(system: GAN) -> None:
    """D takes L(x) for a constant, G never sees L, and L learns through a D that stays as it is."""
    case = system, samples(system)
    training = started(case)
    seen: dict[str, set[str]] = {}

    def look(move: Any, before: Any) -> None:
        for name, net in training.stage.named.items():
            old = [*getattr(before, name).parameters()]
            if not all(torch.equal(a, b) for a, b in zip(old, net.parameters())):
                seen.setdefault(move.name, set()).add(name)

    observe(training, look)
    assert seen == {name: {name} for name in ("discriminator", "generator", "lens")}
    _, generate, focus = (move for _, move in moves(system))
    players = made(case)
    turn = generate.play(players, scene(case, generate))
    assert torch.autograd.grad(turn.losses["generator"], [*players.lens.parameters()], allow_unused=True) == (
        None,
    ) * len([*players.lens.parameters()])
    loss = focus.play(players, scene(case, focus)).losses["lens"]
    through = torch.autograd.grad(loss, [*players.discriminator.parameters()][:1], retain_graph=True)
    assert through[0].abs().max() > 0  # there is a way through D, and nobody's weights but L's go along it
    alone = torch.autograd.grad(loss, [*players.generator.parameters()], allow_unused=True)
    assert all(slope is None for slope in alone)


def test_the_generators_moments_move_in_its_own_move_alone() -> None:
    training = started((gan(), LARGER))
    moved = set()

    def look(move: Any, before: Any) -> None:
        for name, buffer in training.players.generator.named_buffers():
            if not torch.equal(buffer, before.generator.get_buffer(name)):
                moved.add(move.name)

    observe(training, look)
    assert moved == {"generator"}
    assert not [*training.players.discriminator.buffers()]


@pytest.mark.parametrize("game", GAMES)
def test_generator_and_discriminator_start_alike_with_and_without_a_lens(game: str) -> None:
    nets = [made((gan(game, lens=lens), IMAGES)) for lens in ("none", "learned", "blur", "noise")]
    for other in nets[1:]:
        for a, b in zip(nets[0][:2], other[:2]):
            assert not different(a.state_dict(), b.state_dict())


def same_game(a: GAN, b: GAN) -> bool:
    """Whether G and D of two trainings are the same bit for bit, with their moments and the random numbers."""
    ends = [copied(trained((system, samples(system)))) for system in (a, b)]
    own = [{key: value for key, value in end.items() if "lens" not in key} for end in ends]
    return not different(*own)


@every_game
def test_with_lambda_0_a_lens_is_the_plain_game(system: GAN) -> None:
    plain = replace(system, lens="none")
    off = replace(system, identity=True, schedule="constant", strength=0.0)
    assert same_game(off, plain)
    assert same_game(replace(system, lens="blur", schedule="constant", strength=0.0), plain)
    assert not same_game(replace(off, strength=1.0), plain)
    assert not same_game(replace(system, lens="blur", schedule="constant"), plain)


def test_a_lens_without_an_adversary_stays_the_identity() -> None:
    system = gan(lens="learned", identity=True, schedule="constant", strength=0.0)
    lens = trained((system, LARGER)).players.lens
    assert not any(weight.any() for weight in lens.layers[-1].parameters())


def test_players_move_in_the_order_of_the_algorithm() -> None:
    """A critic's five plays see five batches, the others the last of them."""
    system = GAN("wgan-gp", lens="learned", width=2, latent=2, filters=2, blocks=1)
    training = started((system, IMAGES), replace(BUDGET, epochs=1))
    seen: list[tuple[str, Tensor]] = []
    observe(training, lambda move, before: seen.append((move.name, training.stage.scenes[move.name].x)))
    assert [name for name, _ in seen] == ["discriminator"] * 5 + ["generator", "lens"]
    batches = [x for _, x in seen]
    assert len({x.numpy().tobytes() for x in batches[:5]}) == 5
    assert torch.equal(batches[4], batches[5]) and torch.equal(batches[4], batches[6])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"game": "wgan"}, "game is one of gan, lsgan, wgan-gp, not 'wgan'"),
        ({"lens": "learnt"}, "lens is one of none, learned, blur, noise"),
        ({"anneal": 0}, "anneal takes whole numbers of at least 1"),
        ({"critics": 0}, "critics takes whole numbers of at least 1"),
        ({"strength": -1.0}, "strength, a factor of λ"),
        ({"sigma": 0.0}, "sigma must be a positive number"),
        ({"beta1": 1.0}, r"lie in \[0, 1\)"),
        ({"sigmoid": True}, "A sigmoid is an option of 'lsgan'"),
    ],
)
def test_fields_out_of_their_range_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GAN(**fields)


# --- claims and errata that are exact --------------------------------------------------------------------------------


def test_claim_ta_c8_where_the_discriminator_is_constant_the_identity_is_the_only_minimum() -> None:
    """Then L^A has no slope, and L^R is 0 at the identity and more elsewhere; training goes there."""
    system = gan("lsgan", lens="learned", identity=False)
    players = made((system, IMAGES))
    with torch.no_grad():
        players.discriminator[-2].weight.zero_()  # the value of every image is the bias
    focus = system.moves("train")[-1]
    at = scene((system, IMAGES), focus)
    turn = focus.play(players, at)
    weights = [*players.lens.parameters()]
    fooled = torch.autograd.grad(turn.parts["lens_adversarial"], weights, retain_graph=True, allow_unused=True)
    assert all(slope is None or not slope.any() for slope in fooled)
    whole, change = (
        torch.autograd.grad(loss, weights, retain_graph=True)
        for loss in (turn.losses["lens"], turn.parts["lens_change"])
    )
    assert all(torch.equal(a, b) for a, b in zip(whole, change))
    assert turn.parts["lens_change"] > 0
    optimiser, first = torch.optim.Adam(weights, 3e-3), turn.parts["lens_change"].item()
    for _ in range(300):
        optimiser.zero_grad()
        focus.play(players, at).losses["lens"].backward(inputs=weights)
        optimiser.step()
    assert focus.play(players, at).parts["lens_change"].item() < 1e-3 * first


def value(d: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """E log D(x) + E log(1 − D(G(z))) over a few states."""
    return (p * d.log() + q * (1 - d).log()).sum()


def test_erratum_ta_e1_the_value_function_has_its_maximum_at_p_over_p_plus_q() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    best, m = p / (p + q), (p + q) / 2
    js = 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum())
    assert value(best, p, q).item() == pytest.approx(-math.log(4) + 2 * js.item(), abs=1e-12)
    assert value(best, p, q).item() == pytest.approx(-1.2535, abs=5e-5)
    for seed in range(20):
        other = torch.sigmoid(best.logit() + 0.3 * draws(3, seed=seed))
        assert value(other, p, q) < value(best, p, q)
    # The game's two functions are this value with the other sign.
    a = best.logit()
    assert (p * GAMES["gan"].as_real(a) + q * GAMES["gan"].as_fake(a)).sum() == pytest.approx(-value(best, p, q).item())


def test_erratum_ta_e1_the_printed_one_has_none() -> None:
    """E log D(x) + E[1 − log D(G(z))] is linear in log D: with p = q it is 1, and where q > p it grows without end."""
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)

    def printed(d: Tensor, q: Tensor = q) -> float:
        return float((p * d.log() + q * (1 - d.log())).sum())

    worth = [printed(torch.where(q > p, clip, 1 - clip).double()) for clip in (1e-1, 1e-3, 1e-6)]
    assert worth == pytest.approx([1 + 0.3 * math.log(1 / clip - 1) for clip in (1e-1, 1e-3, 1e-6)])
    assert [round(v, 2) for v in worth] == [1.66, 3.07, 5.14]
    assert {round(printed(torch.sigmoid(draws(3, seed=seed)), p), 12) for seed in range(5)} == {1.0}
