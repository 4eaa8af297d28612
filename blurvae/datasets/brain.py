"""`brain`: axial slices of T1-weighted MRI that stand in for the Human Connectome Project (HCP)."""

from __future__ import annotations

from functools import partial

from blurvae.datasets import packs
from blurvae.datasets.core import Card, Dataset

CARD = Card(
    name="brain",
    title="axial slices of T1-weighted MRI of 72 subjects; size=64 takes the centre, most of a slice",
    shape=(1, 96, 80),
    images={"train": 2849, "test": 691},
    split="by subject: 58 for training, 14 for testing",
    source="OpenNeuro ds002748: T1-weighted MRI of 72 subjects, skull-stripped, resampled to 2 mm",
    licence="CC0",
    how_to_get="there is no official archive; `blurvae data prepare brain --source FOLDER` checks and copies a pack "
    "made elsewhere (its card in data/README.md says what it holds), or put the pack into the data folder as brain",
    stands_in_for="HCP",
    reference={"pack": "4d5d6dfb247b5b77a44066b552a4b470873d3b7a99f695c0c32e58292aa508fb"},
)
DATASET = Dataset(CARD, partial(packs.load_registered, CARD, fit="crop"), is_pack=True)
