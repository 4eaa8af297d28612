"""What is measured of super-resolution: on networks that do nothing, on the truth, and on runs of a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from blurvae import datasets, experiments
from blurvae.datasets.bars import PLACEMENTS
from blurvae.evaluation import EnhanceNetEvaluation, FRVSREvaluation, occlusion, timing, whole_clips
from blurvae.evaluation import enhancenet as of_pictures
from blurvae.evaluation.enhancenet import bars
from blurvae.evaluation.frvsr import temporal_error
from blurvae.experiments import recorded
from blurvae.metrics.sr import Protocol
from blurvae.record import execute, read
from blurvae.systems import FRVSR, EnhanceNet
from blurvae.train import Budget

SMALL: dict[str, Any] = {"crop": 0, "width": 4, "blocks": 1, "features": "classifier"}
CPU = torch.device("cpu")


def silent(players: Any) -> Any:
    """Networks whose weights are 0: what they add to the bicubic picture is nothing."""
    for net in players:
        if isinstance(net, nn.Module):
            with torch.no_grad():
                for weight in net.parameters():
                    weight.zero_()
    return players


def pictures_of(system: EnhanceNet, data: str = "natural", size: int = 64, n: int = 4) -> EnhanceNetEvaluation:
    train, test = (datasets.load(data, split, size=size, n=n) for split in ("train", "test"))
    return EnhanceNetEvaluation(system, Budget(), train, test, CPU)


# Pictures ------------------------------------------------------------------------------------------------------------


def test_a_network_that_adds_nothing_is_bicubic_in_every_row() -> None:
    system = EnhanceNet("E", **SMALL)
    measured = pictures_of(system).measure(silent(system.players((3, 64, 64))))
    rows = {name: entry.get("mean", entry.get("value")) for name, entry in measured.metrics.items()}
    for name, plain in (("PSNR (Y)", "PSNR (Y, bicubic)"), ("texture distance", "texture distance (bicubic)")):
        assert rows[name] == pytest.approx(rows[plain], rel=1e-6) and rows[name] > 0
    assert rows["PSNR (Y)"] > rows["PSNR"] + 1, "luma has less range and error than RGB with the border"
    assert measured.metrics["PSNR (Y)"]["protocol"] == "Y of BT.601, 8 bits, 4 px shaved, bicubic-antialias"
    assert 0 < rows["colour error"] < 1, "bicubic keeps the mean colour but for its rounding"
    shapes = {name: array.shape for name, array in measured.pictures.items() if array.dtype == np.uint8}
    large = dict.fromkeys(("original", "reconstruction", "bicubic"), (4, 3, 64, 64))
    assert shapes == {**large, "small": (4, 3, 16, 16)}
    assert np.array_equal(measured.pictures["reconstruction"], measured.pictures["bicubic"])


def test_a_shift_of_colour_and_a_checkerboard_are_seen() -> None:
    system = EnhanceNet("E", **SMALL)
    players = silent(system.players((3, 64, 64)))
    evaluation = pictures_of(system)
    plain = evaluation.measure(players).metrics
    with torch.no_grad():
        players.generator.layers[-1].bias.copy_(torch.tensor([0.2, 0.0, 0.0]))
    assert evaluation.measure(players).metrics["colour error"]["mean"] > plain["colour error"]["mean"] + 5
    grid = torch.zeros(64, 64)
    grid[::4, ::4] = 0.3
    players.generator.residual = lambda low: grid.expand(len(low), 3, 64, 64)
    assert evaluation.measure(players).metrics["checkerboard"]["value"] > plain["checkerboard"]["value"] + 0.5


def test_the_fields_sets_are_measured_where_they_are_and_named_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grey picture goes through the network as three channels and is compared as one."""
    system = EnhanceNet("E", **SMALL)
    players, evaluation = silent(system.players((3, 64, 64))), pictures_of(system)
    coffee = datasets.photographs()["coffee"][:, :90, :70]
    shown = {"grey": coffee[:1], "colour": coffee}
    monkeypatch.setattr(of_pictures.datasets, "pictures", lambda name: shown)
    found = evaluation.benchmark(players.generator, "set5")
    plain = of_pictures.bicubic.of_pictures(shown, 4, of_pictures.Protocol())
    assert found["PSNR (set5)"]["mean"] == pytest.approx(plain.psnr.mean().item(), abs=0.02)
    assert found["PSNR (set5)"]["n"] == 2 and "protocol" in found["SSIM (set5)"]
    monkeypatch.undo()
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    assert evaluation.benchmark(players.generator, "set5")["PSNR (set5)"] == {"state": "needs data", "what": "set5"}


def test_bars_are_sharp_or_whole_or_neither() -> None:
    cells = np.tile(PLACEMENTS[[0, 1, 2, 3]].reshape(1, 1, 2, 2, 2, 2).swapaxes(3, 4), (2, 1, 1, 1, 1, 1))
    x = torch.from_numpy(cells.reshape(2, 1, 4, 4).copy()).float()
    assert bars(x, x) == {"sharp pixels": 1.0, "whole bars": 1.0}
    assert bars(x, x.flip(3)) == {"sharp pixels": 1.0, "whole bars": 1.0}, "another bar is one too"
    assert bars(x, torch.full_like(x, 0.5)) == {"sharp pixels": 0.0, "whole bars": 0.0}
    assert bars(x, torch.ones_like(x)) == {"sharp pixels": 1.0, "whole bars": 0.0}
    empty = torch.zeros(1, 1, 4, 4)
    empty[..., :2, :2] = x[:1, :, :2, :2]
    assert bars(empty, empty * 0.95) == {"sharp pixels": 1.0, "whole bars": 1.0}, "empty cells do not count"


# Clips ---------------------------------------------------------------------------------------------------------------


def clips_of(system: FRVSR, n: int = 4) -> FRVSREvaluation:
    train, test = (datasets.load("moving", split, size=32, n=n) for split in ("train", "test"))
    return FRVSREvaluation(system, Budget(), train, test, CPU)


def test_no_two_clips_share_their_noise_and_all_that_is_measured_has_the_same() -> None:
    evaluation, x = clips_of(FRVSR("sisr", noise=0.075)), torch.full((8, 2, 3, 16, 16), 0.5)
    first, again, second = evaluation.small(x, 0), evaluation.small(x, 0), evaluation.small(x, 8)
    noise = (torch.cat((first, second)) - 0.5).flatten(1)  # (16, 2 · 3 · 8 · 8)
    assert torch.equal(first, again) and noise.std().item() == pytest.approx(0.075, rel=0.05)
    assert (torch.corrcoef(noise) - torch.eye(16)).abs().max() < 0.3, "of clips of the next batch, too"


@pytest.mark.parametrize("method", ["sisr", "vsr", "frvsr"])
def test_a_network_that_adds_nothing_is_bicubic_and_finds_no_motion(method: Any) -> None:
    system = FRVSR(method, blocks=1, filters=4, flow_widths=(3, 4), global_skip=True)
    measured = clips_of(system).measure(silent(system.players((10, 3, 32, 32))))
    rows = {name: entry["mean"] for name, entry in measured.metrics.items() if "mean" in entry}
    for name, plain in (("PSNR (video)", "PSNR (video, bicubic)"), ("temporal error", "temporal error (bicubic)")):
        assert rows[name] == pytest.approx(rows[plain], rel=1e-5)
    if method == "sisr":
        assert "flow error" not in rows
    else:
        motion = datasets.load("moving", "test", size=32, n=4).motion / 4  # type: ignore[attr-defined]
        length = np.linalg.norm(motion[:, 1:], axis=2).mean()
        assert rows["flow error"] == pytest.approx(rows["flow error (no flow)"]) == pytest.approx(length, rel=1e-5)
    assert "frames 2 to −2" in measured.metrics["PSNR (video)"]["protocol"]
    by_frame = measured.pictures["psnr_by_frame"]
    assert by_frame.shape == (10,) and np.allclose(by_frame, measured.pictures["psnr_by_frame_bicubic"], atol=1e-3)
    assert ("psnr_by_frame_long" in measured.pictures) == (method == "frvsr")
    if method == "frvsr":
        long, injected = (measured.pictures[f"psnr_by_frame_long{how}"] for how in ("", "_injected"))
        assert long.shape == (40,) and injected[0] == np.inf and np.allclose(long[1:], injected[1:])
        longer, later = (measured.pictures[f"psnr_by_frame_longer{how}"] for how in ("", "_later"))
        assert longer.shape == later.shape == (60,) and np.isnan(later[:10]).all()
        assert np.allclose(longer[10:], later[10:]), "frames that are enlarged alone know no start"


@pytest.mark.parametrize("motion", ["carried", "given"])
def test_a_later_start_sees_black_before_its_first_frame_and_nothing_of_those_before(motion: Any) -> None:
    """Fig. 3.8, on a clip of twelve frames."""
    torch.manual_seed(0)  # of other weights hardly any may depend on the frame before
    clips = datasets.load("moving-flow:12", "test", size=32, n=2)
    system = FRVSR("frvsr", motion=motion, blocks=1, filters=4, flow_widths=(3, 4))
    players = system.players(clips.shape)
    evaluation = FRVSREvaluation(system, Budget(), clips, clips, CPU)
    with torch.no_grad():
        found = evaluation._followed(players, clips, "psnr", later=True)
        truth, given = system.parts(datasets.to_float(clips.tensor()))
        rest = None if given is None else given[:, 10:]
        made = system.enlarged(players, system.small(truth)[:, 10:], rest).estimate
    assert np.allclose(found["psnr_later"][10:], evaluation.by_frame(truth[:, 10:], made.clamp(0, 1)))
    assert not np.allclose(found["psnr_later"][10:], found["psnr"][10:])


@pytest.mark.parametrize(("method", "flows"), [("sisr", 0), ("vsr", 2), ("frvsr", 1)])
def test_the_time_of_a_frame_is_that_of_its_flows_and_one_pass(method: Any, flows: int) -> None:
    system = FRVSR(method, blocks=1, filters=4, flow_widths=(3, 4))
    players, calls = system.players((10, 3, 32, 32)), {"flow": 0, "sr": 0}
    for name, net in players._asdict().items():
        if net is not None:
            net.register_forward_hook(lambda *_, name=name: calls.update({name: calls[name] + 1}))
    found = timing.of_a_frame(system, players, 32, 64)
    assert found["value"] > 0 and "64×32 px" in found["protocol"]
    rounds = 1 + timing.REPEATS
    assert calls == {"flow": flows * rounds, "sr": rounds}


def test_the_truth_has_no_temporal_error_and_flicker_has() -> None:
    clips = datasets.load("moving", "test", size=32, n=3)
    assert isinstance(clips, datasets.ClipSet) and clips.motion is not None
    x, motion = torch.from_numpy(clips.images.copy()).float() / 255, torch.from_numpy(clips.motion.copy())
    assert temporal_error(x, x, motion).max() < 1e-3
    brighter: Tensor = x + 0.02
    assert temporal_error(x, brighter, motion).max() < 1e-2, "a steady error is none in time"
    flicker = x + 0.02 * (-1) ** torch.arange(10).view(1, 10, 1, 1, 1)
    assert torch.allclose(temporal_error(x, flicker, motion), torch.tensor(2 * 0.02 * 255), rtol=1e-3)


def test_what_comes_into_sight_was_behind_what_moves_by_itself() -> None:
    """A column that stands still before a scene that moves by a pixel to the right uncovers one column of it."""
    cover = torch.zeros(1, 3, 6, 8, dtype=torch.bool)
    cover[..., 3:5] = True
    motion = torch.tensor([[[0.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]])  # one looks to the left for what was there before
    found = occlusion.regions(cover, motion)
    for name, columns in {"uncovered": [5], "by itself": [3, 4], "elsewhere": [1, 2, 6, 7]}.items():
        where = torch.zeros(8, dtype=torch.bool)
        where[columns] = True
        assert torch.equal(found[name][0, 1:], where.expand(2, 6, 8)) and not found[name][:, 0].any()
    half = occlusion.regions(cover, motion / 2)
    assert half["uncovered"][0, 1].any(0).tolist() == [False] * 5 + [True] + [False] * 2, "a part of a pixel counts"


def test_error_in_one_region_is_found_in_that_region_alone() -> None:
    clips = datasets.load("moving-occluded", "test", size=32, n=4)
    assert isinstance(clips, datasets.ClipSet) and clips.cover is not None and clips.motion is not None
    x = torch.from_numpy(clips.images[:, :, :3].copy()).float() / 255
    cover, motion = torch.from_numpy(clips.cover.copy()), torch.from_numpy(clips.motion.copy())
    protocol, where = Protocol(shave=4, round=False), occlusion.regions(cover, motion)
    for region in occlusion.REGIONS:
        y = x + 0.1 * where[region][:, :, None]
        found = occlusion.by_region(x, y, cover, motion, protocol, slice(2, -2))
        scale = 219.005 / 255  # of luma
        assert found[f"PSNR ({region})"]["value"] == pytest.approx(-20 * np.log10(0.1 * scale), abs=1e-3)
        others = [found[f"PSNR ({name})"]["value"] for name in occlusion.REGIONS if name != region]
        assert min(others) > 80


def test_clips_with_a_square_are_measured_by_region() -> None:
    train, test = (datasets.load("moving-occluded", split, size=32, n=4) for split in ("train", "test"))
    system = FRVSR("frvsr", motion="given", blocks=1, filters=4, global_skip=True)
    evaluation = FRVSREvaluation(system, Budget(), train, test, CPU)
    measured = evaluation.measure(silent(system.players((10, 5, 32, 32))))
    assert {*occlusion.DIGITS} <= {*measured.metrics} and "psnr_by_frame_long" not in measured.pictures


def fake_videos(place: Path, folder: str, count: int, frames: int, size: tuple[int, int]) -> None:
    """Clips of noise that moves to the right, as files of frames."""
    rng = np.random.default_rng(0)
    for clip in range(count):
        wide = rng.integers(0, 256, (size[0], size[1] + frames, 3), np.uint8)
        (place / folder / f"clip{clip}").mkdir(parents=True)
        for t in range(frames):
            Image.fromarray(wide[:, t : t + size[1]]).save(place / folder / f"clip{clip}" / f"{t:05d}.png")


def test_real_clips_are_measured_whole_beside_those_of_the_field(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("BLURVAE_DATA", str(tmp_path))
    fake_videos(tmp_path, "video/davis", 5, 21, (72, 104))
    monkeypatch.setattr(whole_clips, "LONG", 11)
    train, test = (datasets.load("davis", split, size=64) for split in ("train", "test"))
    system = FRVSR("frvsr", blocks=1, filters=4, flow_widths=(3, 4), global_skip=True)
    evaluation = FRVSREvaluation(system, Budget(), train, test, CPU)
    players = silent(system.players((10, 3, 64, 64)))
    absent = evaluation.measure(players).metrics["PSNR (vid4-first10)"]
    assert absent == {"state": "needs data", "what": "vid4-first10"}
    fake_videos(tmp_path, "video/vid4", 4, 10, (40, 72))
    measured = evaluation.measure(players)
    rows = measured.metrics
    assert rows["PSNR (vid4-first10)"]["n"] == 4 and "frames 2 to −2" in rows["PSNR (vid4-first10)"]["protocol"]
    assert rows["PSNR (vid4-first10)"]["mean"] == pytest.approx(rows["PSNR (vid4-first10, bicubic)"]["mean"], rel=1e-5)
    assert measured.pictures["psnr_by_frame_long"].shape == (11,)
    assert measured.pictures["psnr_by_frame_longer_later"].shape == (21,), "a real clip is as long as it is"


def test_what_cannot_be_measured_is_refused_before_the_training() -> None:
    system, pictures = FRVSR("sisr"), datasets.load("natural", "test", size=32, n=4)
    with pytest.raises(ValueError, match="`moving` or `davis`"):
        FRVSREvaluation(system, Budget(), pictures, pictures, CPU).check()
    for evaluation in (clips_of(system), pictures_of(EnhanceNet("E", **SMALL))):
        evaluation.n_bound = 8
        with pytest.raises(ValueError, match="leave n_bound out"):
            evaluation.check()


# Runs ----------------------------------------------------------------------------------------------------------------


EXPERIMENTS = (
    *("enhancenet/table3", "enhancenet/table4", "enhancenet/choices", "enhancenet/faces"),
    *("enhancenet/figure2", "enhancenet/study"),
    *("frvsr/motion", "frvsr/davis", "frvsr/robust", "frvsr/blur", "frvsr/filters", "frvsr/occluded"),
)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_run_of_each_experiment_is_recorded_and_becomes_columns(name: str, tmp_path: Any) -> None:
    module = experiments.get(name)
    (data,) = module.GRID["smoke"]
    own = [r for r in module.runs("smoke", data, (0,)) if r.experiment == name]
    pictures, clips = ("pat", "e-x2", "pt-whole", "ea"), ("frvsr", "frvsr-jpeg-70", "frvsr-given")
    chosen = {*pictures, *clips, "frvsr-given-sigma-2", "frvsr-given-8-maps"}
    run = next(r for r in own if r.method in chosen)
    execute(run, out=tmp_path, device="cpu")
    again = read(run.path(tmp_path))
    assert again.run == run and again.pictures["original"].dtype == np.uint8
    found = recorded.frame(name, "smoke", data, tmp_path)
    assert {*found.metric} <= {*recorded.DIGITS} and {*module.COLUMNS} & {*found.metric}
    measured = [
        column for column in module.COLUMNS if "(set" not in column and "100)" not in column and "vid4" not in column
    ]
    assert {*measured} <= {*found.metric}
    assert [entry["phase"] for entry in again.record["history"]] == ["train"] * run.budget.epochs
