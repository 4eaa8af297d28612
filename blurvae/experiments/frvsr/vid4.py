"""Table 3.2 on whole clips of Vid4, which the book has not: bicubic enlargement and models of a reader who has them.

`python -m blurvae.experiments.frvsr.vid4 --source FOLDER --model FILE.safetensors` reads the four clips, measures
bicubic enlargement and the models by the protocol of the text, prints them beside the printed rows, and writes
data/results/vid4.json, from which chapter 29 fills the table. Clips that are not whole are refused: numbers of the
first ten frames stand beside none of these.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from blurvae import datasets, paths
from blurvae.datasets.core import Pixels
from blurvae.datasets.video import VID4_SHAPE
from blurvae.errors import CorruptFile, MissingData, MissingWeights
from blurvae.evaluation import enlargers, vid4
from blurvae.experiments import recorded
from blurvae.files import write_json
from blurvae.provenance import provenance
from blurvae.text import speak_any_encoding

NAME = "vid4"
OWN = ("Bicubic", "SISR", "VSR", "FRVSR")  # how rows begin that can be made here
METRICS = {"PSNR": 2, "SSIM": 3}  # with their digits
ELSEWHERE = "not tested"  # the networks of others are not at hand


def path(folder: Path | None = None) -> Path:
    """The record below a folder of results (the checkout's data/results where None)."""
    return (folder or paths.results()) / "vid4.json"


def load(folder: Path | None = None) -> dict[str, Any]:
    """What is recorded: {"rows": {name: {"PSNR", "SSIM", "clips", "protocol", "model"}}, "checksums", "provenance"}.

    Returns:
        It; without rows where nothing is recorded.

    Raises:
        CorruptFile: the record cannot be read.
    """
    file = path(folder)
    if not file.exists():
        return {"rows": {}}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found["rows"], dict):
            raise TypeError("its rows are none")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFile(f"{file} is no record of Vid4 ({error}): remove it and measure anew.") from None
    return dict(found)


def beside(rows: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Table 3.2 as printed, with what is measured here beside it, and models that it has not below it."""
    printed = recorded.paper_table("frvsr/table2").set_index("method")[[*METRICS]]
    table = printed.map("{:g}".format).reindex([*printed.index, *(name for name in rows if name not in printed.index)])
    table = table.fillna("–")
    for metric, digits in METRICS.items():
        absent = {name: recorded.NOT_RUN if name.startswith(OWN) else ELSEWHERE for name in table.index}
        made = {name: f"{row[metric]:.{digits}f}" for name, row in rows.items()}
        table[f"{metric} here"] = pd.Series(absent | made)
    return table.rename_axis("Table 3.2, Vid4, ×4", axis=1)


def clips(source: Path | None) -> dict[str, Pixels]:
    """The whole clips: those of a folder, which is only read, or those that are prepared as `vid4`.

    Raises:
        MissingData: there are none.
        ValueError: a clip is not whole, or its frames are small ones.
        CorruptFile: a file is damaged.
    """
    if source is None:
        found = dict(datasets.videos(NAME))
    else:
        with tempfile.TemporaryDirectory() as folder:
            datasets.prepare(NAME, folder, source)
            found = dict(datasets.videos(NAME, Path(folder)))
    for name, clip in found.items():
        (h, w), (least, narrowest) = clip.shape[-2:], VID4_SHAPE
        if h < least or w < narrowest:
            raise ValueError(f"{name} has frames of {h}×{w} px, and whole ones have {least}×{narrowest} at least.")
    return found


def measure(models: Iterable[str], whole: dict[str, Pixels], progress: bool = False) -> dict[str, dict[str, Any]]:
    """A row for each model, by its name in the table.

    Args:
        models: as `evaluation.vid4.named` takes them.
        whole: of `clips`.
        progress: show a bar if standard error is a terminal.

    Raises:
        MissingWeights, CorruptFile, ValueError: a model that cannot be used; none is measured then.
    """
    from tqdm import tqdm

    def bar(frames: Iterable[Tensor], n: int) -> Iterable[Tensor]:
        return tqdm(frames, total=n, unit="frame", leave=False, disable=not (progress and sys.stderr.isatty()))

    rows: dict[str, dict[str, Any]] = {}
    for model, enlargement in [(model, vid4.named(model)) for model in models]:
        found = vid4.row(whole, enlargement, bar)
        by_clip = {name: {"PSNR": round(found.psnr[name], 4), "SSIM": round(found.ssim[name], 4)} for name in whole}
        means = {metric: round(sum(of[metric] for of in by_clip.values()) / len(by_clip), 4) for metric in METRICS}
        rows[enlargement.name] = means | {"clips": by_clip, "protocol": found.protocol, "model": Path(model).name}
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m blurvae.experiments.frvsr.vid4`."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m blurvae.experiments.frvsr.vid4", description=__doc__)
    parser.add_argument("--source", type=Path, metavar="FOLDER", help="the four clips; else the data set vid4")
    parser.add_argument(
        "--model", action="append", default=[], help=f"a .safetensors or a name; {enlargers.DEFAULT} if left out"
    )
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where vid4.json goes; data/results if left out")
    given = parser.parse_args(arguments)
    models = list(dict.fromkeys([enlargers.BICUBIC, *(given.model or [enlargers.DEFAULT])]))
    record = path(given.results)
    try:  # what cannot be used is refused before the clips are read
        record.parent.mkdir(parents=True, exist_ok=True)
        before = load(given.results)
        for model in models:
            vid4.named(model)
        whole = clips(given.source)
        sums = {name: datasets.core.checksum(clip) for name, clip in whole.items()}
        rows = measure(models, whole, progress=True)
        known = (before["rows"] if before.get("checksums") == sums else {}) | rows  # rows of other clips go
        write_json(record, {"rows": known, "checksums": sums, "provenance": provenance(torch.device("cpu"))})
    except (MissingData, MissingWeights, CorruptFile, ValueError, OSError) as error:
        raise SystemExit(f"blurvae: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("blurvae: interrupted; nothing is recorded.") from None
    print(beside(known).to_string())
    for name, row in rows.items():
        print(f"{name}: {row['protocol']}")
    print(record, file=sys.stderr)


if __name__ == "__main__":
    main()
