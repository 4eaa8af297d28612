"""Clips of one's own: frames in the order of time, in the colours that the stream means, and where scenes begin."""

from __future__ import annotations

import itertools
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toys.folders import folder_of

from blurvae import datasets
from blurvae.datasets import clip, cuts
from blurvae.errors import CorruptFile, MissingData

RNG = np.random.default_rng
LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # K_R and K_B of the two recommendations
MATRIX = {"bt601": 6, "bt709": 1}


# Folders of frames ---------------------------------------------------------------------------------------------------


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    frames = RNG(0).integers(0, 256, (12, 9, 14, 3), np.uint8)
    found = clip.opened(folder_of(tmp_path / "c", frames, [f"f{i}.png" for i in range(12)]))
    assert found.names == tuple(f"f{i}" for i in range(12)) and (found.size, found.count) == ((9, 14), 12)
    assert found.rate is None and not found.notes and not found.sound
    assert np.array_equal(np.stack([f.pixels for f in found.frames(0)]), frames.transpose(0, 3, 1, 2))
    assert np.array_equal(next(found.frames(7)).pixels, frames[7].transpose(2, 0, 1))


def test_frames_that_are_absent_are_named_and_grey_ones_get_three_channels(tmp_path: Path) -> None:
    grey = np.repeat(RNG(0).integers(0, 256, (4, 6, 6, 1), np.uint8), 3, 3)
    place = folder_of(tmp_path / "c", grey, ["1.png", "2.png", "5.png", "6.png"])
    Image.fromarray(grey[0, ..., 0]).save(place / "1.png")
    found = clip.opened(place)
    assert any("without 2 of them, the first 3" in note for note in found.notes)
    assert any("three channels" in note for note in found.notes)
    assert np.array_equal(next(found.frames(0)).pixels, grey[0].transpose(2, 0, 1))
    even = folder_of(tmp_path / "even", grey, ["2.png", "4.png", "6.png", "8.png"])
    assert not clip.opened(even).notes, "every second frame is a clip too"


def test_frames_have_the_size_that_they_have_when_upright(tmp_path: Path) -> None:
    lying = Image.Exif()
    lying[274] = 6  # turned by a quarter
    first = RNG(0).integers(0, 256, (4, 8, 3), np.uint8)
    for name, pixels, exif in (("1.png", first, None), ("2.png", np.rot90(first), lying)):
        (tmp_path / "c").mkdir(exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "c" / name, exif=exif)
    one = clip.opened(tmp_path / "c")
    assert one.size == (4, 8) and all(np.array_equal(f.pixels, first.transpose(2, 0, 1)) for f in one.frames(0))
    Image.fromarray(first).save(tmp_path / "c" / "3.png", exif=lying)
    with pytest.raises(ValueError, match=r"several sizes \(1\.png with 8×4 px, 3\.png with 4×8 px\)"):
        clip.opened(tmp_path / "c")


def test_folders_that_are_no_clip_are_refused(tmp_path: Path) -> None:
    frames = RNG(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    place = folder_of(tmp_path / "c", frames)
    with pytest.raises(ValueError, match="leave the matrix"):
        clip.opened(place, "bt709")
    Image.fromarray(frames[0, :4]).save(place / "009.png")
    with pytest.raises(ValueError, match=r"several sizes \(000\.png with 8×8 px, 009\.png with 8×4 px\)"):
        clip.opened(place)
    (place / "009.png").unlink()
    Image.fromarray(frames[0]).save(place / "001.bmp")
    with pytest.raises(ValueError, match="two pictures of one name"):
        clip.opened(place)
    folder_of(tmp_path / "outer" / "inner", frames)
    with pytest.raises(MissingData, match="no pictures of its own"):
        clip.opened(tmp_path / "outer")


# Cuts ----------------------------------------------------------------------------------------------------------------


def found_cuts(frames: Any) -> list[int]:
    finder = cuts.CutFinder()
    return [i for i, frame in enumerate(frames) if finder(frame)]


def photographs() -> list[np.ndarray]:
    return [pixels[:, 20:276, 40:296] for pixels in datasets.photographs().values()]


def test_a_scene_begins_where_another_photograph_does() -> None:
    frames = [photo for photo in photographs() for _ in range(3)]
    assert found_cuts(frames) == [0, 3, 6, 9]
    noisy = [np.clip(f + RNG(i).normal(0, 20, f.shape), 0, 255).astype(np.uint8) for i, f in enumerate(frames)]
    assert found_cuts(noisy) == [0, 3, 6, 9], "noise is no change"


def test_motion_and_fades_are_no_cuts_and_fast_motion_does_not_hide_one() -> None:
    for one in datasets.load("moving:40", "test", n=8).images:
        assert found_cuts(one) == [0]
    first, second = (photo.astype(float) for photo in photographs()[:2])
    fade = [((1 - a) * first + a * second).astype(np.uint8) for a in np.linspace(0, 1, 9)]
    assert found_cuts(fade) == [0]
    rows = np.sin(np.arange(64) / 9)[:, None] * 100 + 128
    fast = [np.broadcast_to(np.roll(rows, 6 * i, 0), (3, 64, 64)).astype(np.uint8) for i in range(8)]
    change = np.abs(cuts.cells(fast[1]) - cuts.cells(fast[0])).mean()
    assert change > cuts.THRESHOLD, "it changes as much as a cut"
    assert found_cuts(fast) == [0, 1], "but does so each time"
    white = np.full((3, 64, 64), 255, np.uint8)
    assert found_cuts([*fast, *[0 * white] * 2, *[white] * 2]) == [0, 1, 8, 10]


def test_cells_are_means_of_luma_and_small_frames_have_fewer() -> None:
    pixels = RNG(1).integers(0, 256, (3, 70, 33), np.uint8)
    luma = (pixels * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    rows, columns = (np.arange(33) * n // 32 for n in (70, 33))
    wanted = [[luma[a:b, c:d].mean() for c, d in itertools.pairwise(columns)] for a, b in itertools.pairwise(rows)]
    assert np.allclose(cuts.cells(pixels), wanted, atol=1e-3)
    assert cuts.cells(pixels[:, :5, :7]).shape == (5, 7)
    with pytest.raises(ValueError, match="above 0"):
        cuts.CutFinder(0)


# Video files ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def av() -> Any:
    return pytest.importorskip("av")


def write(
    av: Any,
    file: Path,
    frames: list[Any],
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    rate: int = 25,
    turn: tuple[float, bool, bool] | None = None,
    aspect: Fraction | None = None,
    **context: Any,
) -> Path:
    """A video of PyAV's frames, lossless unless asked otherwise."""
    with av.open(str(file), "w") as out:
        stream = out.add_stream(codec, rate=rate, options=options or {"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        for name, value in ({"sample_aspect_ratio": aspect} if aspect else {} | context).items():
            setattr(stream.codec_context, name, value)
        if turn:
            stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for i, frame in enumerate(frames):
            frame.pts, frame.time_base = i, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file


def planes(av: Any, values: np.ndarray, kind: str = "yuv444p", matrix: int = 2, full: bool | None = None) -> Any:
    """A frame of these levels (3, h, w) of Y, Cb and Cr; coarser chroma is that of every second pixel."""
    frame = av.VideoFrame(values.shape[2], values.shape[1], kind)
    for plane, level in zip(frame.planes, values):
        step = values.shape[2] // plane.width
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = level[::step, ::step]
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = matrix, 0 if full is None else 1 + full
    return frame


def in_rgb(values: np.ndarray, matrix: str, full: bool) -> np.ndarray:
    """The equations of BT.601 and BT.709: levels (3, h, w) of Y, Cb and Cr to those of R, G and B."""
    (red, blue), (y, cb, cr) = LUMA[matrix], values.astype(float)
    y, cb, cr = (
        (y / 255, (cb - 128) / 255, (cr - 128) / 255) if full else ((y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224)
    )
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    return 255 * np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b]).clip(0, 1)


def levels(h: int = 32, w: int = 48, seed: int = 0) -> np.ndarray:
    """Patches of Y, Cb and Cr of 8 px a side."""
    cells = RNG(seed).integers(40, 216, (3, h // 8, w // 8), np.uint8)
    return cells.repeat(8, 1).repeat(8, 2)


def tagged(av: Any, file: Path, values: np.ndarray, matrix: str, full: bool, kind: str = "yuv444p") -> Path:
    frame = planes(av, values, kind, MATRIX[matrix], full)
    return write(av, file, [frame], colorspace=MATRIX[matrix], color_range=1 + full)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [*LUMA])
def test_colours_are_those_that_the_stream_means(av: Any, tmp_path: Path, matrix: str, full: bool) -> None:
    values = levels()
    found = clip.opened(tagged(av, tmp_path / "c.mp4", values, matrix, full))
    assert found.colours.matrix == MATRIX[matrix]
    assert any(("full" if full else "limited") in note for note in found.notes)
    (frame,) = found.frames(0)
    wanted = in_rgb(values, matrix, full)
    assert np.abs(frame.pixels - wanted).max() <= 1
    other = in_rgb(values, "bt709" if matrix == "bt601" else "bt601", full)
    assert np.abs(frame.pixels - other).max() > 8, "the other matrix would show"


def test_coarse_chroma_loses_no_level_where_it_does_not_change(av: Any, tmp_path: Path) -> None:
    values = levels()
    values[1:] = np.array([90, 170])[:, None, None]
    (frame,) = clip.opened(tagged(av, tmp_path / "c.mp4", values, "bt709", False, "yuv420p")).frames(0)
    assert np.abs(frame.pixels - in_rgb(values, "bt709", False)).max() <= 1


def test_a_stream_that_does_not_say_is_taken_by_its_size_or_refused(av: Any, tmp_path: Path) -> None:
    values = levels()
    small = clip.opened(write(av, tmp_path / "sd.mp4", [planes(av, values)]))
    assert any("BT.601 (as is usual" in note for note in small.notes)
    assert np.abs(next(small.frames(0)).pixels - in_rgb(values, "bt601", False)).max() <= 1
    asked = clip.opened(tmp_path / "sd.mp4", "bt709")
    assert np.abs(next(asked.frames(0)).pixels - in_rgb(values, "bt709", False)).max() <= 1
    large = write(av, tmp_path / "hd.mp4", [planes(av, levels(720, 1280))])
    with pytest.raises(ValueError, match=r"hd\.mp4 has frames of 1280×720 px and does not say .* --colours bt709"):
        clip.opened(large)
    assert clip.opened(large, "bt601").colours.matrix == MATRIX["bt601"]
    said = clip.opened(tagged(av, tmp_path / "said.mp4", values, "bt601", False), "bt709")
    assert said.colours.matrix == MATRIX["bt601"], "what the stream says holds"
    with pytest.raises(ValueError, match="bt601 or bt709, not by 'pal'"):
        clip.opened(large, "pal")


def grey(av: Any, number: int, h: int = 16, w: int = 16) -> Any:
    return planes(av, np.full((3, h, w), [[[60 + 4 * number]], [[128]], [[128]]], np.uint8), "yuv420p")


def test_frames_come_in_the_order_in_which_they_are_shown(av: Any, tmp_path: Path) -> None:
    """Frames that are predicted from both sides lie in the file in another order."""
    frames = [grey(av, i, 64, 64) for i in range(30)]
    file = write(av, tmp_path / "c.mp4", frames, options={"crf": "1", "x264-params": "b-adapt=0"}, max_b_frames=3)
    with av.open(str(file)) as opened:
        stored = [packet.pts for packet in opened.demux(video=0) if packet.pts is not None]
    assert stored != sorted(stored), "else this shows nothing"
    found = clip.opened(file)
    shown = [*found.frames(0)]
    assert found.count == 30 and found.rate == 25
    means = [frame.pixels.mean() for frame in shown]
    assert len(shown) == 30 and all(
        b - a == pytest.approx(4 * 255 / 219, abs=1.1) for a, b in itertools.pairwise(means)
    )
    assert [frame.time for frame in shown] == [Fraction(i, 25) for i in range(30)]
    assert np.array_equal(next(found.frames(20)).pixels, shown[20].pixels)


@pytest.mark.parametrize(
    ("turn", "wanted"),
    [
        ((90, False, False), lambda x: np.rot90(x)),
        ((180, False, False), lambda x: np.rot90(x, 2)),
        ((270, False, False), lambda x: np.rot90(x, 3)),
        ((0, True, False), lambda x: x[:, ::-1]),
    ],
)
def test_frames_are_turned_as_the_camera_says(av: Any, tmp_path: Path, turn: Any, wanted: Any) -> None:
    values = levels()
    found = clip.opened(write(av, tmp_path / "c.mp4", [planes(av, values)], turn=turn))
    plain = in_rgb(values, "bt601", False).transpose(1, 2, 0)
    (frame,) = found.frames(0)
    assert (
        found.size == frame.pixels.shape[1:] == wanted(plain).shape[:2] and "turned as its camera says" in found.notes
    )
    assert np.abs(frame.pixels.transpose(1, 2, 0) - wanted(plain)).max() <= 1


def test_pixels_that_are_not_square_are_named_and_keep_their_shape(av: Any, tmp_path: Path) -> None:
    file = write(av, tmp_path / "c.mp4", [grey(av, 0)], aspect=Fraction(16, 15))
    found = clip.opened(file)
    assert found.pixel_aspect == Fraction(16, 15) and any("16:15" in note for note in found.notes)


def test_what_would_be_guessed_is_refused_by_name(av: Any, tmp_path: Path) -> None:
    turned = write(av, tmp_path / "t.mp4", [grey(av, 0)], turn=(30, False, False))
    with pytest.raises(ValueError, match="less than a quarter"):
        clip.opened(turned)
    options = {"qp": "0", "x264-params": "colormatrix=bt2020nc:colorprim=bt2020:transfer=smpte2084"}
    with pytest.raises(ValueError, match="HDR levels"):
        clip.opened(write(av, tmp_path / "hdr.mp4", [grey(av, 0)], options=options))
    options["x264-params"] = "colormatrix=bt2020nc:colorprim=bt2020"
    with pytest.raises(ValueError, match=r"BT\.2020"):
        clip.opened(write(av, tmp_path / "wide.mp4", [grey(av, 0)], options=options))
    options["x264-params"] = "interlaced=1"
    with pytest.raises(ValueError, match="interlaced"):
        clip.opened(write(av, tmp_path / "tv.mp4", [grey(av, i, 32, 32) for i in range(3)], options=options))
    clear = av.VideoFrame.from_ndarray(np.zeros((16, 16, 4), np.uint8), "rgba").reformat(format="bgra")
    with pytest.raises(ValueError, match="transparency"):
        clip.opened(write(av, tmp_path / "a.mkv", [clear], "ffv1", {"level": "3"}))


def test_files_that_are_no_video_are_named(av: Any, tmp_path: Path) -> None:
    text = tmp_path / "list.mp4"
    text.write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n")
    with pytest.raises(CorruptFile, match=r"list\.mp4 cannot be read as a video"):
        clip.opened(text)
    with pytest.raises(FileNotFoundError):
        clip.opened(tmp_path / "absent.mp4")
    whole = write(av, tmp_path / "w.mp4", [grey(av, i) for i in range(20)]).read_bytes()
    text.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFile, match="cannot be read as a video"):
        clip.opened(text)
    with av.open(str(tmp_path / "s.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        out.mux(stream.encode(sound))
    with pytest.raises((CorruptFile, ValueError), match=r"s\.wav"):
        clip.opened(tmp_path / "s.wav")


def test_without_pyav_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "c.mp4").write_bytes(b"")
    with pytest.raises(MissingData, match=r'pip install "blurvae\[video\]"'):
        clip.opened(tmp_path / "c.mp4")
    frames = RNG(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert clip.opened(folder_of(tmp_path / "c", frames)).count == 2, "a folder needs nothing more"
