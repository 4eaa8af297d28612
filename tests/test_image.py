"""One image for Binder, development containers and clusters: its files agree with lock, project and one another."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import tomllib
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from blurvae import paths
from blurvae.pages.__main__ import main

ROOT = paths.root()
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


class Step(NamedTuple):
    word: str  # FROM, RUN, …
    rest: str


def steps() -> list[Step]:
    lines = [line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line]


def all_of(word: str) -> list[str]:
    return [step.rest for step in steps() if step.word == word]


def commands() -> list[list[str]]:
    return [shlex.split(command) for rest in all_of("RUN") for command in re.split(r"\s&&\s", rest)]


def test_python_is_the_one_that_the_lock_was_made_for():
    (image,) = all_of("FROM")
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+", image)
    made_for = re.search(r"--python-version (3\.\d+)", LOCK)
    assert version and made_for and version[1] == made_for[1]
    assert version[1] in SpecifierSet(PROJECT["project"]["requires-python"])


def test_everything_but_the_book_is_installed_from_the_lock_with_its_hashes():
    installs = [words[words.index("install") + 1 :] for words in commands() if words[0].endswith("pip")]
    assert len(installs) == 2
    locked, own = installs
    assert {"--require-hashes", "--no-deps"} <= set(locked) and locked[-2:] == ["--requirement", "requirements.lock"]
    assert {"--no-deps", "--no-build-isolation"} <= set(own) and own[-2:] == ["--editable", "."]
    (backend,) = (Requirement(line) for line in PROJECT["build-system"]["requires"])
    pinned = re.search(rf"^{backend.name}==(\S+)", LOCK, re.MULTILINE)
    assert pinned and pinned[1] in backend.specifier, "the book is built by what the lock holds"


def test_it_holds_the_chapters_as_notebooks_for_any_viewer(capsys):
    (words,) = (words for words in commands() if words[:3] == ["python", "-m", "blurvae.pages"])
    task, *options = words[3:]
    with pytest.raises(SystemExit) as ended:
        main([task, "--help"])
    assert ended.value.code == 0
    assert all(option in capsys.readouterr().out for option in options if option.startswith("--"))


def test_binder_can_start_it():
    """The user that it names, not root, at home in a folder of its own; JupyterLab; nothing before the command."""
    assert {"NB_USER", "NB_UID"} <= {rest.partition("=")[0] for rest in all_of("ARG")}
    assert all_of("USER") == ["${NB_UID}"]
    assert not all_of("ENTRYPOINT")
    assert re.search(r"^jupyterlab==", LOCK, re.MULTILINE)
    assert json.loads(all_of("CMD")[0])[:2] == ["jupyter", "lab"]
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists(), "Binder would read that folder alone"


def test_what_is_copied_is_there_and_not_ignored():
    sources = [word for rest in all_of("COPY") for word in rest.split()[:-1] if not word.startswith("--")]
    assert sources == ["requirements.lock", "."]
    needed = [
        "requirements.lock",
        "pyproject.toml",
        "README.md",
        "_toc.yml",
        "_config.yml",
        *(
            str(file.relative_to(ROOT))
            for folder in ("blurvae", "notebooks", "data", "book")
            for file in _files(folder)
        ),
    ]
    for name in needed:
        assert (ROOT / name).exists()
        parts = name.split("/")
        above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        assert not [p for p in IGNORED for path in above if fnmatch.fnmatch(f"x/{path}" if p[:3] == "**/" else path, p)]


def _files(folder: str) -> list:
    built = ("__pycache__", ".ipynb_checkpoints")
    return [file for file in (ROOT / folder).rglob("*") if file.is_file() and not set(built) & set(file.parts)]


def test_the_development_container_is_the_same_image():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    folder = ROOT / ".devcontainer"
    assert (folder / container["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (folder / container["build"]["context"]).resolve() == ROOT
    assert f"NB_USER={container['remoteUser']}" in all_of("ARG")
    assert ["ln", "-s", "/opt/venv", ".venv"] in commands()
    environment = dict(re.findall(r"(\w+)=(\S+)", all_of("ENV")[0]))
    assert environment["VIRTUAL_ENV"] == "/opt/venv" and environment["PATH"].startswith("/opt/venv/bin:")
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] == "/opt/venv/bin/python"
