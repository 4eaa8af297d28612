"""`blurvae upscale`: a picture, a folder of frames or a video made larger."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from blurvae.cli import pictures
from blurvae.cli.guard import guarded
from blurvae.cli.pictures import Force

if TYPE_CHECKING:
    from blurvae.datasets.clip import Clip, Frame

DEFAULT = "natural-enet"


@guarded
def upscale(
    file: Annotated[
        Path, typer.Argument(metavar="PICTURE|VIDEO|FOLDER", help="A picture, a video, or a folder of frames.")
    ],
    model: Annotated[
        str,
        typer.Option(help="natural-enet, bicubic, or a .safetensors that `blurvae run … --keep-model` wrote."),
    ] = DEFAULT,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="NAME", help="PNG of a picture; of a clip a folder, or a video: .mp4, .mov, or .mkv (lossless)."
        ),
    ] = None,
    colours: Annotated[
        str | None, typer.Option(metavar="bt709|bt601", help="How a video codes colours that does not say so.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Frames a second of a video that is made of a folder; 25 if left out.")
    ] = None,
    sound: Annotated[bool, typer.Option(help="Copy a video's sound into the video that is made.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in a folder of frames that was begun.")] = False,
    force: Force = False,
) -> None:
    """Enlarge a picture, or a clip frame by frame, in bounded memory; nothing is made smaller first."""
    from blurvae.datasets.folder import SUFFIXES

    if not file.is_dir() and file.suffix.lower() in SUFFIXES:
        given = {
            "--colours": colours,
            "--rate": rate,
            "--resume": resume or None,
            "--no-sound": None if sound else True,
        }
        for name, value in given.items():
            if value is not None:
                raise ValueError(f"{name} is for clips, and {file} is a picture: leave it out.")
        _picture(file, model, pictures.place(out, file, "upscaled", force))
    else:
        ending = "" if file.is_dir() else ".mp4"
        out = out or Path(f"{file.resolve().name if file.is_dir() else file.stem}-upscaled{ending}")
        _clip(file, colours, Wanted(model, out, rate, sound, resume), force)


def _picture(file: Path, model: str, out: Path) -> None:
    from tqdm import tqdm

    from blurvae.datasets import picture
    from blurvae.evaluation import enlargers
    from blurvae.evaluation import upscale as work
    from blurvae.evaluation.png import write_png
    from blurvae.files import write_atomically

    enlarger, said = enlargers.named(model)
    if not isinstance(enlarger, enlargers.PerFrame):
        raise ValueError(f"{model} is a model of clips: give it a video or a folder of frames.")
    found = picture.whole(file)
    pictures.say(file, found)
    (c, h, w), s = found.pixels.shape, enlarger.scale
    typer.echo(f"×{s}, {s * w}×{s * h} px, {said}")
    bar = lambda steps: tqdm(steps, unit="tile", leave=False, disable=not sys.stderr.isatty())  # noqa: E731
    made = work.bands(enlarger.network, found.pixels, progress=bar)
    write_atomically(out, lambda path: write_png(path, (c, s * h, s * w), made))
    typer.echo(out)


class Wanted(NamedTuple):
    """What was asked for of a clip."""

    model: str
    out: Path
    rate: float | None
    sound: bool
    resume: bool


def _clip(file: Path, colours: str | None, wanted: Wanted, force: bool) -> None:
    from tqdm import tqdm

    from blurvae.datasets import clip as reading
    from blurvae.evaluation import enlargers
    from blurvae.evaluation.clips import upscale_clip

    _check(file, wanted, force)
    enlarger, said = enlargers.named(wanted.model)
    clip = reading.opened(file, colours)
    (h, w), s = clip.size, enlarger.scale
    _within_limit(file, s, h, w)
    count = f", {clip.count} frames" if clip.count else ""
    pace = f" at {float(clip.rate):.5g} a second" if clip.rate else ""
    typer.echo(f"{clip.name}: {w}×{h} px{count}{pace}{''.join(f'; {note}' for note in clip.notes)}")
    typer.echo(f"×{s}, {s * w}×{s * h} px, {said}{', the estimate carried along' * enlarger.carries}")
    output, how = _output(file, clip, s, wanted)
    typer.echo(how)

    def bar(frames: Iterable[Frame], done: int) -> Iterable[Frame]:
        if done:
            typer.echo(f"{done} frames are there already")
        hidden = not sys.stderr.isatty()
        return tqdm(frames, total=clip.count, initial=done, unit="frame", leave=False, disable=hidden)

    with output as opened:
        scenes = upscale_clip(clip, enlarger, opened, progress=bar)
    if enlarger.carries and scenes[1:]:
        typer.echo(
            f"nothing carried over to the scenes that begin at frames {', '.join(str(n + 1) for n in scenes[1:])}"
        )
    typer.echo(wanted.out)


def _check(file: Path, wanted: Wanted, force: bool) -> None:
    """Refuses what cannot be written, before any work."""
    from blurvae.evaluation.clip_video import CODECS

    out, makes_video = wanted.out, wanted.out.suffix.lower() in CODECS
    if not makes_video and out.suffix.lower() in _OTHER_VIDEOS:
        raise ValueError(f"A clip becomes a folder, or a video ending in {', '.join(CODECS)}: not {out.name}.")
    if wanted.rate is not None and not (makes_video and file.is_dir() and 0 < wanted.rate <= 1000):
        raise ValueError("--rate is above 0 and up to 1000, for a video that is made of a folder of frames.")
    if not out.parent.is_dir():
        raise ValueError(f"There is no folder {out.parent}: make it, or name another.")
    if out.exists() and file.exists() and out.samefile(file):
        raise ValueError(f"{out} is the clip itself: name another with --out.")
    if makes_video and wanted.resume:
        raise ValueError("--resume goes on in a folder of frames: a video file is made from its beginning.")
    if makes_video and out.exists() and not (force and out.is_file()):
        raise ValueError(f"{out} is there already: name another file with --out, or add --force to write over it.")
    if force and not makes_video:
        raise ValueError("--force writes over a file: of a folder, name another, or remove it.")


def _output(file: Path, clip: Clip, scale: int, wanted: Wanted) -> tuple[AbstractContextManager[Any], str]:
    """Where the frames go, and what to say of it."""
    from blurvae.evaluation.clip_folder import Folder
    from blurvae.evaluation.clip_video import CODECS, Video

    if wanted.out.suffix.lower() in CODECS:
        heard = file if wanted.sound and clip.sound else None
        rate = None if wanted.rate is None else Fraction(wanted.rate).limit_denominator(1001)
        video = Video(wanted.out, clip, scale, rate, heard)
        kept = "; sound copied" if heard else "; without its sound" if clip.sound else ""
        return video, f"{video.codec.said}, {video.space}{kept}"
    what = {"clip": clip.name, "size": [*clip.size], "frames": clip.count, "scale": scale}
    what |= {"model": wanted.model, "sha256": _sha256(wanted.model)}
    return Folder(wanted.out, clip, what, wanted.resume), "a PNG a frame; --resume goes on where it was interrupted"


_OTHER_VIDEOS = (".avi", ".webm", ".mpg", ".mpeg", ".wmv", ".gif", ".m4v", ".ogv", ".ts", ".png", ".jpg")


def _sha256(model: str) -> str:
    """Of the weights; empty for bicubic enlargement."""
    from blurvae import models

    if model.endswith(".safetensors"):
        return hashlib.sha256(Path(model).read_bytes()).hexdigest()
    return "" if model == "bicubic" else str(models.card(model)["sha256"])


def _within_limit(file: Path, s: int, h: int, w: int) -> None:
    """Refuses frames that would be too large: one of them is in memory whole, and a codec works on it."""
    from blurvae.datasets.picture import LARGEST

    if s * s * h * w > LARGEST:
        most = f"{LARGEST // 10**6} megapixels at most: make them smaller first"
        raise ValueError(f"Frames of {file} would have {s * s * h * w / 1e6:.0f} megapixels, {most}.")
