"""Plain notebooks: they say what the pages say, in Markdown and TeX that any viewer of notebooks understands."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from blurvae import paths
from blurvae.pages.notebooks import chapters, plain, tex
from blurvae.pages.notebooks.address import Address
from blurvae.pages.notebooks.inline import Page
from blurvae.pages.notebooks.labels import GLUED, Book, Label, read_book
from blurvae.pages.notebooks.markup import plain as rendered
from blurvae.pages.notebooks.solutions import ANSWER

ROOT = paths.root()
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
MACROS = CONFIG["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]
FOLDED = {"remove-input", "hide-input", "remove-cell", "hide-cell"}

each = pytest.mark.parametrize("slug", chapters.slugs())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("plain")
    plain.write(out)
    return out


def _read(folder: Path, slug: str):
    return nbformat.read(folder / f"{slug}.ipynb", as_version=4)


def _texts(notebook) -> str:
    """All text, without what stands in code."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(`+)(?!`).+?\1", "", text)


def _formulas(text: str) -> list[str]:
    return [found[1] or found[2] for found in re.finditer(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", text, re.DOTALL)]


@each
def test_holds_no_markup_that_a_viewer_would_show_as_it_is(folder, slug):
    notebook = _read(folder, slug)
    nbformat.validate(notebook)
    text = _texts(notebook)
    assert not re.findall(r"\{[a-z]+(?::[a-z]+)?\}`.{,40}|`{3,}\{.*", text)
    assert not re.findall(r"^\s*(?::::|`{3,}\{|\([\w-]+\)=|%).*", text, re.MULTILINE)
    assert not re.findall(r"\$\$ *\([\w:-]+\)$", text, re.MULTILINE)


@each
def test_formulas_are_whole_and_use_no_macro_of_the_book(folder, slug):
    formulas = _formulas(_texts(_read(folder, slug)))
    assert formulas
    for formula in formulas:
        assert "\n" not in formula, "a quotation would put its mark into the formula"
        bare = re.sub(r"\\\\|\\[{}]", "", formula)
        assert bare.count("{") == bare.count("}") and bare.count("\\left") == bare.count("\\right"), formula
        used = set(re.findall(r"\\([A-Za-z]+)", formula)) & set(MACROS)
        assert not used, formula


@each
def test_holds_the_chapters_code_and_what_it_has_shown(folder, slug):
    stored = nbformat.read(ROOT / "notebooks" / f"{slug}.ipynb", as_version=4)
    theirs = [cell for cell in stored.cells if cell.cell_type == "code"]
    ours = [cell for cell in _read(folder, slug).cells if cell.cell_type == "code"]
    ours = ours[len(ours) - len(theirs) :]  # where the address is set, a cell that installs the package comes first
    assert [cell.source for cell in ours] == [cell.source for cell in theirs]
    for our, their in zip(ours, theirs):
        shown = [set(out.get("data", out)) for out in their.outputs if "scrapbook" not in out.get("metadata", {})]
        assert [set(out.get("data", out)) for out in our.outputs] == shown
        hidden = our.metadata.get("jupyter", {}).get("source_hidden", False)
        assert hidden == bool(FOLDED & set(their.metadata.get("tags", [])))


@each
def test_figures_have_their_caption_below_and_their_description(folder, slug):
    cells = _read(folder, slug).cells
    for cell, following in zip(cells, [*cells[1:], None]):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) >= 20
                assert set(output.metadata["image/png"]) <= {"alt", "width"}
                assert following is not None and re.match(r"\*\*Fig\. [\d.]+\*\* \S", following.source)


def test_numbers_are_those_of_the_pages(site):
    book, shown = read_book(ROOT), {}
    for page in [name for name in book.titles if name.startswith("notebooks/")]:
        soup = BeautifulSoup((site.folder / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
        title = soup.select_one("article h1").get_text()
        assert title.startswith(f"{book.numbers[page]}. " if page in book.numbers else book.titles[page])
        for tag in soup.select(".caption-number, .eqno"):
            place = tag.find_parent(id=True)["id"].removeprefix("equation-").lower()
            shown[place] = str(next(tag.strings)).strip(" ()")
    numbered = {
        label.lower(): named for label, named in book.labels.items() if named.number
    }  # ids of equations are small
    ours = {label: f"{named.name} {named.number}".strip() for label, named in numbered.items()}
    assert len(ours) > 200 and ours == {label: shown.get(label) for label in ours}


def test_values_are_those_of_the_pages(site, folder):
    for slug in chapters.slugs():
        soup = BeautifulSoup((site.folder / "notebooks" / f"{slug}.html").read_text(encoding="utf-8"), "html.parser")
        pasted = [tag.get_text() for tag in soup.select("p .pasted-text, li .pasted-text")]
        text, position = _texts(_read(folder, slug)), 0
        for value in pasted:
            position = text.find(value, position)
            assert position >= 0, (slug, value)


# Small texts

PAGE = "notebooks/04-vae"
BOOK = Book(
    titles={PAGE: "Variational autoencoders", "notebooks/05-blur": "The blur error", "book/claims": "Claims"},
    numbers={PAGE: "4", "notebooks/05-blur": "5"},
    labels={
        "thm-a": Label(PAGE, "Theorem", "4.1", "Bound"),
        "thm-b": Label("notebooks/05-blur", "Proposition", "5.2", "Rate"),
        "eq-a": Label(PAGE, "", "4.3"),
        "fig-a": Label(PAGE, "Fig.", "4.2"),
        "ex-a": Label(PAGE, "Exercise", "4.1", "Two codes"),
        "sec-a": Label(PAGE, title="What `fit` does"),
    },
    glued={"04-gain": "0.12345", "04-count": "12345", "04-word": "'holds in part'"},
)


def _page(**changed) -> Page:
    return Page(**{"name": PAGE, "source": ROOT, "book": BOOK, "macros": MACROS, "address": Address()} | changed)


@pytest.mark.parametrize(
    ("myst", "expected"),
    [
        (r"By {eq}`eq-a`, $\KL \ge 0$.", r"By (4.3), $\mathrm{KL} \ge 0$."),
        ("{numref}`fig-a` and {numref}`picture %s <fig-a>`", "Fig. 4.2 and picture 4.2"),
        ("{prf:ref}`thm-a`, {prf:ref}`thm-b`", "Theorem 4.1, [Proposition 5.2](05-blur.ipynb)"),
        ("{ref}`sec-a`, {ref}`here <sec-a>`, {ref}`ex-a`", "What `fit` does, here, Exercise 4.1"),
        ("{cite:t}`bredell2023` {cite:p}`tipping1999,lucas2019`",
         "Bredell et al. [2023] [Lucas et al., 2019, Tipping and Bishop, 1999]"),
        ("{glue:text}`04-gain:.1%` {glue:text}`04-count:,.0f` {glue:text}`04-word`", "12.3% 12,345 holds in part"),
        ("a {term}`rate`, two {term}`rates <rate>`", "a rate, two rates"),
        ("[five](05-blur.ipynb#sec), [](05-blur.ipynb)", "[five](05-blur.ipynb), [The blur error](05-blur.ipynb)"),
        ("[B1](../book/claims.md), [](../book/claims.md), [x](https://example.org)",
         "B1, Claims, [x](https://example.org)"),
        ("`{eq}` and ``a `{eq}`eq-a` `` stay", "`{eq}` and ``a `{eq}`eq-a` `` stay"),
        ("```python\nx = '{eq}`eq-a` $\\KL$'\n```", "```python\nx = '{eq}`eq-a` $\\KL$'\n```"),
        ("$$\n\\norm{x}\n\\le 1\n$$ (eq-a)\nso", "$$\\lVert x \\rVert \\le 1 \\tag{4.3}$$\nso"),
        ("(sec-a)=\n## First\n% a note\ntext\n\n## Second", "## 4.1. First\ntext\n\n## 4.2. Second"),
        ("```{admonition} In short\n- one\n```\ntext", "> **In short**\n>\n> - one\n\ntext"),
        (":::{note}\nMind $\\R$.\n:::", "> **Note**\n>\n> Mind $\\mathbb{R}$."),
        (":::{prf:theorem} Bound\n:label: thm-a\n\nLet\n$$\nx\n$$\n:::",
         "> **Theorem 4.1 (Bound).**\n>\n> Let\n> $$x$$"),
        (":::{prf:proof}\nClear.\n:::", "*Proof.* Clear. ∎"),
        (":::{prf:proof}\nBy\n$$\nx\n$$\n:::", "*Proof.* By\n$$x$$\n\n∎"),
        (":::{exercise-start} Two codes\n:label: ex-a\n:::\nWhy?\n:::{exercise-end}\n:::",
         "### Exercise 4.1: Two codes\n\nWhy?"),
        (":::{solution-start} ex-a\n:label: sol\n:class: dropdown\n:::\nSo.\n:::{solution-end}\n:::",
         "#### Solution of exercise 4.1\n\nSo."),
        (":::{dropdown} What `x` is\nIt is.\n:::",
         "<details>\n<summary><b>What <code>x</code> is</b></summary>\n\nIt is.\n\n</details>"),
        ("::::{admonition} Predict\n:class: predict\nWhich?\n\n:::{dropdown} What happens\n$\\E x$\n:::\n::::",
         "> **Predict**\n>\n> Which?\n>\n> <details>\n> <summary><b>What happens</b></summary>\n>\n"
         "> $\\mathbb{E} x$\n>\n> </details>"),
    ],
)  # fmt: skip
def test_markup_becomes_markdown(myst, expected):
    assert rendered(myst, _page()) == expected


def test_cited_works_are_listed_and_no_others():
    page = _page()
    rendered("{cite:t}`bredell2023`", page)
    listed = rendered("```{bibliography}\n:filter: docname in docnames\n```", page)
    assert listed.startswith("- Gustav Bredell, ") and "2023" in listed and listed.count("\n") == 0


@pytest.mark.parametrize(
    ("myst", "says"),
    [
        ("{eq}`eq-x`", "label 'eq-x'"),
        ("{foo}`x`", r"no role \{foo\}"),
        (":::{foo}\nx\n:::", r"no directive \{foo\}"),
        ("{cite}`nobody1900`", "'nobody1900'"),
        ("{glue:text}`04-x`", "'04-x'"),
        (r"$\abs$", "lacks its argument"),
        (r"$\abs{x$", "not closed"),
    ],
)
def test_what_has_no_plain_form_is_refused_by_name(myst, says):
    with pytest.raises(ValueError, match=says):
        rendered(myst, _page())


def test_a_draft_shows_a_label_that_it_lacks_by_its_name():
    assert rendered("{eq}`eq-x`", _page(book=Book(whole=False))) == "eq-x"


def test_links_lead_to_the_published_pages_where_the_address_is_known():
    page = _page(address=Address("https://github.com/a/b", site="https://a.github.io/b/"))
    assert rendered("[B1](../book/claims.md#b1)", page) == "[B1](https://a.github.io/b/book/claims.html#b1)"
    assert rendered("[card](../data/README.md)", page) == "[card](https://github.com/a/b/blob/main/data/README.md)"


# TeX

FORMULAS = st.recursive(
    st.sampled_from(["x", "\\alpha", "1", " ", "\\{", "\\\\", "\\|"]),
    lambda inner: st.one_of(
        inner.map(lambda s: f"\\norm{{{s}}}"), inner.map(lambda s: f"{{{s}}}"), st.lists(inner).map("".join)
    ),
)


@given(FORMULAS)
def test_macros_expand_wherever_they_stand_and_leave_the_rest(formula):
    # The macro's name cannot occur otherwise, so that what is to come out can be had by replacing text.
    expected = formula
    while "\\norm{" in expected:
        head, _, rest = expected.rpartition("\\norm{")
        depth, end = 1, 0
        while depth:
            step = 2 if rest[end] == "\\" else 1
            depth += {"{": 1, "}": -1}.get(rest[end], 0)
            end += step
        expected = f"{head}<{rest[: end - 1]}>{rest[end:]}"
    assert tex.expand(formula, {"norm": ["<#1>", 1]}) == expected


def test_a_macro_ends_where_tex_ends_it():
    assert (
        tex.expand(r"\E x \\E \Ex \F\E", {"E": r"\mathbb{E}", "F": r"\cal"}) == r"\mathbb{E} x \\E \Ex \cal\mathbb{E}"
    )
    assert tex.expand(r"\abs H^2 \abs\F", {"abs": ["|#1|", 1], "F": "f"}) == "|H|^2 |f|"
    assert tex.expand(r"\F{}x\F2", {"F": r"\cal"}) == r"\cal{}x\cal2"


# Files


def test_a_notebook_that_its_reader_changed_is_kept(tmp_path, capsys):
    (file,) = plain.write(tmp_path, ["05"])
    first = file.read_text(encoding="utf-8")
    notebook = nbformat.read(file, as_version=4)
    nbformat.write(notebook, file)
    plain.write(tmp_path, ["05"])
    assert file.read_text(encoding="utf-8") == first and not capsys.readouterr().out
    notebook.cells[0].source += "\n\nmy note"
    nbformat.write(notebook, file)
    plain.write(tmp_path, ["05"])
    assert "my note" in file.read_text(encoding="utf-8") and "is kept" in capsys.readouterr().out


@each
def test_without_solutions_each_exercise_has_a_place_for_its_answer(tmp_path, slug, folder):
    (file,) = plain.write(tmp_path, [slug], solutions=False)
    notebook, whole = nbformat.read(file, as_version=4), _texts(_read(folder, slug))
    text = _texts(notebook)
    assert "Solution of" in whole and "Solution of" not in text
    exercises = re.findall(r"^### Exercise.*", whole, re.MULTILINE)
    assert re.findall(r"^### Exercise.*", text, re.MULTILINE) == exercises
    assert text.count(ANSWER) == whole.count("#### Solution of") == len(exercises)
    solved = re.sub(r"^#### Solution of.*?(?=^##+ |\Z)", "", whole, flags=re.MULTILINE | re.DOTALL)
    assert text.replace(ANSWER, "").split() == solved.split()


def test_an_executed_chapter_says_the_values_of_its_own_outputs(tmp_path):
    executed = nbformat.read(ROOT / "notebooks" / "04-vae-and-blur.ipynb", as_version=4)
    outputs = [out for cell in executed.cells for out in cell.get("outputs", []) if GLUED in out.get("data", {})]
    (one,) = [out for out in outputs if out.metadata.scrapbook.name == "04-constant"]
    one.data[GLUED] = "98765.4"
    file = tmp_path / "04.ipynb"
    nbformat.write(executed, file)
    plain.rewrite(file, "04-vae-and-blur")
    text = _texts(nbformat.read(file, as_version=4))
    assert "98,765" in text and "Theorem 4.1" in text


# In JupyterLab


@contextlib.contextmanager
def _jupyterlab(folder: Path, private: Path) -> Iterator[str]:
    """JupyterLab over a folder, on a free port, with a configuration of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    command += ["--IdentityProvider.token=", "--ServerApp.allow_root=True", f"--ServerApp.root_dir={folder}"]
    log = private / "log"
    with log.open("w") as said:
        server = subprocess.Popen(
            command, env=os.environ | {name: str(private / name) for name in own}, stdout=said, stderr=said
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status", timeout=5).close()
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.browser
def test_jupyterlab_shows_a_chapter_without_any_red(browser, folder, tmp_path):
    slug = "04-vae-and-blur"
    count = len(_formulas(_texts(_read(folder, slug))))
    with _jupyterlab(folder, tmp_path) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 30000})  # cells outside the window are not drawn
        page.goto(f"{server}/lab/tree/{slug}.ipynb?reset", timeout=120_000)
        page.wait_for_function(
            f"document.querySelectorAll('.jp-Notebook mjx-container').length >= {count}", timeout=120_000
        )
        assert page.locator("mjx-merror, .jp-Notebook .jp-mod-error").count() == 0
        text = page.locator(".jp-Notebook").inner_text()
        assert "Theorem 4.1 (Evidence lower bound)." in text and "Fig. 4.1." in text
        assert not re.search(r"\{\w+(?::\w+)?\}`|:::|\\(?:abs|norm|KL|F|E)\b", text)
        assert page.locator(".jp-Notebook img").count() >= 5
        red = page.evaluate(
            "[...document.querySelectorAll('.jp-Notebook .jp-RenderedMarkdown *')]"
            ".filter(e => getComputedStyle(e).color === 'rgb(255, 0, 0)').map(e => e.textContent)"
        )
        assert not red
        page.close()
