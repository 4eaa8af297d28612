"""The parts of the benchmark by name, each a function of a plan that returns its figures for the JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blurvae.bench.parts.evaluation import evaluation
from blurvae.bench.parts.functions import ffl, log_determinant
from blurvae.bench.parts.package import html, imports
from blurvae.bench.parts.plan import Plan
from blurvae.bench.parts.profile import profile
from blurvae.bench.parts.steps import epoch, modes, step, wiener
from blurvae.bench.parts.together import side_by_side

PARTS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "step": step,
    "wiener": wiener,
    "log-determinant": log_determinant,
    "ffl": ffl,
    "epoch": epoch,
    "modes": modes,
    "side by side": side_by_side,
    "evaluation": evaluation,
    "import": imports,
    "html": html,
    "profile": profile,
}
