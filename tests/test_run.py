"""A run from its record to its files, the experiment's table, and what goes wrong on the way."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from blurvae import datasets, experiments, figures, metrics, results, run
from blurvae.errors import CorruptFile, MissingData

RUNS = experiments.get("table5").runs("smoke", "natural", (0, 1))
WIENER = next(r for r in RUNS if r.method == "wiener")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Every method of the experiment at tier smoke, two seeds."""
    out = tmp_path_factory.mktemp("results")
    for r in RUNS:
        run.execute(r, out=out, device="cpu", keep_model=r is WIENER)
    return out


def test_a_record_reads_back_as_what_was_run(recorded):
    result = run.read(WIENER.path(recorded))
    assert result.run == WIENER
    assert result.record["data"]["checksum"] == datasets.load("natural", "train", n=64).checksum
    assert set(result.pictures) >= {"original", "reconstruction", "sample", "kernel", "error_power"}
    assert result.pictures["original"].shape == (run.PICTURES, 3, 32, 32)
    np.testing.assert_array_equal(
        result.pictures["original"], datasets.load("natural", "test", n=run.PICTURES).images, strict=True
    )
    provenance = result.record["provenance"]
    assert provenance["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"commit", "device", "precision", "seconds", "images_per_second", "date"} <= set(provenance)
    assert not list(WIENER.path(recorded).parent.glob(".*")), "checkpoints and temporary files are gone"


def test_the_same_run_gives_the_same_numbers(recorded):
    again = run.execute(WIENER, device="cpu")
    before = run.read(WIENER.path(recorded))
    assert again.record["metrics"] == before.record["metrics"]
    assert again.record["history"] == before.record["history"]
    other = run.execute(replace(WIENER, settings=replace(WIENER.settings, seed=5)), device="cpu")
    assert other.record["metrics"]["PSNR"] != before.record["metrics"]["PSNR"]


def test_the_recorded_psnr_is_that_of_the_kept_model(recorded):
    from blurvae.models import load_model

    vae, kernel_net, note = load_model(WIENER.path(recorded).with_suffix(".safetensors"))
    test = datasets.load("natural", "test", n=WIENER.n_test)
    x = datasets.to_float(test.tensor())
    with torch.no_grad():
        x_hat = vae(x).x_hat
    value = metrics.psnr((x + 1) / 2, (x_hat.clamp(-1, 1) + 1) / 2).double().mean().item()
    assert value == pytest.approx(run.read(WIENER.path(recorded)).record["metrics"]["PSNR"]["mean"], abs=1e-4)
    assert kernel_net is not None
    assert note["run"]["method"] == "wiener"


def test_resume_keeps_a_finished_run_and_refuses_nothing_else(recorded, monkeypatch):
    monkeypatch.setattr(run, "fit", lambda *a, **k: pytest.fail("a finished run was trained again"))
    assert run.execute(WIENER, out=recorded, resume=True).run == WIENER


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, recorded, monkeypatch):
    from blurvae import training

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def stop(state):
        if state.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.execute(WIENER, out=tmp_path, device="cpu", callback=stop)
    assert not WIENER.path(tmp_path).exists()
    assert (WIENER.path(tmp_path).parent / f".{WIENER.name}" / "checkpoint.json").exists()
    result = run.execute(WIENER, out=tmp_path, device="cpu", resume=True)
    whole = run.read(WIENER.path(recorded))
    assert result.record["metrics"] == whole.record["metrics"]
    assert result.record["history"] == whole.record["history"]


def test_a_second_process_at_the_same_run_is_refused(tmp_path):
    work = WIENER.work(tmp_path)
    with run.locked(work), pytest.raises(BlockingIOError, match=r"Another process works in .*natural-wiener"):
        run.execute(WIENER, out=tmp_path, device="cpu")
    with run.locked(work):
        pass  # free again
    with run.locked(work):
        work.rmdir()  # as the holder does at the end
        with run.locked(work):
            assert work.exists()


def test_where_nothing_can_be_locked_a_run_goes_on_and_says_so(tmp_path, monkeypatch):
    if run.fcntl is not None:

        def refuse(*_):
            raise OSError(37, "No locks available")

        with monkeypatch.context() as patch:
            patch.setattr(run.fcntl, "flock", refuse)
            with pytest.warns(UserWarning, match="No locks available"), run.locked(tmp_path):
                pass
    monkeypatch.setattr(run, "fcntl", None)
    with pytest.warns(UserWarning, match="no fcntl"), run.locked(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    from safetensors import SafetensorError

    path = tmp_path / "result.json"
    path.write_text("old")
    for error in (OSError(28, "No space left on device"), OSError("3 requested and 0 written"), SafetensorError("28")):

        def full(file, error=error):
            file.write_text("ha")
            raise error

        with pytest.raises(OSError, match=r"result\.json'$") as caught:
            run.write_atomically(path, full)
        assert caught.value.filename == str(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


def test_changes_are_typed_named_and_refused_by_name():
    changed = WIENER.with_changes({"beta": "0.5", "C": "0.1", "epochs": "3", "widths": "8-16", "epsilon": "none"})
    assert changed.settings.beta == 0.5
    assert changed.settings.epochs == 3
    assert dict(changed.constants) == {"C": 0.1, "epsilon": None}
    assert changed.widths == (8, 16)
    assert changed.name.startswith("natural-wiener,beta=0.5,C=0.1")
    ce = next(r for r in RUNS if r.method == "ce")
    assert dict(ce.with_changes({"continuous_bernoulli": "false"}).constants) == {"continuous_bernoulli": False}
    with pytest.raises(ValueError, match="'yes' is not a value for continuous_bernoulli"):
        ce.with_changes({"continuous_bernoulli": "yes"})
    with pytest.raises(ValueError, match=r"called 'bta'.*beta"):
        WIENER.with_changes({"bta": "1"})
    with pytest.raises(ValueError, match="'many' is not a value for epochs"):
        WIENER.with_changes({"epochs": "many"})
    with pytest.raises(ValueError, match=r"beta.*≥ 0"):
        WIENER.with_changes({"beta": "-1"})


def test_a_data_set_that_is_not_here_stops_before_any_work(tmp_path, monkeypatch):
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    with pytest.raises(MissingData, match="cifar10"):
        run.execute(replace(WIENER, data="cifar10"), out=tmp_path)
    assert not any(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("damage", ["", "{", '{"format": 99}', '{"format": 1, "run": {}}'])
def test_a_damaged_record_is_named(tmp_path, damage):
    path = tmp_path / "table5" / "natural-l2-smoke-s0.json"
    path.parent.mkdir()
    path.write_text(damage)
    with pytest.raises(CorruptFile, match=r"natural-l2-smoke-s0\.json"):
        results.load("table5", "smoke", "natural", tmp_path)


# Tables ---------------------------------------------------------------------------------------------------------------


def test_the_table_shows_the_mean_and_the_sd_over_seeds(recorded):
    table = results.table("table5", "smoke", "natural", recorded)
    assert list(table.index[:5]) == ["L2", "FFL", "CE", "Wiener", "Wiener-proper"]
    values = [run.read(r.path(recorded)).record["metrics"]["PSNR"]["mean"] for r in RUNS if r.method == "l2"]
    assert table.loc["L2", "PSNR"] == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    assert table.loc["L2", "seeds"] == "2"
    assert not any("paper" in column for column in table), "the paper has no numbers on these patches"
    images = results.table("table5", "smoke", "natural", recorded, over="images")
    assert images.loc["L2", "PSNR"] != table.loc["L2", "PSNR"]


def test_cells_without_a_run_say_so_and_the_paper_stands_beside_its_own_data(tmp_path):
    (tmp_path / "table5").mkdir()
    table = results.table("table5", "paper", "cifar10", tmp_path)
    assert (table["PSNR"] == "not run").all()
    assert table.loc["Wiener", "PSNR (paper)"] == "20.7"
    assert table.loc["Wiener-proper", "PSNR (paper)"] == "–"
    assert "not run" in results.caption("table5", "paper", "cifar10", tmp_path)


def test_absent_weights_are_named_in_the_cell(recorded, tmp_path):
    record = json.loads(WIENER.path(recorded).read_text())
    record["metrics"]["LPIPS-squeeze"] = {"state": "needs weights", "what": "squeezenet1_1-b8a52dc0.pth"}
    WIENER.path(tmp_path).parent.mkdir()
    WIENER.path(tmp_path).write_text(json.dumps(record))
    table = results.table("table5", "smoke", "natural", tmp_path)
    assert table.loc["Wiener", "LPIPS-squeeze"] == "needs weights (squeezenet1_1-b8a52dc0.pth)"
    assert table.loc["Wiener", "PSNR"] == f"{record['metrics']['PSNR']['mean']:.2f}"
    assert table.loc["L2", "LPIPS-squeeze"] == "not run"


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "json"])
def test_every_format_holds_every_method(recorded, form):
    text = results.render(results.table("table5", "smoke", "natural", recorded), form)
    for method in experiments.get("table5").METHODS:
        assert method.label in text
    if form == "json":
        assert json.loads(text)[0]["method"] == "L2"


def test_the_published_table_is_the_papers():
    """Spot values of Table 5, typed here a second time from the paper."""
    table = results.paper_table("table5").set_index("method")
    assert table.loc["L2", "PSNR"] == 20.43
    assert table.loc["Ours", "SSIM"] == 0.6382
    assert table.loc["CE", "FID samples"] == 0.0618


@pytest.mark.parametrize(
    "make", [figures.reconstructions, figures.samples, figures.curves, figures.radial_spectra, figures.spectra]
)
def test_figures_come_from_the_folder_that_is_given(recorded, tmp_path, make):
    assert make("table5", "smoke", "natural", recorded) is not None
    (tmp_path / "table5").mkdir()
    with pytest.raises(ValueError, match="blurvae run table5"):
        make("table5", "smoke", "natural", tmp_path)


# Recorded runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["natural", "cifar10"])
def test_the_recorded_lessons_are_whole(data):
    """What the book shows: three seeds a method, one commit, all metrics measured."""
    methods = {m.name for m in experiments.get("table5").METHODS}
    found = [r for r in results.load("table5", "lesson", data) if r.run.method in methods]
    assert {(r.run.method, r.run.settings.seed) for r in found} == {(m, s) for m in methods for s in (0, 1, 2)}
    expected = {(r.method, r.settings.seed): r for r in experiments.get("table5").runs("lesson", data, (0, 1, 2))}
    for result in found:
        assert result.run == expected[result.run.method, result.run.settings.seed], "recorded with other settings"
        assert all("state" not in entry for entry in result.record["metrics"].values()), "measured with weights"
        assert "dirty" not in result.record["provenance"]["commit"]
        assert np.isfinite([h["reconstruction"] for h in result.record["history"]]).all()
