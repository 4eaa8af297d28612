"""Chapters as plain notebooks, which read well in any viewer and run wherever the package is installed."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from blurvae import paths
from blurvae.pages.notebooks import address, chapters
from blurvae.pages.notebooks.inline import Page
from blurvae.pages.notebooks.labels import GLUED, Book, glued, read_book
from blurvae.pages.notebooks.markup import caption, plain
from blurvae.pages.notebooks.solutions import without_solutions

_FOLDED = {"remove-input", "hide-input", "remove-cell", "hide-cell"}
_ORIGIN = (
    "*A chapter of “Blur in variational autoencoders”. Its code needs the package `blurvae`; "
    "[How to read and re-execute](../book/how-to-read.md) says how to install it.*"
)


def write(
    out: Path, chosen: Iterable[str] = (), *, source: Path | None = None, whole: bool = True, solutions: bool = True
) -> list[Path]:
    """Write chapters as plain notebooks: Markdown, formulas and outputs that need no extension and no configuration.

    A notebook that was edited or run where it lies is kept, and said so.

    Args:
        out: folder for the notebooks.
        chosen: slugs or numbers of chapters; all when empty.
        source: the checkout where left out, or a copy of its sources.
        whole: whether a reference to a page that is not there is an error.
        solutions: whether to keep the solutions of the exercises; otherwise each has a place for the answer.

    Returns:
        The notebooks' files.

    Raises:
        ValueError: a chapter that is not there, or one with markup that has no plain form.
    """
    import nbformat

    from blurvae.files import write_atomically

    source = source or paths.root()
    book = read_book(source, whole=whole)
    blank = _blank(source, book)
    slugs = [name.partition("/")[2] for name in book.titles if name.startswith("notebooks/")]
    wanted = {chapters.find(slug) for slug in chosen} or set(slugs)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for slug in (slug for slug in slugs if slug in wanted):
        file = out / f"{slug}.ipynb"
        if _is_the_readers(file):
            print(f"{file} was changed since it was written, so it is kept: rename it to get the book's again.")
        else:
            stored = nbformat.read(source / "notebooks" / f"{slug}.ipynb", as_version=4)
            made = notebook(stored if solutions else without_solutions(stored), blank(f"notebooks/{slug}"))
            write_atomically(file, lambda new: nbformat.write(made, new))  # noqa: B023
        written.append(file)
    return written


def rewrite(file: Path, slug: str) -> None:
    """Make a chapter that was executed a plain notebook, in place; values in its text are those of its own outputs."""
    import nbformat

    from blurvae.files import write_atomically

    executed, book = nbformat.read(file, as_version=4), read_book(paths.root())
    book.glued.update(glued(executed.cells))
    made = notebook(executed, _blank(paths.root(), book)(f"notebooks/{slug}"))
    write_atomically(file, lambda new: nbformat.write(made, new))


def _blank(source: Path, book: Book) -> Callable[[str], Page]:
    """Begins pages by name; the configuration below the folder is read once for all of them."""
    import yaml

    config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
    macros = config["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]
    return partial(Page, source=source, book=book, macros=macros, address=address.read(source))


def notebook(stored: Any, page: Page) -> Any:
    """A chapter as a plain notebook.

    Args:
        stored: the chapter with MyST's markup and its outputs.
        page: its page, not begun yet.

    Raises:
        ValueError: markup that has no plain form.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    made: list[Any] = []
    for cell in stored.cells:
        if cell.cell_type == "code":
            if page.address.repository and not any(one.cell_type == "code" for one in made):
                made.append(new_code_cell(address.install_cell(page.address), metadata=_folded_away()))
            made += _code(cell, page)
            continue
        text = plain(cell.source if made else f"{cell.source}\n\n{_ORIGIN}", page)
        if text:
            made.append(new_markdown_cell(text, **_attachments(page)))
    for i, cell in enumerate(made):
        cell["id"] = f"cell-{i:02d}"  # random ids would make every build another
    kept = {key: stored.metadata[key] for key in ("kernelspec", "language_info") if key in stored.metadata}
    kept["jupytext"] = {"formats": "ipynb"}  # else JupyterLab over the checkout would pair it with an .md, as a chapter
    finished = new_notebook(cells=made, metadata=kept)
    finished.metadata["blurvae"] = {"plain": _content(finished)}
    return finished


def _content(notebook: Any) -> str:
    """sha256 of all that a reader can change in a notebook."""
    said = [(cell.cell_type, cell.source, cell.get("outputs", [])) for cell in notebook.cells]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _is_the_readers(file: Path) -> bool:
    import nbformat

    if not file.exists():
        return False
    there = nbformat.read(file, as_version=4)
    return there.metadata.get("blurvae", {}).get("plain") != _content(there)


def _folded_away() -> dict[str, Any]:
    return {"jupyter": {"source_hidden": True}}


def _code(cell: Any, page: Page) -> list[Any]:
    """A code cell with the outputs that a viewer can show, and the caption of its figure below."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    options = cell.metadata.get("mystnb", {})
    tags = cell.metadata.get("tags", [])
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    if _FOLDED & set(tags):
        metadata |= _folded_away()
    outputs = [output for output in cell.outputs if GLUED not in output.get("data", {})]
    for output in outputs:
        if "image/png" in output.get("data", {}):
            _picture(output, options.get("image", {}))
    made = [new_code_cell(cell.source, execution_count=cell.execution_count, outputs=outputs, metadata=metadata)]
    figure = options.get("figure", {})
    if figure.get("caption"):
        made.append(new_markdown_cell(caption(figure.get("name", ""), figure["caption"], page)))
    return made


def _picture(output: Any, options: Any) -> None:
    """Leave a picture its width and give it its alternative text; what the book's own pages make of it stays out."""
    shown = output.metadata.get("image/png", {})
    kept = {"width": shown["width"]} if "width" in shown else {}
    output.metadata["image/png"] = kept | ({"alt": options["alt"]} if "alt" in options else {})


def _attachments(page: Page) -> dict[str, Any]:
    """The pictures that a text has shown, as a notebook carries them."""
    carried = {
        name: {mimetypes.guess_type(name)[0] or "image/png": base64.b64encode(file.read_bytes()).decode()}
        for name, file in page.pictures.items()
    }
    page.pictures.clear()
    return {"attachments": carried} if carried else {}
