"""The frame of the site: front page, glossary, API, gallery, and what every page says of itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image

from blurvae import __version__, claims, paths
from blurvae.pages.figures import hero
from blurvae.systems import vae_gan

STATIC = paths.root() / "book" / "_static"


@pytest.fixture(scope="module")
def soups(site):
    files = [
        file for file in sorted(site.folder.rglob("*.html")) if file.relative_to(site.folder).parts[0] != "_static"
    ]
    parsed = {file: BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser") for file in files}
    return {file: soup for file, soup in parsed.items() if not soup.select_one("meta[http-equiv=Refresh i]")}


@pytest.fixture(scope="module")
def front(soups, site):
    return soups[site.folder / "book" / "index.html"]


@pytest.mark.parametrize(
    ("name", "make"), [("hero-sprite", hero.sprite), ("hero", hero.still), ("faces", lambda: np.asarray(hero.faces()))]
)
def test_the_pictures_of_the_front_page_are_those_that_the_code_makes(name, make):
    made = make()
    stored = np.asarray(Image.open(STATIC / f"{name}.png")).astype(int)
    assert stored.shape == made.shape, "run python -m blurvae.pages hero"
    # An average may round to the other side of a half on another processor.
    assert np.abs(stored - made).max() <= 1, "run python -m blurvae.pages hero"


def test_the_hero_shows_what_its_caption_says():
    pixels = hero.sprite().astype(float)
    pictures, averages = (np.stack(np.split(row, len(hero.COUNTS), 1)) for row in np.split(pixels, 2))
    detail = [np.abs(np.diff(row, axis=1)).mean((1, 2, 3)) for row in (pictures, averages)]
    assert (averages[0] == pictures[0]).all()
    assert detail[0].min() > 0.7 * detail[0].max(), "no picture is blurred"
    assert detail[1][-1] < 0.4 * detail[0].min(), "their average is"
    assert np.abs(averages[-1] - averages[-2]).mean() < 1.5, "and it has settled"


def test_the_front_page_comes_to_the_point(front):
    text = front.select_one("article").get_text(" ")
    before = text.split("Six pictures from the book")[0]
    assert len(before.split()) <= 250
    unexplained = re.findall(r"SSIM|LPIPS|PSNR|FID|Fréchet|KL\b|\bnats?\b|β", before)
    assert not unexplained
    buttons = [a.get_text(strip=True) for a in front.select("a.front-button")]
    assert buttons == ["Read chapter 1", "Run it", "Teach it"]
    cards = front.select(".sd-card")
    assert len(cards) == 6 and all(card.select_one(".thumbnail img[alt]") for card in cards)


def test_the_front_page_links_to_the_verdicts_and_to_what_was_found(front):
    links = {a["href"].partition("#")[0] for a in front.select("article a[href]")}
    assert {"claims.html", "what-it-found.html", "own-vae.html"} <= links


def test_the_front_page_says_what_was_found_in_few_words_one_plot_and_the_matrix(front):
    section = front.select_one("section#what-it-found")
    words = " ".join(part.get_text(" ") for part in section.select("p:not(.verdict-legend), li > p, li:not(:has(p))"))
    assert 60 < len(words.split()) <= 150
    assert len(section.select("figure.forest svg")) == len(section.select(".verdict-matrix.small table")) == 1
    assert len(section.select(".verdict-matrix tbody tr")) == len(claims.load(paths.claims() / "bredell.toml"))


def test_words_of_verdicts_on_pages_are_those_of_the_ledger(soups, site):
    sources = ("bredell", "tempered", "frvsr")
    found = {c.name.lower(): made for source in sources for c, made in claims.find_all(source=source).items()}
    seen = set()
    for name in ("index", "claims", "what-it-found"):
        for link in soups[site.folder / "book" / f"{name}.html"].select(".verdict-words a"):
            claim = link["href"].partition("#claim-")[2]
            of_data = {f.evidence.data for f in found[claim]}
            words = {
                claims.predicate(claims.verdict([f for f in found[claim] if f.evidence.data == d])) for d in of_data
            }
            assert link.get_text() in words | {claims.predicate(claims.verdict(found[claim]))}
            seen.add(claim)
    assert len(seen) >= 8


def test_the_five_questions_of_the_review_are_answered_by_name(soups, site):
    page = soups[site.folder / "book" / "claims.html"]
    asked = [
        strong.get_text() for strong in page.select("section#five-questions li strong") if "RQ" in strong.get_text()
    ]
    assert [text[:4] for text in asked] == ["RQ1.", "RQ2.", "RQ3.", "RQ4.", "RQ5."]
    assert all(item.select(".verdict-words a, a[href]") for item in page.select("section#five-questions li"))


def test_the_front_page_says_how_to_cite(front):
    shown = front.select_one(".highlight-bibtex pre").get_text()
    assert f"version = {{{__version__}}}" in shown and shown.startswith("@software{blurvae")


def test_every_page_describes_itself_once(soups):
    said = {}
    for file, soup in soups.items():
        assert len(soup.select('meta[name="viewport"]')) == 1, file.name
        (description,) = soup.select('meta[name="description"]')
        assert 20 < len(description["content"]) <= 160 and not re.search(r"[\\{}$]", description["content"]), file
        if "og:title" in str(soup.head):
            assert soup.select_one('meta[property="og:title"]')["content"]
            assert soup.select_one('meta[property="og:description"]')["content"] == description["content"]
            picture = file.parent / soup.select_one('meta[property="og:image"]')["content"]
            assert picture.resolve().is_file(), file.name
            assert soup.select_one('meta[name="twitter:card"]')["content"] == "summary_large_image"
        if file.parts[-2] == "notebooks":
            said[file.name] = description["content"]
    assert len(set(said.values())) == len(said), "chapters describe themselves, not the book"


@pytest.mark.parametrize(
    ("published", "picture"),
    [("", "../_static/hero.png"), ("https://book.example/blur", "https://book.example/blur/_static/hero.png")],
)
def test_a_shared_link_shows_the_picture_by_its_whole_address(monkeypatch, published, picture):
    monkeypatch.syspath_prepend(paths.root() / "book" / "_ext")
    frame = pytest.importorskip("frame")
    config = SimpleNamespace(root_doc="book/index", html_baseurl=published, html_title="Blur")
    context = {"title": "A <em>page</em>", "pathto": lambda name, _: f"../{name}"}
    frame.head(SimpleNamespace(config=config), "notebooks/01", "page.html", context, None)
    head = BeautifulSoup(context["metatags"], "html.parser")
    assert head.select_one('meta[property="og:image"]')["content"] == picture
    assert head.select_one('meta[property="og:title"]')["content"] == "A page"


def test_the_types_of_a_named_tuple_know_their_modules(monkeypatch):
    """Two modules have a class `Discriminator`: a bare name in a signature would point at both."""
    monkeypatch.syspath_prepend(paths.root() / "book" / "_ext")
    docstrings = pytest.importorskip("docstrings")
    said = docstrings.qualify(None, "class", "Players", vae_gan.Players, None, "", None)
    assert said is not None and "discriminator: ~blurvae.models.vae_gan.Discriminator" in said[0]
    assert docstrings.qualify(None, "class", "VAEGAN", vae_gan.VAEGAN, None, "", None) is None


def test_the_title_of_the_front_page_is_not_doubled(front):
    assert front.title.get_text() == "Blur in variational autoencoders"


def test_logo_version_and_day_stand_on_every_page(soups):
    for file, soup in soups.items():
        if file.name != "404.html":
            assert soup.select_one("img.logo__image"), file.name
            footer = soup.select_one(".bd-footer-content").get_text(" ")
            assert __version__ in footer and re.search(r"\d{4}-\d\d-\d\d", footer), file.name


def test_a_missing_page_has_a_page_of_its_own_that_loads_nothing(site):
    soup = BeautifulSoup((site.folder / "404.html").read_text(encoding="utf-8"), "html.parser")
    assert not soup.select('link:not([href^="data:"]), script[src], img')
    assert soup.select_one("a[href]")


def test_exercises_and_references_bear_no_number(soups):
    for file, soup in soups.items():
        for heading in soup.select("article h2"):
            title = heading.get_text(" ", strip=True).rstrip("# ")
            assert not re.fullmatch(r"\d[\d.]* *(Exercises|References)", title), f"{file.name}: {title}"


def test_constants_show_their_words_and_no_type(soups):
    pages = {file: soup for file, soup in soups.items() if file.parts[-2] == "api"}
    assert len(pages) > 10
    for file, soup in pages.items():
        wrong = [p.get_text(" ") for p in soup.select("dd p") if p.get_text().startswith("Type:")]
        assert not [text for text in wrong if len(text.split()) > 4], file.name
    text = pages[next(file for file in pages if file.name == "data-sets.html")].get_text(" ")
    assert "Side of a test square, px: room for patches averaged down from 128 px." in text


def test_the_gallery_shows_every_figure_of_the_chapters(soups, site):
    gallery = soups[site.folder / "book" / "figures.html"].select(".gallery a")
    linked = {a["href"].removeprefix("../") for a in gallery}
    there = {
        f"notebooks/{file.name}#{figure['id']}"
        for file, soup in soups.items()
        if file.parts[-2] == "notebooks"
        for figure in soup.select("figure[id]:has(img)")
    }
    assert linked == there and len(there) > 80
    assert all(a.img["loading"] == "lazy" and a.img["alt"] and re.search(r"\d", a.get_text()) for a in gallery)
    assert all((site.folder / "book" / a.img["src"]).resolve().is_file() for a in gallery)


def test_the_glossary_explains_every_number_of_a_claim_and_of_an_erratum(soups, site):
    soup = soups[site.folder / "book" / "glossary.html"]
    terms = [dt.get_text(" ", strip=True).rstrip("# ") for dt in soup.select("dl.glossary dt")]
    assert len(terms) == len(set(terms))
    errata = re.findall(r"^\| \*\*(E\d+)\*\*", (paths.root() / "book" / "errata.md").read_text("utf-8"), re.M)
    assert {claim.name for claim in claims.load()} | set(errata) <= set(terms)


def test_the_glossary_is_in_order():
    text = (paths.root() / "book" / "glossary.md").read_text(encoding="utf-8")
    words = text.split("```{glossary}\n")[1].split("```")[0]
    heads = [entry.splitlines()[0] for entry in words.strip().split("\n\n")]
    spelt = [head.casefold().replace("β", "beta").replace("é", "e").replace("-", " ") for head in heads]
    assert spelt == sorted(spelt)


def test_the_version_of_the_citation_is_that_of_the_package():
    version = tomllib.loads(Path(paths.root() / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    cff = yaml.safe_load((paths.root() / "CITATION.cff").read_text("utf-8"))
    bib = (STATIC / "blurvae.bib").read_text("utf-8")
    assert f"version = {{{version}}}" in bib and f"title = {{{cff['title']}}}" in bib
