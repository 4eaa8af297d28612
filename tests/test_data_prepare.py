from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from blurvae import datasets
from blurvae.datasets import cifar10, download, mnist
from blurvae.datasets.core import Archive, checksum
from blurvae.errors import CorruptFile, MissingData

RECORDS = 4


class Server:
    """A loopback server of files in memory that can interrupt, refuse and ignore ranges."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cut_after: list[int] = []  # bytes to send before hanging up, one entry an answer
        self.errors: list[int] = []  # status codes to answer first
        self.ranges = True
        self.wrong_range = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/data"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.requests.append((handler.path.rsplit("/", 1)[-1], wanted))
        if self.errors:
            handler.send_error(self.errors.pop(0))
            return
        data = self.files.get(handler.path.removeprefix("/data/"))
        if data is None:
            handler.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start >= len(data) and start:
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            first = 0 if self.wrong_range else start
            handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        body = data[start:]
        handler.wfile.write(body[: self.cut_after.pop(0)] if self.cut_after else body)
        handler.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()
    made.thread.join()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


DATA = np.random.default_rng(1).bytes(1_000_000)
ARCHIVE = Archive("https://example.org/somewhere/file.bin", md5(DATA))


def fetch(server: Server, folder: Path, archive: Archive = ARCHIVE, attempts: int = 3) -> Path:
    return download.fetch(archive, folder, mirror=server.url, progress=False, attempts=attempts)


# --- downloads


def test_a_download_arrives_once(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA
    assert fetch(server, tmp_path / "new" / "folder").read_bytes() == DATA
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["file.bin"]
    fetch(server, tmp_path / "new" / "folder")
    assert len(server.requests) == 1


def test_an_interrupted_download_resumes_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA
    server.cut_after = [300_000, 200_000]
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert server.requests == [
        ("file.bin", None),
        ("file.bin", "bytes=300000-"),
        ("file.bin", "bytes=500000-"),
    ]


def test_a_failed_download_resumes_in_the_next_call(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA
    server.cut_after = [400_000, 0, 0]
    with pytest.raises(MissingData, match="400000 bytes are kept and the same command resumes") as caught:
        fetch(server, tmp_path, attempts=2)
    assert "--source" in str(caught.value) and (tmp_path / "file.bin.part").stat().st_size == 400_000
    server.cut_after = []
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert server.requests[-1] == ("file.bin", "bytes=400000-")


@pytest.mark.parametrize("how", ["no ranges", "wrong range"])
def test_a_server_without_honest_ranges_starts_over(how: str, server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA
    server.ranges, server.wrong_range = how != "no ranges", how == "wrong range"
    (tmp_path / "file.bin.part").write_bytes(DATA[:1000])
    assert fetch(server, tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("left", [b"x" * 1000, DATA + b"x", b"x" + DATA[1:]])
def test_a_stale_part_is_thrown_away(left: bytes, server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA
    (tmp_path / "file.bin.part").write_bytes(left)
    assert fetch(server, tmp_path).read_bytes() == DATA
    assert server.requests[-1] == ("file.bin", None)


def test_a_part_that_is_whole_needs_no_byte(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA
    (tmp_path / "file.bin.part").write_bytes(DATA)
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_a_corrupted_download_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(CorruptFile, match=ARCHIVE.md5):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == [] and len(server.requests) == 1


def test_errors_of_the_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="404"):
        fetch(server, tmp_path)
    assert len(server.requests) == 1  # asking again would not help
    server.files["file.bin"] = DATA
    server.errors = [503, 429]
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_no_server_and_no_web_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(MissingData, match="failed 2 times"):
        download.fetch(ARCHIVE, tmp_path, mirror="http://127.0.0.1:1/", progress=False, attempts=2)
    with pytest.raises(ValueError, match="source"):
        download.fetch(ARCHIVE, tmp_path, mirror="file:///etc", progress=False)


# --- CIFAR-10


def batches(seed: int = 0) -> list[np.ndarray]:
    records = np.random.default_rng(seed).integers(0, 256, (5, RECORDS, cifar10.RECORD), np.uint8)
    records[:, :, 0] %= 10
    return list(records)


def tar_of(members: dict[str, bytes], link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
            tar.addfile(info)
    return buffer.getvalue()


def members(records: list[np.ndarray]) -> dict[str, bytes]:
    result = {f"cifar-10-batches-bin/data_batch_{k}.bin": part.tobytes() for k, part in enumerate(records, 1)}
    return {"../../escaped.txt": b"no", **dict(reversed(result.items())), "cifar-10-batches-bin/test_batch.bin": b"1"}


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Make the given bytes the official archive."""

    def make(data: bytes) -> None:
        archive = replace(cifar10.CARD.archives[0], md5=md5(data))
        monkeypatch.setattr(cifar10, "CARD", replace(cifar10.CARD, archives=(archive,)))

    monkeypatch.setattr(cifar10, "PER_BATCH", RECORDS)
    return make


def test_cifar10_from_download_to_images(server: Server, official: Callable[[bytes], None], tmp_path: Path) -> None:
    records = np.concatenate(batches())
    data = tar_of(members(batches()))
    official(data)
    server.files["cifar-10-binary.tar.gz"] = data
    server.cut_after = [len(data) // 2]
    root = tmp_path / "root"
    folder = datasets.prepare("cifar10", root, mirror=server.url, progress=False)
    assert folder == root / "cifar10" and len(server.requests) == 2
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "images.npy", "labels.npy"]
    assert not list(tmp_path.rglob("escaped.txt")) and list((root / "downloads").iterdir()) == []
    train, test = (datasets.load("cifar10", split, root=root) for split in ("train", "test"))
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    assert (np.concatenate([train.images, test.images]) == images).all() and len(train) == 16
    assert train.labels is not None and (train.labels == records[:16, 0]).all()
    assert train.checksum == checksum(images) and datasets.check("cifar10", root).ok
    # a pack that is there is left alone, and nothing is asked of the server
    assert datasets.prepare("cifar10", root, mirror=server.url, progress=False) == folder
    assert len(server.requests) == 2


def test_cifar10_from_a_file_or_its_folder(official: Callable[[bytes], None], tmp_path: Path) -> None:
    data = tar_of(members(batches()))
    official(data)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(data)
    for k, source in enumerate((tmp_path, tmp_path / "cifar-10-binary.tar.gz")):
        assert datasets.check("cifar10", datasets.prepare("cifar10", tmp_path / f"{k}", source=source).parent).ok
    assert (tmp_path / "cifar-10-binary.tar.gz").exists()  # the user's own file stays
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(data + b"\0")
    with pytest.raises(CorruptFile, match="md5"):
        datasets.prepare("cifar10", tmp_path / "2", source=tmp_path)
    with pytest.raises(MissingData, match="not there"):
        datasets.prepare("cifar10", tmp_path / "2", source=tmp_path / "absent")
    assert not (tmp_path / "2").exists()


def test_a_damaged_cifar10_archive_is_refused(official: Callable[[bytes], None], tmp_path: Path) -> None:
    whole, high = members(batches()), batches()
    high[2][1, 0] = 10
    first = "cifar-10-batches-bin/data_batch_1.bin"
    file = tmp_path / "archive.tar.gz"
    for data, message in (
        (tar_of(whole)[:-100], "archive"),
        (b"not an archive", "archive"),
        (gzip.compress(b"no tar"), "archive"),
        (tar_of({k: v for k, v in whole.items() if k != first}), "not 1 to 5"),
        (tar_of({k: v for k, v in whole.items() if k != first}, link=first), "not 1 to 5"),
        (tar_of({**whole, first: whole[first][:-1]}), "bytes"),
        (tar_of(members(high)), "class 10"),
    ):
        file.write_bytes(data)
        official(data)  # even if the checksum were right
        with pytest.raises(CorruptFile, match=message):
            datasets.prepare("cifar10", tmp_path / "root", source=file)
        assert not (tmp_path / "root").exists()


def test_records_are_whole() -> None:
    with pytest.raises(CorruptFile, match="3073"):
        cifar10.read_records(b"\0" * 3072)
    with pytest.raises(CorruptFile, match="0 bytes"):
        cifar10.read_records(b"")


# --- MNIST


def test_mnist_from_download_and_from_files(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (n, 28, 28), np.uint8) for n in (6, 2)]
    labels = [np.arange(n, dtype=np.uint8) for n in (6, 2)]
    archives = []
    for archive, array in zip(mnist.CARD.archives, (images[0], labels[0], images[1], labels[1])):
        header = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        data = gzip.compress(header + array.tobytes())
        server.files[archive.filename] = data
        archives.append(replace(archive, md5=md5(data)))
    monkeypatch.setattr(mnist, "CARD", replace(mnist.CARD, archives=tuple(archives)))
    folder = datasets.prepare("mnist", tmp_path, mirror=server.url, progress=False)
    pack = np.load(folder / "images.npy")
    assert pack.shape == (8, 1, 28, 28) and (pack[:, 0] == np.concatenate(images)).all()
    assert (datasets.load("mnist", "test", size=28, root=tmp_path).images[:, 0] == images[1]).all()
    files = tmp_path / "files"
    files.mkdir()
    for name, data in server.files.items():
        (files / name).write_bytes(data)
    other = datasets.prepare("mnist", tmp_path / "other", source=files)
    assert (other / "card.json").read_text() == (folder / "card.json").read_text()
    name = archives[0].filename
    (files / name).write_bytes(server.files[name][:-1])
    with pytest.raises(CorruptFile, match="md5"):
        datasets.prepare("mnist", tmp_path / "third", source=files)


# --- packs, and what cannot be prepared


def test_a_pack_is_checked_and_copied(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8), np.uint8)
    facts = {"source": "s", "licence": "l", "split": {"train": (0, 8), "test": (8, 10)}}
    source = datasets.write_pack(tmp_path / "there" / "brain", images, name="brain", **facts)
    np.save(source / "subject.npy", np.arange(10, dtype=np.uint8))
    target = datasets.prepare("brain", tmp_path / "root", source=source)
    assert sorted(p.name for p in target.iterdir()) == ["card.json", "images.npy", "subject.npy"]
    assert (datasets.load("brain", "test", root=tmp_path / "root").images == images[8:]).all()
    with pytest.raises(CorruptFile, match="'brain', not 'faces64'"):
        datasets.prepare("faces64", tmp_path / "root", source=source)
    whole = (source / "images.npy").read_bytes()
    (source / "images.npy").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CorruptFile, match="checksum"):
        datasets.prepare("brain", tmp_path / "other", source=source)
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_prepared_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLURVAE_DATA", raising=False)
    for name, message in (
        ("natural", "nothing to prepare"),
        ("faces64", "no official archive"),
        ("celeba", "Licence: non-commercial research only.* --source FOLDER"),
        ("hcp", "Licence: .* Data Use Terms.* --source FOLDER"),
        ("x", "Unknown"),
    ):
        with pytest.raises(ValueError, match=message):
            datasets.prepare(name, tmp_path)
    with pytest.raises(MissingData, match="BLURVAE_DATA"):
        datasets.prepare("cifar10")
    with pytest.raises(MissingData, match="holds no pack"):
        datasets.prepare("faces64", tmp_path, source=tmp_path)
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "half.npy").write_bytes(b"")
    with pytest.raises(ValueError, match="in the way"):  # before anything is downloaded
        datasets.prepare("cifar10", tmp_path, mirror="http://127.0.0.1:1")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        datasets.write_pack(
            tmp_path / "x",
            np.zeros((2, 1, 4, 4), np.uint8),
            name="x",
            source="s",
            licence="l",
            split={"train": (0, 1), "test": (1, 2)},
        )
    assert list(tmp_path.iterdir()) == []


def test_official_addresses_and_checksums() -> None:
    """The md5 on CIFAR-10's page, and those that torchvision states for MNIST (whose page states none)."""
    assert [(a.filename, a.md5) for a in cifar10.CARD.archives] == [
        ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
    ]
    torchvision = find_spec("torchvision")
    if torchvision is None or torchvision.origin is None:
        pytest.skip("torchvision is not installed")
    text = (Path(torchvision.origin).parent / "datasets" / "mnist.py").read_text()  # importing it takes seconds
    for archive in mnist.CARD.archives:
        assert f'("{archive.filename}", "{archive.md5}")' in text
