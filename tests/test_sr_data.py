"""Clips whose motion is known, bars that one grey pixel hides, and pictures and videos read from folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from blurvae import datasets
from blurvae.cli import app
from blurvae.datasets import bars, moving, natural, occluded, super_resolution, video
from blurvae.errors import CorruptFile, MissingData
from blurvae.resampling import warp

RNG = np.random.default_rng
GALLERIES = super_resolution.GALLERIES | video.GALLERIES
SETS = ("set5", "set14", "bsd100", "urban100", "sr-train", "vid4-first10", "vid4", "davis")


# Clips ---------------------------------------------------------------------------------------------------------------


def test_a_clip_set_is_checked_cut_and_measured_as_one() -> None:
    clips = datasets.load("moving", "test", size=16)
    assert isinstance(clips, datasets.ClipSet)
    assert clips.shape == (10, 3, 16, 16) and (clips.channels, clips.size) == (3, 16)
    few = clips.head(3)
    assert isinstance(few, datasets.ClipSet) and few.motion is not None and clips.motion is not None
    assert few.images.shape[0] == 3 and np.array_equal(few.motion, clips.motion[:3])
    with pytest.raises(ValueError, match=r"uint8 of shape \(n, t, c, h, w\)"):
        datasets.ClipSet("x", "test", clips.images[0], None, "", "", None, "")
    with pytest.raises(ValueError, match="ask for 1 to 48"):
        clips.head(1000)


@pytest.mark.parametrize("name", ["moving", "moving:40"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_clip_moves_as_it_says(name: str, split: str) -> None:
    """Two half pixels are one: every frame is the one before last, looked at where the motion says."""
    clips = datasets.load(name, split, size=32)
    assert isinstance(clips, datasets.ClipSet) and clips.motion is not None
    motion, x = clips.motion, torch.from_numpy(clips.images.copy()).double()
    assert motion.shape == (len(clips), clips.shape[0], 2) and not motion[:, 0].any()
    assert (np.abs(motion) <= moving.SPEED / 2).all() and (2 * motion == np.round(2 * motion)).all()
    checked = 0
    for i in range(len(clips)):
        for t in range(2, clips.shape[0]):
            both = motion[i, t] + motion[i, t - 1]
            if (both == np.round(both)).all() and both.any():
                right, down = both
                flow = torch.tensor([right, down], dtype=x.dtype).view(1, 2, 1, 1).expand(1, 2, 32, 32)
                seen = warp(x[i, t - 2][None], flow)[0]
                assert torch.allclose(seen[:, 4:-4, 4:-4], x[i, t, :, 4:-4, 4:-4], atol=1e-9)
                checked += 1
    assert checked > 50


def test_ten_frames_go_straight_and_long_clips_turn_back_within_their_way() -> None:
    way = moving.ways(200, 10, RNG(0))
    assert (np.diff(way, 2, axis=1) == 0).all() and way.min() >= 0 and way.max() <= moving.SPAN
    assert (np.diff(way, axis=1) != 0).any(2).all(), "none stands still"
    long = moving.ways(50, 120, RNG(0))
    assert np.array_equal(long[:, :10], moving.ways(50, 10, RNG(0))) and long.max() <= moving.SPAN
    assert (np.abs(np.diff(long, axis=1)) <= moving.SPEED).all() and (np.diff(long, 2, axis=1) != 0).any()


def test_training_and_test_clips_share_no_pixel() -> None:
    side = 2 * moving.SIZE + moving.SPAN
    taken = {split: {} for split in ("train", "test")}
    for split, own in taken.items():
        for index, top, left in natural.corners_of(split, moving.SIZE, side).tolist():
            own.setdefault(index, set()).add((top, left))
    for index, corners in taken["test"].items():
        used = {split: np.zeros((800, 800), bool) for split in taken}
        for split in taken:
            for top, left in taken[split].get(index, ()):
                used[split][top : top + side, left : left + side] = True
        assert corners and not (used["train"] & used["test"]).any()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_square_moves_by_itself_over_clips_that_are_those_of_moving(split: str) -> None:
    clips, plain = (datasets.load(name, split, size=32) for name in ("moving-occluded", "moving-flow"))
    assert isinstance(clips, datasets.ClipSet) and isinstance(plain, datasets.ClipSet)
    assert clips.cover is not None and clips.motion is not None and plain.motion is not None
    assert plain.cover is None and np.array_equal(clips.motion, plain.motion)
    differs = (clips.images[:, :, :3] != plain.images[:, :, :3]).any(2)
    assert not (differs & ~clips.cover).any() and differs[clips.cover].mean() > 0.8
    assert np.array_equal(clips.images[:, :, 3:], plain.images[:, :, 3:]), "the motion is that of the scene"
    few = clips.head(3)
    assert few.cover is not None and np.array_equal(few.cover, clips.cover[:3])
    area = clips.cover.mean((2, 3))
    assert area.max() <= 13**2 / 32**2 and (area[:, 5] > 0.03).all(), "24 px of the photograph, a half pixel at edges"
    cut, way = moving.cut(split, 32, 10)
    chosen, corner = occluded.squares(split, 32, way, cut[:, 0])
    assert (chosen[:, 0] != cut[:, 0]).all(), "of another photograph"
    own = np.diff(corner, axis=1)
    assert (np.abs(own) <= occluded.SPEED).all() and (own != -np.diff(way, axis=1)).any(2).all()
    with pytest.raises(ValueError, match="16 to 64"):
        datasets.load("moving-occluded", split, size=96)


def test_squares_of_training_come_from_the_parts_of_training() -> None:
    for split in ("train", "test"):
        cut, way = moving.cut(split, 64, 10)
        chosen, _ = occluded.squares(split, 64, way, cut[:, 0])
        for index, y, x in chosen.tolist():
            allowed = natural.region([*natural.PHOTOGRAPHS][index], split, 64)
            assert allowed[y : y + 48, x : x + 48].all()


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [("moving:x", None, "whole number of frames"), ("moving:2", None, "from 3"), ("moving", 96, "16 to 64")],
)
def test_clips_that_there_are_not_are_refused(name: str, size: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.load(name, "train", size=size)


# Bars ----------------------------------------------------------------------------------------------------------------


def test_a_bar_is_hidden_by_its_grey_pixel() -> None:
    images = bars.bars(64, 32, RNG(3))
    cells = images.reshape(64, 16, 2, 16, 2).swapaxes(2, 3) / 255
    means = cells.mean((3, 4))
    assert set(np.unique(means)) == {0.0, 0.5}
    assert means.mean() == pytest.approx(0.25, abs=0.01)
    filled = cells[means == 0.5]
    counts = [(filled == placement).all((1, 2)).sum() for placement in bars.PLACEMENTS]
    assert sum(counts) == len(filled)
    assert counts == pytest.approx([len(filled) / 4] * 4, rel=0.1)
    with pytest.raises(ValueError, match="even side"):
        bars.bars(1, 31, RNG(0))


# Folders -------------------------------------------------------------------------------------------------------------


def folder_of(place: Path, sizes: list[tuple[int, int]], *, ending: str = "png", grey: bool = False) -> Path:
    place.mkdir(parents=True)
    for i, (h, w) in enumerate(sizes):
        shape = (h, w) if grey and i == 0 else (h, w, 3)
        Image.fromarray(RNG(i).integers(0, 256, shape, np.uint8)).save(place / f"{i:02d}.{ending}")
    return place


def test_pictures_are_prepared_from_any_format_and_read_whole_and_as_squares(tmp_path: Path) -> None:
    sizes = [(224, 240), (300, 230), (256, 256), (224, 224), (250, 360)]
    source = folder_of(tmp_path / "mine", sizes, ending="bmp", grey=True)
    root = tmp_path / "data"
    assert datasets.prepare("set5", root, source) == root / "set5"
    whole = datasets.pictures("set5", root)
    assert [pixels.shape[1:] for pixels in whole.values()] == sizes
    assert [pixels.shape[0] for pixels in whole.values()] == [1, 3, 3, 3, 3], "a grey picture stays grey"
    squares = datasets.load("set5", "test", root=root)
    assert squares.shape == (3, 224, 224)
    assert np.array_equal(squares.images[1], whole["01"][:, 38:262, 3:227])
    assert (squares.images[0] == squares.images[0, :1]).all()
    with pytest.raises(ValueError, match="train on sr-train"):
        datasets.load("set5", "train", root=root)
    with pytest.raises(ValueError, match="224 px at most"):
        datasets.load("set5", "test", size=240, root=root)
    report = datasets.check("set5", root)
    assert report.present and report.reference is False, "these are not the pictures of the recorded results"
    before = (root / "set5" / "00.png").stat().st_mtime_ns
    assert datasets.prepare("set5", root, source) == root / "set5"
    assert (root / "set5" / "00.png").stat().st_mtime_ns == before


def test_another_number_of_pictures_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "mine", [(8, 8)] * 4)
    with pytest.raises(ValueError, match="has 5 pictures, not the 4"):
        datasets.prepare("set5", tmp_path / "data", source)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", SETS)
def test_without_a_source_it_is_said_what_to_get_or_where_it_lies(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{name} is not downloaded.*Licence: .*--source FOLDER"):
        datasets.prepare(name, tmp_path / "data")
    with pytest.raises(MissingData, match=r"nowhere is no folder.*--source FOLDER"):
        datasets.prepare(name, tmp_path / "data", tmp_path / "nowhere")
    assert not (tmp_path / "data").exists()
    place = GALLERIES[name].elsewhere
    (tmp_path / place).mkdir(parents=True)
    assert datasets.prepare(name, tmp_path) == tmp_path / place


def test_urban100_is_read_from_its_makers_folder_or_from_one_of_its_pictures_alone(tmp_path: Path) -> None:
    """In the archive the large pictures lie among small ones and other methods' results."""
    source = tmp_path / "image_SRF_4"
    source.mkdir()
    large = RNG(0).integers(0, 256, (228, 232, 3), np.uint8)
    for i in range(1, 101):
        large[0, 0] = i
        Image.fromarray(large).save(source / f"img_{i:03d}_SRF_4_HR.png", compress_level=1)
        for other in ("LR", "bicubic"):
            Image.new("RGB", (57, 58)).save(source / f"img_{i:03d}_SRF_4_{other}.png")
    datasets.prepare("urban100", tmp_path / "data", source)
    whole = datasets.pictures("urban100", tmp_path / "data")
    assert len(whole) == 100 and all(pixels.shape == (3, 228, 232) for pixels in whole.values())
    assert [int(pixels[0, 0, 0]) for pixels in whole.values()] == [*range(1, 101)]
    squares = datasets.load("urban100", "test", root=tmp_path / "data")
    assert squares.images.shape == (100, 3, 224, 224) and datasets.check("urban100", tmp_path / "data").present
    for file in [*source.glob("*_LR.png"), *source.glob("*_bicubic.png")]:
        file.unlink()
    for file in source.glob("*.png"):
        file.rename(file.with_name(file.name.replace("_SRF_4_HR", "")))
    datasets.prepare("urban100", tmp_path / "again", source)
    assert [*datasets.pictures("urban100", tmp_path / "again")][:2] == ["img_001", "img_002"]
    (source / "img_007.png").unlink()
    with pytest.raises(ValueError, match="has 100 pictures, not the 99"):
        datasets.prepare("urban100", tmp_path / "less", source)


def test_a_damaged_picture_leaves_nothing(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "mine", [(8, 8)] * 5)
    (source / "04.png").write_bytes(b"no picture")
    with pytest.raises(CorruptFile, match=r"04\.png"):
        datasets.prepare("set5", tmp_path / "data", source)
    assert not (tmp_path / "data" / "set5").exists()
    assert not [*(tmp_path / "data").glob(".*")]


@pytest.mark.parametrize("name", SETS)
def test_what_is_not_here_says_where_it_was_looked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=f"blurvae data prepare {name}") as caught:
        datasets.load(name, "test", root=tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert datasets.check(name, root=tmp_path).problem == str(caught.value)


def test_clips_are_read_in_order_and_split_by_clip(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    for clip in "edcba":
        folder_of(source / clip, [(240, 250)] * 23)
    root = tmp_path / "data"
    datasets.prepare("davis", root, source)
    report = datasets.check("davis", root)
    assert report.shape == (10, 10, 3, 240, 240) and len(report.checksum or "") == 64, "one for both splits"
    assert "(n, t, c, h, w)" in CliRunner().invoke(app, ["data", "check", "moving"]).output
    whole = datasets.videos("davis", root)
    assert [*whole] == [*"abcde"] and all(clip.shape == (23, 3, 240, 250) for clip in whole.values())
    frame = np.asarray(Image.open(source / "b" / "07.png")).transpose(2, 0, 1)
    assert np.array_equal(whole["b"][7], frame)
    train, test = (datasets.load("davis", split, root=root) for split in ("train", "test"))
    assert train.images.shape == (8, 10, 3, 240, 240) and test.images.shape == (2, 10, 3, 240, 240)
    assert np.array_equal(test.images[1, 3], whole["e"][13][..., 5:245])
    (source / "b" / "07.png").unlink()
    Image.new("RGB", (20, 20)).save(root / "davis" / "b" / "007.png")
    with pytest.raises(CorruptFile, match="several shapes"):
        datasets.videos("davis", root)


def test_whole_pictures_and_videos_are_asked_for_by_name() -> None:
    for read, message in ((datasets.pictures, "set5, set14"), (datasets.videos, "vid4-first10, vid4, davis")):
        with pytest.raises(ValueError, match=message):
            read("natural")


REAL = os.environ.get("BLURVAE_DATA")


@pytest.mark.skipif(REAL is None, reason="BLURVAE_DATA names no folder of prepared data sets")
@pytest.mark.parametrize("name", ["set5", "set14", "bsd100", "sr-train", "vid4-first10", "davis"])
def test_real_sets_are_the_recorded_ones(name: str) -> None:
    report = datasets.check(name, root=REAL)
    if not report.present:
        pytest.skip(f"{name} is not prepared")
    assert report.ok and report.reference
    card = datasets.describe(name)
    for split, n in card["images"].items():
        found = datasets.load(name, split, root=REAL)
        assert len(found) == n and list(found.shape) == card["shape"]
