"""A run from its record to its files, the experiment's table, and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from blurvae import datasets, experiments, metrics, paths, run
from blurvae.errors import CorruptFile, MissingData, MissingWeights
from blurvae.experiments.recorded import load
from blurvae.pages import figures

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
    assert result.pictures.keys() == whole.pictures.keys()
    for key, array in whole.pictures.items():
        np.testing.assert_array_equal(result.pictures[key], array, strict=True)


def test_a_second_process_at_the_same_run_is_refused(tmp_path):
    work = WIENER.unfinished(tmp_path)
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
        load("table5", "smoke", "natural", tmp_path)


def test_pictures_are_read_when_they_are_asked_for(recorded, tmp_path):
    path = WIENER.path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(WIENER.path(recorded).read_bytes())
    assert run.read(path).pictures == {}, "none recorded"
    path.with_suffix(".npz").write_bytes(b"PK")
    result = run.read(path)
    assert result.run == WIENER
    with pytest.raises(CorruptFile, match=r"natural-wiener-smoke-s0\.npz is not whole"):
        _ = result.pictures


def test_images_can_be_left_out(tmp_path):
    result = run.execute(WIENER, out=tmp_path, device="cpu", images=False)
    kept = run.read(WIENER.path(tmp_path)).pictures
    assert kept.keys() == result.pictures.keys()
    assert {"kernel", "error_power", "snapshot_kernel", "log_spectrum_sample"} <= kept.keys()
    assert not any(array.dtype == np.uint8 for array in kept.values())


def test_held_out_images_are_the_last_training_images_and_no_run_trains_on_them():
    valid = replace(WIENER, n_train=100, n_valid=30)
    train, held_out = run.image_sets(valid)
    whole = datasets.load("natural", "train", size=32)
    np.testing.assert_array_equal(train.images, whole.images[:100])
    np.testing.assert_array_equal(held_out.images, whole.images[-30:])
    everything, rest = run.image_sets(replace(WIENER, n_train=None, n_valid=30))
    assert len(everything) + len(rest) == len(whole)
    with pytest.raises(ValueError, match=r"8000 training images, not 7999 and 30.*lower n_train or n_valid"):
        run.image_sets(replace(WIENER, n_train=7999, n_valid=30))
    with pytest.raises(ValueError, match="n_valid takes whole numbers of at least 0"):
        replace(WIENER, n_valid=-1)
    with pytest.raises(ValueError, match="n_bound is at most 256"):
        replace(WIENER, n_bound=257)
    result = run.execute(valid, device="cpu", images=False)
    assert result.record["data"]["n_test"] == 30


def test_a_term_without_its_weights_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    vgg = replace(WIENER, method="lpips-vgg", term="lpips", constants=(("net", "vgg"),))
    assert run.needs(vgg).startswith(("vgg16-", "the package"))
    assert run.needs(WIENER) == ""
    with pytest.raises(MissingWeights, match=r"natural-lpips-vgg-smoke-s0 cannot be trained without .*--only"):
        run.execute(vgg, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


# What is followed and measured -----------------------------------------------------------------------------------


def test_the_kernels_of_the_same_test_images_are_followed_through_the_training(recorded):
    from blurvae.blur import kernel_width, log_abs_det
    from blurvae.models import load_model

    result = run.read(WIENER.path(recorded))
    vae, kernel_net, _ = load_model(WIENER.path(recorded).with_suffix(".safetensors"))
    x = datasets.to_float(datasets.load("natural", "test", n=run.FOLLOWED).images[: WIENER.n_test])
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
    assert pictures["snapshot_kernel"].shape == (2, run.SNAPSHOTS, 11, 11)
    np.testing.assert_allclose(pictures["snapshot_kernel"][-1], kernel[: run.SNAPSHOTS], rtol=1e-3)
    assert pictures["snapshot_reconstruction"].shape == (2, run.SNAPSHOTS, 3, 32, 32)
    gap = pictures["snapshot_reconstruction"][-1].astype(int) - pictures["reconstruction"][: run.SNAPSHOTS]
    assert abs(gap).max() <= 1
    plain = run.read(next(r for r in RUNS if r.method == "l2").path(recorded))
    assert "test_width" not in plain.record["history"][-1] and "snapshot_kernel" not in plain.pictures


def test_every_record_has_active_units_an_interpolation_and_samples_of_the_mixture(recorded):
    result = run.read(WIENER.path(recorded))
    metrics_of = result.record["metrics"]
    assert 0 <= metrics_of["active units"]["value"] <= WIENER.latent
    assert metrics_of.keys() >= {"FD-squeeze (GMM samples)", "FD-squeeze (samples)", "FD-squeeze (data)"}
    line = result.pictures["interpolation"].astype(int)
    assert line.shape == (run.STEPS, 3, 32, 32)
    assert abs(line[[0, -1]] - result.pictures["reconstruction"][:2]).max() <= 1, "it ends at two reconstructions"
    assert result.pictures["sample_gmm"].shape == result.pictures["sample"].shape
    assert (result.pictures["sample_gmm"] != result.pictures["sample"]).any()


def test_the_importance_weighted_bound_falls_with_its_samples_and_is_given_in_bits_too():
    (likelihood,) = (r for r in experiments.get("table6").runs("smoke", "natural", (0,)) if r.method == "l2")
    measured = run.execute(likelihood, device="cpu", images=False).record["metrics"]
    bounds = [measured[f"−log p bound, K = {k}"] for k in run.KS]
    assert bounds[0]["n"] == likelihood.n_bound
    assert bounds[0]["mean"] > bounds[1]["mean"] > bounds[2]["mean"] > 0
    d = 3 * 64 * 64
    for k, nats in zip(run.KS, bounds):
        bits = nats["mean"] / d / np.log(2) + np.log2(127.5)
        assert measured[f"bits/dim bound, K = {k}"]["mean"] == pytest.approx(bits)


# Figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [figures.reconstructions, figures.samples, figures.curves, figures.radial_spectra, figures.spectra]
)
def test_figures_come_from_the_folder_that_is_given(recorded, tmp_path, make):
    assert make("table5", "smoke", "natural", recorded) is not None
    (tmp_path / "table5").mkdir()
    with pytest.raises(ValueError, match="blurvae run table5"):
        make("table5", "smoke", "natural", tmp_path)


# Recorded runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["natural", "cifar10"])
def test_the_recorded_lessons_are_whole(data):
    """What the book shows: three seeds a method, one commit, all metrics measured."""
    methods = {m.name for m in experiments.get("table5").METHODS}
    found = [r for r in load("table5", "lesson", data) if r.run.method in methods]
    assert {(r.run.method, r.run.settings.seed) for r in found} == {(m, s) for m in methods for s in (0, 1, 2)}
    expected = {(r.method, r.settings.seed): r for r in experiments.get("table5").runs("lesson", data, (0, 1, 2))}
    for result in found:
        assert result.run == expected[result.run.method, result.run.settings.seed], "recorded with other settings"
        assert all("state" not in entry for entry in result.record["metrics"].values()), "measured with weights"
        assert "dirty" not in result.record["provenance"]["commit"]
        assert np.isfinite([h["reconstruction"] for h in result.record["history"]]).all()


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
    for path in paths.results().glob("*/*-s[0-9].json"):
        assert run.read(path).run.path(path.parent.parent) == path


def test_a_run_whose_constant_is_a_path_is_written(tmp_path):
    def plane(part):
        zeros = {part + "t_tild": torch.zeros(8, 5), part + "w_phase_tild": torch.zeros(8, 5)}
        numbers = {"alpha": 0.6, "beta": 2.0, "w_tild": 0.0}
        return zeros | {part + name: torch.tensor(value) for name, value in numbers.items()}

    torch.save(plane("ly.") | plane("lcb.") | plane("lcr.") | {"w_tild": torch.zeros(3)}, tmp_path / "w.pth")
    plain = replace(WIENER, method="watson", term="watson-dft", constants=(), n_train=16, n_test=4)
    plain = replace(plain, settings=replace(plain.settings, epochs=1, batch_size=8))
    made = plain.with_changes({"path": str(tmp_path / "w.pth")})
    run.execute(made, out=tmp_path / "out", device="cpu")
    assert run.read(made.path(tmp_path / "out")).run == made


def test_nothing_stays_of_a_run_that_was_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "_measure", lambda *a, **k: (_ for _ in ()).throw(ValueError("no compiler")))
    with pytest.raises(ValueError, match="no compiler"):
        run.execute(WIENER, out=tmp_path, device="cpu")
    assert not list((tmp_path / "table5").iterdir())


def test_what_is_measured_of_padded_images_is_their_own_part(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 28, 28), np.uint8)
    datasets.write_pack(
        tmp_path / "fashion", images, name="fashion", source="a test", licence="CC0",
        split={"train": (0, 8), "test": (8, 12)}, pad=0,
    )  # fmt: skip
    test = datasets.load(f"pack:{tmp_path / 'fashion'}", "test", size=32)
    assert (run.centre(run._real(test), test) == run._real(replace(test, images=images[8:], inner=None))).all()
    made = replace(WIENER, data=f"pack:{tmp_path / 'fashion'}", n_train=None, n_test=None)
    made = replace(made, settings=replace(made.settings, epochs=1, batch_size=4))
    result = run.execute(made, device="cpu")
    assert result.pictures["original"].shape == (4, 1, 32, 32)
