"""The project's files agree with one another."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from blurvae import paths

ROOT = paths.root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SKIPPED = {".git", ".venv", "_build", "runs", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".cache"}


def _requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]]


def _texts():
    suffixes = {".py", ".md", ".toml", ".yml", ".cff", ".cfg", ".lock", ".ipynb", ".css", ".json", ".csv", ""}
    for file in sorted(ROOT.rglob("*")):
        inside = file.relative_to(ROOT)
        skipped = SKIPPED & set(inside.parts) or "egg-info" in str(inside)
        if file.is_file() and file.suffix in suffixes and not skipped:
            yield inside, file.read_text(encoding="utf-8", errors="replace")


def test_environment_file_installs_this_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    python = next(Requirement(line) for line in conda if line.startswith("python"))
    assert python.specifier == Requirement(f"python{PROJECT['requires-python']}").specifier
    (pip,) = next(line["pip"] for line in environment["dependencies"] if isinstance(line, dict))
    extras = re.fullmatch(r"-e \.\[(.*)\]", pip)
    assert extras and set(extras[1].split(",")) == set(PROJECT["optional-dependencies"])


def test_lock_covers_the_project_with_hashes_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    pins = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^\s;\\]+)(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert all("--hash=sha256:" in rest for _, _, rest in pins)
    locked: dict[str, list[str]] = {}
    for name, version, _ in pins:
        locked.setdefault(canonicalize_name(name), []).append(version)
    for requirement in _requirements():
        versions = locked.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is not in requirements.lock"
        assert all(Version(version) in requirement.specifier for version in versions), requirement


def test_files_name_no_machine_and_no_registry():
    # Put together from parts, so that this file does not hold what it looks for.
    banned = ["/ro" + "ot/", "/wo" + "rk/", "index" + "-url", "files.python" + "hosted", "py" + "pi.org"]
    found = [f"{name}: {word}" for name, text in _texts() for word in banned if word in text]
    assert not found


def test_large_files_stay_out():
    large = [str(name) for name, text in _texts() if len(text) > (2e6 if str(name).endswith(".ipynb") else 1.5e6)]
    assert not large


def test_import_loads_nothing_heavy():
    heavy = {
        "matplotlib",
        "torchvision",
        "papermill",
        "pandas",
        "skimage",
        "lightning",
        "torchmetrics",
        "lpips",
        "IPython",
    }
    code = "import sys, blurvae, blurvae.cli, blurvae.pages.__main__, blurvae.experiments.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "blurvae.models.lpips" in done.stdout.split()
    assert not heavy & set(done.stdout.split())


def test_make_lists_its_targets():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("setup", "book", "html", "test", "clean"):
        assert re.search(rf"^{target} +\S", done.stdout, re.MULTILINE)


def test_make_quotes_a_path_with_a_space(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    folder = tmp_path / "my book"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(paths.root() / name, folder)
    done = subprocess.run([make, "-n", "book"], cwd=folder, capture_output=True, text=True, check=False)
    words = [word for line in done.stdout.splitlines() for word in shlex.split(line)]
    assert words.count(str(folder / "_build" / "results")) == 3, done.stderr
