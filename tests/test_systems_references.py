"""The toys against plain loops: gradients by `torch.autograd.grad`, rules read on the host; the same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus
from torch.optim.lr_scheduler import ReduceLROnPlateau
from toys import IMAGES, EnhanceNet, gan, rae, vae_gan
from toys.running import BUDGET, Still, made, trained

from blurvae.datasets import to_float
from blurvae.train.feed import permutation

N, LATENT = BUDGET.batch_size, 3
STEPS = BUDGET.epochs * (len(IMAGES.images) // N)


def networks(system: Any) -> Any:
    players = made((system, IMAGES))
    for net in players:
        if net is not None:
            net.to(memory_format=torch.channels_last).train()
    return players


def batches(epoch: int, at_a_time: int = 1) -> Iterator[Tensor]:
    """Those of an epoch, as many as fill whole steps."""
    order = permutation(len(IMAGES.images), BUDGET.seed, epoch)
    for rows in order[: len(order) // (N * at_a_time) * N * at_a_time].split(N):
        x = to_float(torch.from_numpy(IMAGES.images[rows.numpy()]))
        yield x.contiguous(memory_format=torch.channels_last)


def gradients(loss: Tensor, net: nn.Module) -> list[Tensor | None]:
    """Of a loss by the weights of one network, each with the strides of its weight."""
    weights = [*net.parameters()]
    slopes = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return [None if slope is None else torch.empty_like(w).copy_(slope) for w, slope in zip(weights, slopes)]


class Adam:
    """torch's, with the learning rate as a number, on gradients that are handed to it."""

    def __init__(self, net: nn.Module, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.weights = [*net.parameters()]
        self.optimiser = torch.optim.Adam(self.weights, lr, betas=betas, fused=True)

    def step(self, slopes: list[Tensor | None]) -> None:
        for weight, slope in zip(self.weights, slopes):
            weight.grad = slope
        self.optimiser.step()


class RMSProp:
    """w ← w − lr·g/(√s + ε) with s ← αs + (1 − α)g²."""

    def __init__(self, net: nn.Module, alpha: float = 0.9) -> None:
        self.weights, self.alpha = [*net.parameters()], alpha
        self.squares = [torch.zeros_like(w) for w in self.weights]

    @torch.no_grad()
    def step(self, slopes: list[Tensor | None], lr: float) -> None:
        for weight, square, slope in zip(self.weights, self.squares, slopes):
            assert slope is not None
            square.mul_(self.alpha).addcmul_(slope, slope, value=1 - self.alpha)
            weight.add_(slope / (square.sqrt() + 1e-8) * torch.tensor(-lr, dtype=torch.float64).float())


def assert_equal(system: Any, players: Any) -> None:
    """The networks of a plain loop are those that the training core ends with."""
    ours = trained((system, IMAGES)).stage.named
    for name, net in zip(players._fields, players):
        if net is not None:
            wanted = ours[name].state_dict()
            assert [key for key, tensor in net.state_dict().items() if not torch.equal(tensor, wanted[key])] == []


@pytest.mark.parametrize(
    ("equilibrium", "margin", "acts"), [(0.68, 0.35, False), (0.62, 0.05, True), (0.68, 0.05, True)]
)
def test_vae_gan(equilibrium: float, margin: float, acts: bool) -> None:
    system = vae_gan(equilibrium=equilibrium, margin=margin)
    encoder, decoder, discriminator = players = networks(system)
    optimisers = [RMSProp(net) for net in players]
    generator = torch.Generator().manual_seed(BUDGET.seed)
    stepped = {"decoder": 0, "discriminator": 0}
    for epoch in range(BUDGET.epochs):
        for x in batches(epoch):
            n, prior = (torch.randn(N, LATENT, generator=generator) for _ in range(2))
            mu, log_var = encoder(x).chunk(2, 1)
            x_hat, sample = torch.tanh(decoder(mu + torch.exp(0.5 * log_var) * n)), torch.tanh(decoder(prior))
            logit, seen = discriminator(torch.cat([x, x_hat, sample]))
            f, f_hat, _ = seen["conv1"].flatten(1).split(N)
            likelihood = 0.5 * (f - f_hat).square().sum(1).mean()
            kl = (0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1)).mean()
            on_real, on_fake, on_sample = (
                softplus(-logit[:N]).mean(),
                *(softplus(logit[i * N :][:N]).mean() for i in (1, 2)),
            )
            judgement = torch.stack([on_real, on_fake, on_sample]).sum()
            losses = kl + likelihood, system.gamma * likelihood - judgement, judgement
            slopes = [gradients(loss, net) for loss, net in zip(losses, players)]
            lr = 1e-3 * system.decay**epoch
            optimisers[0].step(slopes[0], lr)
            a, b = on_real.item(), on_fake.item()
            judges = a >= equilibrium - margin and b >= equilibrium - margin
            decodes = a <= equilibrium + margin and b <= equilibrium + margin
            if decodes or not judges:
                optimisers[1].step(slopes[1], lr)
                stepped["decoder"] += 1
            if judges or not decodes:
                optimisers[2].step(slopes[2], lr)
                stepped["discriminator"] += 1
    assert 0 < min(stepped.values()) and all((steps < STEPS) == acts for steps in stepped.values())
    assert_equal(system, players)


@pytest.mark.parametrize(("game", "critics"), [("gan", 1), ("lsgan", 1), ("wgan-gp", 2)])
def test_gan_with_a_lens(game: str, critics: int) -> None:
    system = gan(game, lens="learned", anneal=6, reduction="mean" if game == "lsgan" else "sum")
    generator, critic, lens = players = networks(system)
    optimisers = {name: Adam(net, betas=(0.5, 0.9)) for name, net in zip(players._fields, players)}
    noise = torch.Generator().manual_seed(BUDGET.seed)
    good, bad = {
        "gan": (lambda v: softplus(-v).mean(), lambda v: softplus(v).mean()),
        "lsgan": (lambda v: (v - 1).square().mean(), lambda v: v.square().mean()),
        "wgan-gp": (lambda v: -v.mean(), lambda v: v.mean()),
    }[game]
    step = 0
    for epoch in range(BUDGET.epochs):
        for i, x in enumerate(batches(epoch, critics), 1):
            z = torch.randn(N, LATENT, generator=noise)
            mix = torch.rand(N, 1, 1, 1, generator=noise) if game == "wgan-gp" else None
            with torch.no_grad():
                moments = [buffer.clone() for buffer in generator.buffers()]
                real, fake = lens(x), generator(z)
                for buffer, before in zip(generator.buffers(), moments):
                    buffer.copy_(before)  # only its own step moves them
            loss = good(critic(real)) + bad(critic(fake))
            if mix is not None:
                between = torch.lerp(real, fake, mix).requires_grad_()
                (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
                loss = loss + 10.0 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
            optimisers["discriminator"].step(gradients(loss, critic))
            if i % critics:
                continue
            z = torch.randn(N, LATENT, generator=noise)
            optimisers["generator"].step(gradients(good(critic(generator(z))), generator))
            seen = lens(x)
            weight = 1 - math.sin(math.pi * step / 12) if step < 6 else 0.0
            squares = (x - seen).square().flatten(1)
            change = (squares.mean(1) if game == "lsgan" else squares.sum(1)).mean()
            optimisers["lens"].step(gradients(torch.tensor(weight) * bad(critic(seen)) + change, lens))
            step += 1
    assert_equal(system, players)


def test_rae_with_a_gradient_penalty() -> None:
    """Its learning rate is lowered by torch's own scheduler."""
    system = rae("rae-gp")
    vae, *_ = players = networks(system)
    adam = Adam(vae)
    scheduler = ReduceLROnPlateau(adam.optimiser, factor=0.5, patience=0)
    noise = torch.Generator().manual_seed(BUDGET.seed)
    for epoch in range(BUDGET.epochs):
        for x in batches(epoch):
            v = 2 * (torch.rand(N, 3, 8, 8, generator=noise) >= 0.5).float() - 1
            z = vae.encoder(x)
            x_hat = torch.tanh(vae.decoder(z).contiguous())
            (slope,) = torch.autograd.grad((x_hat * v).sum(), z, create_graph=True)
            loss = (0.5 * (x - x_hat).square().flatten(1).sum(1)).mean() + system.beta * (
                0.5 * z.square().sum(1)
            ).mean()
            loss = loss + system.weight * slope.square().sum(1).mean()
            adam.step(gradients(loss, vae))
        scheduler.step(Still()(epoch + 1, None)["valid_loss"])
    assert scheduler.get_last_lr() == [1e-3 / 4]
    assert_equal(system, players)


@pytest.mark.parametrize(("threshold", "acts"), [(0.8, False), (0.5, True), (0.2, True)])
def test_enhancenet(threshold: float, acts: bool) -> None:
    system = EnhanceNet(threshold=threshold)
    generator, judge, features = players = networks(system)
    features.eval()
    ours, theirs = Adam(generator), Adam(judge)
    noise = torch.Generator().manual_seed(BUDGET.seed)
    performance, stepped = (0.0, 0.0), 0
    for epoch in range(BUDGET.epochs):
        for images in batches(epoch):
            at = torch.rand(N, 2, generator=noise)
            places, small = ((at * 3).long().tolist(), (at * 2).long().tolist()), avg_pool2d(images, 2)
            x = torch.stack([image[:, i : i + 6, j : j + 6] for image, (i, j) in zip(images, places[0])])
            low = torch.stack([image[:, i : i + 3, j : j + 3] for image, (i, j) in zip(small, places[1])])
            sharp = interpolate(low, scale_factor=2, mode="bicubic") + generator(low)
            real, fake = judge(x), judge(sharp)
            a, b = features(sharp).flatten(2), features(x).flatten(2)
            texture = (a @ a.mT - b @ b.mT).square().mean()
            loss = (sharp - x).square().mean() + softplus(-fake).mean() + system.texture * texture
            slopes = gradients(loss, generator), gradients(softplus(-real).mean() + softplus(fake).mean(), judge)
            ours.step(slopes[0])
            if min(performance) < threshold:
                theirs.step(slopes[1])
                stepped += 1
            performance = (real > 0).float().mean().item(), (fake < 0).float().mean().item()
    assert 0 < stepped and (stepped < STEPS) == acts
    judge.performance.copy_(torch.tensor(performance))
    assert_equal(system, players)
