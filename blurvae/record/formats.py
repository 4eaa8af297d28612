"""Records of format 1, which knew one system, read as records of format 2."""

from __future__ import annotations

from typing import Any

from blurvae import losses
from blurvae.record.encode import decode, encode
from blurvae.record.run import Run, outcome

FORMAT = 2
SOURCE = "bredell"  # the document that every experiment of format 1 comes from

_SYSTEM = ("architecture", "widths", "latent", "hidden")
_SETTINGS = ("beta", "warm_up", "lr", "kernel_lr")


def upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """A record of format 2, whatever its format was; every number that was measured stays as it is.

    Raises:
        ValueError, KeyError, TypeError: it is of no known form.
    """
    if record["format"] == FORMAT:
        return record
    if record["format"] != 1:
        raise ValueError(f"format {record['format']}")
    run = upgrade_run(record["run"])
    has_kernel = run["system"]["term"].get("kernel_path") is not None

    def phase(weighted: bool) -> str:
        return "weighted" if weighted else "warm-up" if has_kernel else "train"

    history = [
        {"epoch": e["epoch"], "phase": phase(e["weighted"])}
        | {key: value for key, value in e.items() if key not in ("epoch", "weighted")}
        for e in record["history"]
    ]
    rest = {key: value for key, value in record.items() if key not in ("format", "run", "history")}
    return {"format": FORMAT, "run": run, "outcome": outcome(rest["metrics"]), **rest, "history": history}


def upgrade_run(old: dict[str, Any]) -> dict[str, Any]:
    """The description of a run; fields that old files lack get their defaults."""
    settings = dict(old["settings"])
    term = losses.get(old["term"], **{key: value for key, value in old["constants"]})
    system = {"name": "vae", "term": encode(term)} | {key: settings.pop(key) for key in _SETTINGS}
    system |= {key: old[key] for key in _SYSTEM}
    kept = {key: value for key, value in old.items() if key not in ("term", "constants", "settings", *_SYSTEM)}
    kept["experiment"] = old["experiment"] if old["experiment"] == "tune" else f"{SOURCE}/{old['experiment']}"
    return dict(encode(decode(Run, kept | {"system": system, "budget": settings})))
