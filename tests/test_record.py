"""A run from its record to its files, the experiment's table, and what goes wrong on the way."""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from blurvae import datasets, experiments, files, losses, metrics, paths
from blurvae.errors import CorruptFile, Diverged, MissingData, MissingWeights
from blurvae.evaluation import KS, centre, real
from blurvae.evaluation.kernels import FOLLOWED, SNAPSHOTS
from blurvae.evaluation.pieces import PICTURES, STEPS
from blurvae.experiments.recorded import load
from blurvae.models import load_model
from blurvae.pages import figures
from blurvae.record import Result, execute, execution, image_sets, needs, queue, read
from blurvae.record import files as record_files
from blurvae.record.encode import encode
from blurvae.record.files import VALUE, VALUES, half, shared_file, write
from blurvae.record.run import outcome

EXECUTE = importlib.import_module("blurvae.record.execute")  # the module, whose name the function has too
RUNS = experiments.get("table5").runs("smoke", "natural", (0, 1))
WIENER = next(r for r in RUNS if r.method == "wiener")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Every method of the experiment at tier smoke, two seeds."""
    out = tmp_path_factory.mktemp("results")
    for r in RUNS:
        execute(r, out=out, device="cpu", keep_model=r is WIENER)
    return out


def test_a_record_reads_back_as_what_was_run(recorded):
    result = read(WIENER.path(recorded))
    assert result.run == WIENER
    assert result.record["data"]["checksum"] == datasets.load("natural", "train", n=64).checksum
    assert set(result.pictures) >= {"original", "reconstruction", "sample", "kernel", "error_power"}
    assert result.pictures["original"].shape == (PICTURES, 3, 32, 32)
    np.testing.assert_array_equal(
        result.pictures["original"], datasets.load("natural", "test", n=PICTURES).images, strict=True
    )
    provenance = result.record["provenance"]
    assert provenance["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"commit", "device", "precision", "seconds", "images_per_second", "date"} <= set(provenance)
    assert not list(WIENER.path(recorded).parent.glob(".*")), "checkpoints and temporary files are gone"


def test_the_same_run_gives_the_same_numbers(recorded):
    again = execute(WIENER, device="cpu")
    before = read(WIENER.path(recorded))
    assert again.record["metrics"] == before.record["metrics"]
    assert again.record["history"] == before.record["history"]
    other = execute(replace(WIENER, budget=replace(WIENER.budget, seed=5)), device="cpu")
    assert other.record["metrics"]["PSNR"] != before.record["metrics"]["PSNR"]


def test_the_recorded_psnr_is_that_of_the_kept_model(recorded):
    vae, kernel_net, note = load_model(WIENER.path(recorded).with_suffix(".safetensors"))
    test = datasets.load("natural", "test", n=WIENER.n_test)
    x = datasets.to_float(test.tensor())
    with torch.no_grad():
        x_hat = vae(x).x_hat
    value = metrics.psnr((x + 1) / 2, (x_hat.clamp(-1, 1) + 1) / 2).double().mean().item()
    assert value == pytest.approx(read(WIENER.path(recorded)).record["metrics"]["PSNR"]["mean"], abs=1e-4)
    assert kernel_net is not None
    assert note["run"]["method"] == "wiener"


def test_resume_keeps_a_finished_run_and_refuses_nothing_else(recorded, monkeypatch):
    monkeypatch.setattr(EXECUTE, "Execution", lambda *a, **k: pytest.fail("a finished run was trained again"))
    assert execute(WIENER, out=recorded, resume=True).run == WIENER


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, recorded, monkeypatch):
    monkeypatch.setattr("blurvae.train.loop.CHECKPOINT_SECONDS", 0.0)

    def stop(state):
        if state.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(WIENER, out=tmp_path, device="cpu", callback=stop)
    assert not WIENER.path(tmp_path).exists()
    assert (WIENER.path(tmp_path).parent / f".{WIENER.name}" / "checkpoint.json").exists()
    result = execute(WIENER, out=tmp_path, device="cpu", resume=True)
    whole = read(WIENER.path(recorded))
    assert result.record["metrics"] == whole.record["metrics"]
    assert result.record["history"] == whole.record["history"]
    assert result.pictures.keys() == whole.pictures.keys()
    for key, array in whole.pictures.items():
        np.testing.assert_array_equal(result.pictures[key], array, strict=True)


def test_a_second_process_at_the_same_run_is_refused(tmp_path):
    work = WIENER.unfinished(tmp_path)
    with files.locked(work), pytest.raises(BlockingIOError, match=r"Another process works in .*natural-wiener"):
        execute(WIENER, out=tmp_path, device="cpu")
    with files.locked(work):
        pass  # free again
    with files.locked(work):
        work.rmdir()  # as the holder does at the end
        with files.locked(work):
            assert work.exists()


def test_where_nothing_can_be_locked_a_run_goes_on_and_says_so(tmp_path, monkeypatch):
    if files.fcntl is not None:

        def refuse(*_):
            raise OSError(37, "No locks available")

        with monkeypatch.context() as patch:
            patch.setattr(files.fcntl, "flock", refuse)
            with pytest.warns(UserWarning, match="No locks available"), files.locked(tmp_path):
                pass
    monkeypatch.setattr(files, "fcntl", None)
    with pytest.warns(UserWarning, match="no fcntl"), files.locked(tmp_path / "new"):
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
            files.write_atomically(path, full)
        assert caught.value.filename == str(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


def test_changes_are_typed_named_and_refused_by_name():
    changed = WIENER.with_changes({"beta": "0.5", "C": "0.1", "epochs": "3", "widths": "8-16", "epsilon": "none"})
    assert changed.system == replace(WIENER.system, beta=0.5, widths=(8, 16), term=losses.Wiener(C=0.1, epsilon=None))
    assert changed.budget == replace(WIENER.budget, epochs=3)
    assert changed.name.startswith("natural-wiener,beta=0.5,C=0.1")
    ce = next(r for r in RUNS if r.method == "ce")
    assert ce.with_changes({"continuous_bernoulli": "false"}).system.term.continuous_bernoulli is False
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
        execute(replace(WIENER, data="cifar10"), out=tmp_path)
    assert not any(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("damage", ["", "{", '{"format": 99}', '{"format": 1, "run": {}}'])
def test_a_damaged_record_is_named(tmp_path, damage):
    path = tmp_path / "bredell" / "table5" / "natural-l2-smoke-s0.json"
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    with pytest.raises(CorruptFile, match=r"natural-l2-smoke-s0\.json"):
        load("table5", "smoke", "natural", tmp_path)


def test_pictures_are_read_when_they_are_asked_for(recorded, tmp_path):
    path = WIENER.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(WIENER.path(recorded).read_bytes())
    assert read(path).pictures == {}, "none recorded"
    path.with_suffix(".npz").write_bytes(b"PK")
    result = read(path)
    assert result.run == WIENER
    with pytest.raises(CorruptFile, match=r"natural-wiener-smoke-s0\.npz is not whole"):
        _ = result.pictures


def test_images_can_be_left_out(tmp_path):
    result = execute(WIENER, out=tmp_path, device="cpu", images=False)
    with np.load(WIENER.path(tmp_path).with_suffix(".npz")) as arrays:
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
        own = {key for key in arrays if not key.startswith(VALUE)}
    assert own == {"kernel", "log_error_power", "log_spectrum_reconstruction", "log_spectrum_sample"}
    kept = read(WIENER.path(tmp_path)).pictures
    assert {"original", "data_power", "error_power"} <= kept.keys(), "the shared ones, and the power itself"
    for key in ("kernel", "error_power", "log_spectrum_sample"):
        assert kept[key].dtype == np.float32
        np.testing.assert_allclose(kept[key], result.pictures[key], rtol=0.005, atol=1e-6)


@pytest.mark.parametrize(("side", "kept"), [(128, np.float32), (256, np.float16)])
def test_spectra_of_large_images_are_kept_in_half_precision(tmp_path, side, kept):
    rng = np.random.default_rng(0)
    power = np.exp(rng.normal(0, 5, (side, side // 2 + 1))).astype(np.float32)
    arrays = {"log_spectrum_sample": np.log(power), "error_power": power, "kernel": np.ones((200, 11, 11), np.float32)}
    arrays |= {
        "reconstruction": rng.integers(0, 256, (2, 3, side, side), np.uint8),
        "data_power": power,
    }  # all share it
    record = {"data": {"n_test": 2, "checksum": "0" * 8}}
    write(Result(WIENER, record, dict(arrays)), tmp_path)
    file = WIENER.path(tmp_path).with_suffix(".npz")
    with np.load(file) as own:
        assert {own[key].dtype for key in own if "spectrum" in key or "power" in key} == {np.dtype(kept)}
        assert own["kernel"].dtype == np.float32
    again = Result(WIENER, record, file)
    for key, array in arrays.items():
        np.testing.assert_allclose(again.pictures[key], array, rtol=0.01, atol=2e-3)
        assert again.pictures[key].dtype == array.dtype


def test_held_out_images_are_the_last_training_images_and_no_run_trains_on_them():
    valid = replace(WIENER, n_train=100, n_valid=30)
    train, held_out = image_sets(valid)
    whole = datasets.load("natural", "train", size=32)
    np.testing.assert_array_equal(train.images, whole.images[:100])
    np.testing.assert_array_equal(held_out.images, whole.images[-30:])
    everything, rest = image_sets(replace(WIENER, n_train=None, n_valid=30))
    assert len(everything) + len(rest) == len(whole)
    with pytest.raises(ValueError, match=r"8000 training images, not 7999 and 30.*lower n_train or n_valid"):
        image_sets(replace(WIENER, n_train=7999, n_valid=30))
    with pytest.raises(ValueError, match="n_valid takes whole numbers of at least 0"):
        replace(WIENER, n_valid=-1)
    with pytest.raises(ValueError, match="n_bound is at most 256"):
        replace(WIENER, n_bound=257)
    result = execute(valid, device="cpu", images=False)
    assert result.record["data"]["n_test"] == 30


def test_a_term_without_its_weights_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    vgg = replace(WIENER, method="lpips-vgg", system=replace(WIENER.system, term=losses.get("lpips", net="vgg")))
    assert needs(vgg).startswith(("vgg16-", "the package"))
    assert needs(WIENER) == ""
    with pytest.raises(MissingWeights, match=r"natural-lpips-vgg-smoke-s0 cannot be trained without .*--only"):
        execute(vgg, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


# What is followed and measured -----------------------------------------------------------------------------------


def test_the_kernels_of_the_same_test_images_are_followed_through_the_training(recorded):
    from blurvae.blur import kernel_width, log_abs_det

    result = read(WIENER.path(recorded))
    vae, kernel_net, _ = load_model(WIENER.path(recorded).with_suffix(".safetensors"))
    x = datasets.to_float(datasets.load("natural", "test", n=FOLLOWED).images[: WIENER.n_test])
    with torch.no_grad():
        mu, _ = vae.encode(x)
        kernel = kernel_net(mu)
    last = result.record["history"][-1]
    assert last["test_width"] == pytest.approx(kernel_width(kernel).mean().item(), rel=1e-4)
    assert last["test_width_sd"] == pytest.approx(kernel_width(kernel).std().item(), rel=1e-3)
    assert last["test_log_det_0.5"] == pytest.approx(3 * log_abs_det(kernel, (32, 32), 0.5).mean().item(), rel=1e-4)
    assert result.record["metrics"]["kernel width"]["mean"] == pytest.approx(last["test_width"], rel=1e-4)
    pictures = result.pictures
    assert pictures["snapshot_epoch"].tolist() == [1, 2], "the last of the warm-up and the one after it, which ends it"
    assert pictures["snapshot_kernel"].shape == (2, SNAPSHOTS, 11, 11)
    np.testing.assert_allclose(pictures["snapshot_kernel"][-1], kernel[:SNAPSHOTS], rtol=1e-3)
    assert pictures["snapshot_reconstruction"].shape == (2, SNAPSHOTS, 3, 32, 32)
    gap = pictures["snapshot_reconstruction"][-1].astype(int) - pictures["reconstruction"][:SNAPSHOTS]
    assert abs(gap).max() <= 1
    plain = read(next(r for r in RUNS if r.method == "l2").path(recorded))
    assert "test_width" not in plain.record["history"][-1] and "snapshot_kernel" not in plain.pictures


def test_every_record_has_active_units_an_interpolation_and_samples_of_the_mixture(recorded):
    result = read(WIENER.path(recorded))
    metrics_of = result.record["metrics"]
    assert 0 <= metrics_of["active units"]["value"] <= WIENER.system.latent
    assert metrics_of.keys() >= {"FD-squeeze (GMM samples)", "FD-squeeze (samples)", "FD-squeeze (data)"}
    line = result.pictures["interpolation"].astype(int)
    assert line.shape == (STEPS, 3, 32, 32)
    assert abs(line[[0, -1]] - result.pictures["reconstruction"][:2]).max() <= 1, "it ends at two reconstructions"
    assert result.pictures["sample_gmm"].shape == result.pictures["sample"].shape
    assert (result.pictures["sample_gmm"] != result.pictures["sample"]).any()


def test_the_importance_weighted_bound_falls_with_its_samples_and_is_given_in_bits_too():
    (likelihood,) = (r for r in experiments.get("table6").runs("smoke", "natural", (0,)) if r.method == "l2")
    measured = execute(likelihood, device="cpu", images=False).record["metrics"]
    bounds = [measured[f"−log p bound, K = {k}"] for k in KS]
    assert bounds[0]["n"] == likelihood.n_bound
    assert bounds[0]["mean"] > bounds[1]["mean"] > bounds[2]["mean"] > 0
    d = 3 * 64 * 64
    for k, nats in zip(KS, bounds):
        bits = nats["mean"] / d / np.log(2) + np.log2(127.5)
        assert measured[f"bits/dim bound, K = {k}"]["mean"] == pytest.approx(bits)


# Figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [figures.reconstructions, figures.samples, figures.curves, figures.radial_spectra, figures.spectra]
)
def test_figures_come_from_the_folder_that_is_given(recorded, tmp_path, make):
    assert make("table5", "smoke", "natural", recorded) is not None
    with pytest.raises(ValueError, match="blurvae run table5"):
        make("table5", "smoke", "natural", tmp_path)


# Recorded runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["natural", "cifar10"])
def test_the_recorded_lessons_are_whole(data):
    """What the book shows: all seeds of the grid for each method, one commit, all metrics measured."""
    methods = {m.name for m in experiments.get("table5").METHODS}
    seeds = experiments.get("table5").GRID["lesson"][data]
    found = [r for r in load("table5", "lesson", data) if r.run.method in methods]
    assert {(r.run.method, r.run.seed) for r in found} == {(m, s) for m in methods for s in seeds}
    expected = {(r.method, r.seed): r for r in experiments.get("table5").runs("lesson", data, seeds)}
    for result in found:
        assert result.run == expected[result.run.method, result.run.seed], "recorded with other settings"
        assert all("state" not in entry for entry in result.record["metrics"].values()), "measured with weights"
        assert "dirty" not in result.record["provenance"]["commit"]
        assert np.isfinite([h["reconstruction"] for h in result.record["history"]]).all()


# Outcomes ---------------------------------------------------------------------------------------------------------


def spoil(step):
    """A callback that makes the weights NaN after a step."""

    def after(state):
        if state.step == step:
            with torch.no_grad():
                next(state.players.vae.parameters()).fill_(math.nan)

    return after


def test_a_training_that_diverges_is_a_record_and_is_not_trained_again(tmp_path, monkeypatch):
    with pytest.raises(Diverged, match=r"step 6 \(epoch 2\): reconstruction is nan"):
        execute(WIENER, out=tmp_path, device="cpu", keep_model=True, callback=spoil(5))
    result = read(WIENER.path(tmp_path))
    assert (result.run, result.outcome, result.diverged) == (WIENER, "diverged", "diverged (epoch 2)")
    assert result.record["outcome"]["why"].endswith("step 6 (epoch 2): reconstruction is nan")
    assert (result.record["metrics"], result.pictures, result.values) == ({}, {}, {})
    assert [epoch["epoch"] for epoch in result.record["history"]] == [1], "what was whole before"
    assert not WIENER.path(tmp_path).with_suffix(".safetensors").exists()
    with monkeypatch.context() as patch:
        patch.setattr(EXECUTE, "Execution", lambda *a, **k: pytest.fail("trained again"))
        with pytest.raises(Diverged, match=r"natural-wiener-smoke-s0\.json is recorded as diverged \(epoch 2\)"):
            execute(WIENER, out=tmp_path, device="cpu", resume=True)
    assert execute(WIENER, out=tmp_path, device="cpu").outcome != "diverged", "without resume it is tried again"
    assert read(WIENER.path(tmp_path)).diverged == ""


def test_without_a_folder_a_divergence_is_an_error_alone():
    with pytest.raises(Diverged):
        execute(WIENER, device="cpu", callback=spoil(2))


@pytest.mark.parametrize("outcome", [{}, {"state": "lost"}, {"state": "diverged"}, {"state": "diverged", "epoch": "2"}])
def test_a_record_says_how_the_training_came_out(recorded, tmp_path, outcome):
    record = json.loads(WIENER.path(recorded).read_text())
    path = WIENER.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record | {"outcome": outcome}))
    with pytest.raises(CorruptFile, match=r"natural-wiener-smoke-s0\.json is not a whole record of a run"):
        read(path)


def test_a_code_that_tells_nothing_is_an_outcome(recorded):
    for kl, state in ((4.9, "collapsed"), (5.1, "finished")):
        assert outcome({"KL": {"mean": kl}}) == {"state": state}
    assert outcome({"KL": {"mean": None}}) == outcome({}) == {"state": "finished"}
    record = read(WIENER.path(recorded)).record
    assert record["outcome"] == outcome(record["metrics"])


# What runs share, and how large it all is ----------------------------------------------------------------------------


def test_what_runs_share_is_written_once(recorded, tmp_path):
    (shared,) = (recorded / "shared").iterdir()
    assert shared.name == f"natural-32px-32-{datasets.load('natural', 'train', n=64).checksum[:8]}.npz"
    with np.load(shared) as arrays:
        assert set(arrays) == {"original", "log_spectrum_data", "data_power"}
        assert (arrays["original"] == datasets.load("natural", "test", n=PICTURES).images).all()
    for made in RUNS:
        with np.load(made.path(recorded).with_suffix(".npz")) as arrays:
            assert not {"original", "log_spectrum_data", "data_power"} & set(arrays)
        assert "original" in read(made.path(recorded)).pictures
    result = read(WIENER.path(recorded))
    written = shared.stat().st_mtime_ns
    write(Result(WIENER, result.record, dict(result.pictures)), recorded)
    assert shared.stat().st_mtime_ns == written
    others = [replace(WIENER, n_valid=32), replace(WIENER, data="folder:/a"), replace(WIENER, size=64)]
    fewer = result.record | {"data": result.record["data"] | {"n_test": 16}}
    named = {shared_file(run, result.record, recorded) for run in [WIENER, *others]}
    assert len(named | {shared_file(WIENER, fewer, recorded)}) == 5


def test_a_missing_shared_file_is_named(recorded, tmp_path):
    for suffix in (".json", ".npz"):
        path = WIENER.path(tmp_path).with_suffix(suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WIENER.path(recorded).with_suffix(suffix).read_bytes())
    result = read(WIENER.path(tmp_path))
    shared = shared_file(WIENER, result.record, tmp_path)
    with pytest.raises(
        CorruptFile, match=rf"{shared.name} is missing, which belongs to .*natural-wiener-smoke-s0\.npz"
    ):
        _ = result.pictures
    shared.parent.mkdir()
    shared.write_bytes(b"PK")
    with pytest.raises(CorruptFile, match=rf"{shared.name} is not whole"):
        _ = read(WIENER.path(tmp_path)).pictures


def test_the_values_of_single_images_have_the_recorded_means(recorded):
    likelihood = next(r for r in experiments.get("table6").runs("smoke", "natural", (0,)) if r.method == "wiener")
    for result in (*(read(made.path(recorded)) for made in RUNS), execute(likelihood, device="cpu")):
        means = {name: entry for name, entry in result.record["metrics"].items() if "mean" in entry}
        own = {name: entry for name, entry in means.items() if not name.startswith("bits/dim")}
        assert result.values.keys() == own.keys() >= {"PSNR", "SSIM", "KL", "PSNR (z ~ q)"}
        for name, values in result.values.items():
            assert values.dtype == np.float16 and values.shape == (means[name]["n"],)
            values = values.astype(float)
            assert values.mean() == pytest.approx(means[name]["mean"], abs=2**-11 * np.abs(values).max() + 1e-7)


def test_values_beyond_half_precision_are_kept_as_they_are():
    large = np.array([1.0, 2e5], np.float32)
    assert (half(large) == large).all() and half(large / 10).dtype == np.float16


@pytest.mark.parametrize("name", ["table5", "table2", "table6", "rate"])
def test_a_lesson_without_its_pictures_has_20_kb_at_most(name, tmp_path):
    """The recorded arrays of seed 0, with values of every metric of single images, as the queue writes seed 1."""
    rng = np.random.default_rng(0)
    for result in (r for r in load(name, "lesson", "natural") if r.run.seed == 0):
        entries = {k: e for k, e in result.record["metrics"].items() if "mean" in e and not k.startswith("bits/dim")}
        entries |= {"PSNR (z ~ q)": entries["PSNR"], "LPIPS-alex": entries["LPIPS-squeeze"]}
        values = {f"{VALUE}{k}": half(rng.normal(e["mean"], e["sd"], e["n"])) for k, e in entries.items()}
        other = replace(result.run, budget=replace(result.run.budget, seed=1))
        other.path(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        write(Result(other, result.record, result.pictures | values), tmp_path, images=False)
        assert other.path(tmp_path).with_suffix(".npz").stat().st_size <= 20_000
        other.path(tmp_path).write_text(json.dumps(result.record | {"run": encode(other)}))
        kept = read(other.path(tmp_path)).values
        assert kept.keys() == {name for name in entries if not name.endswith("fitted")}
        assert len(kept["PSNR"]) == VALUES < entries["PSNR"]["n"]


def test_the_recorded_results_stay_small():
    """Those made on a CPU, and those of tier paper, of which all 700 runs have room."""
    sizes = {file: file.stat().st_size for file in paths.results().rglob("*") if file.is_file()}
    paper = sum(size for file, size in sizes.items() if "-paper-s" in file.name)
    assert sum(sizes.values()) - paper < 110 * 2**20 and paper < 60 * 2**20
    for file in paths.results().rglob("*-s[1-9].npz"):
        assert file.stat().st_size <= 20_000, file


# Names of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "method"),
    [
        ("natural", "wiener,path=/x/w.pth"),
        ("folder:C:\\pics\\a", "l2"),
        ("folder:/data/" + "d" * 190, "l2"),
        ("folder:/" + "图" * 76, "l2"),
        ("folder:caf\udce9", "l2"),
        ("natural", "wiener," + ",".join(f"C=0.{k}" for k in range(99))),
        ('pack:a?b*c|d<e>f"g\n', "l2"),
    ],
)
def test_a_name_is_one_that_every_system_takes(data, method):
    named = replace(WIENER, data=data, method=method)
    # .NAME.safetensors.PID.tmp is the longest that is ever written; encrypted home folders allow 143 bytes
    assert len(f".{named.name}.safetensors.4194304.tmp".encode()) <= 143
    assert set(named.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,.+")
    other = replace(named, data=data + "x", method=method + "x")
    assert named.name != other.name


def test_folders_of_one_spelling_have_records_of_their_own():
    names = {
        replace(WIENER, data=data).name for data in ("folder:/a/b_c", "folder:/a_b/c", "folder:/a/b/c", "folder:/A/b_c")
    }
    assert len({name.lower() for name in names}) == 4


def test_the_recorded_names_are_what_they_were():
    named = replace(WIENER, data="power-law:2.8", method="l2,beta=0.5,widths=16-32")
    assert named.name == "power-law_2.8-l2,beta=0.5,widths=16-32-smoke-s0"
    found = [file for name in experiments.EXPERIMENTS for file in (paths.results() / name).glob("*.json")]
    assert len(found) > 400
    for path in found:
        assert read(path).run.path(paths.results()) == path


def test_a_run_whose_constant_is_a_path_is_written(tmp_path):
    def plane(part):
        zeros = {part + "t_tild": torch.zeros(8, 5), part + "w_phase_tild": torch.zeros(8, 5)}
        numbers = {"alpha": 0.6, "beta": 2.0, "w_tild": 0.0}
        return zeros | {part + name: torch.tensor(value) for name, value in numbers.items()}

    torch.save(plane("ly.") | plane("lcb.") | plane("lcr.") | {"w_tild": torch.zeros(3)}, tmp_path / "w.pth")
    plain = replace(
        WIENER, method="watson", n_train=16, n_test=4, budget=replace(WIENER.budget, epochs=1, batch_size=8)
    )
    plain = replace(plain, system=replace(WIENER.system, term=losses.get("watson-dft")))
    made = plain.with_changes({"path": str(tmp_path / "w.pth")})
    execute(made, out=tmp_path / "out", device="cpu")
    assert read(made.path(tmp_path / "out")).run == made


def test_nothing_stays_of_a_run_that_was_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "Training", lambda *a, **k: (_ for _ in ()).throw(ValueError("no compiler")))
    with pytest.raises(ValueError, match="no compiler"):
        execute(WIENER, out=tmp_path, device="cpu")
    assert not list((tmp_path / "bredell" / "table5").iterdir())


def test_what_is_measured_of_padded_images_is_their_own_part(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 28, 28), np.uint8)
    datasets.write_pack(
        tmp_path / "fashion", images, name="fashion", source="a test", licence="CC0",
        split={"train": (0, 8), "test": (8, 12)}, pad=0,
    )  # fmt: skip
    test = datasets.load(f"pack:{tmp_path / 'fashion'}", "test", size=32)
    assert (centre(real(test), test) == real(replace(test, images=images[8:], inner=None))).all()
    made = replace(WIENER, data=f"pack:{tmp_path / 'fashion'}", n_train=None, n_test=None)
    made = replace(made, budget=replace(made.budget, epochs=1, batch_size=4))
    assert queue.state(made, tmp_path) == "not run" and queue.cost(made) > 0, "its channels are not known unread"
    result = execute(made, out=tmp_path / "out", device="cpu", keep_model=True)
    assert result.pictures["original"].shape == (4, 1, 32, 32)
    vae, _, _ = load_model(made.path(tmp_path / "out").with_suffix(".safetensors"))
    assert vae.image_shape[0] == 1


def test_a_record_is_read_once_as_long_as_its_file_is_the_same(recorded, tmp_path, monkeypatch):
    result, times = read(WIENER.path(recorded)), []
    write(result, tmp_path)
    file = WIENER.path(tmp_path)
    monkeypatch.setattr(record_files, "read", lambda path: times.append(path) or read(path))
    first, second = record_files.read_once(file), record_files.read_once(file)
    assert len(times) == 1 and first == second == result and first.pictures.keys() == result.pictures.keys()
    assert "pictures" not in vars(record_files.read_once(file)), "what one reader unpacked is not kept for all"
    record = json.loads(file.read_text()) | {"outcome": {"state": "diverged", "epoch": 1}}
    files.write_json(file, record)
    assert record_files.read_once(file).diverged and len(times) == 2
    file.write_text("{")
    with pytest.raises(CorruptFile, match="is not a whole record"):
        record_files.read_once(file)
    with pytest.raises(CorruptFile, match="is not a whole record"):
        record_files.read_once(tmp_path / "absent.json")
