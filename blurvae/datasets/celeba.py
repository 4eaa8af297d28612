"""`celeba` and `celeba-hq`: the user's own copies of the official images, which nobody may pass on."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from blurvae.datasets import download, folder, packs
from blurvae.datasets.core import Card, Dataset, Pixels
from blurvae.errors import CorruptFile, MissingData
from blurvae.machine import processors

PARTITION, ARCHIVE, IMAGES = "list_eval_partition.txt", "img_align_celeba.zip", "img_align_celeba"
MD5 = {PARTITION: "d32c9cbf5e040fd4025c592c306e6668", ARCHIVE: "00d2c5bc6d35e252742224ab0c1e8fcb"}
"""As torchvision states them for its copies of the official files."""
COUNTS = (162_770, 19_867, 19_962)
"""Training, validation and test images of the official partition, in this order."""
SHAPE = (178, 218)
"""Width and height of the aligned images, px."""
CROP, SIZE = 148, 64
"""Side of the centre square, and what it is brought to, px."""
LARGEST = 1 << 20
"""Bytes of the largest JPEG that is read: ten times what an image of 178×218 px needs."""
HQ_COUNT, HQ_SIZE = 30_000, 256
_BATCH = 512


def read_partition(file: Path) -> tuple[list[str], list[str]]:
    """The names of the training and of the test images, in the official order.

    Args:
        file: list_eval_partition.txt, one line `000001.jpg 0` an image: 0 training, 1 validation, 2 test.

    Raises:
        MissingData: no such file.
        CorruptFile: other lines than the official ones.
    """
    if not file.is_file():
        raise MissingData(f"{file} is not there: it comes with CelebA's images, and says which of them are for what.")
    if file.stat().st_size > 32 * sum(COUNTS):
        raise CorruptFile(f"{file} is longer than a list of {sum(COUNTS)} images: take the official one.")
    lines = file.read_bytes().splitlines()
    parts = [k for k, count in enumerate(COUNTS) for _ in range(count)]
    expected = [b"%06d.jpg %d" % (k, part) for k, part in enumerate(parts, 1)]
    if len(lines) != len(expected):
        raise CorruptFile(f"{file} has {len(lines)} lines for {len(expected)} images: take the official list.")
    for k, (line, wanted) in enumerate(zip(lines, expected), 1):
        if b" ".join(line.split()) != wanted:
            raise CorruptFile(f"{file}: line {k} is not {wanted.decode()!r}: take the official list.")
    names = [f"{k:06d}.jpg" for k in range(1, len(parts) + 1)]
    return names[: COUNTS[0]], names[-COUNTS[2] :]


@contextmanager
def reader(source: Path) -> Iterator[Callable[[str], bytes]]:
    """What gives the content of an image by its name, from the extracted folder or from the archive as it is.

    Nothing is extracted: members are asked for by the names of the list, whatever other names an archive holds.

    Raises:
        MissingData: an image is not there.
        CorruptFile: the archive or a member is damaged, no plain file, or larger than an image can be.
    """
    if source.is_dir():
        yield partial(_from_folder, source)
        return
    try:
        archive = zipfile.ZipFile(source)
    except Exception as error:  # zipfile lets through whatever the fields of its directory lead to
        raise CorruptFile(f"{source} is not a whole .zip archive ({error}): download it again.") from None
    with archive:
        if len(set(archive.namelist())) < len(archive.namelist()):
            raise CorruptFile(f"{source} holds two members of one name: download it again.")
        yield partial(_from_archive, archive, source)


def _from_folder(source: Path, name: str) -> bytes:
    file = source / name
    if not file.is_file():
        raise MissingData(f"{file} is not there: extract the whole of {ARCHIVE}, or give the archive itself.")
    if file.stat().st_size > LARGEST:
        raise CorruptFile(f"{file} has {file.stat().st_size} bytes, more than an image of CelebA: extract it again.")
    return file.read_bytes()


def _from_archive(archive: zipfile.ZipFile, source: Path, name: str) -> bytes:
    try:
        member = archive.getinfo(f"{IMAGES}/{name}")
    except KeyError:
        raise MissingData(f"{source} holds no {IMAGES}/{name}: download it again.") from None
    kind = stat.S_IFMT(member.external_attr >> 16)
    plain = kind in (0, stat.S_IFREG) and not member.flag_bits & 1  # no link, not encrypted
    known = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others take memory as they please
    if not plain or not known or member.file_size > LARGEST:
        raise CorruptFile(f"{member.filename} in {source} is no plain image: download it again.")
    try:
        with archive.open(member) as stream:
            data = stream.read(member.file_size + 1)
    except Exception as error:
        raise CorruptFile(f"{member.filename} in {source} is not whole ({error}): download it again.") from None
    if len(data) != member.file_size:
        raise CorruptFile(f"{member.filename} in {source} has not the {member.file_size} bytes that it announces.")
    return data


def picture(data: bytes, name: str) -> Pixels:
    """An aligned image: its centre 148×148 px at 64×64, uint8 (3, 64, 64).

    Shrinking is bilinear over all pixels that a new one covers (Pillow's, with antialiasing), so that nothing folds
    back into lower frequencies.

    Args:
        data: a JPEG of 178×218 px.
        name: for messages.

    Raises:
        CorruptFile: something else.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if image.size != SHAPE:
                raise ValueError(f"{image.width}×{image.height} px, not {SHAPE[0]}×{SHAPE[1]}")
            left, top = ((side - CROP) // 2 for side in SHAPE)
            box = (left, top, left + CROP, top + CROP)
            small = image.convert("RGB").crop(box).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    except Exception as error:  # a decoder lets through whatever its input leads to
        raise CorruptFile(f"{name} is not an aligned image of CelebA ({error}): get it again.") from None
    return np.asarray(small).transpose(2, 0, 1)


def _prepare(root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path:
    assert source is not None  # the registry sees to it
    found = {}
    for name in (PARTITION, IMAGES, ARCHIVE):
        places = [place / name for place in (source, source / "Eval", source / "Img", source / "Anno")]
        found[name] = next((place for place in places if place.exists()), None)
    partition, images = found[PARTITION], found[ARCHIVE] or found[IMAGES]
    if partition is None or images is None:
        missing = PARTITION if partition is None else f"neither {IMAGES} nor {ARCHIVE}"
        raise MissingData(f"{source} holds {'no ' * (partition is None)}{missing}. To get celeba: {CARD.how_to_get}.")
    for file in (partition, images):
        if file.is_file() and (md5 := download.md5(file)) != MD5[file.name]:
            raise CorruptFile(
                f"{file} has md5 {md5}, but the official one has {MD5[file.name]}: download it again (images packed "
                f"otherwise are read from their folder {IMAGES}, with no archive beside it)."
            )
    names = dict(zip(("train", "test"), read_partition(partition)))
    with reader(images) as content, _streamed(CARD, root, SIZE) as stream:

        def read(name: str) -> Pixels:
            return picture(content(name), name)

        _fill(stream, names, read, CARD.name, progress)
    return root / CARD.name


def _prepare_hq(root: Path, *, source: Path | None, mirror: str | None, progress: bool) -> Path:
    assert source is not None  # the registry sees to it
    names = folder.pictures(source)
    if len(names) != HQ_COUNT:
        raise MissingData(
            f"{source} holds {len(names)} pictures, where CelebA-HQ has {HQ_COUNT}. To get celeba-hq: "
            f"{HQ_CARD.how_to_get}. Other pictures load as folder:{source}."
        )

    def read(name: str) -> Pixels:
        pixels, side = folder.read(source / name, HQ_SIZE)
        if side < HQ_SIZE:
            raise CorruptFile(f"{source / name} is {side} px wide, below the {HQ_SIZE} px of celeba-hq: get it again.")
        return pixels

    with _streamed(HQ_CARD, root, HQ_SIZE) as stream:
        _fill(stream, folder.split_names(names), read, HQ_CARD.name, progress)
    return root / HQ_CARD.name


def _streamed(card: Card, root: Path, size: int) -> AbstractContextManager[packs.Stream]:
    return packs.streamed(root / card.name, (3, size, size), name=card.name, source=card.source, licence=card.licence)


def _fill(
    stream: packs.Stream, names: dict[str, list[str]], read: Callable[[str], Pixels], title: str, progress: bool
) -> None:
    """Decodes pictures on all processors, and writes them in their order."""
    with (
        ThreadPoolExecutor(processors()) as pool,
        tqdm(total=sum(map(len, names.values())), desc=title, disable=None if progress else True) as bar,
    ):
        for split in ("train", "test"):
            if split == "test":
                stream.begin_test()
            for batch in _batches(names[split]):
                stream.append(np.stack(list(pool.map(read, batch))))
                bar.update(len(batch))


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[k : k + _BATCH] for k in range(0, len(names), _BATCH))


_TERMS = "non-commercial research only, by its authors' agreement; not to be passed on"
CARD = Card(
    name="celeba",
    title="aligned portraits of celebrities: the centre 148×148 px, brought to 64×64 with antialiasing",
    shape=(3, SIZE, SIZE),
    images={"train": COUNTS[0], "test": COUNTS[2]},
    split="the official one: 162,770 training and 19,962 test images, the 19,867 of validation left out; the paper "
    "divides the 202,599 images 80 % and 20 %",
    source="CelebA (Liu, Luo, Wang, Tang 2015), aligned and cropped JPEG images",
    licence=_TERMS,
    how_to_get=f"accept the agreement on mmlab.ie.cuhk.edu.hk/projects/CelebA.html, download {ARCHIVE} and {PARTITION} "
    "there, and give the folder that holds both (or the extracted img_align_celeba): `blurvae data prepare celeba "
    "--source FOLDER`; this project never downloads them",
)
HQ_CARD = Card(
    name="celeba-hq",
    title="portraits of celebrities of high quality, 1024×1024 px averaged down to 256×256",
    shape=(3, HQ_SIZE, HQ_SIZE),
    images={"train": HQ_COUNT * 4 // 5, "test": HQ_COUNT // 5},
    split="80 % and 20 %, by the sha256 of the file names; the paper uses 80 % and 20 %",
    source="CelebA-HQ (Karras, Aila, Laine, Lehtinen 2018), 30,000 images",
    licence=_TERMS,
    how_to_get="get the 30,000 images as files of one folder under their terms (CelebA-HQ-img of CelebAMask-HQ, "
    "github.com/switchablenorms/CelebAMask-HQ, holds them) and give it: `blurvae data prepare celeba-hq --source "
    "FOLDER`; this project never downloads them",
)
CELEBA = Dataset(CARD, partial(packs.load_registered, CARD, fit="shrink"), _prepare, is_pack=True)
CELEBA_HQ = Dataset(HQ_CARD, partial(packs.load_registered, HQ_CARD, fit="shrink"), _prepare_hq, is_pack=True)
