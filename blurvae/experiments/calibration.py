"""Bicubic enlargement on the field's test sets, recorded once, so that chapters show it where the pictures are absent.

`python -m blurvae.experiments.calibration` measures it and writes data/results/sr-calibration.json. It must meet the
bicubic columns that Tables 2.3 and 2.4 of Sajjadi (2024) print; else no number of a network stands beside theirs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from blurvae import datasets, paths
from blurvae.datasets.super_resolution import GALLERIES
from blurvae.errors import CorruptFile, MissingData
from blurvae.evaluation import bicubic
from blurvae.files import write_json
from blurvae.metrics.sr import Protocol
from blurvae.provenance import provenance

SETS, SCALES = ("set5", "set14", "bsd100"), (2, 4)
BROUGHT = ("urban100",)  # measured where a reader has them, left out elsewhere
CLIPS = "vid4-first10"
GRIDS = {"its own grid": 0.0, "the grid of block centres": None}  # on which small frames are enlarged


def path(folder: Path | None = None) -> Path:
    """The record below a folder of results (the checkout's data/results where None)."""
    return (folder or paths.results()) / "sr-calibration.json"


def load(folder: Path | None = None) -> dict[str, Any]:
    """What is recorded.

    Returns:
        {"pictures": {set: {"×4": {"PSNR", "SSIM", "n", "protocol"}}}, "clips": {clip set: {grid: {…}}}, "checksums":
        {set: sha256}, "provenance"}.

    Raises:
        CorruptFile: the record is absent or cannot be read.
    """
    file = path(folder)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not {"pictures", "clips", "checksums"} <= found.keys():
            raise ValueError("it lacks a part")
    except (OSError, ValueError) as error:
        raise CorruptFile(
            f"{file} is no record of bicubic enlargement ({error}): measure it with `python -m "
            "blurvae.experiments.calibration`."
        ) from None
    return found


def measure() -> dict[str, Any]:
    """Measures all of it.

    Raises:
        MissingData: a set is not on this machine, and is none of `BROUGHT`.
    """
    found: dict[str, Any] = {"pictures": {}, "clips": {}, "checksums": {}}
    for name in (*SETS, *BROUGHT):
        try:
            pictures = datasets.pictures(name)
        except MissingData:
            if name in SETS:
                raise
            continue
        found["checksums"][name] = GALLERIES[name].checksum()
        found["pictures"][name] = {
            f"×{scale}": _row(bicubic.of_pictures(pictures, scale, protocol), protocol)
            for scale in SCALES
            for protocol in (Protocol(shave=scale),)
        }
    clips = datasets.videos(CLIPS)
    found["clips"][CLIPS] = {
        grid: _row(bicubic.of_clips(clips, phase=phase), bicubic.FRVSR) for grid, phase in GRIDS.items()
    }
    return found | {"provenance": provenance(torch.device("cpu"))}


def _row(enlarged: bicubic.Enlarged, protocol: Protocol) -> dict[str, Any]:
    """Means over pictures or clips."""
    psnr, ssim = (values.double().mean().item() for values in enlarged)
    return {"PSNR": round(psnr, 4), "SSIM": round(ssim, 4), "n": len(enlarged.psnr), "protocol": str(protocol)}


def main() -> None:
    """Measures and writes; says in a sentence what is absent."""
    try:
        write_json(path(), measure())
    except MissingData as error:
        raise SystemExit(f"blurvae: {error}") from None
    print(path(), file=sys.stderr)


if __name__ == "__main__":
    main()
