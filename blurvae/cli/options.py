"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Tier = Annotated[
    str,
    typer.Option(help="smoke (seconds), lesson (≤ 2 minutes a run on 2 cores), study (≤ 20 minutes) or paper (GPU)."),
]
Data = Annotated[str, typer.Option(help="Name of a data set; see `blurvae data list`.")]
DataName = Annotated[str, typer.Argument(help="Name of a data set.")]
Root = Annotated[Path | None, typer.Option(help="Folder of data sets; the variable BLURVAE_DATA where left out.")]
