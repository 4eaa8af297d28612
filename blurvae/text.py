"""Text that leaves the program: signs on a stream of any encoding, names of files, and JSON that every reader knows."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from typing import Any


def speak_any_encoding() -> None:
    """Lets standard output and error write every sign: one that their encoding lacks is spelt by its number.

    A pipe on Windows or a Latin-1 locale has no β, and a command would end half-way through its output.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put something else in its place
            stream.reconfigure(errors="backslashreplace")


def stem(text: str, longest: int) -> str:
    """Text as a part of a file's name that every system takes, different for different texts.

    Letters, digits and `-_=,.+` remain, and a colon becomes `_`; where more than that has to change, or the text is too
    long, a checksum of it follows.

    Args:
        text: what the name is to say, such as the name of a data set.
        longest: characters of the result, at most.

    >>> stem("power-law:2.8", 40), stem("folder:/a/b_c", 40)
    ('power-law_2.8', 'folder_a_b_c-ed34e6b7')
    """
    simple = text.replace(":", "_", 1)
    spelt = re.sub(r"[^A-Za-z0-9_=,.+-]+", "_", simple)
    if spelt == simple and len(spelt) <= longest:
        return spelt
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub('_+', '_', spelt)[: longest - 9]}-{digest}"


def data_stem(name: str) -> str:
    """A data set's part in the names of files."""
    return stem(name, 40)


def to_json(value: Any) -> str:
    """JSON in ASCII, with null for NaN and infinity, which JSON does not know and strict readers refuse."""
    return json.dumps(_known(value), indent=1, allow_nan=False)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_known(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
