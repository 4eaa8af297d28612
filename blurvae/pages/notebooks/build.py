"""Builds the pages from a copy of the checkout: nothing is executed, and a warning fails the build."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from blurvae import paths
from blurvae.pages.notebooks import address
from blurvae.pages.notebooks.solutions import without_solutions


def copy_sources(target: Path, *, draft: bool = False, solutions: bool = True) -> Path:
    """Copy what the pages are built from (configuration, contents, book, notebooks), so that a build never touches it.

    Args:
        target: folder to make; replaced.
        draft: leave pages that do not exist yet out of the copied table of contents.
        solutions: whether to keep the solutions of the exercises; otherwise each has a place for the answer.

    Returns:
        The folder.
    """
    target = Path(target)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(paths.root() / name, target / name)
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", ".ruff_cache")
    for name in ("book", "notebooks"):
        shutil.copytree(paths.root() / name, target / name, ignore=ignored)
    address.complete(target)
    if draft:
        _leave_out_missing(target)
    if not solutions:
        _leave_out_solutions(target / "notebooks")
    return target


def _leave_out_solutions(folder: Path) -> None:
    import nbformat

    for file in folder.glob("*.ipynb"):
        nbformat.write(without_solutions(nbformat.read(file, as_version=4)), file)
        file.with_suffix(".md").unlink(missing_ok=True)


def _leave_out_missing(source: Path) -> None:
    import yaml

    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        # A page is listed without its suffix, a chapter with it: its name has a twin.
        part["chapters"] = [
            c for c in part["chapters"] if any((source / (c["file"] + s)).exists() for s in ("", ".md"))
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    (source / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")


def build_html(source: Path, out: Path, *, strict: bool = True) -> Path:
    """Build the pages; execute nothing and leave the checkout as it is.

    Args:
        source: a folder made by `copy_sources`.
        out: folder for the pages; replaced.
        strict: let a warning fail the build; otherwise warnings are printed.

    Returns:
        The path of the first page.

    Raises:
        RuntimeError: the build warned or failed; the message ends with what it said.
    """
    _require_version_1()
    source, out = Path(source), Path(out)
    if re.search(r"[\[\]*?]", str(source.resolve())):  # Sphinx takes the path for a pattern
        with tempfile.TemporaryDirectory() as plain:
            return build_html(Path(shutil.copytree(source, Path(plain) / "src")), out, strict=strict)
    program = "from jupyter_book.cli.main import main; main()"  # the package has no __main__
    command = [
        sys.executable,
        "-c",
        program,
        "build",
        "-n",
        "-q",
        *(["-W", "--keep-going"] if strict else []),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the book did not build:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    print(done.stderr, file=sys.stderr, end="")
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(source / "_build" / "html", out)
    return out / "index.html"


def _require_version_1() -> None:
    version = metadata.version("jupyter-book")
    if not version.startswith("1."):
        raise RuntimeError(f"jupyter-book {version} ignores _config.yml; install 'jupyter-book>=1.0.4.post1,<2'")
