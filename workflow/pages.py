"""`pages.py FOLDER CHAPTER ...` builds the pages with executed chapters in the place of the recorded ones."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from blurvae.pages.notebooks.build import build_html, copy_sources


def build(out: Path, chapters: list[Path]) -> Path:
    """The pages of the checkout, which stays as it is.

    Args:
        out: folder for the pages; replaced.
        chapters: executed notebooks, each of which takes the place of the chapter of that name.

    Returns:
        The path of the first page.

    Raises:
        RuntimeError: the build warned or failed.
    """
    source = copy_sources(out.with_name(f"{out.name}-src"))
    for chapter in chapters:
        shutil.copy(chapter, source / "notebooks" / chapter.name)
    return build_html(source, out)


if __name__ == "__main__":
    out, *chapters = [Path(argument) for argument in sys.argv[1:]]
    print(build(out, chapters))
