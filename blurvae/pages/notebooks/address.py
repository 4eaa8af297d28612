"""The address of the book's repository: it stands in `_config.yml`, and from there in every chapter's first cell."""

from __future__ import annotations

import re

from blurvae import paths
from blurvae.pages.notebooks.chapters import slugs, source


def repository() -> str:
    """The address of the book's repository, from `_config.yml`: the one place where it stands."""
    text = (paths.root() / "_config.yml").read_text(encoding="utf-8")
    found = re.search(r"^repository:\n\s+url:\s*(\S+)", text, re.MULTILINE)
    if not found:
        raise ValueError("_config.yml has no `repository:` with a `url:` as its first line")
    return found[1]


def install_cell() -> str:
    """The first code cell of every chapter: on Colab it fetches the book and installs its package."""
    return (
        "# On Colab this cell fetches the book and installs its package; elsewhere it does nothing.\n"
        "import os\nimport subprocess\nimport sys\n\n"
        'if "google.colab" in sys.modules and not os.path.isdir("/content/book"):\n'
        f'    fetch = "git clone --depth 1 {repository()} /content/book"\n'
        '    subprocess.run(f"{fetch} && pip install -q -e /content/book", shell=True, check=True)\n'
        '    sys.path.insert(0, "/content/book")\n'
        '    os.chdir("/content/book/notebooks")'
    )


def write() -> None:
    """Write the address of `_config.yml` into every chapter's install cell (both files of a pair) and CITATION.cff."""
    address = repository()
    pattern = re.compile(r"(git clone --depth 1 |^repository-code: )[^\s\"]+", re.MULTILINE)
    files = [source(slug).with_suffix(suffix) for slug in slugs() for suffix in (".md", ".ipynb")]
    for file in (*files, paths.root() / "CITATION.cff"):
        if file.exists():
            text = file.read_text(encoding="utf-8")
            file.write_text(pattern.sub(rf"\g<1>{address}", text), encoding="utf-8")
