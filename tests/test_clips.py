"""`clips:PATH`: one's own clips as a data set, in pieces that no cut divides, apart for training and for testing."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys.folders import folder_of
from typer.testing import CliRunner

from blurvae import datasets
from blurvae.cli import app
from blurvae.datasets import ClipSet, clips
from blurvae.errors import MissingData

PHOTOS = list(datasets.photographs().values())  # (3, h, w)


def scene(photo: int, frames: int, side: int = 80) -> np.ndarray:
    """A window that wanders over a photograph: (frames, side, side, 3)."""
    return np.stack([PHOTOS[photo][:, 60 : 60 + side, i : i + side].transpose(1, 2, 0) for i in range(frames)])


def loaded(path: Path, split: str, size: int | None = None) -> ClipSet:
    found = datasets.load(f"clips:{path}", split, size=size)
    assert isinstance(found, ClipSet)
    return found


def test_pieces_are_consecutive_frames_of_one_scene_cut_to_the_middle(tmp_path: Path) -> None:
    first, second = scene(0, 23), scene(1, 34)
    place = folder_of(tmp_path / "c", np.concatenate([first, second]))
    train, test = loaded(place, "train", 32), loaded(place, "test", 32)
    assert train.shape == (10, 3, 32, 32) and (len(train), len(test)) == (4, 1)
    middle = [frames[:, 24:56, 24:56].transpose(0, 3, 1, 2) for frames in (first, second)]
    expected = [middle[0][:10], middle[0][10:20], middle[1][:10], middle[1][10:20], middle[1][20:30]]
    assert np.array_equal(np.concatenate([train.images, test.images]), expected), "no piece has frames of two scenes"
    assert train.name == "clips:c" and "5 pieces of 10 frames of 1 clips" in train.source
    assert not train.images.flags.writeable and train.checksum != test.checksum
    assert loaded(place, "train").shape == (10, 3, 64, 64)


def test_several_clips_are_apart_by_their_names(tmp_path: Path) -> None:
    for photo in range(4):
        folder_of(tmp_path / "set" / f"scene {photo}", scene(photo, 20))
    folder_of(tmp_path / "set" / "short", scene(0, 9))
    train, test = loaded(tmp_path / "set", "train", 64), loaded(tmp_path / "set", "test", 64)
    assert (len(train), len(test)) == (6, 2)
    whole = {bytes(piece) for piece in (*train.images, *test.images)}
    assert len(whole) == 8
    (tmp_path / "elsewhere").mkdir()
    os.rename(tmp_path / "set", tmp_path / "elsewhere" / "set")
    assert np.array_equal(loaded(tmp_path / "elsewhere" / "set", "test", 64).images, test.images)


def test_a_changed_clip_is_read_again(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "c", scene(0, 20))
    before = loaded(place, "train").checksum
    Image.fromarray(scene(1, 1)[0]).save(place / "003.png")
    with pytest.raises(MissingData, match="1 pieces of 10 frames without a cut"):
        loaded(place, "train")
    Image.fromarray(255 - scene(0, 4)[3]).save(place / "003.png")
    Image.fromarray(scene(0, 4)[3]).save(place / "003.png")
    assert loaded(place, "train").checksum == before


def test_a_video_is_a_clip_and_may_lie_beside_folders(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = scene(2, 20)
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "film.MKV"
    with av.open(str(file), "w") as out:
        stream = out.add_stream("ffv1", rate=25, options={"level": "3"})
        stream.width, stream.height, stream.pix_fmt = 80, 80, "bgr0"
        for i, frame in enumerate(frames):
            shown = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="bgr0")
            shown.pts, shown.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(shown))
        out.mux(stream.encode(None))
    both = np.concatenate([loaded(file, split, 80).images for split in ("train", "test")])
    assert np.array_equal(both.reshape(20, 3, 80, 80), frames.transpose(0, 3, 1, 2))
    folder_of(tmp_path / "set" / "other", scene(0, 10))
    assert list(clips.places(tmp_path / "set")) == ["film.MKV", "other"]
    assert sorted(len(loaded(tmp_path / "set", split)) for split in ("train", "test")) == [1, 2]


def test_what_is_no_set_of_clips_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, message in ((tmp_path / "absent", "holds no clip"), (tmp_path, "holds no clip")):
        with pytest.raises(MissingData, match=message):
            loaded(path, "train")
    place = folder_of(tmp_path / "c", scene(0, 20, 40))
    with pytest.raises(ValueError, match="40×40 px: ask for 40 px at most"):
        loaded(place, "train")
    monkeypatch.setattr(clips, "LARGEST", 10 * 3 * 32 * 32)
    with pytest.raises(ValueError, match="ask for smaller"):
        loaded(place, "train", 32)


def test_a_network_trained_on_clips_of_ones_own_enlarges_another(tmp_path: Path) -> None:
    for photo in range(3):
        folder_of(tmp_path / "set" / str(photo), scene(photo, 40))
    place, out = f"clips:{tmp_path / 'set'}", tmp_path / "out"
    asked = ["run", "frvsr/davis", "--data", place, "--only", "frvsr", "--keep-model", "--out", str(out)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    (model,) = out.rglob("*.safetensors")
    clip, large = folder_of(tmp_path / "new", scene(3, 3, 32)), tmp_path / "large"
    result = CliRunner().invoke(app, ["upscale", str(clip), "--model", str(model), "--out", str(large)])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["run", "frvsr/motion", "--data", place, "--out", str(out)])
    assert result.exit_code == 2 and "do not carry their motion" in result.output
    assert [Image.open(large / f"{i:03d}.png").size for i in range(3)] == [(128, 128)] * 3
