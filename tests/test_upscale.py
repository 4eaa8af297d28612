"""A picture enlarged in tiles is the one enlarged at once; files are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from blurvae import datasets
from blurvae.cli import app
from blurvae.errors import CorruptFile, MissingWeights
from blurvae.evaluation import upscale as work
from blurvae.evaluation.png import write_png
from blurvae.evaluation.upscale import tiles, upscale
from blurvae.models.enhancenet import Generator, load_generator, save_generator

RNG = np.random.default_rng


def made(scale: int = 4, blocks: int = 2) -> Generator:
    torch.manual_seed(0)
    net = Generator(scale, width=6, blocks=blocks)
    with torch.no_grad():  # a residual as large as the picture, so that a seam would show
        net.layers[-1].weight.mul_(5)
    return net.eval()


@pytest.mark.parametrize(("length", "tile"), [(10, 4), (12, 4), (3, 8), (1, 1)])
def test_tiles_cover_a_side_once_and_see_what_is_around(length: int, tile: int) -> None:
    found = [*tiles(length, tile, 3)]
    assert [i for t in found for i in range(t.first, t.stop)] == [*range(length)]
    assert all(t.low == max(0, t.first - 3) and t.high == min(length, t.stop + 3) for t in found)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("tile", [7, 16, 100])
def test_there_are_no_seams(scale: int, tile: int) -> None:
    """Whatever the tiles, the picture is that of one piece but for a level of rounding here and there."""
    net, pixels = made(scale), RNG(0).integers(0, 256, (3, 41, 30), np.uint8)
    at_once, tiled = upscale(net, pixels, 1000), upscale(net, pixels, tile)
    assert tiled.shape == (3, 41 * scale, 30 * scale)
    apart = np.abs(at_once.astype(int) - tiled)
    assert apart.max() <= 1 and (apart > 0).mean() < 1e-3 and at_once.std() > 20


def test_a_tile_that_saw_less_would_have_seams() -> None:
    """The network's reach is no more than it needs by a few pixels; half of it is too little."""
    net, pixels = made(4, blocks=3), RNG(0).integers(0, 256, (3, 48, 48), np.uint8)
    at_once = upscale(net, pixels, 1000).astype(int)
    net.reach //= 3
    assert np.abs(at_once - upscale(net, pixels, 16)).max() > 1


def test_a_grey_picture_stays_grey_and_memory_is_that_of_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    net, seen = made(2), []
    net.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    grey = upscale(net, RNG(0).integers(0, 256, (1, 90, 50), np.uint8), 20)
    assert grey.shape == (1, 180, 100) and len(seen) == 15
    assert max(shape[-2] for shape in seen) <= 20 + 2 * net.reach
    with pytest.raises(ValueError, match="1 or 3 channels"):
        upscale(net, np.zeros((4, 8, 8), np.uint8))


def test_a_row_of_tiles_comes_before_the_next_is_made() -> None:
    net, seen = made(2), []
    net.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    pixels = RNG(0).integers(0, 256, (3, 50, 45), np.uint8)
    found = [(band, len(seen)) for band in work.bands(net, pixels, 20)]
    assert [(band.shape, n) for band, n in found] == [((3, 40, 90), 3), ((3, 40, 90), 6), ((3, 20, 90), 9)]
    assert np.array_equal(np.concatenate([band for band, _ in found], 1), upscale(net, pixels, 20))


# The file ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["noise", "photograph", "grey photograph", "level"])
@pytest.mark.parametrize("rows", [1, 7, 64])
def test_pillow_reads_the_pixels_that_came_in_bands(kind: str, rows: int, tmp_path: Path) -> None:
    """Its own file of the same picture is no smaller by a tenth."""
    photograph = datasets.photographs()["chelsea"][:, 100:164, 200:290]
    pixels = {
        "noise": RNG(0).integers(0, 256, (3, 64, 90), np.uint8),
        "photograph": photograph,
        "grey photograph": photograph[:1],
        "level": np.full((3, 64, 90), 200, np.uint8),
    }[kind]
    c = len(pixels)
    write_png(tmp_path / "a.png", pixels.shape, (pixels[:, k : k + rows] for k in range(0, 64, rows)))
    with Image.open(tmp_path / "a.png") as image:
        image.load()  # checks every chunk
        assert image.mode == ("RGB" if c == 3 else "L")
        assert np.array_equal(np.asarray(image).reshape(64, 90, c).transpose(2, 0, 1), pixels)
        image.save(tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size < 1.1 * (tmp_path / "b.png").stat().st_size + 200


def test_bands_that_are_another_picture_are_refused(tmp_path: Path) -> None:
    band = np.zeros((3, 4, 6), np.uint8)
    for shape, message in {(3, 9, 6): "9 rows, and 8 came", (3, 8, 7): "no band", (1, 8, 6): "no band"}.items():
        with pytest.raises(ValueError, match=message):
            write_png(tmp_path / "a.png", shape, [band, band])
    with pytest.raises(ValueError, match="float32"):
        write_png(tmp_path / "a.png", (3, 4, 6), [band.astype(np.float32)])


# Weights -------------------------------------------------------------------------------------------------------------


def test_a_generator_comes_back_from_its_file(tmp_path: Path) -> None:
    net, file = made(), tmp_path / "g.safetensors"
    save_generator(file, net, {"run": {"method": "e"}})
    again, note = load_generator(file)
    x = 2 * torch.rand(1, 3, 8, 9) - 1
    assert torch.equal(again(x), net(x)) and note == {"run": {"method": "e"}} and again.config == net.config
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(CorruptFile, match="whole generator"):
        load_generator(file)
    with pytest.raises(MissingWeights, match="--keep-model"):
        load_generator(tmp_path / "absent.safetensors")


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_generator(tmp_path / "g.safetensors", made(2), {"run": {"method": "e"}})
    return tmp_path / "g.safetensors"


def call(*words: Any) -> Any:
    return CliRunner().invoke(app, ["upscale", *map(str, words)])


def test_a_picture_of_any_size_is_enlarged_whole(model: Path, tmp_path: Path) -> None:
    pixels = RNG(1).integers(0, 256, (33, 21, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    done = call(tmp_path / "p.png", "--model", model, "--out", tmp_path / "large.png")
    assert done.exit_code == 0, done.output
    assert "×2, 42×66 px, trained by e" in done.output
    wanted = upscale(load_generator(model)[0], pixels.transpose(2, 0, 1))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "large.png")).transpose(2, 0, 1), wanted)


def test_a_network_is_trained_at_two_and_enlarges_by_two_in_two_commands(tmp_path: Path) -> None:
    words = ["run", "enhancenet/table4", "--only", "e-x2", "--keep-model", "--device", "cpu", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    kept = done.output.split()[-1]  # the path that it says
    Image.fromarray(RNG(1).integers(0, 256, (13, 21, 3), np.uint8)).save(tmp_path / "p.png")
    done = call(tmp_path / "p.png", "--model", kept, "--out", tmp_path / "large.png")
    assert done.exit_code == 0 and "×2, 42×26 px, trained by e-x2" in done.output, done.output
    assert Image.open(tmp_path / "large.png").size == (42, 26)


def test_nothing_is_written_over_unasked_and_no_half_file_stays(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(RNG(1).integers(0, 256, (9, 9, 3), np.uint8)).save(tmp_path / "p.png")
    out = tmp_path / "large.png"
    out.write_bytes(b"mine")
    done = call(tmp_path / "p.png", "--model", model, "--out", out)
    assert done.exit_code == 2 and "is there already" in done.output and out.read_bytes() == b"mine"

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "to_bytes", stop)
    done = call(tmp_path / "p.png", "--model", model, "--out", tmp_path / "new.png")
    assert done.exit_code == 130 and "--resume" not in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.safetensors", "large.png", "p.png"]


def test_what_is_absent_is_named(model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "p.png")
    assert call(tmp_path / "q.png", "--model", model, "--out", tmp_path / "o.png").exit_code == 6
    done = call(tmp_path / "p.png", "--model", tmp_path / "no.safetensors", "--out", tmp_path / "o.png")
    assert done.exit_code == 3 and "no.safetensors" in done.output
