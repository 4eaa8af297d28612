"""The pages: all that the table of contents promises exists, builds without a warning, and loads nothing from afar."""

from __future__ import annotations

import pkgutil
import re
import subprocess
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import yaml
from bs4 import BeautifulSoup

import blurvae
from blurvae import paths
from blurvae.experiments import EXPERIMENTS
from blurvae.pages.notebooks import build

ROOT = paths.root()
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [chapter for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = [TOC["root"], *(page["file"] for chapter in CHAPTERS for page in (chapter, *chapter.get("sections", ())))]


def _html(folder: Path) -> dict[Path, BeautifulSoup]:
    return {
        file: BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        for file in sorted(folder.rglob("*.html"))
        if "_static" not in file.parts
    }


@pytest.fixture(scope="module")
def soups(site):
    return _html(site.folder)


def test_jupyter_book_is_version_1():
    assert metadata.version("jupyter-book").split(".")[0] == "1", "version 2 ignores _config.yml and _toc.yml"


@pytest.mark.parametrize("page", PAGES)
def test_page_of_the_toc_exists(page):
    assert (ROOT / page).is_file() if page.endswith(".ipynb") else (ROOT / f"{page}.md").is_file()


def test_every_page_is_in_the_toc():
    on_disk = {file.relative_to(ROOT).with_suffix("").as_posix() for file in (ROOT / "book").rglob("*.md")}
    on_disk |= {f"notebooks/{file.name}" for file in (ROOT / "notebooks").glob("*.ipynb")}
    assert on_disk == set(PAGES)


def test_every_public_module_is_on_one_api_page():
    lines = [line for file in (ROOT / "book" / "api").glob("*.md") for line in file.read_text("utf-8").splitlines()]
    listed = [line for line in lines if re.fullmatch(r"blurvae(?:\.\w+)+", line)]
    assert len(listed) == len(set(listed))
    modules = {m.name for m in pkgutil.walk_packages(blurvae.__path__, "blurvae.") if not m.ispkg}
    public = {name for name in modules if not any(part.startswith("_") for part in name.split("."))}
    missing = {name for name in public if name not in listed and name.rpartition(".")[0] not in PARTS | SOURCES}
    assert not missing, "add the modules to a page of book/api"


# Shown elsewhere: by `blurvae --help`, by `blurvae list`, or on the page of the package, which exports what they offer.
PARTS = {"blurvae.cli", "blurvae.experiments", "blurvae.claims", "blurvae.pages.claims", "blurvae.pages.figures"}
SOURCES = {f"blurvae.experiments.{name.partition('/')[0]}" for name in EXPERIMENTS}


def test_every_reference_is_cited():
    bib = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{(\w+),", bib, re.MULTILINE)
    assert len(keys) == len(set(keys))
    sources = [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.md")]
    cited = set(re.findall(r"\{cite:?\w*\}`([^`]+)`", "\n".join(f.read_text(encoding="utf-8") for f in sources)))
    cited = {key.strip() for group in cited for key in group.split(",")}
    assert cited <= set(keys)


def test_pages_build_without_a_warning_in_minutes(site):
    # The build itself raises on a warning. It takes a minute where the processor is fast and idle.
    assert site.seconds < 180
    for page in PAGES:
        assert (site.folder / re.sub(r"\.ipynb$", "", page)).with_suffix(".html").is_file()


def test_pages_show_no_parser_error(soups):
    for file, soup in soups.items():
        assert not soup.select(".system-message, .problematic"), file.name


def test_internal_links_resolve(site, soups):
    ids = {file: {tag["id"] for tag in soup.find_all(id=True)} for file, soup in soups.items()}
    broken = []
    for file, soup in soups.items():
        for tag in soup.select("a[href]"):
            url = urlparse(tag["href"])
            if url.scheme or url.netloc:
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            if not target.is_file():
                broken.append(f"{file.name}: {tag['href']}")
            elif url.fragment and target in ids and unquote(url.fragment) not in ids[target]:
                broken.append(f"{file.name}: {tag['href']}")
    assert not broken


def test_pages_load_nothing_from_another_host(soups):
    for file, soup in soups.items():
        loaded = [tag.get("src") or tag.get("href") for tag in soup.select("script[src], img[src], iframe, link[href]")]
        assert not [url for url in loaded if url and urlparse(url).netloc], file.name
        assert "unpkg.com" not in str(soup.head) and "jsdelivr" not in str(soup.head), file.name


def test_figures_have_alt_text_and_a_caption(soups):
    for file, soup in soups.items():
        for image in soup.select(".cell_output img"):
            assert image.get("alt") and not image["alt"].endswith(".png"), f"{file.name}: a figure has no alt text"
            assert image.find_parent("figure").figcaption, f"{file.name}: a figure has no caption"


def test_a_path_that_sphinx_would_take_for_a_pattern_is_built_elsewhere(tmp_path, monkeypatch):
    source = tmp_path / "[k]" / "src"
    source.mkdir(parents=True)
    (source / "page.md").write_text("text")
    seen = []

    def made(command, **options):
        folder = Path(command[-1])
        seen.append((folder / "page.md").read_text())
        assert not set("[]*?") & set(str(folder))
        (folder / "_build" / "html").mkdir(parents=True)
        (folder / "_build" / "html" / "index.html").write_text("built")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(build.subprocess, "run", made)
    page = build.build_html(source, tmp_path / "[k]" / "html")
    assert page == tmp_path / "[k]" / "html" / "index.html" and page.read_text() == "built" and seen == ["text"]
