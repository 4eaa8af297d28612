"""Files that are written whole or not at all, and folders that one process has to itself."""

from __future__ import annotations

import errno
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from blurvae.errors import CorruptFile
from blurvae.text import to_json

try:
    import fcntl
except ImportError:  # pragma: no cover (not POSIX)
    fcntl = None  # type: ignore[assignment]

LARGEST = 1 << 28  # bytes of the arrays of an .npz that is read


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file beside its place, then renames it: a reader sees the old file or the whole new one.

    Raises:
        OSError: it cannot be written, on a full disk for instance; the error names the file.
    """
    from safetensors import SafetensorError

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise OSError(errno.EIO, f"Cannot be written whole ({error})", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON as `write_atomically` writes a file, in the form of `text.to_json`."""
    text = to_json(value) + "\n"
    write_atomically(path, lambda file: file.write_text(text))


def save_arrays(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a compressed .npz, whole or not at all."""

    def write(path: Path) -> None:
        with open(path, "wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)

    write_atomically(file, write)


def load_arrays(file: Path, way_out: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz, none where it is absent.

    Args:
        file: the .npz.
        way_out: what to do where it is damaged, the end of the error's sentence.

    Raises:
        CorruptFile: it is not whole.
    """
    if not file.exists():
        return {}
    try:
        with zipfile.ZipFile(file) as archive:  # reading an array that became shorter would not reach its checksum
            size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST or archive.testzip() is not None:
                raise CorruptFile
        with np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise CorruptFile
            return arrays
    except Exception:  # zipfile and the header of an array let through whatever their fields lead to
        raise CorruptFile(f"{file} is not whole: {way_out}.") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder and keeps it to this process; the system frees it when the process ends, however it ends.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        warnings.warn("This system has no fcntl: two processes at one run are not kept apart.", stacklevel=3)
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())  # else its holder removed it
        except BlockingIOError:
            free = False
        except OSError as error:  # some network file systems know no locks
            warnings.warn(f"{folder} cannot be locked ({error.strerror}): start no second process at it.", stacklevel=3)
            free = True
        if not free:
            raise BlockingIOError(f"Another process works in {folder}: let it end, or use another folder.")
        yield
    finally:
        os.close(handle)
