"""Executes chapters from their sources by papermill and stores their outputs, run time and versions."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blurvae import paths
from blurvae.pages.notebooks import chapters
from blurvae.pages.notebooks.parameters import check
from blurvae.pages.prose import RunTime

_VOLATILE = ("execution", "papermill")
_SECONDS = 600  # a chapter that takes longer has lost its way (tier paper excepted: see `execute`)


def execute(slug: str, given: Mapping[str, Any], out: Path, *, cwd: Path | None = None) -> dict[str, Any]:
    """Execute a chapter from its source by papermill and write the notebook with its outputs.

    Args:
        slug: the chapter.
        given: parameters by name, checked against the chapter's `parameters` cell.
        out: path of the .ipynb to write.
        cwd: working folder of the kernel; the notebooks' folder by default.

    Returns:
        The record of the run: seconds (of the kernel's processor time, which a busy machine does not stretch; of the
        clock where the system keeps no such count), device, versions, source_sha256, parameters.

    Raises:
        ValueError: a parameter that the chapter does not declare, or one of the wrong type.
        papermill.PapermillExecutionError: a cell failed; `out` then holds the notebook up to there.
    """
    import jupytext
    import nbformat
    import papermill

    from blurvae.files import write_atomically
    from blurvae.machine import choose_device
    from blurvae.provenance import device_name, versions

    slug, given = chapters.find(slug), check(slug, given)
    out = Path(out).resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{slug}.ipynb"
        jupytext.write(chapters.read(slug), source)
        start, used = time.perf_counter(), _children()
        papermill.execute_notebook(
            _literal(source), _literal(out), dict(given), cwd=_literal(cwd or paths.notebooks()), kernel_name="python3",
            progress_bar=False, log_output=False, execution_timeout=None if given else _SECONDS,
            extra_arguments=["--log-level=ERROR"],  # else every kernel warns that it speaks TCP, on this machine alone
        )  # fmt: skip
        seconds = _children() - used or time.perf_counter() - start
    record = {
        "seconds": round(seconds, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "device": device_name(choose_device()),
        "versions": versions("blurvae", "torch", "numpy", "scipy", "pandas", "matplotlib", "scikit-image"),
        "source_sha256": chapters.source_hash(slug),
        "parameters": dict(given),
    }
    notebook = nbformat.read(out, as_version=4)
    _strip(notebook)
    notebook.metadata["blurvae"] = record
    _stamp(notebook, slug, record)
    write_atomically(out, lambda file: nbformat.write(notebook, file))
    return record


def _children() -> float:
    """Processor time of the child processes that have ended, in seconds; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


def _literal(path: Path) -> str:
    """A path as papermill takes it, which reads braces as those of a template."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _strip(notebook: Any) -> None:
    """Remove what changes from run to run without meaning anything: timestamps, papermill's notes, minor versions."""
    notebook.metadata.pop("papermill", None)
    info = notebook.metadata.get("language_info", {})
    info.pop("version", None)
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i:02d}"  # random ids would make every re-run a diff
        for key in _VOLATILE:
            cell.metadata.pop(key, None)
        cell.metadata["tags"] = [t for t in cell.metadata.get("tags", []) if not t.startswith("papermill-")]
        if not cell.metadata["tags"]:
            del cell.metadata["tags"]
        for output in cell.get("outputs", []):
            output.get("metadata", {}).pop("execution", None)


def _stamp(notebook: Any, slug: str, record: Mapping[str, Any]) -> None:
    """Let the chapter's run-time sentence speak of this very run, which was not over when the cell ran."""
    for cell in notebook.cells:
        if "run-time" in cell.metadata.get("tags", []) and cell.outputs:
            sentence = RunTime(slug, record)
            cell.outputs[0]["data"] = {"text/markdown": sentence._repr_markdown_(), "text/plain": repr(sentence)}


def update(chosen: Iterable[str] = ()) -> None:
    """Re-execute chapters with their default parameters and store outputs, run time and versions beside the source.

    Args:
        chosen: slugs or numbers; all chapters when empty.
    """
    from blurvae.files import write_atomically

    for slug in [chapters.find(s) for s in chosen] or chapters.slugs():
        stored = paths.notebooks() / f"{slug}.ipynb"
        with tempfile.TemporaryDirectory() as folder:  # interrupted or failed, it leaves the stored chapter as it was
            record = execute(slug, {}, Path(folder) / stored.name)
            made = (Path(folder) / stored.name).read_bytes()
        write_atomically(stored, lambda file: file.write_bytes(made))  # noqa: B023
        record.pop("parameters")
        known = chapters.recorded() | {slug: record}
        text = json.dumps({s: known[s] for s in chapters.slugs() if s in known}, indent=1) + "\n"
        paths.results().mkdir(parents=True, exist_ok=True)
        write_atomically(chapters.record_file(), lambda file: file.write_text(text, encoding="utf-8"))  # noqa: B023
        print(f"{slug}: {record['seconds']:.1f} s")
