"""The command as a user types it: output, files, exit codes, messages."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from blurvae import experiments, record
from blurvae.cli import app
from blurvae.cli import run as command
from blurvae.datasets import write_pack

runner = CliRunner()
EXECUTE = sys.modules["blurvae.record.execute"]  # the module, whose name the function has too


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
    assert json.loads(call("list", "--json"))["bredell/table5"]["methods"][0] == "l2"


def test_run_writes_one_json_a_run_and_resumes(out):
    assert {p.name for p in (out / "bredell" / "table5").glob("*.json")} == {
        "natural-l2-smoke-s0.json",
        "natural-wiener-smoke-s0.json",
    }
    before = (out / "bredell" / "table5" / "natural-l2-smoke-s0.json").stat().st_mtime_ns
    text = call("run", "table5", "--only", "l2", "--out", str(out), "--resume", "--json", "--device", "cpu")
    assert "PSNR" in json.loads(text[text.index("[") :])[0]["metrics"]
    assert (out / "bredell" / "table5" / "natural-l2-smoke-s0.json").stat().st_mtime_ns == before


def test_a_changed_run_stands_beside_the_unchanged_one(out):
    call("run", "table5", "--only", "l2", "--set", "beta=0.5", "--out", str(out), "--device", "cpu")
    record = json.loads((out / "bredell" / "table5" / "natural-l2,beta=0.5-smoke-s0.json").read_text())
    assert record["run"]["system"]["beta"] == 0.5


def test_the_first_steps_say_how_long_all_runs_will_take(monkeypatch, tmp_path, capsys):
    """Two runs of 1,500 steps at 0.1 s a step, 1.3 times that with a kernel network; the finished one aside."""
    clock = iter(np.arange(1000) * 0.1)
    monkeypatch.setattr(command.time, "monotonic", lambda: next(clock))
    made = experiments.get("table5").runs("lesson", "natural", (0,))
    l2, wiener, done = (next(r for r in made if r.method == m) for m in ("l2", "wiener", "ce"))
    done.path(tmp_path).parent.mkdir(parents=True)
    done.path(tmp_path).touch()
    after_step = command._forecast([done, l2, wiener], tmp_path, True)
    for _ in range(200):
        after_step(None)
    steps = l2.budget.epochs * l2.n_train / l2.budget.batch_size
    minutes = round(steps * 0.1 * (1 + command.WITH_KERNEL) * command.WITH_EVALUATION / 60)
    assert capsys.readouterr().err == f"about {minutes} minutes for 2 runs on this machine, by its first steps\n"


def test_seconds_are_not_forecast(monkeypatch, tmp_path, capsys):
    after_step = command._forecast(list(experiments.get("table5").runs("smoke", "natural", (0,))), tmp_path, False)
    for _ in range(200):
        after_step(None)
    assert capsys.readouterr().err == ""


def test_table_prints_what_ran_and_what_did_not(out):
    text = call("table", "table5", "--tier", "smoke", "--results", str(out))
    assert "Wiener" in text
    assert "not run" in text  # FFL
    assert "commit" in text
    assert call("table", "table5", "--tier", "smoke", "--results", str(out), "--format", "csv").startswith("method,")


def test_table_says_where_runs_are_if_it_has_none(out):
    text = call("table", "table5", "--tier", "smoke", "--data", "cifar10", "--results", str(out))
    assert "Recorded are its runs of --tier smoke --data natural." in " ".join(text.split())
    assert "Recorded are" not in call("table", "table5", "--tier", "smoke", "--results", str(out))


@pytest.mark.parametrize("place", ["file", "nowhere"])
def test_a_data_root_that_is_none_is_named(place, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BLURVAE_DATA", str(tmp_path / place))
    for name in ("cifar10", "mnist", "faces64"):
        assert str(tmp_path / place) in call("data", "check", name, code=3)
        assert str(tmp_path / place) in call("run", "table5", "--data", name, "--out", str(tmp_path / "out"), code=3)
    assert "absent" in call("data", "list")


@pytest.mark.parametrize("command", [["run", "table5", "--only", "l2"], ["figure", "table5-natural-samples"]])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, command):
    monkeypatch.setattr(EXECUTE, "finish", lambda *a, **k: pytest.fail("trained before it refused"))
    file = tmp_path / "file"
    file.write_text("")
    text = call(*command, "--out", str(file), code=6)
    assert str(file) in text
    assert "permissions" in text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(EXECUTE, "finish", lambda *a, **k: pytest.fail("trained before it refused"))
    (tmp_path / "bredell" / "table5").mkdir(parents=True)
    (tmp_path / "bredell" / "table5").chmod(0o555)
    assert str(tmp_path) in call("run", "table5", "--only", "l2", "--out", str(tmp_path), code=6)


def _pack(folder: Path, channels: int = 3) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (128, channels, 32, 32)).astype(np.uint8)
    split = {"train": (0, 64), "test": (64, 128)}
    return write_pack(folder, images, name="mine", source="noise", licence="CC0", split=split)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("images.npy", lambda b: b[: len(b) // 2]),
        ("images.npy", lambda b: b""),
        ("images.npy", lambda b: b[:6] + b"\x09\x09" + b[8:]),
        ("images.npy", lambda b: b"PK\x03\x04" + b[4:64]),  # the beginning of a zip archive, as an .npz is one
        ("card.json", lambda b: b[:20]),
        ("card.json", lambda b: b"\xff\xfe"),
        ("card.json", lambda b: b"[]"),
    ],
)
def test_a_damaged_pack_is_named(file, damage, tmp_path):
    pack = _pack(tmp_path / "mine")
    (pack / file).write_bytes(damage((pack / file).read_bytes()))
    assert str(pack / file) in call("data", "check", f"pack:{pack}", code=4)
    assert str(pack / file) in call("run", "table5", "--data", f"pack:{pack}", "--out", str(tmp_path / "o"), code=4)


def test_a_changed_pixel_is_found_by_check(tmp_path):
    pack = _pack(tmp_path / "mine")
    assert "whole" in call("data", "check", f"pack:{pack}")
    content = (pack / "images.npy").read_bytes()
    (pack / "images.npy").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "checksum" in call("data", "check", f"pack:{pack}", code=4)
    assert json.loads(call("data", "check", f"pack:{pack}", "--json", code=4).split("\nblurvae:")[0])["ok"] is False


def test_images_that_the_metrics_refuse_are_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(EXECUTE, "finish", lambda *a, **k: pytest.fail("trained before it refused"))
    pack = _pack(tmp_path / "mine", channels=2)
    assert "2 channels" in call("run", "table5", "--data", f"pack:{pack}", "--out", str(tmp_path / "o"), code=2)


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".json", lambda b: b[: len(b) // 2]),
        (".json", lambda b: b"[]"),
        (".json", lambda b: b"\xff"),
        (".json", lambda b: b.replace(b'"metrics"', b'"meters"')),
        (".json", lambda b: b.replace(b'"provenance"', b'"province"')),
        (".npz", lambda b: b[:300]),
        (".npz", lambda b: b""),
        (".npz", lambda b: b"PK" + b),
        (".npz", lambda b: b[: len(b) // 2] + bytes(8) + b[len(b) // 2 + 8 :]),
    ],
)
def test_a_damaged_record_is_named(suffix, damage, out, tmp_path):
    shutil.copytree(out, tmp_path / "copy")
    file = tmp_path / "copy" / "bredell" / "table5" / f"natural-l2-smoke-s0{suffix}"
    file.write_bytes(damage(file.read_bytes()))
    copy = str(tmp_path / "copy")
    assert str(file) in call("run", "table5", "--only", "l2", "--resume", "--out", copy, code=4)
    table = call("table", "table5", "--tier", "smoke", "--results", copy, code=4 if suffix == ".json" else 0)
    assert suffix == ".npz" or str(file) in table, "a table needs no pictures"


@pytest.mark.parametrize(("kind", "code"), [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_an_interrupt_and_a_full_memory_end_in_one_sentence(kind, code, tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise kind

    monkeypatch.setattr(record, "execute", stop)
    text = call("run", "table5", "--only", "l2", "--out", str(tmp_path), code=code)
    assert ("--resume" if kind is KeyboardInterrupt else "lower batch_size") in text
    monkeypatch.setattr("blurvae.datasets.check", stop)
    assert "--resume" not in call("data", "check", "natural", code=code)


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """A folder in which one run of two diverged, and what the command said."""
    folder = tmp_path_factory.mktemp("lost")

    execute = record.execute

    def spoil(state):
        with torch.no_grad():
            next(state.players.vae.parameters()).fill_(np.nan)

    def diverge(run, callback=None, **given):
        return execute(run, callback=spoil if run.method == "l2" else callback, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "execute", diverge)
        text = call("run", "table5", "--only", "l2", "--only", "ffl", "--device", "cpu", "--out", str(folder), code=1)
    return folder, text


def test_a_run_that_diverges_is_named_and_the_others_go_on(lost):
    folder, text = lost
    lines = text.splitlines()
    (named,) = (line for line in lines if "diverged at step 2 (epoch 1)" in line)
    assert named.startswith("[1/2] natural-l2-smoke-s0: ")
    assert any(line.startswith("[2/2] natural-ffl-smoke-s0: PSNR ") for line in lines)
    assert lines[-1] == "blurvae: 1 of 2 runs diverged: natural-l2-smoke-s0."
    assert {file.stem for file in folder.rglob("*.json")} == {"natural-l2-smoke-s0", "natural-ffl-smoke-s0"}


@pytest.mark.parametrize("as_json", [False, True])
def test_resume_passes_over_a_run_that_is_recorded_as_diverged(lost, as_json, monkeypatch):
    folder, _ = lost
    monkeypatch.setattr(EXECUTE, "finish", lambda *a, **k: pytest.fail("trained again"))
    both = ("run", "table5", "--only", "l2", "--only", "ffl", "--out", str(folder), "--resume")
    result = runner.invoke(app, [*both, *["--json"] * as_json])
    assert result.exit_code == 1
    assert "natural-l2-smoke-s0.json is recorded as diverged (epoch 1)" in result.stderr
    assert "1 of 2 runs diverged: natural-l2-smoke-s0." in result.stderr
    if as_json:
        first, second = json.loads(result.stdout)
        assert (first["outcome"]["state"], first["outcome"]["epoch"], first["metrics"]) == ("diverged", 1, {})
        assert second["outcome"]["state"] in ("finished", "collapsed") and "PSNR" in second["metrics"]
    assert "diverged (epoch 1)" in call("table", "table5", "--tier", "smoke", "--results", str(folder))
    assert "1 diverged" in call("status", "--tier", "smoke", "--only", "table5", "--out", str(folder))


def test_a_record_without_a_psnr_is_printed():
    assert command._said({"metrics": {}, "provenance": {"seconds": 2.0}}) == "2 s"
    made = {"metrics": {"PSNR": {"mean": None}}, "provenance": {"seconds": 2.0}}
    assert command._said(made) == "PSNR nan dB, 2 s"


def test_the_book_without_its_packages_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "papermill", None)
    text = call("notebook", "09", code=2)
    assert "papermill" in text
    assert "[book]" in text


@pytest.mark.parametrize(("name", "code"), [("ValueError", 2), ("MissingData", 3), ("Diverged", 5), ("KeyError", 2)])
def test_an_error_of_a_chapter_is_one_sentence(name, code, tmp_path, monkeypatch):
    from papermill import PapermillExecutionError

    def stop(*arguments):
        raise PapermillExecutionError(6, 5, "x = 1", name, "what went wrong", ["its traceback"])

    monkeypatch.setattr("blurvae.pages.notebooks.execution.execute", stop)
    text = call("notebook", "09", "-p", "tier", "paper", "--out", str(tmp_path), code=code)
    assert "stopped at cell 6: what went wrong" in text
    assert "traceback" not in text


def test_queue_and_status_say_where_each_run_stands(tmp_path):
    text = call("status", "--tier", "smoke", "--out", str(tmp_path))
    assert "0 recorded" in text
    only = ("--only", "table5", "--only", "l2", "--out", str(tmp_path))
    text = call("queue", "--tier", "smoke", *only, "--budget", "5m", "--device", "cpu")
    assert "0 not run" in text
    rows = json.loads(call("status", "--tier", "smoke", *only, "--json"))
    assert [row["method"] for row in rows] == ["l2"]
    assert rows[0]["state"] in ("recorded", "needs weights")
    assert "'soon' is not a duration" in call("queue", "--budget", "soon", "--out", str(tmp_path), code=2)


def test_tune_says_what_it_chose_and_refuses_what_has_no_search(tmp_path, monkeypatch):
    from blurvae.experiments import tune

    trials = [{"method": "l2", "beta": beta, "metrics": {tune.CRITERION: {"value": beta}}} for beta in (0.1, 0.3)]
    monkeypatch.setattr(tune, "tune", lambda *_, **__: tune.Search(tmp_path / "search.json", {"l2": 0.1}, trials))
    lines = call("tune", "table2", "--data", "natural").splitlines()
    assert [line.endswith("chosen") for line in lines[:2]] == [True, False]
    assert lines[-1].endswith("search.json")
    monkeypatch.undo()
    assert "each method has its own" in call("tune", "rate", "--out", str(tmp_path), code=2)


def test_figures_are_written(tmp_path, monkeypatch, out):
    from functools import partial

    from blurvae.pages import figures

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
        "import random, sys; state = random.getstate(); import blurvae, blurvae.systems, blurvae.train; "
        "assert random.getstate() == state; "
        "print([m for m in ('matplotlib', 'torchvision', 'papermill', 'pandas', 'skimage', 'lpips', 'lightning', "
        "'torchmetrics') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# Strangers' terminals and machines --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["run", "--help"], ["table", "table5"]])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_output_passes_through_a_stream_of_any_encoding(arguments, encoding, monkeypatch):
    """What a pipe on Windows or a locale without UTF-8 takes, in this process: signs that it lacks are spelt."""
    from blurvae import cli

    whole = call(*arguments)
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["blurvae", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding)
    assert ended.value.code == 0
    assert len(written.split()) >= 0.9 * len(whole.split())
    assert any(sign not in "\n" and not sign.isascii() for sign in whole)


def test_the_installed_command_and_the_module_are_the_same_function():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'blurvae = "blurvae.cli:main"' in text


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (MemoryError("Unable to allocate 9 TiB for an array"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("required rank 4 tensor to use channels_last memory format"), False),
        (RuntimeError("Some tensors share memory, this will lead to duplicate memory on disk"), False),
    ],
)
def test_a_full_memory_is_told_from_other_errors_that_mention_memory(error, full, tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise error

    monkeypatch.setattr(record, "execute", stop)
    result = runner.invoke(app, ["run", "table5", "--only", "l2", "--out", str(tmp_path)])
    if full:
        assert result.exit_code == 2
        said = result.output.splitlines()[-1]
        assert "lower batch_size" in said and (
            str(error).splitlines()[0].rstrip(".") in said or isinstance(error, OSError)
        )
    else:
        assert result.exception is error and "lower batch_size" not in result.output


def test_paths_given_to_a_chapter_are_those_that_the_user_sees(tmp_path, monkeypatch):
    from blurvae.pages.notebooks import parameters

    monkeypatch.chdir(tmp_path)
    given = parameters.parse("09", [("results", "res"), ("data", "folder:pics")])
    assert given == {"results": str(tmp_path / "res"), "data": f"folder:{tmp_path / 'pics'}"}
    assert parameters.parse("09", [("results", ""), ("data", "natural")]) == {"results": "", "data": "natural"}


def test_braces_in_paths_of_a_chapter_are_no_template(tmp_path, monkeypatch):
    import papermill

    from blurvae.pages.notebooks import execution

    class Reached(Exception):
        pass

    def look(source, out, parameters, *, cwd, **options):
        for path in (source, out, cwd):
            path.format(**parameters)
        assert out.format() == str(tmp_path / "nb{x}" / "y.ipynb") and "{" not in cwd.replace("{{", "")
        raise Reached

    monkeypatch.setattr(papermill, "execute_notebook", look)
    with pytest.raises(Reached):
        execution.execute("09", {}, tmp_path / "nb{x}" / "y.ipynb", cwd=tmp_path)


@pytest.mark.parametrize("kind", ["missing", "dead", "died early", "papermill"])
def test_a_kernel_that_does_not_start_is_one_sentence(kind, tmp_path, monkeypatch):
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillException

    from blurvae.pages.notebooks import execution

    error = {
        "missing": NoSuchKernel("python3"),
        "dead": DeadKernelError("Kernel died"),
        "died early": RuntimeError("Kernel died before replying to kernel_info"),
        "papermill": PapermillException("no engine"),
    }[kind]
    monkeypatch.setattr(execution, "execute", lambda *a, **k: (_ for _ in ()).throw(error))
    text = call("notebook", "09", "--out", str(tmp_path), code=2)
    assert "python3" in text and "ipykernel install" in text and str(error) in text
