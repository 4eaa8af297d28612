"""The exceptions that are not a plain ValueError: each message names the thing that is wrong and the way out."""

from __future__ import annotations


class MissingData(FileNotFoundError):
    """A data set is not on this machine; the message says where it was looked for and how to get it."""


class MissingWeights(FileNotFoundError):
    """Weights of a pretrained network are not on this machine; the message says which and where to put them."""


class MissingNetwork(MissingWeights):
    """`MissingWeights` that also knows, in `what`, the words for a table: the file or the package that is absent."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


class CorruptFile(ValueError):
    """A file exists but does not hold what its format or its checksum promises."""


class Diverged(RuntimeError):
    """A training loss stopped being finite; the message names the step, the term and the last good checkpoint."""
