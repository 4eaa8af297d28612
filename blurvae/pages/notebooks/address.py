"""The address of the book's repository: it stands in `_config.yml`, and nowhere else until its owner sets it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from blurvae import paths

_CLONE = re.compile(r"^% clone\n", re.MULTILINE)


@dataclass(frozen=True)
class Address:
    """Where repository and pages are published; every address is empty until the repository's is set.

    Attributes:
        repository: address of the repository.
        branch: its branch with the sources.
        pages_branch: its branch with the built pages.
        site: address of the pages, with a slash at its end.
    """

    repository: str = ""
    branch: str = "main"
    pages_branch: str = "gh-pages"
    site: str = ""

    @property
    def _on_github(self) -> str:
        """Owner and name, where the repository is on GitHub: Colab and Binder ask for them."""
        return self.repository.removeprefix("https://github.com/") if "//github.com/" in self.repository else ""

    def page(self, name: str, anchor: str = "") -> str:
        """Address of a page, named as in `_toc.yml`."""
        return f"{self.site}{name}.html{'#' if anchor else ''}{anchor}" if self.site else ""

    def file(self, path: str) -> str:
        """Address of a file of the repository."""
        return f"{self.repository}/blob/{self.branch}/{path}" if self.repository else ""

    def colab(self, slug: str) -> str:
        """Address that opens a chapter's plain notebook, published with the pages, on Colab."""
        where = f"{self._on_github}/blob/{self.pages_branch}/plain/{slug}.ipynb"
        return f"https://colab.research.google.com/github/{where}" if self._on_github else ""

    def binder(self, slug: str) -> str:
        """Address that opens a chapter's plain notebook on Binder, whose image makes them in the folder `plain`."""
        where = f"{self._on_github}/{self.branch}?urlpath=lab/tree/plain/{slug}.ipynb"
        return f"https://mybinder.org/v2/gh/{where}" if self._on_github else ""


def read(source: Path | None = None) -> Address:
    """The addresses that `_config.yml` of a folder gives.

    Args:
        source: the checkout where left out, or a copy of its sources.

    Raises:
        ValueError: the repository's address is not of the form https://github.com/owner/name.
    """
    import yaml

    config = yaml.safe_load(((source or paths.root()) / "_config.yml").read_text(encoding="utf-8"))
    given = config.get("repository") or {}
    repository = (given.get("url") or "").strip().rstrip("/").removesuffix(".git")
    if not repository:
        return Address()
    found = re.fullmatch(r"https://(?P<host>[\w.-]+)/(?P<owner>[\w./-]+)/(?P<name>[\w.-]+)", repository)
    if not found:
        raise ValueError(
            f"_config.yml has {repository!r} as `url` of the repository: "
            "give it in the form https://github.com/owner/name, or leave it empty."
        )
    site = (config.get("html") or {}).get("baseurl") or ""
    if not site and found["host"] == "github.com":
        site = f"https://{found['owner'].lower()}.github.io/{found['name']}"
    return Address(
        repository,
        given.get("branch") or "main",
        given.get("pages_branch") or "gh-pages",
        f"{site.rstrip('/')}/" if site else "",
    )


def install_cell(address: Address) -> str:
    """The first code cell of a plain notebook: on Colab it fetches the book and installs its package."""
    return (
        "# On Colab this cell fetches the book and installs its package; elsewhere it does nothing.\n"
        "import os\nimport subprocess\nimport sys\n\n"
        'if "google.colab" in sys.modules and not os.path.isdir("/content/book"):\n'
        f'    fetch = "git clone --depth 1 {address.repository} /content/book"\n'
        '    subprocess.run(f"{fetch} && pip install -q -e /content/book", shell=True, check=True)\n'
        '    sys.path.insert(0, "/content/book")\n'
        '    os.chdir("/content/book/notebooks")'
    )


def complete(source: Path) -> None:
    """Complete a copy of the sources: with an address, pages say how to clone the book and have the theme's buttons.

    A line `% clone` of a page, a comment that no reader sees, is where the command to clone stands then.

    Args:
        source: the copy, which is changed.
    """
    import yaml

    address = read(source)
    if not address.repository:
        return
    file = source / "_config.yml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["repository"]["url"] = address.repository
    html = config.setdefault("html", {})
    html |= {"use_repository_button": True, "use_issues_button": True, "baseurl": address.site}
    file.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    name = address.repository.rpartition("/")[2]
    clone = f"```bash\ngit clone {address.repository}\ncd {name}\n```\n"
    for page in (source / "book").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        if _CLONE.search(text):
            page.write_text(_CLONE.sub(clone, text), encoding="utf-8")


def write() -> None:
    """Write the address of `_config.yml` into CITATION.cff, or take it out there while none is set."""
    address, file = read(), paths.root() / "CITATION.cff"
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("repository-code:")]
    if address.repository:
        place = next(i for i, line in enumerate(kept) if line.startswith("keywords:"))
        kept.insert(place, f"repository-code: {address.repository}")
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
