"""Fixtures that several test files share."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import NamedTuple

import pytest

from blurvae.pages.notebooks import build


class Site(NamedTuple):
    """The built pages and the processor time that the build took (on a busy machine the clock says nothing)."""

    folder: Path
    seconds: float


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The pages of the checkout as it is, built once, outside of it, with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    build.build_html(build.copy_sources(folder / "src"), folder / "html")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Site(folder / "html", seconds)
