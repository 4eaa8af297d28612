"""A video file read by PyAV: what its stream says of its colours is obeyed, and what would be guessed is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from blurvae.datasets import files
from blurvae.datasets.clip import Clip, Colours, Frame
from blurvae.datasets.core import Pixels
from blurvae.errors import CorruptFile, MissingData

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,ogg,asf,yuv4mpegpipe,h264,hevc,gif,mxf"
"""The containers that a file may be, whatever its name: none that only lists other files or addresses."""

SD = (576, 1024)  # px (h, w): up to here a stream that does not say is coded by BT.601, as television was
RGB, BT709, NOT_SAID, BT470, BT601 = 0, 1, 2, 5, 6  # matrices of ITU-T H.273
MATRICES = {"bt601": BT601, "bt709": BT709}
_REFUSED_TRANSFER = {8: "linear light", 16: "HDR levels (PQ)", 18: "HDR levels (HLG)"}
_FULL, LIMITED = 2, 1  # ranges of FFmpeg: 0 to 255, and 16 to 235
_LONGEST = 50_000_000  # px of a frame, as of a picture
_WAY = "repair it, or save it anew; a picture has an ending such as .png or .jpg"


class Turn(NamedTuple):
    """How a stream says that its frames are to be shown: first transposed or not, then mirrored or not."""

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    def of(self, image: Pixels) -> Pixels:
        """A frame (h, w, 3) as it is shown."""
        image = image.swapaxes(0, 1) if self.transposed else image
        return image[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]


class Look(NamedTuple):
    """What holds for all frames of a stream."""

    colours: Colours
    full: bool
    turn: Turn
    coded: tuple[int, int]  # (h, w) in the stream


def package() -> ModuleType:
    """PyAV, with FFmpeg's own words kept off the terminal.

    Raises:
        MissingData: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingData(
            'Video files are read and written by PyAV, which is not installed: `pip install "blurvae[video]"`, or '
            "`pip install -e '.[video]'` in the checkout; a folder of frames needs nothing more."
        ) from None
    av.logging.set_level(None)
    return av


def look(file: Path, matrix: str | None = None) -> Clip:
    """Decodes the first frame of a video file and says what its stream is.

    Args:
        file: of one of the `FORMATS`.
        matrix: "bt601" or "bt709", obeyed only where the stream does not say.

    Raises:
        MissingData: PyAV is not installed.
        OSError: the file cannot be opened.
        CorruptFile: it cannot be read as a video.
        ValueError: no video in it, an HD stream that does not say by which matrix its colours are coded, colours or
            levels of another kind, transparency, interlaced frames, a turn that is no quarter, more than 50 megapixels.
    """
    if matrix is not None and matrix not in MATRICES:
        raise ValueError(f"Colours are coded by bt601 or bt709, not by {matrix!r}.")
    with _decoded(file) as (container, stream, decoded):
        frame = next(decoded, None)
        if frame is None:
            raise CorruptFile(f"{file} holds no frame that can be decoded: {files.way_out(file, 'repair it')}.")
        seen, notes = _look(file, frame, stream.codec_context.field_order, matrix)
        if sum(not _is_cover(other) for other in container.streams.video) > 1:
            notes = ("the first of several video streams", *notes)
        rate, aspect = stream.average_rate, stream.sample_aspect_ratio
        count, sound = stream.frames or None, bool(container.streams.audio)
    h, w = seen.coded[::-1] if seen.turn.transposed else seen.coded
    aspect = aspect or Fraction(1)
    if aspect != 1:
        notes = (*notes, f"pixels that are {aspect.numerator}:{aspect.denominator} as wide as high, and stay so")

    def frames(start: int) -> Iterator[Frame]:
        return _frames(file, seen, start, rate or Fraction(25))

    aspect = 1 / aspect if seen.turn.transposed else aspect
    return Clip(file.name, (h, w), (), count, rate, notes, frames, seen.colours, aspect, sound)


@contextmanager
def _decoded(file: Path) -> Iterator[tuple[InputContainer, Any, Iterator[VideoFrame]]]:
    """The container, its video stream and the decoded frames; what FFmpeg says against the file is a CorruptFile."""
    av = package()
    with file.open("rb"):  # says in the system's words what is wrong
        pass
    only = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        with av.open(str(file.absolute()), options=only) as container:
            streams = [stream for stream in container.streams.video if not _is_cover(stream)]
            if not streams:
                raise ValueError(f"{file} has no video in it: name a video file, a picture or a folder of frames.")
            streams[0].thread_type = "AUTO"
            yield container, streams[0], container.decode(streams[0])
    except av.FFmpegError as error:
        raise CorruptFile(
            f"{file} cannot be read as a video ({error.strerror}): {files.way_out(file, _WAY)}."
        ) from None


def _is_cover(stream: Any) -> bool:
    """Whether a stream is a picture that belongs to music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _look(file: Path, frame: VideoFrame, field_order: int, matrix: str | None) -> tuple[Look, tuple[str, ...]]:
    kind, (h, w) = frame.format, (frame.height, frame.width)
    matrices = {RGB: RGB, BT709: BT709, BT470: BT470, BT601: BT601, NOT_SAID: NOT_SAID}
    notes: list[str] = []
    reason = why = ""
    if h * w > _LONGEST:
        reason = f"has frames of {h * w / 1e6:.0f} megapixels: make it smaller, {_LONGEST // 10**6} megapixels at most"
    elif any(part.is_alpha for part in kind.components):
        reason = "has transparency, which would be lost: save it without"
    elif frame.interlaced_frame or field_order > 1:
        reason = "is interlaced, two moments in one frame: deinterlace it first, for instance by FFmpeg's filter bwdif"
    elif frame.color_trc in _REFUSED_TRANSFER:
        reason = f"has {_REFUSED_TRANSFER[frame.color_trc]}: save it with the levels of BT.709"
    elif frame.color_primaries == 9 or frame.colorspace not in matrices:
        reason = "has colours of another space than BT.601 and BT.709, such as BT.2020: save it as BT.709"
    elif (turn := _turn(frame)) is None:
        reason = "is to be turned by less than a quarter: turn its frames in the file"
    if reason:
        raise ValueError(f"{file} {reason}.")
    assert turn is not None
    found = matrices[frame.colorspace]
    if kind.is_rgb or len(kind.components) == 1:
        found = RGB
    elif found == NOT_SAID and matrix is not None:
        found = MATRICES[matrix]
        why = " (as asked for)"
    elif found == NOT_SAID and (h > SD[0] or w > SD[1]):
        raise ValueError(
            f"{file} has frames of {w}×{h} px and does not say by which matrix its colours are coded: write it into "
            "the file, or add --colours bt709 to `blurvae upscale`, as nearly all of this size are, or bt601 (with the "
            "wrong one reds and greens are off)."
        )
    elif found == NOT_SAID:
        found = BT601
        why = " (as is usual at this size where the stream does not say)"
    unsaid = kind.name.startswith("yuvj") or found == RGB
    full = frame.color_range == _FULL or (unsaid and frame.color_range != LIMITED)
    if found != RGB:
        notes.append(f"{_said(found)}{why}, {'full' if full else 'limited'} range")
    if turn != Turn():
        notes.append("turned as its camera says")
    if max(part.bits for part in kind.components) > 8:
        notes.append("read at 8 bits a channel")
    return Look(Colours(found, frame.color_primaries, frame.color_trc), full, turn, (h, w)), tuple(notes)


def _said(matrix: int) -> str:
    return "BT.709" if matrix == BT709 else "BT.601"


def _turn(frame: VideoFrame) -> Turn | None:
    """What the display matrix of a frame asks for: (x, y) is shown at (a·x + c·y, b·x + d·y); None for other angles."""
    beside: Any = frame.side_data
    found = beside.get("DISPLAYMATRIX")
    if found is None:
        return Turn()
    a, b, _, c, d, *_ = np.frombuffer(bytes(found), "<i4").tolist()
    if not b and not c and a and d:
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0) if not a and not d and b and c else None


def _exactly(**given: int) -> dict[str, int]:
    """Arguments of PyAV's `reformat`: without these ways of FFmpeg's scaler levels come out up to two off."""
    from av.video.reformatter import Interpolation

    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
    return given | {"interpolation": exact | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP}


def to_stream(matrix: int) -> dict[str, int]:
    """Arguments of `reformat` that bring RGB to luma and chroma of limited range, by the matrix of this number."""
    return _exactly(dst_colorspace=_spaces()[matrix], src_color_range=_FULL, dst_color_range=LIMITED)


def _spaces() -> dict[int, int]:
    """FFmpeg's scaler has numbers of its own for the matrices; RGB needs none of them."""
    from av.video.reformatter import Colorspace

    return {RGB: Colorspace.ITU709, BT709: Colorspace.ITU709, BT470: Colorspace.ITU601, BT601: Colorspace.ITU601}


def _frames(file: Path, seen: Look, start: int, rate: Fraction) -> Iterator[Frame]:
    """The frames of a stream in the order in which they are shown, with their times."""
    to_rgb = _exactly(
        src_colorspace=_spaces()[seen.colours.matrix],
        src_color_range=_FULL if seen.full else LIMITED,
        dst_color_range=_FULL,
    )
    last: Fraction | None = None
    with _decoded(file) as (_, stream, decoded):
        for number, frame in enumerate(decoded):
            time = number / rate if frame.pts is None else frame.pts * (frame.time_base or stream.time_base)
            if last is not None and time <= last:
                raise CorruptFile(f"{file}: frame {number + 1} is to be shown before the one that precedes it.")
            if (frame.height, frame.width) != seen.coded:
                raise ValueError(f"{file}: frame {number + 1} has another size than the first: cut the clip there.")
            last = time
            if number >= start:
                rgb = frame.reformat(format="rgb24", **to_rgb)
                shown = seen.turn.of(rgb.to_ndarray().astype(np.uint8, copy=False))
                yield Frame(np.ascontiguousarray(shown.transpose(2, 0, 1)), Fraction(time))
