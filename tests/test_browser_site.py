"""The frame of the site as a reader meets it: first screen, slider, gallery, paper, in headless Chromium."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from blurvae import paths

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FRONT = "book/index.html"
API = [f"book/api/{file.stem}.html" for file in sorted((paths.root() / "book" / "api").glob("*.md"))]
TALLEST = 20_000  # px, of a page of the API

_EYE = "getComputedStyle(document.querySelector('.hero-mean')).backgroundPosition"


def _first_screen(page, height: int) -> None:
    """A sentence, a button and the pictures end above the fold."""
    for what in ("p.lead", "a.front-button", ".hero-one", ".hero-mean"):
        box = page.locator(what).first.bounding_box()
        assert box and box["y"] + box["height"] <= height, what


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_first_screen_shows_a_picture_a_sentence_and_a_button(open_page, size):
    page = open_page(FRONT, viewport=size)
    _first_screen(page, size["height"])
    assert page.locator(".hero-live input").is_visible() and page.troubles == []
    zoom = page.evaluate("document.querySelector('.hero-mean').getBoundingClientRect().width / 64")
    assert zoom == round(zoom) >= 2


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_hero_stands_still_without_scripts(browser, base, size):
    context = browser.new_context(viewport=size, java_script_enabled=False)
    page = context.new_page()
    page.goto(base + FRONT)
    _first_screen(page, size["height"])
    assert page.locator(".hero-still").inner_text().split() == "N = 1 N = 4 N = 64 N = 4096".split()
    assert page.locator("input[type=range]").count() == 0
    context.close()


def test_the_hero_follows_the_keyboard(open_page):
    page = open_page(FRONT)
    slider = page.locator(".hero-live input")
    slider.focus()
    seen = set()
    for key, says in (("Home", "1 picture"), ("ArrowRight", "2 pictures"), ("End", "4096 pictures")):
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext") == says
        assert page.locator(".hero-live output").inner_text() == says
        seen.add(page.evaluate(_EYE))
    assert len(seen) == 3, "each stop is another picture"


def test_the_buttons_lead_to_chapter_1_and_to_the_pages_for_those_who_run_and_teach(open_page, base):
    page = open_page(FRONT)
    for name, goal in (("Read", "01-blur-and-otf"), ("Run", "how-to-read"), ("Teach", "for-teachers")):
        page.goto(base + FRONT)
        page.locator("a.front-button", has_text=name).click()
        page.wait_for_url(f"**/{goal}.html")


@pytest.mark.parametrize("address", API)
def test_a_page_of_the_api_is_short_enough_to_find_something(open_page, address):
    page = open_page(address, viewport=DESKTOP)
    assert page.troubles == []
    assert page.evaluate("document.documentElement.scrollHeight") <= TALLEST
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_thumbnail_leads_to_its_figure(open_page):
    page = open_page("book/figures.html", viewport=DESKTOP)
    page.locator(".gallery a", has_text=re.compile(r"^Fig\. 4\.1$")).click()
    page.wait_for_url("**/04-vae-and-blur.html#*")
    assert page.evaluate("document.querySelector(location.hash).querySelector('img').naturalWidth") > 0


@pytest.mark.parametrize("address", [FRONT, "book/figures.html"])
def test_a_thumbnail_is_seen_on_a_phone(open_page, address):
    page = open_page(address, viewport=PHONE)
    hidden = "[...document.querySelectorAll('.thumbnail')].filter(t => !t.querySelector('img').checkVisibility())"
    assert page.locator(".thumbnail").count() >= 4 and page.evaluate(f"{hidden}.map(t => t.innerHTML)") == []


def test_tables_of_the_notation_fit_their_column(open_page):
    page = open_page("book/notation.html", viewport=DESKTOP)
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        wide = page.evaluate("""[...document.querySelectorAll('.pst-scrollable-table-container, table')]
            .filter(e => e.scrollWidth > e.clientWidth + 1).length""")
        assert wide == 0, size


@pytest.mark.parametrize("address", ["notebooks/03-wiener-deconvolution.html", "book/api/blur.html"])
def test_paper_shows_all_code_and_opens_nothing(open_page, address):
    page = open_page(address, viewport={"width": 700, "height": 1000})
    folded = "[...document.querySelectorAll('details:not([open]), .toggle-hidden')].length"
    before = page.evaluate(folded)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(folded) == before
    cut = page.evaluate("""[...document.querySelectorAll('.bd-article pre')]
        .filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent.slice(0, 60))""")
    assert cut == []
    for what in (".bd-sidebar-primary", ".bd-header-article", ".prev-next-footer"):
        assert not page.locator(what).first.is_visible(), what


def test_a_missing_page_leads_home_from_any_depth(open_page, base):
    page = open_page("404.html")
    assert page.troubles == [] and page.locator("#home").evaluate("a => a.href") == base + "index.html"


# The claims pages ----------------------------------------------------------------------------------------------------

CLAIMS, OTHERS, GAMES = (f"book/claims{name}.html" for name in ("", "-of-others", "-of-adversaries"))
_HEIGHT, _WIDTH = "document.documentElement.scrollHeight", "document.documentElement.scrollWidth"


@pytest.mark.parametrize(
    ("address", "wide", "narrow"), [(CLAIMS, 6000, 8000), (OTHERS, 10_000, 14_000), (GAMES, 10_000, 14_000)]
)
def test_the_claims_are_seen_in_a_few_screens(open_page, address, wide, narrow):
    page = open_page(address, viewport=DESKTOP)
    assert page.troubles == []
    assert page.evaluate("document.querySelectorAll('details.evidence[open]').length") == 0
    assert page.evaluate(_HEIGHT) <= wide and page.evaluate(_WIDTH) <= DESKTOP["width"]
    page.evaluate("document.querySelectorAll('details.evidence').forEach(fold => fold.open = true)")
    tall = page.evaluate("[...document.querySelectorAll('.forest')].map(f => f.getBoundingClientRect().height)")
    assert tall and max(tall) <= 360
    cut = page.evaluate("""[...document.querySelectorAll('.forest, .verdict-matrix')]
        .filter(f => f.scrollWidth > f.clientWidth + 1).length""")
    assert cut == 0, "nothing has to be scrolled on a desktop"
    sizes = page.evaluate("""[...document.querySelectorAll('.forest svg')].flatMap(svg => {
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return [...svg.querySelectorAll('text')].map(t => parseFloat(getComputedStyle(t).fontSize) * scale);
    })""")
    assert min(sizes) >= 11
    page.evaluate("document.querySelectorAll('details.evidence').forEach(fold => fold.open = false)")
    page.set_viewport_size(PHONE)
    assert page.evaluate(_WIDTH) <= PHONE["width"] and page.evaluate(_HEIGHT) <= narrow


def test_letters_of_a_plot_do_not_lie_on_one_another(open_page):
    for address in (CLAIMS, OTHERS, GAMES):
        page = open_page(address, viewport=DESKTOP)
        page.evaluate("document.querySelectorAll('details.evidence').forEach(fold => fold.open = true)")
        laid = page.evaluate("""[...document.querySelectorAll('.forest svg')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
            return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) =>
                p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3
            ).map(([b]) => `${a} on ${b}`));
        })""")
        assert laid == []


def test_a_cell_leads_to_its_claim_and_the_evidence_opens_without_scripts(browser, base):
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)
    page = context.new_page()
    page.goto(base + FRONT)
    page.locator(".verdict-matrix td a").first.click()
    page.wait_for_url("**/claims.html#claim-*")
    fold = page.locator(".claim details.evidence").first
    assert not fold.locator("table").first.is_visible()
    fold.locator("summary").press("Enter")
    fold.locator("table").first.wait_for(state="visible", timeout=3000)
    context.close()


def test_paper_shows_the_evidence_too(open_page):
    page = open_page(CLAIMS, viewport={"width": 700, "height": 1000})
    heights = "[...document.querySelectorAll('details.evidence table')].map(t => t.getBoundingClientRect().height)"
    page.emulate_media(media="print")
    assert min(page.evaluate(heights)) > 0


_MOMENT = "[...document.querySelectorAll('.film-pane i')].map(i => getComputedStyle(i).backgroundPosition)"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_film_shows_each_moment_and_plays_to_its_last(open_page, size):
    page = open_page("notebooks/26-tempered.html", viewport=size)
    film = page.locator(".film-live").first
    slider, button, says = film.locator("input"), film.locator("button"), film.locator("output")
    moments = page.locator(".film-moments").first.text_content().split("|")
    last, seen = len(moments) - 1, set()
    slider.focus()
    for i in range(len(moments)):
        assert says.inner_text() == slider.get_attribute("aria-valuetext") == moments[i]
        seen.add(tuple(page.evaluate(_MOMENT)))
        page.keyboard.press("ArrowRight")
    assert len(seen) == len(moments) > 2, "each moment is another picture"
    page.clock.install(time=0)
    page.clock.pause_at(1_000)  # from now on time passes when it is told to
    button.click()  # from the end it begins anew
    assert (button.inner_text(), says.inner_text()) == ("Pause", moments[0])
    button.click()
    page.clock.run_for(2_000)
    assert (button.inner_text(), says.inner_text()) == ("Play", moments[0]), "paused, it stands still"
    button.click()
    page.clock.run_for(500 * last)
    assert (button.inner_text(), says.inner_text()) == ("Play", moments[last])
    assert page.troubles == []


def test_the_film_is_a_strip_without_scripts_for_those_who_want_less_motion_and_on_paper(browser, base, open_page):
    address = "notebooks/26-tempered.html"
    for options in ({"java_script_enabled": False}, {"reduced_motion": "reduce"}):
        context = browser.new_context(**options)
        page = context.new_page()
        page.goto(base + address)
        assert page.locator(".image-grid.film").first.is_visible() and page.locator(".film-live").count() == 0
        context.close()
    page = open_page(address)
    page.emulate_media(media="print")
    assert page.locator(".image-grid.film").first.is_visible() and not page.locator(".film-live").first.is_visible()


_PIXELS = """() => [...document.querySelectorAll('.demo-bars canvas')].map(c =>
  [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0))"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_bars_move_from_the_mean_to_a_draw(open_page, size):
    page = open_page("notebooks/27-bars-and-protocol.html", viewport=size)
    demo = page.locator(".demo-bars")
    slider, says = demo.locator("input"), demo.locator("output")
    again, other = demo.get_by_role("button", name="Draw again"), demo.get_by_role("button", name="Another picture")
    errors = {}
    for t in (1.0, 0.5, 0.0):
        slider.fill(str(t))
        small, answer, truth = (np.array(values) / 255 for values in page.evaluate(_PIXELS))
        assert set(small) <= {0, 128 / 255} and set(truth) == {0, 1}
        error = ((answer - truth) ** 2).mean()
        told = [float(number) for number in re.findall(r"(\d+\.\d+) dB", says.inner_text())]
        assert told == pytest.approx([-10 * math.log10(error), -10 * math.log10((small > 0).sum() / 256)], abs=0.06)
        errors[t] = error
    assert errors[0.0] == pytest.approx((small > 0).sum() / 256, rel=0.02) and set(answer) <= {0, 128 / 255}
    slider.fill("1")
    for _ in range(150):
        again.click()
    told = re.search(r"(\d\.\d+) times .* expected (\d\.\d+)", says.inner_text())
    ratio, expected = map(float, told.groups())
    assert expected == 2 and abs(ratio - 2) < 0.2, "seven standard errors of 151 draws of sixteen bars"
    other.click()
    assert not np.array_equal(np.array(page.evaluate(_PIXELS)[2]) / 255, truth)
    assert "Over 1 draw " in says.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"] and page.troubles == []


def test_a_demo_is_a_sentence_without_scripts_and_nothing_on_paper(browser, base, open_page):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base + "notebooks/27-bars-and-protocol.html")
    assert "a slider moves an answer here" in page.locator(".demo-bars").inner_text()
    context.close()
    page = open_page("notebooks/27-bars-and-protocol.html")
    page.emulate_media(media="print")
    assert not page.locator(".demo-bars").is_visible()
