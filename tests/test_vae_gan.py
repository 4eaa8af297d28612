"""The VAE-GAN against the report's formulas as printed, its erratum, and a published library's leak of gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import IMAGES, vae_gan
from toys.running import made, moves, scene

from blurvae import losses
from blurvae.models.vae_gan import Discriminator, layers, make_decoder, make_encoder
from blurvae.systems.vae_gan import VAEGAN, Players
from blurvae.train import Scene

PRINTED = vae_gan(equilibrium=0.0, prior_fakes=False, gamma=1.0)
WITH_TERM = vae_gan(equilibrium=0.0, prior_fakes=False, gamma=1.0, term=losses.L1(), term_encoder=1.0, term_decoder=1.0)


def doubled(system: VAEGAN) -> Players:
    players = made((system, IMAGES))
    for net in players:
        net.double()
    return players


def at(system: VAEGAN) -> Scene:
    ((_, move),) = moves(system)
    return scene((system, IMAGES), move, torch.float64)


def printed(system: VAEGAN, players: Players, at: Scene) -> dict[str, Tensor]:
    """L_prior, L_reconstruction, L_GAN and the added term in the words of the report: means over images."""
    encoder, decoder, discriminator = players
    x, n = at.x, len(at.x)
    mu, log_var = encoder(x).chunk(2, 1)
    z = mu + log_var.exp().sqrt() * at.noise["n"]
    x_bar = decoder(z).tanh()
    logit, seen = discriminator(torch.cat([x, x_bar]))
    y = torch.sigmoid(logit)  # of x, then of x̄ = x̂
    layer = seen[system.layer].flatten(1)
    q, p, of_features = (
        torch.distributions.Normal(mu, (0.5 * log_var).exp()),
        torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu)),
        torch.distributions.Normal(layer[n:], torch.ones_like(layer[n:])),
    )
    constant = 0.5 * layer.shape[1] * torch.log(torch.tensor(2 * torch.pi, dtype=x.dtype))
    return {
        "prior": torch.distributions.kl_divergence(q, p).sum(1).mean(),
        "rec": -of_features.log_prob(layer[:n]).sum(1).mean() - constant,
        "gan": -(torch.log(1 - y[n:]) + torch.log(y[:n])).mean(),
        "term": (x - x_bar).abs().flatten(1).sum(1).mean(),
    }


RULES: dict[str, Callable[[dict[str, Tensor], bool], Tensor]] = {
    "encoder": lambda of, term: of["prior"] + of["rec"] + term * of["term"],
    "decoder": lambda of, term: of["rec"] - of["gan"] + term * of["term"],
    "discriminator": lambda of, term: of["gan"],
}


def along(net: nn.Module, ways: list[Tensor], value: Callable[[], Tensor], h: float = 1e-6) -> float:
    """The central difference of a value as a network's weights go along `ways`; they come back."""
    found = []
    for step in (h, -2 * h, h):
        with torch.no_grad():
            for weight, way in zip(net.parameters(), ways):
                weight.add_(way, alpha=step)
            found.append(value().item())
    return (found[0] - found[1]) / (2 * h)


def gradients(loss: Tensor, net: nn.Module) -> list[Tensor]:
    """Zeros where a loss knows nothing of a weight."""
    weights = [*net.parameters()]
    return list(torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True))


@pytest.mark.parametrize("system", [PRINTED, WITH_TERM], ids=["plain", "with a term"])
@pytest.mark.parametrize("player", Players._fields)
def test_each_player_follows_its_printed_rule(system: VAEGAN, player: str) -> None:
    """What a player minimises changes along a random way as the printed formula does, by finite differences."""
    players, here = doubled(system), at(system)
    net = getattr(players, player)
    generator = torch.Generator().manual_seed(0)
    ways = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in net.parameters()]
    slopes = gradients(system.play(players, here).losses[player], net)
    ours = sum(float((slope * way).sum()) for slope, way in zip(slopes, ways))
    rule = RULES[player]
    wanted = along(net, ways, lambda: rule(printed(system, players, here), system is WITH_TERM))
    assert ours == pytest.approx(wanted, rel=1e-5, abs=1e-7) and abs(wanted) > 1e-3


def test_a_step_of_each_rule_lowers_or_raises_the_game_as_it_should() -> None:
    """The discriminator's step lowers the printed L_GAN; the decoder's raises it."""
    players, here = doubled(PRINTED), at(PRINTED)
    turn, before = PRINTED.play(players, here), printed(PRINTED, players, here)["gan"].item()
    slopes = {
        "discriminator": gradients(turn.losses["discriminator"], players.discriminator),
        "decoder": gradients(turn.losses["decoder"] - turn.parts["likelihood"], players.decoder),
    }
    for name, sign in (("discriminator", -1), ("decoder", 1)):
        moved = copy.deepcopy(players)
        with torch.no_grad():
            for weight, slope in zip(getattr(moved, name).parameters(), slopes[name]):
                weight.sub_(slope, alpha=1e-4)
        assert sign * (printed(PRINTED, moved, here)["gan"].item() - before) > 0


def test_erratum_s_e1_the_printed_total_contradicts_the_printed_rules() -> None:
    """A network that minimises L_prior + L_rec + L_GAN sends the decoder the other way in the game.

    Nor would the encoder and the discriminator do as their rules say: the one would learn from the game, the other
    from the reconstruction, which it makes small by seeing nothing.
    """
    players, here = doubled(PRINTED), at(PRINTED)
    of, ours = printed(PRINTED, players, here), PRINTED.play(players, here).losses
    total = of["prior"] + of["rec"] + of["gan"]

    def flat(loss: Tensor, player: str) -> Tensor:
        return torch.cat([slope.flatten() for slope in gradients(loss, getattr(players, player))])

    game = flat(of["gan"], "decoder")
    assert torch.allclose(flat(total, "decoder") - flat(of["rec"], "decoder"), game)
    assert torch.allclose(flat(ours["decoder"], "decoder") - flat(of["rec"], "decoder"), -game)
    assert game.norm() > 1e-3
    assert torch.allclose(flat(total, "encoder") - flat(ours["encoder"], "encoder"), flat(of["gan"], "encoder"))
    assert flat(of["gan"], "encoder").norm() > 1e-3
    extra = flat(total, "discriminator") - flat(ours["discriminator"], "discriminator")
    assert torch.allclose(extra, flat(of["rec"], "discriminator")) and extra.norm() > 1e-3


def test_erratum_s_e1_by_finite_differences() -> None:
    """Along any way of the decoder the total changes as its rule does, and twice the game besides."""
    players, here = doubled(PRINTED), at(PRINTED)
    generator = torch.Generator().manual_seed(0)
    ways = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in players.decoder.parameters()]
    total, rule, game = (
        along(players.decoder, ways, lambda of=of: of(printed(PRINTED, players, here)))
        for of in (
            lambda of: of["prior"] + of["rec"] + of["gan"],
            lambda of: of["rec"] - of["gan"],
            lambda of: of["gan"],
        )
    )
    assert total - rule == pytest.approx(2 * game, rel=1e-4) and abs(game) > 1e-3


def test_erratum_s_e1_no_other_total_has_the_printed_rules_for_gradients() -> None:
    """Mixed derivatives of one function agree; those of the encoder's and the decoder's rule differ by L_GAN's."""
    players, here = doubled(PRINTED), at(PRINTED)
    of = printed(PRINTED, players, here)
    generator = torch.Generator().manual_seed(0)
    weights = {name: [*getattr(players, name).parameters()] for name in ("encoder", "decoder")}
    ways = {
        name: [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in own] for name, own in weights.items()
    }

    def slope(value: Tensor, name: str) -> Tensor:
        """The derivative along a player's way, which can be differentiated again."""
        found = torch.autograd.grad(value, weights[name], create_graph=True, materialize_grads=True)
        return torch.stack([(a * b).sum() for a, b in zip(found, ways[name])]).sum()

    mixed = {name: slope(slope(RULES[name](of, False), name), other) for name, other in (weights, [*weights][::-1])}
    game = slope(slope(of["gan"], "decoder"), "encoder")
    assert (mixed["encoder"] - mixed["decoder"]).item() == pytest.approx(game.item(), rel=1e-9)
    assert abs(game.item()) > 1e-3


def test_larsens_sign_taken_literally_trains_a_wrong_judge() -> None:
    """log D(x) + log(1 − D(x̂)) is the report's L_GAN with the other sign: to descend it is to be fooled."""
    players, here = doubled(PRINTED), at(PRINTED)
    with torch.no_grad():
        before = printed(PRINTED, players, here)["gan"].item()
    for slope, weight in zip(
        gradients(-printed(PRINTED, players, here)["gan"], players.discriminator), players.discriminator.parameters()
    ):
        weight.data.sub_(slope, alpha=1e-3)
    assert printed(PRINTED, players, here)["gan"].item() > before


# The leak of a published library ------------------------------------------------------------------------------------


def one_after_another(turn: Any, players: Players) -> None:
    """pythae 0.1.2: three backward passes on one graph, each optimiser zeroed just before its own."""
    for name in Players._fields:
        getattr(players, name).zero_grad()
        turn.losses[name].backward(retain_graph=True)


def by_pythae(turn: Any, players: Players) -> None:
    """The library's own function, with optimisers that do not move."""
    module = pytest.importorskip("pythae.trainers.coupled_optimizer_adversarial_trainer")
    named = zip(Players._fields, players)
    still = {f"{name}_optimizer": torch.optim.SGD(net.parameters(), lr=0.0) for name, net in named}
    output = {f"{name}_loss": loss for name, loss in turn.losses.items()}
    output |= {f"update_{name}": True for name in Players._fields}
    trainer = module.CoupledOptimizerAdversarialTrainer
    trainer._optimizers_step(SimpleNamespace(**still), SimpleNamespace(**output))


def by_the_core(turn: Any, players: Players) -> None:
    """As `train.stage` does: each loss by its player's own weights."""
    for name, loss in turn.losses.items():
        torch.autograd.backward(loss, inputs=[*getattr(players, name).parameters()], retain_graph=True)


@pytest.mark.parametrize(
    ("step", "leaks"),
    [
        pytest.param(one_after_another, True, id="one after another"),
        pytest.param(by_pythae, True, id="pythae", marks=pytest.mark.slow),  # it loads much that has no part here
        pytest.param(by_the_core, False, id="the core"),
    ],
)
def test_the_decoder_learns_from_its_own_loss_alone(step: Callable[[Any, Players], None], leaks: bool) -> None:
    """Where it leaks, ∇L_GAN is added to the decoder's rec − L_GAN: nothing of the game is left."""
    players, here = doubled(PRINTED), at(PRINTED)
    turn, of = PRINTED.play(players, here), printed(PRINTED, players, here)
    wanted, game = (gradients(loss, players.decoder) for loss in (turn.losses["decoder"], of["gan"]))
    step(turn, players)
    found = [weight.grad for weight in players.decoder.parameters()]
    extra = [a - b for a, b in zip(found, wanted)]
    for difference, slope in zip(extra, game):
        assert torch.allclose(difference, slope if leaks else torch.zeros_like(slope), atol=1e-9)
    assert max(slope.abs().max() for slope in game) > 1e-3


# Networks and settings ----------------------------------------------------------------------------------------------


def test_the_published_networks() -> None:
    """Layer by layer as in the released code (Larsen's Table 1 but for the encoder's hidden layer)."""
    shapes = {
        "encoder": [tuple(w.shape) for w in make_encoder().parameters() if w.ndim > 1],
        "decoder": [tuple(w.shape) for w in make_decoder().parameters() if w.ndim > 1],
        "discriminator": [tuple(w.shape) for w in Discriminator().parameters() if w.ndim > 1],
    }
    assert shapes == {
        "encoder": [(64, 3, 5, 5), (128, 64, 5, 5), (256, 128, 5, 5), (1024, 256 * 64), (256, 1024)],
        "decoder": [(256 * 64, 128), (256, 256, 5, 5), (256, 128, 5, 5), (128, 32, 5, 5), (3, 32, 5, 5)],
        "discriminator": [
            *((32, 3, 5, 5), (128, 32, 5, 5), (256, 128, 5, 5), (256, 256, 5, 5), (512, 256 * 64), (1, 512)),
        ],
    }


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (32, 3), (64, 1), (64, 3)])
def test_sizes_and_named_layers(size: int, channels: int) -> None:
    system = VAEGAN(widths=(4, 6, 8), latent=5, hidden=8)
    players = system.players((channels, size, size))
    x = torch.rand(2, channels, size, size) * 2 - 1
    coder = system.coder(players, (channels, size, size)).eval()
    mu, log_var = coder.encode(x)
    assert mu.shape == log_var.shape == (2, 5) and coder.decode(mu).x_hat.shape == x.shape
    judged = players.discriminator.eval()(x)
    assert judged.logit.shape == (2,) and tuple(judged.features) == layers((4, 6, 8))
    sides = [size, size // 2, size // 4, size // 8]
    assert [tuple(f.shape[1:]) for f in judged.features.values()] == [
        *((width, side, side) for width, side in zip((2, 6, 8, 8), sides)),
        (4,),
    ]


def test_without_a_weight_the_term_changes_nothing() -> None:
    here = at(PRINTED)
    a, b = (
        vae_gan(equilibrium=0.0, prior_fakes=False, term=t).play(doubled(PRINTED), here)
        for t in (losses.L1(), losses.SSIM())
    )
    assert a.parts.keys() == b.parts.keys() == {"likelihood", "kl", "on_real", "on_reconstruction"}
    assert all(torch.equal(a.losses[name], b.losses[name]) for name in a.losses)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"layer": "conv9"}, "no layer 'conv9': choose one of conv0, conv1, conv2, conv3, hidden"),
        ({"widths": ()}, "widths takes whole numbers of at least 1"),
        ({"hidden": 0}, "hidden takes whole numbers of at least 1"),
        ({"gamma": -1.0}, "gamma, the decoder's weight of the feature likelihood, must be a finite number ≥ 0"),
        ({"lr": 0.0}, "lr must be a positive number"),
        ({"equilibrium": float("nan")}, "equilibrium, a cross-entropy, 0 for none, must be a finite number"),
        ({"term": losses.Wiener(), "term_encoder": 1.0}, "'wiener' needs a kernel network"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        VAEGAN(**fields)
    with pytest.raises(ValueError, match="do not divide by the stride 8"):
        VAEGAN().players((3, 20, 20))
    with pytest.raises(ValueError, match="square images"):
        VAEGAN().players((3, 32, 64))
