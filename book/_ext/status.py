"""Sphinx extension: the tables of the status page, read from the notebooks and results that the build shows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from blurvae import __version__, paths
from blurvae.provenance import commit


def _chapters(source: Path) -> list[str]:
    """One row a chapter: run time, device, versions, as its notebook records them."""
    rows = ["| chapter | seconds | device | Python | torch | date |", "|---|---:|---|---|---|---|"]
    for file in sorted((source / "notebooks").glob("*.ipynb")):
        record = json.loads(file.read_text(encoding="utf-8"))["metadata"].get("blurvae")
        if record:
            versions = record["versions"]
            cells = (record["seconds"], _short(record["device"]), versions["python"], versions["torch"], record["date"])
            rows.append(f"| [](../notebooks/{file.name}) | " + " | ".join(map(str, cells)) + " |")
    return rows


def _runs() -> list[str]:
    """One row an experiment, data set and tier: how many runs are recorded, where and how long they took."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(paths.results().rglob("*-s[0-9]*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        run = record["run"]
        groups[run["experiment"], run["data"], run["tier"]].append(record["provenance"])
    if not groups:
        return ["No run is recorded yet."]
    names = ("experiment", "data", "tier", "runs", "minutes", "device", "torch", "commit")
    rows = [f"| {' | '.join(names)} |", "|---|---|---|---:|---:|---|---|---|"]
    for key, made in sorted(groups.items()):
        minutes = sum(run["seconds"] for run in made) / 60
        device = _distinct(_short(run["device"]) for run in made)
        commits = _distinct(f"`{run['commit'][:7]}`" for run in made)
        torch = _distinct(run["versions"]["torch"] for run in made)
        rows.append(f"| {' | '.join(key)} | {len(made)} | {minutes:.1f} | {device} | {torch} | {commits} |")
    return rows


def _short(device: str) -> str:
    """A device's name without the words that every processor bears."""
    return device.replace("(R)", "").replace(" Processor", "")


def _distinct(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


class Status(SphinxDirective):
    """`{status} chapters`, `{status} runs` or `{status} build`: one table of the status page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Render the table as if it stood in the page."""
        topic = self.arguments[0]
        if topic == "chapters":
            lines = _chapters(Path(self.env.srcdir))
        elif topic == "runs":
            lines = _runs()
        elif topic == "build":
            lines = [f"Package blurvae {__version__}, commit `{commit()}`."]
        else:
            raise self.error(f"status knows chapters, runs and build, not {topic!r}")
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="status"), self.content_offset, container)
        return container.children


def setup(app: Any) -> dict[str, bool]:
    """Register the directive; the status page is read anew in every build."""
    app.add_directive("status", Status)
    app.connect("env-get-outdated", lambda *_: ["book/status"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
