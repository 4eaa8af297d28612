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
    out = place(out, file, "deblurred", force)
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
    say(file, found)
    if C is None:
        C = work.choose_C(found.pixels, k)
    typer.echo(f"C = {C:.3g}{', chosen by the spectrum' if constant == 'auto' else ''}")
    write(out, work.sharpen(found.pixels, k, C))


@guarded
def list_models(as_json: Json = False) -> None:
    """List the trained models that `--model` and `blurvae.models.load` take by name."""
    from blurvae import models

    cards = [models.card(name) for name in models.names()]
    if as_json:
        typer.echo(to_json(cards))
        return
    for card in cards:
        run = card["run"]
        if card.get("kind") == "enlarger":
            psnr, plain = (card["metrics"][f"PSNR (Y{how})"]["mean"] for how in ("", ", bicubic"))
            typer.echo(
                f"{card['name']:<15} ×{run['system']['scale']}, for `blurvae upscale`, on {card['data']['label']}; "
                f"PSNR {psnr:.2f} dB, bicubic {plain:.2f}; {card['licence']}"
            )
            continue
        psnr = card["metrics"]["PSNR"]["mean"]
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
    out = place(out, file, "reconstructed", force)
    import numpy as np

    from blurvae import models
    from blurvae.datasets import picture
    from blurvae.evaluation import picture as work

    trained = models.load(model)
    if isinstance(trained, models.TrainedGenerator):
        raise ValueError(f"{model} enlarges pictures and reconstructs none: `blurvae upscale` takes it.")
    vae = trained.vae
    channels, a, b = vae.image_shape
    found = picture.whole(file, channels)
    say(file, found)
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
    write(out, np.concatenate([made.original, white, made.reconstruction], 2))


def place(out: Path | None, file: Path, what: str, force: bool) -> Path:
    """Where a picture goes, refused before any work."""
    out = Path(f"{file.stem}-{what}.png") if out is None else out
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out takes the name of a PNG, e.g. {out.stem or 'picture'}.png, not {str(out)!r}.")
    if not out.parent.is_dir():
        raise ValueError(f"There is no folder {out.parent}: make it, or name another.")
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name a file.")
    if out.exists() and file.exists() and out.samefile(file):
        raise ValueError(f"{out} is the picture itself: name another file with --out.")
    if out.exists() and not force:
        raise ValueError(f"{out} is there already: name another file with --out, or add --force to write over it.")
    return out


def say(file: Path, found: Picture) -> None:
    """Says what a picture is, and what was done to read it."""
    c, h, w = found.pixels.shape
    typer.echo(f"{file.name}: {w}×{h} px, {'grey' if c == 1 else 'colour'}{''.join(f'; {n}' for n in found.notes)}")


def write(out: Path, pixels: Pixels) -> None:
    """Writes a PNG, whole or not at all."""
    from PIL import Image

    from blurvae.files import write_atomically

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy())
    write_atomically(out, lambda path: image.save(path, format="PNG"))
    typer.echo(out)
