"""The figures of the experiments: each can be drawn from runs, shows what was recorded, looks the same everywhere."""

from __future__ import annotations

import made_up
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from blurvae import experiments
from blurvae.experiments import intervals, recorded
from blurvae.pages import figures
from blurvae.pages.plotting import Grid
from blurvae.pages.runs import by_method
from blurvae.record import execute

MADE = {
    "table5": ("l2", "wiener"),
    "table2": ("l2", "wiener", "watson"),
    "table1": ("fixed-2", "eps-0.01"),
    "table2_256": ("l2",),
    "table4": ("l2", "wiener"),
    "rate": ("l2,beta=0.05", "l2,beta=5", "wiener,beta=0.05", "wiener,beta=5"),
    "sharpness/variants": ("naive", "b"),
    "sharpness/vae_gan": ("vae-gan",),
    "rae/table2": ("vae", "ae"),
    "rae/terms": ("vae-l2", "vae-ffl", "rae-l2", "rae-ffl"),
    "rae/figure1": ("vae,beta=0.01", "vae,beta=10"),
    "rae/figure2": ("k-1", "k-8"),
    "rae/components": ("ae",),
    "dalal/table1": ("l2", "stft-ssim"),
    "dalal/choices": ("window-16-4", "scale-1"),
    "dalal/rate": ("stft-ssim,beta=0.03", "stft-ssim,beta=1"),
    "enhancenet/figure2": ("e", "ea"),
    "enhancenet/table3": ("e", "ea"),
    "frvsr/motion": ("sisr", "frvsr-given"),
    "frvsr/davis": ("frvsr",),
    "frvsr/blur": ("sisr-sigma-1",),
}
SMALL = ("sharpness/variants", "dalal/table1", "dalal/choices")  # 28×28 px, in which natural does not come
DATA = dict.fromkeys(SMALL, "dead-leaves")
DATA["enhancenet/figure2"] = "bars"  # its only ones
DATA["frvsr/motion"] = DATA["frvsr/blur"] = "moving-flow"  # clips
DATA["frvsr/davis"] = "moving"


@pytest.fixture(autouse=True)
def closed_figures():
    with matplotlib.rc_context():
        yield
    plt.close("all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few runs of every experiment, at tier smoke; figure2 and table3 show those of table2."""
    out = tmp_path_factory.mktemp("results")
    for experiment, methods in MADE.items():
        for run in experiments.get(experiment).runs("smoke", DATA.get(experiment, "natural"), (0,)):
            if run.method in methods:
                execute(run, out=out, device="cpu")
    return out


@pytest.mark.parametrize(("experiment", "make"), [(e, m) for e, makers in figures.SHOWN.items() for m in makers])
def test_every_figure_can_be_drawn(folder, experiment, make):
    made = make(experiment, "smoke", DATA.get(experiment, "natural"), folder)
    if isinstance(made, Grid):
        assert made.labels and made.pixels.any()
    else:
        assert isinstance(made, Figure)
        # Without the network of the features some panels have nothing to draw, and say so.
        assert all(ax.lines or ax.images or "not measured" in ax.texts[0].get_text() for ax in made.axes)


def test_every_recorded_experiment_has_figures_by_name():
    for name in figures.SHOWN:
        assert any(figure.startswith(f"{name.replace('/', '-')}-") for figure in figures.FIGURES)
    shown = {experiments.resolve(name) for name in figures.SHOWN}
    main = {name for name in experiments.EXPERIMENTS if name.startswith("bredell/")}
    main = {name for name in main if "lesson" in experiments.get(name).GRID}
    without = {"bredell/table6", "bredell/arms", "bredell/rate64"}
    assert main - shown == without, "a table of likelihoods, and two without a record"
    assert all(name == name.lower() and "_radial" not in name for name in figures.FIGURES)


@pytest.mark.parametrize("experiment", [e for e in figures.SHOWN if not e.endswith("rate")])
def test_no_two_methods_look_alike_and_one_looks_the_same_everywhere(experiment):
    known = figures.looks(experiment)
    assert len({str(look) for look in known.values()}) == len(known)
    for m in experiments.get(experiment).METHODS:
        if m.name in figures.LOOKS:
            assert known[m.label] == figures.LOOKS[m.name]


def test_reconstructions_show_the_recorded_pixels_under_the_original(folder):
    grid = figures.reconstructions("table2", "smoke", "natural", folder, columns=3, zoom=1)
    assert grid.labels == ("original", "L2", "Wiener", "Watson (1993)")
    runs = by_method("table2", "smoke", "natural", folder)
    rows = [runs["L2"].pictures["original"], *(run.pictures["reconstruction"] for run in runs.values())]
    left = grid.pixels.shape[1] - (3 * 64 + 2 * 2)
    for i, row in enumerate(rows):
        for j in range(3):
            crop = grid.pixels[i * 66 : i * 66 + 64, left + j * 66 : left + j * 66 + 64]
            assert (crop == row[j].transpose(1, 2, 0)).all()


def test_only_the_named_methods_are_shown(folder):
    assert figures.samples("table2", "smoke", "natural", folder, only=("l2", "watson")).labels == (
        "L2",
        "Watson (1993)",
    )


def test_kernels_are_enlarged_by_a_whole_factor_on_one_range(folder):
    grid = figures.kernel_snapshots("figure2", "smoke", "natural", folder)
    pictures = by_method("figure2", "smoke", "natural", folder)["Wiener"].pictures
    epochs = pictures["snapshot_epoch"]
    assert grid.labels == ("original", *(f"{what}{e}" for e in epochs for what in ("epoch ", "kernel, ")))
    kernels = np.sqrt(pictures["snapshot_kernel"])
    n, size = kernels.shape[1], kernels.shape[-1]
    left = grid.pixels.shape[1] - (n * 64 + (n - 1) * 2)
    factor, margin = 64 // size, (64 % size) // 2
    for e in range(len(epochs)):
        for i in range(n):
            cell = grid.pixels[(2 + 2 * e) * 66 :, left + i * 66 :][:64, :64, 0]
            inner = cell[margin : margin + factor * size, margin : margin + factor * size]
            assert (inner == np.repeat(np.repeat(inner[::factor, ::factor], factor, 0), factor, 1)).all()
            expected = np.rint(255 * kernels[e, i] / kernels.max())
            assert np.abs(inner[::factor, ::factor].astype(float) - expected).max() <= 1


def test_the_first_and_the_last_kernels_can_be_shown_alone(folder):
    whole = figures.kernel_snapshots("figure2", "smoke", "natural", folder)
    ends = figures.kernel_snapshots("figure2", "smoke", "natural", folder, epochs=(0, -1))
    assert ends.labels == (*whole.labels[:3], *whole.labels[-2:])
    assert (ends.pixels[-64:] == whole.pixels[-64:, -ends.pixels.shape[1] :]).all()


def test_rate_curves_join_the_means_of_each_term_in_order_of_the_rate(folder):
    fig = figures.rate_curves("rate", "smoke", "natural", folder, panels=("PSNR", "SSIM"))
    frame = recorded.frame("rate", "smoke", "natural", folder)
    for ax, metric in zip(fig.axes, ("PSNR", "SSIM")):
        line = next(line for line in ax.lines if line.get_label() == "L2")
        own = frame[frame.method.str.startswith("l2,")].pivot_table(index="method", columns="metric", values="value")
        assert np.allclose(line.get_xdata(), np.sort(own["KL"]))
        assert np.allclose(line.get_ydata(), own.sort_values("KL")[metric])
        assert ax.get_xscale() == "log"


@pytest.mark.parametrize("make", [figures.reconstructions, figures.curves, figures.rate_curves])
def test_what_is_not_recorded_says_how_to_record_it(tmp_path, make):
    with pytest.raises(ValueError, match="blurvae run table2 --tier lesson --data faces64"):
        make("table2", "lesson", "faces64", tmp_path)


def test_the_widths_of_every_seed_are_drawn(tmp_path):
    seeds = range(6)
    for run in experiments.get("figure2").runs("smoke", "natural", seeds):
        epoch = {"phase": "weighted", "kernel_width": 3.0, "test_width": 3.0, "test_width_sd": 0.1}
        made_up.write(tmp_path, run, {}, [{"epoch": k, **epoch} for k in (1, 2)])
    left = figures.kernel_widths("figure2", "smoke", "natural", tmp_path).axes[0]
    drawn = [line for line in left.lines if line.get_label().startswith("seed")]
    assert [line.get_label() for line in drawn] == [f"seed {seed}" for seed in seeds]
    assert len({line.get_color() for line in drawn[:5]}) == 5


def test_quality_over_the_length_of_the_training(tmp_path):
    """Means at the lengths that are recorded, a line a term; the panel of the linear model needs its curve."""
    for run in experiments.get("longer").runs("study", "natural", (0, 1)):
        if not run.method.endswith("epochs=100"):
            entry = {"mean": run.budget.epochs + run.budget.seed, "sd": 0.0, "n": 32}
            made_up.write(tmp_path, run, dict.fromkeys(("KL", "PSNR", "SSIM", "LPIPS-squeeze"), entry))
    fig = figures.over_training("longer", "study", "natural", tmp_path)
    for ax in fig.axes[:3]:
        assert len(ax.containers) == 4
        for line, _, (bars,) in ax.containers:
            assert np.allclose(line.get_ydata(), [8.5, 30.5])
            assert all(np.ptp(bar[:, 1]) == 0 for bar in bars.get_segments()), "two seeds have no interval"
    assert not fig.axes[3].containers


def test_three_seeds_over_the_length_of_the_training_have_intervals(tmp_path):
    for run in experiments.get("longer").runs("study", "natural", (0, 1, 2)):
        if run.method == "wiener,epochs=30":
            entry = {"mean": run.budget.seed, "sd": 0.0, "n": 32}
            made_up.write(tmp_path, run, dict.fromkeys(("KL", "PSNR", "SSIM", "LPIPS-squeeze"), entry))
    fig = figures.over_training("longer", "study", "natural", tmp_path)
    (_, _, (bars,)), *others = fig.axes[0].containers
    low, high = intervals.student((0.0, 1.0, 2.0))[1:]
    assert np.allclose(bars.get_segments()[0][:, 1], [low, high]) and not others
