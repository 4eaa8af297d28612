from __future__ import annotations

import hashlib
import io
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from blurvae import datasets
from blurvae.datasets import celeba
from blurvae.datasets.pixels import box_average
from blurvae.errors import CorruptFile, MissingData

COUNTS = (5, 2, 3)


def jpeg(seed: int, size: tuple[int, int] = celeba.SHAPE, form: str = "JPEG") -> bytes:
    """A smooth picture, so that compression changes little."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8))
    stream = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(stream, form, quality=95)
    return stream.getvalue()


NAMES = [f"{k:06d}.jpg" for k in range(1, sum(COUNTS) + 1)]
CONTENT = {name: jpeg(k) for k, name in enumerate(NAMES)}
LIST = b"".join(
    b"%s %d\r\n" % (name.encode(), k) for name, k in zip(NAMES, np.repeat(np.arange(3), COUNTS), strict=True)
)


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the authors' page gives it: the archive and the list, with few images."""
    members = {"img_align_celeba/": b"", "../../escaped.jpg": b"no", "/escaped.jpg": b"no"}
    archive = zipped(members | {f"img_align_celeba/{name}": data for name, data in CONTENT.items()})
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / celeba.ARCHIVE).write_bytes(archive)
    (folder / celeba.PARTITION).write_bytes(LIST)
    sums = {celeba.ARCHIVE: archive, celeba.PARTITION: LIST}
    monkeypatch.setattr(celeba, "COUNTS", COUNTS)
    monkeypatch.setattr(celeba, "MD5", {name: hashlib.md5(data).hexdigest() for name, data in sums.items()})
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    return folder


def test_official_checksums() -> None:
    """Those that torchvision states."""
    torchvision = find_spec("torchvision")
    if torchvision is None or torchvision.origin is None:
        pytest.skip("torchvision is not installed")
    text = (Path(torchvision.origin).parent / "datasets" / "celeba.py").read_text()  # importing it takes seconds
    for name, md5 in celeba.MD5.items():
        assert f'"{md5}", "{name}"' in text
    assert sum(celeba.COUNTS) == 202_599


def test_the_crop_is_the_centre_and_the_resize_has_antialiasing() -> None:
    data = jpeg(0)
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1)[None].float()
    centre = pixels[:, :, 35:183, 15:163]
    expected = interpolate(centre, (64, 64), mode="bilinear", antialias=True, align_corners=False)
    assert np.abs(celeba.picture(data, "x") - expected[0].numpy()).max() <= 1  # Pillow rounds after each pass
    # a checkerboard at the scale of a pixel is grey, not the moiré that picking pixels would give
    fine = Image.fromarray((np.indices((218, 178)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    stream = io.BytesIO()
    fine.save(stream, "JPEG", quality=100, subsampling=0)
    assert np.ptp(celeba.picture(stream.getvalue(), "x")[:, 2:-2, 2:-2]) <= 6


def test_celeba_from_the_archive_and_from_the_folder(official: Path, tmp_path: Path) -> None:
    first = datasets.prepare("celeba", tmp_path / "a", source=official, progress=False)
    assert sorted(p.name for p in first.iterdir()) == ["card.json", "images.npy"]
    train, test = (datasets.load("celeba", split, root=tmp_path / "a") for split in ("train", "test"))
    assert (len(train), len(test), train.shape) == (5, 3, (3, 64, 64)) and train.stands_in_for is None
    assert "non-commercial" in train.licence
    for images, names in ((train, NAMES[:5]), (test, NAMES[7:])):
        assert (images.images == [celeba.picture(CONTENT[name], name) for name in names]).all()
    half = datasets.load("celeba", "test", size=32, root=tmp_path / "a")
    assert (half.images == box_average(np.asarray(test.images), 2)).all()
    (official / celeba.ARCHIVE).unlink()
    (official / "Img" / celeba.IMAGES).mkdir(parents=True)
    for name, data in CONTENT.items():
        (official / "Img" / celeba.IMAGES / name).write_bytes(data)
    second = datasets.prepare("celeba", tmp_path / "b", source=official, progress=False)
    assert (second / "card.json").read_text() == (first / "card.json").read_text()
    assert not list(tmp_path.rglob("escaped.jpg"))


def test_what_is_missing_is_named(official: Path, tmp_path: Path) -> None:
    (official / celeba.ARCHIVE).rename(tmp_path / "elsewhere")
    with pytest.raises(MissingData, match=r"neither img_align_celeba nor img_align_celeba\.zip.*mmlab\.ie\.cuhk"):
        datasets.prepare("celeba", tmp_path / "root", source=official, progress=False)
    (official / celeba.IMAGES).mkdir()
    with pytest.raises(MissingData, match=r"000001\.jpg is not there"):
        datasets.prepare("celeba", tmp_path / "root", source=official, progress=False)
    (official / celeba.PARTITION).unlink()
    with pytest.raises(MissingData, match=r"no list_eval_partition\.txt"):
        datasets.prepare("celeba", tmp_path / "root", source=official, progress=False)
    with pytest.raises(MissingData, match="absent is not there"):
        datasets.prepare("celeba", tmp_path / "root", source=tmp_path / "absent")
    assert not any((tmp_path / "root").glob("*"))


def test_other_files_than_the_official_ones_are_refused(official: Path, tmp_path: Path) -> None:
    for name in (celeba.ARCHIVE, celeba.PARTITION):
        data = (official / name).read_bytes()
        (official / name).write_bytes(data + b"\n")
        with pytest.raises(CorruptFile, match=f"{name} has md5"):
            datasets.prepare("celeba", tmp_path / "root", source=official, progress=False)
        (official / name).write_bytes(data)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t[:-14], "9 lines for 10 images"),
        (lambda t: t.replace(b"000003.jpg", b"000009.jpg"), "line 3 is not '000003.jpg 0'"),
        (lambda t: t.replace(b"000003.jpg", b"../../x.jpg"), "line 3"),
        (lambda t: t.replace(b"000006.jpg 1", b"000006.jpg 0"), "line 6 is not '000006.jpg 1'"),
        (lambda t: t.replace(b"1", "١".encode()), "line 1"),
        (lambda t: b"\xff" * 100, "1 lines"),
        (lambda t: t * 100, "longer"),
    ],
)
def test_an_altered_list_is_refused(damage, message: str, official: Path) -> None:
    file = official / celeba.PARTITION
    assert celeba.read_partition(file) == (NAMES[:5], NAMES[7:])
    file.write_bytes(damage(LIST))
    with pytest.raises(CorruptFile, match=message):
        celeba.read_partition(file)


def member(name: str = "img_align_celeba/000001.jpg", **fields: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(member(), jpeg(0)), (member(), jpeg(1))], "two members"),
        ([(member(external_attr=0o120777 << 16), b"/etc/passwd")], "no plain image"),
        ([(member(compress_type=zipfile.ZIP_LZMA), jpeg(0))], "no plain image"),
        ([(member(compress_type=zipfile.ZIP_DEFLATED), bytes(celeba.LARGEST + 1))], "no plain image"),
        ([(member("../img_align_celeba/000001.jpg"), jpeg(0))], "holds no img_align_celeba/000001.jpg"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_archive_is_refused(members, message: str, tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for info, data in members:
            archive.writestr(info, data)
    with pytest.raises((CorruptFile, MissingData), match=message), celeba.reader(file) as content:
        content("000001.jpg")


def test_a_damaged_archive_or_image_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    data = zipped({"img_align_celeba/000001.jpg": jpeg(0)})
    for broken in (data[: len(data) // 2], b"", data.replace(jpeg(0)[300:310], bytes(10))):
        file.write_bytes(broken)
        with pytest.raises(CorruptFile, match=r"x\.zip"), celeba.reader(file) as content:
            content("000001.jpg")
    for broken, message in (
        (jpeg(0)[:2000], "truncated"),
        (jpeg(0, (64, 64)), "64×64 px, not 178×218"),
        (jpeg(0, (178, 218), "PNG"), "cannot identify"),
        (b"", "cannot identify"),
    ):
        with pytest.raises(CorruptFile, match=message):
            celeba.picture(broken, "000001.jpg")


def test_celeba_hq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celeba, "HQ_COUNT", 10)
    monkeypatch.setattr(celeba, "HQ_SIZE", 16)
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = {f"{k}.png": rng.integers(0, 256, (64, 64, 3), np.uint8) for k in range(10)}
    for name, pixels in images.items():
        Image.fromarray(pixels).save(folder / name)
    datasets.prepare("celeba-hq", tmp_path / "root", source=folder, progress=False)
    train, test = (datasets.load("celeba-hq", split, root=tmp_path / "root") for split in ("train", "test"))
    assert train.images.shape == (8, 3, 16, 16) and test.images.shape == (2, 3, 16, 16)
    found = np.concatenate([train.images, test.images])[:, None].astype(int)
    expected = np.stack([box_average(pixels.transpose(2, 0, 1), 4) for pixels in images.values()])
    near = np.abs(found - expected).max((2, 3, 4)) <= 1  # Pillow rounds in fixed point
    assert (near.sum(0) == 1).all() and (near.sum(1) == 1).all()
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(folder / "3.png")
    with pytest.raises(CorruptFile, match=r"3\.png is 12 px wide"):
        datasets.prepare("celeba-hq", tmp_path / "small", source=folder, progress=False)
    (folder / "3.png").unlink()
    with pytest.raises(MissingData, match=r"9 pictures, where CelebA-HQ has 10\. To get celeba-hq: .*--source FOLDER"):
        datasets.prepare("celeba-hq", tmp_path / "few", source=folder, progress=False)
    assert not list(tmp_path.glob("small/*")) and not (tmp_path / "few").exists()
