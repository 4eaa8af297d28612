"""The pages as a reader meets them, in headless Chromium driven by Playwright."""

from __future__ import annotations

import pytest
import yaml

from blurvae import paths

TOC = yaml.safe_load((paths.root() / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [
    file.removesuffix(".ipynb") + ".html"
    for file in (TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]))
]
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.browser
each = pytest.mark.parametrize("address", PAGES)


def _grids_keep_their_pixels(page) -> None:
    """Grids of images are enlarged by whole factors, without interpolation."""
    grids = page.evaluate(
        """[...document.querySelectorAll('figure img.pixelated')].filter(i => i.offsetParent).map(i => {
            const style = getComputedStyle(i);
            const frame = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
            return [(i.getBoundingClientRect().width - frame) / i.naturalWidth, style.imageRendering];
        })"""
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
    _figures_are_sharp_and_legible(page, smallest=11)
    assert _cut_code(page) == []
    assert _cut_equations(page) == []
    page.emulate_media(media="print")
    assert _cut_code(page) == []


@each
def test_layout_holds_on_a_phone(open_page, address):
    page = open_page(address, viewport=PHONE)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"the page is {width} px wide"
    _grids_keep_their_pixels(page)
    _figures_are_sharp_and_legible(page, smallest=9)
    assert _covered_equations(page) == []


def _figures_are_sharp_and_legible(page, smallest: float) -> None:
    """Line figures have two pixels for each of the screen, and are hardly shrunk: their letters have 11 px or more."""
    scales = page.evaluate(
        """[...document.querySelectorAll('figure img.line-figure')].filter(i => i.offsetParent)
            .map(i => [i.src, i.naturalWidth / i.getBoundingClientRect().width])"""
    )
    for src, pixels in scales:
        assert pixels >= 1.99, f"{src} is soft on a screen of two pixels each"
        assert 11 * 2 / pixels >= smallest - 0.05, f"{src} is shrunk: its letters are below {smallest} px"


def _cut_code(page) -> list[str]:
    """Blocks of code whose lines go on beyond their box."""
    return page.evaluate(
        """[...document.querySelectorAll('div.highlight pre')]
            .filter(b => b.offsetParent && b.scrollWidth > b.clientWidth).map(b => b.innerText)"""
    )


_BOXES = """[...document.querySelectorAll('div.math')].filter(m => m.offsetParent).map(m => {
    const box = m.getBoundingClientRect(), number = m.querySelector('.eqno')?.getBoundingClientRect();
    const formula = m.querySelector('mjx-math')?.getBoundingClientRect();
    const beside = number && formula && number.top < formula.bottom && formula.top < number.bottom;
    const covered = Boolean(beside && Math.min(formula.right, box.right) > number.left);
    return {text: m.id, formula: formula?.width ?? 0, box: box.width, covered};
})"""


def _cut_equations(page) -> list[str]:
    """Displayed equations that are wider than their box, or reach their number."""
    return [m["text"] for m in page.evaluate(_BOXES) if m["formula"] > m["box"] + 1 or m["covered"]]


def _covered_equations(page) -> list[str]:
    """Displayed equations with their number over them; a narrow screen scrolls what is wider than it."""
    return [m["text"] for m in page.evaluate(_BOXES) if m["covered"]]


@pytest.mark.parametrize("address", [page for page in CHAPTERS if page < "notebooks/09"])
def test_theory_opens_with_a_picture_in_the_first_screen(open_page, address):
    page = open_page(address, viewport={"width": 1280, "height": 900})
    tops = page.evaluate(
        """[...document.querySelectorAll('article img')].filter(i => i.offsetParent)
            .map(i => i.getBoundingClientRect().top)"""
    )
    assert min(tops) < 900


def test_a_prediction_is_kept_beside_the_folded_answer(open_page):
    page = open_page(CHAPTERS[0])
    box = page.locator(".admonition.predict").first
    answer = box.locator("details p").first
    assert not answer.is_visible()
    box.locator("textarea").fill("the stripes of 5 px")
    page.reload()
    box = page.locator(".admonition.predict").first
    assert box.locator("textarea").input_value() == "the stripes of 5 px"
    box.locator("summary").press("Enter")
    box.locator("details p").first.wait_for(state="visible", timeout=3000)
    assert page.troubles == []


def test_the_code_of_a_figure_opens_on_request(open_page):
    page = open_page(CHAPTERS[0])
    folded = page.locator("details.hide", has_text="Show the code of this figure").first
    assert not folded.locator("pre").first.is_visible()
    folded.locator("summary").press("Enter")
    folded.locator("pre").first.wait_for(state="visible", timeout=3000)


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
    _grids_keep_their_pixels(page)
