"""Figures of the choices within the short-time Fourier loss, and of terms at one rate, from made-up records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import made_up
import matplotlib
import numpy as np
import pytest

from blurvae import experiments
from blurvae.experiments.dalal.choices import GROUPS
from blurvae.pages import figures

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SYSTEMS = {m.name: m.system for m in experiments.get("dalal/choices").METHODS}


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    with matplotlib.rc_context():
        yield
    plt.close("all")


def constants(name: str) -> dict[str, Any]:
    """Every constant of a row's loss, the pixel term's and the Fourier term's apart."""
    term: Any = SYSTEMS[name].term
    parts = {"pixel": getattr(term, "first", term), "fourier": getattr(term, "second", None)}
    found: dict[str, Any] = {"pixel": parts["pixel"].name}
    for field in fields(parts["fourier"]) if parts["fourier"] is not None else ():
        found[field.name] = getattr(parts["fourier"], field.name)
    return found


CHOICE = {
    "window / stride": {"window", "stride"},
    "weight of the phase": {"phase", "amplitude"},
    "× released weight": {"scale"},
    "pixel term": {"pixel"},
}


def test_the_rows_of_a_choice_differ_in_nothing_else_and_every_row_is_one_of_a_choice() -> None:
    assert {*GROUPS} == {*CHOICE}
    for title, (chosen, rows) in GROUPS.items():
        own = constants(chosen)
        assert chosen in rows.values()
        for name in rows.values():
            other = constants(name)
            shared = own.keys() & other.keys()  # "ssim" has no Fourier term: its weight is 0
            assert {key for key in shared if own[key] != other[key]} <= CHOICE[title], (title, name)
    assert {name for _, rows in GROUPS.values() for name in rows.values()} == {*SYSTEMS}


def test_every_run_is_a_dot_of_its_choices_and_what_was_chosen_has_the_other_colour(tmp_path: Path) -> None:
    values: dict[str, list[float]] = {}
    for run in experiments.get("dalal/choices").runs("lesson", "mnist-binary", (0, 1, 2)):
        psnr = 10 + 0.1 * list(SYSTEMS).index(run.method) + 0.01 * run.seed
        values.setdefault(run.method, []).append(psnr)
        made_up.write(tmp_path, run, {"PSNR": {"mean": psnr}, "KL": {"mean": 20.0}})
    fig = figures.choices("dalal/choices", "lesson", "mnist-binary", tmp_path)
    assert len(fig.axes) == 2 * len(GROUPS), "measures that were not taken have no line"
    for ax, (title, (chosen, rows)) in zip(fig.axes, GROUPS.items()):
        assert ax.get_title() == title
        dots, means = ax.lines[::2], ax.lines[1::2]
        for line, mean, name in zip(dots, means, rows.values(), strict=True):
            assert np.allclose(line.get_ydata(), values[name])
            assert np.allclose(mean.get_ydata(), np.mean(values[name]))
            assert (line.get_color() == figures.VERMILION) == (name == chosen)
    for ax, (_, rows) in zip(fig.axes[-len(GROUPS) :], GROUPS.values()):
        assert [label.get_text() for label in ax.get_xticklabels()] == [*rows]


def test_without_records_it_says_how_to_make_them(tmp_path: Path) -> None:
    for make, name, data in (
        (figures.choices, "dalal/choices", "mnist-binary"),
        (figures.at_one_rate, "dalal/rate", "mnist"),
    ):
        with pytest.raises(ValueError, match=f"blurvae run {name} --tier lesson --data {data}"):
            make(name, "lesson", data, tmp_path)


def test_each_term_is_shown_at_the_beta_that_sends_nearly_as_much(tmp_path: Path) -> None:
    """KL is 30/β of every term but of SSIM, which sends ten times as much: another β is nearest there."""
    sent = {}
    for run in experiments.get("dalal/rate").runs("lesson", "mnist", (0,)):
        kl = 30 / run.beta * (10 if run.method.startswith("ssim") else 1)
        sent[run.method] = kl
        file = made_up.write(tmp_path, run, {"KL": {"mean": kl}, "PSNR": {"mean": 20.0}})
        level = np.full((8, 1, 28, 28), round(10 * np.log(kl)), np.uint8)
        np.savez(file.with_suffix(".npz"), original=np.zeros_like(level), reconstruction=level)
    grid = figures.at_one_rate("dalal/rate", "lesson", "mnist", tmp_path, ("l2", "wiener", "ssim"))
    wieners = sorted(kl for name, kl in sent.items() if name.startswith("wiener,"))
    wanted = wieners[len(wieners) // 2]
    assert grid.labels[0] == "original"
    for label, term in zip(grid.labels[1:], ("l2", "wiener", "ssim"), strict=True):
        nearest = min(
            (kl for name, kl in sent.items() if name.startswith(f"{term},")), key=lambda kl: abs(np.log(kl / wanted))
        )
        assert label.endswith(f", {nearest:.0f} nats")
