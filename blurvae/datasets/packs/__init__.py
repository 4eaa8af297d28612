"""Packs: prepared data sets, each a folder of images, perhaps labels, and a card."""

from blurvae.datasets.packs.fit import Fit, fit_size, inner, pad
from blurvae.datasets.packs.loader import CARD, DATASET, load_registered, to_set
from blurvae.datasets.packs.pack import Pack, data_root, read, verify
from blurvae.datasets.packs.stream import Stream, streamed
from blurvae.datasets.packs.writer import copy, refuse_occupied, write, write_registered

__all__ = [
    "CARD",
    "DATASET",
    "Fit",
    "Pack",
    "Stream",
    "copy",
    "data_root",
    "fit_size",
    "inner",
    "load_registered",
    "pad",
    "read",
    "refuse_occupied",
    "streamed",
    "to_set",
    "verify",
    "write",
    "write_registered",
]
