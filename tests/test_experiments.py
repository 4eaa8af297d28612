"""What every experiment promises: its runs, its paper's rows, its budget, and what it shares with another."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from blurvae import datasets, experiments
from blurvae.experiments.recorded import paper_table
from blurvae.experiments.sharpness import vae_gan
from blurvae.record import needs, networks

TIERS = [(name, tier) for name in experiments.EXPERIMENTS for tier in experiments.get(name).GRID]
MAIN = [name for name in experiments.EXPERIMENTS if name.startswith("bredell/")]


def grid(name, tier):
    module = experiments.get(name)
    return [run for data, seeds in module.GRID.get(tier, {}).items() for run in module.runs(tier, data, seeds)]


def test_an_experiment_of_the_main_paper_has_a_short_name():
    assert experiments.get("table5") is experiments.get("bredell/table5")
    assert [experiments.resolve(name.partition("/")[2]) for name in MAIN] == MAIN
    for name in ("table9", "dalal/table5", "bredell/", ""):
        with pytest.raises(ValueError, match=rf"no experiment '{name}': choose one of bredell/table5, "):
            experiments.get(name)
    assert experiments.search_path("table2", "natural", "lesson") == experiments.search_path(
        "bredell/table2", "natural", "lesson"
    )


@pytest.mark.parametrize(("name", "tier"), TIERS)
def test_runs_are_methods_times_seeds_on_known_data_that_networks_and_terms_take(name, tier):
    module = experiments.get(name)
    runs = grid(name, tier)
    assert len(set(runs)) == len(runs) == len({run.path("") for run in runs})
    names = {m.name: m for m in (*module.METHODS, *module.VARIANTS)}
    assert {run.method for run in runs} <= set(names)
    if tier != "smoke" or name in MAIN:
        assert {m.name for m in module.METHODS} <= {run.method for run in runs}
    for run in {run.method: run for run in runs}.values():
        assert getattr(run.system, "term", None) == getattr(names[run.method].system, "term", None)
        assert run.data in datasets.names() and run.experiment in experiments.EXPERIMENTS
        if tier != "paper" and not needs(run):
            networks(run, (3, run.size, run.size))  # the size divides by the stride, the kernel is odd


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_a_tier_that_an_experiment_does_not_offer_is_refused(name):
    module = experiments.get(name)
    for tier in set(experiments.TIERS) - set(module.GRID):
        with pytest.raises(ValueError, match=f"no tier '{tier}': choose {', '.join(module.GRID)}"):
            module.runs(tier, "natural", (0,))


@pytest.mark.parametrize("name", [name for name in experiments.EXPERIMENTS if name != "bredell/longer"])
def test_all_methods_of_a_table_have_one_budget(name):
    """What a tier gives them, too: fields of the system in which the methods themselves do not differ.

    But for the experiment whose subject is the budget.
    """
    module = experiments.get(name)
    systems = [m.system for m in (*module.METHODS, *module.VARIANTS)]
    keys = [f.name for f in fields(systems[0]) if len({getattr(s, f.name) for s in systems}) == 1 and f.name != "beta"]
    for tier in module.GRID:
        budgets = {}
        for run in grid(name, tier):
            system = tuple(getattr(run.system, key) for key in keys)
            budgets.setdefault(run.data, set()).add((system, run.budget.epochs, run.budget.batch_size, run.n_train,
                                                     run.size, run.n_test))  # fmt: skip
        assert {len(found) for found in budgets.values()} == {1}


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_lessons_fit_the_data_and_are_three_seeds_or_more_except_at_256_px(name):
    for run in grid(name, "lesson"):
        card = datasets.describe(run.data)["images"] if run.data != "natural" else datasets.natural.COUNTS[run.size]
        assert run.n_train <= card["train"] and run.n_test <= card["test"], run
    for seeds in experiments.get(name).GRID.get("lesson", {}).values():
        assert seeds == ((0,) if name == "bredell/table2_256" else tuple(range(max(3, len(seeds)))))


@pytest.mark.parametrize("name", [n for n in experiments.EXPERIMENTS if experiments.get(n).PAPER_TABLE])
def test_every_row_of_the_paper_is_a_method_and_every_method_names_a_row(name):
    module = experiments.get(name)
    table = paper_table(module.PAPER_TABLE)
    printed = set(table[table.data == module.PAPER_DATA].method)
    named = {m.paper for m in module.METHODS if m.paper is not None}
    assert named <= printed
    # Table 1 prints the main setting twice: as ε large and as C = 0.025.
    assert printed - named == ({"C = 0.025"} if name == "bredell/table1" else set())
    assert module.PAPER_DATA in datasets.names()


def test_of_variants_three_seeds_are_planned_and_of_rows_all_of_the_grid():
    seeds = {}
    for run in experiments.planned("sharpness/vae_gan", "lesson"):
        seeds.setdefault((run.data, run.method in {m.name for m in vae_gan.VARIANTS}), set()).add(run.seed)
    grid_ = vae_gan.GRID["lesson"]
    assert seeds == {
        (data, variant): {0, 1, 2} if variant else {*grid_[data]} for data in grid_ for variant in (False, True)
    }
    assert experiments.planned("sharpness/vae_gan", "smoke") and not experiments.planned("study", "lesson")


def test_what_two_tables_share_is_one_run():
    table2 = set(grid("table2", "lesson"))
    assert {run.method for run in table2 & set(grid("table1", "lesson"))} == {"wiener"}
    assert set(grid("figure2", "lesson")) <= table2
    shared = {run for run in grid("table3", "lesson") if run.data == "natural"}
    assert shared and shared <= table2
    assert not table2 & set(grid("table6", "lesson")), "its β is 1 and it measures bounds"
    assert {run.experiment for run in experiments.borrowed("table1", "lesson", "natural")} == {"bredell/table2"}
    assert experiments.borrowed("table2", "lesson", "natural") == ()


def test_the_papers_protocol():
    """Training facts of the main paper, typed here a second time."""
    faces = {run.method: run for run in experiments.get("table2").runs("paper", "celeba", (0,))}
    system = faces["wiener"].system
    assert (faces["wiener"].budget.epochs, system.warm_up, system.lr, faces["l2"].system.latent) == (100, 10, 1e-4, 256)
    assert system.term.C == 0.025
    large = next(r for r in experiments.get("table2_256").runs("paper", "celeba-hq", (0,)) if r.method == "wiener")
    assert (large.budget.epochs, large.system.term.kernel_size, len(large.system.widths)) == (200, 41, 6)
    brain = experiments.get("table3").runs("paper", "hcp", (0,))[0]
    assert (brain.budget.epochs, brain.system.warm_up) == (400, 20)
    second = experiments.get("table4").runs("paper", "celeba", (0,))[0]
    assert (second.system.architecture, second.system.widths) == ("B", (32, 64, 128, 256, 512))
    assert {run.beta for run in experiments.get("table6").runs("paper", "celeba", (0,))} == {1.0}


def test_the_study_trains_all_methods_alike_and_matches_the_rate_of_wiener():
    study = experiments.get("study")
    for data in study.GRID["study"]:
        runs = {run.method: run for run in study.runs("study", data, (0,))}
        for run in runs.values():
            epochs, system = run.budget.epochs, run.system
            assert system.phase(system.warm_up) == ("weighted" if run.method == "wiener" else "train")
            assert system.warm_up == epochs // 10 and system.decay**epochs == pytest.approx(0.02)
            assert run.n_test <= datasets.describe(data)["images"]["test"]
        l2, matched = runs["l2"].system, runs["l2-at-wieners-rate"].system
        assert matched == replace(l2, beta=matched.beta) and matched.beta < l2.beta == runs["wiener"].system.beta
    with pytest.raises(ValueError, match="of cifar10 and faces64, not of 'natural'"):
        study.runs("study", "natural", (0,))


def test_longer_trainings_differ_in_their_length_alone():
    runs = experiments.get("longer").runs("study", "natural", (0,))
    assert [(run.budget.epochs, run.system.warm_up) for run in runs[::4]] == [(8, 2), (30, 3), (100, 10)]
    for run in runs:
        first = next(other for other in runs if other.method == run.method.replace(f"={run.budget.epochs}", "=8"))
        same = replace(run, method=first.method, budget=first.budget, system=replace(run.system, warm_up=2))
        assert same == first
    smoke = experiments.get("longer").runs("smoke", "natural", (0,))
    assert {run.budget.epochs for run in smoke} == {2}


def test_each_arm_is_one_change():
    """Against Wiener or L2 of the same table; typed here a second time."""
    arms = {run.method: run for run in experiments.get("arms").runs("lesson", "natural", (0,))}
    given = {name: (run.budget, run.size, run.n_train, run.n_test, run.n_bound) for name, run in arms.items()}
    assert len(set(given.values())) == 1 and len(arms) == 15
    assert {run.experiment for name, run in arms.items() if name in ("l2", "wiener", "wiener-proper")} == {
        "bredell/table6"
    }

    def changes(name, base):
        own, other = arms[name].system, arms[base].system
        systems = {f.name for f in fields(own) if getattr(own, f.name) != getattr(other, f.name)}
        terms = {f.name for f in fields(own.term) if getattr(own.term, f.name) != getattr(other.term, f.name, None)}
        return systems, terms

    assert changes("one-kernel", "wiener") == ({"one_kernel"}, set())
    assert changes("never", "wiener") == ({"warm_up"}, set())
    assert arms["never"].system.phase(arms["never"].budget.epochs - 1) == "warm-up"
    assert changes("window-5", "wiener") == changes("window-21", "wiener") == ({"term"}, {"kernel_size"})
    assert changes("l2,beta=0.5", "l2") == ({"beta"}, set())
    assert changes("spectral", "l2")[0] == changes("sigma", "l2")[0] == {"term"}
    assert changes("power-law,beta=0.1", "l2")[0] == {"term", "beta"}
    for name in ("fixed-2-late", "fixed-4-late"):
        first = arms["wiener"].system.warm_up
        assert [arms[name].system.phase(epoch) for epoch in (first - 1, first)] == ["warm-up", "weighted"]


def test_the_curves_have_one_grid_of_beta_for_all_terms():
    module = experiments.get("rate")
    betas = {}
    for run in module.runs("paper", "cifar10", (0,)):
        betas.setdefault(run.system.term.name, []).append(run.beta)
    assert len(betas) == 6
    assert {tuple(found) for found in betas.values()} == {module.BETAS}
    ratios = [b / a for a, b in zip(module.BETAS, module.BETAS[1:])]
    assert len(module.BETAS) == 6 and max(ratios) / min(ratios) < 1.05, "evenly spaced in log β"
    terms = {run.system.term.name for run in module.runs("lesson", "natural", (0,))}
    assert terms == {"l2", "wiener", "wiener-proper"}


def test_the_search_covers_the_beta_that_stands_without_it():
    for name in ("table2", "table3", "table4"):
        for method in experiments.get(name).METHODS:
            assert method.system.beta in method.search and list(method.search) == sorted(method.search)
