"""The command as a user types it: output, files, exit codes, messages."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from blurvae.cli import app

runner = CliRunner()


def call(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    call("run", "table5", "--only", "l2", "--only", "wiener", "--out", str(folder), "--device", "cpu")
    return folder


def test_list_names_experiments_and_methods():
    assert "wiener-proper" in call("list")
    assert json.loads(call("list", "--json"))["table5"]["methods"][0] == "l2"


def test_run_writes_one_json_a_run_and_resumes(out):
    assert {p.name for p in (out / "table5").glob("*.json")} == {
        "natural-l2-smoke-s0.json",
        "natural-wiener-smoke-s0.json",
    }
    before = (out / "table5" / "natural-l2-smoke-s0.json").stat().st_mtime_ns
    text = call("run", "table5", "--only", "l2", "--out", str(out), "--resume", "--json", "--device", "cpu")
    assert "PSNR" in json.loads(text[text.index("[") :])[0]["metrics"]
    assert (out / "table5" / "natural-l2-smoke-s0.json").stat().st_mtime_ns == before


def test_a_changed_run_stands_beside_the_unchanged_one(out):
    call("run", "table5", "--only", "l2", "--set", "beta=0.5", "--out", str(out), "--device", "cpu")
    record = json.loads((out / "table5" / "natural-l2,beta=0.5-smoke-s0.json").read_text())
    assert record["run"]["settings"]["beta"] == 0.5


def test_table_prints_what_ran_and_what_did_not(out):
    text = call("table", "table5", "--tier", "smoke", "--results", str(out))
    assert "Wiener" in text
    assert "not run" in text  # FFL
    assert "commit" in text
    assert call("table", "table5", "--tier", "smoke", "--results", str(out), "--format", "csv").startswith("method,")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "tabel5"], 2, "no experiment 'tabel5'"),
        (["run", "table5", "--tier", "big"], 2, "no tier 'big'"),
        (["run", "table5", "--only", "l3"], 2, "no method 'l3'"),
        (["run", "table5", "--set", "beta"], 2, "not KEY=VALUE"),
        (["run", "table5", "--set", "bta=1"], 2, "called 'bta'"),
        (["run", "table5", "--data", "imagenet"], 2, "imagenet"),
        (["run", "table5", "--device", "tpu0"], 2, "tpu0"),
        (["run", "table5", "--data", "cifar10"], 3, "cifar10"),
        (["table", "table5", "--format", "xml"], 2, "no table format 'xml'"),
        (["table", "table5", "--results", "/nowhere"], 2, "/nowhere"),
        (["table", "table5", "--over", "days"], 2, "'days'"),
        (["figure", "fig99"], 2, "no figure 'fig99'"),
        (["notebook", "99"], 2, "99"),
        (["notebook", "09", "-p", "teir", "lesson"], 2, "teir"),
        (["data", "check", "imagenet"], 2, "imagenet"),
    ],
)
def test_bad_input_is_named_and_has_its_exit_code(arguments, code, says, monkeypatch, tmp_path):
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    if arguments[0] == "run":
        arguments = [*arguments, "--out", str(tmp_path)]
    assert says in call(*arguments, code=code)
    assert not any(tmp_path.rglob("*.json")), "refused before any work"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert "file" in call("run", "table5", "--only", "l2", "--out", str(file), "--device", "cpu", code=6)


def test_figures_are_written(tmp_path, monkeypatch, out):
    from functools import partial

    from blurvae import figures

    for name, make in (("grid", figures.reconstructions), ("axes", figures.radial_spectra)):
        monkeypatch.setitem(figures.FIGURES, name, partial(make, "table5", "smoke", "natural", out))
        for form, magic in (("pdf", b"%PDF"), ("png", b"\x89PNG")):
            call("figure", name, "--out", str(tmp_path), "--format", form)
            assert (tmp_path / f"{name}.{form}").read_bytes().startswith(magic)


def test_data_list_and_check():
    assert "natural" in call("data", "list")
    assert json.loads(call("data", "list", "--json"))[0]["name"]
    assert "natural" in call("data", "check", "natural")


def test_importing_the_package_is_light_and_silent():
    """Nothing that training does not need, no output, no seed set."""
    code = (
        "import random, sys; state = random.getstate(); import blurvae, blurvae.training, blurvae.losses; "
        "assert random.getstate() == state; "
        "print([m for m in ('matplotlib', 'torchvision', 'papermill', 'pandas', 'skimage', 'lpips', 'lightning', "
        "'torchmetrics') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
