"""What the experiments on precision and recall measure, and what the rules of claims make of their records."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from blurvae import claims, paths
from blurvae.claims import Evidence, Finding, verdict
from blurvae.claims import precision as rules
from blurvae.claims.rules import findings
from blurvae.datasets import ImageSet
from blurvae.errors import Diverged
from blurvae.experiments.prd import fleet, models, modes, ones, sets, theory
from blurvae.metrics import class_entropies, prd_curve
from blurvae.metrics.prd_curve import PRDCurve
from blurvae.systems import GAN, BlurVAE
from blurvae.train import Budget


def test_no_random_pair_contradicts_the_theorems():
    found = theory.record(60)
    assert found["pairs"] == 60 and set(found["violations"].values()) == {0}
    assert found["largest difference of F_1 and 1 − total variation"] > 0.05


def test_a_wrong_curve_contradicts_them(monkeypatch):
    def lower(**pair):
        precision, recall = prd_curve(**pair)
        return PRDCurve(0.9 * precision, 0.9 * recall)

    monkeypatch.setattr(theory, "prd_curve", lower)
    found = theory.record(60)["violations"]
    assert found["theorem 2"] > 0 and found["total variation"] > 0
    monkeypatch.setattr(theory, "prd_curve", lambda **pair: PRDCurve(*reversed(prd_curve(**pair))))
    assert theory.record(60)["violations"]["theorem 2"] > 0


def test_a_set_of_sure_and_balanced_answers_has_the_score_of_its_classes():
    sure = torch.eye(5).repeat(4, 1)
    assert class_entropies(sure) == pytest.approx((0, math.log(5), 5))
    assert class_entropies(torch.eye(5)[:1].repeat(9, 1)) == pytest.approx((0, 0, 1))
    assert class_entropies(torch.full((3, 5), 0.2)) == pytest.approx((math.log(5), math.log(5), 1))


def test_the_score_is_the_mean_divergence_from_the_whole():
    p = np.random.default_rng(0).dirichlet(np.ones(4), 30)
    divergence = (p * np.log(p / p.mean(0))).sum(1).mean()
    assert class_entropies(torch.from_numpy(p)).score == pytest.approx(math.exp(divergence))
    with pytest.raises(ValueError, match="softmax"):
        class_entropies(torch.from_numpy(2 * p))


@pytest.mark.parametrize("shear", [-0.5, 0.0, 0.3])
def test_the_slant_of_a_sheared_stroke_is_its_shear(shear):
    stroke = np.zeros((28, 28))
    stroke[5:23, 12:16] = 1
    # Output row y reads columns moved by shear·(y − centre): the stroke then leans by −shear.
    sheared = affine_transform(stroke, np.array([[1, 0], [shear, 1]]), offset=(0, -shear * 13.5), order=1)
    assert ones.slant(torch.from_numpy(sheared)[None, None]).item() == pytest.approx(-shear, abs=0.02)


def test_members_of_the_fleet_are_sets_of_one_size_on_the_unit_interval():
    pools = [torch.rand(60, 1, 28, 28, generator=torch.Generator().manual_seed(c)) for c in range(10)]
    found = dict(fleet.members(pools, 60, 0))
    assert len(found) == 9 * len(fleet.DIGITS)
    for images in found.values():
        assert images.shape == (60, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
    repeated = found["10 digits, 20 images repeated"].flatten(1)
    assert len(repeated.unique(dim=0)) == 20
    assert torch.equal(found["1 digits"], pools[0])


def test_the_two_models_of_a_pair_are_given_the_same():
    made = [models.drawn(pair) for pair in models.PAIRS]
    assert models.drawn(3) == made[3] and len({repr(one) for one in made}) == len(models.PAIRS) >= 15
    for pair, (budget, systems) in enumerate(made):
        vae, gan = (systems[kind] for kind in models.KINDS)
        assert budget.seed == pair and vae.widths[0] == gan.width and vae.latent == gan.latent
        for rate in (vae.lr, gan.lr):
            assert models.RATES[0] <= rate <= models.RATES[1]
        assert models.BETAS[0] <= vae.beta <= models.BETAS[1]
    assert {systems["GAN"].game for _, systems in made} == {"gan", "lsgan"}


@pytest.fixture
def digits(monkeypatch):
    """Strokes in the place of MNIST, and models that are as small as can be."""
    rng = np.random.default_rng(0)
    images = np.zeros((400, 1, 32, 32), np.uint8)
    for image, (row, column) in zip(images, rng.integers(4, 24, (400, 2))):
        image[0, row : row + 4, 6:26] = image[0, 6:26, column : column + 3] = 255
    whole = ImageSet("mnist", "train", images, None, "", "", None, "0", inner=(28, 28))
    monkeypatch.setattr(models.datasets, "load", lambda name, split, size: whole)
    vae = BlurVAE(beta=0.5, widths=(2, 4, 8), latent=2, hidden=4)
    both = {"VAE": vae, "GAN": GAN("lsgan", width=2, latent=2)}
    monkeypatch.setattr(models, "drawn", lambda pair: (Budget(epochs=1, batch_size=16, seed=pair), both))


def test_models_are_trained_and_measured_the_same_each_time(digits):
    rows = {row["kind"]: row for row in models.record(0, n=60, n_train=64)["rows"]}
    assert list(rows) == ["VAE", "GAN", "data"] and rows["VAE"]["beta"] == 0.5 and rows["GAN"]["game"] == "lsgan"
    for row in rows.values():
        assert all(0 <= row[side] <= 1 for side in models.SIDES)
    assert rows["data"]["knn precision"] > 0.5 and rows["data"]["FD"] < min(rows[kind]["FD"] for kind in models.KINDS)
    for row in models.record(0, n=60, n_train=64)["rows"]:
        old = rows[row["kind"]]
        assert row | {"seconds": 0} == old | {"seconds": 0}


def test_a_training_that_diverges_shares_nothing(digits, monkeypatch):
    def diverging(system, *rest):
        if isinstance(system, GAN):
            raise Diverged("step 7")
        return samples(system, *rest)

    samples = models.samples
    monkeypatch.setattr(models, "samples", diverging)
    kept, lost, _ = models.record(0, n=60, n_train=64)["rows"]
    assert lost["failed"] and lost["diverged"] == "step 7" and [lost[side] for side in models.SIDES] == [0] * 4
    assert "diverged" not in kept and kept["FD"] > 0


def test_joined_takes_as_much_of_each_class():
    classes = [torch.full((12, 1), float(c)) for c in range(3)]
    assert sets.joined(classes, 12)[:, 0].tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 4


def test_what_is_measured_of_two_sets_keeps_its_curve():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(120, 3, generator=generator)
    found = sets.measured(real, real[torch.randperm(120, generator=generator)] + 0.1, clusters=5, runs=3)
    curve = PRDCurve(*(np.array(found["curve"][side]) for side in ("precision", "recall")))
    assert len(curve.precision) == sets.ANGLES and curve.precision[100] == pytest.approx(found["at one"])
    assert found["FD"] == pytest.approx(3 * 0.1**2, rel=0.2)
    assert json.loads(json.dumps(sets.rounded(found)))["recall"] == pytest.approx(found["recall"], rel=1e-4)


# --- claims ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Records that are made up: every number speaks for its claim."""
    (tmp_path / "prd").mkdir()

    def write(name, record):
        sets.path(name, tmp_path).write_text(json.dumps(record))

    rows = [
        {"i": i, "seed": s, "FD": abs(i - 5) + 1 + 0.01 * s, "score": i + 0.01 * s}
        | {"recall": min(i, 5) / 5, "precision": min(1, 5 / i)}
        for s in range(3)
        for i in range(1, 11)
    ]
    write(modes.name("mnist", "squeeze"), {"rows": rows})
    return tmp_path


def evidence(rule, **more):
    return Evidence(rule, "21", **more)


def test_modes_are_told_apart(folder):
    asked = evidence("modes apart", data="mnist", method="squeeze")
    made = rules.modes_apart(asked, folder)
    assert Finding(asked, tuple(made)).calls == {"for"} and len(made) == 5
    assert made[2].values == pytest.approx([1] * 3) and made[3].values == pytest.approx([0.2] * 3)
    (score,) = rules.score_rises(evidence("score rises", data="mnist", method="squeeze"), folder)
    assert score.values == pytest.approx([1] * 3)


RULES = [
    (rules.theorems, {"metrics": ("(i)",)}),
    (rules.modes_apart, {"data": "mnist", "method": "pixels"}),
    (rules.score_rises, {"data": "mnist", "method": "pixels"}),
    (rules.equal_distance, {"method": "pixels"}),
    (rules.stable_average, {}),
    (rules.within_a_class, {"method": "pixels"}),
    (rules.rank_correlation, {}),
    (rules.which_side, {}),
    (rules.toys, {}),
    (rules.side_of_models, {}),
]


@pytest.mark.parametrize(("rule", "given"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_nothing_recorded_is_not_tested(rule, given, folder):
    asked = evidence("", **given)
    assert Finding(asked, tuple(rule(asked, folder))).calls == {"not tested"}


def test_a_model_leans_to_what_it_has_more_of_once_all_pairs_are_there(folder, monkeypatch):
    for pair in range(5):
        near = {"knn precision": 0.5, "knn recall": 0.5 + 0.01 * pair}
        vae = {"kind": "VAE", "pair": pair, "precision": 0.4, "recall": 0.8 + 0.01 * pair} | near
        gan = {"kind": "GAN", "pair": pair, "precision": 0.9, "recall": 0.5} | near
        sets.path(models.name(pair), folder).write_text(json.dumps({"rows": [vae, gan]}))
    asked = evidence("side of models")
    assert Finding(asked, tuple(rules.side_of_models(asked, folder))).calls == {"not tested"}
    monkeypatch.setattr(models, "PAIRS", tuple(range(5)))
    judged = Finding(asked, tuple(rules.side_of_models(asked, folder))).judged
    assert [j.call for j in judged] == ["for", *["one of the two sides"] * 2, "open", *["one of the two sides"] * 2]
    lean, precision, _, near, *_ = (j.comparison for j in judged)
    assert lean.values == pytest.approx([0.8 + 0.01 * pair for pair in range(5)])
    assert precision.values == pytest.approx([-0.5] * 5) and near.values == pytest.approx([0] * 5)


def test_theorems_hold_and_what_has_no_evidence_is_not_tested():
    ledger = claims.load(paths.claims() / "prd.toml")
    found = {claim.name: verdict(findings(claim)) for claim in ledger}
    assert list(found) == [f"PR-C{i}" for i in range(1, 10)]
    assert found["PR-C1"] == found["PR-C2"] == "holds"
    assert found["PR-C9"] == "not tested"
