"""Bicubic enlargement meets the printed columns, and the printed tables hold what is known of their faults."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from blurvae import datasets
from blurvae.errors import CorruptFile, MissingData
from blurvae.evaluation import bicubic
from blurvae.experiments import calibration
from blurvae.experiments.recorded import paper_table
from blurvae.metrics.sr import Protocol

TABLE = paper_table("enhancenet/table4")
PRINTED = TABLE[TABLE.method == "Bicubic"].set_index(["data", "scale"])


@pytest.mark.parametrize("name", calibration.SETS)
@pytest.mark.parametrize("scale", calibration.SCALES)
def test_the_recorded_row_is_the_printed_one(name: str, scale: int) -> None:
    row, printed = calibration.load()["pictures"][name][f"×{scale}"], PRINTED.loc[name, scale]
    assert row["PSNR"] == pytest.approx(printed.PSNR, abs=0.02)
    assert row["SSIM"] == pytest.approx(printed.SSIM, abs=0.001)
    assert row["n"] == datasets.describe(name)["images"]["test"]
    assert calibration.load()["checksums"][name] == datasets.describe(name)["reference"]["pack"]


def test_the_recorded_clips_say_what_another_grid_costs() -> None:
    rows = calibration.load()["clips"][calibration.CLIPS]
    own, other = (rows[grid]["PSNR"] for grid in calibration.GRIDS)
    assert own - other > 1.5 and "Gaussian" in rows["its own grid"]["protocol"]


@pytest.fixture(scope="module")
def counted() -> pd.DataFrame:
    return pd.DataFrame({name: bicubic.by_protocol(pixels) for name, pixels in datasets.photographs().items()})


def test_one_enlargement_has_several_numbers(counted: pd.DataFrame) -> None:
    apart = counted - counted.loc["the field's"]
    full = -20 * math.log10(255 / 219)  # exactly, but for rounding
    assert np.allclose(apart.loc["Y of full range"], full, atol=0.02)
    assert (apart.loc["RGB"] < -0.04).all(), "the least by which luma is ahead, whatever the errors are"
    assert (apart.loc["not rounded"].abs() < 0.02).all() and (apart.loc["small, aliased"] < -0.5).all()
    assert (counted.max() - counted.min() > 1.4).all()


def test_a_grey_picture_is_better_in_luma_by_its_head_and_foot_room_alone() -> None:
    grey = np.broadcast_to(datasets.photographs()["chelsea"][1], (3, 300, 451))
    found = bicubic.by_protocol(grey)
    assert found["RGB"] == pytest.approx(found["the field's"] - 20 * math.log10(255 / 219), abs=0.02)
    assert found["RGB"] == pytest.approx(found["Y of full range"], abs=0.02)


def test_the_small_pictures_of_other_protocols_lie_on_the_same_grid() -> None:
    """A mistaken grid would cost decibels: each is nearest to the field's where it is."""
    x = bicubic.whole(datasets.photographs()["coffee"], 4)
    field = bicubic.made_small(x, 4)
    for other in (bicubic._lanczos(x), bicubic._narrow(x)):
        assert other.shape == field.shape and torch.equal((other * 255).round() / 255, other)
        apart = [(other.roll(step, -1) - field)[..., 2:-2].square().mean().item() for step in (-1, 0, 1)]
        assert min(apart) == apart[1]


@pytest.mark.skipif("BLURVAE_DATA" not in os.environ, reason="BLURVAE_DATA names no folder of prepared data sets")
@pytest.mark.parametrize("name", ["set5", "set14"])
def test_the_pictures_give_the_recorded_row(name: str) -> None:
    try:
        pictures = datasets.pictures(name)
    except MissingData:
        pytest.skip(f"{name} is not prepared")
    row = calibration.load()["pictures"][name]["×4"]
    assert bicubic.of_pictures(pictures, 4, Protocol()).psnr.mean().item() == pytest.approx(row["PSNR"], abs=1e-3)
    if name == "set14":
        assert pictures["bridge"].shape[0] == 1, "its values are luma"
        grey = bicubic.whole(pictures["bridge"], 4)
        assert np.isclose(Protocol().compared(grey).max().item(), 1.0), "from black to white, as no luma of colours"


@pytest.mark.parametrize("absent", ["urban100", "set14"])
def test_a_set_that_a_reader_brings_is_measured_where_it_is(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 40), np.uint8)

    def pictures(name: str) -> dict[str, np.ndarray]:
        if name == absent:
            raise MissingData(f"{name} is absent")
        return {"a": noise, "b": noise}

    galleries = {name: SimpleNamespace(checksum=lambda: "0") for name in (*calibration.SETS, *calibration.BROUGHT)}
    monkeypatch.setattr(calibration, "GALLERIES", galleries)
    monkeypatch.setattr(datasets, "pictures", pictures)
    monkeypatch.setattr(datasets, "videos", lambda name: {"c": np.tile(noise, (6, 1, 2, 2))})
    if absent == "set14":
        with pytest.raises(MissingData, match="set14 is absent"):
            calibration.measure()
        return
    assert [*calibration.measure()["pictures"]] == [*calibration.SETS]
    absent = ""
    assert [*calibration.measure()["pictures"]] == [*calibration.SETS, "urban100"]


def test_a_damaged_record_is_named(tmp_path) -> None:
    for text in ("", "{}", "[1]"):
        calibration.path(tmp_path).write_text(text)
        with pytest.raises(CorruptFile, match=r"blurvae\.experiments\.calibration"):
            calibration.load(tmp_path)


def test_the_known_errata_of_table_2_4_are_in_it_as_printed() -> None:
    """EN-E1: A+ at ×2 is a copy of RFL at ×4. EN-E2: one SSIM contradicts the claim that ENet-E is best at ×4."""
    psnr = TABLE.pivot(index=["scale", "data"], columns="method", values="PSNR")
    assert (psnr.loc[2, "A+"] == psnr.loc[4, "RFL"]).all() and (psnr.loc[2, "A+"] < psnr.loc[2, "Bicubic"]).all()
    ssim = TABLE.pivot(index=["scale", "data"], columns="method", values="SSIM").loc[4]
    beaten = ssim.lt(ssim["ENet-E"], axis=0).drop(columns="ENet-E")
    assert [*beaten.stack()[~beaten.stack()].index] == [("set14", "DRCN")]
    assert (psnr.loc[4].idxmax(axis=1) == "ENet-E").all()


def test_tables_that_print_the_same_numbers_agree() -> None:
    table = paper_table("enhancenet/table3")
    losses = table.pivot(index="data", columns="method", values="PSNR")
    methods = TABLE[TABLE.scale == 4].pivot(index="data", columns="method", values="PSNR")
    bicubic_row = table.groupby("data")["PSNR, bicubic"].unique().explode().astype(float)
    assert (bicubic_row == methods.Bicubic).all() and (losses.E == methods["ENet-E"]).all()
    assert (losses.EAT > losses.EA).all() and (losses.PAT > losses.PA).all() and (losses.idxmax(axis=1) == "E").all()


def test_the_differences_that_the_text_states_are_those_of_its_tables() -> None:
    noisy = paper_table("frvsr/table1").pivot(index="degradation", columns="method", values="PSNR")
    single, video = noisy.FRVSR - noisy.SISR, noisy.FRVSR - noisy.VSR
    assert (round(single.min(), 2), round(single.max(), 2)) == (0.36, 0.91)
    assert (round(video.min(), 2), round(video.max(), 2)) == (0.18, 0.48)
    vid4 = paper_table("frvsr/table2").set_index("method").PSNR
    assert isinstance(vid4, pd.Series) and vid4.idxmax() == "FRVSR 10-128"
    assert vid4["FRVSR 3-64"] > vid4["Bayesian"] and vid4["FRVSR 10-128"] - vid4["Bayesian"] > 0.5
