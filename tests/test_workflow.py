"""The workflow: what it makes is the matrix, and a run is made again for its settings, data and code alone."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import CodeType

import pytest

from blurvae import experiments, losses, paths
from blurvae.experiments.matrix import matrix as queued
from blurvae.record import execute, read

WORKFLOW = paths.root() / "workflow"
sys.path.insert(0, str(WORKFLOW))  # the workflow's own modules are no part of the package
import digest  # noqa: E402
import matrix  # noqa: E402

sys.path.remove(str(WORKFLOW))

SNAKEMAKE = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None,
    reason="snakemake is not installed: pip install -e '.[workflow]'",
)


def smoke(*methods, experiment="table5"):
    """Runs of an experiment that needs nothing but the package."""
    return [run for run in experiments.get(experiment).runs("smoke", "natural", (0,)) if run.method in methods]


# The digest of the code ---------------------------------------------------------------------------------------------

MODULES = {
    "__init__.py": "",
    "work.py": '''"""Text."""
from toy import tools
from toy.tools import deep
from toy.terms import Second, Third

LIMIT = 3  # comment

def work(x: int) -> int:
    """Docstring."""
    from toy.lazy import late
    match x:
        case Second():
            return 0
    if isinstance(x, Third):
        return 1
    return tools.helper(x) + late(LIMIT)

def other():
    return deep()
''',
    "tools/__init__.py": "from toy.tools.inner import helper\nfrom toy.tools.deep import deep\n",
    "tools/inner.py": "class Base: pass\nclass Kind(Base): pass\ndef helper(x): return Kind()\ndef spare(): pass\n",
    "tools/deep.py": "def deep(): pass\n",
    "terms.py": "class Second: pass\nclass Third: x = 0\n",
    "lazy.py": "def late(x): return x\n",
}


@pytest.fixture
def toy(tmp_path):
    """A package whose digest starts at toy.work.work; returns a function that edits a file and gives its places."""
    root = tmp_path / "toy"
    for name, text in MODULES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    def edited(name="work.py", old="", new=""):
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))
        for cached in (digest._definition, digest._read, digest._file):
            cached.cache_clear()
        result = digest.places(root, [("toy.work", "work")])
        (root / name).write_text(text)
        return result

    return edited


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "LIMIT = 3", "LIMIT = 4"),
        ("work.py", "return 0", "return 1"),
        ("lazy.py", "return x", "return -x"),
        ("tools/inner.py", "return Kind()", "return Base()"),
        ("tools/inner.py", "class Kind(Base): pass", "class Kind(Base): x = 1"),
        ("tools/inner.py", "class Base: pass", "class Base: x = 1"),
    ],
)
def test_the_digest_changes_with_what_is_executed(toy, name, old, new):
    assert toy(name, old, new) != toy()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "# comment", ""),
        ("work.py", "Docstring.", "Another."),
        ("work.py", '    """Docstring."""\n', ""),
        ("work.py", "LIMIT = 3", "LIMIT = (\n    3\n)"),
        ("work.py", "x: int) -> int", "x: float) -> float"),
        ("work.py", "return deep()", "return None"),
        ("tools/deep.py", "pass", "return 1"),
        ("tools/inner.py", "def spare(): pass", "def spare(): return 1"),
        ("terms.py", "pass", "x = 1"),
        ("terms.py", "x = 0", "x = 1"),
    ],
)
def test_the_digest_stays_where_nothing_executed_changes(toy, name, old, new):
    assert toy(name, old, new) == toy()


def test_a_root_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"blurvae\.record\.execute defines no 'exekute'"):
        digest.places(matrix.PACKAGE, [("blurvae.record.execute", "exekute")])


def executed(run):
    """The top-level definitions of the package that a run enters, as the interpreter sees them."""
    import torch._dynamo  # noqa: F401 (Adam imports it at its first step, which takes long when watched)

    codes: set[CodeType] = set()

    def watch(frame, event, _):
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(watch)
    try:
        execute(run, device="cpu")
    finally:
        sys.setprofile(None)
    found = set()
    for code in codes:
        file = Path(code.co_filename)
        if file.is_relative_to(matrix.PACKAGE) and code.co_name != "<module>":
            module = ".".join(file.relative_to(matrix.PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
            for name, nodes in digest._read(matrix.PACKAGE, module).definitions.items():
                if any(first_line(node) <= code.co_firstlineno <= node.end_lineno for node in nodes):
                    found.add((module, name))
    return found


def first_line(node):
    """Where a definition begins, as the interpreter counts: at its first decorator."""
    return min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])


@pytest.mark.parametrize("term", ["ce", "wiener-proper"])
def test_the_digest_of_a_run_holds_all_that_the_run_executes(term):
    (run,) = smoke(term)
    seen = {(module, name) for module, name in executed(run) if module not in matrix.CUT}
    datasets = {place for place in seen if place[0].startswith("blurvae.datasets.")}  # known by their pixels
    assert len(seen) > 50 and {("blurvae.evaluation.vae", "VAEEvaluation"), ("blurvae.systems.vae", "BlurVAE")} <= seen
    assert seen - datasets - matrix.RECORDS <= set(matrix.places(run))


def test_a_term_belongs_to_its_own_runs_alone():
    (l2,), (proper,) = smoke("l2"), smoke("wiener-proper")
    modules = [{module for module, _ in matrix.places(run)} for run in (l2, proper)]
    assert "blurvae.losses.wiener_proper" not in modules[0] and "blurvae.losses.wiener_proper" in modules[1]
    shown = ("blurvae.pages", "blurvae.claims", "blurvae.cli")
    assert not [name for name in modules[0] | modules[1] if name.startswith(shown)]


def test_every_data_set_and_term_has_a_digest():
    from blurvae import datasets

    (run,) = smoke("l2")
    packed = {matrix.code(replace(run, data=name)) for name in datasets.names()}
    assert len(packed) > 1  # packs are cut to size by code that belongs to them
    # The covariances of `spectral` are fitted in the evaluation of every VAE: its code is a part of any run's.
    names = [name for name in losses.TERMS if name != "spectral"]
    terms = [replace(run, system=replace(run.system, term=losses.get(name))) for name in names]
    assert len({matrix.code(other) for other in terms}) == len(names)


# What a run depends on beside code ----------------------------------------------------------------------------------


def test_an_option_that_is_off_is_no_setting_and_every_other_value_is():
    (run,) = smoke("l2")
    assert set(matrix.settings(run)) == {f.name for f in fields(run)} - {"n_valid", "n_bound"}
    assert "seed" not in matrix.settings(run)["budget"]
    wiener = replace(run, system=replace(run.system, term=losses.Wiener()))
    assert matrix.settings(wiener)["system"]["term"].keys() == {"name", "C", "kernel_size", "kernel_path"}
    changed = [
        wiener,
        replace(run, n_train=None),
        replace(run, budget=replace(run.budget, seed=1)),
        *(
            replace(run, system=replace(run.system, **{k: v}))
            for k, v in (("latent", 17), ("warm_up", 0), ("beta", 0.0))
        ),
        *(replace(run, system=replace(run.system, term=losses.Wiener(**{k: 0.1}))) for k in ("C", "epsilon")),
    ]
    assert len({json.dumps(matrix.settings(r)) for r in [run, *changed]}) == 9


def test_the_matrix_is_that_of_the_queue():
    for tier in experiments.TIERS:
        wanted = {(entry.run.experiment, entry.run.name) for entry in queued(tier, Path("nowhere"))}
        found = matrix.matrix(tier, Path("nowhere"), look=False).runs
        assert set(found) == wanted
        assert len({matrix.rule(run) for run in found.values()}) == len(wanted)


def test_each_job_makes_its_run_and_no_other():
    for run in matrix.matrix("smoke", Path("nowhere"), look=False).runs.values():
        same = experiments.get(run.experiment).runs(run.tier, run.data, (run.seed,))
        assert [other for other in same if other.method == run.method] == [run]


def test_what_cannot_be_made_here_is_counted_and_its_records_are_kept(tmp_path, monkeypatch):
    kept, gone = smoke("l2", "ce")
    execute(kept, out=tmp_path, device="cpu")
    monkeypatch.setattr(matrix, "asked", lambda tier: {("bredell/table5", "natural"): (kept, gone)})
    monkeypatch.setattr(matrix, "absent", lambda run: "the data set natural")
    found = matrix.matrix("smoke", tmp_path)
    assert not found.runs
    assert found.tables == {("bredell/table5", "natural"): (kept,)}
    assert found.left_out == {"the data set natural": 1}
    monkeypatch.setattr(matrix, "asked", lambda tier: {("bredell/table5", "natural"): (gone,)})
    with pytest.raises(ValueError, match="can be made here, for want of the data set natural"):
        matrix.matrix("smoke", tmp_path)


def test_a_record_of_other_settings_makes_no_table(tmp_path):
    (run,) = smoke("l2")
    matrix.demand("smoke", [])
    execute(replace(run, n_train=48), out=tmp_path, device="cpu")
    with pytest.raises(ValueError, match="was made with other settings than bredell/table5 has now"):
        matrix.demand("smoke", [run.path(tmp_path)])


def test_chapters_of_experiments_are_found():
    tables = matrix.matrix("lesson", Path("nowhere"), look=False).tables
    found = {(chapter.slug[:2], chapter.data): chapter for chapter in matrix.chapters(tables)}
    assert ("bredell/table5", "natural") in found["09", "natural"].tables
    assert not any(slug < "09" for slug, _ in found)


# Snakemake ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def snakemake(tmp_path, monkeypatch, capfd):
    """Runs the workflow in this process, in a folder of its own; returns (exit code, what it printed)."""
    monkeypatch.chdir(tmp_path)  # and back: Snakemake changes the folder
    monkeypatch.setenv("PYTHONPATH", str(paths.root()))

    def call(*targets, config=("tier=smoke",), options=("-n",)):
        from snakemake.cli import main

        monkeypatch.setattr(
            sys.modules["snakemake.shell"], "STDOUT", None
        )  # else that of the first test, closed by now
        capfd.readouterr()
        given = ["-s", WORKFLOW / "Snakefile", "--directory", tmp_path, "--cores", "1", *options]
        with pytest.raises(SystemExit) as ended:
            main([*map(str, given), "--config", "results=results", "out=out", "device=cpu", *config, "--", *targets])
        said = capfd.readouterr()
        return ended.value.code, said.out + said.err

    return call


def listed(said):
    """The rules of runs that a dry run names."""
    return set(re.findall(r"^(?:local)?rule (run_\w+):$", said, re.MULTILINE))


@SNAKEMAKE
def test_the_dry_run_lists_the_matrix(snakemake, monkeypatch):
    monkeypatch.setattr(matrix, "needs", lambda run: "")  # as where all weights are
    code, said = snakemake("runs")
    assert code == 0, said
    runs = [entry.run for entry in queued("smoke", Path("nowhere"))]
    assert listed(said) == {matrix.rule(run) for run in runs}
    assert len(listed(said)) == len(runs)


@SNAKEMAKE
def test_only_what_changed_runs_again(snakemake, tmp_path, monkeypatch):
    first, second = runs = smoke("l2", "wiener")
    monkeypatch.setattr(matrix, "asked", lambda tier: {("bredell/table5", "natural"): tuple(runs)})
    execute(second, out=tmp_path / "results", device="cpu")
    code, said = snakemake("runs", options=())
    assert code == 0, said
    assert [read(run.path(tmp_path / "results")).run for run in runs] == runs
    assert not list((tmp_path / "results").rglob("checkpoint.json"))
    code, said = snakemake(
        "runs", options=("--touch", "--forceall")
    )  # takes on the second, which Snakemake did not make
    assert code == 0, said
    _, said = snakemake("runs")
    assert "Nothing to be done" in said

    runs[1] = replace(second, system=replace(second.system, beta=0.5))
    assert listed(snakemake("runs")[1]) == {matrix.rule(second)}
    runs[1] = second
    pixels = matrix.pixels
    monkeypatch.setattr(matrix, "pixels", lambda run: "others" if run == first else pixels(run))
    assert listed(snakemake("runs")[1]) == {matrix.rule(first)}
    monkeypatch.setattr(matrix, "pixels", pixels)
    code_of = matrix.code
    monkeypatch.setattr(matrix, "code", lambda run: "other" if run == second else code_of(run))
    assert listed(snakemake("runs")[1]) == {matrix.rule(second)}


DIVERGES = """from blurvae.systems import BlurVAE
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Constant

BlurVAE.optimisers = lambda self: dict.fromkeys(("vae", "kernel_net"), Adam(Constant(1e30)))
"""


@SNAKEMAKE
def test_a_run_that_diverges_is_made_by_its_record(snakemake, tmp_path, monkeypatch):
    (run,) = smoke("l2")
    monkeypatch.setattr(matrix, "asked", lambda tier: {("bredell/table5", "natural"): (run,)})
    (tmp_path / "sitecustomize.py").write_text(DIVERGES)  # Python imports it in the jobs
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{paths.root()}")
    code, said = snakemake("tables", options=())
    assert code == 0, said
    assert read(run.path(tmp_path / "results")).diverged == "diverged (epoch 1)"
    text = (tmp_path / "out" / "tables" / "smoke" / "bredell" / "table5-natural.md").read_text()
    assert "diverged (epoch 1)" in text
    assert "Nothing to be done" in snakemake("tables")[1]


@SNAKEMAKE
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("tier=huge", "There is no tier 'huge': choose smoke"),
        ("teir=smoke", "The workflow has no setting 'teir': choose of device, out, results, tier."),
        ("results=3", "The workflow's setting 'results' takes a text, not 3."),
    ],
)
def test_a_bad_setting_ends_in_one_sentence(snakemake, config, said):
    code, printed = snakemake(config=("tier=smoke", config))
    assert code != 0
    assert printed.splitlines()[-1].startswith(f"blurvae: {said}") if isinstance(code, int) else said in str(code)
