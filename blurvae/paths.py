"""The only module that knows folders."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache
def root() -> Path:
    """The checkout, or the part of one that a machine was given: the folder with `_toc.yml` and `data`.

    It is looked for above this package, then above the working folder.

    Raises:
        FileNotFoundError: the package runs outside a checkout of the book.
    """
    for start in (Path(__file__).resolve().parent, Path.cwd()):
        for folder in (start, *start.parents):
            if (folder / "_toc.yml").exists() and (folder / "data").is_dir():
                return folder
    raise FileNotFoundError(
        "The book's checkout was not found above the package or the working folder: clone the repository and "
        "install it with `pip install -e .`, or start from inside the clone."
    )


def data_root() -> Path | None:
    """The folder of prepared data sets, from the variable BLURVAE_DATA; None where it is not set."""
    value = os.environ.get("BLURVAE_DATA")
    return Path(value).expanduser() if value else None


def results() -> Path:
    """Recorded runs, one JSON each."""
    return root() / "data" / "results"


def checkpoints() -> Path:
    """The lesson-size models that chapters load."""
    return root() / "data" / "checkpoints"


def claims() -> Path:
    """What is claimed, a file for each source document."""
    return root() / "data" / "claims"


def paper() -> Path:
    """Published tables as CSV, a folder for each source document."""
    return root() / "data" / "paper"


def notebooks() -> Path:
    """The chapters, as paired .md and .ipynb files."""
    return root() / "notebooks"


def build() -> Path:
    """Everything that a build makes and `make clean` removes."""
    return root() / "_build"
