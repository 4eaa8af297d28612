"""The command that compares a folder of generated pictures with one of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blurvae.cli.guard import guarded
from blurvae.cli.options import Json
from blurvae.text import to_json

if TYPE_CHECKING:
    from torch import Tensor

    from blurvae.evaluation.samples import Comparison


@guarded
def prd(
    real: Annotated[Path, typer.Option(metavar="DIR", help="Folder of real pictures.")],
    generated: Annotated[Path, typer.Option(metavar="DIR", help="Folder of generated ones.")],
    features: Annotated[
        str,
        typer.Option(
            help="squeeze, vgg, inception, inception-softmax, classifier-mnist, classifier-cifar10, pixels or pca."
        ),
    ] = "squeeze",
    grey: Annotated[bool, typer.Option("--grey", help="Bring all pictures to grey levels.")] = False,
    size: Annotated[int, typer.Option(help="px to which the pictures' centre squares are brought.")] = 64,
    clusters: Annotated[int, typer.Option(help="Of the union of both sets.")] = 20,
    runs: Annotated[int, typer.Option(help="Clusterings whose curves are averaged.")] = 10,
    k: Annotated[int, typer.Option(help="Neighbours of the measures by nearest neighbours.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the clusterings, the halves and what is left out.")] = 0,
    as_json: Json = False,
) -> None:
    """Say how much of the generated pictures looks real (precision) and how much of the real ones is made (recall).

    Folders of two sizes are compared in equal numbers: of the larger one some are left out at random.
    """
    from blurvae.errors import MissingWeights
    from blurvae.evaluation.samples import compare

    folders = {"real": real, "generated": generated}
    _check(folders, features, size, clusters, runs, k, seed)
    sets = {name: _all(folder, size, grey) for name, folder in folders.items()}
    n = min(len(images) for images in sets.values())
    if clusters > 2 * (n // 2):
        raise ValueError(
            f"{clusters} clusters need as many pictures in each folder, since real ones are compared in two halves, "
            f"and there are {n}: bring more, or ask for fewer with --clusters."
        )
    if len({images.shape[1] for images in sets.values()}) > 1:
        raise ValueError("One folder is grey and the other in colour: bring both to grey levels with --grey.")
    try:
        found = compare(
            **{name: _some(images, n, seed) for name, images in sets.items()},
            features=features,
            clusters=clusters,
            runs=runs,
            k=k,
            seed=seed,
        )
    except MissingWeights as error:
        raise MissingWeights(f"{str(error).partition('; until')[0]}. --features pca needs no file.") from None
    left_out = {name: len(images) - n for name, images in sets.items()}
    if as_json:
        typer.echo(to_json(_record(found, size, runs, left_out)))
        return
    for name, count in left_out.items():
        if count:
            typer.echo(f"{count} {name} pictures are left out at random, for equal numbers")
    typer.echo(_table(found))
    typer.echo(
        f"features {found.features} ({found.values} values), {n} + {n} pictures of {size}×{size} px, {clusters} "
        f"clusters, {runs} runs, F-scores 1/8 and 8, k = {k}, seed {seed}"
    )


def _check(folders: dict[str, Path], features: str, size: int, clusters: int, runs: int, k: int, seed: int) -> None:
    """Refuses what no pictures could make right, before any is read."""
    from blurvae.errors import MissingData
    from blurvae.metrics.features import FEATURES

    for name, folder in folders.items():
        if not folder.expanduser().is_dir():
            raise MissingData(f"{folder} is not a folder: --{name} takes the path of a folder of pictures.")
    if features not in (known := (*FEATURES, "pca")):
        raise ValueError(f"--features is one of {', '.join(known)}, not {features!r}.")
    for name, value, least in (("size", size, 2), ("clusters", clusters, 2), ("runs", runs, 1), ("k", k, 1)):
        if value < least:
            raise ValueError(f"--{name} is {least} at least, not {value}.")
    if seed < 0:
        raise ValueError(f"--seed is 0 at least, not {seed}.")


def _all(folder: Path, size: int, grey: bool) -> Tensor:
    """Every picture of a folder, (n, c, h, w) on [0, 1]."""
    import torch

    from blurvae.datasets.folder import whole

    return torch.from_numpy(whole(folder, size, gray=grey or None).copy()).float() / 255


def _some(images: Tensor, n: int, seed: int) -> Tensor:
    import torch

    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:n]]


def _pairs(found: Comparison) -> dict[str, tuple[float, float]]:
    from blurvae.metrics import f_pair

    by_clusters = found.clusters
    return {
        "clusters": (by_clusters.precision, by_clusters.recall),
        f"real against real, {by_clusters.n_floor} + {by_clusters.n_floor}": f_pair(by_clusters.floor),
        "nearest neighbours": (found.neighbours.precision, found.neighbours.recall),
    }


def _table(found: Comparison) -> str:
    pairs = _pairs(found)
    width = max(map(len, pairs)) + 2
    rows = [f"{'':<{width}}precision  recall"]
    rows += [f"{name:<{width}}{precision:9.3f}  {recall:6.3f}" for name, (precision, recall) in pairs.items()]
    rows[-1] += f"   density {found.neighbours.density:.3f}, coverage {found.neighbours.coverage:.3f}"
    return "\n".join(rows)


def _record(found: Comparison, size: int, runs: int, left_out: dict[str, int]) -> dict[str, Any]:
    by_clusters = found.clusters
    (precision, recall), floor, _ = _pairs(found).values()
    return {
        "precision": precision,
        "recall": recall,
        "floor": {"precision": floor[0], "recall": floor[1], "n": by_clusters.n_floor},
        "neighbours": found.neighbours._asdict() | {"k": found.k},
        "curve": {name: values.tolist() for name, values in by_clusters.curve._asdict().items()},
        "protocol": {
            "features": found.features,
            "values": found.values,
            "n": by_clusters.n,
            "left_out": left_out,
            "size": size,
            "clusters": by_clusters.clusters,
            "runs": runs,
            "seed": by_clusters.seed,
        },
    }
