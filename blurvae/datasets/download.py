"""Fetching an official archive: resumed after interruptions, checked against the checksum its publisher states."""

from __future__ import annotations

import errno
import hashlib
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from blurvae.datasets.core import Archive
from blurvae.errors import CorruptFile, MissingData

_CHUNK = 1 << 18
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def md5(file: Path) -> str:
    """The md5 of a file, in hexadecimal: what publishers of older data sets state. It guards against damage only."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def verified(file: Path, archive: Archive) -> Path:
    """The file, if it bears the checksum of the archive.

    Raises:
        MissingData: no such file.
        CorruptFile: another checksum.
    """
    if not file.is_file():
        raise MissingData(f"{file} is not there: it would be {archive.filename} from {archive.url}.")
    found = md5(file)
    if found != archive.md5:
        raise CorruptFile(
            f"{file} has md5 {found}, but {archive.filename} should have {archive.md5}: download it again from "
            f"{archive.url}."
        )
    return file


class _Interrupted(OSError):
    """The connection ended before the announced length."""


def _transfer(url: str, part: Path, progress: bool, timeout: float) -> None:
    """Append to `part` what it lacks; starts over where the server does not continue at its end."""
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "blurvae", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=timeout) as response:
        resumed = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")
        if not resumed and response.status != 200:
            part.unlink(missing_ok=True)  # a range that was not asked for: nothing to build on
            raise _Interrupted(f"the server answered {response.status} with another range")
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        # disable=None: silent where standard error is no terminal
        bar = tqdm(
            total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=None if progress else True
        )
        with part.open("ab" if resumed else "wb") as file, bar:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            end = file.tell()
    if total is not None and end < total:
        raise _Interrupted(f"the connection ended after {end} of {total} bytes")


def fetch(
    archive: Archive,
    folder: Path,
    *,
    mirror: str | None = None,
    progress: bool = True,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download an archive into a folder, unless a whole copy lies there already.

    What has arrived stays in a `.part` file, and the next attempt, or the next call, asks the server for the rest
    only. The file gets its name when its checksum is right.

    Args:
        archive: address and checksum.
        folder: where it goes; made if necessary.
        mirror: address of a folder to fetch from instead of the official one; the checksum stays the official one.
        progress: show a bar if standard error is a terminal.
        attempts: how often to try without a byte of progress.
        pause: seconds before the second attempt; doubled each time.
        timeout: seconds without an answer after which an attempt counts as failed.

    Returns:
        The file.

    Raises:
        MissingData: the server cannot be reached or does not have the file.
        CorruptFile: the whole file arrived, with another checksum; it is removed.
        OSError: the folder cannot be written, or the disk is full.
        ValueError: the address is not http or https.
    """
    url = archive.url if mirror is None else f"{mirror.rstrip('/')}/{archive.filename}"
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is not an http or https address: for a file of this machine use `source=`.")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / archive.filename
    if target.exists() and md5(target) == archive.md5:
        return target
    part = target.with_name(target.name + ".part")
    by_hand = f"download it in another way, and give its path as `--source` to `blurvae data prepare`. Address: {url}"
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, progress, timeout)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is as long as the file, or longer: its checksum decides
                if before == 0:
                    raise MissingData(f"{url} answers 416 to a request for the whole file; {by_hand}") from error
            elif error.code < 500 and error.code not in (408, 429):
                raise MissingData(f"The server answers {error.code} ({error.reason}); {by_hand}") from error
            else:
                failures = _wait(failures, attempts, pause, error, part, by_hand)
                continue
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:  # asking the server again would not help
                raise OSError(error.errno, error.strerror, str(part)) from error
            grown = part.exists() and part.stat().st_size > before
            failures = _wait(0 if grown else failures, attempts, pause, error, part, by_hand)
            continue
        found = md5(part)
        if found == archive.md5:
            part.replace(target)
            return target
        part.unlink()
        if before == 0:
            raise CorruptFile(
                f"{url} sent a file with md5 {found}, but {archive.filename} should have {archive.md5}: the file was "
                f"removed; try again later, or {by_hand}"
            )
        # a part left by an older version of the file, or damaged: once more from the start


def _wait(failures: int, attempts: int, pause: float, error: Exception, part: Path, by_hand: str) -> int:
    """Count a failure, sleep longer after each, give up after the last."""
    failures += 1
    if failures >= attempts:
        kept = f"{part.stat().st_size} bytes are kept and the same command resumes; or " if part.exists() else ""
        raise MissingData(f"The download failed {failures} times ({error}): {kept}{by_hand}") from error
    time.sleep(pause * 2 ** (failures - 1))
    return failures
