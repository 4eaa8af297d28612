"""The chapters are written as book/style.md says: readable code, short paragraphs, figures without flaws."""

from __future__ import annotations

import re
from itertools import pairwise

import nbformat
import pytest
import stored

from blurvae import paths
from blurvae.pages.notebooks import chapters

SLUGS = chapters.slugs()
THEORY = [slug for slug in SLUGS if slug < "09"]
each = pytest.mark.parametrize("slug", SLUGS)


def _prose(slug: str) -> str:
    """The text of a chapter without code, formulas, tables and the lines of directives."""
    text = (paths.notebooks() / f"{slug}.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    text = re.sub(r"```\{code-cell\}.*?\n```\n", "\n", text, flags=re.DOTALL)
    text = re.sub(r"^\$\$.*?^\$\$.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^(:::|```|:\w+:|\|).*$", "", text, flags=re.MULTILINE)


@each
def test_code_is_as_wide_as_the_text_column(slug):
    long = [line for cell in stored.cells(slug) for line in cell.source.splitlines() if len(line) > 88]
    assert not long


@each
def test_figure_code_is_folded_and_plumbing_is_not_shown(slug):
    for cell in stored.cells(slug):
        if "figure" in cell.metadata.get("mystnb", {}):
            assert "hide-input" in stored.tags(cell), cell.source
        if re.search(r"\bglue\(", cell.source):
            assert "remove-input" in stored.tags(cell), cell.source


@each
def test_every_visible_cell_follows_a_sentence(slug):
    """Between two cells whose code is shown there is text, or the first of them defines what the second uses."""
    cells = nbformat.read(paths.notebooks() / f"{slug}.ipynb", as_version=4).cells
    silent = 0
    for before, cell in pairwise(cells):
        shown = cell.cell_type == "code" and not {"hide-input", "remove-input", "remove-cell"} & set(stored.tags(cell))
        commented = cell.source.lstrip().startswith(("#", "def "))
        silent += shown and before.cell_type == "code" and not commented and "parameters" not in stored.tags(cell)
    assert silent == 0, (
        "a cell says what it is for: by a sentence before it, a comment in its first line, or a docstring"
    )


@each
def test_paragraphs_are_short(slug):
    paragraphs = [
        p for block in re.split(r"\n\s*\n", _prose(slug)) for p in re.split(r"\n(?=\s*(?:[-*]|\d+\.) )", block)
    ]
    long = {len(p.split()): p[:80] for p in paragraphs if len(p.split()) > 110}
    assert not long


@each
def test_terms_are_linked_to_the_glossary(slug):
    text = (paths.notebooks() / f"{slug}.md").read_text(encoding="utf-8")
    assert len(re.findall(r"\{term\}`", text)) >= 3


@each
def test_a_code_comes_after_its_words(slug):
    """A claim or an erratum is said in words where a chapter first uses its number, which stands in brackets then."""
    prose = re.sub(r"`[^`]*`", "", re.sub(r"\{[\w:]+\}`[^`]*`", "", _prose(slug)))
    seen = set()
    for found in re.finditer(r"\b([BE]\d{1,2}[a-z]?)\b", prose):
        if found[1] in seen:
            continue
        seen.add(found[1])
        sentence = prose[max(0, found.start() - 300) : found.end() + 60]
        bracket = re.search(rf"[\[(][^\[\]()]*\b{found[1]}\b[^\[\]()]*[\])]", sentence)
        assert bracket, f"{found[1]} stands without its words: …{sentence[-140:]}…"


@each
def test_equal_verdicts_are_joined(slug):
    text = " ".join("".join(str(output) for output in cell.get("outputs", [])) for cell in stored.cells(slug))
    for words in ("holds", "does not hold", "undecided", "not tested"):
        assert not re.search(rf"\*\*{words}\*\*[^.*]* and (?:\w+ )?\*\*{words}\*\*", text + _prose(slug))


_WORD = r"\b(?:holds|does not hold|(?:is |are )?undecided|(?:is |are )not tested|depends on)\b"
_CODE = r"[\[(](?:claim )?(?:PR-|RA-)?[A-Z]{1,2}\d+[a-z]?[\])]"


def _typed(text: str) -> list[str]:
    """Verdicts that are typed: in bold, or said of a claim in the words that follow it, and no role between."""
    text = re.sub(r"^```\{[\w-]+\}.*?^```$|^:::\{dropdown\} The rule.*?^:::$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\{[\w:-]+\}`[^`]*`", "§", text)
    bold = rf"\*\*[^*\n]*{_WORD}[^*\n]*\*\*"
    return re.findall(rf"{bold}|(?:\bclaims?\b|{_CODE})[^.:;§]{{0,120}}?{_WORD}[^.\n]*", text)


def test_typed_verdicts_are_found():
    glued = "The claim {glue:text}`a` on it. That it is so (B2) {verdict}`B2`. **It {glue:text}`b`.** A piece holds."
    assert not _typed(glued)
    typed = (
        "**does not hold**",
        "**On faces it holds.**",
        "The claim holds here",
        "It is best (claim B2) is undecided",
    )
    assert [len(_typed(text)) for text in typed] == [1, 1, 1, 1]


RULE = "A3-how-a-verdict-is-reached"  # explains the words
CLAIMS = ("claims", "claims-of-others", "claims-of-adversaries")
PAGES = [f"book/{name}.md" for name in ("index", "what-it-found", *CLAIMS, "errata")]


@pytest.mark.parametrize("name", [*PAGES, *(f"notebooks/{slug}.md" for slug in SLUGS if slug != RULE)])
def test_no_verdict_is_typed(name):
    assert not _typed((paths.root() / name).read_text(encoding="utf-8"))


@each
def test_figures_have_no_flaw(slug):
    found = {}
    for cell in stored.cells(slug):
        for output in cell.outputs:
            shown = output.get("metadata", {}).get("image/png", {})
            if "image/png" in output.get("data", {}):
                assert "grid" in shown or "narrow" in shown, "figures are shown by plotting.show or image_grid"
                found |= {cell.metadata["mystnb"]["figure"]["name"]: shown["flaws"]} if shown.get("flaws") else {}
    assert not found


@each
def test_grids_fit_a_screen(slug):
    for cell in stored.cells(slug):
        for output in cell.outputs:
            grid = output.get("metadata", {}).get("image/png", {}).get("grid")
            if grid:
                height = max(y + h for _, y, _, h in grid["boxes"])
                assert height <= 900, f"{cell.metadata['mystnb']['figure']['name']} is {height} px high"


@pytest.mark.parametrize("slug", THEORY)
def test_theory_asks_before_it_tells(slug):
    text = (paths.notebooks() / f"{slug}.md").read_text(encoding="utf-8")
    boxes = re.findall(
        r"^::::\{admonition\} Predict, then open\n:class: predict\n(.*?)^::::$", text, re.DOTALL | re.MULTILINE
    )
    assert len(boxes) >= 2
    for box in boxes:
        question, _, answer = box.partition(":::{dropdown} What happens")
        assert "?" in question and len(answer.split()) >= 8
