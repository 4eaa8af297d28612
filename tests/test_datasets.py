from __future__ import annotations

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation

from blurvae import datasets, paths
from blurvae.datasets import folder as folder_sets
from blurvae.datasets import mnist, natural, packs, points, registry
from blurvae.datasets.core import checksum
from blurvae.datasets.pixels import box_average, random_patches
from blurvae.errors import CorruptFile, MissingData


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLURVAE_DATA", raising=False)


def pixels(n: int = 10, c: int = 3, h: int = 8, w: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, c, h, w), np.uint8)


def make_pack(root: Path, name: str = "faces64", *, images: np.ndarray | None = None, labels: bool = True) -> Path:
    images = pixels() if images is None else images
    n = len(images)
    return datasets.write_pack(
        root / name,
        images,
        name=name,
        source="a test",
        licence="CC0",
        split={"train": (0, n - 3), "test": (n - 3, n)},
        labels=np.arange(n, dtype=np.uint8) if labels else None,
    )


# --- the set itself and the conversions


def test_every_pixel_value_survives_the_way_to_floats_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    floats = datasets.to_float(values)
    assert floats.dtype == torch.float32 and floats.min() == -1 and floats.max() == 1
    assert torch.equal(datasets.to_uint8(floats), values)
    assert torch.equal(datasets.to_float(values.numpy()), floats)


def test_to_uint8_clamps_and_refuses_what_is_no_pixel() -> None:
    assert datasets.to_uint8(torch.tensor([-3.0, 3.0, float("inf")])).tolist() == [0, 255, 255]
    with pytest.raises(ValueError, match="NaN"):
        datasets.to_uint8(torch.tensor([float("nan")]))
    with pytest.raises(ValueError, match="uint8"):
        datasets.to_float(torch.zeros(3))
    with pytest.raises(ValueError, match="floats"):
        datasets.to_uint8(torch.zeros(3, dtype=torch.int64))


def test_head_keeps_provenance_and_order_and_refuses_more_than_there_is() -> None:
    whole = datasets.load("natural", "test")
    part = datasets.load("natural", "test", n=5)
    assert len(part) == 5 and part.checksum == whole.checksum and (part.images == whole.images[:5]).all()
    for n in (0, 2001):
        with pytest.raises(ValueError, match="2000"):
            whole.head(n)


def test_a_stand_in_says_so_and_a_non_square_set_has_no_single_size() -> None:
    images = datasets.ImageSet("brain", "test", pixels(2, 1, 96, 80), None, "s", "l", "HCP", "0")
    assert images.label == "brain (stands in for HCP)" and images.shape == (1, 96, 80) and images.channels == 1
    with pytest.raises(ValueError, match="size="):
        _ = images.size
    assert replace(images, stands_in_for=None).label == "brain"
    with pytest.raises(ValueError, match="uint8"):
        replace(images, images=np.zeros((2, 1, 4, 4)))
    with pytest.raises(ValueError, match="labels"):
        replace(images, labels=np.zeros(3, np.int64))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_box_average_is_the_rounded_mean(factor: int) -> None:
    images = pixels(3, 2, 12, 6)
    expected = np.empty((3, 2, 12 // factor, 6 // factor))
    for y in range(expected.shape[2]):
        for x in range(expected.shape[3]):
            box = images[..., y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            expected[..., y, x] = box.astype(float).mean((2, 3))
    assert (box_average(images, factor) == np.floor(expected + 0.5 + 1e-9)).all()


# --- natural


def test_a_crop_is_the_photograph_at_half_its_size() -> None:
    crops = datasets.crops()
    assert crops.shape == (len(datasets.photographs()), 3, 64, 64) and crops.dtype == np.float64
    coffee = datasets.photographs()["coffee"]
    assert crops[2, 1, 3, 5] == coffee[1, 156:158, 260:262].mean()


def test_natural_is_the_same_on_every_machine() -> None:
    for split in ("train", "test"):
        images = datasets.load("natural", split)
        assert checksum(images.images) == images.checksum == natural.CARD.reference[split]
        assert images.images.shape == (natural.COUNTS[32][split], 3, 32, 32) and not images.images.flags.writeable
        assert len(images.tensor()) == len(images)
    assert datasets.load("natural", "train", size=64).images.shape == (4000, 3, 64, 64)
    large = datasets.load("natural", "test", size=256)
    assert large.images.shape == (128, 3, 256, 256)
    assert large.checksum == "3651e7817da15b4f93c3c517a9026e92c751b3ed9a48fde6e0c597ae034a80ee"
    with pytest.raises(ValueError, match="32, 64 and 256"):
        datasets.load("natural", "train", size=48)


@pytest.mark.parametrize("size", [32, 64, 256])
def test_natural_train_and_test_share_no_pixel_and_keep_their_distance(size: int) -> None:
    used = {}
    for split in ("train", "test"):
        masks = [np.zeros((p.height, p.width), bool) for p in natural.PHOTOGRAPHS.values()]
        for index, scale, y, x, _ in natural.positions(split, size).tolist():
            side = size * scale
            assert y >= 0 and x >= 0 and y + side <= masks[index].shape[0] and x + side <= masks[index].shape[1]
            masks[index][y : y + side, x : x + side] = True
        used[split] = masks
    for train, test in zip(used["train"], used["test"]):
        assert (train.mean() > 0.5 and test.any()) or (size == 256 and (train.any() or test.any()))
        near = binary_dilation(test, np.ones((3, 3), bool), iterations=natural.GAP)
        assert not (near & train).any()


@pytest.mark.parametrize("size", [32, 256])
def test_natural_patches_are_where_positions_says(size: int) -> None:
    photos = list(datasets.photographs().values())
    for split in ("train", "test"):
        images, places = datasets.load("natural", split, size=size).images, natural.positions(split, size)
        for k in (0, 1, 2, 3, 4, 5, 6, len(images) - 1):
            index, scale, y, x, flip = places[k].tolist()
            patch = box_average(photos[index][:, y : y + size * scale, x : x + size * scale], scale)
            assert (images[k] == (patch[:, :, ::-1] if flip else patch)).all()
        assert (split == "train") == places["flip"].any()
        if size == 256:  # few places: none is used twice
            assert len(np.unique(places[["photograph", "y", "x"]])) == len(places) == natural.COUNTS[256][split]


def test_natural_splits_look_alike_in_the_spectrum() -> None:
    def exponent(images: np.ndarray) -> float:
        gray = images.mean(1)
        power = (np.abs(np.fft.fft2(gray)) ** 2).mean(0)
        f = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32))
        band = (f > 0.05) & (f < 0.45)
        return float(-np.polyfit(np.log(f[band]), np.log(power[band]), 1)[0])

    alpha = [exponent(datasets.load("natural", split).images) for split in ("train", "test")]
    assert all(2.5 < a < 3.2 for a in alpha) and abs(alpha[0] - alpha[1]) < 0.3


def test_photographs_are_whole_and_damage_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = datasets.photographs()
    for name, photo in natural.PHOTOGRAPHS.items():
        assert photos[name].shape == (3, photo.height, photo.width) and photos[name].dtype == np.uint8
    natural.photographs.cache_clear()
    changed = {name: replace(photo, sha256="0") for name, photo in natural.PHOTOGRAPHS.items()}
    monkeypatch.setattr(natural, "PHOTOGRAPHS", changed)
    with pytest.raises(CorruptFile, match="reinstall scikit-image"):
        natural.photographs()
    monkeypatch.setattr(natural, "find_spec", lambda name: None)
    with pytest.raises(MissingData, match="pip install scikit-image"):
        natural.photographs()


# --- generated sets


@pytest.mark.parametrize(("alpha", "size"), [(2.0, 32), (2.8, 31), (0.0, 16)])
def test_power_law_has_its_spectrum_exactly_in_expectation(alpha: float, size: int) -> None:
    n = 4000
    field = datasets.power_law_fields(n, size, alpha, rng=np.random.default_rng(0))
    power = (np.abs(np.fft.fft2(field[:, 0], norm="ortho")) ** 2).mean(0)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    law = np.zeros_like(f)
    law[f > 0] = f[f > 0] ** -alpha
    law *= size**2 / law.sum()  # unit variance over the pixels
    assert power[0, 0] < 1e-20
    ratio = power[f > 0] / law[f > 0]
    # a mean of n squared (real or complex) Gaussians: relative sd at most sqrt(2 / n)
    assert np.abs(ratio - 1).max() < 5 * np.sqrt(2 / n)
    assert abs(field.var() - 1) < 0.05


def test_power_law_reads_its_exponent_from_the_name() -> None:
    two, three = datasets.load("power-law", "test", n=50), datasets.load("power-law:3", "test", n=50)
    assert (two.name, three.name) == ("power-law", "power-law:3") and two.checksum != three.checksum
    assert two.checksum == datasets.load("power-law:2.0", "test").checksum
    assert datasets.load("power-law", "test", size=16).images.shape == (1000, 1, 16, 16)
    for name in ("power-law:steep", "power-law:-1", "power-law:nan"):
        with pytest.raises(ValueError, match="power-law"):
            datasets.load(name, "test")


def test_dead_leaves_cover_everything_with_flat_discs() -> None:
    picture = datasets.dead_leaves_picture(96, smallest=3, largest=40, rng=np.random.default_rng(3))
    again = datasets.dead_leaves_picture(96, smallest=3, largest=40, rng=np.random.default_rng(3))
    assert picture.dtype == np.uint8 and (picture == again).all()
    flat = (np.diff(picture.astype(int), axis=1) == 0).mean()
    assert 0.6 < flat < 0.97  # flat inside, edges between
    train, test = datasets.load("dead-leaves", "train", size=16), datasets.load("dead-leaves", "test", size=16)
    assert train.images.shape == (1024, 1, 16, 16) and test.images.shape == (256, 1, 16, 16)
    assert abs(train.images.mean() - 127.5) < 8
    with pytest.raises(ValueError, match="smallest"):
        datasets.dead_leaves_picture(8, smallest=4, largest=4, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("name", "modes", "apart"), [("ring", 8, 30.6), ("grid", 25, 20.0)])
def test_points_lie_around_their_centres(name: str, modes: int, apart: float) -> None:
    """In each mode as many as in another, normal with the sd of the card and the variance of rounding."""
    centres = points.CENTRES[name]
    gaps = np.linalg.norm(centres[:, None] - centres, axis=2)[~np.eye(modes, dtype=bool)]
    assert gaps.min() / points.SD == pytest.approx(apart, abs=0.05) and np.abs(centres).max() <= 0.8 + 1e-12
    for split, n in points.COUNTS.items():
        data = datasets.load(name, split, size=1)
        x = datasets.to_float(data.tensor()).double().numpy()[:, :, 0, 0]
        assert data.images.shape == (n, 2, 1, 1) and not data.images.flags.writeable
        assert checksum(data.images) == data.checksum == datasets.load(name, split).checksum
        off = x - centres[data.labels]
        assert off.std(0) == pytest.approx([np.hypot(0.02, 2 / 255 / 12**0.5)] * 2, rel=5 / np.sqrt(2 * n))
        assert np.abs(off).max() < 6 * points.SD and abs(off.mean()) < 5 * points.SD / np.sqrt(2 * n)
        share = np.bincount(data.labels, minlength=modes) / n
        assert np.abs(share - 1 / modes).max() < 5 * np.sqrt(1 / modes / n)
    assert datasets.load(name, "train").checksum != datasets.load(name, "test").checksum
    with pytest.raises(ValueError, match="size=1, not 32"):
        datasets.load(name, "train", size=32)
    with pytest.raises(ValueError, match="2 at least, not 1"):
        datasets.load("natural", "train", size=1)


def test_color_mnist_is_three_digits_of_its_own_split(tmp_path: Path) -> None:
    """Each channel is an image of MNIST, and the label spells their classes, red first."""
    make_pack(tmp_path, "mnist", images=pixels(40, 1, 28, 28))
    for split in ("train", "test"):
        grey, color = (datasets.load(name, split, root=tmp_path) for name in ("mnist", "color-mnist"))
        assert color.images.shape == (len(grey), 3, 32, 32) and color.inner == grey.inner == (28, 28)
        assert color.checksum != grey.checksum and color.name == "color-mnist" and color.stands_in_for is None
        for image, label in zip(color.images, color.labels):
            found = [int(np.flatnonzero((grey.images[:, 0] == channel).all((1, 2)))[0]) for channel in image]
            assert label == sum(d * int(grey.labels[i]) for d, i in zip((100, 10, 1), found))
        again = datasets.load("color-mnist", split, root=tmp_path)
        assert again.checksum == color.checksum and (again.images == color.images).all()
    with pytest.raises(MissingData, match="blurvae data prepare mnist"):
        datasets.load("color-mnist", "test", root=tmp_path / "absent")


# --- names


def test_names_are_those_of_the_contract() -> None:
    made = ("natural", "power-law", "dead-leaves", "ring", "grid", "cifar10", "mnist", "mnist-binary", "color-mnist")
    real = ("faces64", "faces256", "brain", "celeba", "celeba-hq", "hcp", "volumes")
    pictures = ("bars", "moving", "moving-flow", "moving-occluded", "set5", "set14", "bsd100", "urban100", "sr-train")
    assert datasets.names() == (*made, *real, *pictures, "vid4-first10", "vid4", "davis")


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("cifar", "train", "did you mean cifar10"),
        ("natural:2", "train", "takes nothing"),
        ("folder", "train", "folder:PATH"),
        ("pack:", "train", "pack:PATH"),
        ("natural", "validation", "'train' or 'test'"),
        ("", "train", "Unknown data set"),
    ],
)
def test_wrong_names_and_splits_are_refused_in_a_sentence(name: str, split: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.load(name, split)


@pytest.mark.parametrize("size", [0, -3, 1.5, True, "32"])
def test_a_size_is_a_whole_number_of_pixels(size: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        datasets.load("natural", "train", size=size)  # type: ignore[arg-type]


def test_importing_is_light_silent_and_seeds_nothing() -> None:
    code = (
        "import sys, numpy, torch; before = set(sys.modules); state = torch.get_rng_state();"
        "import blurvae.datasets;"
        "assert torch.equal(state, torch.get_rng_state());"
        "new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new & {'PIL', 'skimage', 'matplotlib', 'pandas', 'scipy', 'torchvision', 'imageio'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]" and done.stderr == ""


# --- packs


def test_a_pack_comes_back_as_it_was_written(tmp_path: Path) -> None:
    images = pixels(10, 3, 8, 8)
    make_pack(tmp_path, "faces64", images=images)
    train, test = (datasets.load("faces64", split, root=tmp_path) for split in ("train", "test"))
    assert (train.images == images[:7]).all() and (test.images == images[7:]).all()
    assert test.labels is not None and test.labels.tolist() == [7, 8, 9]
    assert isinstance(train.images, np.memmap) and train.checksum == checksum(images)
    assert train.label == "faces64 (stands in for CelebA 64×64)"  # though this pack's card is silent
    by_path = datasets.load(f"pack:{tmp_path / 'faces64'}", "test")
    assert (by_path.images == test.images).all() and by_path.stands_in_for is None
    assert [p.name for p in tmp_path.iterdir()] == ["faces64"]  # no temporary folder stays


def test_the_data_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pack(tmp_path, "faces64")
    monkeypatch.setenv("BLURVAE_DATA", str(tmp_path))
    assert len(datasets.load("faces64", "train")) == 7
    with pytest.raises(MissingData, match="blurvae data prepare cifar10"):
        datasets.load("cifar10", "train")
    monkeypatch.delenv("BLURVAE_DATA")
    with pytest.raises(MissingData, match="BLURVAE_DATA"):
        datasets.load("faces64", "train")


PACKS = ("cifar10", "mnist", "faces64", "faces256", "brain", "celeba", "celeba-hq", "hcp", "volumes")


@pytest.mark.parametrize("name", PACKS)
def test_a_missing_pack_says_where_it_was_looked_for_and_how_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=f"blurvae data prepare {name}") as caught:
        datasets.load(name, "test", root=tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert datasets.check(name, root=tmp_path).problem == str(caught.value)


def test_sizes_of_packs(tmp_path: Path) -> None:
    images = pixels(10, 1, 96, 80)
    make_pack(tmp_path, "brain", images=images)
    assert datasets.load("brain", "train", root=tmp_path).shape == (1, 96, 80)
    crop = datasets.load(f"pack:{tmp_path / 'brain'}", "train", size=64)
    assert (crop.images == images[:7, :, 16:80, 8:72]).all() and np.shares_memory(crop.images, crop.images.base)
    with pytest.raises(ValueError, match="96×80"):
        datasets.load("brain", "train", size=90, root=tmp_path)
    make_pack(tmp_path, "faces64", images=images[:, :, :64, :64])
    small = datasets.load("faces64", "test", size=32, root=tmp_path)
    assert (small.images == box_average(images[7:, :, :64, :64], 2)).all()
    with pytest.raises(ValueError, match="whole fraction"):
        datasets.load("faces64", "test", size=48, root=tmp_path)
    make_pack(tmp_path, "cifar10")
    with pytest.raises(ValueError, match="no other size"):
        datasets.load("cifar10", "test", size=16, root=tmp_path)
    make_pack(tmp_path, "mnist", images=images[:, :, :28, :28])
    padded = datasets.load("mnist", "test", root=tmp_path).images
    assert padded.shape == (3, 1, 32, 32) and (padded[:, :, 2:30, 2:30] == images[7:, :, :28, :28]).all()
    assert padded.sum() == padded[:, :, 2:30, 2:30].sum()
    assert datasets.load("mnist", "test", size=28, root=tmp_path).size == 28


def test_a_random_patch_of_each_slice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (3000, 1, 12, 10), np.uint8)
    images[::2, :, :, :6] = 0  # half of the slices are mostly air
    images[0] = 0  # and one is nothing else
    facts = {"name": "brain", "source": "s", "licence": "l", "split": {"train": (0, 2000), "test": (2000, 3000)}}
    datasets.write_pack(tmp_path / "brain", images, **facts)
    train, test = (datasets.load("brain", split, size=4, root=tmp_path) for split in ("train", "test"))
    patches = np.concatenate([train.images, test.images])
    assert patches.shape == (3000, 1, 4, 4) and (patches[1:] > 0).mean((1, 2, 3)).min() >= 0.25
    places = np.zeros((9, 7), int)
    for image, patch in zip(images[1::2, 0], patches[1::2, 0]):
        windows = np.lib.stride_tricks.sliding_window_view(image, (4, 4))
        y, x = np.argwhere((windows == patch).all((2, 3)))[0]
        places[y, x] += 1
    assert (places > 0).all() and places.max() < 2 * places.mean()  # 1,500 over 63
    # the same patch whatever else is asked for, and by index: a whole set has those of its parts
    assert (datasets.load("brain", "test", size=4, root=tmp_path, n=5).images == test.images[:5]).all()
    assert (random_patches(images[2000:], 4, 2000) == test.images).all()
    with pytest.raises(ValueError, match="one random patch of each"):
        datasets.load("brain", "train", size=11, root=tmp_path)


def edit(card: Path, **changes: object) -> None:
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "card.json").write_text("{"),
        lambda f: (f / "card.json").write_text("[]"),
        lambda f: edit(f / "card.json", sha256=None),
        lambda f: edit(f / "card.json", shape=[9, 3, 8, 8]),
        lambda f: edit(f / "card.json", name="brain"),
        lambda f: edit(f / "card.json", split={"train": [0, 7]}),
        lambda f: edit(f / "card.json", split={"train": [0, 8], "test": [7, 10]}),
        lambda f: edit(f / "card.json", split={"train": [0, 7], "test": [7, 11]}),
        lambda f: edit(f / "card.json", split={"train": [0, 7], "test": [7, 7]}),
        lambda f: edit(f / "card.json", split={"train": [0, 7], "test": [7.0, 10]}),
        lambda f: edit(f / "card.json", split={"train": [7, "10"], "test": [0, 7]}),
        lambda f: (f / "images.npy").unlink(),
        lambda f: (f / "images.npy").write_bytes((f / "images.npy").read_bytes()[:-1]),
        lambda f: (f / "images.npy").write_bytes(b""),
        lambda f: np.save(f / "images.npy", np.array([{"a": 1}], object), allow_pickle=True),
        lambda f: np.save(f / "images.npy", pixels().astype(np.float32)),
        lambda f: np.save(f / "labels.npy", np.zeros(10)),
        lambda f: np.save(f / "labels.npy", np.zeros(9, np.uint8)),
    ],
)
def test_a_damaged_pack_is_refused_in_a_sentence(damage: object, tmp_path: Path) -> None:
    target = make_pack(tmp_path, "faces64")
    damage(target)  # type: ignore[operator]
    with pytest.raises(CorruptFile, match="faces64") as caught:
        datasets.load("faces64", "train", root=tmp_path)
    assert "\n" not in str(caught.value)
    report = datasets.check("faces64", root=tmp_path)
    assert report.present and not report.ok and report.problem == str(caught.value)


def test_check_reads_every_pixel(tmp_path: Path) -> None:
    target = make_pack(tmp_path, "faces64")
    report = datasets.check("faces64", root=tmp_path)
    assert report.ok and report.shape == (10, 3, 8, 8) and report.reference is False and report.problem == ""
    for file in ("images.npy", "labels.npy"):
        whole = (target / file).read_bytes()
        (target / file).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit
        assert len(datasets.load("faces64", "train", root=tmp_path)) == 7  # loading stays lazy
        report = datasets.check("faces64", root=tmp_path)
        assert report.present and not report.ok and file in report.problem
        (target / file).write_bytes(whole)
    assert datasets.check(f"pack:{target}").ok
    assert not datasets.check(f"pack:{tmp_path / 'nothing'}").present


def test_check_of_what_needs_no_files() -> None:
    report = datasets.check("natural")
    assert report.ok and report.reference is True and report.shape == (10_000, 3, 32, 32)
    assert datasets.check("dead-leaves").reference is None
    with pytest.raises(ValueError, match="Unknown"):
        datasets.check("nothing")


def test_a_streamed_pack_is_the_same_as_a_written_one(tmp_path: Path) -> None:
    images = pixels(10, 1, 4, 6)
    facts = {"name": "x", "source": "s", "licence": "l", "stand_in_for": "y"}
    datasets.write_pack(tmp_path / "whole", images, split={"train": (0, 7), "test": (7, 10)}, **facts)
    with packs.streamed(tmp_path / "parts", (1, 4, 6), **facts) as stream:
        stream.append(images[:3])
        stream.append(images[3:7])
        stream.begin_test()
        stream.append(images[7:][:, :, ::-1][:, :, ::-1])
    for file in ("images.npy", "card.json"):
        expected = (tmp_path / "whole" / file).read_bytes()
        assert json.loads((tmp_path / "parts" / file).read_text()) == json.loads(expected) if "card" in file else True
        assert file == "card.json" or (tmp_path / "parts" / file).read_bytes() == expected
    assert datasets.check(f"pack:{tmp_path / 'parts'}").ok


def test_a_streamed_pack_without_training_or_test_images_leaves_nothing(tmp_path: Path) -> None:
    for images, message in ((pixels(2, 1, 4, 6), "training and test"), (pixels(2, 1, 6, 4), "takes uint8 images")):
        with (
            pytest.raises(ValueError, match=message),
            packs.streamed(tmp_path / "x", (1, 4, 6), name="x", source="s", licence="l") as stream,
        ):
            stream.append(images)
    assert list(tmp_path.iterdir()) == []


def test_a_streamed_pack_on_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with (
            pytest.raises(OSError, match="x") as caught,
            packs.streamed(tmp_path / "x", (3, 64, 64), name="x", source="s", licence="l") as stream,
        ):
            stream.append(pixels(10, 3, 64, 64))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "x") and list(tmp_path.iterdir()) == []


def test_write_pack_refuses_wrong_arrays_and_occupied_folders(tmp_path: Path) -> None:
    facts = {"name": "x", "source": "s", "licence": "l", "split": {"train": (0, 7), "test": (7, 10)}}
    for images, labels, message in (
        (pixels().astype(float), None, "uint8"),
        (pixels(9), None, "split"),
        (pixels(), np.zeros(9, np.uint8), "labels"),
    ):
        with pytest.raises(ValueError, match=message):
            datasets.write_pack(tmp_path / "x", images, labels=labels, **facts)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="in the way"):
        datasets.write_pack(tmp_path / "x", pixels(), **facts)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["notes.txt", "x"]


# --- MNIST files


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_idx_plain_and_compressed(tmp_path: Path) -> None:
    images = pixels(3, 1, 5, 4)[:, 0]
    (tmp_path / "plain").write_bytes(idx(images))
    (tmp_path / "packed").write_bytes(gzip.compress(idx(images)))
    for name in ("plain", "packed"):
        assert (mnist.read_idx(tmp_path / name, 3) == images).all()
    with pytest.raises(MissingData):
        mnist.read_idx(tmp_path / "absent", 3)


WHOLE = idx(pixels(3, 1, 5, 4)[:, 0])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WHOLE[:3],
        WHOLE[:9],
        WHOLE[:-1],
        WHOLE + b"\0",
        b"\0\0\x09\x03" + WHOLE[4:],
        b"\0\0\x08\x01" + WHOLE[4:],
        b"\1\0\x08\x03" + WHOLE[4:],
        WHOLE[:4] + b"\xff" * 12 + WHOLE[16:],
        WHOLE[:4] + b"\0" * 4 + WHOLE[8:],
        gzip.compress(WHOLE, mtime=0)[:-5],  # with a time in their names two processes would collect other tests
        gzip.compress(WHOLE, mtime=0)[:20] + b"\0\0\0\0" + gzip.compress(WHOLE, mtime=0)[24:],
        gzip.compress(WHOLE[:-1], mtime=0),
    ],
)
def test_an_altered_idx_file_is_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "digits"
    file.write_bytes(data)
    with pytest.raises(CorruptFile, match="digits"):
        mnist.read_idx(file, 3)


def write_mnist(folder: Path, *, compressed: bool, train: int = 6, test: int = 2) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels(train + test, 1, 28, 28)
    labels = np.arange(train + test, dtype=np.uint8) % 10
    arrays = (images[:train, 0], labels[:train], images[train:, 0], labels[train:])
    for archive, array in zip(mnist.CARD.archives, arrays):
        data = idx(np.ascontiguousarray(array))
        if compressed:
            (folder / archive.filename).write_bytes(gzip.compress(data, mtime=0))
        else:
            (folder / archive.filename.removesuffix(".gz")).write_bytes(data)
    return images


@pytest.mark.parametrize("compressed", [True, False])
def test_mnist_from_the_files_that_torchvision_keeps(compressed: bool, tmp_path: Path) -> None:
    images = write_mnist(tmp_path / "MNIST" / "raw", compressed=compressed)
    train, test = (datasets.load("mnist", split, root=tmp_path) for split in ("train", "test"))
    assert (train.images[:, :, 2:30, 2:30] == images[:6]).all() and train.size == 32
    assert test.labels is not None and test.labels.tolist() == [6, 7]
    assert train.checksum == checksum(images)
    report = datasets.check("mnist", root=tmp_path)
    assert report.reference is False and not report.ok and "other pixels" in report.problem
    next((tmp_path / "MNIST" / "raw").glob("t10k-labels*")).unlink()
    with pytest.raises(MissingData, match="blurvae data prepare mnist"):
        datasets.load("mnist", "train", root=tmp_path)


def test_mnist_files_that_do_not_fit_each_other(tmp_path: Path) -> None:
    write_mnist(tmp_path, compressed=False)
    names = [archive.filename for archive in mnist.CARD.archives]
    file = tmp_path / "train-labels-idx1-ubyte"
    for labels, message in ((np.arange(5, dtype=np.uint8), "5 labels"), (np.full(6, 11, np.uint8), "label 11")):
        file.write_bytes(idx(labels))
        with pytest.raises(CorruptFile, match=message):
            mnist.read_official(tmp_path, names)


@pytest.mark.parametrize("style", ["train-images-idx3-ubyte", "emnist-letters-train-images-idx3-ubyte.gz", "kaggle"])
@pytest.mark.parametrize("labels", [True, False])
def test_a_set_of_mnists_form_is_padded_and_measured_on_its_own_pixels(
    style: str, labels: bool, tmp_path: Path
) -> None:
    images = pixels(8, 1, 28, 28)
    parts = {"train": images[:6], "t10k": images[6:]}
    for part, own in parts.items():
        for what, array in (("images", own[:, 0]), ("labels", np.arange(len(own), dtype=np.uint8) + 20)):
            name = f"{part}-{what}-idx{array.ndim}-ubyte"
            if style.startswith("emnist"):
                name = f"emnist-letters-{name.replace('t10k', 'test')}.gz"
            elif style == "kaggle":
                name = name.replace("-idx", ".idx")
            data = idx(np.ascontiguousarray(array))
            if what == "images" or labels:
                (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    train, test = (datasets.load(f"idx:{tmp_path}", split) for split in ("train", "test"))
    assert train.images.shape == (6, 1, 32, 32) and test.images.shape == (2, 1, 32, 32)
    assert (train.images[:, :, 2:30, 2:30] == images[:6]).all() and not train.images[:, :, :2].any()
    assert train.inner == (28, 28) and "black around their 28×28 px" in train.source
    assert (test.labels is not None and test.labels.tolist() == [20, 21]) if labels else test.labels is None
    own = datasets.load(f"idx:{tmp_path}", "test", size=28)
    assert (own.images == images[6:]).all() and own.inner is None
    assert datasets.check(f"idx:{tmp_path}").ok


def test_idx_folders_that_are_no_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="not a folder"):
        datasets.load(f"idx:{tmp_path / 'absent'}", "train")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(pixels(3, 1, 5, 4)[:, 0]))
    with pytest.raises(MissingData, match="no file t10k or test-images-idx3-ubyte"):
        datasets.load(f"idx:{tmp_path}", "train")
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(pixels(3, 1, 5, 5)[:, 0]))
    with pytest.raises(CorruptFile, match=r"\(5, 4\) and \(5, 5\)"):
        datasets.load(f"idx:{tmp_path}", "train")
    (tmp_path / "emnist-train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(ValueError, match="2 sets, , emnist-: give each a folder"):
        datasets.load(f"idx:{tmp_path}", "train")


def test_a_pack_is_padded_as_its_card_says(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"source": "s", "licence": "l", "split": {"train": (0, 7), "test": (7, 10)}}
    images = pixels(10, 1, 28, 28)
    datasets.write_pack(tmp_path / "grey", images, name="grey", pad=128, **facts)
    datasets.write_pack(tmp_path / "none", images, name="none", **facts)
    found = datasets.load(f"pack:{tmp_path / 'grey'}", "train", size=33)
    assert (found.images[:, :, 2:30, 2:30] == images[:7]).all() and found.inner == (28, 28)
    border = np.ones((33, 33), bool)
    border[2:30, 2:30] = False
    assert (found.images[..., border] == 128).all()
    assert datasets.load(f"pack:{tmp_path / 'grey'}", "train", size=20).inner is None
    with pytest.raises(ValueError, match='"pad", the grey level to pad with, such as 0'):
        datasets.load(f"pack:{tmp_path / 'none'}", "train", size=32)
    for level in (-1, 256, 1.0, True, "black"):
        with pytest.raises(ValueError, match="pad is a grey level"):
            datasets.write_pack(tmp_path / "x", images, name="x", pad=level, **facts)


@pytest.mark.parametrize("field", ["name", "shape", "sha256", "source", "licence", "split"])
def test_a_card_that_lacks_a_field_names_it_and_what_it_holds(field: str, tmp_path: Path) -> None:
    folder = make_pack(tmp_path)
    card = json.loads((folder / "card.json").read_text())
    value = card.pop(field)
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(CorruptFile, match=rf'does not state {field}: give it the fields "{field}" \('):
        packs.read(folder)
    (folder / "card.json").write_text("\ufeff" + json.dumps(card | {field: value}), encoding="utf-8")  # as Notepad does
    assert len(packs.read(folder).images) == 10


@pytest.mark.parametrize("place", ["link", "broken link", "disk", "lost+found"])
def test_a_pack_is_written_to_a_link_and_to_a_disk_of_its_own(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "root" / "faces64"
    target.parent.mkdir()
    (tmp_path / "big").mkdir()
    if "link" in place:
        target.symlink_to(tmp_path / "big" / ("new" if place == "broken link" else ""))
    else:
        target.mkdir()
    if place == "lost+found":
        (target / "lost+found").mkdir()
    replace_ = os.replace

    def refuse(source: Any, destination: Any) -> None:  # as the system does where a disk is mounted
        if Path(destination) == target:
            raise OSError(16, "Device or resource busy")
        replace_(source, destination)

    monkeypatch.setattr(os, "replace", refuse)
    made = make_pack(tmp_path / "root")
    assert {file.name for file in made.iterdir()} - {"lost+found"} == {"card.json", "images.npy", "labels.npy"}
    assert target.is_symlink() == ("link" in place)
    assert packs.copy(made, tmp_path / "copy", "faces64") == tmp_path / "copy"
    with pytest.raises(ValueError, match="in the way"):
        make_pack(tmp_path / "root")


def test_a_pack_that_fails_in_a_folder_that_is_there_leaves_it_empty(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with (
        pytest.raises(ValueError, match="split"),
        packs.streamed(tmp_path / "x", (1, 4, 4), name="x", source="s", licence="l"),
    ):
        pass
    assert list((tmp_path / "x").iterdir()) == []


def test_a_disk_without_permissions_and_a_name_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: (_ for _ in ()).throw(PermissionError(1, "Operation not permitted")))
    images = pixels()
    folder = datasets.write_pack(
        tmp_path / "x", images, name="x", source="the folder caf\udce9 of β", licence="l",
        split={"train": (0, 7), "test": (7, 10)},
    )  # fmt: skip
    assert packs.read(folder).card["source"] == "the folder caf\udce9 of β"


# --- folders of pictures


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(10):
        shape = (40 + k, 60, 3) if k % 2 else (60, 40 + k)
        (tmp_path / f"sub{k % 3}").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / f"sub{k % 3}" / f"{k}.png")
    (tmp_path / "readme.txt").write_text("not a picture")
    train, test = (datasets.load(f"folder:{tmp_path}", split, size=20) for split in ("train", "test"))
    assert train.images.shape == (8, 3, 20, 20) and test.images.shape == (2, 3, 20, 20)
    assert train.name == f"folder:{tmp_path.name}" and str(tmp_path.parent) not in train.source
    assert not (set(map(bytes, train.images)) & set(map(bytes, test.images)))
    assert datasets.load(f"folder:{tmp_path}", "train", size=20).checksum == train.checksum
    gray = tmp_path / "sub0" / "0.png"
    os.utime(gray, (2e9, 2e9))  # a changed file is read again
    gray.write_bytes(b"not a picture")
    with pytest.raises(CorruptFile, match=r"0\.png"):
        datasets.load(f"folder:{tmp_path}", "train", size=20)


def test_folder_crops_the_centre_averages_areas_and_keeps_gray(tmp_path: Path) -> None:
    images = pixels(2, 1, 16, 16)[:, 0]
    for k, image in enumerate(images):
        wide = np.pad(image, ((0, 0), (6, 6)))
        Image.fromarray(wide).save(tmp_path / f"{k}.png")
    sets = [datasets.load(f"folder:{tmp_path}", split, size=8) for split in ("train", "test")]
    found = np.concatenate([s.images for s in sets])
    expected = {bytes(box_average(image[None], 2)) for image in images}
    assert found.shape == (2, 1, 8, 8)
    for image in found:  # Pillow rounds in fixed point
        assert any(np.abs(image.astype(int) - np.frombuffer(e, np.uint8).reshape(8, 8)).max() <= 1 for e in expected)


def test_folder_reads_sixteen_bits_and_warns_of_enlarged_pictures(tmp_path: Path) -> None:
    for k in range(2):
        Image.fromarray(np.full((4, 4 + k), 257 * 100, np.uint16)).save(tmp_path / f"{k}.png")
    with pytest.warns(UserWarning, match="enlarged"):
        images = datasets.load(f"folder:{tmp_path}", "train", size=8)
    assert (images.images == 100).all() and images.channels == 1


def noise(seed: int, side: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


STRANGE = {  # what lies beside somebody's pictures, and the words for it
    ".ipynb_checkpoints/{}-checkpoint.png": "hidden folders",
    ".git/annex/objects/{}.png": "hidden folders",
    ".Trash-1000/files/{}.png": "hidden folders",
    "@eaDir/{}.jpg": "folders @eaDir",
    "a/__MACOSX/{}.png": "folders __MACOSX",
    "$RECYCLE.BIN/{}.png": "folders $RECYCLE.BIN",
    "a/._{}.png": "hidden files",
    "copy of {}.PNG": "copies of a file, byte by byte (10)",
    "{}.avif": "files with the ending .avif",
}


@pytest.mark.parametrize("where", STRANGE)
def test_a_folder_takes_nothing_hidden_and_nothing_twice(where: str, tmp_path: Path) -> None:
    for k in range(10):
        noise(k).save(tmp_path / f"{k}.png")
        other = tmp_path / where.format(k)
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes((tmp_path / f"{k}.png").read_bytes())
    with pytest.warns(UserWarning, match=rf"^10 pictures of .*; passed over: {re.escape(STRANGE[where])}"):
        train, test = (datasets.load(f"folder:{tmp_path}", split, size=32) for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 2)
    assert not set(map(bytes, train.images)) & set(map(bytes, test.images))


def test_links_to_files_count_once_and_links_to_folders_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for k in range(5):
        noise(k).save(tmp_path / "set" / f"{k}.png")
        noise(9 + k).save(tmp_path / "elsewhere" / f"{k}.png")
    (tmp_path / "set" / "again").symlink_to("../set")  # a circle
    (tmp_path / "set" / "more").symlink_to("../elsewhere")
    (tmp_path / "set" / "soft.png").symlink_to("0.png")
    os.link(tmp_path / "set" / "1.png", tmp_path / "set" / "hard.png")
    (tmp_path / "set" / "absent.png").symlink_to("../.git/annex/objects/1.png")
    (tmp_path / "set" / "other.png").symlink_to("../elsewhere/0.png")  # a file of its own
    os.mkfifo(tmp_path / "set" / "pipe.png")
    with pytest.warns(UserWarning) as caught:
        train = datasets.load(f"folder:{tmp_path / 'set'}", "train", size=32)
    said = str(caught[0].message)
    assert train.source == "6 pictures of the folder set"
    for words in ("linked folders (2)", "further names of a file (2)", "datalad get` (1)", "no regular file (1)"):
        assert words in said, said


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(0).save(tmp_path / "0.png")
    (tmp_path / "closed").mkdir()
    whole = os.scandir

    def scandir(path: Any) -> Any:  # permissions do not hold for root, who may run the tests
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="closed"):
        datasets.load(f"folder:{tmp_path}", "train")


def test_a_picture_that_is_replaced_by_an_older_one_is_read_again(tmp_path: Path) -> None:
    for k in range(3):
        noise(k).save(tmp_path / f"{k}.png")
    first = datasets.load(f"folder:{tmp_path}", "train", size=32)
    for k in range(3):
        noise(10 + k).save(tmp_path / f"{k}.png")
        os.utime(tmp_path / f"{k}.png", (1e9, 1e9))
    assert datasets.load(f"folder:{tmp_path}", "train", size=32).checksum != first.checksum


def test_a_pointer_to_a_picture_says_what_brings_it_here(tmp_path: Path) -> None:
    for start, command in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s1--0.png\n", "git annex get"),
        (b"../../.git/annex/objects/aa/bb/SHA256E-s1--0.png/SHA256E-s1--0.png", "datalad get"),
    ):
        (tmp_path / "x.png").write_bytes(start)
        with pytest.raises(CorruptFile, match=rf"x\.png.*only points to its content.*{command}"):
            folder_sets.read(tmp_path / "x.png", 8)


def test_endings_count_in_any_case_and_a_short_folder_says_what_it_has(tmp_path: Path) -> None:
    for name in ("c.PNG", "d.jfif", "E.JpEg", "f.avif", "g.HEIC"):
        (tmp_path / name).touch()
    assert folder_sets.pictures(tmp_path) == ["E.JpEg", "c.PNG", "d.jfif"]
    for name in ("d.jfif", "E.JpEg"):
        (tmp_path / name).unlink()
    with pytest.raises(MissingData, match=r"1 pictures.*passed over: .*\.avif \(1\), .*\.heic \(1\)"):
        datasets.load(f"folder:{tmp_path}", "train")


def test_a_name_that_is_no_text_and_names_in_the_two_forms_of_unicode(tmp_path: Path) -> None:
    for k in range(5):
        noise(k).save(tmp_path / f"{k}.png")
    os.rename(tmp_path / "0.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    assert len(datasets.load(f"folder:{tmp_path}", "train", size=32)) == 4
    names = [f"Müller-{k}-é.jpg" for k in range(40)]
    parts = []
    for form in ("NFC", "NFD"):
        split = folder_sets.split_names([unicodedata.normalize(form, name) for name in names])
        parts.append({key: [unicodedata.normalize("NFC", name) for name in found] for key, found in split.items()})
    assert parts[0] == parts[1] and len(parts[0]["test"]) == 8


# --- the pixels of pictures


def tiff(values: np.ndarray, bits: int, kind: int = 1, photometric: int = 1, data: bytes = b"", **tags: int) -> bytes:
    """An uncompressed TIFF of one channel, in the byte order of the values."""
    order, data = (">", values.tobytes()) if values.dtype.str[0] == ">" else ("<", data or values.tobytes())
    height, width = values.shape
    fields = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(data)}
    fields |= {339: kind} | {int(tag[1:]): value for tag, value in tags.items()}
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    start = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", 8 + len(data))
    return start + data + struct.pack(order + "H", len(fields)) + entries + bytes(4)


RAMP = np.tile(np.linspace(0, 1, 32), (32, 1))
LEVELS = np.rint(RAMP * 255).astype(int)
TWELVE = "".join(f"{round(v):012b}" for v in (RAMP * 4095).ravel())
DEEP = {
    "16 bits": tiff((RAMP * 65535).astype("<u2"), 16),
    "16 bits, big-endian": tiff((RAMP * 65535).astype(">u2"), 16),
    "16 bits, 0 is white": tiff(((1 - RAMP) * 65535).astype("<u2"), 16, photometric=0),
    "12 bits": tiff(RAMP.astype("<f4"), 12, data=int(TWELVE, 2).to_bytes(len(TWELVE) // 8, "big")),
    "32 bits up to 65535": tiff((RAMP * 65535).astype("<i4"), 32, 2),
    "float from 0 to 1": tiff(RAMP.astype(">f4"), 32, 3),
    "float, 0 is white": tiff((1 - RAMP).astype("<f4"), 32, 3, photometric=0),
    "8 bits, 0 is white": tiff((255 - LEVELS).astype("u1"), 8, photometric=0),
}
UNKNOWN = {
    "32 bits": tiff((RAMP * 2e9).astype("<i4"), 32, 2),
    "32 bits without sign": tiff((RAMP * 4e9).astype("<u4"), 32),
    "16 bits with sign": tiff((RAMP * 65535 - 32768).astype("<i2"), 16, 2),
    "8 bits with sign": tiff((RAMP * 255 - 128).astype("i1"), 8, 2),
    "float up to 200": tiff((RAMP * 200).astype("<f4"), 32, 3),
    "float below 0": tiff((RAMP - 0.1).astype("<f4"), 32, 3),
    "NaN": tiff(np.where(RAMP > 0.5, np.nan, 0).astype("<f4"), 32, 3),
    "infinity": tiff(np.where(RAMP > 0.5, np.inf, 0).astype(">f4"), 32, 3),
}


@pytest.mark.parametrize("kind", DEEP)
def test_grey_of_every_depth_and_byte_order(kind: str, tmp_path: Path) -> None:
    for k in range(2):
        (tmp_path / f"{k}.tif").write_bytes(DEEP[kind] + bytes(k))
    found = datasets.load(f"folder:{tmp_path}", "train", size=32).images
    assert found.shape == (1, 1, 32, 32) and np.abs(found[0, 0].astype(int) - LEVELS).max() <= 1


@pytest.mark.parametrize("kind", UNKNOWN)
def test_grey_whose_white_is_not_known_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(UNKNOWN[kind])
    with pytest.raises(CorruptFile, match=r"scan\.tif.*(grey levels go from|signed numbers).*save it with"):
        folder_sets.read(tmp_path / "scan.tif", 32, gray=True)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGB", "L", "1", "I;16"])
def test_what_is_transparent_lies_over_white(mode: str, tmp_path: Path) -> None:
    inside = np.zeros((32, 32), bool)
    inside[8:24, 8:24] = True
    options: dict[str, Any] = {}
    if mode in ("RGBA", "LA", "PA"):
        pixels = np.where(inside[..., None], (90, 90, 90, 255), (255, 0, 255, 0)).astype(np.uint8)
        image = Image.fromarray(pixels)
        image = image.convert("P").convert("PA") if mode == "PA" else image if mode == "RGBA" else image.convert("LA")
        if mode == "PA":
            image.putalpha(Image.fromarray(pixels[..., 3].copy()))
    elif mode == "P":
        image, options = Image.fromarray(inside.astype(np.uint8)), {"transparency": 0}
        image = image.convert("P")
        image.putpalette([255, 0, 255, 90, 90, 90])
    elif mode == "RGB":
        image = Image.fromarray(np.where(inside[..., None], (90, 90, 90), (255, 0, 255)).astype(np.uint8))
        options = {"transparency": (255, 0, 255)}
    elif mode == "1":
        image, options = Image.fromarray(inside).convert("1"), {"transparency": 0}
    else:
        image = Image.fromarray(
            np.where(inside, 90 * (257 if mode == "I;16" else 1), 7).astype("u1" if mode == "L" else "u2")
        )
        options = {"transparency": 7}
    file = tmp_path / ("x.tif" if mode == "PA" else "x.png")
    try:
        image.save(file, **options)
    except OSError:
        pytest.skip(f"Pillow writes no file of mode {mode}")
    found = folder_sets.read(file, 32)[0]
    grey = 255 if mode == "1" else 90
    assert (found[:, ~inside] == 255).all() and np.abs(found[:, inside].astype(int) - grey).max() <= 1


def test_an_opaque_picture_keeps_its_pixels_and_a_half_transparent_one_is_mixed(tmp_path: Path) -> None:
    opaque = noise(0, 16)
    opaque.save(tmp_path / "rgb.png")
    opaque.convert("RGBA").save(tmp_path / "rgba.png")
    assert (folder_sets.read(tmp_path / "rgb.png", 16)[0] == folder_sets.read(tmp_path / "rgba.png", 16)[0]).all()
    Image.new("RGBA", (4, 4), (0, 100, 200, 51)).save(tmp_path / "half.png")
    expected = 0.8 * 255 + 0.2 * np.array([0, 100, 200])
    assert np.abs(folder_sets.read(tmp_path / "half.png", 4)[0][:, 0, 0] - expected).max() <= 1


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_every_orientation_of_a_camera_is_turned_upright(ending: str, tmp_path: Path) -> None:
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8, :8], upright[:8, 8:], upright[8:, :8] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = {  # how the sensor held the picture, by the tag that says so
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }  # fmt: skip
    for tag, image in stored.items():
        exif = Image.Exif()
        exif[274] = tag
        quality: dict[str, Any] = {"lossless": True} if ending == "webp" else {"quality": 95} if ending == "jpg" else {}
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / f"x.{ending}", exif=exif, **quality)
        found = folder_sets.read(tmp_path / f"x.{ending}", 16)[0].transpose(1, 2, 0)
        assert np.abs(found[2::11, 2::11].astype(int) - upright[2::11, 2::11]).max() < 25, tag


def test_deep_grey_is_turned_upright_too(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff((RAMP * 65535).astype(">u2"), 16, t274=6))
    assert np.abs(folder_sets.read(tmp_path / "x.tif", 32, gray=True)[0][0].astype(int) - LEVELS.T).max() <= 1


def test_no_picture_starts_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostScript file is refused whatever its name, though Ghostscript is here (a stand-in that leaves a note)."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "set").mkdir()
    for k in range(4):
        noise(k).save(tmp_path / "set" / f"{k}.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "x.eps")
    (tmp_path / "x.eps").rename(tmp_path / "set" / "holiday.jpg")
    assert "holiday.jpg cannot be read as a picture" in datasets.check(f"folder:{tmp_path / 'set'}").problem
    with pytest.raises(CorruptFile, match=r"holiday\.jpg"):
        folder_sets.read(tmp_path / "set" / "holiday.jpg", 8)
    assert not (tmp_path / "started").exists()


def test_pictures_of_two_lenses_and_moving_ones_give_the_first(tmp_path: Path) -> None:
    noise(0).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[noise(1)], quality=95)
    noise(0).quantize().save(tmp_path / "x.gif", save_all=True, append_images=[noise(1).quantize()])
    noise(0).save(tmp_path / "one.jpg", quality=95)
    assert (folder_sets.read(tmp_path / "x.jpg", 40)[0] == folder_sets.read(tmp_path / "one.jpg", 40)[0]).all()
    expected = np.asarray(noise(0).quantize().convert("RGB")).transpose(2, 0, 1)
    assert (folder_sets.read(tmp_path / "x.gif", 40)[0] == expected).all()


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="not a folder"):
        datasets.load(f"folder:{tmp_path / 'absent'}", "train")
    with pytest.raises(MissingData, match="0 pictures"):
        datasets.load(f"folder:{tmp_path}", "train")


def test_the_split_of_a_folder_does_not_depend_on_the_order() -> None:
    names = [f"{k:03}.png" for k in range(100)]
    split = folder_sets.split_names(names)
    assert split == folder_sets.split_names(names[::-1])
    assert len(split["test"]) == 20 and sorted(split["train"] + split["test"]) == names
    assert split["test"] != names[80:]


# --- the written record


def test_registry_json_is_what_describe_says() -> None:
    # to write it again: (paths.root() / "data" / "registry.json").write_text(registry.as_json(), encoding="utf-8")
    stored = (paths.root() / "data" / "registry.json").read_text(encoding="utf-8")
    assert stored == registry.as_json()
    assert set(json.loads(stored)) == set(datasets.names())


def test_readme_has_a_card_for_every_data_set() -> None:
    text = (paths.root() / "data" / "README.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0].strip(" `"): " ".join(part.split()) for part in text.split("\n## ")[1:]}
    for name in datasets.names():
        card = datasets.describe(name)
        for key in ("title", "source", "licence", "split", "how_to_get", "stands_in_for"):
            assert card[key] is None or card[key] in sections[name], f"{name}: {key}"


# --- the real packs, where they are


REAL = os.environ.get("BLURVAE_DATA")


@pytest.mark.skipif(REAL is None, reason="BLURVAE_DATA names no folder of prepared data sets")
@pytest.mark.parametrize("name", PACKS)
def test_real_packs(name: str) -> None:
    report = datasets.check(name, root=REAL)
    if not report.present:
        pytest.skip(f"{name} is not prepared")
    card = datasets.describe(name)
    assert report.ok and report.reference in (True, None)
    for split in ("train", "test"):
        images = datasets.load(name, split, root=REAL)
        assert not card["images"] or len(images) == card["images"][split]
        assert card["shape"] is None or list(images.shape) == card["shape"]
        assert images.stands_in_for == card["stands_in_for"]


def test_packs_are_mapped_not_read(tmp_path: Path) -> None:
    make_pack(tmp_path, "cifar10")
    pack = packs.read(tmp_path / "cifar10")
    assert isinstance(pack.images, np.memmap) and not pack.images.flags.writeable
