"""Chapters as programs: executing them with checked parameters, pairing, run times, and the pages built from them.

`python -m blurvae.notebook update [SLUG ...]` re-executes chapters and stores their outputs; `html` builds the pages.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import reprlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from blurvae import paths
from blurvae.text import speak_any_encoding

_TYPES = {"str": str, "int": int, "float": float, "bool": bool}
_VOLATILE = ("execution", "papermill")
_SECONDS = 600  # a chapter that takes longer has lost its way (tier paper excepted: see `execute`)


def slugs() -> tuple[str, ...]:
    """Slugs of all chapters on disk, in order."""
    return tuple(sorted(path.stem for path in paths.notebooks().glob("[0-9][0-9]-*.md")))


def find(slug: str) -> str:
    """The full slug for a slug or its number ("09" finds "09-cifar10-and-natural").

    Raises:
        ValueError: no chapter, or more than one, begins so.
    """
    found = [s for s in slugs() if s == slug or s.startswith(f"{slug}-")]
    if len(found) != 1:
        raise ValueError(f"no chapter {slug!r}; chapters are: {', '.join(slugs())}")
    return found[0]


def _source(slug: str) -> Path:
    return paths.notebooks() / f"{find(slug)}.md"


def _read(slug: str) -> Any:
    """The chapter's hand-written source as a notebook without outputs."""
    import jupytext

    return jupytext.read(_source(slug), fmt="md:myst")


# Parameters ---------------------------------------------------------------------------------------------------------


def parameters(slug: str) -> dict[str, tuple[type, Any]]:
    """Names, types and defaults that a chapter's `parameters` cell declares, such as `tier: str = "smoke"`.

    Raises:
        ValueError: the cell holds something else than annotated constants.
    """
    cells = [c for c in _read(slug).cells if "parameters" in c.metadata.get("tags", [])]
    declared: dict[str, tuple[type, Any]] = {}
    refused = ValueError(f"the parameters cell of {slug} may hold only lines such as `seed: int = 0`")
    try:
        for statement in ast.parse(cells[0].source).body if cells else []:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=value) if (
                    kind in _TYPES and value is not None
                ):
                    declared[name] = (_TYPES[kind], ast.literal_eval(value))
                case _:
                    raise refused
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise refused from None
    if not all(_fits(kind, default) for kind, default in declared.values()):
        raise refused
    return declared


def _fits(kind: type, value: Any) -> bool:
    return type(value) is kind or (kind is float and type(value) is int)


def check_parameters(slug: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters, refused unless the chapter declares them with that type.

    papermill itself accepts unknown names in silence.

    Args:
        slug: the chapter.
        given: values by name; an int passes for a float, and nothing else is converted.

    Raises:
        ValueError: an unknown name or a wrong type; the message lists what is allowed.
    """
    declared = parameters(slug)
    allowed = ", ".join(f"{name}: {kind.__name__}" for name, (kind, _) in declared.items()) or "none"
    for name, value in given.items():
        if name not in declared:
            raise ValueError(f"chapter {find(slug)} has no parameter {name!r}; it takes {allowed}")
        kind = declared[name][0]
        if not _fits(kind, value):
            raise ValueError(
                f"parameter {name!r} of chapter {find(slug)} must be {kind.__name__}, "
                f"not {reprlib.repr(value)}; it takes {allowed}"
            )
    return dict(given)


def parse_parameters(slug: str, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters from the text of a command line, converted to the declared types and checked.

    Paths become absolute, since a chapter runs in another folder than the one that they are seen from here.

    Raises:
        ValueError: an unknown name, or text that does not read as the declared type.
    """
    declared = parameters(slug)
    values: dict[str, Any] = {}
    for name, text in pairs:
        kind = declared[name][0] if name in declared else str
        try:
            values[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (ValueError, KeyError):
            values[name] = text  # refused below, with the list of what is allowed
        if name == "results" and text:
            values[name] = str(Path(text).expanduser().absolute())
        elif name == "data" and (by_path := re.match("(folder|idx|pack):(.+)", text)):
            values[name] = f"{by_path[1]}:{Path(by_path[2]).expanduser().absolute()}"
    return check_parameters(slug, values)


# Execution ----------------------------------------------------------------------------------------------------------


def source_hash(slug: str) -> str:
    """sha256 of a chapter's code cells: it says whether the stored outputs belong to the present source."""
    code = "\0".join(c.source for c in _read(slug).cells if c.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()


def execute(slug: str, given: Mapping[str, Any], out: Path, *, cwd: Path | None = None) -> dict[str, Any]:
    """Execute a chapter from its source by papermill and write the notebook with its outputs.

    Args:
        slug: the chapter.
        given: parameters by name, checked against the chapter's `parameters` cell.
        out: path of the .ipynb to write.
        cwd: working folder of the kernel; the notebooks' folder by default.

    Returns:
        The record of the run: seconds, device, versions, source_sha256, parameters.

    Raises:
        ValueError: a parameter that the chapter does not declare, or one of the wrong type.
        papermill.PapermillExecutionError: a cell failed; `out` then holds the notebook up to there.
    """
    import jupytext
    import nbformat
    import papermill

    from blurvae.provenance import device_name, versions
    from blurvae.training import choose_device, write_atomically

    slug, given = find(slug), check_parameters(slug, given)
    out = Path(out).resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{slug}.ipynb"
        jupytext.write(_read(slug), source)
        start = time.perf_counter()
        papermill.execute_notebook(
            _literal(source), _literal(out), dict(given), cwd=_literal(cwd or paths.notebooks()), kernel_name="python3",
            progress_bar=False, log_output=False, execution_timeout=None if given else _SECONDS,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    record = {
        "seconds": round(seconds, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "device": device_name(choose_device()),
        "versions": versions("blurvae", "torch", "numpy", "scipy", "pandas", "matplotlib", "scikit-image"),
        "source_sha256": source_hash(slug),
        "parameters": dict(given),
    }
    notebook = nbformat.read(out, as_version=4)
    _strip(notebook)
    notebook.metadata["blurvae"] = record
    _stamp(notebook, slug, record)
    write_atomically(out, lambda file: nbformat.write(notebook, file))
    return record


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
    from blurvae.training import write_atomically

    for slug in [find(s) for s in chosen] or slugs():
        stored = paths.notebooks() / f"{slug}.ipynb"
        with tempfile.TemporaryDirectory() as folder:  # interrupted or failed, it leaves the stored chapter as it was
            record = execute(slug, {}, Path(folder) / stored.name)
            made = (Path(folder) / stored.name).read_bytes()
        write_atomically(stored, lambda file: file.write_bytes(made))  # noqa: B023
        record.pop("parameters")
        known = chapters() | {slug: record}
        text = json.dumps({s: known[s] for s in slugs() if s in known}, indent=1) + "\n"
        paths.results().mkdir(parents=True, exist_ok=True)
        write_atomically(_record_file(), lambda file: file.write_text(text, encoding="utf-8"))  # noqa: B023
        print(f"{slug}: {record['seconds']:.1f} s")


def _record_file() -> Path:
    return paths.results() / "chapters.json"


def chapters() -> dict[str, dict[str, Any]]:
    """Recorded runs of the chapters by slug: seconds, date, device, versions, source_sha256."""
    file = _record_file()
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


@dataclass(frozen=True)
class RunTime:
    """The sentence at the head of a chapter that says how long it ran, on what and how to run it again.

    Attributes:
        slug: the chapter.
        record: its recorded run; empty when it was never run.
    """

    slug: str
    record: Mapping[str, Any]

    def _repr_markdown_(self) -> str:
        again = f"`blurvae notebook {self.slug}` runs it again."
        if not self.record:
            return f"The run time of this chapter has not been recorded yet. {again}"
        torch = self.record["versions"]["torch"]
        changed = "".join(f", `{k}={v!r}`" for k, v in self.record.get("parameters", {}).items() if k != "results")
        return (
            f"This chapter ran in **{self.record['seconds']:.0f} s** on {self.record['device']}, "
            f"torch {torch}{changed}. {again}"
        )

    def __repr__(self) -> str:
        return self._repr_markdown_().replace("**", "").replace("`", "")


def run_time(slug: str) -> RunTime:
    """The recorded run time of a chapter, as a sentence that Jupyter and the book display."""
    return RunTime(find(slug), chapters().get(find(slug), {}))


def glue(name: str, value: Any, display: bool = False) -> None:
    """Store a number or text under a name for the book's prose; without MyST-NB (on Colab) show it instead.

    Args:
        name: name used by the glue roles of the page.
        value: a Python or NumPy number, or a string.
        display: show the value below the cell as well.
    """
    value = value.item() if hasattr(value, "item") else value
    try:
        from myst_nb import glue as store
    except ImportError:
        print(f"{name} = {value}")
        return
    store(name, value, display=display)


# Pairing and the repository's address -------------------------------------------------------------------------------


def pairs_in_sync(slug: str) -> bool:
    """Whether the .md and the .ipynb of a chapter hold the same cells (type, source, tags and figure options)."""
    import nbformat

    def cells(notebook: Any) -> list[tuple[str, str, str]]:
        kept = ("tags", "mystnb")
        return [
            (
                c.cell_type,
                c.source.strip(),
                json.dumps({k: c.metadata[k] for k in kept if k in c.metadata}, sort_keys=True),
            )
            for c in notebook.cells
        ]

    file = _source(slug).with_suffix(".ipynb")
    return file.exists() and cells(_read(slug)) == cells(nbformat.read(file, as_version=4))


def repository() -> str:
    """The address of the book's repository, from `_config.yml`: the one place where it stands."""
    text = (paths.root() / "_config.yml").read_text(encoding="utf-8")
    found = re.search(r"^repository:\n\s+url:\s*(\S+)", text, re.MULTILINE)
    if not found:
        raise ValueError("_config.yml has no `repository:` with a `url:` as its first line")
    return found[1]


def install_cell() -> str:
    """The first code cell of every chapter: on Colab it fetches the book and installs its package."""
    return (
        "# On Colab this cell fetches the book and installs its package; elsewhere it does nothing.\n"
        "import os\nimport subprocess\nimport sys\n\n"
        'if "google.colab" in sys.modules and not os.path.isdir("/content/book"):\n'
        f'    fetch = "git clone --depth 1 {repository()} /content/book"\n'
        '    subprocess.run(f"{fetch} && pip install -q -e /content/book", shell=True, check=True)\n'
        '    sys.path.insert(0, "/content/book")\n'
        '    os.chdir("/content/book/notebooks")'
    )


def write_address() -> None:
    """Write the address of `_config.yml` into every chapter's install cell (both files of a pair) and CITATION.cff."""
    address = repository()
    pattern = re.compile(r"(git clone --depth 1 |^repository-code: )[^\s\"]+", re.MULTILINE)
    chapters = [_source(slug).with_suffix(suffix) for slug in slugs() for suffix in (".md", ".ipynb")]
    for file in (*chapters, paths.root() / "CITATION.cff"):
        if file.exists():
            text = file.read_text(encoding="utf-8")
            file.write_text(pattern.sub(rf"\g<1>{address}", text), encoding="utf-8")


# Pages --------------------------------------------------------------------------------------------------------------


def copy_sources(target: Path, *, draft: bool = False) -> Path:
    """Copy what the pages are built from (configuration, contents, book, notebooks), so that a build never touches it.

    Args:
        target: folder to make; replaced.
        draft: leave pages that do not exist yet out of the copied table of contents.

    Returns:
        The folder.
    """
    target = Path(target)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(paths.root() / name, target / name)
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("book", "notebooks"):
        shutil.copytree(paths.root() / name, target / name, ignore=ignored)
    if draft:
        _leave_out_missing(target)
    return target


def _leave_out_missing(source: Path) -> None:
    import yaml

    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        # A page is listed without its suffix, a chapter with it: its name has a twin.
        part["chapters"] = [
            c for c in part["chapters"] if any((source / (c["file"] + s)).exists() for s in ("", ".md"))
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    (source / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")


def build_html(source: Path, out: Path, *, strict: bool = True) -> Path:
    """Build the pages; execute nothing and leave the checkout as it is.

    Args:
        source: a folder made by `copy_sources`.
        out: folder for the pages; replaced.
        strict: let a warning fail the build; otherwise warnings are printed.

    Returns:
        The path of the first page.

    Raises:
        RuntimeError: the build warned or failed; the message ends with what it said.
    """
    _require_version_1()
    source, out = Path(source), Path(out)
    if re.search(r"[\[\]*?]", str(source.resolve())):  # Sphinx takes the path for a pattern
        with tempfile.TemporaryDirectory() as plain:
            return build_html(Path(shutil.copytree(source, Path(plain) / "src")), out, strict=strict)
    program = "from jupyter_book.cli.main import main; main()"  # the package has no __main__
    command = [
        sys.executable,
        "-c",
        program,
        "build",
        "-n",
        "-q",
        *(["-W", "--keep-going"] if strict else []),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the book did not build:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    print(done.stderr, file=sys.stderr, end="")
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(source / "_build" / "html", out)
    return out / "index.html"


def _require_version_1() -> None:
    version = metadata.version("jupyter-book")
    if not version.startswith("1."):
        raise RuntimeError(f"jupyter-book {version} ignores _config.yml; install 'jupyter-book>=1.0.4.post1,<2'")


def main(arguments: list[str] | None = None) -> None:
    """Command line of the book's keepers."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(
        prog="python -m blurvae.notebook", description="Keep the chapters and their pages."
    )
    tasks = parser.add_subparsers(dest="task", required=True)
    task = tasks.add_parser("update", help="re-execute chapters with their defaults and store the outputs")
    task.add_argument("slugs", nargs="*", metavar="SLUG", help="chapters or their numbers; all when none is given")
    tasks.add_parser("address", help="write the repository's address from _config.yml into every chapter")
    task = tasks.add_parser("html", help="build the pages into _build/html; the checkout stays as it is")
    task.add_argument("--draft", action="store_true", help="leave out pages that are not written yet; print warnings")
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
        write_address()
    else:
        source = copy_sources(paths.build() / "src", draft=options.draft)
        if options.execute:
            slug = find(options.execute)
            out = source / "notebooks" / f"{slug}.ipynb"
            execute(slug, parse_parameters(slug, options.p), out, cwd=out.parent)
        print(build_html(source, paths.build() / "html", strict=not options.draft))


if __name__ == "__main__":
    main()
