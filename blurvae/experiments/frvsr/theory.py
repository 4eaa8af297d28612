"""What needs no training of FRVSR: the best blur of a linear model, the cost of a frame, gradients through time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from blurvae import datasets
from blurvae.blur import alias_system, hermitian_weights, least_error
from blurvae.evaluation.whole_clips import LATER, LONG, LONG_CLIPS
from blurvae.metrics import Protocol
from blurvae.models import parameter_count
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import INPUTS, Method

SCALE, SIDE = 4, 32  # px of the scenes of the linear model
PATCHES, EIGHT_BITS = 1000, 1 / 12 / 255**2  # whose power scenes have; variance of rounding on [0, 1]
SIGMAS = tuple(i / 10 for i in range(41))  # px, 0 to 4
DRAWS = 8  # of the motion
NETWORKS = ((3, 64), (5, 64), (10, 64), (3, 128), (5, 128), (10, 128))  # residual blocks and filters (§3.4.6)
FULL_HD = 480 * 270  # px of the small frame
WIDTHS = (32, 64, 128)  # of FNet
CHANNELS = 3
START = LATER + 1  # the first frame that a later start sees (Fig. 3.8)


# The linear model ----------------------------------------------------------------------------------------------------


@cache
def power_of_patches(side: int = SIDE) -> Tensor:
    """E|X(ω)|² of the training patches of `natural`, their means known, averaged over rings: (side, side).

    Rings level the cross that a patch's borders leave in its spectrum.
    """
    x = datasets.load("natural", "train", size=side, n=PATCHES).tensor().double() / 255
    half = torch.fft.rfft2(x - x.mean((2, 3), keepdim=True), norm="ortho")
    power = torch.view_as_real(half).square().mean((0, 1)).sum(-1)  # (side, side//2 + 1)
    f = side * torch.fft.fftfreq(side, dtype=power.dtype)
    ring = torch.hypot(f[:, None], f).round().long()
    seen = ring[:, : side // 2 + 1].flatten()  # of the half; its last column is that of −½
    weights = hermitian_weights((side, side), dtype=power.dtype)
    total, count = (torch.bincount(seen, of.flatten()) for of in (weights * power, weights))
    mean = total / count
    mean[0] = mean[1]  # where the mean is not known after all
    return mean[ring]


def gaussian_gain(sigma: float, side: int = SIDE) -> Tensor:
    """The transfer function exp(−σ²|ω|²/2) of a Gaussian blur, (side, side)."""
    omega = 2 * math.pi * torch.fft.fftfreq(side, dtype=torch.float64)
    line = torch.exp(-((sigma * omega) ** 2) / 2)
    return line[:, None] * line


def error_of(places: Tensor, sigma: float, side: int = SIDE, noise: float = EIGHT_BITS) -> float:
    """Least expected squared error of a linear estimate from frames at these places (n, 2), blurred by σ px."""
    system = alias_system(places, SCALE, gaussian_gain(sigma, side))
    return least_error(system, power_of_patches(side), noise)


@cache
def errors_over_blur(frames: int, sigmas: Sequence[float] = SIGMAS) -> np.ndarray:
    """`error_of` for each σ, the mean over eight draws of motion: each frame lies anywhere within a block."""
    draws = torch.from_numpy(np.random.default_rng(0).random((DRAWS, 10, 2)) * SCALE)
    return np.array([np.mean([error_of(places[:frames], sigma) for places in draws]) for sigma in sigmas])


def best_blur(frames: int) -> float:
    """σ, px, of the least error."""
    return SIGMAS[int(errors_over_blur(frames).argmin())]


@cache
def bicubic_by_frame(data: str, frames: int = LONG, clips: int = LONG_CLIPS, size: int | None = 64) -> np.ndarray:
    """PSNR by frame of bicubic enlargement of the long clips on which runs are followed, (frames,), dB."""
    system = FRVSR("sisr", motion="carried")
    truth, _ = system.parts(datasets.to_float(datasets.load(f"{data}:{frames}", "test", size=size, n=clips).tensor()))
    large = system.bicubic(system.small(truth).flatten(0, 1)).unflatten(0, truth.shape[:2]).clamp(0, 1)
    protocol = Protocol(shave=SCALE)
    psnr = protocol.psnr(truth.flatten(0, 1), large.flatten(0, 1)).unflatten(0, truth.shape[:2])
    return psnr.mean(0).double().numpy()


# Cost ----------------------------------------------------------------------------------------------------------------


def inputs(method: Method) -> int:
    """Channels that SRNet sees."""
    return CHANNELS * INPUTS.get(method, 1 + SCALE**2)


def flows(method: Method) -> int:
    """How often FNet is asked for a frame."""
    return {"sisr": 0, "vsr": 2, "frvsr": 1}[method]


def fnet_products(widths: Sequence[int] = WIDTHS) -> int:
    """Multiplications of FNet a pixel of the small frame."""
    down, up = [2 * CHANNELS, *widths], [widths[-1], 2 * widths[-1], *widths[:0:-1]]
    encoder = sum(9 * (a * b + b * b) / 4**k for k, (a, b) in enumerate(pairwise(down)))
    decoder = sum(9 * (a * b + b * b) / 4 ** (len(widths) - k) for k, (a, b) in enumerate(pairwise(up)))
    return round(encoder + decoder + 9 * (up[-1] * widths[0] + widths[0] * 2))


def products(method: Method, blocks: int, filters: int, widths: Sequence[int] = WIDTHS) -> int:
    """Multiplications a pixel of the small frame: 9(CN + (2B + 5)N² + 48N) of SRNet, and those of FNet.

    What a warp costs is left out, and space-to-depth, which multiplies nothing.
    """
    n = filters
    srnet = 9 * (inputs(method) * n + (2 * blocks + 5) * n * n + CHANNELS * SCALE**2 * n)
    return srnet + flows(method) * fnet_products(widths)


def counted(method: Method, blocks: int, filters: int, side: int = 8) -> float:
    """The same, layer by layer while a frame of side × side px runs."""
    found: list[int] = []

    def count(layer: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        at = given[0] if isinstance(layer, nn.ConvTranspose2d) else made  # where each weight is used once
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            found.append(layer.weight.numel() * at.shape[-2] * at.shape[-1])

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        players = FRVSR(method, blocks=blocks, filters=filters).players((3, CHANNELS, SCALE * side, SCALE * side))
        for layer in (layer for player in players if player is not None for layer in player.modules()):
            layer.register_forward_hook(count)
        small, seen = (torch.zeros(1, c, side, side) for c in (CHANNELS, inputs(method)))
        for _ in range(flows(method)):
            assert players.flow is not None
            players.flow(small, small)
        players.sr(seen)
    return sum(found) / side**2


def parameters(method: Method, blocks: int, filters: int) -> dict[str, int]:
    """Numbers that are learned, of FNet and SRNet."""
    with torch.device("meta"):
        players = FRVSR(method, blocks=blocks, filters=filters).players((3, CHANNELS, 64, 64))
    return {"FNet": parameter_count(players.flow) if players.flow else 0, "SRNet": parameter_count(players.sr)}


def gigaproducts(method: Method, networks: Iterable[tuple[int, int]] = NETWORKS) -> dict[str, float]:
    """10⁹ multiplications for a frame of full HD, by the network's name."""
    return {f"{b}-{n}": products(method, b, n) * FULL_HD / 1e9 for b, n in networks}


# Gradients through time ----------------------------------------------------------------------------------------------


@cache
def slopes(seed: int, frames: int = 10) -> tuple[float, ...]:
    """‖∂L_sr(last frame)/∂F_t‖ by t of an untrained network on a clip of `moving`; the first flow warps black.

    Args:
        seed: of the network.
        frames: how many of the clip's ten.
    """
    system = FRVSR("frvsr", blocks=2, filters=8, flow_widths=(4, 8), reach=4.0)
    clip = datasets.load("moving", "test", n=1).tensor()[:, :frames].double() / 255  # (1, t, 3, 64, 64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        players = system.players(tuple(clip.shape[1:]))
    flow, sr = players
    assert flow is not None
    flow.double(), sr.double()
    low, estimate, asked = system.small(clip), torch.zeros_like(clip[:, 0]), []
    for t in range(frames):
        asked.append(flow(low[:, max(t - 1, 0)], low[:, t]).detach().requires_grad_())
        estimate = system.made(players, low[:, t], [system.carried(estimate, asked[-1])])
    error = (estimate - clip[:, -1]).square().mean()
    found = torch.autograd.grad(error, asked, materialize_grads=True)
    return tuple(slope.norm().item() for slope in found)
