"""The project's classifier: its samples, its file, what it learns, and the trained ones that come with the book."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from blurvae import datasets, metrics, paths
from blurvae.datasets import ImageSet
from blurvae.errors import CorruptFile, MissingNetwork
from blurvae.experiments.prd.classifiers import TRAININGS, accuracy, labelled, trained
from blurvae.models.classifier import Classifier, load_classifier, save_classifier, trained_classifier
from blurvae.systems.classifier import Classification
from blurvae.train import Budget

FOLDER = paths.checkpoints() / "classifiers"


def bars(n: int, seed: int = 0, labels: bool = True) -> ImageSet:
    """Noisy images of four classes, each with its own bright rows."""
    rng = np.random.default_rng(seed)
    images, classes = rng.integers(0, 80, (n, 1, 16, 16), np.uint8), rng.integers(0, 4, n)
    for image, c in zip(images, classes):
        image[0, 4 * c : 4 * c + 4] += 100
    return ImageSet("bars", "train", images, classes if labels else None, "", "", None, "0")


def test_a_sample_is_a_class_and_its_pixels():
    data = bars(20)
    system = Classification((1, 16, 16), 4)
    labels, x = system.split(datasets.to_float(torch.from_numpy(labelled(data).images)))
    assert torch.equal(labels, torch.from_numpy(data.labels))
    assert torch.equal(x, datasets.to_float(data.tensor()))
    with pytest.raises(ValueError, match="bars has no classes"):
        labelled(bars(20, labels=False))


def test_every_class_of_a_byte_comes_back():
    records = np.zeros((256, 5), np.uint8)
    records[:, 0] = np.arange(256)
    labels, _ = Classification((1, 2, 2), 256).split(datasets.to_float(torch.from_numpy(records)))
    assert torch.equal(labels, torch.arange(256))


def test_images_are_mirrored_and_moved_with_black_behind_them():
    x = torch.rand(1, 3, 8, 8)
    plain = Classification((3, 8, 8))
    assert plain.changed(x, torch.zeros(1, 3)) is x
    flipped = Classification((3, 8, 8), flip=True)
    assert torch.equal(flipped.changed(x, torch.tensor([[0.6, 0, 0]])), x.flip(-1))
    assert torch.equal(flipped.changed(x, torch.tensor([[0.4, 0, 0]])), x)
    moved = Classification((3, 8, 8), shift=2)
    assert torch.equal(moved.changed(x, torch.tensor([[0, 0.5, 0.5]])), x)
    down = moved.changed(x, torch.tensor([[0, 0.0, 0.5]]))
    assert torch.equal(down[..., 2:, :], x[..., :-2, :]) and (down[..., :2, :] == -1).all()
    left = moved.changed(x, torch.tensor([[0, 0.5, 0.999]]))
    assert torch.equal(left[..., :-2], x[..., 2:]) and (left[..., -2:] == -1).all()


def test_it_learns_classes_that_can_be_told_apart():
    state = torch.get_rng_state()
    system = Classification((1, 16, 16), 4, (8, 16, 16), lr=1e-2)
    classifier, history = trained(system, Budget(epochs=4, batch_size=32), bars(320))
    assert torch.equal(state, torch.get_rng_state())
    assert history[-1]["cross_entropy"] < 0.5 * history[0]["cross_entropy"]
    assert accuracy(classifier, bars(200, seed=1)) > 0.95
    assert not classifier.training and not any(p.requires_grad for p in classifier.parameters())


def test_a_file_gives_back_the_network(tmp_path):
    classifier = Classifier(3, 5, (4, 6)).eval()
    save_classifier(tmp_path / "c.safetensors", classifier)
    again, x = load_classifier(tmp_path / "c.safetensors"), torch.rand(2, 3, 8, 8)
    for a, b in zip(classifier(x), again(x)):
        assert torch.equal(a, b)
    assert again(x).features.shape == (2, 6) and again(x).logit.shape == (2, 5)
    (tmp_path / "c.safetensors").write_bytes(b"no such thing")
    with pytest.raises(CorruptFile, match=r"no.*whole classifier"):
        load_classifier(tmp_path / "c.safetensors")


def test_an_absent_classifier_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path)
    with pytest.raises(MissingNetwork, match=r"FD-classifier-mnist needs .*classifiers/mnist\.safetensors"):
        metrics.embed(torch.rand(2, 1, 28, 28), "classifier-mnist")


@pytest.mark.parametrize("name", TRAININGS)
def test_a_classifier_comes_with_the_book(name):
    card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    classifier, file = trained_classifier(name), FOLDER / f"{name}.safetensors"
    assert file.stat().st_size <= 2 * 2**20
    assert sum(p.numel() for p in classifier.parameters()) == card["parameters"]
    assert card["metrics"]["accuracy"]["value"] >= {"mnist": 0.99, "cifar10": 0.75}[name]
    described = datasets.describe(name)
    assert card["data"]["licence"] == described["licence"] and card["licence"] and card["provenance"]["commit"]
    assert card["data"]["n_train"] == described["images"]["train"]


@pytest.mark.parametrize("name", TRAININGS)
def test_a_changed_classifier_is_refused(name, tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "classifiers")
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path)
    file = tmp_path / "classifiers" / f"{name}.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(CorruptFile, match="another sha256"):
        trained_classifier(name)


@pytest.mark.parametrize("name", TRAININGS)
def test_the_accuracy_of_a_card_is_that_of_the_classifier(name):
    try:
        test = datasets.load(name, "test", n=1000)
    except FileNotFoundError:
        pytest.skip(f"{name} is not here")
    card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    stated = card["metrics"]["accuracy"]["value"]
    assert abs(accuracy(trained_classifier(name), test) - stated) < 4 * (stated * (1 - stated) / 1000) ** 0.5


def test_digits_with_and_without_their_margin_have_one_vector():
    x = torch.rand(3, 1, 28, 28)
    framed = torch.nn.functional.pad(x, (2, 2, 2, 2))
    assert torch.equal(metrics.embed(x, "classifier-mnist"), metrics.embed(framed, "classifier-mnist"))
    with pytest.raises(ValueError, match="grey images"):
        metrics.embed(torch.rand(3, 3, 28, 28), "classifier-mnist")
    grey = torch.rand(2, 1, 32, 32)
    assert torch.equal(
        metrics.embed(grey, "classifier-cifar10"), metrics.embed(grey.expand(-1, 3, -1, -1), "classifier-cifar10")
    )
