"""The house: which folder of the package may import which, and how long a file may be."""

from __future__ import annotations

import ast
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
    "models": "blur errors files resampling",
    "metrics": "blur errors models",
    "losses": "blur errors metrics models",
    "parallel": "errors machine",
    "train": "datasets errors files machine models parallel text",
    "systems": "blur errors losses models resampling train",
    "evaluation": "blur datasets errors files losses metrics models resampling systems train",
    "record": "datasets errors evaluation files losses machine models parallel paths provenance systems text train",
    "experiments": (
        "blur datasets errors evaluation files losses metrics models parallel paths provenance record systems "
        "text train"
    ),
    "claims": "blur datasets errors experiments metrics paths record",
    "pages": "blur claims errors experiments files machine metrics paths provenance record text",
    "teach": "errors experiments files pages paths text",
    "bench": "blur datasets errors files losses machine metrics models parallel paths provenance systems text train",
}
MAY_IMPORT["cli"] = " ".join(MAY_IMPORT)  # the command line knows everything and holds nothing

# Of the layout that is being left: neither these files' imports nor imports of them are judged.
LEAVING = ("bench_scaling.py", "linear.py", "metrics/importance.py", "queue.py", "run.py", "training.py", "tune.py")
# Longer than a sitting, and why.
LONG = {
    "bench/parts.py": "is being split by subject",
    "bench/processes.py": "is being split, its clock apart",
    "bench/report.py": "is being split, its targets apart",
    "bench_scaling.py": "is moving into bench",
    "blur/fourier.py": "is being split, spectra apart",
    "datasets/core.py": "is being split, pixels apart",
    "datasets/packs.py": "is becoming a folder",
    "datasets/registry.py": "is being split, verification apart",
    "parallel.py": "is becoming a folder",
    "run.py": "is becoming record and evaluation",
    "training.py": "is becoming train and systems",
}


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


@pytest.mark.parametrize("name", [name for name in TEXTS if room(name) != "__init__" and name not in LEAVING])
def test_a_file_imports_only_what_its_folder_may(name):
    own = room(name)
    assert own in MAY_IMPORT, f"say in MAY_IMPORT what {own} may import"
    leaving = tuple(f"{file.removesuffix('.py').replace('/', '.')}." for file in LEAVING)
    others = {one.partition(".")[0] for one in imported(name) if not f"{one}.".startswith(leaving)}
    assert others <= {own, *MAY_IMPORT[own].split()}


def test_arrows_point_one_way():
    TopologicalSorter({own: others.split() for own, others in MAY_IMPORT.items()}).prepare()  # no cycle


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_is_read_at_a_sitting(name):
    lines = len(TEXTS[name].splitlines())
    assert lines <= LONGEST or name in LONG, f"{lines} lines"


def test_no_exception_outlives_its_reason():
    short = [name for name in LONG if len(TEXTS.get(name, "").splitlines()) <= LONGEST]
    assert not short, "take them off LONG"
    assert not set(LEAVING) - set(TEXTS), "take them off LEAVING"
