"""The alternation of eq. 11 and 12: who learns from what, resuming, diverging, streaming, choosing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys.samples import smooth

from blurvae import files, losses, machine
from blurvae.blur import circular_convolve, kernel_width
from blurvae.datasets import ImageSet, to_float
from blurvae.errors import CorruptFile, Diverged
from blurvae.losses import Term
from blurvae.models import VAE, KernelNet, kl_divergence
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players, Seen
from blurvae.train import Budget, Scene, State, Turn, checkpoint, feed, fit, loop
from blurvae.train.schedules import When

PATHS = {
    "wiener, detached": losses.get("wiener", kernel_size=3),
    "wiener, live": losses.get("wiener", kernel_size=3, kernel_path="live"),
    "wiener, ε": losses.get("wiener", kernel_size=3, epsilon=0.5),
    "proper, detached": losses.get("wiener-proper", kernel_size=3, kernel_path="detached"),
    "proper, live": losses.get("wiener-proper", kernel_size=3),
    "proper, elbo": losses.get("wiener-proper", kernel_size=3, kernel_path="elbo"),
}
WIENER = PATHS["wiener, detached"]
PARTS = ("reconstruction", "kl", "kernel_loss", "kernel_width")


def image_set(n: int = 24, **changes: Any) -> ImageSet:
    fields: dict[str, Any] = {
        "name": "patches",
        "split": "train",
        "images": smooth(n),
        "labels": None,
        "source": "random",
        "licence": "none",
        "stands_in_for": None,
        "checksum": "0123",
    }
    return ImageSet(**{**fields, **changes})


def players(seed: int = 0, with_kernel_net: bool = True) -> Players:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = VAE("A", size=8, widths=(6, 10), latent=4, hidden=12)
        return Players(vae, KernelNet(4, 3, 16) if with_kernel_net else None)


@dataclass(frozen=True)
class Chosen:
    """The fields of system and budget that these tests change."""

    epochs: int = 2
    warm_up: int = 0
    batch_size: int = 8
    lr: float = 1e-3
    kernel_lr: float = 1e-3
    beta: float = 1.0
    seed: int = 0
    precision: str = "float32"

    def system(self, term: Term, who: Players) -> BlurVAE:
        return BlurVAE(term, self.beta, self.warm_up, self.lr, self.kernel_lr, latent=who.vae.latent)

    @property
    def budget(self) -> Budget:
        return Budget(self.epochs, self.batch_size, seed=self.seed, precision=self.precision)


settings = Chosen


def train(
    term: Term, chosen: Chosen, *, data: ImageSet | None = None, who: Players | None = None, **fields: Any
) -> Any:
    """(history, players) of a training on the CPU."""
    who = who or players()
    fields = {"device": "cpu", **fields}
    return fit(chosen.system(term, who), who, data or image_set(), chosen.budget, **fields), who


def play(who: Players, term: Term, x: Tensor, *, beta: float = 1.0, seed: int = 0, phase: str = "weighted") -> Turn:
    """One move of the system, without the loop around it."""
    (move,) = BlurVAE(term, beta, latent=who.vae.latent).moves(phase)
    n = torch.randn(len(x), who.vae.latent, generator=torch.Generator().manual_seed(seed))
    return move.play(who, Scene(x, {"n": n}, {}, nullcontext))


def learn(who: Players, turn: Turn) -> None:
    """Gives each player the gradient of its own loss by its own weights, as the loop does."""
    for i, (name, loss) in enumerate(turn.losses.items(), 1):
        torch.autograd.backward(loss, inputs=list(getattr(who, name).parameters()), retain_graph=i < len(turn.losses))


def weights(who: Players) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value.clone()
        for name, net in zip(who._fields, who)
        if net is not None
        for key, value in net.state_dict().items()
    }


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), f"{key} differs by {(a[key] - b[key]).abs().max()}"


def gradients(net: nn.Module) -> dict[str, Tensor | None]:
    return {name: p.grad for name, p in net.named_parameters()}


def absent_or_zero(net: nn.Module) -> bool:
    return all(g is None or not g.any() for g in gradients(net).values())


def batch(n: int = 6) -> Tensor:
    return to_float(torch.from_numpy(smooth(n)))


@dataclass(frozen=True)
class OnlyKernel(Term):
    """A term that depends on nothing but the kernel: what reaches a weight came through k."""

    name: ClassVar[str] = "only-kernel"
    kernel_path: Any = "detached"
    kernel_size: int = 3

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        assert kernel is not None
        return kernel.square().sum((1, 2)) + 0 * x_hat.sum((1, 2, 3))


@dataclass(frozen=True)
class NanAt(Term):
    """Squared error that turns NaN at one step."""

    name: ClassVar[str] = "nan-at"
    step: int = 1
    calls: tuple[list[int], ...] = ()

    def __call__(
        self, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
    ) -> Tensor:
        self.calls[0][0] += 1
        value = (x - x_hat).square().sum((1, 2, 3))
        return value * math.nan if self.calls[0][0] == self.step else value


# --- gradients between the players -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "reaches_phi", "reaches_gamma"), [
    ("detached", False, False),
    ("live", True, False),
    ("elbo", True, True),
])  # fmt: skip
def test_what_reaches_whom_through_the_kernel(path: str, reaches_phi: bool, reaches_gamma: bool) -> None:
    """With a term of the kernel alone and β = 0, every gradient of φ comes through z → G → k, and θ gets none."""
    who = players()
    turn = play(who, OnlyKernel(kernel_path=path), batch(), beta=0.0)
    assert who.kernel_net is not None
    assert (turn.losses["kernel_net"] is turn.losses["vae"]) == reaches_gamma
    learn(who, turn)
    assert absent_or_zero(who.vae.decoder)
    assert absent_or_zero(who.vae.encoder) != reaches_phi
    assert all(g is not None and g.any() for g in gradients(who.kernel_net).values())  # of eq. 11 or of eq. 12


def by_hand(who: Players, term: Term, x: Tensor, beta: float, seed: int, path: str) -> Tensor:
    """Eq. 11 written out, with k cut off (detached), with γ frozen by requires_grad (live) or whole (elbo)."""
    mu, log_var = who.vae.encode(x)
    z = mu + (log_var / 2).exp() * torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed))
    x_hat, logit = who.vae.decode(z)
    assert who.kernel_net is not None
    who.kernel_net.requires_grad_(path == "elbo")
    kernel = who.kernel_net(z.detach() if path == "detached" else z)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
    return term(x, x_hat, logit=logit, kernel=kernel).mean() + beta * kl.mean()


@pytest.mark.parametrize("name", PATHS)
def test_eq_11_has_the_gradients_that_its_path_prescribes(name: str) -> None:
    term, x, ours, reference = PATHS[name], batch(), players(), players()
    turn = play(ours, term, x, beta=0.3, seed=7)
    learn(ours, turn)
    expected = by_hand(reference, term, x, 0.3, 7, str(term.kernel_path))
    expected.backward()
    torch.testing.assert_close(turn.losses["vae"], expected)
    for key, gradient in gradients(reference.vae).items():
        assert gradient is not None and gradient.any()
        torch.testing.assert_close(gradients(ours.vae)[key], gradient, rtol=1e-4, atol=1e-5, msg=key)
    assert ours.kernel_net is not None and reference.kernel_net is not None
    if term.kernel_path == "elbo":
        for key, gradient in gradients(reference.kernel_net).items():
            torch.testing.assert_close(gradients(ours.kernel_net)[key], gradient, rtol=1e-4, atol=1e-5, msg=key)


def test_live_and_detached_differ_in_phi_only() -> None:
    got = {}
    for path in ("live", "detached"):
        who = players()
        turn = play(who, losses.get("wiener", kernel_size=3, kernel_path=path), batch(), seed=1)
        learn(who, turn)
        got[path] = (turn.losses["vae"].detach(), gradients(who.vae.encoder), gradients(who.vae.decoder))
    assert torch.equal(got["live"][0], got["detached"][0])
    encoder = [(g, got["detached"][1][key]) for key, g in got["live"][1].items()]
    assert max((a - b).abs().max() for a, b in encoder if a is not None and b is not None) > 1e-4
    for key, gradient in got["live"][2].items():
        torch.testing.assert_close(gradient, got["detached"][2][key])


@pytest.mark.parametrize("name", [name for name in PATHS if "elbo" not in name])
def test_gamma_learns_from_eq_12(name: str) -> None:
    who, reference, x = players(), players(), batch()
    turn = play(who, PATHS[name], x)
    learn(who, turn)
    z, x_hat, _ = turn.seen
    assert who.kernel_net is not None and reference.kernel_net is not None
    kernel = reference.kernel_net(z.detach())
    expected = (circular_convolve(x, kernel) - x_hat.detach()).square().sum((1, 2, 3)).mean()
    expected.backward()
    torch.testing.assert_close(turn.losses["kernel_net"], expected)
    for key, gradient in gradients(reference.kernel_net).items():
        torch.testing.assert_close(gradients(who.kernel_net)[key], gradient, rtol=1e-4, atol=1e-5, msg=key)


def test_the_objective_is_reconstruction_plus_beta_kl_in_nats_per_image() -> None:
    who, x = players(), batch()
    turns = {beta: play(who, losses.get("l2"), x, beta=beta, seed=3) for beta in (0.0, 1.0, 2.5)}
    for beta, turn in turns.items():
        reconstruction, kl = turn.parts["reconstruction"], turn.parts["kl"]
        assert kl > 0 and reconstruction > 0
        torch.testing.assert_close(turn.losses["vae"], reconstruction + beta * kl)
        torch.testing.assert_close(reconstruction, 0.5 * (x - turn.seen.x_hat).square().sum((1, 2, 3)).mean())
    mu, log_var = who.vae.encode(x)
    torch.testing.assert_close(turns[1.0].parts["kl"], kl_divergence(mu, log_var).mean())
    n = torch.randn(mu.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(turns[1.0].seen.z, mu + n * torch.exp(log_var / 2))


@pytest.mark.parametrize("name", PATHS)
def test_in_warm_up_the_term_is_the_squared_error(name: str) -> None:
    who, x = players(), batch()
    warm = play(who, PATHS[name], x, phase="warm-up", seed=3)
    plain = play(who, losses.get("l2"), x, seed=3)
    assert warm.seen.kernel is None
    assert torch.equal(warm.losses["vae"], plain.losses["vae"])
    weighted = play(who, PATHS[name], x, seed=3)
    assert weighted.seen.kernel is not None and not torch.equal(weighted.losses["vae"], plain.losses["vae"])


def test_the_phases_of_a_training() -> None:
    weighted = BlurVAE(WIENER, warm_up=2)
    assert [weighted.phase(epoch) for epoch in range(4)] == ["warm-up", "warm-up", "weighted", "weighted"]
    for name in ("l1", "ce", "ffl"):  # terms without a kernel network have no warm-up
        assert BlurVAE(losses.get(name), warm_up=2).phase(0) == "train"


@pytest.mark.parametrize("warm_up", [0, 2])
def test_a_missing_kernel_network_is_named(warm_up: int) -> None:
    with pytest.raises(ValueError, match=r"'wiener' needs a kernel network: pass Players\(vae, KernelNet"):
        train(WIENER, settings(warm_up=warm_up), who=players(with_kernel_net=False))


def test_a_code_of_another_length_than_the_systems_is_refused() -> None:
    with pytest.raises(ValueError, match=r"code of length 4, the system one of 8: give both the same"):
        fit(BlurVAE(losses.L2(), latent=8), players(), image_set(), settings().budget, device="cpu")


# --- the loop --------------------------------------------------------------------------------------------------------


def reference_fit(who: Players, term: Term, data: ImageSet, chosen: Chosen) -> list[dict[str, float]]:
    """The algorithm without any of the loop's conveniences: two Adams, one step each per batch."""
    vae, kernel_net, _ = who
    assert kernel_net is not None
    vae.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    adams = [torch.optim.Adam(vae.parameters(), chosen.lr), torch.optim.Adam(kernel_net.parameters(), chosen.kernel_lr)]
    noise = torch.Generator().manual_seed(chosen.seed)
    history = []
    for epoch in range(chosen.epochs):
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1_000_003 * chosen.seed + epoch))
        rows = []
        for index in order.split(chosen.batch_size):
            if len(index) < chosen.batch_size:
                continue
            x = to_float(torch.from_numpy(data.images[index.numpy()]))
            x = x.contiguous(memory_format=torch.channels_last)
            mu, log_var = vae.encode(x)
            z = mu + torch.randn(mu.shape, generator=noise) * torch.exp(log_var / 2)
            x_hat, logit = vae.decode(z)
            kl = kl_divergence(mu, log_var).mean()
            if epoch < chosen.warm_up:
                reconstruction = 0.5 * (x - x_hat).square().sum((1, 2, 3)).mean()
            else:
                kernel_net.requires_grad_(term.kernel_path == "elbo")
                kernel = kernel_net(z.detach() if term.kernel_path == "detached" else z)
                reconstruction = term(x, x_hat, logit=logit, kernel=kernel).mean()
                kernel_net.requires_grad_(True)
            k = kernel_net(z.detach())
            blur_error = (circular_convolve(x, k) - x_hat.detach()).square().sum((1, 2, 3)).mean()
            for adam in adams:
                adam.zero_grad()
            (reconstruction + chosen.beta * kl).backward()
            if term.kernel_path != "elbo" or epoch < chosen.warm_up:
                blur_error.backward()
            for adam in adams:
                adam.step()
            rows.append([reconstruction.item(), kl.item(), blur_error.item(), kernel_width(k).mean().item()])
        history.append(dict(zip(PARTS, np.mean(rows, 0))))
    return history


@pytest.mark.parametrize("name", PATHS)
def test_fit_is_the_algorithm(name: str) -> None:
    """Three epochs, one of warm-up, a last incomplete batch left out, against a plain loop."""
    data, chosen = image_set(27), settings(epochs=3, warm_up=1, beta=0.5, seed=4, kernel_lr=3e-3)
    history, ours = train(PATHS[name], chosen, data=data)
    theirs = players()
    expected = reference_fit(theirs, PATHS[name], data, chosen)
    for ours_epoch, theirs_epoch in zip(history, expected, strict=True):
        for part in PARTS:
            assert ours_epoch[part] == pytest.approx(theirs_epoch[part], rel=1e-4), part
    for key, value in weights(theirs).items():
        # A bias before a batch norm has no gradient but rounding, and Adam makes whole steps of that.
        if not re.fullmatch(r"vae/(encoder\.[03]\.bias|decoder\.[25]\.bias|.*running_mean)", key):
            torch.testing.assert_close(weights(ours)[key], value, rtol=1e-3, atol=1e-5, msg=key)
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert [record["phase"] for record in history] == ["warm-up", "weighted", "weighted"]


def test_bf16_follows_the_curve_of_float32() -> None:
    """Networks in bf16, losses and spectra in float32: within 1 % at every epoch, KL within 1 % of the objective."""
    data, chosen = image_set(images=smooth(64, 16)), settings(epochs=6, warm_up=2)
    curves = {}
    for precision in ("float32", "bf16"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            who = Players(VAE("A", size=16, widths=(8, 16), latent=8, hidden=32), KernelNet(8, 5, 32))
        term = losses.get("wiener", kernel_size=5)
        curves[precision], _ = train(term, replace(chosen, precision=precision), data=data, who=who)
    assert curves["float32"] != curves["bf16"]
    for ours, exact in zip(curves["bf16"], curves["float32"], strict=True):
        for part in PARTS:
            assert ours[part] == pytest.approx(exact[part], rel=0.01, abs=0.01 * exact["reconstruction"]), part


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_compiled_step_is_the_same_step(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced whole, warm-up and weighted, without a break; the backend that generates code is torch's to test."""
    modes, compile = [], torch.compile

    def traced(function: Any, mode: str | None = None) -> Any:
        modes.append(mode)
        return compile(function, backend="aot_eager", fullgraph=True)

    monkeypatch.setattr(torch, "compile", traced)
    chosen = settings(warm_up=1, precision=precision)
    history, _ = train(PATHS["wiener, live"], chosen)
    compiled_history, _ = train(PATHS["wiener, live"], chosen, compile=True)
    assert modes == [None, None]  # once a phase; repeating what is fused is not the compiler's
    for ours, theirs in zip(compiled_history, history, strict=True):
        for part in PARTS:
            assert ours[part] == pytest.approx(theirs[part], rel=1e-4 if precision == "float32" else 0.01), part


def test_a_deterministic_training_is_the_same_on_a_cpu() -> None:
    history, plain = train(WIENER, settings())
    again, strict = train(WIENER, settings(), deterministic=True)
    assert history == again
    assert_same(weights(plain), weights(strict))


def test_a_kernel_network_of_another_size_than_the_term_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size 3.*size 5: give both the same"):
        train(WIENER, settings(), who=Players(players().vae, KernelNet(4, 5, 16)))


def test_in_warm_up_the_vae_learns_from_l2_and_the_kernel_network_from_eq_12() -> None:
    before = weights(players())
    history, warm = train(WIENER, settings(warm_up=2))
    plain_history, plain = train(losses.get("l2"), settings())
    assert [r["phase"] for r in history] == ["warm-up", "warm-up"]
    assert_same(weights(Players(warm.vae, None)), weights(Players(plain.vae, None)))
    assert_same(weights(warm), weights(plain))  # a kernel network beside a term without kernel learns eq. 12 as well
    assert history == [{**r, "phase": "warm-up"} for r in plain_history]
    after = weights(warm)
    assert all(not torch.equal(after[key], before[key]) for key in after if key.startswith("kernel_net"))


def test_the_learning_rate_of_the_vae_alone_decays() -> None:
    rates = replace(settings(lr=4e-3).system(WIENER, players()), decay=0.5).optimisers()
    at = [When(9 * epoch, epoch, ()) for epoch in range(3)]
    assert [rates["vae"].lr(when) for when in at] == pytest.approx([4e-3, 2e-3, 1e-3])
    assert {rates["kernel_net"].lr(when) for when in at} == {1e-3}
    for wrong, message in (
        (1.5, "decay, the factor of lr after each epoch, is at most 1"),
        (0.0, "decay must be a pos"),
    ):
        with pytest.raises(ValueError, match=message):
            BlurVAE(decay=wrong)


def test_a_fixed_weight_can_come_late_too() -> None:
    late = losses.get("wiener-fixed", kernel_size=3, late=True)
    for term, phases in ((late, ["warm-up", "weighted"]), (replace(late, late=False), ["train", "train"])):
        system = settings(warm_up=1).system(term, players())
        assert [system.phase(epoch) for epoch in (0, 1)] == phases
    _, warm = train(late, settings(warm_up=2), who=players(with_kernel_net=False))
    _, plain = train(losses.get("l2"), settings(), who=players(with_kernel_net=False))
    assert_same(weights(warm), weights(plain))
    _, weighted = train(late, settings(warm_up=1), who=players(with_kernel_net=False))
    assert any(not torch.equal(a, b) for a, b in zip(weights(weighted).values(), weights(plain).values()))


def test_the_history_has_what_the_players_measure() -> None:
    history, who = train(losses.get("l2"), settings(), who=players(with_kernel_net=False))
    assert [set(record) for record in history] == [{"epoch", "phase", "reconstruction", "kl"}] * 2
    assert not who.vae.training
    history, _ = train(WIENER, settings())
    assert set(history[0]) == {"epoch", "phase", *PARTS}
    assert 0 < history[0]["kernel_width"] < 1
    json.dumps(history)


def test_training_lowers_what_it_minimises() -> None:
    history, _ = train(losses.get("l2"), settings(epochs=12, lr=3e-3))
    assert history[-1]["reconstruction"] < 0.7 * history[0]["reconstruction"]
    history, _ = train(WIENER, settings(epochs=12, warm_up=12, kernel_lr=1e-2))
    assert history[-1]["kernel_loss"] < history[0]["kernel_loss"]


def test_a_larger_beta_buys_a_smaller_kl() -> None:
    kl = [train(losses.get("l2"), settings(epochs=10, lr=3e-3, beta=b))[0][-1]["kl"] for b in (0.0, 1.0, 30.0)]
    assert kl[0] > 1.5 * kl[1] > 1.5 * kl[2] > 0


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    torch.manual_seed(1)
    history, who = train(WIENER, settings())
    state = torch.get_rng_state()
    torch.manual_seed(2)  # the global generator plays no part
    again, who_again = train(WIENER, settings())
    assert history == again
    assert_same(weights(who), weights(who_again))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    other, _ = train(WIENER, settings(seed=1))
    assert other[0]["reconstruction"] != history[0]["reconstruction"]
    assert other[-1]["kl"] != history[-1]["kl"]


def test_each_epoch_sees_every_image_once_in_an_order_of_its_own() -> None:
    data, seen = image_set(24), []
    train(losses.get("l2"), settings(), data=data, callback=lambda state: seen.append(state.scenes["vae"].x.clone()))
    images = to_float(torch.from_numpy(data.images)).flatten(1)
    order = [int((images - x.flatten()).abs().sum(1).argmin()) for x in torch.cat(seen)]
    assert sorted(order[:24]) == sorted(order[24:]) == list(range(24))
    assert order[:24] != order[24:] and order[:24] != list(range(24))


def test_the_callback_sees_every_step() -> None:
    states: list[tuple[int, int, str]] = []

    def look(state: State) -> None:
        states.append((state.epoch, state.step, state.phase))
        seen: Seen = state.turns["vae"].seen
        assert state.scenes["vae"].x.shape == seen.x_hat.shape == (8, 3, 8, 8)
        assert (seen.kernel is None) == (state.phase == "warm-up")

    train(WIENER, settings(warm_up=1), callback=look)
    phases = ("warm-up", "weighted")
    assert states == [(e, 3 * e + b + 1, phases[e]) for e in (0, 1) for b in range(3)]


def test_few_images_are_one_batch_and_a_single_one_is_refused() -> None:
    history, _ = train(losses.get("l2"), settings(batch_size=64), data=image_set(5))
    assert [record["reconstruction"] > 0 for record in history] == [True, True]
    with pytest.raises(ValueError, match="at least two images to train on, 'patches' has 1"):
        train(losses.get("l2"), settings(), data=image_set(1))


def test_images_of_another_shape_than_the_models_are_refused() -> None:
    with pytest.raises(ValueError, match=r"takes images \(n, 3, 8, 8\), not \(8, 3, 16, 16\)"):
        train(losses.get("l2"), settings(), data=image_set(images=smooth(8, 16)))


# --- resuming --------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    pass


def stop_at(step: int) -> Callable[[State], None]:
    def callback(state: State) -> None:
        if state.step == step:
            raise Stopped

    return callback


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every window of 50 steps and at the end of every epoch."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)


LONG = settings(epochs=2, warm_up=1, batch_size=2, seed=5)  # 52 steps an epoch: saved at 50, 52, 102 and 104
STEPS = image_set(104)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Tensor], Path]:
    folder = tmp_path_factory.mktemp("whole")
    history, who = train(PATHS["proper, live"], LONG, data=STEPS, checkpoint=folder)
    return history, weights(who), folder


def stored(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint: weights, both Adams' moments and steps, and the state of the generator."""
    from safetensors.torch import load_file

    return load_file(folder / json.loads((folder / "checkpoint.json").read_text())["tensors"])


@pytest.mark.parametrize("moments", [(3,), (51,), (52, 53), (70, 102), (50, 101, 104)], ids=str)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, eager: None, uninterrupted: Any, moments: tuple[int, ...]
) -> None:
    """Stopped once or several times: before anything is saved, at checkpoints and between them, in both phases."""
    history, final, folder = uninterrupted
    reached = 0
    for seed, moment in enumerate((*moments, None)):
        steps: list[int] = []

        def watch(state: State, steps: list[int] = steps, moment: int | None = moment) -> None:
            steps.append(state.step)
            if state.step == moment:
                raise Stopped

        # Once something is saved, the networks that the resumed run starts with play no part.
        who = players(seed if reached else 0)
        try:
            how: dict[str, Any] = {"checkpoint": tmp_path, "resume": True, "callback": watch}
            resumed, _ = train(PATHS["proper, live"], LONG, data=STEPS, who=who, **how)
        except Stopped:
            pass
        # It went on from the last checkpoint, not from the start. At a stop the step's own is not written yet.
        assert steps == list(range(reached + 1, (moment or 104) + 1))
        reached = max((saved for saved in (0, 50, 52, 102) if saved < (moment or 104)), default=0)
        assert (tmp_path / "checkpoint.json").exists() == (reached > 0)
    assert resumed == history
    assert_same(weights(who), final)
    assert_same(stored(tmp_path), stored(folder))
    assert len(list(tmp_path.iterdir())) == 2  # older tensors are gone


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_resuming_is_exact_for_wider_networks_and_every_precision(tmp_path: Path, eager: None, precision: str) -> None:
    """A checkpoint holds contiguous tensors, the networks are channels-last: their layout must not change a bit."""

    def wide() -> Players:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Players(VAE("A", size=16, widths=(16, 32), latent=8, hidden=16), KernelNet(8, 3, 32))

    chosen, data = settings(epochs=4, warm_up=1, precision=precision), image_set(images=smooth(24, 16))
    history, who = train(WIENER, chosen, data=data, who=wide())
    with pytest.raises(Stopped):
        train(WIENER, chosen, data=data, who=wide(), checkpoint=tmp_path, callback=stop_at(8))
    resumed, again = train(WIENER, chosen, data=data, who=wide(), checkpoint=tmp_path, resume=True)
    assert resumed == history
    assert_same(weights(again), weights(who))


def test_resuming_a_finished_run_returns_it(tmp_path: Path, uninterrupted: Any) -> None:
    history, final, folder = uninterrupted
    again, who = train(
        PATHS["proper, live"], LONG, data=STEPS, checkpoint=folder, resume=True, who=players(9), callback=stop_at(0)
    )
    assert again == history
    assert_same(weights(who), final)
    assert not who.vae.training


def test_without_resume_a_checkpoint_is_ignored(tmp_path: Path) -> None:
    first, _ = train(WIENER, settings(seed=1), checkpoint=tmp_path)
    second, _ = train(WIENER, settings(seed=2), checkpoint=tmp_path)
    assert second != first
    assert second == train(WIENER, settings(seed=2))[0]


@pytest.mark.parametrize("failing", ["checkpoint.json", "state-52.safetensors"])
def test_a_kill_while_saving_leaves_the_checkpoint_before(
    tmp_path: Path, eager: None, uninterrupted: Any, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    real, count = checkpoint.write_atomically, {"checkpoint.json": 0}

    def write(path: Path, action: Callable[[Path], Any]) -> None:
        count[path.name] = count.get(path.name, 0) + 1
        if path.name == failing and count[path.name] == (2 if failing == "checkpoint.json" else 1):
            path.with_name(f".{path.name}.1.tmp").write_bytes(b"half")
            raise Stopped
        real(path, action)

    monkeypatch.setattr(checkpoint, "write_atomically", write)
    with pytest.raises(Stopped):
        train(PATHS["proper, live"], LONG, data=STEPS, checkpoint=tmp_path)
    monkeypatch.setattr(checkpoint, "write_atomically", real)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["progress"]["step"] == 50
    resumed, who = train(PATHS["proper, live"], LONG, data=STEPS, checkpoint=tmp_path, resume=True)
    assert resumed == uninterrupted[0]
    assert_same(weights(who), uninterrupted[1])


def test_checkpoints_keep_their_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most every CHECKPOINT_SECONDS and at the end: 30 s are not over in a short run."""
    saved: list[int] = []
    monkeypatch.setattr(checkpoint.Store, "save", lambda self, now: saved.append(now.step))
    assert loop.CHECKPOINT_SECONDS == 30
    train(WIENER, settings(epochs=4), checkpoint=tmp_path)
    assert saved == [12]


OTHERS: dict[str, dict[str, Any]] = {
    "seed": {"chosen": settings(seed=1)},
    "beta": {"chosen": settings(beta=2.0)},
    "epochs": {"chosen": settings(epochs=3)},
    "constant": {"term": losses.get("wiener", kernel_size=3, C=0.1)},
    "term": {"term": PATHS["proper, live"]},
    "kernel_path": {"term": PATHS["wiener, live"]},
    "data": {"data": image_set(checksum="4567")},
    "part of the data": {"data": image_set(24).head(16)},
    "networks": {"who": Players(VAE("A", size=8, widths=(6, 12), latent=4, hidden=12), KernelNet(4, 3, 16))},
    "kernel network": {"who": Players(players().vae, KernelNet(4, 3, 24))},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    arguments = {"term": WIENER, "chosen": settings(), "checkpoint": tmp_path}
    train(**arguments)
    with pytest.raises(ValueError, match=r"belongs to another configuration: .*remove that folder") as caught:
        train(**{**arguments, **other}, resume=True)
    assert not isinstance(caught.value, CorruptFile)
    assert str(tmp_path) in str(caught.value)


def cut(path: Path, keep: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "tensors cut": lambda folder: cut(next(folder.glob("state-*")), 0.7),
    "tensors empty": lambda folder: cut(next(folder.glob("state-*")), 0),
    "tensors gone": lambda folder: next(folder.glob("state-*")).unlink(),
    "index cut": lambda folder: cut(folder / "checkpoint.json", 0.5),
    "index empty": lambda folder: cut(folder / "checkpoint.json", 0),
    "index not text": lambda folder: (folder / "checkpoint.json").write_bytes(b"\xff\xfe\x00{"),
    "index of something else": lambda folder: (folder / "checkpoint.json").write_text("[1]"),
    "index without identity": lambda folder: (folder / "checkpoint.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    train(WIENER, settings(), checkpoint=tmp_path)
    damage(tmp_path)
    with pytest.raises(CorruptFile, match=r"cannot be read \(\w+\): remove that folder") as caught:
        train(WIENER, settings(), checkpoint=tmp_path, resume=True)
    assert str(tmp_path) in str(caught.value)


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    train(WIENER, settings(), checkpoint=tmp_path)
    (file,) = tmp_path.glob("state-*")
    for missing in ("noise", "vae/encoder.0.weight"):
        tensors = load_file(file)
        kept = tensors.pop(missing)
        save_file(tensors, file)
        with pytest.raises(CorruptFile):
            train(WIENER, settings(), checkpoint=tmp_path, resume=True)
        save_file({**tensors, missing: kept}, file)
    train(WIENER, settings(), checkpoint=tmp_path, resume=True)


# --- divergence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 5])
def test_divergence_names_step_and_term(step: int) -> None:
    with pytest.raises(Diverged, match=rf"at step {step} \(epoch {1 if step == 1 else 2}\): reconstruction is nan; "
                       "there is no checkpoint. Lower the learning rate"):  # fmt: skip
        train(NanAt(step, ([0],)), settings())


def test_divergence_names_the_last_good_checkpoint_and_one_can_go_on_from_it(tmp_path: Path, eager: None) -> None:
    with pytest.raises(Diverged, match=r"at step 5 .*the last good checkpoint is ") as caught:
        train(NanAt(5, ([0],)), settings(), checkpoint=tmp_path)
    assert str(tmp_path / "checkpoint.json") in str(caught.value)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["progress"]["step"] == 3
    assert all(torch.isfinite(t.double()).all() for t in stored(tmp_path).values())


def test_a_huge_learning_rate_diverges_instead_of_going_on() -> None:
    with pytest.raises(Diverged, match=r"(reconstruction|kl) is (nan|inf)"):
        train(losses.get("l2"), settings(lr=1e18, epochs=20))


def test_a_diverging_kernel_network_is_named_too() -> None:
    who = players()
    assert who.kernel_net is not None
    nn.init.constant_(who.kernel_net.layers[2].bias, math.nan)
    with pytest.raises(Diverged, match=r"at step 1 .*kernel_loss is nan"):
        train(losses.get("l2"), settings(), who=who)


def test_weights_that_are_not_finite_never_become_a_checkpoint(tmp_path: Path) -> None:
    def spoil(state: Any) -> None:  # the last step leaves finite losses and NaN weights
        if state.step == 6:
            nn.init.constant_(state.players.vae.decoder[0][0].bias, math.nan)

    with pytest.raises(Diverged, match=r"vae/decoder.* is nan; there is no checkpoint"):
        train(losses.get("l2"), settings(), checkpoint=tmp_path, callback=spoil)
    assert not (tmp_path / "checkpoint.json").exists()


def test_a_fresh_run_does_not_call_an_older_ones_checkpoint_good(tmp_path: Path) -> None:
    train(losses.get("l2"), settings(), checkpoint=tmp_path)
    assert (tmp_path / "checkpoint.json").exists()
    with pytest.raises(Diverged, match="there is no checkpoint"):
        train(NanAt(1, ([0],)), settings(), checkpoint=tmp_path)


# --- where the images lie --------------------------------------------------------------------------------------------


@pytest.fixture
def memory_map(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "images.npy", smooth(24))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


def test_a_streamed_batch_is_the_resident_one(memory_map: np.ndarray) -> None:
    cpu, held = torch.device("cpu"), image_set(images=memory_map)
    resident, streamed = (feed.Feed(held, cpu, 7, resident=resident) for resident in (True, False))
    for seed in range(3):
        rows = torch.randperm(24, generator=torch.Generator().manual_seed(seed))[:7]
        streamed.stage(rows)
        assert torch.equal(resident.batch(rows), streamed.batch(rows))
        assert torch.equal(resident.batch(rows), to_float(np.asarray(memory_map)[rows.numpy()]))
    assert resident.batch(rows).min() >= -1 and resident.batch(rows).max() <= 1


def test_streaming_from_a_memory_map_gives_the_same_training(
    memory_map: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, who = train(WIENER, settings())
    asked: list[int] = []
    monkeypatch.setattr(feed, "_fits", lambda size, device: bool(asked.append(size)))
    streamed, who_streamed = train(WIENER, settings(), data=image_set(images=memory_map))
    assert asked == [24 * 3 * 8 * 8]
    assert streamed == history
    assert_same(weights(who), weights(who_streamed))


def test_what_is_larger_than_memory_is_streamed() -> None:
    assert feed._fits(1000, torch.device("cpu"))
    assert not feed._fits(2**60, torch.device("cpu"))


# --- the kernel network ----------------------------------------------------------------------------------------------


def test_the_kernel_network_recovers_known_blurs() -> None:
    """x̂ = x * k_true, one of two asymmetric kernels by the sign of z₁: γ alone, by eq. 12, finds both."""
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(2, 5, 5, generator=generator).mul(1.5).flatten(1).softmax(1).view(2, 5, 5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = KernelNet(3, 5, 64)
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(400):
        x = torch.randn(24, 1, 12, 12, generator=generator)
        z = torch.randn(24, 3, generator=generator) / 4
        z[:, 0] += z[:, 0].sign()
        x_hat = circular_convolve(x, true[(z[:, 0] > 0).long()])
        kernel = net(z)
        loss = losses.kernel_loss(x, x_hat, kernel).mean()
        if step == 0:
            first = (loss.item(), (kernel.detach() - true[(z[:, 0] > 0).long()]).abs().max().item())
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step == 250:
            adam.param_groups[0]["lr"] = 1e-3
    error = (kernel.detach() - true[(z[:, 0] > 0).long()]).abs().max().item()
    assert loss < first[0] / 100
    assert error < 0.02 < first[1] / 3
    torch.testing.assert_close(
        kernel_width(kernel.detach()), kernel_width(true[(z[:, 0] > 0).long()]), rtol=0, atol=0.05
    )


# --- settings, precision, device -------------------------------------------------------------------------------------

REFUSED = [
    ({"epochs": 0}, "epochs must be a whole number ≥ 1, not 0"),
    ({"epochs": 1.5}, "epochs .*not 1.5"),
    ({"epochs": math.nan}, "epochs .*not nan"),
    ({"epochs": "3"}, "epochs .*not '3'"),
    ({"batch_size": 0}, "batch_size must be a whole number ≥ 1, not 0"),
    ({"batch_size": -2}, "batch_size .*not -2"),
    ({"batch_size": 2.5}, "batch_size .*not 2.5"),
    ({"warm_up": -1}, "warm_up must be a whole number ≥ 0, not -1"),
    ({"warm_up": 0.5}, "warm_up .*not 0.5"),
    ({"seed": 0.5}, "seed must be a whole number, not 0.5"),
    ({"lr": 0.0}, "lr must be a positive number .*not 0.0"),
    ({"lr": -1e-4}, "lr .*not -0.0001"),
    ({"lr": math.nan}, "lr .*not nan"),
    ({"lr": math.inf}, "lr .*not inf"),
    ({"kernel_lr": 0.0}, "kernel_lr must be a positive number .*not 0.0"),
    ({"beta": -0.1}, "beta, the weight of the KL term, .*not -0.1"),
    ({"beta": math.nan}, "beta.*not nan"),
    ({"beta": math.inf}, "beta.*not inf"),
    ({"precision": "fp16"}, "precision is 'auto', 'float32' or 'bf16', not 'fp16'"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_bad_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    budget = {key: value for key, value in fields.items() if key in ("epochs", "batch_size", "seed", "precision")}
    with pytest.raises(ValueError, match=message):
        Budget(**budget) if budget else BlurVAE(**fields)


def test_settings_accept_their_bounds_and_default_to_the_paper() -> None:
    assert Budget(epochs=1, batch_size=1, seed=-1) and BlurVAE(warm_up=0, beta=0.0)
    assert Budget() == Budget(100, 64, 1, 0, "auto")
    assert BlurVAE() == BlurVAE(losses.L2(), 1.0, 10, 1e-4, 1e-4, "A", (64, 128, 256, 512), 256, 1000)
    assert replace(BlurVAE(), beta=2).beta == 2


@pytest.mark.parametrize(
    ("amx", "avx512", "intel", "expected"),
    [
        (True, True, True, "bf16"),
        (False, True, True, "float32"),  # it computes in bf16, at half the rate of float32
        (False, True, False, "bf16"),
        (False, False, True, "float32"),
        (False, False, False, "float32"),
    ],
)
def test_precision_on_a_cpu_is_bf16_only_where_it_is_faster(
    amx: bool, avx512: bool, intel: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(machine, "_is_intel", lambda: intel)
    cpu = torch.device("cpu")
    assert machine.choose_precision("auto", cpu) == expected
    assert machine.choose_precision("float32", cpu) == "float32"
    assert machine.choose_precision("bf16", cpu) == "bf16"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_precision_on_a_gpu_follows_its_generation(
    capability: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert machine.choose_precision("auto", torch.device("cuda")) == expected


def test_bf16_trains_with_losses_and_weights_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[torch.dtype] = []
    who = players()
    who.vae.encoder[0].register_forward_hook(lambda m, i, out: used.append(out.dtype))

    def look(state: State) -> None:
        turn = state.turns["vae"]
        assert {t.dtype for t in (*turn.losses.values(), *turn.seen)} == {torch.float32}

    history, _ = train(WIENER, settings(precision="bf16"), who=who, callback=look)
    assert set(used) == {torch.bfloat16}
    assert {p.dtype for p in who.vae.parameters()} == {torch.float32}
    exact, _ = train(WIENER, settings())
    assert history != exact
    assert history[-1]["reconstruction"] == pytest.approx(exact[-1]["reconstruction"], rel=0.05)


def test_devices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.choose_device() == machine.choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="no device 'gpu'"):
        machine.choose_device("gpu")
    with pytest.raises(ValueError, match="no CUDA GPU cuda that torch can use: pass device='cpu'"):
        train(WIENER, settings(), device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert machine.choose_device() == torch.device("cuda")
    assert machine.choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="no CUDA GPU cuda:1 "):
        machine.choose_device("cuda:1")


def test_atomic_writing_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    files.write_atomically(path, lambda p: p.write_text("old"))

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise Stopped

    with pytest.raises(Stopped):
        files.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# --- on the GPU ------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_the_gpu_trains_resumes_and_agrees_with_the_cpu(tmp_path: Path, eager: None, precision: str) -> None:
    term, chosen = PATHS["proper, live"], settings(warm_up=1, precision=precision)
    with pytest.raises(Stopped):
        train(term, chosen, device="cuda", checkpoint=tmp_path, callback=stop_at(5))
    history, _ = train(term, chosen, device="cuda", checkpoint=tmp_path, resume=True)
    assert [math.isfinite(record["reconstruction"]) for record in history] == [True, True]  # −log of a density
    expected, _ = train(term, replace(chosen, precision="float32"))
    # Another generator draws the noise there, so the numbers agree as those of two seeds do.
    assert history[0]["reconstruction"] == pytest.approx(expected[0]["reconstruction"], rel=0.2)


# Strangers' values and machines ---------------------------------------------------------------------------------------


def test_a_seed_that_torch_cannot_take_is_refused_before_the_training() -> None:
    for seed in (2**40, -(2**40), 1_790_000_000_000_000_000):
        with pytest.raises(ValueError, match=r"seed must lie between −2\^40 and 2\^40"):
            Budget(seed=seed)
    assert len(train(losses.L2(), settings(epochs=1, seed=2**40 - 1), who=players(with_kernel_net=False))[0]) == 1


@pytest.mark.parametrize("name", ["lr", "kernel_lr", "beta"])
def test_a_number_beyond_every_float_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        BlurVAE(**{name: 10**400})


def test_a_batch_of_one_image_whose_features_are_one_pixel_is_refused() -> None:
    def vae(*widths: int) -> Players:
        return Players(VAE("A", size=8, widths=widths, latent=4, hidden=12), None)

    with pytest.raises(ValueError, match="raise batch_size, or leave out one of the widths"):
        train(losses.L2(), settings(batch_size=1), who=vae(4, 4, 4))
    assert len(train(losses.L2(), settings(batch_size=1, epochs=1), who=vae(4, 4))[0]) == 1


def test_networks_of_double_precision_train_and_encode_what_to_float_gives() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        history, who = train(WIENER, settings(epochs=1))
        assert math.isfinite(history[0]["reconstruction"]) and next(who.vae.parameters()).dtype == torch.float64
        assert who.vae(batch()).x_hat.dtype == torch.float64
        assert who.vae.decode(torch.randn(2, 4, dtype=torch.float32)).x_hat.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_modules_that_share_weights_are_kept_and_resumed(tmp_path: Path) -> None:
    def shared() -> Players:
        who = players(with_kernel_net=False)
        who.vae.alias = who.vae.encoder
        return who

    _, whole = train(losses.L2(), settings(epochs=2), who=shared())
    train(losses.L2(), settings(epochs=2), who=shared(), checkpoint=tmp_path)
    index = json.loads((tmp_path / "checkpoint.json").read_text())
    assert index["progress"]["step"] == 6
    _, again = train(losses.L2(), settings(epochs=2), who=shared(), checkpoint=tmp_path, resume=True)
    assert_same(weights(whole), weights(again))


def test_a_checkpoint_of_a_gpu_is_not_called_damaged_on_a_cpu(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    train(losses.L2(), settings(), who=players(with_kernel_net=False), checkpoint=tmp_path)
    record = json.loads((tmp_path / "checkpoint.json").read_text())
    file = tmp_path / record["tensors"]
    save_file(load_file(file) | {"noise": torch.zeros(16, dtype=torch.uint8)}, file)  # as CUDA's generators have
    record["crc32"] = checkpoint._crc32(file, record["progress"])
    (tmp_path / "checkpoint.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="belongs to another kind of device: resume with the one"):
        train(losses.L2(), settings(), who=players(with_kernel_net=False), checkpoint=tmp_path, resume=True)


def test_a_checkpoint_of_the_form_before_is_left_alone_and_said(tmp_path: Path) -> None:
    old = {"identity": {"settings": {}, "term": "L2()"}, "tensors": "state-1.safetensors", "progress": {}, "crc32": 1}
    (tmp_path / "checkpoint.json").write_text(json.dumps(old))
    with pytest.warns(UserWarning, match="is of an earlier version: starts again"):
        history, _ = train(losses.L2(), settings(epochs=1), checkpoint=tmp_path, resume=True)
    assert len(history) == 1
    (tmp_path / "checkpoint.json").write_text(json.dumps({**old, "format": 3}))
    with pytest.raises(CorruptFile):
        train(losses.L2(), settings(epochs=1), checkpoint=tmp_path, resume=True)
