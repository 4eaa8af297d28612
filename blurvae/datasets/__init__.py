"""Data sets by name: uint8 images with their split and where they came from.

>>> from blurvae import datasets
>>> patches = datasets.load("natural", "test", n=16)
>>> patches.images.shape, patches.label
((16, 3, 32, 32), 'natural')
"""

from blurvae.datasets.core import ClipSet, ImageSet
from blurvae.datasets.dead_leaves import dead_leaves_picture
from blurvae.datasets.natural import crops, photographs
from blurvae.datasets.packs import write as write_pack
from blurvae.datasets.pixels import to_float, to_uint8
from blurvae.datasets.power_law import power_law_fields
from blurvae.datasets.registry import describe, load, names, prepare
from blurvae.datasets.super_resolution import pictures
from blurvae.datasets.verify import Report, check
from blurvae.datasets.video import videos

__all__ = [
    "ClipSet",
    "ImageSet",
    "Report",
    "check",
    "crops",
    "dead_leaves_picture",
    "describe",
    "load",
    "names",
    "photographs",
    "pictures",
    "power_law_fields",
    "prepare",
    "to_float",
    "to_uint8",
    "videos",
    "write_pack",
]
