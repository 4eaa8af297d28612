"""Packs as data sets: those that the registry knows by name, and `pack:FOLDER`."""

from __future__ import annotations

from pathlib import Path

from blurvae.datasets.core import Card, Dataset, ImageSet, Request
from blurvae.datasets.packs.fit import Fit, fit_size, inner
from blurvae.datasets.packs.pack import Pack, data_root, demand_name, read
from blurvae.errors import MissingData


def to_set(pack: Pack, split: str, size: int | None, fit: Fit, card: Card | None = None) -> ImageSet:
    """One split of a pack as an ImageSet; a registered stand-in stays one whatever the pack's card says."""
    rows = pack.rows(split)
    name = pack.card["name"]
    images = fit_size(name, pack.images[rows], size, fit, rows.start, pack.card.get("pad"))
    return ImageSet(
        name=name,
        split=split,
        images=images,
        labels=None if pack.labels is None else pack.labels[rows],
        source=pack.card["source"],
        licence=pack.card["licence"],
        stands_in_for=(card.stands_in_for if card else None) or pack.card.get("stand_in_for"),
        checksum=pack.card["sha256"],
        inner=inner(pack.images, images),
    )


def load_registered(card: Card, request: Request, fit: Fit, default_size: int | None = None) -> ImageSet:
    """Load a pack that the registry knows from its folder below the data root.

    Raises:
        MissingData: it is not there; the message says where it was looked for and how to get it.
    """
    root = data_root(card.name, request.root)
    try:
        pack = read(root / card.name)
    except MissingData:
        raise MissingData(f"{card.name} is not in {root / card.name}. To get it: {card.how_to_get}.") from None
    demand_name(pack, card.name)
    return to_set(pack, request.split, request.size or default_size, fit, card)


def _load_path(request: Request) -> ImageSet:
    return to_set(read(Path(request.argument).expanduser()), request.split, request.size, "crop")


CARD = Card(
    name="pack",
    title="any pack: pack:FOLDER",
    shape=None,
    images={},
    split="as its card says",
    source="as its card says",
    licence="as its card says",
    how_to_get="write a folder of images.npy (uint8, n × c × h × w) and card.json with blurvae.datasets.write_pack",
)
DATASET = Dataset(CARD, _load_path, takes_argument=True)
