"""Tables of recorded runs: paper beside measured, what is shared, what is missing, where β comes from."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from dataclasses import replace

import made_up
import numpy as np
import pytest

from blurvae import experiments, paths
from blurvae.errors import CorruptFile, Diverged
from blurvae.evaluation.fitted import COVARIANCES
from blurvae.experiments import intervals, recorded
from blurvae.pages import likelihoods, runs, tables
from blurvae.record import read
from blurvae.text import to_json

RUNS = experiments.get("table5").runs("smoke", "natural", (0, 1))
WIENER = next(r for r in RUNS if r.method == "wiener")
METRICS = ("PSNR", "SSIM", "LPIPS-squeeze", "FD-squeeze (recon)", "FD-squeeze (samples)", "KL")


def write(out, made, **values):
    """A record of a run as `execute` writes it, with made-up numbers."""
    made_up.write(out, made, {name: {"mean": 1.0 + made.seed, "sd": 0.5, "n": 32} for name in METRICS} | values)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Every method of Table 5 at tier smoke, two seeds."""
    out = tmp_path_factory.mktemp("results")
    for i, made in enumerate(RUNS):
        write(out, made, PSNR={"mean": 20.0 + i, "sd": 2.0, "n": 32})
    return out


# Tables ----------------------------------------------------------------------------------------------------------


def test_the_table_shows_the_mean_and_the_sd_over_seeds(finished):
    table = tables.table("table5", "smoke", "natural", finished)
    assert list(table.index[:5]) == ["L2", "FFL", "CE", "Wiener", "Wiener-proper"]
    values = [read(r.path(finished)).record["metrics"]["PSNR"]["mean"] for r in RUNS if r.method == "l2"]
    assert table.loc["L2", "PSNR"] == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    assert table.loc["L2", "seeds"] == "2"
    assert not any("paper" in column for column in table), "the paper has no numbers on these patches"
    images = tables.table("table5", "smoke", "natural", finished, over="images")
    assert images.loc["L2", "PSNR"] != table.loc["L2", "PSNR"]


def test_the_caption_names_the_methods_whose_codes_tell_nothing(tmp_path):
    kl = {"l2": (4.0, 5.5), "wiener": (4.9, 5.5), "ce": (30.0, 1.0)}  # means of 4.75, 5.2 and 15.5 nats
    for made in RUNS:
        if made.method in kl:
            write(tmp_path, made, KL={"mean": kl[made.method][made.seed], "sd": 1.0, "n": 32})
    caption = tables.caption("table5", "smoke", "natural", tmp_path)
    assert caption.endswith("\nCollapsed, with a code of less than 5 nats: L2."), "neither Wiener nor CE in the mean"


def test_cells_without_a_run_say_so_and_the_paper_stands_beside_its_own_data(tmp_path):
    table = tables.table("table5", "paper", "cifar10", tmp_path)
    assert (table["PSNR"] == "not run").all()
    assert table.loc["Wiener", "PSNR (paper)"] == "20.7"
    assert table.loc["Wiener-proper", "PSNR (paper)"] == "–"
    assert "not run" in tables.caption("table5", "paper", "cifar10", tmp_path)


def test_absent_weights_are_named_in_the_cell(finished, tmp_path):
    record = json.loads(WIENER.path(finished).read_text())
    record["metrics"]["LPIPS-squeeze"] = {"state": "needs weights", "what": "squeezenet1_1-b8a52dc0.pth"}
    WIENER.path(tmp_path).parent.mkdir(parents=True)
    WIENER.path(tmp_path).write_text(json.dumps(record))
    table = tables.table("table5", "smoke", "natural", tmp_path)
    assert table.loc["Wiener", "LPIPS-squeeze"] == "needs weights (squeezenet1_1-b8a52dc0.pth)"
    assert table.loc["Wiener", "PSNR"] == f"{record['metrics']['PSNR']['mean']:.2f}"
    assert table.loc["L2", "LPIPS-squeeze"] == "not run"


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "json"])
def test_every_format_holds_every_method(finished, form):
    text = tables.render(tables.table("table5", "smoke", "natural", finished), form)
    for method in experiments.get("table5").METHODS:
        assert method.label in text
    if form == "json":
        assert json.loads(text)[0]["method"] == "L2"


def test_the_published_table_is_the_papers():
    """Spot values of Table 5, typed here a second time from the paper."""
    table = recorded.paper_table("table5").set_index("method")
    assert table.loc["L2", "PSNR"] == 20.43
    assert table.loc["Ours", "SSIM"] == 0.6382
    assert table.loc["CE", "FID samples"] == 0.0618


SPOT = [  # one cell a row of the paper, typed here a second time
    ("table1", "celeba", "K(N(0,2), ε) fixed", "PSNR", 22.37),
    ("table1", "celeba", "K(N(0,4), ε) fixed", "LPIPS", 0.1097),
    ("table1", "celeba", "K(G(z), ε small)", "FID samples", 0.214),
    ("table1", "celeba", "K(G(z), ε large)", "FID recon", 0.0364),
    ("table1", "celeba", "C = 0.005", "FID recon", 0.0340),
    ("table1", "celeba", "C = 0.1", "SSIM", 0.7127),
    ("table2", "celeba", "SSIM", "SSIM", 0.7248),
    ("table2", "celeba", "VGG", "LPIPS sd", 0.040),
    ("table2", "celeba", "Watson", "PSNR", 19.22),
    ("table2", "celeba-hq", "CE", "PSNR", 20.54),
    ("table2", "celeba-hq", "Ours", "FID samples", 0.0938),
    ("table2", "celeba-hq", "Watson", "PSNR sd", 4.6),
    ("table3", "hcp", "SSIM", "SSIM", 0.5922),
    ("table3", "hcp", "Ours", "PSNR", 19.54),
    ("table4", "celeba", "FFL", "FID samples", 0.0772),
    ("table4", "celeba", "VGG", "FID recon", 0.0192),
    ("table6", "celeba", "L2", "FID samples", 0.066),
    ("table6", "celeba", "Ours", "SSIM", 0.730),
    ("table6", "celeba", "Ours", "−log p", -3062),
]


@pytest.mark.parametrize(("name", "data", "method", "column", "value"), SPOT)
def test_published_cells(name, data, method, column, value):
    table = recorded.paper_table(name).set_index(["data", "method"])
    assert table.loc[(data, method), column] == value


def test_table_6_prints_metrics_of_table_2_and_its_rows_are_the_same_methods():
    """So its ε = 0.5 is that of the printed −log p alone, not that of a training."""
    printed = (recorded.paper_table(name).query("data == 'celeba'") for name in ("table2", "table6"))
    two, six = (table.set_index("method") for table in printed)
    shared = [column for column in six if column in two and column != "data"]
    assert shared == ["SSIM", "SSIM sd", "FID recon", "FID samples"]
    for row in six.index:
        assert [round(two.loc[row, column], 3) for column in shared] == list(six.loc[row, shared])
        trained = [m for name in ("table2", "table6") for m in experiments.get(name).METHODS if m.paper == row]
        assert len(trained) == 2 and trained[0].system.term == trained[1].system.term


def test_other_data_stand_beside_the_paper_under_a_heading_that_names_its_data(tmp_path):
    table = tables.table("table2_256", "smoke", "natural", tmp_path, paper=True)
    assert table.loc["Wiener", "PSNR (paper, celeba-hq)"] == "20.17", "not the row of CelebA at 64×64 px"
    assert table.loc["Wiener-proper", "SSIM (paper, celeba-hq)"] == "–"
    assert not any("paper" in column for column in tables.table("table2_256", "smoke", "natural", tmp_path))
    assert not any("paper" in column for column in tables.table("rate", "smoke", "natural", tmp_path, paper=True))
    table6 = tables.table("table6", "smoke", "natural", tmp_path, paper=True)
    assert table6.loc["L2", "−log p (paper, celeba)"] == "632"
    assert table6.loc["Wiener, ε large", "−log p (paper, celeba)"] == "-3062"
    assert table6.loc["Wiener, ε large", "SSIM (paper, celeba)"] == "0.73"
    assert table6.loc["Wiener, ε = 0.5", "SSIM (paper, celeba)"] == "–", "ours"


@pytest.mark.parametrize("columns, ours", [((), "LPIPS-alex"), (("PSNR", "LPIPS-squeeze"), "LPIPS-squeeze")])
def test_the_lpips_of_the_paper_stands_beside_that_of_alexnet_where_it_is_shown(columns, ours):
    """The default network of its authors' package; no training here has seen it."""
    shown = list(tables.table("table2", "lesson", "faces64", columns=columns, paper=True))
    assert [column for column in shown if "LPIPS (paper" in column] == ["LPIPS (paper, celeba)"]
    assert shown[shown.index("LPIPS (paper, celeba)") + 1] == ours


def test_a_shared_run_is_read_from_its_own_experiment_and_counted_once(tmp_path):
    own = experiments.get("table1").runs("smoke", "natural", (0, 1))
    for made in own:
        write(tmp_path, made)
    write(tmp_path, next(r for r in experiments.get("table2").runs("smoke", "natural", (0,)) if r.method == "l2"))
    found = recorded.load("table1", "smoke", "natural", tmp_path)
    assert {(r.run.method, r.run.seed) for r in found} == {(r.method, r.seed) for r in own}
    assert len(found) == len(own)
    table = tables.table("table1", "smoke", "natural", tmp_path)
    assert set(table["seeds"]) == {"2"}
    assert table.loc["ε large, C = 0.025", "PSNR"] == "1.50 ± 0.71"
    assert [r.run.method for r in recorded.load("figure2", "smoke", "natural", tmp_path)] == ["wiener", "wiener"]
    assert {r.run.method for r in recorded.load("table3", "smoke", "natural", tmp_path)} == {"wiener", "l2"}


def test_beta_is_shown_where_a_search_chose_it_and_the_caption_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    before = tables.table("table2", "lesson", "natural", tmp_path.parent)
    assert before.loc["L2", "β"] == "1" and before.loc["FFL", "β"] == "0.2"
    path = experiments.search_path("table2", "natural", "lesson", tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"chosen": {"l2": 0.3, "wiener": 3}}))
    chosen = {r.method: r.beta for r in experiments.get("table2").runs("lesson", "natural", (0,))}
    assert (chosen["l2"], chosen["wiener"], chosen["ffl"]) == (0.3, 3.0, 0.2)
    assert {r.beta for r in experiments.get("table1").runs("lesson", "natural", (0,))} == {3.0}
    assert {r.beta for r in experiments.get("table2").runs("smoke", "natural", (0,))} == {1.0, 0.2}
    for made in experiments.get("table2").runs("lesson", "natural", (0,)):
        if made.method in ("l2", "wiener"):
            write(tmp_path, made)
    table = tables.table("table2", "lesson", "natural", tmp_path)
    assert (table.loc["L2", "β"], table.loc["Wiener", "β"], table.loc["FFL", "β"]) == ("0.3", "3", "0.2")
    caption = tables.caption("table2", "lesson", "natural", tmp_path)
    assert "(tune/table2-natural-lesson.json), but for L1, SSIM, CE, FFL, Wiener-proper, Watson (1993), " in caption
    assert "the paper's row VGG" in caption.replace("The", "the")
    write(tmp_path, experiments.get("table1").runs("lesson", "natural", (0,))[1])  # all its rows have Wiener's β
    assert "but for" not in tables.caption("table1", "lesson", "natural", tmp_path)
    path.write_text("{")
    with pytest.raises(CorruptFile, match=r"table2-natural-lesson\.json is not a whole record"):
        experiments.get("table2").runs("lesson", "natural", (0,))


def test_a_method_whose_weights_are_absent_says_so_in_every_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "needs", lambda made: "vgg16.pth" if made.method == "lpips-vgg" else "")
    table = tables.table("table4", "smoke", "natural", tmp_path)
    assert table.loc["LPIPS-VGG", "PSNR"] == "needs weights (vgg16.pth)"
    assert table.loc["L2", "PSNR"] == "not run"


def test_a_metric_that_older_records_lack_is_a_dash(tmp_path):
    for i, made in enumerate(experiments.get("table4").runs("smoke", "natural", (0,))[:2]):
        write(tmp_path, made, **({"active units": {"value": 7}} if i else {}))
    table = tables.table("table4", "smoke", "natural", tmp_path)
    assert table["active units"].tolist()[:3] == ["–", "7", "not run"]


def test_a_training_that_diverged_says_so_in_every_cell(finished, tmp_path):
    folder = tmp_path / "r"
    shutil.copytree(finished, folder)
    made_up.write_diverged(folder, next(r for r in RUNS if r.method == "l2" and r.seed == 1), 3)
    table = tables.table("table5", "smoke", "natural", folder)
    cells = table.loc["L2", [c for c in table if c != "seeds"]]
    assert set(cells) == {"diverged (epoch 3)"} and table.loc["L2", "seeds"] == "2"
    assert "diverged" not in " ".join(table.drop("L2").to_numpy().ravel())
    for form in ("text", "markdown", "csv", "json"):
        assert "diverged (epoch 3)" in tables.render(table, form)
    frame = recorded.frame("table5", "smoke", "natural", folder)
    (row,) = frame[frame.state == "diverged (epoch 3)"].itertuples()
    assert (row.method, row.seed, row.metric, math.isnan(row.value)) == ("l2", 1, "", True)
    assert "seeds 0, 1" in tables.caption("table5", "smoke", "natural", folder)
    gaps = tables.compare("table5", "smoke", "natural", "wiener", ("l2", "ffl"), ("PSNR",), folder)
    assert "(" not in gaps.loc["PSNR", "L2"], "one seed has both, which has no interval"
    values = recorded.by_seed("table5", "smoke", "natural", folder)["PSNR"]
    gap = intervals.student(values["wiener"][seed] - values["ffl"][seed] for seed in (0, 1))
    assert gaps.loc["PSNR", "FFL"] == f"{gap:+.2f}" == "+4.00 (+4.00 to +4.00)"
    made_up.write_diverged(folder, next(r for r in RUNS if r.method == "l2" and r.seed == 0))
    gaps = tables.compare("table5", "smoke", "natural", "wiener", ("l2", "none"), ("PSNR",), folder)
    assert gaps.loc["PSNR"].tolist() == ["diverged (epoch 1)", "not run"]


def test_a_chapter_shows_a_training_that_diverges_as_one(tmp_path, monkeypatch):
    def execute(run, **_):
        if run.method == "l2":
            raise Diverged("at step 3")
        made.append(run.method)

    made = []
    monkeypatch.setattr(runs, "execute", execute)
    runs.ensure("table5", "paper", "cifar10", 0, str(tmp_path), "l2 ffl")
    assert made == ["ffl"]


def test_labels_of_runs_with_another_beta():
    assert recorded.label("rate", "l2,beta=0.05") == "L2, β = 0.05"
    assert recorded.label("table5", "l2,beta=0.4") == "L2, β = 0.4"
    assert recorded.label("table5", "l2,beta=0.7") == "L2, beta=0.7"
    assert recorded.label("rate", "wiener") == "Wiener" and recorded.label("rate", "l2,beta=2") == "L2, β = 2"


def test_the_bounds_show_every_weighted_arm_and_fitted_covariances_as_recorded():
    shown = likelihoods.bounds("table5", "lesson", "natural")
    proper = ["Wiener-proper", "L2, β = 0.4", "Wiener-proper (a)", "Wiener-proper (c)"]
    assert list(shown.index) == ["L2", "Wiener", *proper]
    for name in COVARIANCES:
        if "colours" not in name:
            by_seed = recorded.by_seed("table5", "lesson", "natural")[name]
            for method, row in (("l2", "L2"), ("wiener", "Wiener")):
                assert len(by_seed[method]) == 5
                assert shown.loc[row, name] == f"{np.mean(list(by_seed[method].values())):.0f}"


def test_the_bounds_need_one_run_of_squared_error(tmp_path):
    write(tmp_path, replace(WIENER, tier="smoke"))
    with pytest.raises(ValueError, match=r"recorded: make it with `blurvae run table5 .*--out"):
        likelihoods.bounds("table5", "smoke", "natural", tmp_path)


def test_a_chapter_may_ask_for_some_rows_only(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(runs, "execute", lambda run, **_: made.append(run.method))
    assert runs.ensure("table5", "paper", "cifar10", 0, str(tmp_path), "l2 l2,beta=0.4") == ("paper", tmp_path)
    assert made == ["l2", "l2,beta=0.4"]
    with pytest.raises(ValueError, match="no method 'l3': choose of l2, ffl"):
        runs.ensure("table5", "paper", "cifar10", 0, str(tmp_path), "l3")


# A stranger's folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", ["{} (1)", "{} (conflicted copy)", "Copy of {}", "{}-s7", "._{}", ".{}"])
def test_a_copy_of_a_record_does_not_count(copy, finished, tmp_path):
    folder = tmp_path / "r"
    shutil.copytree(finished, folder)
    before = tables.table("table5", "smoke", "natural", folder)
    original = RUNS[0].path(folder)
    made = original.with_name(copy.format(original.stem) + ".json")
    made.write_bytes(b"\0\5\26\7" if copy.startswith(".") else original.read_bytes())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert tables.table("table5", "smoke", "natural", folder).equals(before)
        tables.compare("table5", "smoke", "natural", "wiener", ("l2",), ("PSNR",), folder)
    said = [str(one.message) for one in caught if "is passed over" in str(one.message)]
    assert bool(said) != copy.startswith(".") and all(made.name in text and "Rename it" in text for text in said)


def test_a_number_that_is_not_finite_is_null_in_the_record_and_said_in_the_table(tmp_path):
    for made in RUNS:
        write(tmp_path, made)
    path = RUNS[0].path(tmp_path)
    record = json.loads(path.read_text())
    record["metrics"]["PSNR"] = {"mean": math.inf, "sd": math.nan, "n": 32}
    path.write_text(to_json(record))
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["metrics"]["PSNR"] == {
        "mean": None,
        "sd": None,
        "n": 32,
    }
    table = tables.table("table5", "smoke", "natural", tmp_path)
    assert table.loc[recorded.label("table5", RUNS[0].method), "PSNR"] == "not finite"
    assert "not finite" in tables.render(table, "json")
