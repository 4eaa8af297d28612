"""An enlarged clip as a video file, which takes its name when it is whole, with the sound of the clip before."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from blurvae.datasets import video_file
from blurvae.datasets.clip import Clip, Colours, Frame

RATE = Fraction(25)  # frames a second where nothing says so
TICKS = 90_000  # a second, of the times of frames


class Codec(NamedTuple):
    """How a video file is coded.

    Attributes:
        name: FFmpeg's.
        pixels: the pixel format.
        options: of the encoder.
        said: in words.
    """

    name: str
    pixels: str
    options: Mapping[str, str]
    said: str


_H264 = Codec("libx264", "yuv420p", {"crf": "10", "rc-lookahead": "10"}, "H.264, nearly lossless (CRF 10), yuv420p")
CODECS = {
    ".mp4": _H264,
    ".mov": _H264,
    ".mkv": Codec("ffv1", "bgr0", {"level": "3", "slicecrc": "1"}, "FFV1, lossless, RGB at 8 bits (bgr0)"),
}
"""By the ending of the file: what every player shows, and what loses nothing."""


class Video:
    """A video file, which takes its name when it is whole; the sound of the clip's file is copied.

    Args:
        place: of the file; its ending chooses of `CODECS`.
        clip: what is enlarged: its times, its colours and the shape of its pixels are kept.
        scale: by which its frames are enlarged.
        rate: frames a second of a folder of pictures.
        sound: the file whose sound is copied, None for none.
    """

    def __init__(
        self, place: Path, clip: Clip, scale: int, rate: Fraction | None = None, sound: Path | None = None
    ) -> None:
        self.place, self.clip, self.rate = place, clip, rate or clip.rate or RATE
        self.size, self.sound = (scale * clip.size[0], scale * clip.size[1]), sound
        self.codec = CODECS[place.suffix.lower()]
        # A stream of RGB is coded by BT.709; primaries and transfer are those of the clip, which nothing changes.
        known = clip.colours
        self.colours = Colours(known.matrix or video_file.BT709, known.primaries, known.transfer)
        self.temporary = place.with_name(f".{place.stem}.{os.getpid()}.tmp{place.suffix}")

    def __enter__(self) -> Video:
        with self._spoken(), ExitStack() as undone:
            undone.callback(self.temporary.unlink, missing_ok=True)
            self.out = undone.enter_context(video_file.package().open(str(self.temporary.absolute()), "w"))
            self.stream = self.out.add_stream(self.codec.name, rate=self.rate, options=dict(self.codec.options))
            self.stream.height, self.stream.width = self.size
            self.stream.pix_fmt = self.codec.pixels
            context = self.stream.codec_context
            context.sample_aspect_ratio, context.time_base = self.clip.pixel_aspect, Fraction(1, TICKS)
            if not self.is_rgb:
                context.colorspace, context.color_range = self.colours.matrix, video_file.LIMITED
            context.color_primaries, context.color_trc = self.colours.primaries, self.colours.transfer
            self.packets = undone.enter_context(closing(_Sound(self.sound, self.out))) if self.sound else None
            self.undone = undone.pop_all()
        return self

    @property
    def is_rgb(self) -> bool:
        """Whether the file holds RGB as it is."""
        return not self.codec.pixels.startswith("yuv")

    @property
    def space(self) -> str:
        """How its colours are coded, in words."""
        matrix = "BT.709" if self.colours.matrix == video_file.BT709 else "BT.601"
        return "levels as they are" if self.is_rgb else f"{matrix}, limited range"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.undone:  # closes the files and removes what is not whole
            if kind is not None:
                with suppress(Exception):  # a file that could not be begun cannot be ended, and the first error counts
                    self.out.close()
                return
            with self._spoken():
                self.out.mux(self.stream.encode(None))
                if self.packets:
                    self.packets.copy_until(None)
                self.out.close()
            os.replace(self.temporary, self.place)

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """What FFmpeg says against the file that is written, in a sentence."""
        try:
            yield
        except (video_file.package().FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS):
                raise OSError(error.errno, error.strerror, str(self.place)) from None
            way = " add --no-sound, or" if self.sound else ""
            raise ValueError(f"{self.place.name} cannot be written ({error}):{way} name another ending.") from None

    def begin(self, carries: bool) -> tuple[int, dict[str, Tensor]]:
        """See `Output`: a video file is made from its beginning."""
        return 0, {}

    def write(self, number: int, frame: Frame, memory: Mapping[str, Tensor]) -> None:
        """See `Output`."""
        import av

        moment = number / self.rate if frame.time is None else frame.time
        made = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.pixels.transpose(1, 2, 0)), "rgb24")
        if self.is_rgb:
            made = made.reformat(format=self.codec.pixels)
        else:
            made = made.reformat(format=self.codec.pixels, **video_file.to_stream(self.colours.matrix))
        made.pts, made.time_base = round(moment * TICKS), Fraction(1, TICKS)
        with self._spoken():
            if self.packets:
                self.packets.copy_until(moment)
            self.out.mux(self.stream.encode(made))


class _Sound:
    """The sound of a file, copied packet by packet as the pictures come."""

    def __init__(self, file: Path, out: Any) -> None:
        self.source = video_file.package().open(str(file.absolute()))
        streams = self.source.streams.audio
        self.copies = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        self.out, self.packets = out, self._known(self.source.demux(*streams))
        self.next = next(self.packets, None)

    def _known(self, packets: Iterator[Any]) -> Iterator[Any]:
        return (packet for packet in packets if packet.dts is not None)  # the last of each stream only ends it

    def copy_until(self, moment: Fraction | None) -> None:
        """Copies what sounds before a moment in s; all the rest where None."""
        while self.next is not None and (moment is None or self.next.dts * self.next.time_base <= moment):
            self.next.stream = self.copies[self.next.stream.index]
            self.out.mux(self.next)
            self.next = next(self.packets, None)

    def close(self) -> None:
        """Closes the file."""
        self.source.close()
