"""`faces64` and `faces256`: old portraits that stand in for CelebA, which may not be passed on."""

from __future__ import annotations

from functools import partial

from blurvae.datasets import packs
from blurvae.datasets.core import Card, Dataset

_LICENCE = "works of the US government or published before 1930, so out of copyright in the United States"
_GET = (
    "there is no official archive; `blurvae data prepare {0} --source FOLDER` checks and copies a pack made elsewhere "
    "(its card in data/README.md says what it holds), or put the pack into the data folder as {0}"
)

FACES64_CARD = Card(
    name="faces64",
    title="grey portraits, aligned and cropped as CelebA is",
    shape=(1, 64, 64),
    images={"train": 3341, "test": 836},
    split="the first 80 % and the last 20 % of the pack",
    source="portraits of people who entered the US Congress before 1930 (voteview member photos), aligned on five "
    "landmarks and cropped as CelebA is; photographs, some engravings; no names",
    licence=_LICENCE,
    how_to_get=_GET.format("faces64"),
    stands_in_for="CelebA 64×64",
    reference={"pack": "2fe1781c197e9271b9c75c9c240fd22699e49308d1bc907bb789e530471cc637"},
)
FACES256_CARD = Card(
    name="faces256",
    title="grey portraits, aligned and cropped as CelebA-HQ is; few: they show that a method runs and trains",
    shape=(1, 256, 256),
    images={"train": 348, "test": 87},
    split="the first 80 % and the last 20 % of the pack",
    source="as faces64, from sources of at least 250 px a side",
    licence=_LICENCE,
    how_to_get=_GET.format("faces256"),
    stands_in_for="CelebA-HQ 256×256",
    reference={"pack": "d60eb4bfd6c63037d7ddebcb8205120c8f341e6759c321afe72d9f835acb86ca"},
)
FACES64 = Dataset(FACES64_CARD, partial(packs.load_registered, FACES64_CARD, fit="shrink"), is_pack=True)
FACES256 = Dataset(FACES256_CARD, partial(packs.load_registered, FACES256_CARD, fit="shrink"), is_pack=True)
