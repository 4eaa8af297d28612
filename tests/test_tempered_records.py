"""Tables, figures and claims of GANs on Color MNIST and on the grid, from records with made-up numbers."""

from __future__ import annotations

from pathlib import Path

import made_up
import matplotlib.pyplot as plt
import numpy as np
import pytest

from blurvae import claims, experiments
from blurvae.claims.verdict import Finding
from blurvae.experiments import recorded
from blurvae.experiments.failures import failure_rates
from blurvae.pages import figures, tables
from blurvae.pages.claims import decided, decisions
from blurvae.record import Run, queue

NAME, PLACE = "tempered/color_mnist", ("study", "color-mnist")
SEEDS = experiments.get(NAME).GRID["study"]["color-mnist"]
GAIN = {"none": 1.0, "learned": 0.5, "blur": 0.7, "mean": 0.4}  # of distances at the end


def epochs(run: Run, noise: float) -> list[dict[str, float | str]]:
    """A lens that clears until half of the training; distances that fall, with a lens from above to below."""
    lens, total = run.method.split("-")[-1], run.budget.epochs
    made = []
    for e in range(1, total + 1):
        late = GAIN[lens] + 0.02 * run.seed * (lens == "none") + noise * (-1) ** run.seed
        early = 2.0 if lens == "none" else 3.0
        epoch = {"epoch": e, "phase": "train", "fd": 1000.0 * (late + (early - late) * (1 - e / total))}
        if lens != "none":
            epoch |= {"lambda": max(0.0, 1 - e / (0.4 * total)), "lens_residual": 10.0 ** -(e + 0.1 * run.seed)}
        made.append(epoch)
    return made


def record(out: Path, seeds: tuple[int, ...] = SEEDS, noise: float = 0.0) -> None:
    """Every run of the study, with the pictures of seed 0; where `noise` is large, seeds of both signs."""
    rng = np.random.default_rng(0)
    for run in experiments.get(NAME).runs(*PLACE, seeds):
        history = epochs(run, noise * (run.method.split("-")[-1] != "none"))
        distance = history[-1]["fd"]
        values = {"modes (samples)": 900 - 0.3 * distance, "FD-squeeze (samples)": distance, "failed": 0.0}
        values |= {"FD-squeeze (mean image)": 5000.0, "FD-squeeze (data)": 20.0}
        values |= {"log-spectrum distance (samples)": 1.0}
        values |= {f"{side}-squeeze ({of})": 0.5 for side in ("precision", "recall") for of in ("samples", "data")}
        file = made_up.write(out, run, {name: {"value": value} for name, value in values.items()}, history)
        if run.seed == 0:
            shots = rng.integers(0, 256, (6, 8, 3, 32, 32), dtype=np.uint8)
            kept = {"snapshot_epoch": np.arange(2, 14, 2), "snapshot_lensed": shots, "snapshot_sample": 255 - shots}
            np.savez(file.with_suffix(".npz"), sample=shots[0], original=shots[1], **kept)


def pieces(folder: Path) -> dict[tuple[str, str, str], Finding]:
    """What the study says, by claim, rule and method."""
    return {
        (claim.name, f.evidence.rule, f.evidence.method): f
        for claim, made in claims.find_all(folder, "tempered").items()
        for f in made
        if (f.evidence.experiment, f.evidence.tier) == (NAME, "study")
    }


def test_the_table_fills_itself(tmp_path: Path) -> None:
    record(tmp_path)
    module = experiments.get(NAME)
    table = tables.table(NAME, *PLACE, tmp_path)
    assert {*table.index} == {m.label for m in (*module.METHODS, *module.VARIANTS) if "K = 100,000" not in m.label}
    assert not table.isin(["not run"]).any(axis=None) and {*table.seeds} == {str(len(SEEDS))}
    assert not table[[*module.COLUMNS]].isin(["–"]).any(axis=None)
    assert table["FID best (paper)"]["DCGAN, learned lens"] == "9"
    assert {queue.state(run, tmp_path) for run in module.runs(*PLACE, SEEDS)} == {"recorded"}
    # What is printed of another data set has no row of some methods here.
    assert "–" in {*tables.table("tempered/images", "paper", "cifar10", tmp_path)["FID best (paper)"]}


def test_figures_show_every_seed(tmp_path: Path) -> None:
    record(tmp_path)
    fig = figures.seed_lines(NAME, *PLACE, tmp_path)
    assert [ax.get_title() for ax in fig.axes] == ["DCGAN", "LSGAN"]
    for ax in fig.axes:
        courses = [line for line in ax.lines if len(line.get_xdata()) == 12]
        assert len(courses) == 3 * len(SEEDS)
        ends = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
        assert {int(end) for x in ends for end in x} == {4}  # 0.4 of 12
    assert fig.axes[0].lines[0].get_ydata()[-1] == pytest.approx(1000.0)
    fig = figures.seed_marks(NAME, *PLACE, tmp_path)
    assert [ax.get_xlabel().split(" (")[0] for ax in fig.axes] == [
        "modes", "FD-squeeze", "precision-squeeze", "recall-squeeze",
    ]  # fmt: skip
    for ax in fig.axes:
        assert sum(len(line.get_xdata()) == 1 for line in ax.lines) == 8 * len(SEEDS)
    strip = figures.film_of_images(NAME, *PLACE, tmp_path)
    assert strip.moments == tuple(f"epoch {e}" for e in range(2, 14, 2)) and len(strip.labels) == 6
    with pytest.raises(ValueError, match="with seed 1 is recorded"):
        figures.film_of_images(NAME, *PLACE, tmp_path, seed=1)
    assert len(figures.samples(NAME, *PLACE, tmp_path).labels) == 6
    assert [ax.get_title() for ax in figures.lens_changes(NAME, *PLACE, tmp_path).axes] == ["DCGAN", "LSGAN"]
    plt.close("all")


def test_where_only_other_runs_are_recorded_a_page_says_so(tmp_path: Path) -> None:
    (run,) = (run for run in experiments.get(NAME).runs(*PLACE, (0,)) if run.method == "dcgan-none")
    made_up.write(tmp_path, run, {"failed": {"value": 0.0}}, [{"epoch": 1, "phase": "train"}])
    for make in (figures.seed_lines, figures.seed_marks, figures.film_of_images, figures.lens_changes):
        fig = figures.or_not_run(make, NAME, *PLACE, tmp_path)
        assert "not run" in fig.axes[0].texts[0].get_text()
        plt.close(fig)


def test_claims_are_judged_on_it(tmp_path: Path) -> None:
    record(tmp_path)
    found = pieces(tmp_path)
    names = {name for name, _, _ in found}
    assert names == {"TA-C1", "TA-C3", "TA-C4"}
    assert {f.verdict for key, f in found.items() if key[1] != "less spread"} == {"holds"}
    for method in ("dcgan-learned", "lsgan-learned"):
        assert found["TA-C4", "less spread", method].comparisons[0].values == pytest.approx([-40, -20, 0, -20, -40])
        assert found["TA-C1", "lens clears", method].comparisons[0].values == pytest.approx([-9.0] * 5)  # 1 to 9.6


def test_a_study_that_decides_nothing_says_how_many_seeds_would(tmp_path: Path) -> None:
    record(tmp_path, noise=0.8)
    found = pieces(tmp_path)["TA-C4", "better", "dcgan-learned"]
    assert found.verdict == "undecided" and found.seeds is not None and found.seeds > len(SEEDS)
    words = f"{found.seeds} seeds would decide"
    assert words in decided(found)
    table = decisions("tempered", NAME, *PLACE, tmp_path)
    row = table.loc["TA-C4", "better", "dcgan-learned"]
    assert row.verdict == "undecided" and words in row["what is decided"]
    assert set(table.index) == set(pieces(tmp_path))
    assert decisions("tempered", NAME, "smoke", "color-mnist", tmp_path).empty


def test_a_training_that_diverged_has_failed(tmp_path: Path) -> None:
    """In tables, rates, figures and claims, although it has no samples."""
    record(tmp_path)
    run = next(run for run in experiments.get(NAME).runs(*PLACE, (3,)) if run.method == "lsgan-none")
    run.path(tmp_path).unlink()
    made_up.write_diverged(tmp_path, run, 3)
    values = recorded.by_seed(NAME, *PLACE, tmp_path)
    assert values["failed"]["lsgan-none"] == {0: 0.0, 1: 0.0, 2: 0.0, 3: 1.0, 4: 0.0}
    assert 3 not in values["FD-squeeze (samples)"]["lsgan-none"]
    rates = failure_rates(NAME, *PLACE, tmp_path).set_index("method")
    assert rates.failed["LSGAN, no lens"] == 1 and rates.runs["LSGAN, no lens"] == len(SEEDS)
    row = tables.table(NAME, *PLACE, tmp_path).loc["LSGAN, no lens"]
    assert (row["failed"], row["modes (samples)"]) == ("1 of 5", "diverged (epoch 3)")
    fig = figures.seed_marks(NAME, *PLACE, tmp_path)
    assert "LSGAN, no lens (1 diverged)" in [
        label.get_text().replace("\n", " ") for label in fig.axes[0].get_yticklabels()
    ]
    plt.close(fig)


@pytest.mark.parametrize(("lost", "call"), [(0.0, "for"), (1.0, "trainings fail without it, too")])
def test_no_gain_is_asked_where_nothing_fails(lost: float, call: str, tmp_path: Path) -> None:
    """TA-C7 on points, with a gain of 0.02 and a margin of 0.1."""
    for run in experiments.get("tempered/points").runs("lesson", "ring", (0, 1, 2)):
        if run.method in ("lsgan-none-wide", "lsgan-learned-wide"):
            good = 0.8 + 0.01 * run.seed + (0.02 + 0.001 * run.seed) * ("learned" in run.method)
            fails = lost * (run.method == "lsgan-none-wide" and run.seed == 1)
            made_up.write(tmp_path, run, {"good samples": {"value": good}, "failed": {"value": fails}})
    (claim,) = (c for c in claims.load() if c.name == "TA-C7")
    found = next(f for f in claims.findings(claim, tmp_path) if f.evidence.method == "lsgan-learned-wide")
    assert found.comparisons[0].values == pytest.approx([0.02, 0.021, 0.022])
    assert [judged.call for judged in found.judged] == [call]
