"""NIfTI volumes: every size is checked before memory is taken, all are turned to one orientation and scaled to bytes.

Headers are read by nibabel. The voxels are read here, as they arrive, so that neither a header that lies nor a
compressed file that swells takes more memory than an honest volume.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from blurvae.datasets import files
from blurvae.datasets.core import Pixels
from blurvae.errors import CorruptFile, MissingData

Voxels = npt.NDArray[np.float32]

SUFFIXES = (".nii", ".nii.gz")
VOXELS = 1 << 26
"""The most voxels of a volume: 406 a side, half a millimetre over a head."""
LARGEST = 1 << 29
"""Bytes of the largest volume that is read: `VOXELS` in float64."""
EXTENSIONS = 1 << 24
"""Bytes that a header with its extensions may have."""
_CHUNK = 1 << 20
_HEADERS = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}


@dataclass(frozen=True, eq=False)
class Header:
    """What a header says, with the axes in the order left to right, back to front, bottom to top.

    Attributes:
        shape: voxels along each axis.
        spacing: mm between them, float32 (3,).
        orientation: nibabel's array that says which stored axis each is, and whether it is flipped.
        stored: voxels along the axes as stored.
        dtype: of the stored values.
        offset: where they begin, in bytes.
        scale: (slope, intercept) that make the stored values the true ones, or None.
    """

    shape: tuple[int, ...]
    spacing: npt.NDArray[np.float32]
    orientation: npt.NDArray[np.float64]
    stored: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    scale: tuple[float, float] | None


def read_header(file: Path) -> Header:
    """The header of a volume, checked against the size of the file; no voxel is read.

    Args:
        file: .nii or .nii.gz.

    Raises:
        MissingData: no such file, or nibabel is not installed.
        CorruptFile: no NIfTI of one volume of real numbers, or one that announces more than it can hold.
    """
    with _opened(file) as stream:
        return _header(stream, file)


def read(file: Path) -> tuple[Voxels, Header]:
    """The true values of a volume, float32 (x, y, z): left to right, back to front, bottom to top.

    Axes are exchanged and flipped, but nothing is rotated or resampled.

    Raises:
        MissingData: no such file, or nibabel is not installed.
        CorruptFile: the header or the file is not whole, a value is not finite, or none is positive.
    """
    nibabel = _nibabel()
    with _opened(file) as stream:
        header = _header(stream, file)
        size = math.prod(header.stored) * header.dtype.itemsize
        data = bytearray()
        try:
            stream.seek(header.offset)
            # as much memory as arrives; the end is read too, where gzip keeps its checksum
            while len(data) <= size and (part := stream.read(min(_CHUNK, size + 1 - len(data)))):
                data += part
        except (EOFError, OSError, zlib.error) as error:
            raise CorruptFile(f"{file} is not a whole gzip file ({error}): get it again.") from None
    if len(data) != size:
        more = "more" if len(data) > size else f"{len(data)}"
        raise CorruptFile(f"{file} announces {size} bytes of voxels, and holds {more}: get it again.")
    values = np.frombuffer(data, header.dtype).reshape(header.stored, order="F")
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is found below
        values = values.astype(np.float32)
        if header.scale is not None:
            values = values * np.float32(header.scale[0]) + np.float32(header.scale[1])
    if not np.isfinite(values).all():
        raise CorruptFile(f"{file} holds values that are not finite: replace them, by 0 outside of the head.")
    if not values.max() > 0:
        raise CorruptFile(f"{file} has no voxel above 0: give a volume whose air is 0 and whose tissue is positive.")
    return nibabel.orientations.apply_orientation(values, header.orientation), header


def to_bytes(values: Voxels) -> Pixels:
    """Grey levels 0 to 255: 0 stays 0, and the 99.5th percentile of the volume becomes 255.

    The percentile is that of the voxels above 2 % of the largest, so that the air around a head does not count; what
    is brighter is clipped, what is negative is 0. Levels are rounded down.

    Args:
        values: float32, of any shape.

    Returns:
        uint8 of that shape.
    """
    top = values.max()
    if not top > 0:
        return np.zeros(values.shape, np.uint8)
    white = np.percentile(values[values > 0.02 * top], 99.5)
    with np.errstate(over="ignore"):
        return np.clip(values / white * 255, 0, 255).astype(np.uint8)


def axial(volume: Pixels) -> Pixels:
    """The slices from bottom to top, uint8 (z, 1, y, x), each with the front up and the left side at the left."""
    return volume.transpose(2, 1, 0)[:, None, ::-1]


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError:
        raise MissingData("Reading NIfTI needs the package nibabel: `pip install nibabel`.") from None
    return nibabel


def _opened(file: Path) -> IO[bytes]:
    if not file.is_file():
        raise MissingData(f"{file} is not there: give the path of a .nii or .nii.gz file.")
    with file.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(file) if compressed else file.open("rb"))


def _header(stream: IO[bytes], file: Path) -> Header:
    nibabel = _nibabel()
    try:
        start = stream.read(max(_HEADERS))
    except (EOFError, OSError, zlib.error) as error:
        raise CorruptFile(f"{file} is not a whole gzip file ({error}): get it again.") from None
    size = next((n for n in _HEADERS if n in (int.from_bytes(start[:4], k) for k in ("little", "big"))), 0)
    place = 344 if size == 348 else 4
    if not size or len(start) < size or start[place : place + len(_HEADERS[size])] != _HEADERS[size]:
        way = files.way_out(file, "convert it, e.g. from .hdr and .img to .nii.gz")
        raise CorruptFile(f"{file} does not begin as a NIfTI file of one piece does: {way}.")
    kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    try:
        found = kind(start[:size], check=False)
        shape, offset = found.get_data_shape(), int(found.get_data_offset())
        dtype = np.dtype(found.get_data_dtype())
        slope, intercept = found.get_slope_inter()
        affine = np.asarray(found.get_best_affine(), np.float64)
    except Exception as error:  # the library lets through whatever the fields lead to
        raise CorruptFile(f"{file} has a header that cannot be read ({error}): get it again.") from None
    shape = tuple(int(n) for n in shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 1:
        raise CorruptFile(f"{file} announces the shape {shape}, where one volume of three dimensions is read.")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise CorruptFile(f"{file} holds values of type {dtype}: convert them to integers or float32.")
    count = math.prod(shape)
    room = file.stat().st_size * (1032 if isinstance(stream, gzip.GzipFile) else 1)  # deflate's best
    if not size <= offset <= EXTENSIONS or count > VOXELS or offset + count * dtype.itemsize > min(room, LARGEST):
        raise CorruptFile(
            f"{file} announces {count} voxels of shape {shape} from byte {offset} on, more than it can hold or than "
            f"the {VOXELS} that are read."
        )
    scale = None if slope is None or (slope, intercept) == (1.0, 0.0) else (float(slope), float(intercept))
    with np.errstate(all="ignore"):
        spacing = np.sqrt((affine[:3, :3] ** 2).sum(0))
        whole = np.isfinite(affine).all() and (spacing > 1e-6).all() and (spacing < 1e6).all()
        orientation = nibabel.orientations.io_orientation(affine) if whole else np.full((3, 2), np.nan)
    if not np.isfinite(orientation).all():
        raise CorruptFile(f"{file} does not say how its axes lie in the head: repair its sform or qform.")
    order = np.argsort(orientation[:, 0])  # the stored axis of each
    return Header(
        tuple(shape[k] for k in order), spacing[order].astype(np.float32), orientation, shape, dtype, offset, scale
    )
