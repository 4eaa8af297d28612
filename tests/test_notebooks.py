"""The chapters as files: pairs in sync, executed in order, readable, comparable; their parameters are checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import stored
from papermill import PapermillExecutionError

from blurvae import paths
from blurvae.pages import glue
from blurvae.pages.notebooks import chapters, execution, parameters

ROOT = paths.root()
SLUGS = chapters.slugs()
EXPERIMENTS = [slug for slug in SLUGS if parameters.declared(slug)]
COMPARE = ["-p", "blurvae.pages.comparison", "--nbval", "--nbval-current-env"]
COMPARE += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval-sanitize.cfg")]

each = pytest.mark.parametrize("slug", SLUGS)


@each
def test_pair_is_in_sync(slug):
    assert chapters.pairs_in_sync(slug), f"run: python -m blurvae.pages update {slug[:2]}"


@each
def test_was_executed_from_top_to_bottom_without_error(slug):
    cells = [cell for cell in stored.cells(slug) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out for cell in cells for out in cell.outputs if out.output_type == "error"]


@each
def test_outputs_belong_to_the_present_source(slug):
    file = ROOT / "notebooks" / f"{slug}.ipynb"
    record = nbformat.read(file, as_version=4).metadata["blurvae"]
    assert record["source_sha256"] == chapters.source_hash(slug)
    known = chapters.recorded()[slug]
    assert known["seconds"] == record["seconds"] and known["versions"] == record["versions"]


@each
def test_keeps_the_size_limits(slug):
    cells = stored.cells(slug)
    assert max(len(cell.source.splitlines()) for cell in cells) <= 25
    assert (ROOT / "notebooks" / f"{slug}.ipynb").stat().st_size <= 2e6


@each
def test_outputs_can_be_compared(slug):
    for cell in stored.cells(slug):
        assert not cell.source.rstrip().endswith(";"), "nbval ignores a trailing semicolon"
        for output in cell.outputs:
            data = output.get("data", {})
            assert "image/svg+xml" not in data, "SVG differs in every run: store PNG"
            text = output.get("text", "") + str(data.get("text/plain", ""))
            for banned in ("/ro" + "ot/", "/home/", "\r", "it/s]"):
                assert banned not in text, f"{banned!r} in an output of {slug}"


@each
def test_holds_no_volatile_metadata(slug):
    book = nbformat.read(ROOT / "notebooks" / f"{slug}.ipynb", as_version=4)
    assert "papermill" not in book.metadata
    assert not [cell for cell in book.cells if {"execution", "papermill"} & set(cell.metadata)]


@each
def test_figures_are_named_captioned_and_described(slug):
    number = slug[:2]
    for cell in stored.cells(slug):
        pictures = [out for out in cell.outputs if "image/png" in out.get("data", {})]
        if not pictures:
            continue
        options = cell.metadata.get("mystnb", {})
        figure, image = options.get("figure", {}), options.get("image", {})
        assert len(pictures) == 1, "one figure a cell"
        assert figure.get("caption") and figure.get("name", "").startswith(f"fig-{number}-"), cell.source
        assert len(image.get("alt", "")) >= 20, cell.source
        if str(pictures[0]["data"].get("text/plain", "")).endswith("of 1 panel"):
            assert ".set_title(" not in cell.source and "plt.title(" not in cell.source, "the caption says it"
        if str(pictures[0]["data"].get("text/plain", "")).startswith("Grid of"):
            assert "pixelated" in image.get("classes", "") and "width" not in image, cell.source


@each
def test_a_chapter_leaves_it_to_its_plain_notebook_to_install_the_package(slug):
    assert not [cell for cell in stored.cells(slug) if "google.colab" in cell.source]


@each
def test_has_the_parts_that_a_reader_expects(slug):
    text = (ROOT / "notebooks" / f"{slug}.md").read_text(encoding="utf-8")
    for part in ("**You will do**", "**You will learn**", "**You need**", "## What can go wrong", "## Summary"):
        assert part in text, part
    assert text.count("{solution-start}") + text.count("{solution}") >= 2, "exercises with solutions"
    assert text.count(":class: dropdown") >= text.count("{solution-start}") + text.count("{solution}")
    if slug[:2] < "08":  # the last two chapters are the algorithm and the experiment
        assert "{prf:proof}" in text
    assert "{bibliography}" in text
    assert [cell for cell in stored.cells(slug) if "run-time" in stored.tags(cell)], "the run-time sentence"


@pytest.mark.parametrize("slug", EXPERIMENTS)
def test_declares_the_common_parameters(slug):
    declared = parameters.declared(slug)
    common = {"tier": (str, "smoke"), "data": (str, "natural"), "seed": (int, 0), "results": (str, "")}
    assert {name: declared[name] for name in common} == common


def test_an_experiment_chapter_exists():
    assert any(slug.startswith("09-") for slug in EXPERIMENTS)


@pytest.fixture
def chapter(tmp_path, monkeypatch) -> str:
    """A checkout of one tiny chapter with parameters."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").touch()
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    head = "---\nkernelspec: {display_name: Python 3, language: python, name: python3}\n"
    head += "jupytext: {text_representation: {extension: .md, format_name: myst, format_version: 0.13}}\n---\n\n"
    cells = [
        ':tags: [parameters]\n\ntier: str = "smoke"  # size\nseed: int = 0\nlr: float = 0.1\nlive: bool = True',
        ":tags: [run-time]\n\nfrom blurvae.pages.prose import RunTime\n\nRunTime('99-tiny', {})",
        'print(f"{tier} {seed} {lr} {live}")',
    ]
    body = "# Tiny\n\n" + "\n\n".join(f"```{{code-cell}} ipython3\n{cell}\n```" for cell in cells)
    (tmp_path / "notebooks" / "99-tiny.md").write_text(head + body + "\n", encoding="utf-8")
    return "99-tiny"


@pytest.mark.parametrize(
    ("given", "culprit"),
    [
        ({"sed": 1}, "no parameter 'sed'.*seed: int"),
        ({"seed": "1"}, "'seed' .*must be int"),
        ({"seed": True}, "'seed' .*must be int"),
        ({"seed": 1.0}, "'seed' .*must be int"),
        ({"tier": 3}, "'tier' .*must be str"),
        ({"live": 1}, "'live' .*must be bool"),
    ],
)
def test_misspelt_or_ill_typed_parameters_are_refused(chapter, given, culprit):
    with pytest.raises(ValueError, match=culprit):
        parameters.check(chapter, given)


def test_text_of_a_command_line_is_converted_and_checked(chapter):
    pairs = [("seed", "7"), ("lr", "1e-3"), ("live", "false"), ("tier", "lesson")]
    expected = {"seed": 7, "lr": 1e-3, "live": False, "tier": "lesson"}
    assert parameters.parse(chapter, pairs) == expected
    assert parameters.check(chapter, {"lr": 1}) == {"lr": 1}
    for pair in (("seed", "1.5"), ("live", "maybe"), ("sed", "1")):
        with pytest.raises(ValueError, match="it takes tier: str"):
            parameters.parse(chapter, [pair])


def test_parameters_cell_may_hold_only_annotated_constants(chapter):
    file = paths.notebooks() / f"{chapter}.md"
    file.write_text(file.read_text(encoding="utf-8").replace("seed: int = 0", "seed = 0"), encoding="utf-8")
    with pytest.raises(ValueError, match="seed: int = 0"):
        parameters.declared(chapter)


def test_unknown_chapter_names_those_that_exist(chapter):
    assert chapters.find("99") == "99-tiny"
    with pytest.raises(ValueError, match="99-tiny"):
        chapters.find("10")


def test_update_stores_outputs_that_comparison_accepts_and_a_tampered_output_fails(chapter):
    execution.update()
    file = paths.notebooks() / f"{chapter}.ipynb"
    assert chapters.pairs_in_sync(chapter)
    record = chapters.recorded()[chapter]
    assert record["seconds"] > 0 and record["source_sha256"] == chapters.source_hash(chapter)
    stored = nbformat.read(file, as_version=4)
    sentence = stored.cells[2].outputs[0].data["text/markdown"]
    assert f"{record['seconds']:.0f} s" in sentence and "has not been recorded" not in sentence

    stored.cells[2].metadata["tags"].append("nbval-ignore-output")
    stored.cells[3].outputs[0]["text"] = "smoke 0 0.2 True\n"  # one unit away
    nbformat.write(stored, file)
    assert _compare(file).returncode == 0
    stored.cells[3].outputs[0]["text"] = "smoke 1 0.1 True\n"
    nbformat.write(stored, file)
    failed = _compare(file)
    assert failed.returncode == 1
    for line in ("line 1: 1 → 0 (integers are exact)", "stored  smoke 1 0.1 True", "fresh   smoke 0 0.1 True"):
        assert line in failed.stdout


def _compare(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *COMPARE, str(file)]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, env=dict(os.environ), check=False)


def test_an_update_that_fails_leaves_the_stored_chapter_as_it_was(chapter):
    source = paths.notebooks() / f"{chapter}.md"
    source.write_text(source.read_text(encoding="utf-8").replace("print(", "1 / 0\nprint("), encoding="utf-8")
    stored = source.with_suffix(".ipynb")
    stored.write_text("as it was", encoding="utf-8")
    with pytest.raises(PapermillExecutionError):
        execution.update()
    assert stored.read_text(encoding="utf-8") == "as it was" and not chapters.recorded()


def test_execute_passes_parameters_and_says_so(chapter, tmp_path):
    out = tmp_path / "out" / "run.ipynb"
    record = execution.execute(chapter, {"seed": 3}, out)
    cells = nbformat.read(out, as_version=4).cells
    assert cells[-1].outputs[0].text == "smoke 3 0.1 True\n"
    assert record["parameters"] == {"seed": 3}
    assert not (paths.notebooks() / f"{chapter}.ipynb").exists()


def test_glue_shows_the_value_without_myst_nb(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    glue("99-gain", 0.5)
    assert capsys.readouterr().out == "99-gain = 0.5\n"
