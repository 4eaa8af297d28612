"""The address of the repository stands in `_config.yml` alone: empty, nothing names one; set, all leads there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from blurvae import paths
from blurvae.pages.__main__ import main
from blurvae.pages.notebooks import address, build, chapters, plain

ROOT = paths.root()
SET = "https://github.com/someone/blurvae"
SITE = "https://someone.github.io/blurvae/"
# Put together from parts, so that this file does not hold what it looks for.
PLACEHOLDERS = re.compile(r"\b(OWN" + "ER|ADD" + "RESS)\b")


def _configured(folder: Path, url: str) -> None:
    text = (ROOT / "_config.yml").read_text(encoding="utf-8")
    text, count = re.subn(r"(?<=^repository:\n  url: ).*$", f'"{url}"', text, flags=re.MULTILINE)
    assert count == 1
    (folder / "_config.yml").write_text(text, encoding="utf-8")


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """A checkout of one chapter and two pages whose owner has set the address."""
    checkout = tmp_path / "checkout"
    (checkout / "notebooks").mkdir(parents=True)
    shutil.copytree(ROOT / "book", checkout / "book", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("CITATION.cff", "pyproject.toml", "notebooks/01-blur-and-otf.md", "notebooks/01-blur-and-otf.ipynb"):
        shutil.copy(ROOT / name, checkout / name)
    _configured(checkout, f"{SET}.git/")
    chapter = {"caption": "Blur", "numbered": 2, "chapters": [{"file": "notebooks/01-blur-and-otf.ipynb"}]}
    reference = {"caption": "Reference", "chapters": [{"file": "book/cluster"}]}
    toc = {"format": "jb-book", "root": "book/how-to-read", "parts": [chapter, reference]}
    (checkout / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    monkeypatch.setattr(paths, "root", lambda: checkout)
    return checkout


def test_no_source_has_a_placeholder_for_an_address():
    files = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CITATION.cff", "_config.yml")]
    files += [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    assert not [file.name for file in files if PLACEHOLDERS.search(file.read_text(encoding="utf-8"))]


def test_pages_and_plain_notebooks_have_no_placeholder(site):
    made = [*site.folder.rglob("*.html"), *site.folder.rglob("*.ipynb")]
    assert not [file.name for file in made if PLACEHOLDERS.search(file.read_text(encoding="utf-8"))]


def test_pages_have_buttons_that_lead_to_the_repository_once_there_is_one(site):
    expected = bool(address.read().repository)
    for slug in chapters.slugs():
        page = BeautifulSoup((site.folder / "notebooks" / f"{slug}.html").read_text(encoding="utf-8"), "html.parser")
        for word in ("mybinder.org/v2", "colab.research.google.com", "/issues/new"):
            assert bool(page.select(f'.article-header-buttons a[href*="{word}"]')) == expected, (slug, word)
    how = (site.folder / "book" / "how-to-read.html").read_text(encoding="utf-8")
    assert "In the folder that you cloned or unpacked" in how and ("git clone" in how) == expected


def test_without_an_address_nothing_leads_anywhere(tmp_path):
    _configured(tmp_path, "")
    there = address.read(tmp_path)
    assert not any(
        (there.repository, there.page("book/claims"), there.file("x"), there.colab("01"), there.binder("01"))
    )


def test_with_an_address_pages_say_how_to_clone_and_their_buttons_lead_there(published, tmp_path):
    build.build_html(build.copy_sources(tmp_path / "src"), tmp_path / "html", strict=False)
    read = lambda name: BeautifulSoup((tmp_path / "html" / name).read_text(encoding="utf-8"), "html.parser")  # noqa: E731
    blocks = [block.get_text() for block in read("book/how-to-read.html").select("div.highlight pre")]
    assert blocks[0] == f"git clone {SET}\ncd blurvae\n"
    assert any(f"git clone {SET}\n" in block.get_text() for block in read("book/cluster.html").select("pre"))
    links = [tag["href"] for tag in read("notebooks/01-blur-and-otf.html").select(".article-header-buttons a[href]")]
    assert "https://colab.research.google.com/github/someone/blurvae/blob/gh-pages/plain/01-blur-and-otf.ipynb" in links
    assert "https://mybinder.org/v2/gh/someone/blurvae/main?urlpath=lab/tree/plain/01-blur-and-otf.ipynb" in links
    assert "../plain/01-blur-and-otf.ipynb" in links and SET in links
    assert any(link.startswith(f"{SET}/issues/new") for link in links)
    assert not (published / "book" / "how-to-read.md").read_text(encoding="utf-8").count(SET), "the checkout stays"

    cells = nbformat.read(tmp_path / "html" / "plain" / "01-blur-and-otf.ipynb", as_version=4).cells
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert f"git clone --depth 1 {SET} /content/book" in first.source and "google.colab" in first.source
    assert f"]({SITE}book/how-to-read.html)" in cells[0].source


def test_the_install_cell_does_nothing_elsewhere_and_fetches_the_book_on_colab(published, monkeypatch):
    import subprocess
    import sys

    ran = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: ran.append(command))
    monkeypatch.setattr("os.chdir", lambda folder: ran.append(folder))
    monkeypatch.setattr(sys, "path", list(sys.path))
    cell = address.install_cell(address.read())
    exec(cell, {})
    assert not ran
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    exec(cell, {})
    assert ran[0].startswith(f"git clone --depth 1 {SET} /content/book && pip install") and "/content/book" in ran[1]


def test_the_citation_names_the_repository_while_there_is_one(published):
    file = published / "CITATION.cff"
    before = file.read_text(encoding="utf-8")
    main(["address"])
    main(["address"])
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["repository-code"] == SET
    _configured(published, "")
    main(["address"])
    assert file.read_text(encoding="utf-8") == before.replace(f"repository-code: {SET}\n", "")


@pytest.mark.parametrize(
    "wrong", ["github.com/someone/blurvae", "https://github.com/someone", "git@github.com:a/b.git"]
)
def test_what_is_no_address_is_refused_with_the_form_that_it_has(wrong, tmp_path):
    _configured(tmp_path, wrong)
    with pytest.raises(ValueError, match=r"https://github.com/owner/name"):
        address.read(tmp_path)


def test_a_repository_elsewhere_has_no_button_of_services_that_know_github_alone(tmp_path):
    _configured(tmp_path, "https://codeberg.org/someone/blurvae")
    there = address.read(tmp_path)
    assert there.repository and not (there.colab("01") or there.binder("01") or there.page("book/claims"))


def test_a_plain_notebook_without_an_address_starts_with_the_chapters_own_code(tmp_path):
    if address.read().repository:
        pytest.skip("the address is set")
    (file,) = plain.write(tmp_path, ["05"])
    cells = [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
    assert "git clone" not in cells[0].source
