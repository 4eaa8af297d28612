"""FRVSR: what the first frame's flow can learn, shifts at two sizes, grids, and what each rival sees."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import CLIPS, frvsr
from toys.running import made, moves, scene

from blurvae import datasets
from blurvae.models.frvsr import FNet
from blurvae.resampling import blur_and_decimate, imresize, jpeg, space_to_depth, upsample, warp
from blurvae.systems import FRVSR
from blurvae.systems.frames import beside
from blurvae.systems.frvsr import Players


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def doubled(system: FRVSR, seed: int = 0) -> Players:
    players = made((system, CLIPS), seed)
    for net in players:
        if net is not None:
            net.double()
    return players


# Errata FR-E1 to FR-E4 -----------------------------------------------------------------------------------------------


def test_fr_e1_the_flow_of_the_first_frame_learns_nothing() -> None:
    """Black warped by any flow is black; the earliest flow that L_sr reaches is that between the first two frames."""
    system = frvsr("frvsr")
    players, low = doubled(system), random(2, 3, 3, 4, 4)
    flow = (4 * random(2, 2, 4, 4, seed=1) - 2).requires_grad_()
    carried = system.carried(torch.zeros(2, 3, 8, 8, dtype=low.dtype), flow)
    assert not carried.any()
    estimate = system.made(players, low[:, 0], [carried])
    (slope,) = torch.autograd.grad(estimate.square().sum(), flow, materialize_grads=True)
    assert not slope.any(), "exactly zero"
    assert torch.equal(system.enlarged(players, low).estimate[:, 0], estimate)
    second = system.made(players, low[:, 1], [system.carried(estimate.detach(), flow)])
    (slope,) = torch.autograd.grad(second.square().sum(), flow)
    assert slope.any()


def test_every_later_frame_teaches_every_earlier_flow() -> None:
    """FR-C9: the last frame's error reaches the flow between the first two, through time."""
    system = frvsr("frvsr")
    players, low = doubled(system), random(1, 5, 3, 4, 4)
    assert players.flow is not None
    asked: list[Tensor] = []

    class Kept(FNet):
        def forward(self, before: Tensor, now: Tensor) -> Tensor:
            asked.append(super().forward(before, now))
            asked[-1].retain_grad()
            return asked[-1]

    players.flow.__class__ = Kept
    system.enlarged(players, low).estimate[:, -1].square().sum().backward()
    assert len(asked) == 4 and all(flow.grad is not None and flow.grad.any() for flow in asked)


@pytest.mark.parametrize("size", [16, 40])
def test_fr_e3_a_flow_in_pixels_means_the_same_at_two_sizes(size: int) -> None:
    """A known shift, at the small frames' scale and at that of the estimates."""
    system = frvsr("frvsr", scale=4, border="zeros")
    x = random(1, 3, size, size)
    flow = torch.zeros(1, 2, size // 4, size // 4, dtype=x.dtype)
    flow[:, 0], flow[:, 1] = 1, -2  # px of the small frames: 4 to the right and 8 up in the large ones
    moved = space_to_depth(torch.roll(x, (8, -4), (2, 3)), 4)
    inner = system.carried(x, flow)[..., 2:, :-1]
    assert torch.allclose(inner, moved[..., 2:, :-1], atol=1e-12)


def test_fr_e3_displacements_are_interpolated_and_positions_are_not() -> None:
    """An identity that is interpolated as positions is wrong at the border by up to 1.5 px at a scale of 4."""
    position = torch.arange(8.0, dtype=torch.float64).expand(1, 1, 8, 8)
    wanted = torch.arange(32.0, dtype=torch.float64)
    centred = 4 * upsample(position, 4, None, "linear")[0, 0, 0] + 1.5
    assert (centred - wanted).abs()[[0, 1, 2, 16]].tolist() == pytest.approx([1.5, 0.5, 0, 0])
    system, x = frvsr("frvsr", scale=4), random(1, 3, 32, 32)
    still = torch.zeros(1, 2, 8, 8, dtype=x.dtype)
    assert torch.allclose(system.carried(x, still), space_to_depth(x, 4), atol=1e-12), (
        "a displacement of nothing is exact"
    )


@pytest.mark.parametrize("phase", [0, 1, 3])
def test_fr_e4_frames_are_enlarged_on_the_grid_that_they_were_decimated_on(phase: int) -> None:
    system = frvsr("frvsr", scale=4, sigma=0.0, sampling_phase=phase)
    x = random(2, 2, 3, 16, 16)
    small = system.small(x)
    assert torch.equal(small, x[..., phase::4, phase::4])
    large = system.bicubic(small[:, 0])
    assert torch.allclose(large[..., phase::4, phase::4], small[:, 0], atol=1e-12), "known pixels stay"
    assert not torch.allclose(imresize(small[:, 0], 4)[..., phase::4, phase::4], small[:, 0], atol=1e-3)


# The methods ---------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_sum_of_its_equations() -> None:
    """(3.7) and (3.8), written out frame by frame."""
    system = frvsr("frvsr", flow_weight=1.0, sigma=1.0)
    players = doubled(system)
    ((_, move),) = moves(system)
    here = scene((system, CLIPS), move, torch.float64)
    clip = (here.x + 1) / 2
    low = torch.stack([blur_and_decimate(frame, 2, 1.0) for frame in clip.unbind(1)], 1)
    assert players.flow is not None
    estimate, sr, flow_error = torch.zeros_like(clip[:, 0]), [], []
    for t in range(clip.shape[1]):
        flow = players.flow(low[:, max(t - 1, 0)], low[:, t])
        large = 2 * upsample(flow, 2, 0, "linear")
        estimate = players.sr(torch.cat((low[:, t], space_to_depth(warp(estimate, large), 2)), 1))
        sr.append((estimate - clip[:, t]).square().mean())
        if t:
            flow_error.append((warp(low[:, t - 1], flow) - low[:, t]).square().mean())
    wanted = torch.stack(sr).mean() + torch.stack(flow_error).mean()
    turn = system.play(players, here)
    assert turn.losses["sr"].item() == pytest.approx(wanted.item(), rel=1e-10)
    assert turn.losses["sr"] is turn.losses["flow"], "one backward pass"


def touched(system: FRVSR, at: int, frames: int = 5) -> list[int]:
    """Which small frames the estimate of one depends on."""
    low = random(1, frames, 3, 4, 4).requires_grad_()
    estimate = system.enlarged(doubled(system), low).estimate
    (slope,) = torch.autograd.grad(estimate[:, at].sum(), low)
    return [t for t in range(frames) if slope[:, t].any()]


def test_a_frame_is_one_three_or_all_that_came_before() -> None:
    assert touched(frvsr("sisr"), 2) == [2]
    assert touched(frvsr("vsr"), 2) == [1, 2, 3] and touched(frvsr("vsr"), 0) == [0, 1]
    assert touched(frvsr("frvsr"), 2) == [0, 1, 2]


def test_the_same_srnet_but_for_what_it_sees() -> None:
    nets = {method: frvsr(method, scale=4).players((10, 3, 64, 64)) for method in ("sisr", "vsr", "frvsr")}
    inputs = {method: net.sr.layers[0].in_channels for method, net in nets.items()}
    assert inputs == {"sisr": 3, "vsr": 9, "frvsr": 51}
    rest = {tuple(w.shape for w in net.sr.layers[1:].parameters()) for net in nets.values()}
    assert len(rest) == 1 and nets["sisr"].flow is None


def test_another_estimate_to_start_from_is_carried_on() -> None:
    """Fig. 3.7: the true frame in the place of the first estimate."""
    system = frvsr("frvsr")
    players, low, truth = doubled(system), random(1, 3, 3, 4, 4), random(1, 3, 8, 8, seed=1)
    given = system.enlarged(players, low, start=truth).estimate
    assert torch.equal(given[:, 0], truth)
    flow = system.flow(players, low[:, 0], low[:, 1], None, nullcontext)
    second = system.made(players, low[:, 1], [system.carried(truth, flow)])
    assert torch.equal(given[:, 1], second)


# Motion that is given ------------------------------------------------------------------------------------------------


def test_given_motion_brings_each_frame_onto_the_next_and_replaces_fnet() -> None:
    """With whole pixels of the small frames: what is warped is what the frame shows, away from the border."""
    x = random(1, 3, 40, 40)
    shifts = [(0, 0), (1, 0), (0, -2), (1, 1)]  # of small px, from frame to frame: (right, down)
    places = [(sum(s[1] for s in shifts[: t + 1]), sum(s[0] for s in shifts[: t + 1])) for t in range(4)]
    clip = torch.stack([x[..., 8 + 2 * y : 24 + 2 * y, 8 + 2 * r : 24 + 2 * r] for y, r in places], 1)
    code = 128 + 2 * 2 * torch.tensor(shifts, dtype=x.dtype)  # half pixels of the large frames
    planes = (code / 127.5 - 1)[None, :, :, None, None].expand(1, 4, 2, 16, 16)
    sample = torch.cat((2 * clip - 1, planes), 2)
    given = {"motion": "given", "sigma": 0.0}
    for system in (frvsr("frvsr", **given), frvsr("vsr", **given)):
        pictures, motion = system.parts(sample)
        assert motion is not None and torch.equal(motion[0], torch.tensor(shifts, dtype=x.dtype))
        assert torch.allclose(pictures, clip)
        players = doubled_for(system, (4, 5, 16, 16))
        assert players.flow is None and [*system.optimisers()] == ["sr"]
        low = system.small(pictures)
        made_ = system.enlarged(players, low, motion)
        assert made_.flow is not None and made_.flow_error is None
        sides = [low[:, :-1]] if system.method == "frvsr" else [*beside(low)]
        targets = [low[:, 1:]] if system.method == "frvsr" else [low, low]
        for side, target, flow in zip(sides, targets, made_.flow.split(sides[0].shape[1], 1)):
            seen = warp(side.flatten(0, 1), flow.flatten(0, 1))
            assert torch.allclose(seen[..., 3:-3, 3:-3], target.flatten(0, 1)[..., 3:-3, 3:-3], atol=1e-10)
    passed_over = frvsr("frvsr", motion="carried", sigma=0.0)
    pictures, motion = passed_over.parts(sample)
    assert motion is None and torch.allclose(pictures, clip)
    assert doubled_for(passed_over, (4, 5, 16, 16)).flow is not None


def doubled_for(system: FRVSR, shape: tuple[int, ...]) -> Players:
    torch.manual_seed(0)
    players = system.players(shape)
    for net in players:
        if net is not None:
            net.double()
    return players


def test_the_motion_that_samples_carry_is_that_of_their_set() -> None:
    clips = datasets.load("moving-flow", "test", size=16, n=4)
    assert isinstance(clips, datasets.ClipSet) and clips.motion is not None
    pictures, motion = frvsr("frvsr", motion="given").parts(datasets.to_float(clips.tensor()))
    assert motion is not None and torch.equal(motion, torch.from_numpy(clips.motion.copy()) / 2)
    plain = datasets.load("moving", "test", size=16, n=4)
    assert torch.allclose(pictures * 255, plain.tensor().float(), atol=1e-3)


@pytest.mark.parametrize("fields", [{"method": "frvsr"}, {"method": "frvsr", "motion": "given"}, {"method": "sisr"}])
def test_a_clip_of_one_frame_is_its_first_frame(fields: dict[str, Any]) -> None:
    system, low = frvsr(**fields), random(2, 3, 3, 4, 4)
    players = doubled_for(system, (3, 5 if "motion" in fields else 3, 8, 8))
    motion = torch.zeros(2, 3, 2, dtype=low.dtype) if "motion" in fields else None
    found = system.enlarged(players, low[:, :1], motion if motion is None else motion[:, :1])
    whole = system.enlarged(players, low, motion)
    assert torch.allclose(found.estimate, whole.estimate[:, :1]) and found.flow is None is found.flow_error


def test_a_skip_adds_the_bicubic_frame() -> None:
    low = random(2, 3, 3, 4, 4)
    plain, skipped = frvsr("sisr"), frvsr("sisr", global_skip=True)
    players = doubled(plain)
    difference = skipped.enlarged(players, low).estimate - plain.enlarged(players, low).estimate
    assert torch.allclose(difference[:, 1], plain.bicubic(low[:, 1]))


def test_noise_is_added_to_the_small_frames_with_its_standard_deviation() -> None:
    system = frvsr("sisr", noise=0.075)
    seen: list[Tensor] = []
    system_players = doubled(system)
    system_players.sr.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    ((_, move),) = moves(system)
    here = scene((system, CLIPS), move, torch.float64)
    system.play(system_players, here)
    clean = system.small((here.x + 1) / 2).flatten(0, 1)
    assert (seen[0] - clean).std().item() == pytest.approx(0.075, rel=0.1)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"method": "tsr"}, "methods frvsr, vsr and sisr"),
    ({"sampling_phase": 2}, "from 0 to 1"),
    ({"crop": 5}, "that the scale of 2 divides"),
    ({"sigma": -1.0}, "standard deviation"),
    ({"reach": 0.0}, "reach must be a positive"),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=[m for _, m in BAD])
def test_fields_out_of_their_range_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frvsr(**{"method": "frvsr"} | fields)


def test_frames_that_do_not_fit_are_refused_before_any_work() -> None:
    for system, shape in ((frvsr("frvsr", crop=32), (3, 3, 16, 16)), (frvsr("frvsr"), (3, 3, 15, 16))):
        with pytest.raises(ValueError, match="Frames of"):
            system.players(shape)


# What recurrence can carry at most -----------------------------------------------------------------------------------


def test_shifts_through_all_phases_give_back_every_pixel() -> None:
    """The exact bound: without blur, s² frames moved by known whole pixels hold every pixel of the scene once."""
    scale, size = 4, 32
    scene_ = torch.from_numpy(datasets.photographs()["coffee"][:, 100:150, 100:150].copy()).double()
    built, counts = torch.zeros(3, size, size, dtype=torch.float64), torch.zeros(size, size)
    for down in range(scale):
        for right in range(scale):
            frame = scene_[None, :, down : down + size, right : right + size]
            small = blur_and_decimate(frame, scale, 0.0)[0]
            built[:, down::scale, right::scale] += small[:, : (size - down + 3) // 4, : (size - right + 3) // 4]
            counts[down::scale, right::scale] += 1
    assert torch.equal(counts, torch.ones(size, size))
    assert torch.equal(built, scene_[:, :size, :size])


def test_a_step_sees_the_first_frames_alone_and_what_jpeg_leaves_of_them() -> None:
    short, whole = frvsr("frvsr", frames=2), frvsr("frvsr")
    players = doubled(whole)
    ((_, move),) = moves(whole)
    here = scene((whole, CLIPS), move, torch.float64)
    first = here._replace(x=here.x[:, :2])
    assert torch.equal(short.play(players, here).losses["sr"], whole.play(players, first).losses["sr"])
    assert not torch.equal(short.play(players, here).losses["sr"], whole.play(players, here).losses["sr"])
    clip = random(1, 2, 3, 32, 32)
    damaged = frvsr("frvsr", jpeg=40).small(clip)
    assert torch.equal(damaged[0], jpeg(whole.small(clip)[0], 40)) and not torch.equal(damaged, whole.small(clip))
    for fields, message in (({"jpeg": 101}, "from 1 to 100"), ({"frames": 1}, "enough of"), ({"frames": -1}, "frames")):
        with pytest.raises(ValueError, match=message):
            frvsr("frvsr", **fields)
    with pytest.raises(ValueError, match="enough of"):
        frvsr("vsr", frames=2)
