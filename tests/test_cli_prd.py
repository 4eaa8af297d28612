"""`blurvae prd` as a user types it: two folders of pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from blurvae.cli import app

runner = CliRunner()


def call(*arguments: object, code: int = 0) -> str:
    result = runner.invoke(app, ["prd", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Grey pictures with one bright row each: four kinds are real, two of them are generated, fewer of them."""
    found = {}
    for name, n, kinds in (("real", 60, 4), ("generated", 40, 2)):
        rng = np.random.default_rng(n)
        found[name] = tmp_path_factory.mktemp(name)
        for i in range(n):
            pixels = rng.integers(0, 4, (16, 16), np.uint8)
            pixels[4 * (i % kinds) : 4 * (i % kinds) + 4] += 200
            Image.fromarray(pixels).save(found[name] / f"{i:03d}.png")
    return found


SHORT = ("--features", "pixels", "--size", "16", "--clusters", "4", "--runs", "2")


def test_half_of_the_kinds_has_precision_and_lacks_recall(folders):
    given = ("--real", folders["real"], "--generated", folders["generated"], *SHORT)
    record = json.loads(call(*given, "--json"))
    assert record["precision"] > 0.9 > 0.65 > record["recall"]
    assert record["floor"]["recall"] > 0.9 and record["floor"]["n"] == 20
    assert record["neighbours"]["k"] == 5 and record["neighbours"]["recall"] < 0.8
    assert record["protocol"]["n"] == 40 and record["protocol"]["left_out"] == {"real": 20, "generated": 0}
    assert len(record["curve"]["precision"]) == 1001
    text = call(*given)
    assert "20 real pictures are left out" in text
    assert f"{record['precision']:.3f}" in text and f"{record['recall']:.3f}" in text
    assert "real against real, 20 + 20" in text
    assert "features pixels (256 values), 40 + 40 pictures of 16×16 px, 4 clusters, 2 runs" in text


def test_swapped_folders_swap_the_pair(folders):
    back = json.loads(call("--real", folders["generated"], "--generated", folders["real"], *SHORT, "--json"))
    assert back["recall"] > 0.9 > 0.65 > back["precision"]


def test_principal_components_say_how_many(folders):
    text = call("--real", folders["real"], "--generated", folders["generated"], "--features", "pca", "--size", "16",
                "--clusters", "4", "--runs", "1")  # fmt: skip
    assert "features pca (39 values)" in text  # of 40 pictures


def test_what_cannot_be_compared_is_named(folders, tmp_path):
    real = ("--real", folders["real"])
    assert "is not a folder" in call(*real, "--generated", tmp_path / "none", "--size", "16", code=3)
    text = call(*real, "--generated", folders["generated"], "--features", "eyes", "--size", "16", code=2)
    assert "'eyes'" in text and "squeeze" in text
    text = call(
        *real, "--generated", folders["generated"], "--features", "pixels", "--size", "16", "--clusters", "99", code=2
    )
    assert "99 clusters" in text
    assert "--real" in call("--generated", folders["generated"], code=2)


def test_what_no_picture_could_make_right_is_refused_before_any_is_read(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("blurvae.datasets.folder.read", lambda *_, **__: pytest.fail("read"))
    given = ("--real", folders["real"], "--generated", folders["generated"])
    assert "--generated takes the path" in call(*given[:2], "--generated", tmp_path / "none", code=3)
    for option, value in (("--features", "eyes"), ("--clusters", 1), ("--runs", 0), ("--k", 0), ("--seed", -1)):
        text = call(*given, option, value, code=2)
        assert option in text and str(value) in text and len(text.strip().splitlines()) == 1


def test_absent_weights_are_named_with_features_that_need_none(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    given = ("--real", folders["real"], "--generated", folders["generated"], "--size", "24", *SHORT[4:])
    text = call(*given, code=3)
    assert str(tmp_path) in text and "squeezenet" in text and "--features pca" in text and "until then" not in text


def test_few_pictures_are_counted(folders):
    text = call("--real", folders["real"], "--generated", folders["generated"], *SHORT[:4], "--clusters", 41, code=2)
    assert "41 clusters" in text and "there are 40" in text


def test_colour_meets_grey_in_grey_levels(folders, tmp_path):
    """The same pictures, saved in colour: the pair is that of the grey ones."""
    for file in folders["generated"].iterdir():
        Image.open(file).convert("RGB").save(tmp_path / file.name)
    real = ("--real", folders["real"], *SHORT)
    assert "--grey" in call(*real, "--generated", tmp_path, code=2)
    assert call(*real, "--generated", tmp_path, "--grey") == call(*real, "--generated", folders["generated"])


def test_small_pictures_are_warned_of_once_a_folder_in_a_sentence(folders):
    text = call("--real", folders["real"], "--generated", folders["generated"], *SHORT[:2], *SHORT[4:], "--size", "32")
    said = [line for line in text.splitlines() if "enlarged" in line]
    assert len(said) == 2 and all(line.startswith("blurvae: ") for line in said)
    assert said[0].startswith("blurvae: 60 of 60") and "folder.py" not in text
