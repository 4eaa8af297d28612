"""`blurvae data`: which data sets there are, whether they are whole, and how to get the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from blurvae.cli.guard import guarded
from blurvae.cli.options import DataName, Json, Root
from blurvae.errors import CorruptFile, MissingData
from blurvae.text import to_json


@guarded
def data_list(as_json: Json = False) -> None:
    """List the data sets, their licences and whether they are on this machine."""
    from blurvae import datasets

    rows = [{"name": name, "here": _here(name), **datasets.describe(name)} for name in datasets.names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    for row in rows:
        stands = f"; stands in for {row['stands_in_for']}" if row.get("stands_in_for") else ""
        typer.echo(f"{row['name']:<12} {'here' if row['here'] else 'absent':<7} {row.get('licence', '')}{stands}")
    typer.echo(
        "`blurvae data prepare NAME` brings an absent one here, or says what to get where and under which terms."
    )


def _here(name: str) -> bool:
    from blurvae import datasets

    try:
        datasets.load(name, "test", n=1)
    except (MissingData, CorruptFile):
        return False
    return True


@guarded
def data_check(name: DataName, root: Root = None, as_json: Json = False) -> None:
    """Compare a prepared data set with its checksum; a missing one ends with code 3, a damaged one with 4."""
    from dataclasses import asdict

    from blurvae import datasets

    report = datasets.check(name, root)
    if as_json:
        typer.echo(to_json(asdict(report)))
    if not report.ok:
        raise (CorruptFile if report.present else MissingData)(report.problem)
    if not as_json:
        same = {True: "the pixels of the recorded results", False: "not the pixels of the recorded results"}
        said = f"; {same[report.reference]}" if report.reference is not None else ""
        axes = "(n, t, c, h, w)" if len(report.shape or ()) == 5 else "(n, c, h, w)"
        typer.echo(f"{name}: whole, {report.shape} {axes}, sha256 {report.checksum}{said}")


@guarded
def data_prepare(
    name: DataName,
    root: Root = None,
    source: Annotated[
        Path | None,
        typer.Option(help="Your copy of the official archive or folder; downloaded, where that is allowed."),
    ] = None,
) -> None:
    """Download or read an official archive, check it and write it as a pack; or say what to get where."""
    from blurvae import datasets

    typer.echo(datasets.prepare(name, root=root, source=source, progress=sys.stderr.isatty()))
