"""A clip enlarged frame by frame: as in one piece, in the memory of a frame, gone on with as if nothing had been."""

from __future__ import annotations

import gc
import itertools
import sys
import weakref
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from blurvae import datasets, experiments, record
from blurvae.cli import app
from blurvae.datasets import clip
from blurvae.datasets.clip import Clip, Colours, Frame
from blurvae.errors import CorruptFile, MissingWeights
from blurvae.evaluation import clip_folder, enlargers
from blurvae.evaluation.clip_folder import Folder
from blurvae.evaluation.clip_video import Video
from blurvae.evaluation.clips import upscale_clip
from blurvae.evaluation.enlargers import PerFrame, Recurrent
from blurvae.evaluation.upscale import Bicubic, upscale
from blurvae.resampling import imresize
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Players
from blurvae.systems.frvsr_file import load_frvsr, save_frvsr

RNG = np.random.default_rng


def system(**changes: Any) -> FRVSR:
    return FRVSR(blocks=1, filters=6, flow_widths=(3, 4), reach=4.0, global_skip=True, **changes)


def players(of: FRVSR, seed: int = 0) -> Players:
    torch.manual_seed(seed)
    made = of.players((3, 3, 64, 64))
    with torch.no_grad():  # so that what is carried shows
        made.sr.layers[0].weight.mul_(3)
    return Players(*(net.eval().requires_grad_(False) if net is not None else None for net in made))  # type: ignore[arg-type]


def recurrent(tile: int = 1000, **changes: Any) -> Recurrent:
    of = system(**changes)
    return Recurrent(of, players(of), tile)


def moving(t: int = 5, h: int = 19, w: int = 30) -> np.ndarray:
    """A piece of a photograph that moves, (t, 3, h, w)."""
    photo = datasets.photographs()["astronaut"]
    return np.stack([photo[:, 60 + i : 60 + i + h, 170 + 2 * i : 170 + 2 * i + w] for i in range(t)])


def clip_of(frames: np.ndarray, times: list[Fraction] | None = None, rate: Fraction | None = None) -> Clip:
    def read(start: int) -> Iterator[Frame]:
        for i in range(start, len(frames)):
            yield Frame(frames[i], times[i] if times else None)

    return Clip("mine", frames.shape[2:], (), len(frames), rate, (), read)


class Kept:
    """An output that keeps what it is given."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def begin(self, carries: bool) -> tuple[int, dict[str, Tensor]]:
        return 0, {}

    def write(self, number: int, frame: Frame, memory: Mapping[str, Tensor]) -> None:
        assert number == len(self.frames)
        self.frames.append(frame.pixels)


def made_of(frames: np.ndarray, by: enlargers.Enlarger) -> np.ndarray:
    kept = Kept()
    upscale_clip(clip_of(frames), by, kept)
    return np.stack(kept.frames)


# What enlarges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [1000, 7])
@pytest.mark.parametrize("method", ["frvsr", "sisr"])
def test_frame_by_frame_is_the_clip_at_once(method: Any, tile: int) -> None:
    """Sizes that nothing divides are as good as others, and tiles leave no seam."""
    frames = moving()
    by = recurrent(tile, method=method)
    low = torch.from_numpy(frames)[None].float() / 255
    wanted = by.system.enlarged(by.players, low).estimate[0].clamp(0, 1).numpy() * 255
    found = made_of(frames, by)
    assert found.shape == (5, 3, 76, 120)
    assert np.abs(found - wanted).max() <= 0.51
    if method == "frvsr":
        alone = by.system.enlarged(by.players, low[:, 3:5]).estimate[0, 0].clamp(0, 1).numpy() * 255
        assert np.abs(found[3] - alone).max() > 3, "else nothing was carried along"


def test_nothing_is_carried_over_a_cut() -> None:
    other = moving(1)[0] + np.uint8(128)
    frames = np.concatenate([moving(3), np.stack([other] * 3)])
    kept = Kept()
    assert upscale_clip(clip_of(frames), recurrent(), kept) == [0, 3]
    assert np.array_equal(np.stack(kept.frames[3:]), made_of(frames[3:], recurrent()))


def test_one_frame_is_in_memory_whatever_the_length() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def read(start: int) -> Iterator[Frame]:
        nonlocal most
        for i in range(60):
            pixels = np.full((3, 8, 8), 4 * i, np.uint8)
            alive.append(weakref.ref(pixels))
            yield Frame(pixels, None)
            del pixels
            gc.collect()
            most = max(most, sum(one() is not None for one in alive))

    class Nowhere(Kept):
        def write(self, number: int, frame: Frame, memory: Mapping[str, Tensor]) -> None:
            alive.append(weakref.ref(frame.pixels))

    upscale_clip(Clip("long", (8, 8), (), None, None, (), read), recurrent(), Nowhere())
    assert len(alive) == 120 and most <= 3


def test_bicubic_enlargement_is_matlabs_in_tiles() -> None:
    pixels = RNG(0).integers(0, 256, (3, 21, 30), np.uint8)
    wanted = imresize(torch.from_numpy(pixels)[None].double() / 255, 4).clamp(0, 1)[0].numpy() * 255
    for tile in (1000, 8):
        assert np.abs(upscale(Bicubic(4), pixels, tile) - wanted).max() <= 0.51


def test_models_that_cannot_go_frame_by_frame_are_refused(tmp_path: Path) -> None:
    of = system(method="vsr")
    with pytest.raises(ValueError, match="sees the frame behind too"):
        Recurrent(of, players(of))
    of = system(motion="given")
    made = of.players((3, 5, 64, 64))
    with pytest.raises(ValueError, match="given the motion"):
        Recurrent(of, made)
    save_frvsr(tmp_path / "told.safetensors", of, made, {})
    with pytest.raises(ValueError, match="given the motion"):
        enlargers.named(str(tmp_path / "told.safetensors"))


def test_networks_come_back_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "f.safetensors"
    by = recurrent()
    save_frvsr(file, by.system, by.players, {"run": {"method": "frvsr"}})
    of, again, note = load_frvsr(file)
    assert note == {"run": {"method": "frvsr"}} and (of.filters, of.flow_widths) == (6, (3, 4))
    frames = moving(3)
    assert np.array_equal(made_of(frames, Recurrent(of, again)), made_of(frames, by))
    found, said = enlargers.named(str(file))
    assert isinstance(found, Recurrent) and said == "trained by frvsr"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(CorruptFile, match="no whole networks of FRVSR"):
        load_frvsr(file)
    with pytest.raises(MissingWeights, match="frvsr/motion --keep-model"):
        load_frvsr(tmp_path / "absent.safetensors")


def test_a_run_keeps_its_model_for_clips(tmp_path: Path) -> None:
    run = next(r for r in experiments.get("frvsr/motion").runs("smoke", "moving-flow", (0,)) if r.method == "frvsr")
    result = record.execute(run, out=tmp_path, device="cpu", keep_model=True)
    by, _ = enlargers.named(str(run.path(tmp_path).with_suffix(".safetensors")))
    assert isinstance(by, Recurrent)
    assert sum(w.numel() for w in by.players.sr.parameters()) == result.record["parameters"]["sr"]
    assert made_of(moving(2), by).shape == (2, 3, 76, 120)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("natural-wiener", ValueError, "reconstructs pictures and does not enlarge"),
        ("absent.safetensors", MissingWeights, "of clips"),
        ("nothing", MissingWeights, "no model 'nothing': take natural-enet or bicubic"),
    ],
)
def test_a_name_that_does_not_enlarge_is_answered(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        enlargers.named(name)


# Folders -------------------------------------------------------------------------------------------------------------


class Stops(Recurrent):
    """Is interrupted at a frame."""

    left = 3

    def __call__(self, pixels: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__call__(pixels)


def files(place: Path) -> dict[str, bytes]:
    return {file.name: np.asarray(Image.open(file)).tobytes() for file in sorted(place.glob("*.png"))}


def test_an_interrupted_folder_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    other = moving(1)[0] + np.uint8(128)
    frames = np.concatenate([moving(5), np.stack([other] * 2)])
    one = clip_of(frames)
    with Folder(tmp_path / "whole", one, {"a": 1}) as out:
        upscale_clip(one, recurrent(), out)
    whole = files(tmp_path / "whole")
    assert [*whole] == [f"{i:06d}.png" for i in range(7)]
    assert {p.name for p in (tmp_path / "whole").iterdir()} == {*whole, "upscale.json"}

    of = system()
    with pytest.raises(KeyboardInterrupt), Folder(tmp_path / "part", one, {"a": 1}) as out:
        upscale_clip(one, Stops(of, players(of)), out)
    assert len(files(tmp_path / "part")) == 3
    asked: list[int] = []
    with Folder(tmp_path / "part", one, {"a": 1}, resume=True) as out:
        scenes = upscale_clip(one, recurrent(), out, progress=lambda frames, done: (asked.append(done), frames)[1])
    assert asked == [3] and scenes == [5], "it goes on behind the third frame, and knows what that looked like"
    assert files(tmp_path / "part") == whole
    with Folder(tmp_path / "part", one, {"a": 1}, resume=True) as out:
        assert upscale_clip(one, recurrent(), out) == [], "there is nothing left"


def test_what_was_killed_between_two_records_goes_on_from_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_folder, "SECONDS", 0.0)
    one, of = clip_of(moving(5)), system()
    out = Folder(tmp_path / "c", one, {"a": 1})
    out.__enter__()
    with pytest.raises(KeyboardInterrupt):  # and no __exit__, as if the process had been killed
        upscale_clip(one, Stops(of, players(of)), out)
    (tmp_path / "c" / "000002.png").unlink()  # the record is older than the frames: it is made again
    with Folder(tmp_path / "c", one, {"a": 1}, resume=True) as again:
        monkeypatch.setattr(again, "begin", lambda carries: (0, {}))
        upscale_clip(one, recurrent(), again)
    whole = made_of(moving(5), recurrent())
    found = np.stack([np.asarray(Image.open(tmp_path / "c" / f"{i:06d}.png")).transpose(2, 0, 1) for i in range(5)])
    assert np.array_equal(found, whole)


def test_frames_that_stand_for_themselves_are_not_made_twice(tmp_path: Path) -> None:
    one = clip_of(moving(4))
    with Folder(tmp_path / "c", one, {}) as out:
        upscale_clip(one, PerFrame(Bicubic(2)), out)
    (tmp_path / "c" / "000002.png").unlink()
    (tmp_path / "c" / "000003.png").unlink()
    assert '"made": 4' in (tmp_path / "c" / "upscale.json").read_text()
    before = (tmp_path / "c" / "000000.png").stat().st_mtime_ns
    with Folder(tmp_path / "c", one, {}, resume=True) as out:
        assert out.begin(False)[0] == 2
        upscale_clip(one, PerFrame(Bicubic(2)), out)
    assert len(files(tmp_path / "c")) == 4 and (tmp_path / "c" / "000000.png").stat().st_mtime_ns == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    one, place = clip_of(moving(2)), tmp_path / "c"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="there already: name another with --out, or add --resume"):
        Folder(place, one, {"model": "a"})
    with pytest.raises(ValueError, match="holds other files than an enlarged clip"):
        Folder(place, one, {"model": "a"}, resume=True)
    (place / "upscale.json").write_text('{"model": "b"}')
    with pytest.raises(ValueError, match="begun with another model"):
        Folder(place, one, {"model": "a"}, resume=True)
    (place / Folder.MEMORY).write_bytes(b"no")
    with pytest.raises(CorruptFile, match="remove it to begin anew"):
        Folder(place, one, {"model": "b"}, resume=True).begin(True)
    assert (place / "mine.txt").read_text() == "mine"


# Video files ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def av() -> Any:
    return pytest.importorskip("av")


def with_sound(av: Any, file: Path, frames: int = 10, sound: str = "aac") -> Path:
    """A video of BT.601 and pixels of 16:15, whose second half is slower, and a tone."""
    with av.open(str(file), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 6, 1, 6, 6
        context.sample_aspect_ratio, context.time_base = Fraction(16, 15), Fraction(1, 100)
        tone = out.add_stream(sound, rate=8000, layout="mono")
        wave = (8000 * np.sin(np.arange(8000) / 5)).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(wave[None], "s16", "mono")
        heard.sample_rate = 8000
        out.mux(tone.encode(heard))
        for i, pixels in enumerate(moving(frames, 32, 48)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=5, dst_color_range=1)
            frame.pts, frame.time_base = 4 * i + 4 * max(0, i - 5), Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        out.mux(tone.encode(None))
    return file


def test_a_lossless_video_holds_the_frames_as_they_are(av: Any, tmp_path: Path) -> None:
    frames = RNG(0).integers(0, 256, (4, 3, 9, 14), np.uint8)
    one = clip_of(frames)
    with Video(tmp_path / "c.mkv", one, 2, Fraction(10)) as out:
        upscale_clip(one, PerFrame(Bicubic(2)), out)
    again = clip.opened(tmp_path / "c.mkv")
    assert (again.size, again.rate) == ((18, 28), 10)
    found = [*again.frames(0)]
    assert np.array_equal(np.stack([f.pixels for f in found]), made_of(frames, PerFrame(Bicubic(2))))
    assert [f.time for f in found] == [Fraction(i, 10) for i in range(4)]


def test_a_video_keeps_times_colours_shape_of_pixels_and_sound(av: Any, tmp_path: Path) -> None:
    source = with_sound(av, tmp_path / "s.mp4")
    one = clip.opened(source)
    assert one.sound and one.colours == Colours(6, 6, 6)
    with Video(tmp_path / "c.mp4", one, 2, sound=source) as out:
        upscale_clip(one, PerFrame(Bicubic(2)), out)
    again = clip.opened(tmp_path / "c.mp4")
    assert again.colours == one.colours and again.pixel_aspect == Fraction(16, 15) and again.sound
    before, after = [*one.frames(0)], [*again.frames(0)]
    assert len(after) == 10
    times = [b.time - a.time for a, b in itertools.pairwise(before)]  # type: ignore[operator]
    assert len(set(times)) == 2 and [float(b.time - a.time) for a, b in itertools.pairwise(after)] == pytest.approx(  # type: ignore[operator]
        [float(t) for t in times], abs=1e-4
    )
    wanted = made_of(np.stack([f.pixels for f in before]), PerFrame(Bicubic(2))).astype(float)
    error = np.square(np.stack([f.pixels for f in after]) - wanted).mean()
    assert 10 * np.log10(255**2 / error) > 36, "nearly lossless, but for the colours of neighbouring pixels"

    def sound(file: Path) -> list[bytes]:
        with av.open(str(file)) as opened:
            return [bytes(packet) for packet in opened.demux(audio=0) if packet.size]

    assert sound(tmp_path / "c.mp4") == sound(source) and sound(source)


def test_sound_that_the_file_cannot_hold_is_named(av: Any, tmp_path: Path) -> None:
    source = with_sound(av, tmp_path / "s.mkv", sound="libopus")
    one = clip.opened(source)
    with pytest.raises(ValueError, match=r"c\.mov cannot be written .*: add --no-sound, or name another ending"):
        with Video(tmp_path / "c.mov", one, 2, sound=source) as out:
            upscale_clip(one, PerFrame(Bicubic(2)), out)
    assert [file.name for file in tmp_path.iterdir()] == ["s.mkv"]


def test_an_interrupted_video_leaves_nothing(av: Any, tmp_path: Path) -> None:
    one, of = clip_of(moving(5)), system()
    with pytest.raises(KeyboardInterrupt), Video(tmp_path / "c.mp4", one, 4) as out:
        upscale_clip(one, Stops(of, players(of)), out)
    assert not [*tmp_path.iterdir()]


# The command ---------------------------------------------------------------------------------------------------------


def call(*words: Any) -> Any:
    return CliRunner().invoke(app, ["upscale", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for i, pixels in enumerate(moving(3)):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / "in" / f"f{i + 8}.png")
    return tmp_path / "in"


def test_a_folder_becomes_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    done = call("in", "--model", "bicubic")
    assert done.exit_code == 0, done.output
    assert "in: 30×19 px, 3 frames" in done.output and "×4, 120×76 px, bicubic" in done.output
    assert [*files(folder.parent / "in-upscaled")] == ["f10.png", "f8.png", "f9.png"]
    again = call("in", "--model", "bicubic")
    assert again.exit_code == 2 and "add --resume" in again.output
    assert "3 frames are there already" in call("in", "--model", "bicubic", "--resume").output
    by = recurrent()
    save_frvsr(folder.parent / "f.safetensors", by.system, by.players, {})
    other = call("in", "--model", "f.safetensors", "--resume")
    assert other.exit_code == 2 and "begun with another model" in other.output


def test_a_video_becomes_a_video(av: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = with_sound(av, tmp_path / "s.mp4")
    done = call("s.mp4", "--model", "bicubic")
    assert done.exit_code == 0, done.output
    assert "s.mp4: 48×32 px, 10 frames" in done.output and "BT.601, limited range" in done.output
    assert "H.264, nearly lossless (CRF 10), yuv420p, BT.601, limited range; sound copied" in done.output
    made = tmp_path / "s-upscaled.mp4"
    assert clip.opened(made).size == (128, 192)
    before = made.read_bytes()
    again = call(source, "--model", "bicubic")
    assert again.exit_code == 2 and "is there already" in again.output and made.read_bytes() == before
    silent = call(source, "--model", "bicubic", "--no-sound", "--out", tmp_path / "s.mkv")
    assert "FFV1, lossless" in silent.output and "without its sound" in silent.output
    assert not clip.opened(tmp_path / "s.mkv").sound
    own = call(source, "--model", "bicubic", "--force", "--out", source)
    assert own.exit_code == 2 and "is the clip itself" in own.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "c.avi"), "a video ending in .mp4, .mov, .mkv: not c.avi"),
        (("--rate", "30"), "for a video that is made of a folder"),
        (("--out", "c.mp4", "--rate", "0"), "above 0"),
        (("--out", "no/c.mp4"), "There is no folder no"),
        (("--out", "c.mp4", "--resume"), "made from its beginning"),
        (("--force",), "of a folder, name another"),
        (("--colours", "bt709"), "leave the matrix"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    folder: Path, words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    done = call("in", "--model", "bicubic", *words)
    assert done.exit_code == 2 and message in done.output, done.output
    assert [path.name for path in folder.parent.iterdir()] == ["in"]


def test_options_of_clips_and_models_of_clips_are_not_for_pictures(folder: Path, tmp_path: Path) -> None:
    for option in ("--resume", "--no-sound"):
        done = call(folder / "f8.png", option)
        assert done.exit_code == 2 and f"{option} is for clips" in done.output
    by = recurrent()
    save_frvsr(tmp_path / "f.safetensors", by.system, by.players, {})
    done = call(folder / "f8.png", "--model", tmp_path / "f.safetensors", "--out", tmp_path / "o.png")
    assert done.exit_code == 2 and "is a model of clips" in done.output
    done = call(folder, "--model", tmp_path / "f.safetensors", "--out", tmp_path / "o")
    assert done.exit_code == 0 and "the estimate carried along" in done.output


def test_without_pyav_a_video_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "c.mp4").write_bytes(b"")
    done = call(tmp_path / "c.mp4", "--model", "bicubic", "--out", tmp_path / "o.mp4")
    assert done.exit_code == 3 and 'pip install "blurvae[video]"' in done.output
