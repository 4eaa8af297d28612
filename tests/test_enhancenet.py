"""EnhanceNet against the text's formulas: its losses, what its textures keep, and when its discriminator learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import IMAGES, enhancenet
from toys.running import made, moves, scene

from blurvae.errors import MissingNetwork
from blurvae.models.classifier import Classifier, ClassifierMaps, trained_classifier
from blurvae.resampling import imresize
from blurvae.systems import EnhanceNet, textures
from blurvae.systems.enhancenet import GAMELESS, LOSSES, Players
from blurvae.systems.textures import WEIGHTS, gram, mean_one, perceptual, texture
from blurvae.train import Scene


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def doubled(system: EnhanceNet, seed: int = 0) -> Players:
    players = made((system, IMAGES), seed)
    for net in players:
        if net is not None:
            net.double()
    return players


def at(system: EnhanceNet) -> Scene:
    ((_, move),) = moves(system)
    return scene((system, IMAGES), move, torch.float64)


# The losses ----------------------------------------------------------------------------------------------------------


def test_the_weights_are_those_of_table_2_2() -> None:
    paper = WEIGHTS["vgg19-caffe"]
    assert paper.perceptual == {"pool2": 2e-1, "pool5": 2e-2}
    assert paper.texture == {"conv1_1": 3e-7, "conv2_1": 1e-6, "conv3_1": 1e-6}
    ours = WEIGHTS["classifier"]
    assert [*ours.perceptual.values()] == [*paper.perceptual.values()]
    assert [*ours.texture.values()] == [*paper.texture.values()]


@pytest.mark.parametrize("loss", (*LOSSES, *GAMELESS))
def test_a_loss_is_the_sum_that_its_letters_name(loss: Any) -> None:
    """Written out with numpy from the text's formulas, on the networks' own outputs."""
    system = enhancenet(loss, adversarial=2.0)
    players, here = doubled(system), at(system)
    turn = system.play(players, here)
    x, x_hat = here.x, turn.seen.x_hat
    assert torch.allclose(x_hat, players.generator(imresize(x, 0.5)))
    n = len(x)
    parts = {"E": np.mean([np.sum(((a - b) / 2) ** 2) / 64 for a, b in zip(x.numpy(), x_hat.detach().numpy())])}
    if players.features is not None:
        layers = ("block1", "block2", "block3", "block4")
        true, est = (
            {k: v.detach().numpy() for k, v in players.features(images, layers).items()} for images in (x, x_hat)
        )
        scale = {k: f.mean((1, 2, 3), keepdims=True) for k, f in true.items()}
        true, est = ({k: f / scale[k] for k, f in maps.items()} for maps in (true, est))
        parts["P"] = sum(w * np.mean((true[k] - est[k]) ** 2) for k, w in (("block3", 0.2), ("block4", 0.02)))
        parts["T"] = 0.0
        for k, w, cells in (("block1", 3e-7, 4), ("block2", 1e-6, 2), ("block3", 1e-6, 1)):
            side = true[k].shape[-1] // cells
            errors = []
            for i in range(n):
                for r in range(side):
                    for c in range(side):
                        place = np.s_[i, :, r * cells : (r + 1) * cells, c * cells : (c + 1) * cells]
                        a, b = (maps[k][place].reshape(maps[k].shape[1], -1) for maps in (true, est))
                        errors.append(np.mean((a @ a.T - b @ b.T) ** 2))
            parts["T"] += w * np.mean(errors)
    if players.discriminator is not None:
        d_real, d_fake = (torch.sigmoid(players.discriminator(images)).detach().numpy() for images in (x, x_hat))
        parts["A"] = 2.0 * np.mean(-np.log(d_fake))
        wanted = np.mean(-np.log(d_real) - np.log(1 - d_fake))
        assert turn.losses["discriminator"].item() == pytest.approx(wanted, rel=1e-9)
    assert turn.losses["generator"].item() == pytest.approx(sum(parts[letter] for letter in loss), rel=1e-9)
    assert turn.parts["euclidean"].item() == pytest.approx(parts["E"], rel=1e-9), "it is always measured"
    assert (players.discriminator is None, players.features is None) == ("A" not in loss, loss in ("E", "EA"))


def test_the_generators_game_is_not_the_minimax_one() -> None:
    """EN-E6: where the judge is sure, −log D pulls with its whole weight and log(1 − D) no more."""
    logit = torch.tensor(-20.0, dtype=torch.float64, requires_grad=True)
    (ours,) = torch.autograd.grad(torch.nn.functional.softplus(-logit), logit)
    (minimax,) = torch.autograd.grad(torch.log(1 - torch.sigmoid(logit)), logit)
    assert ours.item() == pytest.approx(-1, abs=1e-6) and minimax.item() == pytest.approx(0, abs=1e-6)


# Textures ------------------------------------------------------------------------------------------------------------


def test_a_texture_does_not_know_where_in_its_patch_something_is() -> None:
    f = random(2, 5, 8, 8)
    turned = f.unflatten(3, (2, 4)).unflatten(2, (2, 4)).flip(3, 5).flatten(2, 3).flatten(3)  # each patch by 180°
    assert torch.allclose(gram(f, 4), gram(turned, 4)) and not torch.allclose(gram(f, 2), gram(turned, 2))
    moved = f.roll(4, 3)  # patches change places
    assert not torch.allclose(gram(f, 4), gram(moved, 4))
    assert torch.allclose(gram(f, 8), gram(moved, 8)), "of the whole picture the places do not count either"
    assert torch.allclose(gram(f, 8)[:, 0], gram(f, 4).sum(1)), "sums over positions"


def test_gram_matrices_are_products_of_features_patch_by_patch() -> None:
    f = random(2, 3, 9, 7)
    found = gram(f, 3)
    assert found.shape == (2, 3 * 2, 3, 3)
    patch = f[1, :, 3:6, 3:6].flatten(1)
    assert torch.allclose(found[1, 1 * 2 + 1], patch @ patch.T)
    with pytest.raises(ValueError, match="No patch of 8×8 cells"):
        gram(f, 8)


def test_losses_of_features_have_the_gradients_of_finite_differences() -> None:
    truth, made_ = {"a": random(2, 3, 4, 4)}, random(2, 3, 4, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: texture({"a": 0.3}, truth, {"a": f}, {"a": 2}), made_)
    assert torch.autograd.gradcheck(lambda f: perceptual({"a": 0.3}, truth, {"a": f}), made_)
    assert not texture({"a": 1.0}, truth, truth, {"a": 2}).any() and not perceptual({"a": 1.0}, truth, truth).any()


def test_features_of_mean_one_do_not_know_the_scale_of_their_network() -> None:
    truth, other = {"a": random(3, 4, 5, 5)}, {"a": random(3, 4, 5, 5, seed=1)}
    ones = mean_one(truth, truth)
    assert torch.allclose(ones["a"].mean((1, 2, 3)), torch.ones(3, dtype=torch.float64))
    larger = [{"a": 100 * f["a"]} for f in (other, truth)]
    assert torch.allclose(mean_one(larger[0], larger[1])["a"], mean_one(other, truth)["a"])
    assert torch.allclose(mean_one(larger[0], truth)["a"], 100 * mean_one(other, truth)["a"]), (
        "nor is it each one's own"
    )


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_few_places_are_compared_without_their_large_matrices(cells: int) -> None:
    """Also nearly equal features in float32, and slopes: the sum of the three squares would lose both."""
    made, truth = (random(2, 100, 6, 7, seed=s).double() for s in (1, 2))
    near = (truth + 1e-4 * random(2, 100, 6, 7, seed=3).double()).requires_grad_()
    for other in (made, near):
        written_out = (textures.gram(other, cells) - textures.gram(truth, cells)).square().flatten(1).mean(1)
        found = textures.gram_error(other, truth, cells)
        assert torch.allclose(found, written_out, rtol=1e-9) and (found > 0).all()
        assert torch.allclose(textures.gram_error(other.float(), truth.float(), cells).double(), found, rtol=1e-2)
    slopes = [torch.autograd.grad(loss.sum(), near)[0] for loss in (found, written_out)]
    assert torch.allclose(*slopes, rtol=1e-6, atol=1e-12)


def test_patches_are_in_pixels_of_the_picture_or_in_cells_of_each_map() -> None:
    x, maps = torch.zeros(1, 3, 128, 128), torch.zeros(1, 8, 32, 32)
    assert enhancenet("PAT", patch=16).cells(maps, x) == 4
    assert enhancenet("PAT", patch=16, patch_unit="cells").cells(maps, x) == 16
    assert enhancenet("PAT", patch=128).cells(maps, x) == 32 == enhancenet("PAT", patch=0).cells(maps, x)


def test_the_classifiers_maps_are_what_its_own_layers_see() -> None:
    classifier = trained_classifier("cifar10")
    net, x = textures.network("classifier"), 2 * random(2, 3, 16, 16).float() - 1
    assert isinstance(net, ClassifierMaps)
    found = net(x, ("block2", "block4"))
    assert [*found] == ["block2", "block4"] and all((f >= 0).all() for f in found.values())
    assert torch.allclose(found["block4"].mean((2, 3)), classifier(x).features, atol=1e-5)
    assert found["block2"].shape[-1] == 8, "stride 2"
    net.double()
    assert next(classifier.parameters()).dtype == torch.float32, "its own copy"
    with pytest.raises(ValueError, match="not 'block9'"):
        ClassifierMaps(Classifier(3, 10, (4, 6)))(x, ("block9",))


# Steps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["bicubic", "box"])
def test_a_part_is_cut_after_the_whole_was_made_smaller(kernel: Any) -> None:
    system = enhancenet("E", crop=8, scale=2, kernel=kernel)
    x, where = random(3, 3, 24, 20), torch.tensor([[0.0, 0.0], [0.999, 0.999], [0.5, 0.25]], dtype=torch.float64)
    low, high = system.pair(x, where)
    whole = textures.smaller(x, 2, kernel)
    for i, (top, left) in enumerate([(0, 0), (8, 6), (4, 1)]):
        assert torch.equal(low[i], whole[i, :, top : top + 4, left : left + 4])
        assert torch.equal(high[i], x[i, :, 2 * top : 2 * top + 8, 2 * left : 2 * left + 8])
    if kernel == "box":
        assert torch.allclose(low, high.unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5)))
    assert torch.equal(system.pair(x, None)[1], x)


def test_the_discriminator_learns_after_a_batch_that_it_judged_badly() -> None:
    system = enhancenet("EA", threshold=0.8)
    players = made((system, IMAGES))
    judge = players.discriminator
    assert judge is not None

    def step(real: float, fake: float) -> bool:
        measured = {"right_real": torch.tensor(real).double(), "right_fake": torch.tensor(fake).double()}
        return bool(system.rule(players, measured)["discriminator"])

    assert step(1.0, 1.0), "before the first batch it has judged nothing"
    assert judge.performance.tolist() == [1, 1]
    assert not step(0.9, 0.5), "it was right in all of the batch before"
    assert step(0.5, 0.9) and step(0.9, 0.9)
    assert not step(1.0, 1.0) and not step(1.0, 1.0), "and it is judged anew where it does not learn"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"loss": "T"}, "has the losses E, P"),
    ({"patch": -4}, "or 0 for the whole"),
    ({"scale": 3}, "by doubling"),
    ({"crop": 7}, "that the scale of 2 divides"),
    ({"adversarial": -1.0}, "weight of the adversarial loss"),
    ({"width": 0}, "whole numbers"),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=[m for _, m in BAD])
def test_fields_out_of_their_range_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        enhancenet(**{"loss": "E"} | fields)


def test_pictures_that_do_not_fit_are_refused_before_any_work() -> None:
    for system, shape, message in (
        (enhancenet("E", crop=32), (3, 16, 16), "lower crop"),
        (enhancenet("E"), (3, 15, 16), "do not divide"),
        (enhancenet("EA"), (3, 16, 24), "set crop"),
        (enhancenet("PAT"), (2, 16, 16), "colour or grey pictures"),
        (enhancenet("PAT", patch=6), (3, 16, 16), "do not tile"),
    ):
        with pytest.raises(ValueError, match=message):
            system.players(shape)


def test_grey_pictures_have_the_features_of_their_three_equal_channels() -> None:
    system = enhancenet("PT")
    assert system.players((1, 8, 8)).features is not None
    features = doubled(system).features
    assert features is not None
    x, x_hat = (random(2, 1, 8, 8, seed=s).double() for s in (1, 2))
    here = at(system)
    found = system.compared(features, x, x_hat, here)
    thrice = system.compared(features, x.repeat(1, 3, 1, 1), x_hat.repeat(1, 3, 1, 1), here)
    assert {*found} == {"perceptual", "texture"}
    assert all(torch.equal(found[name], thrice[name]) and found[name] > 0 for name in found)


def test_absent_weights_are_named_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    needy, own = EnhanceNet("PAT"), enhancenet("PAT")
    assert needy.needs((3, 128, 128)).endswith("vgg19.safetensors") and own.needs((3, 8, 8)) == ""
    assert EnhanceNet("EA").needs((3, 128, 128)) == ""
    with pytest.raises(MissingNetwork, match="original VGG-19"):
        needy.players((3, 128, 128))
