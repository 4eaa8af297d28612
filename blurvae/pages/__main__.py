"""`python -m blurvae.pages`: the command line of the book's keepers.

`update [SLUG ...]` re-executes chapters and stores their outputs; `html` builds the pages; `plain [SLUG ...]` writes
chapters as notebooks for any viewer; `hero` writes the pictures of the front page; `address` writes the repository's
address into the files that say how to cite it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from blurvae import paths
from blurvae.pages import citation
from blurvae.pages.notebooks import address, plain
from blurvae.pages.notebooks.build import build_html, copy_sources
from blurvae.pages.notebooks.chapters import find
from blurvae.pages.notebooks.execution import execute, update
from blurvae.pages.notebooks.parameters import parse
from blurvae.text import speak_any_encoding


def main(arguments: list[str] | None = None) -> None:
    """Command line of the book's keepers."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m blurvae.pages", description="Keep the chapters and their pages.")
    tasks = parser.add_subparsers(dest="task", required=True)
    task = tasks.add_parser("update", help="re-execute chapters with their defaults and store the outputs")
    task.add_argument("slugs", nargs="*", metavar="SLUG", help="chapters or their numbers; all when none is given")
    tasks.add_parser("address", help="write the repository's address from _config.yml into the files of citation")
    task = tasks.add_parser("plain", help="write chapters as notebooks that read well in any viewer")
    task.add_argument("slugs", nargs="*", metavar="SLUG", help="chapters or their numbers; all when none is given")
    task.add_argument("--out", type=Path, help="folder for the notebooks; _build/plain where left out")
    task.add_argument("--without-solutions", action="store_true", help="a place for the answer instead")
    tasks.add_parser("hero", help="write the pictures of the front page into book/_static")
    task = tasks.add_parser("html", help="build the pages into _build/html; the checkout stays as it is")
    task.add_argument("--draft", action="store_true", help="leave out pages that are not written yet; print warnings")
    task.add_argument("--without-solutions", action="store_true", help="a place for the answer; _build/students/html")
    task.add_argument("--execute", metavar="SLUG", help="re-execute this chapter in the copy that is built")
    task.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="its parameters")
    options = parser.parse_args(arguments)
    try:
        _do(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _do(options: argparse.Namespace) -> None:
    if options.task == "update":
        update(options.slugs)
    elif options.task == "address":
        address.write()
        citation.write()
    elif options.task == "plain":
        out = options.out or _folder(options) / "plain"
        for file in plain.write(out, options.slugs, solutions=not options.without_solutions):
            print(file)
    elif options.task == "hero":
        from blurvae.pages.figures import hero

        print(*hero.write(paths.root() / "book" / "_static"), sep="\n")
    else:
        folder, solutions = _folder(options), not options.without_solutions
        source = copy_sources(folder / "src", draft=options.draft, solutions=solutions)
        if options.execute:
            slug = find(options.execute)
            out = source / "notebooks" / f"{slug}.ipynb"
            execute(slug, parse(slug, options.p), out, cwd=out.parent)
        print(build_html(source, folder / "html", strict=not options.draft))


def _folder(options: argparse.Namespace) -> Path:
    return paths.build() / "students" if options.without_solutions else paths.build()


if __name__ == "__main__":
    main()
