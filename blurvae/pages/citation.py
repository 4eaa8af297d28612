"""How the book is cited, for programs: codemeta.json and the BibTeX entry, made of CITATION.cff and pyproject.toml.

`python -m blurvae.pages.citation` writes both.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from blurvae import paths
from blurvae.text import to_json


def _read() -> tuple[dict[str, Any], dict[str, Any]]:
    import yaml

    citation = yaml.safe_load((paths.root() / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((paths.root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return citation, project


def _year() -> str:
    """Of the copyright: no version has been released with a date."""
    text = (paths.root() / "_config.yml").read_text(encoding="utf-8")
    found = re.search(r'^copyright: "(\d{4})', text, re.MULTILINE)
    if not found:
        raise ValueError('_config.yml has no `copyright: "YEAR…`: the citation takes its year from there.')
    return found[1]


def codemeta() -> str:
    """The text of codemeta.json, by version 3 of the vocabulary."""
    citation, project = _read()
    described = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project["name"],
        "alternateName": citation["title"],
        "description": project["description"],
        "version": project["version"],
        "license": f"https://spdx.org/licenses/{citation['license']}",
        "author": [_agent(author) for author in citation["authors"]],
        "copyrightYear": int(_year()),
        "keywords": citation["keywords"],
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {project['requires-python']}",
        "softwareRequirements": project["dependencies"],
        "referencePublication": [
            {
                "@type": "ScholarlyArticle",
                "name": work["title"],
                "author": [_agent(author) for author in work["authors"]],
            }
            for work in citation["references"]
        ],
    }
    if address := citation.get("repository-code"):
        described["codeRepository"] = address
    return to_json(described) + "\n"


def _agent(author: dict[str, str]) -> dict[str, str]:
    if "name" in author:
        return {"@type": "Organization", "name": author["name"]}
    return {"@type": "Person", "givenName": author["given-names"], "familyName": author["family-names"]}


def bibtex() -> str:
    """The book's entry for a list of references."""
    citation, _ = _read()
    names = [
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in citation["authors"]
    ]
    fields = {
        "title": citation["title"],
        "author": " and ".join(names),
        "year": _year(),
        "version": citation["version"],
        "license": citation["license"],
    }
    if address := citation.get("repository-code"):
        fields["url"] = address
    return "@software{blurvae,\n" + ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items()) + "\n}\n"


def write() -> None:
    """Writes codemeta.json and book/_static/blurvae.bib."""
    (paths.root() / "codemeta.json").write_text(codemeta(), encoding="utf-8")
    (paths.root() / "book" / "_static" / "blurvae.bib").write_text(bibtex(), encoding="utf-8")


if __name__ == "__main__":
    write()
