"""A picture of one's own: read, deblurred and reconstructed, or refused in one sentence."""

from __future__ import annotations

import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, PngImagePlugin, features
from typer.testing import CliRunner

from blurvae import blur, metrics, models
from blurvae.cli import app
from blurvae.datasets import natural, picture, to_float
from blurvae.errors import CorruptFile
from blurvae.evaluation import picture as work

KERNELS = ("gaussian:1", "gaussian:4", "disc:3", "motion:9,30")


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def save(pixels: np.ndarray, file: Path, **options: object) -> Path:
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy()).save(file, **options)
    return file


def load(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def floats(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).float()[None] / 255


def photograph(name: str = "coffee") -> np.ndarray:
    return natural.photographs()[name]


def blurred(name: str, kernel: torch.Tensor, sd: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A photograph that was blurred as the world blurs it, with what lies beyond its border, and the sharp one."""
    x, reach = floats(photograph(name)), kernel.shape[-1] // 2
    y = F.conv2d(x.transpose(0, 1), kernel.flip(0, 1)[None, None]).transpose(0, 1)
    y = y + sd * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    sharp = photograph(name)[:, reach:-reach, reach:-reach]
    return (y[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy(), sharp


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return metrics.psnr(floats(a), floats(b)).item()


# Deconvolution.


def test_inside_a_picture_it_is_wiener_deconvolution():
    kernel, C = blur.named_kernel("gaussian:2"), 0.02
    x = floats(photograph("chelsea"))
    mean = x.mean((-2, -1), keepdim=True)
    plain = blur.wiener_deconvolve(x - mean, kernel, C) + mean
    inside = (blur.deblur(x, kernel, C) - plain)[..., 60:-60, 60:-60]
    assert inside.abs().max() < 2e-3  # the mean of the margin is not quite that of the picture


@pytest.mark.parametrize("C", [1e-4, 1e-2, 0.5])
@pytest.mark.parametrize("shape", [(40, 57), (13, 13), (200, 31)])
def test_a_constant_picture_stays_constant(shape, C):
    constant = torch.full((1, 2, *shape), 0.7)
    torch.testing.assert_close(blur.deblur(constant, blur.named_kernel("gaussian:1.9"), C), constant)


def test_the_margin_goes_on_without_a_step():
    x = torch.linspace(0, 1, 50).repeat(30, 1)[None]
    whole = blur.continued(x, (10, 40))
    assert whole.shape == (1, 40, 90) and torch.equal(whole[:, :30, :50], x)
    around = torch.cat([whole, whole[..., :1]], -1)
    assert around.diff(dim=-1).abs().max() < 0.05  # from 1 to 0 in one step without the margin


@pytest.mark.parametrize("text", KERNELS)
def test_the_border_rings_little(text):
    """A ramp blurred by a symmetric kernel is the ramp: what is not, rings."""
    kernel = blur.named_kernel(text)
    ramp = torch.linspace(0.2, 0.8, 160).repeat(120, 1)[None, None]
    ours, plain = (f(ramp, kernel, 1e-2) - ramp for f in (blur.deblur, blur.wiener_deconvolve))
    assert ours.abs().max() < 0.02
    assert plain.abs().max() > 0.2


@pytest.mark.parametrize("sd", [0.0, 0.01])
@pytest.mark.parametrize("text", KERNELS)
def test_the_constant_of_the_spectrum_sharpens_nearly_as_well_as_the_best(text, sd):
    kernel = blur.named_kernel(text)
    y, x = blurred("astronaut", kernel, sd)
    C = work.choose_C(y, kernel)
    ours = psnr(work.sharpen(y, kernel, C), x)
    best = max(psnr(work.sharpen(y, kernel, c), x) for c in np.logspace(-4, -1, 7))
    assert ours > psnr(y, x) + 1
    assert ours > best - 0.6


def test_the_noise_raises_the_constant():
    kernel = blur.named_kernel("gaussian:2")
    found = [work.choose_C(blurred("coffee", kernel, sd)[0], kernel) for sd in (0.0, 0.01, 0.05)]
    assert found == sorted(found) and found[0] < 0.01 < found[2]


def test_white_noise_has_its_variance_in_every_tile():
    noise = 0.1 * torch.randn(1, 600, 700, generator=torch.Generator().manual_seed(0))
    spectrum = blur.tile_spectrum(noise)
    assert spectrum.shape == (256, 129) and abs(spectrum[3:-3, 3:].mean().item() / 0.01 - 1) < 0.02


def test_without_a_signal_the_constant_is_1():
    assert work.choose_C(np.full((3, 40, 40), 90, np.uint8), blur.named_kernel("disc:2")) == 1


# Kernels by name.


def test_a_kernel_has_the_size_that_its_name_needs():
    assert blur.kernel_width(blur.named_kernel("gaussian:2")).item() == pytest.approx(math.sqrt(2), rel=2e-3)
    torch.testing.assert_close(blur.named_kernel("disc:2.5"), blur.disk_kernel(7, 2.5))
    torch.testing.assert_close(blur.named_kernel("motion:9,30"), blur.motion_kernel(11, 9, math.pi / 6))
    assert blur.named_kernel("motion:0.5,90").shape == (3, 3)


# Reading.


def test_it_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    found = picture.whole(save(photograph(), tmp_path / "x.png", exif=exif))
    assert np.array_equal(found.pixels, np.rot90(photograph(), -1, (1, 2)))
    assert found.notes == ("turned as its camera says",)


def test_what_is_transparent_lies_over_white_and_an_opaque_channel_is_not_mentioned(tmp_path):
    pixels = np.concatenate([photograph(), np.full((1, 400, 600), 255, np.uint8)])
    found = picture.whole(save(pixels, tmp_path / "opaque.png"))
    assert np.array_equal(found.pixels, photograph()) and not found.notes
    pixels[3, :9] = 0
    found = picture.whole(save(pixels, tmp_path / "clear.png"))
    assert (found.pixels[:, :9] == 255).all() and np.array_equal(found.pixels[:, 9:], photograph()[:, 9:])
    assert "over white" in found.notes[0]
    deep = np.where(np.eye(8) > 0, 7, 257 * 90).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png", transparency=7)
    found = picture.whole(tmp_path / "deep.png")
    assert np.array_equal(found.pixels[0], np.where(np.eye(8) > 0, 255, 90)) and len(found.notes) == 2


def test_deep_levels_are_read_at_8_bits_and_it_says_so(tmp_path):
    Image.fromarray((np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)).save(tmp_path / "grey.png")
    found = picture.whole(tmp_path / "grey.png")
    assert np.array_equal(found.pixels.ravel(), np.arange(256)) and found.notes == ("read at 8 bits a channel",)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + np.full(12, 257 * 40, ">u2").tobytes() for _ in range(4))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "rgb.png").write_bytes(png)
    found = picture.whole(tmp_path / "rgb.png")
    assert (found.pixels == 40).all() and found.notes == ("read at 8 bits a channel",)


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def named(old: bytes, new: bytes) -> bytes:
    """The profile of sRGB with its red and blue primaries exchanged, under another name."""
    data = bytearray(profile("sRGB"))
    for i in range(128 + 4, 128 + 4 + 12 * int.from_bytes(data[128:132], "big"), 12):
        data[i : i + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(bytes(data[i : i + 4]), data[i : i + 4])
    return bytes(data).replace(old, new)


@pytest.mark.skipif(not features.check("littlecms2"), reason="Pillow without LittleCMS")
def test_another_colour_profile_is_brought_to_srgb(tmp_path):
    same = picture.whole(save(photograph(), tmp_path / "s.png", icc_profile=profile("sRGB")))
    assert np.array_equal(same.pixels, photograph()) and not same.notes
    wide = named("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))
    found = picture.whole(save(photograph(), tmp_path / "b.png", icc_profile=wide))
    assert "BGRs" in found.notes[0]
    assert np.abs(found.pixels[::-1].astype(int) - photograph()).mean() < 1  # blue where red was
    assert "BGRs" in picture.whole(save(photograph()[:1], tmp_path / "g.png", icc_profile=wide)).notes[0]


def test_without_littlecms_a_profile_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(ValueError, match=r"x\.png has a colour profile.*LittleCMS.*save it as sRGB"):
        picture.whole(save(photograph(), tmp_path / "x.png", icc_profile=profile("sRGB")))


def exif(space: int, index: str = "") -> Image.Exif:
    """What a camera says of its colours where it writes no profile."""
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0xA001] = space
    if index:
        tags.get_ifd(0x8769)[0xA005] = {1: index, 2: b"0100"}
    return tags


def gamma(value: float) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", round(value * 100_000)))
    return chunks


def test_colours_that_only_a_header_names_are_srgb_or_said(tmp_path):
    for name, options in (("camera.jpg", {"exif": exif(1, "R98")}), ("gamma.png", {"pnginfo": gamma(1 / 2.2)})):
        assert not picture.whole(save(photograph(), tmp_path / name, **options)).notes
    found = picture.whole(save(photograph(), tmp_path / "unnamed.jpg", exif=exif(65535)))
    assert found.notes == ("colours that its camera does not name, taken for sRGB",)
    srgb = save(photograph(), tmp_path / "profile.jpg", exif=exif(65535, "R03"), icc_profile=profile("sRGB"))
    assert not picture.whole(srgb).notes, "a profile has the last word"


def refused(folder: Path) -> dict[str, tuple[Path, type[Exception], str]]:
    grey = np.zeros((8, 8), np.uint8)
    frames = [Image.fromarray(grey + k) for k in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (8, 8)).save(folder / "print.jpg")
    Image.new("1", (10_000, 5_001)).save(folder / "large.png")
    Image.new("1", (20_000, 9_000)).save(folder / "huge.png")
    save(photograph(), folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:9000])
    (folder / "text.png").write_text("no picture")
    save(photograph(), folder / "profile.png", icc_profile=b"no profile")
    save(photograph()[:1], folder / "lab.png", icc_profile=profile("LAB"))
    save(photograph(), folder / "adobe.jpg", exif=exif(65535, "R03"))
    save(photograph(), folder / "two.jpg", exif=exif(2))
    save(photograph(), folder / "linear.png", pnginfo=gamma(1))
    return {
        "Adobe RGB": (folder / "adobe.jpg", ValueError, "its colours as Adobe RGB: save it as sRGB"),
        "Adobe RGB by number": (folder / "two.jpg", ValueError, "its colours as Adobe RGB: save it as sRGB"),
        "linear": (folder / "linear.png", ValueError, "its levels at gamma 1: save it as sRGB"),
        "animated": (folder / "moving.gif", ValueError, "holds 3 pictures: save"),
        "CMYK": (folder / "print.jpg", ValueError, "colours as CMYK: save it as RGB"),
        "large": (folder / "large.png", ValueError, r"has 50\.01 megapixels: make it smaller, 50 megapixels at most"),
        "huge": (folder / "huge.png", CorruptFile, "make it smaller, 50 megapixels at most"),
        "cut": (folder / "cut.png", CorruptFile, "cannot be read as a picture"),
        "text": (folder / "text.png", CorruptFile, "cannot be read as a picture"),
        "profile": (folder / "profile.png", ValueError, "colour profile that is damaged.*save it as sRGB"),
        "other colours": (folder / "lab.png", ValueError, "colour profile Lab.*cannot be converted.*save it as sRGB"),
        "absent": (folder / "absent.png", FileNotFoundError, "absent"),
    }


def test_what_is_not_read_is_refused_by_name(tmp_path):
    for kind, (file, error, says) in refused(tmp_path).items():
        with pytest.raises(error, match=says) as caught:
            picture.whole(file)
        assert file.name in str(caught.value), kind
        assert "\n" not in str(caught.value), kind


# The commands.


def test_deblur_writes_one_png_that_is_sharper(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kernel = blur.named_kernel("gaussian:2")
    y, x = blurred("coffee", kernel)
    save(y, tmp_path / "cup.png")
    said = call("deblur", "cup.png", "--kernel", "gaussian:2")
    C = float(re.search(r"C = (\S+), chosen by the spectrum", said)[1])
    assert C == pytest.approx(work.choose_C(y, kernel), rel=5e-3)
    assert {file.name for file in tmp_path.iterdir()} == {"cup.png", "cup-deblurred.png"}
    assert psnr(load(tmp_path / "cup-deblurred.png"), x) > psnr(y, x) + 2
    assert "C = 0.5\n" in call("deblur", "cup.png", "--kernel", "gaussian:2", "--C", 0.5, "--out", "other.png")
    assert np.array_equal(load(tmp_path / "other.png"), work.sharpen(y, kernel, 0.5))


def test_a_grey_picture_stays_grey(tmp_path):
    save(photograph()[:1, :80, :90], tmp_path / "g.png")
    assert "90×80 px, grey" in call("deblur", tmp_path / "g.png", "--kernel", "disc:2", "--out", tmp_path / "d.png")
    assert load(tmp_path / "d.png").shape == (1, 80, 90)


def test_reconstruct_gives_the_metrics_of_the_squares(tmp_path):
    pixels = photograph()[:, :110, :200]
    save(pixels, tmp_path / "cup.png")
    said = call("reconstruct", tmp_path / "cup.png", "--model", "natural-wiener", "--out", tmp_path / "r.png")
    x = [pixels[:, i : i + 32, j : j + 32] for i in range(0, 96, 32) for j in range(0, 192, 32)]
    vae = models.load("natural-wiener").vae
    with torch.no_grad():
        x_hat = ((vae(to_float(np.stack(x))).x_hat + 1) / 2).clamp(0, 1)
    x_real = torch.from_numpy(np.stack(x)).float() / 255
    assert "cut into 18 squares of 32×32 px" in said
    assert "8 px at the right, 14 px at the bottom" in said
    assert f"PSNR {metrics.psnr(x_real, x_hat).mean():.2f} dB" in said
    assert f"SSIM {metrics.ssim(x_real, x_hat).mean():.3f}" in said
    assert f"log-spectrum distance {metrics.log_spectrum_distance(x_hat, x_real):.3f} nats" in said
    shown = load(tmp_path / "r.png")
    assert shown.shape == (3, 96, 192 + 8 + 192)
    assert np.array_equal(shown[..., :192], pixels[:, :96, :192])
    last = (x_hat[-1] * 255).round().numpy()
    assert np.abs(shown[:, -32:, -32:] - last).max() <= 1


def test_a_picture_of_the_size_of_the_model_is_not_cut(tmp_path):
    save(photograph()[:1, :32, :32], tmp_path / "g.png")
    said = call("reconstruct", tmp_path / "g.png", "--model", "natural-l2", "--out", tmp_path / "r.png")
    assert "cut into" not in said and "its grey given to three channels" in said


def test_squares_go_together_again():
    pixels = photograph()[:, :96, :128]
    cut = work.squares(pixels, (32, 64))
    assert cut.shape == (6, 3, 32, 64) and np.array_equal(cut[1], pixels[:, :32, 64:])
    assert np.array_equal(work.together(cut, 2), pixels)


DEBLUR, RECONSTRUCT = ("deblur", "cup.png", "--kernel"), ("reconstruct", "cup.png", "--model")
REFUSED = [
    ((*DEBLUR, "gauss:2"), 2, "'gauss:2' names no kernel: write gaussian:VARIANCE"),
    ((*DEBLUR, "gaussian"), 2, "names no kernel"),
    ((*DEBLUR, "gaussian:x"), 2, "names no kernel"),
    ((*DEBLUR, "motion:9"), 2, "names no kernel"),
    ((*DEBLUR, "disc:-1"), 2, "positive number"),
    ((*DEBLUR, "disc:nan"), 2, "positive number"),
    ((*DEBLUR, "motion:9,nan"), 2, "angle of a motion"),
    ((*DEBLUR, "disc:64"), 2, "129 px wide: make the picture smaller"),
    ((*DEBLUR, "disc:30"), 2, "kernel of size 61 does not fit an image of 31×31 px"),
    ((*DEBLUR, "disc:2", "--C", "much"), 2, "auto or a number ≥ 0, not 'much'"),
    ((*DEBLUR, "disc:2", "--C", "-1"), 2, "finite number ≥ 0"),
    ((*DEBLUR, "disc:2", "--C", "nan"), 2, "finite number ≥ 0"),
    ((*DEBLUR, "disc:2", "--out", "there.png"), 2, "there.png is there already"),
    ((*DEBLUR, "disc:2", "--out", "cup.png"), 2, "cup.png is the picture itself"),
    ((*DEBLUR, "disc:2", "--out", "cup.png", "--force"), 2, "cup.png is the picture itself"),
    ((*DEBLUR, "disc:2", "--out", "no/x.png"), 2, "no folder no"),
    ((*DEBLUR, "disc:2", "--out", "x.jpg"), 2, "e.g. x.png, not 'x.jpg'"),
    ((*DEBLUR, "disc:2", "--out", "folder.png", "--force"), 2, "is a folder"),
    (("deblur", "absent.jpg", "--kernel", "disc:2"), 6, "absent.jpg: no such file"),
    (("deblur", "folder.png", "--kernel", "disc:2"), 6, "folder.png"),
    (("deblur", "there.png", "--kernel", "disc:2"), 4, "there.png cannot be read as a picture"),
    ((*RECONSTRUCT, "natural"), 3, "natural-enet, natural-l2, natural-wiener"),
    ((*RECONSTRUCT, "own.safetensors"), 3, "own.safetensors"),
    ((*RECONSTRUCT, "natural-l2"), 2, "31×31 px and the model takes 32×32"),
    ((*RECONSTRUCT, "natural-l2", "--out", "there.png"), 2, "there.png is there already"),
    (("upscale", "cup.png", "--out", "cup.png", "--force"), 2, "cup.png is the picture itself"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), REFUSED, ids=[" ".join(row[0]) for row in REFUSED])
def test_what_cannot_be_done_is_refused_in_one_sentence(arguments, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(photograph()[:, :31, :31], tmp_path / "cup.png")
    (tmp_path / "there.png").write_bytes(b"kept")
    (tmp_path / "folder.png").mkdir()
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    said = call(*arguments, code=code).strip().splitlines()
    assert says in said[-1]
    assert sum(line.startswith("blurvae: ") for line in said) == 1
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


def test_force_writes_over_a_file(tmp_path):
    save(photograph()[:, :40, :40], tmp_path / "cup.png")
    (tmp_path / "there.png").write_bytes(b"old")
    call("deblur", tmp_path / "cup.png", "--kernel", "disc:2", "--out", tmp_path / "there.png", "--force")
    assert load(tmp_path / "there.png").shape == (3, 40, 40)
