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
from blurvae.experiments.prd import fleet, modes, ones, sets, theory
from blurvae.metrics import class_entropies, prd_curve
from blurvae.metrics.prd_curve import PRDCurve


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
]


@pytest.mark.parametrize(("rule", "given"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_nothing_recorded_is_not_tested(rule, given, folder):
    asked = evidence("", **given)
    assert Finding(asked, tuple(rule(asked, folder))).calls == {"not tested"}


def test_theorems_hold_and_what_has_no_evidence_is_not_tested():
    ledger = claims.load(paths.claims() / "prd.toml")
    found = {claim.name: verdict(findings(claim)) for claim in ledger}
    assert list(found) == [f"PR-C{i}" for i in range(1, 10)]
    assert found["PR-C1"] == found["PR-C2"] == "holds"
    assert found["PR-C6"] == found["PR-C9"] == "not tested"
