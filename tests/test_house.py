"""The house: which folder of the package may import which, and how long a file may be."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import blurvae

PACKAGE = Path(blurvae.__file__).parent
TEXTS = {file.relative_to(PACKAGE).as_posix(): file.read_text("utf-8") for file in sorted(PACKAGE.rglob("*.py"))}
LONGEST = 250  # lines, what one reads at a sitting

# What a folder, or a file beside the folders, may import; a new folder gets a line here.
MAY_IMPORT = {
    "errors": "",
    "machine": "",
    "paths": "",
    "text": "",
    "files": "errors text",
    "provenance": "paths",
    "blur": "",
    "resampling": "",
    "datasets": "errors files machine paths text",
    "models": "blur errors files machine paths resampling",
    "metrics": "blur errors models",
    "losses": "blur errors metrics models",
    "parallel": "errors machine",
    "train": "datasets errors files machine models parallel text",
    "systems": "blur errors losses models resampling train",
    "evaluation": "blur datasets errors files losses metrics models resampling systems train",
    "record": "datasets errors evaluation files losses machine models parallel paths provenance systems text train",
    "experiments": (
        "blur datasets errors evaluation files losses machine metrics models parallel paths provenance record "
        "systems text train"
    ),
    "claims": "blur datasets errors experiments metrics paths record systems",
    "pages": (
        "blur claims datasets errors evaluation experiments files machine metrics paths provenance record systems text"
    ),
    "teach": "errors experiments files pages paths text",
    "bench": (
        "blur datasets errors evaluation files losses machine metrics models parallel paths provenance systems text "
        "train"
    ),
}
MAY_IMPORT["cli"] = " ".join(MAY_IMPORT)  # the command line knows everything and holds nothing


def room(name: str) -> str:
    """The folder of a file of the package, or the file beside the folders."""
    return name.partition("/")[0].removesuffix(".py")


def imported(name: str) -> Iterator[str]:
    """What of the package a file imports, inside functions too: "blur.fourier" for `from blurvae.blur import fourier`.

    Names of other things than modules follow their module in the same way, which does no harm here.
    """
    for node in ast.walk(ast.parse(TEXTS[name])):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports name the package"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in found:
            package, _, rest = module.partition(".")
            if package == "blurvae" and rest and not rest.startswith("__"):
                yield rest


@pytest.mark.parametrize("name", [name for name in TEXTS if room(name) != "__init__"])
def test_a_file_imports_only_what_its_folder_may(name):
    own = room(name)
    assert own in MAY_IMPORT, f"say in MAY_IMPORT what {own} may import"
    others = {one.partition(".")[0] for one in imported(name)}
    assert others <= {own, *MAY_IMPORT[own].split()}


def test_arrows_point_one_way():
    TopologicalSorter({own: others.split() for own, others in MAY_IMPORT.items()}).prepare()  # no cycle


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_is_read_at_a_sitting(name):
    lines = len(TEXTS[name].splitlines())
    assert lines <= LONGEST, f"{lines} lines"


def test_no_part_of_the_package_is_ignored_by_git():
    if not (PACKAGE.parent / ".git").exists():
        pytest.skip("no checkout of git")
    names = [
        f"blurvae/{name}" for name in [*TEXTS, "record/runs/new.py", "runs/new.py", "data/new.py", "results/new.py"]
    ]
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert not ignored.stdout
