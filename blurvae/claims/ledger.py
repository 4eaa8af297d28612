"""The ledger of claims, a file below data/claims for each source document: what is claimed and which runs test it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from blurvae import experiments, paths
from blurvae.claims.model import Claim, Evidence
from blurvae.claims.rules import RULES, findings
from blurvae.claims.verdict import Finding
from blurvae.experiments import recorded

OVER_BETA = ("equal rate", "error share", "searched")  # rules that know a method at all its values of β
Found = dict[Claim, tuple[Finding, ...]]


def load(file: Path | None = None) -> tuple[Claim, ...]:
    """The claims of a file, <source document>.toml; those of all documents where None.

    Raises:
        ValueError: a key, rule, experiment, method, metric, tier or data set that does not exist, or a claim without
            the prefix of its document.
    """
    if file is None:
        return tuple(claim for source in experiments.SOURCES for claim in load(paths.claims() / f"{source}.toml"))
    file = Path(file)
    prefix = experiments.SOURCES.get(file.stem, "")
    try:
        found = tuple(_claim(entry) for entry in tomllib.loads(file.read_text(encoding="utf-8"))["claim"])
        if odd := [claim.name for claim in found if not claim.name.startswith(prefix)]:
            raise ValueError(f"the claim {odd[0]!r} of {file.stem} does not begin with {prefix!r}")
        return found
    except KeyError as error:
        raise ValueError(f"{file} has a claim without {error}: add it.") from None
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None


def _claim(entry: dict[str, Any]) -> Claim:
    known = {"name", "says", "where", "printed", "evidence", "remark"}
    if extra := set(entry) - known:
        raise ValueError(f"claim {entry['name']} has {', '.join(sorted(extra))}; it takes {', '.join(sorted(known))}.")
    evidence = tuple(one for group in entry["evidence"] for one in _evidence(entry["name"], dict(group)))
    printed = _printed(entry["printed"])
    return Claim(entry["name"], entry["says"], entry["where"], printed, evidence, entry.get("remark", ""))


def _evidence(claim: str, group: dict[str, Any]) -> list[Evidence]:
    """One for each "tier data" in the group's list `on`."""
    places = [place.split(" ") for place in group.pop("on", [])]
    group = {key: tuple(value) if isinstance(value, list) else value for key, value in group.items()}
    if extra := set(group) - {f.name for f in fields(Evidence)}:
        raise ValueError(f"evidence of claim {claim} has no {', '.join(sorted(extra))}.")
    if group["rule"] not in RULES:
        raise ValueError(f"there is no rule {group['rule']!r} for claim {claim}: choose one of {', '.join(RULES)}.")
    if not group.get("experiment"):
        return [Evidence(**group)]
    module = experiments.get(group["experiment"])
    methods = {m.name for m in (*module.METHODS, *module.VARIANTS)}
    if group["rule"] in OVER_BETA:
        methods |= {experiments.term_of(name) for name in methods}
    sides = recorded.HIGHER_IS_BETTER
    for what, names, allowed in (
        ("method", (group["method"], *group.get("rivals", ())), methods),
        ("metric with a better side", (*group.get("metrics", ()), *group.get("worse", ())), set(sides)),
    ):
        if unknown := [name for name in names if name not in allowed]:
            raise ValueError(f"claim {claim} names {unknown[0]!r}, which is no {what} of {group['experiment']}.")
    for place in places:
        if len(place) != 2 or place[1] not in module.GRID.get(place[0], {}):
            raise ValueError(f"claim {claim} wants {' '.join(place)!r}, which {group['experiment']} does not record.")
    if not places:
        raise ValueError(f"evidence of claim {claim} needs `on`, a list such as ['lesson natural'].")
    return [Evidence(**group, tier=tier, data=data) for tier, data in places]


def _printed(text: str) -> str:
    """Fills {table|data|method|column} with the number that the paper prints there."""

    def cell(match: re.Match[str]) -> str:
        table, data, method, column = match.groups()
        rows = recorded.paper_table(table)
        found = rows[(rows.data == data) & (rows.method == method)]
        if found.empty or column not in found:
            raise ValueError(f"{table} of the paper has no {column} of {method} on {data}.")
        return f"{found[column].iloc[0]:g}"

    return re.sub(r"\{([^|{}]+)\|([^|{}]+)\|([^|{}]+)\|([^|{}]+)\}", cell, text)


def find_all(folder: Path | None = None, source: str = "") -> Found:
    """Every claim with its findings; those of one source document where it is named."""
    file = paths.claims() / f"{source}.toml" if source else None
    return {claim: findings(claim, folder) for claim in load(file)}
