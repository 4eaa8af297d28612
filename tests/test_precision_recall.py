"""Precision and recall: the theorems on random pairs, a linear programme, worked tables, brute force."""

from __future__ import annotations

import math
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning

from blurvae.evaluation import precision_recall
from blurvae.metrics import attainable, class_entropies, f_beta, knn_precision_recall, prd, prd_curve
from blurvae.metrics import knn as knn_module
from blurvae.metrics.prd import cluster
from blurvae.metrics.prd_curve import slopes

GRID = slopes()


def pairs(n: int, states: int = 6, seed: int = 0):
    """Random pairs of distributions, of which many states have no mass in one or both."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        p, q = (rng.dirichlet(np.full(states, 0.7)) * (rng.random(states) < 0.7) for _ in range(2))
        if p.sum() > 0 and q.sum() > 0:
            yield p / p.sum(), q / q.sum()


def by_linear_programme(p, q, precision, recall) -> bool:
    """Whether there is a μ of Lemma 1: 0 ≤ μ, Σμ = 1, βμ ≤ P, αμ ≤ Q."""
    states = len(p)
    found = linprog(
        np.zeros(states),
        A_ub=np.concatenate([recall * np.eye(states), precision * np.eye(states)]),
        b_ub=np.concatenate([p, q]),
        A_eq=np.ones((1, states)),
        b_eq=[1.0],
        bounds=(0, None),
    )
    return found.status == 0


# --- discrete distributions ------------------------------------------------------------------------------------------


def test_slopes_are_the_equiangular_grid_with_one_in_the_middle():
    np.testing.assert_allclose(np.arctan(GRID) / (math.pi / 2), np.arange(1, 1002) / 1002, rtol=1e-12)
    assert GRID[500] == 1
    np.testing.assert_array_equal(GRID[500:], 1 / GRID[:501][::-1])


def test_the_whole_square_belongs_to_equal_distributions_only():  # theorem 1 (i)
    for p, q in pairs(50):
        assert attainable(real=p, generated=p, precision=1, recall=1)
        assert attainable(real=p, generated=q, precision=1, recall=1) == np.allclose(p, q)
        curve = prd_curve(real=p, generated=p)
        np.testing.assert_allclose(np.maximum(*curve), 1, atol=1e-12)


def test_nothing_belongs_to_disjoint_supports_only():  # theorem 1 (ii)
    common = 0
    for p, q in pairs(200, states=3, seed=1):
        disjoint = not (p * q).any()
        common += not disjoint
        assert (max(np.max(values) for values in prd_curve(real=p, generated=q)) == 0) == disjoint
        state = np.argmax(p * q)
        if not disjoint:  # the proof's own pair
            assert attainable(real=p, generated=q, precision=q[state], recall=p[state])
    assert 0 < common < 200


def test_the_greatest_precision_and_recall_are_the_masses_on_the_other_support():  # theorem 1 (iii), (iv)
    for p, q in pairs(100, seed=2):
        both = (p > 0) & (q > 0)
        if not both.any():
            continue
        precision, recall = min(1, q[both].sum()), min(1, p[both].sum())
        at = (p[both] * precision / q[both]).min()  # the recall of the proof
        assert attainable(real=p, generated=q, precision=precision, recall=at)
        if precision < 0.999:
            assert not attainable(real=p, generated=q, precision=precision + 1e-6, recall=1e-9)
        if recall < 0.999:
            assert not attainable(real=p, generated=q, precision=1e-9, recall=recall + 1e-6)
        ratio = q[both] / p[both]
        if ratio.max() <= GRID[-1] and ratio.min() >= GRID[0]:
            curve = prd_curve(real=p, generated=q)
            assert curve.precision.max() == pytest.approx(precision, abs=1e-12)
            assert curve.recall.max() == pytest.approx(recall, abs=1e-12)


def test_less_of_either_is_attainable_too_and_swapping_the_two_swaps_precision_and_recall():  # theorem 1 (v), (vi)
    rng = np.random.default_rng(3)
    for p, q in pairs(200, seed=3):
        precision, recall = rng.random(2)
        found = attainable(real=p, generated=q, precision=precision, recall=recall)
        assert found == attainable(real=q, generated=p, precision=recall, recall=precision)
        if found:
            less = rng.random(2) * (precision, recall)
            assert attainable(real=p, generated=q, precision=less[0], recall=less[1])
        forth, back = prd_curve(real=p, generated=q), prd_curve(real=q, generated=p)
        np.testing.assert_allclose(forth.precision, back.recall[::-1], atol=1e-14)
        assert f_beta(forth, 8) == pytest.approx(f_beta(back, 1 / 8), abs=1e-12)


def test_the_curve_is_the_edge_of_what_is_attainable():  # theorem 2
    for p, q in pairs(100, seed=4):
        curve = prd_curve(real=p, generated=q)
        for i in (0, 200, 500, 700, 1000):
            precision, recall = curve.precision[i], curve.recall[i]
            if precision > 0:
                assert attainable(real=p, generated=q, precision=precision, recall=recall)
                beyond = 1.0001 * precision, 1.0001 * recall
                assert max(beyond) > 1 or not attainable(real=p, generated=q, precision=beyond[0], recall=beyond[1])


def test_the_scalar_test_agrees_with_a_linear_programme():  # lemma 1
    rng, answers = np.random.default_rng(5), []
    for p, q in pairs(60, seed=5):
        precision, recall = rng.choice([*rng.random(3), 1.0], 2)
        answers.append(attainable(real=p, generated=q, precision=precision, recall=recall))
        assert answers[-1] == by_linear_programme(p, q, precision, recall)
    assert 5 < sum(answers) < len(answers) - 5


def test_curves_have_their_shape_and_the_total_variation_distance_at_slope_one():
    for p, q in pairs(50, seed=6):
        precision, recall = prd_curve(real=p, generated=q)
        assert (np.diff(precision) >= -1e-15).all() and (np.diff(recall) <= 1e-15).all()
        bend = np.diff(np.diff(precision) / np.diff(GRID))
        assert (bend <= 1e-9).all()  # concave in λ
        assert precision[500] == recall[500] == pytest.approx(1 - np.abs(p - q).sum() / 2)


# P uniform on 5 classes, Q on the first i of 10: greatest precision, recall, F_8, F_1/8, F_1, and δ(P, Q).
CLASSES = {
    1: (1, 0.2, 0.2025, 0.9415, 0.3333, 0.8),
    2: (1, 0.4, 0.4037, 0.9773, 0.5712, 0.6),
    3: (1, 0.6, 0.6037, 0.9898, 0.7497, 0.4),
    4: (1, 0.8, 0.8025, 0.9961, 0.8882, 0.2),
    5: (1, 1, 1, 1, 1, 0),
    6: (0.8333, 1, 0.9969, 0.8354, 0.9088, 0.1667),
    7: (0.7143, 1, 0.9938, 0.7174, 0.8329, 0.2857),
    8: (0.625, 1, 0.9908, 0.6286, 0.7687, 0.375),
    9: (0.5556, 1, 0.9878, 0.5594, 0.7138, 0.4444),
    10: (0.5, 1, 0.9848, 0.5039, 0.6665, 0.5),
}


@pytest.mark.parametrize("i", CLASSES)
def test_classes_dropped_and_added_have_their_worked_values(i):
    p, q = np.arange(10) < 5, np.arange(10) < i
    curve = prd_curve(real=p / p.sum(), generated=q / q.sum())
    found = curve.precision.max(), curve.recall.max(), *(f_beta(curve, b) for b in (8, 1 / 8, 1))
    assert (*found, 1 - curve.precision[500]) == pytest.approx(CLASSES[i], abs=6e-5)
    # The curve of a uniform Q on a part of P, or beyond it, is a rectangle: one of the two is the greatest on each ray.
    assert np.isclose(curve.precision, found[0]).astype(int).sum() + np.isclose(curve.recall, found[1]).sum() >= 1001


def test_two_states_with_unequal_masses():
    curve = prd_curve(real=[0.5, 0.5], generated=[0.98, 0.02])
    assert (f_beta(curve, 8), f_beta(curve, 1 / 8)) == pytest.approx((0.727, 0.985), abs=6e-4)


# P = Q uniform on 20 states, n draws of each: the mean of α(1) and of the greatest F_8.
FINITE = {500: (0.893, 0.989), 1000: (0.922, 0.993), 2000: (0.945, 0.995), 5000: (0.966, 0.997), 10_000: (0.975, 0.998)}


@pytest.mark.parametrize("n", FINITE)
def test_finite_sets_of_one_distribution_fall_short_by_the_worked_amount(n):
    rng = np.random.default_rng(n)
    curves = [
        prd_curve(real=a / n, generated=b / n, angles=201)
        for a, b in rng.multinomial(n, np.full(20, 0.05), size=(150, 2))
    ]
    at_one = np.array([c.precision[100] for c in curves])
    f_8 = np.array([f_beta(c, 8) for c in curves])
    theory = 1 - 10 * math.sqrt(2 * 0.05 * 0.95 / n) * math.sqrt(2 / math.pi)
    error = 4 * at_one.std() / math.sqrt(len(curves))
    assert at_one.mean() == pytest.approx(FINITE[n][0], abs=error + 5e-4)
    assert at_one.mean() == pytest.approx(theory, abs=error + 1e-3)
    assert f_8.mean() == pytest.approx(FINITE[n][1], abs=4 * f_8.std() / math.sqrt(len(curves)) + 1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prd_curve(real=[0.5, 0.5], generated=[1.0]), "same list"),
        (lambda: prd_curve(real=[5, 5], generated=[0.5, 0.5]), "real is no distribution.*Divide counts"),
        (lambda: prd_curve(real=[0.5, 0.5], generated=[1.5, -0.5]), "generated is no distribution"),
        (lambda: prd_curve(real=[1.0], generated=[1.0], angles=1000), "odd number"),
        (lambda: f_beta(prd_curve(real=[1.0], generated=[1.0]), 0), "positive"),
        (lambda: attainable(real=[1.0], generated=[1.0], precision=1.2, recall=1), r"lie in \[0, 1\]"),
    ],
)
def test_refuses_what_are_no_distributions(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("function", [prd, knn_precision_recall, prd_curve])
def test_real_and_generated_are_named_since_swapped_they_swap_the_answer(function):
    with pytest.raises(TypeError, match="positional"):
        function(torch.rand(30, 2), torch.rand(30, 2))


def test_erratum_pr_e1_the_printed_parts_are_undefined_where_nothing_is_left_for_them():
    p = np.array([0.5, 0.3, 0.2])
    assert attainable(real=p, generated=p, precision=1, recall=1)
    with np.errstate(invalid="ignore"):  # (5.7) with μ = P and β = 1
        assert np.isnan((p - 1.0 * p) / (1 - 1.0)).all()
    # α = 1 alone: Q is μ, and only ν_P is left; the programme with β < 1 and α = 1 has its solution.
    q = np.array([1.0, 0, 0])
    assert attainable(real=p, generated=q, precision=1, recall=0.5) and by_linear_programme(p, q, 1, 0.5)


def balanced(formula: str) -> bool:
    """Whether every bracket is closed by one of its kind, the last opened first."""
    opened: list[str] = []
    for mark in formula:
        if mark in "([":
            opened.append(mark)
        elif mark in ")]" and (not opened or opened.pop() + mark not in ("()", "[]")):
            return False
    return not opened


def test_erratum_pr_e2_the_score_as_printed_does_not_parse():
    """Eq. 5.1 closes its square bracket over an open divergence; one parenthesis before it mends that."""
    printed = "exp(E_{x~G}[d_KL(p(y|x), p(y)])"
    assert not balanced(printed) and printed.count("(") == printed.count(")") + 1
    assert not balanced(printed + ")")  # at the end the number is right and the order is not
    assert balanced(printed.replace("]", ")]"))
    p = torch.from_numpy(np.random.default_rng(0).dirichlet(np.full(4, 0.3), 200))  # as mended it is the score
    divergence = (p * (p / p.mean(0)).log()).sum(1)
    assert class_entropies(p).score == pytest.approx(divergence.mean().exp().item())


def test_erratum_pr_e4_only_an_entropy_falls_where_answers_get_surer():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 10))
    sharp, entropy, largest = np.arange(1, 6), [], []
    for scale in sharp:  # the surer a classifier, the better its images, the greater the precision
        p = torch.from_numpy(logits * scale).softmax(1)
        entropy.append(class_entropies(p).of_image)
        largest.append(p.max(1).values.mean().item())
    assert spearmanr(sharp, entropy).statistic == pytest.approx(-1)  # the sign of the printed −0.83
    assert spearmanr(sharp, largest).statistic == pytest.approx(1)  # that of a probability


def test_erratum_pr_e5_the_origin_alone_belongs_to_every_pair():
    for p, q in ([1.0, 0], [0, 1.0]), ([0.5, 0.5], [0.9, 0.1]):
        assert attainable(real=p, generated=q, precision=0, recall=0)  # so ⊇ would hold for disjoint supports too
    assert not attainable(real=[1.0, 0], generated=[0, 1.0], precision=1e-6, recall=1e-6)


# --- samples ---------------------------------------------------------------------------------------------------------


def modes(counts, seed: int, d: int = 8, spread: float = 0.05) -> torch.Tensor:
    """Points about the first corners of a simplex, well apart, so many about each, in random order."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    points = torch.eye(d)[which] + spread * torch.randn(len(which), d, generator=generator)
    return points[torch.randperm(len(points), generator=generator)]


def test_clusters_of_distinct_modes_give_the_curve_of_their_masses():
    real, generated = modes([100, 100, 100, 100, 0], 0), modes([200, 100, 0, 0, 100], 1)
    found = prd(real=real, generated=generated, clusters=5, runs=3)
    exact = prd_curve(real=[0.25, 0.25, 0.25, 0.25, 0], generated=[0.5, 0.25, 0, 0, 0.25])
    for curve in (found.curve, *found.runs):
        for one, other in zip(curve, exact, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
    assert found.precision == pytest.approx(f_beta(exact, 1 / 8))
    assert found.recall == pytest.approx(f_beta(exact, 8))


def test_half_the_modes_lose_recall_and_modes_of_ones_own_lose_precision():
    half, whole = modes([200, 200], 0), modes([100, 100, 100, 100], 1)
    dropped, added = prd(real=whole, generated=half, clusters=4, runs=2), prd(real=half, generated=whole, clusters=4)
    assert dropped.recall < 0.6 < 0.95 < dropped.precision
    assert added.precision < 0.6 < 0.95 < added.recall


def test_too_few_clusters_do_not_see_a_missing_mode():
    real, generated = modes([100, 100, 100, 100], 0), modes([200, 0, 100, 100], 1)
    found = [prd(real=real, generated=generated, clusters=k, runs=1).recall for k in (1, 4)]
    assert found[0] == 1 and found[1] < 0.95


def test_the_same_seed_repeats_and_runs_differ():
    real, generated = (torch.randn(150, 4, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    first, again, other = (prd(real=real, generated=generated, runs=3, seed=s) for s in (0, 0, 1))
    for a, b in zip((first.curve, first.floor, *first.runs), (again.curve, again.floor, *again.runs), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.curve, other.curve)
    assert not np.array_equal(first.runs[0], first.runs[1])
    np.testing.assert_allclose(first.curve.recall, np.mean([run.recall for run in first.runs], 0))


def test_the_floor_is_real_against_real():
    real, other = (torch.randn(400, 4, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    far = prd(real=real, generated=real + 100, runs=2)
    assert far.precision == far.recall == 0
    assert far.n_floor == 200 and f_beta(far.floor, 8) > 0.9
    given = prd(real=real, generated=real + 100, reference=other, runs=2)
    assert given.n_floor == 400
    direct = prd(real=real, generated=other, runs=2, seed=0)
    assert f_beta(given.floor, 8) == pytest.approx(f_beta(direct.curve, 8), abs=0.02)
    assert f_beta(prd(real=real, generated=real, runs=2).curve, 1) == pytest.approx(1)


def test_float32_features_far_from_the_origin_cluster_as_near_it():
    real, generated = modes([100, 100, 100, 100, 0], 0), modes([200, 100, 0, 0, 100], 1)
    near = prd(real=real, generated=generated, clusters=5, runs=1)
    far = prd(real=real + 1024, generated=generated + 1024, clusters=5, runs=1)
    np.testing.assert_allclose(far.curve, near.curve, atol=1e-12)


def test_the_published_protocol_on_ten_thousand_features_takes_less_than_a_minute_of_processor_time():
    generator = torch.Generator().manual_seed(0)
    real, generated = (torch.randn(5000, 512, generator=generator) for _ in range(2))
    start = time.process_time()
    found = prd(real=real, generated=generated)
    assert time.process_time() - start <= 60  # of all cores together
    assert len(found.runs) == 10 and found.n == 5000 and found.n_floor == 2500


def test_repeated_points_share_a_cluster_and_print_nothing():
    real = torch.eye(4)[torch.arange(40) % 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        labels, _ = cluster(real=real, generated=real, clusters=20, seed=0)
        found = prd(real=real, generated=real[:1].expand(40, -1), clusters=20, runs=2)
    assert all(len(set(labels[torch.arange(40) % 4 == i])) == 1 for i in range(4))
    assert found.curve.recall.max() == 0.25 and found.curve.precision.max() == pytest.approx(1)


def by_definition(real, generated, k):
    """Precision, recall, density and coverage, point by point, in the published formulas with closed balls."""
    p, q = real.double().numpy(), generated.double().numpy()

    def radii(s):
        return [sorted(np.linalg.norm(s - x, axis=1))[k] for x in s]

    radius_p, radius_q, n = radii(p), radii(q), len(p)
    near = [[np.linalg.norm(x - y) for y in q] for x in p]
    precision = sum(any(near[i][j] <= radius_p[i] for i in range(n)) for j in range(n)) / n
    recall = sum(any(near[i][j] <= radius_q[j] for j in range(n)) for i in range(n)) / n
    density = sum(near[i][j] <= radius_p[i] for i in range(n) for j in range(n)) / (k * n)
    coverage = sum(min(near[i]) <= radius_p[i] for i in range(n)) / n
    return precision, recall, density, coverage


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_nearest_neighbours_agree_with_the_definitions(monkeypatch, k, offset):
    generator = torch.Generator().manual_seed(k)
    real = torch.randn(60, 5, generator=generator, dtype=torch.float64) + offset
    generated = 0.7 * torch.randn(60, 5, generator=generator, dtype=torch.float64) + 1.0 + offset
    monkeypatch.setattr(knn_module, "CHUNK", 7 * 60)  # chunks that do not divide the set
    found = knn_precision_recall(real=real, generated=generated, k=k)
    assert found == pytest.approx(by_definition(real, generated, k), abs=1e-12)
    assert all(0 < value < 1 for value in found[:2])


def test_copies_are_within_their_balls():
    real = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    # Each ball holds the copies of its centre and of its k neighbours.
    assert knn_precision_recall(real=real, generated=real, k=5) == pytest.approx((1, 1, 6 / 5, 1))
    repeated = real[:5].repeat(10, 1)  # each point ten times: balls of radius 0 hold the ten copies
    assert knn_precision_recall(real=repeated, generated=repeated, k=5) == pytest.approx((1, 1, 10 / 5, 1))
    collapsed = real[:1].expand(50, -1)
    found = knn_precision_recall(real=real, generated=collapsed, k=5)
    assert found.precision == 1 and found.recall == 1 / 50
    assert 1 / 50 <= found.coverage < 0.5


def test_far_sets_share_nothing():
    real = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    assert knn_precision_recall(real=real, generated=real + 100) == (0, 0, 0, 0)


def test_memory_of_nearest_neighbours_is_bounded(monkeypatch):
    monkeypatch.setattr(knn_module, "CHUNK", 2**16)
    rows: list[int] = []
    plain = knn_module._squared

    def watched(a, b):
        for distance in plain(a, b):
            rows.append(distance.numel())
            yield distance

    monkeypatch.setattr(knn_module, "_squared", watched)
    knn_precision_recall(real=torch.randn(1500, 4), generated=torch.randn(1500, 4))
    assert max(rows) <= 2**16 and sum(rows) == 3 * 1500**2


@pytest.mark.parametrize("function", [prd, knn_precision_recall])
@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (torch.rand(30, 2), torch.rand(20, 2), r"equal numbers.*\(30, 2\) and \(20, 2\)"),
        (torch.rand(30, 2), torch.rand(30, 3), "equal numbers"),
        (torch.rand(30), torch.rand(30), r"real must be.*\(n, d\)"),
        (torch.rand(30, 2), torch.zeros(30, 2, dtype=torch.int64), "generated must be a floating-point"),
        (np.zeros((30, 2)), torch.rand(30, 2), "not ndarray"),
        (torch.rand(30, 2), torch.full((30, 2), math.nan), "generated holds values that are not finite"),
    ],
)
def test_refuses_what_are_no_two_sets(function, real, generated, message):
    with pytest.raises(ValueError, match=message):
        function(real=real, generated=generated)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: prd(real=x, generated=x, clusters=40), "40 clusters cannot be made of 30 features"),
        (lambda x: prd(real=x, generated=x, runs=0), "at least one clustering"),
        (lambda x: prd(real=x, generated=x, reference=x[:10]), "real and reference"),
        (lambda x: knn_precision_recall(real=x, generated=x, k=30), "1 to 29 neighbours"),
    ],
)
def test_refuses_what_the_sets_cannot_bear(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.rand(30, 2))


def test_without_scikit_learn_a_record_says_so(monkeypatch):
    """A training that took minutes is not lost for it."""
    for module in ("sklearn.cluster", "sklearn.exceptions"):
        monkeypatch.setitem(sys.modules, module, None)
    images = torch.rand(120, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = precision_recall(images, {"samples": images.flip(0)}, "pixels")
    wanted = {"state": "needs weights", "what": "the package scikit-learn"}
    assert found == {f"{side}-pixels (samples)": wanted for side in ("precision", "recall")}
