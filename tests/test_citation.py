"""The files that say how to cite the book, each valid and all made of the same facts."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml

from blurvae import paths
from blurvae.pages import citation

ROOT = paths.root()
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The keys of version 1.2.0 of the Citation File Format.
KEYS = set(
    "abstract authors cff-version commit contact date-released doi identifiers keywords license license-url message "
    "preferred-citation references repository repository-artifact repository-code title type url version".split()
)
PERSON = {"family-names", "given-names", "name-particle", "name-suffix", "alias", "affiliation", "orcid", "email"}


def test_citation_has_the_form_of_its_format():
    assert set(CITATION) <= KEYS
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] == "software"
    assert all(isinstance(CITATION[key], str) and CITATION[key] for key in ("message", "title", "version", "license"))
    assert len(set(CITATION["keywords"])) == len(CITATION["keywords"])
    for work in [CITATION, *CITATION["references"]]:
        assert work["title"] and work["authors"]
        assert all(set(author) == {"name"} or set(author) <= PERSON for author in work["authors"])
    assert all({"type", "authors", "title"} <= set(work) for work in CITATION["references"])


def test_citation_agrees_with_the_project_and_names_no_address_but_the_repositorys():
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert CITATION.get("repository-code", "") == config["repository"]["url"], "run: make address"


@pytest.mark.parametrize(
    ("file", "make"), [("codemeta.json", citation.codemeta), ("book/_static/blurvae.bib", citation.bibtex)]
)
def test_the_committed_file_is_the_generated_one(file, make):
    said = "run: python -m blurvae.pages.citation"
    assert (ROOT / file).read_text(encoding="utf-8") == make(), said


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A checkout whose owner has set the address, with one author who is a person."""
    for name in ("CITATION.cff", "pyproject.toml", "_config.yml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    with open(tmp_path / "CITATION.cff", "a", encoding="utf-8") as file:
        file.write("repository-code: https://github.com/someone/blurvae\n")
    text = (tmp_path / "CITATION.cff").read_text(encoding="utf-8")
    person = "  - name: The blurvae authors\n  - {family-names: Doe, given-names: Jo}\n"
    (tmp_path / "CITATION.cff").write_text(text.replace("  - name: The blurvae authors\n", person), encoding="utf-8")
    (tmp_path / "book" / "_static").mkdir(parents=True)
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    return tmp_path


def test_the_address_joins_them_once_it_is_set(elsewhere):
    citation.write()
    described = json.loads((elsewhere / "codemeta.json").read_text(encoding="utf-8"))
    assert described["codeRepository"] == "https://github.com/someone/blurvae"
    assert described["author"][1] == {"@type": "Person", "givenName": "Jo", "familyName": "Doe"}
    entry = (elsewhere / "book" / "_static" / "blurvae.bib").read_text(encoding="utf-8")
    assert re.search(r"^  url = \{https://github\.com/someone/blurvae\}$", entry, re.MULTILINE)
    assert "author = {{The blurvae authors} and Doe, Jo}" in entry
    assert entry.count("{") == entry.count("}")
