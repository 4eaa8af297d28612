"""The commands for a picture of one's own: deblur it, or see what a model makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blurvae.cli.guard import guarded
from blurvae.cli.options import Json
from blurvae.text import to_json

if TYPE_CHECKING:
    from blurvae.datasets.core import Pixels
    from blurvae.datasets.picture import Picture

File = Annotated[Path, typer.Argument(metavar="FILE", help="A picture: PNG, JPEG, TIFF, WebP, BMP, PPM or GIF.")]
Out = Annotated[Path | None, typer.Option(metavar="PICTURE.png", help="Named by FILE, in this folder, if left out.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
GAP = 8  # px of white between a picture and its reconstruction


@guarded
def deblur(
    file: File,
    kernel: Annotated[str, typer.Option(help="gaussian:VARIANCE, disc:RADIUS or motion:LENGTH,ANGLE (px, degrees).")],
    constant: Annotated[str, typer.Option("--C", help="Wiener's constant ≥ 0, or auto: by the spectrum.")] = "auto",
    out: Out = None,
    force: Force = False,
) -> None:
    """Sharpen a picture whose blur is known, by the Wiener deconvolution of chapter 3."""
    out = _place(out, file, "deblurred", force)
    try:
        C = None if constant == "auto" else float(constant)
    except ValueError:
        raise ValueError(f"--C takes auto or a number ≥ 0, not {constant!r}.") from None
    from blurvae import blur
    from blurvae.blur.wiener import check_C
    from blurvae.datasets import picture
    from blurvae.evaluation import picture as work

    k = blur.named_kernel(kernel)
    if C is not None:
        check_C(C)
    found = picture.whole(file)
    _say(file, found)
    if C is None:
        C = work.choose_C(found.pixels, k)
    typer.echo(f"C = {C:.3g}{', chosen by the spectrum' if constant == 'auto' else ''}")
    _write(out, work.sharpen(found.pixels, k, C))


@guarded
def list_models(as_json: Json = False) -> None:
    """List the trained models that `--model` and `blurvae.models.load` take by name."""
    from blurvae import models

    cards = [models.card(name) for name in models.names()]
    if as_json:
        typer.echo(to_json(cards))
        return
    for card in cards:
        run, psnr = card["run"], card["metrics"]["PSNR"]["mean"]
        typer.echo(
            f"{card['name']:<15} {run['size']}×{run['size']} px, {run['method']} on {card['data']['label']}, tier "
            f"{run['tier']}, seed {run['budget']['seed']}; PSNR {psnr:.2f} dB; {card['licence']}"
        )


@guarded
def reconstruct(
    file: File,
    model: Annotated[str, typer.Option(help="Name of a model (`blurvae models`), or the path of a .safetensors.")],
    out: Out = None,
    force: Force = False,
) -> None:
    """Show a picture beside what a trained model makes of it, square by square, and measure the difference."""
    out = _place(out, file, "reconstructed", force)
    import numpy as np

    from blurvae import models
    from blurvae.datasets import picture
    from blurvae.evaluation import picture as work

    vae = models.load(model).vae
    channels, a, b = vae.image_shape
    found = picture.whole(file, channels)
    _say(file, found)
    made = work.reconstruct(vae, found.pixels)
    (h, w), (H, W) = made.original.shape[1:], found.pixels.shape[1:]
    n = len(made.psnr)
    if (H, W) != (a, b):
        typer.echo(f"cut into {n} square{'s' * (n > 1)} of {b}×{a} px, each reconstructed for itself")
    if (h, w) != (H, W):
        typer.echo(f"left out, as it fills no square: {W - w} px at the right, {H - h} px at the bottom")
    typer.echo(
        f"PSNR {made.psnr.mean():.2f} dB, SSIM {made.ssim.mean():.3f}{', means over the squares' * (n > 1)}; "
        f"log-spectrum distance {made.log_spectrum_distance:.3f} nats"
    )
    white = np.full((channels, h, GAP), 255, np.uint8)
    _write(out, np.concatenate([made.original, white, made.reconstruction], 2))


@guarded
def upscale(
    file: File,
    model: Annotated[
        str, typer.Option(help="The .safetensors that `blurvae run enhancenet/table3 --keep-model` wrote.")
    ],
    out: Out = None,
    force: Force = False,
) -> None:
    """Enlarge a picture by the network of a model, tile by tile, at its own size; nothing is made smaller first."""
    out = _place(out, file, "upscaled", force)
    import sys

    from tqdm import tqdm

    from blurvae.datasets import picture
    from blurvae.evaluation import upscale as work
    from blurvae.models.enhancenet import load_generator

    generator, note = load_generator(Path(model))
    found = picture.whole(file)
    _say(file, found)
    (_, h, w), s = found.pixels.shape, generator.scale
    if s * s * h * w > picture.LARGEST:
        raise ValueError(f"{file} would have {s * s * h * w / 1e6:.0f} megapixels, {picture.LARGEST // 10**6} at most.")
    loss = note.get("run", {}).get("method", "")
    typer.echo(f"×{s}, {s * w}×{s * h} px{f', trained by {loss}' if loss else ''}")
    bar = lambda steps: tqdm(steps, unit="tile", leave=False, disable=not sys.stderr.isatty())  # noqa: E731
    _write(out, work.upscale(generator, found.pixels, progress=bar))


def _place(out: Path | None, file: Path, what: str, force: bool) -> Path:
    """Where the picture goes, refused before any work."""
    out = Path(f"{file.stem}-{what}.png") if out is None else out
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out takes the name of a PNG, e.g. {out.stem or 'picture'}.png, not {str(out)!r}.")
    if not out.parent.is_dir():
        raise ValueError(f"There is no folder {out.parent}: make it, or name another.")
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name a file.")
    if out.exists() and not force:
        raise ValueError(f"{out} is there already: name another file with --out, or add --force to write over it.")
    return out


def _say(file: Path, found: Picture) -> None:
    c, h, w = found.pixels.shape
    typer.echo(f"{file.name}: {w}×{h} px, {'grey' if c == 1 else 'colour'}{''.join(f'; {n}' for n in found.notes)}")


def _write(out: Path, pixels: Pixels) -> None:
    from PIL import Image

    from blurvae.files import write_atomically

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy())
    write_atomically(out, lambda path: image.save(path, format="PNG"))
    typer.echo(out)
