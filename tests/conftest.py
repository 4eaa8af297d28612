"""Fixtures that several test files share."""

from __future__ import annotations

import http.server
import resource
import shutil
import threading
from collections.abc import Iterator
from functools import partial
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


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None: ...


@pytest.fixture(scope="session")
def base(site) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(site.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")  # no longer: Playwright's event loop would run under the tests of other files
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page tests need one")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, base):
    """Open a page and collect what went wrong on it: console errors, failed and foreign requests."""
    contexts = []

    def opened(address: str, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.troubles = []
        page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("requestfailed", lambda request: page.troubles.append(f"failed: {request.url}"))
        page.on("request", lambda r: None if r.url.startswith((base, "data:")) else page.troubles.append(r.url))
        page.goto(base + address, wait_until="networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()
