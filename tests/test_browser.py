"""The pages as a reader meets them, in headless Chromium driven by Playwright."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial

import pytest
import yaml

from blurvae import paths

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOC = yaml.safe_load((paths.root() / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [
    file.removesuffix(".ipynb") + ".html"
    for file in (TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]))
]
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
PHONE = {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the page tests need one"),
]
each = pytest.mark.parametrize("address", PAGES)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None: ...


@pytest.fixture(scope="module")
def base(site) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(site.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
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


def _grids_keep_their_pixels(page) -> None:
    """Grids of images are enlarged by whole factors, without interpolation."""
    grids = page.evaluate(
        """[...document.querySelectorAll('img.pixelated')].filter(i => i.offsetParent).map(i =>
            [i.getBoundingClientRect().width / i.naturalWidth, getComputedStyle(i).imageRendering])"""
    )
    for zoom, rendering in grids:
        assert zoom == pytest.approx(round(zoom), abs=1e-3) and zoom >= 1
        assert rendering == "pixelated"


@each
def test_page_loads_whole_and_from_here_alone(open_page, address):
    page = open_page(address)
    page.wait_for_function("!window.MathJax?.startup?.promise || document.readyState === 'complete'")
    assert page.troubles == []
    assert page.locator("article h1").first.is_visible()

    source = page.locator(".math").count()
    assert (page.locator("mjx-container").count() > 0) == (source > 0), "maths is typeset where there is any"
    assert page.locator("mjx-merror").count() == 0

    # Hidden images (in folded solutions) are loaded by asking for them, as a reader's click would.
    images = page.evaluate(
        """async () => Promise.all([...document.querySelectorAll('.bd-content img')].map(async image => {
            image.loading = 'eager';
            await image.decode().catch(() => null);
            return [image.src, image.naturalWidth, image.alt];
        }))"""
    )
    for src, width, alt in images:
        assert width > 0, f"{src} did not load"
        assert alt, f"{src} has no alt text"
    if address in CHAPTERS:
        assert source and images, "a chapter has maths and figures"
    _grids_keep_their_pixels(page)


@each
def test_layout_holds_on_a_phone(open_page, address):
    page = open_page(address, viewport=PHONE)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"the page is {width} px wide"
    _grids_keep_their_pixels(page)


@pytest.mark.parametrize("address", CHAPTERS)
def test_solutions_open_on_click(open_page, address):
    page = open_page(address)
    solutions = page.locator(".solution.dropdown, .solution.toggle, div.solution")
    assert solutions.count() > 0
    for i in range(solutions.count()):
        solution = solutions.nth(i)
        content = solution.locator(".section, section, p:not(.admonition-title)").first
        assert not content.is_visible(), "a solution is folded until it is asked for"
        solution.locator("button, .toggle-button, summary").first.click()
        content.wait_for(state="visible", timeout=3000)


def test_search_finds_a_word(open_page):
    page = open_page("search.html?q=Wiener")
    page.wait_for_selector("#search-results li a", timeout=15000)
    assert page.locator("#search-results li").count() > 0
    assert page.troubles == []


def test_dark_mode_leaves_pictures_as_they_are(open_page):
    page = open_page(CHAPTERS[0])
    assert page.evaluate("document.documentElement.dataset.theme") == "light", "light is the default"
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    filters = page.evaluate("[...document.querySelectorAll('.cell_output img')].map(i => getComputedStyle(i).filter)")
    assert set(filters) <= {"none"}
