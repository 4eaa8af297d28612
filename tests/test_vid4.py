"""Table 3.2 on whole clips: what is refused, the protocol against its words, and the one command, on made-up clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from blurvae import datasets
from blurvae.datasets.core import Pixels
from blurvae.datasets.video import WHOLE_VID4
from blurvae.errors import CorruptFile, MissingData
from blurvae.evaluation import vid4
from blurvae.experiments.frvsr import vid4 as table
from blurvae.models.enhancenet import Generator, save_generator
from blurvae.resampling import blur_and_decimate, upsample
from blurvae.systems import FRVSR
from blurvae.systems.frvsr_file import save_frvsr

FRAMES = dict(WHOLE_VID4.frames)


def folder(place: Path, frames: dict[str, int], size: tuple[int, int] = (64, 96), name: str = "{}") -> Path:
    """Clips of a photograph that moves to the right, as files of frames."""
    coffee = datasets.photographs()["coffee"].transpose(1, 2, 0)
    for i, (clip, count) in enumerate(frames.items()):
        at = place / name.format(clip)
        at.mkdir(parents=True)
        for t in range(count):
            part = coffee[20 * i : 20 * i + size[0], 2 * t : 2 * t + size[1]]
            Image.fromarray(part).save(at / f"Frame {t + 1}.png", compress_level=1)
    return place


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("clips"), FRAMES)


def moving(frames: int = 7) -> Pixels:
    fur = datasets.photographs()["chelsea"]
    return np.stack([fur[:, 60 + t : 130 + t, 150 + 2 * t : 250 + 2 * t] for t in range(frames)])


# What is whole -------------------------------------------------------------------------------------------------------


def test_the_frames_of_the_field_s_clips() -> None:
    """As its lists of files have them, 171 in all."""
    assert FRAMES == {"calendar": 41, "city": 34, "foliage": 49, "walk": 47}


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (FRAMES | {"calendar": 10}, "10 of 41 frames of calendar"),
        (dict.fromkeys(FRAMES, 10), "10 of 41 frames of calendar, 10 of 34 frames of city"),
        ({name: n for name, n in FRAMES.items() if name != "walk"}, "0 of 47 frames of walk"),
        (FRAMES | {"city": 35}, "35 of 34 frames of city"),
        ({name.replace("walk", "run"): n for name, n in FRAMES.items()}, "0 of 47 frames of walk, 47 frames of run"),
    ],
)
def test_clips_that_are_not_whole_are_refused_by_name(frames: dict[str, int], message: str, tmp_path: Path) -> None:
    source = folder(tmp_path / "mine", frames, (8, 8))
    for call in (lambda: datasets.prepare("vid4", tmp_path, source), lambda: table.clips(source)):
        with pytest.raises(ValueError, match=message) as refused:
            call()
        assert str(source) in str(refused.value) and "vid4 is whole clips" in str(refused.value)
    assert not (tmp_path / "vid4").exists()
    with pytest.raises(SystemExit, match=message):
        table.main(["--source", str(source), "--results", str(tmp_path)])


def test_large_and_small_frames_side_by_side_are_refused(tmp_path: Path) -> None:
    for kind in ("GT", "BIx4"):
        folder(tmp_path / "mine", FRAMES, (8, 8), kind + "/{}")
    with pytest.raises(ValueError, match="82 of 41 frames of calendar"):
        datasets.prepare("vid4", tmp_path, tmp_path / "mine")


@pytest.mark.parametrize("name", ["GT/{}", "{}/original"])
def test_folders_as_its_archives_have_them_are_read_in_the_order_of_numbers(name: str, tmp_path: Path) -> None:
    source = folder(tmp_path / "mine", FRAMES, (16, 24), name)
    datasets.prepare("vid4", tmp_path / "data", source)
    clips = datasets.videos("vid4", tmp_path / "data")
    assert {clip: len(frames) for clip, frames in clips.items()} == FRAMES
    assert (clips["city"][10, :, :, 0] == clips["city"][0, :, :, 20]).all(), "frame 11, not frame 19"
    (tmp_path / "data" / "vid4" / "walk" / "046.png").unlink()
    with pytest.raises(CorruptFile, match="46 of 47 frames of walk"):
        datasets.videos("vid4", tmp_path / "data")
    assert "46 of 47" in datasets.check("vid4", root=tmp_path / "data").problem


def test_small_frames_are_no_large_ones(whole: Path) -> None:
    with pytest.raises(ValueError, match="calendar has frames of 64×96 px"):
        table.clips(whole)


def test_without_clips_it_is_said_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLURVAE_DATA", str(tmp_path))
    with pytest.raises(MissingData, match="blurvae data prepare vid4"):
        table.clips(None)


# The protocol --------------------------------------------------------------------------------------------------------


def test_bicubic_enlargement_by_the_words_of_the_text() -> None:
    """σ 1.5, every fourth pixel, small frames that divide by 8, two frames left out at either end, luma, one error."""
    clip = moving()
    found = vid4.row({"a": clip, "b": clip[:6]}, vid4.named("bicubic"))
    x = torch.from_numpy(clip[..., 3:67, 2:98].copy()).double() / 255  # of 70×100 px the middle 64×96
    y = upsample(blur_and_decimate(x.float(), 4, 1.5), 4, 0).double().clamp(0, 1)
    weights = torch.tensor([65.481, 128.553, 24.966]).double().view(3, 1, 1)
    a, b = (((16 + (weights * z).sum(1)).round() / 255)[2:-2] for z in (x, y))
    assert found.psnr["a"] == pytest.approx(-10 * (a - b).square().mean().log10().item(), abs=0.02)
    assert 0.4 < found.ssim["a"] < 1 and found.psnr["b"] != found.psnr["a"]
    assert "σ 1.5 px, every 4th pixel from 0 on" in found.protocol and "frames 2 to −2" in found.protocol


@pytest.mark.parametrize("method", ["sisr", "vsr", "frvsr"])
def test_frames_one_by_one_are_the_clip_at_once(method: str, tmp_path: Path) -> None:
    system = FRVSR(method, blocks=1, filters=4, flow_widths=(3, 4), global_skip=True)  # type: ignore[arg-type]
    players = system.players((3, 3, 64, 64))
    save_frvsr(tmp_path / "own.safetensors", system, players, {})
    enlargement = vid4.named(str(tmp_path / "own.safetensors"))
    assert (enlargement.name, enlargement.phase) == (f"{method.upper()} 1-4", 0)
    low = torch.rand(6, 3, 16, 24)
    with torch.no_grad():
        made = torch.stack([*enlargement.large(low)])
        assert torch.allclose(made, system.enlarged(players, low[None]).estimate[0], atol=1e-5)


def test_a_network_of_pictures_is_given_frames_on_its_own_grid() -> None:
    """One that adds nothing is bicubic enlargement on the grid of block centres: as good as on that of phase 0."""
    generator = Generator(width=4, blocks=1)
    for weight in generator.parameters():
        nn.init.zeros_(weight)
    named = vid4.named("natural-enet")
    assert (named.name, named.phase) == ("natural-enet", 1.5)
    clip = {"a": moving()}
    plain = vid4.row(clip, vid4.named("bicubic"))

    def large(low: torch.Tensor):
        return ((generator(2 * frame[None] - 1)[0] + 1) / 2 for frame in low)

    found = vid4.row(clip, named._replace(large=large))
    assert found.psnr["a"] == pytest.approx(plain.psnr["a"], abs=0.3)
    mixed = vid4.row(clip, named._replace(large=large, phase=0))
    assert mixed.psnr["a"] < plain.psnr["a"] - 0.5, "a pixel and a half is what mixed grids cost"
    assert "from 1.5 on" in found.protocol


def test_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_generator(tmp_path / "two.safetensors", Generator(2, width=4, blocks=1), {})
    told = FRVSR("frvsr", motion="given", blocks=1, filters=4, flow_widths=(3, 4))
    save_frvsr(tmp_path / "told.safetensors", told, told.players((3, 5, 64, 64)), {})
    for name, message in (("two", "enlarges by 2"), ("told", "was given the motion")):
        with pytest.raises(ValueError, match=message):
            vid4.named(str(tmp_path / f"{name}.safetensors"))


# The command ---------------------------------------------------------------------------------------------------------


def test_one_command_fills_the_table(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "VID4_SHAPE", (64, 96))
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    empty = table.beside(table.load(tmp_path)["rows"])
    assert empty.loc["Bicubic", "PSNR here"] == empty.loc["FRVSR 3-64", "SSIM here"] == "not run"
    assert empty.loc["VESPCN", "PSNR here"] == "not tested"
    system = FRVSR("frvsr", blocks=1, filters=4, flow_widths=(3, 4), global_skip=True)
    model = tmp_path / "own.safetensors"
    save_frvsr(model, system, system.players((3, 3, 64, 64)), {})
    results = tmp_path / "not" / "there"
    table.main(["--source", str(whole), "--model", str(model), "--results", str(results)])
    said = capsys.readouterr().out
    rows = table.load(results)["rows"]
    assert [*rows] == ["Bicubic", "FRVSR 1-4"] and {*rows["Bicubic"]["clips"]} == {*FRAMES}
    mean = sum(clip["PSNR"] for clip in rows["Bicubic"]["clips"].values()) / 4
    assert rows["Bicubic"]["PSNR"] == pytest.approx(mean, abs=1e-3)
    shown = table.beside(rows)
    assert shown.loc["Bicubic"].tolist()[:2] == ["23.53", "0.628"], "as printed"
    assert shown.loc["Bicubic", "PSNR here"] == f"{rows['Bicubic']['PSNR']:.2f}"
    assert shown.loc["FRVSR 1-4", "PSNR"] == "–" and shown.loc["FRVSR 1-4", "SSIM here"] != "not run"
    assert all(part in said for part in ("23.53", "FRVSR 1-4", "Gaussian of σ 1.5 px", "frames 2 to −2"))
    assert not [*tmp_path.glob("**/calendar")], "the frames are not kept"
    record = table.path(results)
    again = ["--source", str(whole), "--model", "bicubic", "--results", str(results)]
    table.main(again)
    assert [*table.load(results)["rows"]] == ["Bicubic", "FRVSR 1-4"], "what was measured on these clips stays"
    record.write_text(record.read_text(encoding="utf-8").replace('"checksums": {', '"checksums": {"other": "clips",'))
    table.main(again)
    assert [*table.load(results)["rows"]] == ["Bicubic"], "what was measured on others goes"


@pytest.mark.parametrize("fault", ["model", "results", "record", "interrupt"])
def test_what_cannot_be_used_is_said_in_a_sentence_before_the_clips_are_read(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    def stop(source: Path | None) -> Any:
        read.append(source)
        raise KeyboardInterrupt

    monkeypatch.setattr(table, "clips", stop)
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "vid4.json").write_text("{" if fault == "record" else '{"rows": {}}', encoding="utf-8")
    model = "absent.safetensors" if fault == "model" else "bicubic"
    results = tmp_path / "file" if fault == "results" else tmp_path
    said = {"model": "no model absent", "results": "file", "record": "no record of Vid4", "interrupt": "interrupted"}
    with pytest.raises(SystemExit, match=f"^blurvae: .*{said[fault]}"):
        table.main(["--source", "anywhere", "--model", model, "--results", str(results)])
    assert bool(read) == (fault == "interrupt")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    table.path(tmp_path).write_text("{", encoding="utf-8")
    with pytest.raises(CorruptFile, match=r"vid4\.json is no record of Vid4"):
        table.load(tmp_path)
