"""Every reader against damaged and hostile files: each input ends in the valid content or in a documented exception.

Two generators a reader: mutations of a valid file, and structures made up from scratch. `BLURVAE_FUZZ` is the number of
inputs a reader, 10,000 by default; the figures are printed. Every input has a time limit, the process a limit
on memory, and unpickling anything at all fails the test.
"""

from __future__ import annotations

import ast
import copy
import gzip
import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import signal
import struct
import subprocess
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from blurvae.datasets import ImageSet, celeba, cifar10, files, folder, mnist, nifti, packs
from blurvae.errors import CorruptFile, MissingData, MissingWeights
from blurvae.experiments import recorded
from blurvae.models import VAE, KernelNet, load_model, save_model
from blurvae.pages.notebooks import chapters, parameters
from blurvae.record import Run, read
from blurvae.record.encode import encode
from blurvae.record.files import shared_file
from blurvae.record.formats import FORMAT
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players
from blurvae.train import Budget, fit
from blurvae.train.checkpoint import Progress, Store, _crc32
from blurvae.train.optimisers import Adam
from blurvae.train.schedules import Constant
from blurvae.train.stage import named

COUNT = int(os.environ.get("BLURVAE_FUZZ", "10000"))
SECONDS = 5.0  # for one input
MEMORY = 1 << 30  # bytes beyond what the process has at the start
DEEP = 100_000  # levels of nested brackets


# The runner ---------------------------------------------------------------------------------------------------------


class Hang(BaseException):
    """No reader may catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def expired(*_: object) -> None:
        raise Hang(f"no answer after {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def memory_limit(extra: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def no_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a reader unpickled something")

    for name in ("load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)


@pytest.fixture
def fuzz(capsys: pytest.CaptureFixture[str], no_pickles: None) -> Callable[..., None]:
    """Tries both generators of a reader; `attempt` reads one input and asserts what it accepted."""

    def runner(
        name: str,
        mutations: st.SearchStrategy[Any],
        structures: st.SearchStrategy[Any],
        attempt: Callable[[Any], None],
        refusals: tuple[type[Exception], ...] = (CorruptFile, MissingData, MissingWeights),
    ) -> None:
        seen: Counter[tuple[str, str]] = Counter()
        for kind, inputs, count in (
            ("mutations", mutations, (COUNT + 1) // 2),
            ("structures", structures, (COUNT + 1) // 2),
        ):

            @settings(
                max_examples=count,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(inputs)
            def one(case: Any) -> None:
                try:
                    with time_limit(SECONDS):
                        attempt(case)
                except refusals as error:
                    # a subclass, such as UnicodeDecodeError, would be the library's own words
                    assert type(error) in refusals, repr(error)
                    seen[kind, "refused"] += 1  # noqa: B023
                else:
                    seen[kind, "accepted"] += 1  # noqa: B023

            with memory_limit(MEMORY):
                one()
        with capsys.disabled():
            print(f"\n{name}: {seen.total()} inputs", end="")
            for kind in ("mutations", "structures"):
                print(f"; {kind}: {seen[kind, 'accepted']} accepted, {seen[kind, 'refused']} refused", end="")
        assert seen.total() >= COUNT

    return runner


# Generators ---------------------------------------------------------------------------------------------------------

BYTES = st.binary(max_size=64)
EDGE_BYTES = st.sampled_from(
    [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00" * 8, b"[" * 64, b"-", b"9" * 12]
)


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    """One to three bit flips, truncations, splices, overwritten, duplicated, swapped or removed ranges."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        n = len(data)
        anywhere = st.one_of(st.integers(0, min(n, 160)), st.integers(0, n), st.integers(max(0, n - 160), n))
        at, length = draw(anywhere), draw(st.integers(1, 48))
        match draw(
            st.sampled_from(("flip", "flip", "cut", "head", "splice", "write", "double", "swap", "drop", "edge"))
        ):
            case "flip" if n:
                data[at % n] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "head":
                del data[: min(at, 64)]
            case "splice":
                data[at:at] = draw(BYTES)
            case "write":
                data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "double":
                data[at:at] = data[at : at + length]
            case "swap":
                other = draw(anywhere)
                if abs(at - other) >= length and max(at, other) + length <= n:
                    data[at : at + length], data[other : other + length] = (
                        data[other : other + length],
                        data[at : at + length],
                    )
            case "drop":
                del data[at : at + length]
            case "edge":
                value = draw(EDGE_BYTES)
                data[at : at + len(value)] = value
    return bytes(data)


INTEGERS = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([2**31 - 1, 2**31, 2**32, 2**40, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    st.floats(),
    st.sampled_from(
        ["", "train", "../..", "/etc/passwd", "\x00", "a\x00b", "\ud800", "é", "1e999", "@deep@", "@long@", "@brace@"]
    ),
    st.text(max_size=6),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)


def dumped(value: Any) -> bytes:
    """JSON with what no serialiser writes: brackets nested deep, numbers of thousands of digits."""
    text = json.dumps(value)
    text = text.replace('"@deep@"', "[" * DEEP + "]" * DEEP).replace('"@long@"', "9" * 5000)
    return text.replace('"@brace@"', '{"a":' * DEEP).encode()


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything in nested lists and dictionaries."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in ((*at, key), *places(inner, (*at, key)))]


def holder(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place[:-1]:
        value = value[key]
    return value


@st.composite
def altered(draw: st.DrawFn, valid: Any) -> Any:
    """A valid JSON value with fields replaced, removed, renamed, added or swapped."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 2))):
        known = places(value)
        if not known:
            return draw(VALUES)
        place = draw(st.sampled_from(known))
        inside, key = holder(value, place), place[-1]
        match draw(st.sampled_from(("replace", "replace", "near", "remove", "rename", "add", "swap", "whole"))):
            case "replace":
                inside[key] = draw(VALUES)
            case "near":  # of the same type, so that it gets past the checks of types
                old = inside[key]
                if type(old) is int:
                    inside[key] = draw(INTEGERS)
                elif isinstance(old, list):
                    inside[key] = [*old, draw(INTEGERS)]
                else:
                    inside[key] = draw(st.floats()) if isinstance(old, float) else draw(st.text(max_size=4))
            case "remove":
                del inside[key]
            case "rename" if isinstance(inside, dict):
                inside[draw(st.text(max_size=4))] = inside.pop(key)
            case "add" if isinstance(inside, dict):
                inside[draw(st.text(max_size=4))] = draw(VALUES)
            case "swap":
                other = draw(st.sampled_from(known))
                there = holder(value, other)
                inside[key], there[other[-1]] = copy.deepcopy(there[other[-1]]), copy.deepcopy(inside[key])
            case "whole" if draw(st.integers(0, 9)) == 0:
                return draw(VALUES)
    return value


def json_files(valid: Any) -> st.SearchStrategy[bytes]:
    """Files that hold another value than the valid one, in UTF-8 or not."""
    return st.one_of(
        altered(valid).map(dumped), altered(valid).map(dumped), VALUES.map(dumped), st.binary(max_size=200)
    )


class Bomb:
    """What a pickle would run if one were loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


PICKLE = pickle.dumps(np.array([Bomb()], object))


@st.composite
def npy(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> bytes:
    """A .npy file whose header may lie: object arrays, shapes beyond all memory, other types, versions, orders."""
    dims = st.sampled_from([0, 1, 2, 3, 4, 8, 96, True, -1, 2**16, 2**20, 2**31, 2**32, 2**62, 2**63, 2**64])
    form = draw(
        st.one_of(
            st.just(shape),
            st.just(shape),
            st.permutations(shape).map(tuple),
            st.lists(dims, max_size=5).map(tuple),
            st.sampled_from([None, [2, 3], 5, (1.0, 2), "(1,)"]),
        )
    )
    kinds = [
        "|O",
        "O",
        "<f4",
        ">u2",
        "|b1",
        "|V3",
        "<U4",
        "<M8[s]",
        [("a", "|u1"), ("b", "|O")],
        [],
        ("|u1", 4),
        None,
        3,
    ]
    header: dict[str, Any] = {
        "descr": draw(st.one_of(st.just(dtype), st.just(dtype), st.sampled_from([*kinds, "|u1", "<i8"]))),
        "fortran_order": draw(st.sampled_from([False, False, True, 0, "yes"])),
        "shape": form,
    }
    if draw(st.integers(0, 9)) == 0:
        header.pop(draw(st.sampled_from(sorted(header))))
    text = repr(header)
    match draw(st.integers(0, 11)):
        case 0:
            text = text.replace("}", draw(st.sampled_from(["", ",}", "L}", ", 'more': 1}", "}}", "+1}"])))
        case 1:
            text = draw(
                st.sampled_from(
                    [
                        "(" * 5000,
                        "{[]: 1}",
                        "{" * 200,
                        "-" * 9000 + "1",
                        "__import__('os').mkdir('unpickled')",
                        "'''",
                        "\t1\n 2",
                        "",
                    ]
                )
            )
        case 2:
            text = draw(st.text(max_size=40))
    coded = text.encode("utf-8", "surrogatepass")
    coded += b" " * (-(len(coded) + 11) % 64) + b"\n"
    version = draw(st.sampled_from([(1, 0), (1, 0), (2, 0), (3, 0), (0, 9), (255, 255)]))
    length = draw(st.sampled_from([len(coded), len(coded), len(coded), 0, len(coded) // 2, 60_000]))
    size = struct.pack("<H" if version[0] == 1 else "<I", length)
    content = draw(st.one_of(st.just(bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)), BYTES, st.just(PICKLE)))
    return b"\x93NUMPY" + bytes(version) + size + coded + content


def array_file(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


# IDX ----------------------------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


DIGITS = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)


@st.composite
def idx_structures(draw: st.DrawFn) -> bytes:
    dims = st.sampled_from([0, 1, 2, 3, 7, 2**16, 2**31, 2**32 - 1])
    form = draw(st.lists(st.one_of(st.integers(0, 6), dims), max_size=4))
    kind = draw(st.sampled_from([8, 8, 8, 9, 13, 0]))
    head = bytes((0, draw(st.sampled_from([0, 0, 0, 8])), kind, draw(st.sampled_from([len(form), 3, 3]))))
    honest = int(np.prod([min(k, 64) for k in form])) % 4096
    content = bytes(honest) if draw(st.booleans()) else draw(BYTES)
    data = head + b"".join(struct.pack(">I", k) for k in form) + content
    match draw(st.integers(0, 5)):
        case 0:
            return gzip.compress(data, mtime=0)
        case 1:
            return gzip.compress(data, mtime=0)[: draw(st.integers(0, len(data) + 20))]
        case 2:
            return gzip.compress(data, mtime=0) + draw(BYTES)
        case 3:
            return b"\x1f\x8b" + draw(BYTES)
        case 4:
            return draw(st.binary(max_size=200))
    return data


def test_idx(fuzz: Callable[..., None], tmp_path: Path) -> None:
    """A plain file has no checksum: its pixels are those of its bytes. In a compressed one gzip's CRC must agree."""
    file = tmp_path / "digits"

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        array = mnist.read_idx(file, 3)
        raw = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        assert array.dtype == np.uint8 and array.shape == struct.unpack(">3I", raw[4:16])
        assert raw[:4] == b"\0\0\x08\x03" and array.tobytes() == raw[16:]

    packed = gzip.compress(idx(DIGITS), mtime=0)
    fuzz("IDX", st.one_of(mutated(idx(DIGITS)), mutated(packed)), idx_structures(), attempt)


SET_FILES = {
    "train-images-idx3-ubyte.gz": gzip.compress(idx(DIGITS), mtime=0),
    "train-labels-idx1-ubyte": idx(np.arange(len(DIGITS), dtype=np.uint8)),
    "t10k-images-idx3-ubyte": idx(DIGITS[:2]),
    "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(np.arange(2, dtype=np.uint8)), mtime=0),
}


def test_idx_set(fuzz: Callable[..., None], tmp_path: Path) -> None:
    """A folder of four files, one of them altered, absent, renamed or doubled: what is accepted fits together."""

    def attempt(case: tuple[str, str, bytes | None]) -> None:
        name, new_name, data = case
        for old in tmp_path.iterdir():
            old.unlink()
        for known, content in SET_FILES.items():
            (tmp_path / known).write_bytes(content)
        if data is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / new_name).write_bytes(data)
        images, labels, first = mnist.read_set(tmp_path)
        assert images.dtype == np.uint8 and images.ndim == 4 and images.shape[1] == 1 and 0 < first < len(images)
        assert labels is None or labels.shape == (len(images),)

    names = st.sampled_from(sorted(SET_FILES))
    others = st.sampled_from(
        [
            "emnist-train-images-idx3-ubyte",
            "train-images.idx3-ubyte",
            "._train-images-idx3-ubyte",
            "test-images-idx3-ubyte.gz",
        ]
    )
    mutations = st.one_of([mutated(data).map(lambda d, n=name: (n, n, d)) for name, data in sorted(SET_FILES.items())])
    structures = st.one_of(
        st.tuples(names, names, idx_structures()),
        st.tuples(names, others, st.one_of(idx_structures(), st.just(idx(DIGITS)))),
        st.tuples(names, names, st.none()),
    )
    fuzz("IDX set", mutations, structures, attempt, (CorruptFile, MissingData, ValueError))


# Pictures -----------------------------------------------------------------------------------------------------------


def encoded(form: str, mode: str, **options: Any) -> bytes:
    rng = np.random.default_rng(4)
    shape = (9, 7) if mode in ("L", "1", "I;16") else (9, 7, {"RGB": 3, "RGBA": 4, "LA": 2}[mode])
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, shape, np.uint16))
    else:
        pixels = rng.integers(0, 256, shape, np.uint8)
        image = Image.fromarray(pixels > 127) if mode == "1" else Image.fromarray(pixels)
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    image.save(stream, form, **(options | ({"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF") else {})))
    return stream.getvalue()


def tiff(order: str, kind: str, tags: dict[int, tuple[int, int]]) -> bytes:
    """A TIFF of 9×7 px, uncompressed, each tag with its type and its value; the tags may lie."""
    data = np.random.default_rng(5).integers(0, 120, (7, 9)).astype(order + kind).tobytes()
    fields = b"".join(struct.pack(order + "HHII", tag, t, 1, v % 2**32) for tag, (t, v) in sorted(tags.items()))
    start = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", 8 + len(data))
    return start + data + struct.pack(order + "H", len(tags)) + fields + bytes(4)


@st.composite
def tiffs(draw: st.DrawFn) -> bytes:
    """Grey of every depth, sign, byte order and photometric, with sizes, counts and places that may lie."""
    kind = draw(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]))
    bits = 8 * int(kind[1])
    sample = {"u": 1, "i": 2, "f": 3}[kind[0]]
    values = {256: 9, 257: 7, 258: bits, 259: 1, 262: draw(st.sampled_from([0, 1, 1, 2, 3, 5])), 273: 8, 277: 1}
    values |= {278: 7, 279: 63 * bits // 8, 339: sample}
    if draw(st.booleans()):
        values[274] = draw(st.integers(0, 9))
    tags = {tag: (4, value) for tag, value in values.items()}
    for _ in range(draw(st.integers(0, 2))):
        tag = draw(st.sampled_from([*values, 254, 266, 284, 317, 320, 338, 34665]))
        tags[tag] = (
            draw(st.integers(0, 13)),
            draw(st.one_of(st.integers(0, 70), st.sampled_from([2**16, 2**31, 2**32 - 1]))),
        )
    return tiff(draw(st.sampled_from("<>")), kind, tags)


PICTURES = [
    encoded("PNG", "RGB"),
    encoded("PNG", "RGBA"),
    encoded("PNG", "LA"),
    encoded("PNG", "I;16", transparency=7),
    encoded("PNG", "1"),
    encoded("JPEG", "RGB"),
    encoded("JPEG", "L"),
    encoded("WEBP", "RGBA", lossless=True),
    encoded("BMP", "RGB"),
    encoded("GIF", "L", transparency=3),
    encoded("TIFF", "RGBA"),
    encoded("TIFF", "I;16", compression="tiff_lzw"),
    encoded("PPM", "L"),
]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Standard error of the process thrown away: libtiff writes there what it thinks of a file."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@pytest.mark.filterwarnings("ignore")
def test_picture(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in a file with a picture's ending: pixels of the asked form, or a refusal that names the file."""
    file = tmp_path / "x.jpg"

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture started a program")

    for name in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, refuse)

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        for gray in (True, False):
            try:
                pixels, side = folder.read(file, 5, gray=gray)
            except CorruptFile as error:
                assert str(file) in str(error)
                raise
            assert pixels.dtype == np.uint8 and pixels.shape == (1 if gray else 3, 5, 5) and side > 0

    mutations = st.one_of([mutated(data) for data in PICTURES])
    structures = st.one_of(
        tiffs(),
        tiffs(),
        st.binary(max_size=200),
        BYTES.map(lambda content: EPS + content),
        BYTES.map(lambda b: PICKLE + b),
    )
    with silent_libraries():
        fuzz("picture", mutations, structures, attempt)


# Folders ------------------------------------------------------------------------------------------------------------

FOLDER_NAMES = [
    "a",
    "B",
    ".git",
    "@eaDir",
    "__MACOSX",
    "sub-01",
    "é",
    "e\u0301",
    "derivatives",
    "x y",
    "caf\udce9",
    "$RECYCLE.BIN",
]
FILE_NAMES = [
    "a.png",
    "b.PNG",
    "._a.png",
    "Thumbs.db",
    "c.gif",
    "d.txt",
    "e",
    ".png",
    "f.nii",
    "F.NII.GZ",
    "é.png",
    "é.png",
]


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Paths, and what is there: a file of some content, or a link to some other path."""
    path = st.tuples(st.lists(st.sampled_from(FOLDER_NAMES), max_size=2), st.sampled_from(FILE_NAMES)).map(
        lambda p: "/".join([*p[0], p[1]])
    )
    what = st.sampled_from(["", "one", "two", "three", "@.", "@..", "@a", "@a.png", "@.git", "@nowhere", "@/"])
    return draw(st.lists(st.tuples(path, what), max_size=8))


def test_folder_walk(fuzz: Callable[..., None], tmp_path: Path) -> None:
    """Whatever lies below a folder: each file once, nothing hidden, no way out of it, the same again."""
    place = tmp_path / "set"

    def attempt(tree: list[tuple[str, str]]) -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, what in tree:
            with suppress(OSError):  # a file where another path needs a folder
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                if what.startswith("@"):
                    (place / name).symlink_to(what[1:])
                else:
                    (place / name).write_text(what)
        found = files.below(place, (".png", ".nii", ".nii.gz"), owner=str)
        names = [file.relative_to(place).as_posix() for file in found.files]
        assert len({file.resolve() for file in found.files}) == len(names)
        assert not any(files.is_hidden(part) for name in names for part in name.split("/"))
        contents = [file.read_bytes() for file in found.files if file.stat().st_size]
        assert len(set(contents)) == len(contents)
        assert files.below(place, (".png", ".nii", ".nii.gz"), owner=str) == found and isinstance(found.note(), str)
        if names:
            split = folder.split_names(names)
            assert sorted(split["train"] + split["test"]) == sorted(names)

    fuzz("folder walk", trees(), trees(), attempt)


def test_idx_of_a_lying_size_asks_for_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "digits"
    head = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**20, 2**6, 2**6)  # 4 GiB
    for data in (head + bytes(100), gzip.compress(head + bytes(100))):
        file.write_bytes(data)
        with memory_limit(MEMORY), pytest.raises(CorruptFile, match="announces"):
            mnist.read_idx(file, 3)


# The archive of CIFAR-10 --------------------------------------------------------------------------------------------

RECORDS = 2  # a batch, in place of 10,000
BATCH = "cifar-10-batches-bin/data_batch_{}.bin"


def batch(k: int) -> bytes:
    records = np.random.default_rng(k).integers(0, 256, (RECORDS, cifar10.RECORD), np.uint8)
    records[:, 0] %= 10
    return records.tobytes()


def tar_of(members: list[tuple[tarfile.TarInfo, bytes, int | None]], form: int = tarfile.GNU_FORMAT) -> bytes:
    """An uncompressed archive; a third element of a member is the size that its header claims."""
    result = b""
    for member, content, claimed in members:
        member.size = len(content)
        head = bytearray(member.tobuf(form, errors="surrogateescape"))
        if claimed is not None:
            low = len(head) - 512
            field = (
                b"%011o\0" % claimed
                if 0 <= claimed < 8**11
                else (b"\x80" if claimed >= 0 else b"\xff") + (claimed % 256**11).to_bytes(11, "big")
            )
            head[low + 124 : low + 136] = field
            head[low + 148 : low + 156] = b" " * 8
            head[low + 148 : low + 156] = b"%06o\0 " % sum(head[low : low + 512])
        result += bytes(head) + content + bytes(-len(content) % 512)
    return result + bytes(1024)


def official() -> list[tuple[tarfile.TarInfo, bytes, int | None]]:
    return [(tarfile.TarInfo(BATCH.format(k)), batch(k), None) for k in range(1, 6)]


TYPES = [tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
TYPES += [tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.CONTTYPE, b"?"]


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """Absolute names, `..`, links, devices, sparse files, doubled members, sizes that lie, pax headers that lie."""
    members = official()
    for _ in range(draw(st.integers(1, 3))):
        hostile = [
            "/" + BATCH.format(1),
            "../" + BATCH.format(2),
            "../../unpickled",
            "./" + BATCH.format(3),
            "cifar-10-batches-py/x",
        ]
        info = tarfile.TarInfo(draw(st.sampled_from([*hostile, *(BATCH.format(k) for k in range(7))])))
        info.type = draw(st.sampled_from(TYPES))
        info.linkname = draw(st.sampled_from(["", "/etc/passwd", "../..", BATCH.format(1)]))
        pax = [b"30 path=../../unpickled\n", b"12 size=-512\n", b"9999999999 size=1\n", b"25 GNU.sparse.map=1,x,9\n"]
        pax += [
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n",
            b"0 =\n",
            b"18 mtime=infinity\n",
            b"-5 a=b\n",
            b"\xff 3\n",
        ]
        content = draw(st.one_of(st.just(batch(9)), BYTES, st.sampled_from(pax)))
        claimed = draw(
            st.sampled_from(
                [None, None, 0, 1, 511, -512, -1, -1024, len(content) + 512, 2**33, 2**60, RECORDS * cifar10.RECORD]
            )
        )
        member = (info, content, claimed)
        at = draw(st.integers(0, len(members)))
        match draw(st.sampled_from(("insert", "replace", "remove", "shrink"))):
            case "insert":
                members.insert(at, member)
            case "replace":
                members[at % len(members)] = member
            case "remove" if len(members) > 1:
                members.pop(at % len(members))
            case "shrink":
                there, inside, _ = members[at % len(members)]
                members[at % len(members)] = (there, inside[: draw(st.integers(0, len(inside)))], claimed)
    return tar_of(members, draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])))


def test_cifar10(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of the archive are gzip's to vouch for; `prepare` checks the publisher's md5 before it reads one."""
    monkeypatch.setattr(cifar10, "PER_BATCH", RECORDS)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "cifar-10-binary.tar.gz"
    valid = tar_of(official())

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        images, labels = cifar10.read_archive(file)
        raw = gzip.decompress(data)  # raises where the checksum of the whole is wrong
        assert images.shape == (5 * RECORDS, 3, 32, 32) and images.dtype == labels.dtype == np.uint8
        for k in range(0, 5 * RECORDS, RECORDS):
            pieces = [bytes((labels[i],)) + images[i].tobytes() for i in range(k, k + RECORDS)]
            assert b"".join(pieces) in raw
        assert sorted(os.listdir(tmp_path)) == [file.name]  # nothing is extracted

    def pack(data: bytes) -> bytes:
        return gzip.compress(data, 1, mtime=0)

    structures = st.one_of(
        tars().map(pack), tars().map(pack), st.binary(max_size=200), st.binary(max_size=1500).map(pack)
    )
    fuzz("CIFAR-10", st.one_of(mutated(pack(valid)), mutated(valid).map(pack)), structures, attempt)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE])
@pytest.mark.parametrize("size", [-512, -1024, -(2**40), 2**60])
def test_a_member_of_a_lying_size_ends(kind: bytes, size: int, tmp_path: Path) -> None:
    file = tmp_path / "archive.tar.gz"
    info = tarfile.TarInfo("x")
    info.type = kind
    file.write_bytes(gzip.compress(tar_of([(info, bytes(512), size)])))
    with time_limit(SECONDS), memory_limit(MEMORY), pytest.raises(CorruptFile):
        cifar10.read_archive(file)


# The list and the archive of CelebA ----------------------------------------------------------------------------------

PARTS = (2, 1, 1)
FACES = [f"{k:06d}.jpg" for k in range(1, sum(PARTS) + 1)]
LIST = b"".join(b"%s %d\n" % (name.encode(), part) for name, part in zip(FACES, (0, 0, 1, 2)))


def jpeg(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", celeba.SHAPE, (shade, 2 * shade, 90)).save(stream, "JPEG")
    return stream.getvalue()


def test_celeba_list(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the official lines are accepted, whatever white space is between and after the words."""
    monkeypatch.setattr(celeba, "COUNTS", PARTS)
    file = tmp_path / celeba.PARTITION

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        assert celeba.read_partition(file) == (FACES[:2], FACES[3:])
        assert data.split() == LIST.split()

    names = st.sampled_from([*FACES, "../000001.jpg", "/etc/passwd", "000001.jpg\0", "٠٠٠٠٠١.jpg", "1.jpg", ""])
    lines = st.tuples(names, st.sampled_from(["0", "1", "2", "3", "-0", "00", "٠", "1e0", "9" * 5000]))
    ends = st.sampled_from(["\n", "\r\n", "\r", "\x0b", "\u2028", " \n", ""])
    texts = st.lists(st.tuples(lines, ends), max_size=5).map(
        lambda rows: "".join(f"{name} {part}{end}" for (name, part), end in rows).encode()
    )
    near = st.lists(ends, min_size=4, max_size=4).map(
        lambda given: b"".join(line + end.encode() for line, end in zip(LIST.splitlines(), given))
    )
    fuzz("CelebA list", mutated(LIST), st.one_of(texts, near, st.binary(max_size=200)), attempt)


FACE_FILES = {f"{celeba.IMAGES}/{name}": jpeg(40 * k) for k, name in enumerate(FACES[:2])}


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    """Absolute names, `..`, links, doubled and encrypted members, methods that swell, sizes and places that lie."""
    stream = io.BytesIO()
    members = [*FACE_FILES.items()]
    hostile = ["../" + FACES[0], "/" + FACES[0], f"{celeba.IMAGES}/../../unpickled", *FACE_FILES, ""]
    for _ in range(draw(st.integers(0, 2))):
        content = draw(st.one_of(BYTES, st.sampled_from([*FACE_FILES.values(), bytes(1 << 15), PICKLE])))
        at = draw(st.integers(0, len(members)))
        members[at : at + draw(st.integers(0, 1))] = [(draw(st.sampled_from(hostile)), content)]
    kinds = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = draw(st.sampled_from([0, 0, 0o100644, 0o120777, 0o40755, 0o20666])) << 16
            archive.writestr(info, content, draw(st.sampled_from(kinds)))
    data = bytearray(stream.getvalue())
    directory = data.find(b"PK\x01\x02")
    for _ in range(draw(st.integers(0, 2))):
        # flags, method, crc, both sizes, lengths of name, extra and comment, the place, in one entry or another
        field, width = draw(st.sampled_from([(8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4)]))
        value = draw(st.one_of(st.integers(0, 20), st.sampled_from([2**15, 2**16 - 1, 2**20, 2**31, 2**32 - 1])))
        at = (directory if draw(st.booleans()) else data.rfind(b"PK\x01\x02")) + field
        data[at : at + width] = (value % 256**width).to_bytes(width, "little")
    return bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_celeba_archive(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zip's CRC vouches for an image; `prepare` checks the md5 of the archive before it reads one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(celeba, "LARGEST", 1 << 14)
    file = tmp_path / celeba.ARCHIVE

    def attempt(case: tuple[str, bytes]) -> None:
        kind, data = case
        file.write_bytes(data)
        try:
            with celeba.reader(file) as content:
                for name in FACES[:2]:
                    found = content(name)
                    assert len(found) <= celeba.LARGEST
                    assert kind == "made" or found in FACE_FILES.values()
                    assert celeba.picture(found, name).shape == (3, celeba.SIZE, celeba.SIZE)
        finally:
            assert sorted(os.listdir(tmp_path)) == [file.name]  # nothing is extracted

    valid = [npz(FACE_FILES), npz(FACE_FILES, zipfile.ZIP_STORED)]
    mutations = st.one_of([mutated(data).map(lambda content: ("mutated", content)) for data in valid])
    structures = st.one_of(zips(), zips(), zips(), st.binary(max_size=200)).map(lambda content: ("made", content))
    fuzz("CelebA archive", mutations, structures, attempt)


@pytest.mark.parametrize("make", [lambda d: d[:400], lambda d: b"", lambda d: PICKLE, lambda d: d[:200] + bytes(9)])
def test_celeba_image(make: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CorruptFile, match="aligned image"):
        celeba.picture(make(jpeg(9)), "x")


# NIfTI --------------------------------------------------------------------------------------------------------------

VOXELS = np.random.default_rng(2).uniform(0, 900, (3, 4, 2)).astype("<f4")
# where the fields lie, by version: first bytes, magic, dim, datatype, offset, slope and intercept, qform code, affine
LAYOUTS = {
    1: (348, (344, b"n+1\0"), (40, "8h"), (70, "h"), (108, "f"), (112, "2f"), (252, "2h"), (280, "12f")),
    2: (540, (4, b"n+2\0\r\n\x1a\n"), (16, "8q"), (12, "h"), (168, "q"), (176, "2d"), (344, "2i"), (400, "12d")),
}
DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
AXES = (1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)


def volume(
    content: bytes,
    version: int = 1,
    order: str = "<",
    dims: tuple[int, ...] = (3, 3, 4, 2, 1, 1, 1, 1),
    code: int = 16,
    offset: float | None = None,
    scale: tuple[float, float] = (1, 0),
    forms: tuple[int, int] = (0, 1),
    axes: tuple[float, ...] = AXES,
) -> bytes:
    """A file of the format, its voxels right behind the header."""
    size, magic, *places = LAYOUTS[version]
    head = bytearray(size + 4)
    struct.pack_into(f"{order}i", head, 0, size)
    head[magic[0] : magic[0] + len(magic[1])] = magic[1]
    for (at, form), values in zip(
        places, (dims, (code,), (size + 4 if offset is None else offset,), scale, forms, axes)
    ):
        whole = [int(v) if form[-1] in "hqi" else v for v in values]
        struct.pack_into(order + form, head, at, *whole)
    pixdim, form = (76, "8f") if version == 1 else (104, "8d")
    struct.pack_into(order + form, head, pixdim, *[1.0] * 8)
    return bytes(head) + content


def true_values(raw: bytes) -> np.ndarray:
    """The values by the format's own layout, sorted: the reader may turn the axes."""
    order = "<" if raw[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)) else ">"
    version = 1 if struct.unpack(f"{order}i", raw[:4]) == (348,) else 2
    _, _, dims, code, offset, scale, *_ = LAYOUTS[version]
    read = [struct.unpack_from(order + form, raw, at) for at, form in (dims, code, offset, scale)]
    n = int(np.prod(np.array(read[0][1 : 1 + read[0][0]], object)))
    start = int(read[2][0]) or LAYOUTS[version][0] + 4
    values = np.frombuffer(raw, np.dtype(DTYPES[read[1][0]]).newbyteorder(order), n, start).astype(np.float32)
    assert start + n * np.dtype(DTYPES[read[1][0]]).itemsize == len(raw)
    slope, intercept = read[3]
    if slope and np.isfinite(slope) and read[3] != (1, 0):
        values = values * np.float32(slope) + np.float32(intercept)
    return np.sort(values)


NUMBERS = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, 1e-20, 1e20, 1e38, float("nan"), float("inf"), -float("inf")]
)


@st.composite
def volumes(draw: st.DrawFn) -> bytes:
    """Shapes, types, places, scales and axes that lie, one or two at a time, in both versions and byte orders."""
    version, order = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from("<>"))
    most = 2**15 - 1 if version == 1 else 2**63 - 1
    dim = st.one_of(st.integers(1, 6), st.sampled_from([0, -1, -2, 256, 2**10, most, most // 2, -most - 1]))
    given_dims = st.tuples(st.sampled_from([3, 3, 4, 0, -1, 7, 8]), *[dim] * 7)
    places = st.sampled_from([0, -1, 8, 348, 353, 2**20, 2**24 + 1, 2**30, *([float("nan"), 1e38] * (version == 1))])
    lies = {
        "dims": given_dims,
        "code": st.sampled_from([*DTYPES, 0, 1, 32, 128, 1536, 1792, 2304, -1]),
        "offset": places,
        "scale": st.tuples(NUMBERS, NUMBERS),
        "forms": st.sampled_from([(1, 0), (0, 0), (-1, 5)]),
        "axes": st.one_of(st.permutations(AXES).map(tuple), st.tuples(*[NUMBERS] * 12)),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(lies)), max_size=2, unique=True))
    content = VOXELS.astype(f"{order}f4").tobytes()
    if draw(st.integers(0, 3)) == 0:
        content = draw(st.one_of(BYTES, st.just(bytes(1 << 16)), st.just(PICKLE), st.just(content[:-1])))
    return volume(content, version, order, **{name: draw(lies[name]) for name in chosen})


def test_nifti(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain file has no checksum: its values are those of its bytes. In a compressed one gzip's CRC must agree."""
    pytest.importorskip("nibabel", reason="nibabel is not installed")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "head.nii"

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        values, header = nifti.read(file)
        raw = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        assert values.shape == header.shape == nifti.read_header(file).shape and values.dtype == np.float32
        assert (np.sort(values, axis=None) == true_values(raw)).all() and np.isfinite(header.spacing).all()
        levels = nifti.axial(nifti.to_bytes(values))
        assert levels.dtype == np.uint8 and levels.max() == 255 and levels.size == values.size
        assert not (tmp_path / "unpickled").exists()

    def pack(data: bytes) -> bytes:
        return gzip.compress(data, 1, mtime=0)

    first, second = volume(VOXELS.tobytes()), volume(VOXELS.astype(">f4").tobytes(), 2, ">")
    mutations = st.one_of(mutated(first), mutated(second), mutated(first).map(pack), mutated(pack(first)))
    structures = st.one_of(volumes(), volumes(), volumes().map(pack), st.binary(max_size=600))
    fuzz("NIfTI", mutations, structures, attempt)


def test_a_volume_that_lies_or_swells_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "x.nii.gz"
    huge = [volume(bytes(100), dims=(3, 2**15 - 1, 2**15 - 1, 2**15 - 1, 1, 1, 1, 1)), volume(bytes(100), offset=2**40)]
    huge.append(volume(bytes(100), 2, dims=(3, 2**62, 2**62, 2**62, 1, 1, 1, 1)))
    huge.append(volume(VOXELS.tobytes() + bytes(1 << 28)))  # an honest header, and a quarter of a GiB of zeros behind
    for data in huge:
        file.write_bytes(gzip.compress(data, 1))
        del data
        with time_limit(SECONDS), memory_limit(MEMORY >> 4), pytest.raises(CorruptFile, match="announces"):
            nifti.read(file)


# Packs --------------------------------------------------------------------------------------------------------------


def test_pack(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading maps the pixels and checks their form; `verify` (blurvae data check, and every copy) their checksum."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    folder = packs.write(
        tmp_path / "valid",
        rng.integers(0, 256, (8, 1, 4, 4), np.uint8),
        name="tiny",
        source="a generator",
        licence="CC0",
        split={"train": (0, 6), "test": (6, 8)},
        labels=rng.integers(0, 9, 8),
    )
    valid = {file.name: file.read_bytes() for file in folder.iterdir()}
    card = json.loads(valid["card.json"])

    def attempt(case: tuple[str, bytes | None]) -> None:
        name, data = case
        if data is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(data)
        try:
            pack = packs.read(folder)
            packs.verify(pack)
            sets = [packs.to_set(pack, split, None, "crop") for split in ("train", "test")]
            digest = hashlib.sha256(np.ascontiguousarray(pack.images).data).hexdigest()
            assert digest == pack.card["sha256"] == card["sha256"]  # the very pixels, whatever was altered
            for images in sets:
                assert isinstance(images.label, str) and images.tensor().shape[1:] == images.shape
                assert images.stands_in_for is None or isinstance(images.stands_in_for, str)
            if "labels_sha256" in pack.card and pack.labels is not None:
                assert pack.labels.tobytes() == np.load(io.BytesIO(valid["labels.npy"])).tobytes()
        finally:
            (folder / name).write_bytes(valid[name])
        assert not (tmp_path / "unpickled").exists()

    def with_name(name: str, data: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[str, bytes]]:
        return data.map(lambda content: (name, content))

    mutations = st.one_of([with_name(name, mutated(content)) for name, content in sorted(valid.items())])
    structures = st.one_of(
        with_name("images.npy", npy((8, 1, 4, 4), "|u1")),
        with_name("labels.npy", npy((8,), "<i8")),
        with_name("card.json", json_files(card)),
        st.sampled_from(sorted(valid)).flatmap(lambda name: st.tuples(st.just(name), st.binary(max_size=200))),
        st.sampled_from([("labels.npy", None), ("images.npy", None), ("card.json", None)]),
    )
    fuzz("pack", mutations, structures, attempt)


# Records of runs ----------------------------------------------------------------------------------------------------


def npz(arrays: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in arrays.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


@st.composite
def npzs(draw: st.DrawFn) -> bytes:
    names = st.sampled_from(["original.npy", "sample.npy", "../../unpickled.npy", "/x.npy", "x.txt", "", "\x00.npy"])
    members = draw(st.dictionaries(names, st.one_of(npy((2, 3), "|u1"), BYTES, st.just(PICKLE)), max_size=3))
    return npz(
        members, draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    )


def test_run_record(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record has no checksum: numbers altered within their type are accepted. The pictures have zip's CRC."""
    monkeypatch.chdir(tmp_path)
    described = Run("bredell/table5", "l2", "smoke", "natural", BlurVAE(widths=(4, 8)), budget=Budget(epochs=1))
    spread = {"mean": 20.5, "sd": 1.5, "n": 4}
    record = {
        "format": FORMAT,
        "run": encode(described),
        "outcome": {"state": "finished"},
        "data": {
            "name": "natural",
            "label": "natural",
            "stands_in_for": None,
            "checksum": "ab",
            "n_train": 4,
            "n_test": 4,
        },
        "parameters": {"vae": 12},
        "metrics": {
            "PSNR": spread,
            "KL": {"value": 3.0},
            "LPIPS-squeeze": {"state": "needs weights", "what": "a file"},
        },
        "history": [{"epoch": 1, "phase": "train", "reconstruction": 2.5, "kl": 0.5}],
        "provenance": {"commit": "abc", "seconds": 1.5, "versions": {"torch": "2"}},
    }
    lost = record | {"outcome": {"state": "diverged", "epoch": 2, "why": "kl is nan"}, "metrics": {}}
    term = {"experiment": "table5", "term": "wiener", "constants": [["C", 0.5]], "architecture": "A", "widths": [4, 8]}
    term |= {
        "latent": 2,
        "hidden": 3,
        "settings": {"epochs": 1, "warm_up": 1, "lr": 0.1, "kernel_lr": 1.0, "beta": 1.0},
    }
    kept = {key: value for key, value in record["run"].items() if key not in ("experiment", "system", "budget")}
    first = {key: value for key, value in record.items() if key != "outcome"}
    first |= {"format": 1, "run": kept | term, "history": [{"epoch": 1, "weighted": False, "kl": 0.5}]}
    shared = {"original": np.arange(96, dtype=np.uint8).reshape(2, 3, 4, 4), "data_power": np.ones((4, 3), np.float32)}
    own = {"sample": shared["original"][::-1], "error_power": np.full((4, 3), 2, np.float32)}
    pictures = shared | own
    file = described.path(tmp_path)
    places = {".json": file, ".npz": file.with_suffix(".npz"), "shared": shared_file(described, record, tmp_path)}
    for place in places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
    valid = {".json": json.dumps(record, indent=1).encode()}
    for name, arrays in ((".npz", own), ("shared", shared)):
        compressed = io.BytesIO()
        np.savez_compressed(compressed, **arrays)
        valid[name] = compressed.getvalue()
    plain = npz({f"{key}.npy": array_file(value) for key, value in own.items()}, zipfile.ZIP_STORED)
    file.write_text(json.dumps(first))
    assert read(file).run.system.term.C == 0.5, "the record of format 1 is whole"

    def attempt(case: tuple[str, str, bytes]) -> None:
        kind, suffix, data = case
        for name, content in valid.items():
            places[name].write_bytes(data if name == suffix else content)
        result = read(file)
        if suffix == ".json":
            given = json.loads(data)
            assert result.record == given or "NaN" in data.decode() or given["format"] == 1
            assert all(isinstance(text, str) for text in (result.run.name, result.run.method, result.run.data))
        elif kind == "mutated":
            # zip's CRC covers the arrays; only whole members can go missing, and another name is another key
            originals = [(value.tobytes(), value.shape, value.dtype) for value in pictures.values()]
            assert all((v.tobytes(), v.shape, v.dtype) in originals for v in result.pictures.values())
        assert all(type(value) is np.ndarray and not value.dtype.hasobject for value in result.pictures.values())
        recorded.frame("table5", "smoke", "natural", tmp_path)
        recorded.history("table5", "smoke", "natural", tmp_path)
        assert not (tmp_path / "unpickled").exists()

    def part(kind: str, suffix: str, data: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[str, str, bytes]]:
        return data.map(lambda content: (kind, suffix, content))

    mutations = st.one_of(
        part("mutated", ".json", mutated(valid[".json"])),
        part("mutated", ".npz", mutated(valid[".npz"])),
        part("mutated", ".npz", mutated(plain)),
        part("mutated", ".json", mutated(json.dumps(first).encode())),
        part("mutated", "shared", mutated(valid["shared"])),
    )
    structures = st.one_of(
        part("made", ".json", json_files(record)),
        part("made", ".json", json_files(lost)),
        part("made", ".json", json_files(first)),
        part("made", "shared", npzs()),
        part("made", ".npz", npzs()),
        part("made", ".npz", npy((2, 3), "|u1")),
        part("made", ".npz", st.one_of(st.binary(max_size=200), st.just(PICKLE))),
    )
    fuzz("run record", mutations, structures, attempt)


# Checkpoints and model files ----------------------------------------------------------------------------------------


def unpacked(data: bytes) -> tuple[Any, bytes]:
    (n,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + n]), data[8 + n :]


@st.composite
def tensor_files(draw: st.DrawFn, valid: bytes) -> bytes:
    """A safetensors file whose header lies: types, shapes, offsets, names, metadata."""
    header, body = unpacked(valid)
    header = draw(altered(header)) if draw(st.integers(0, 9)) else draw(VALUES)
    if isinstance(header, dict) and draw(st.booleans()):
        names = [key for key, value in header.items() if isinstance(value, dict) and "dtype" in value]
        if names:
            kinds = ["F64", "I32", "U32", "BF16", "F16", "I64", "BOOL", "F8_E5M2", "F8_E8M0", "F4", "C64", "U64", "X"]
            header[draw(st.sampled_from(names))]["dtype"] = draw(st.sampled_from(kinds))
    text = dumped(header)
    length = draw(st.sampled_from([len(text), len(text), len(text), 0, len(text) + 9, 2**40, 2**63, 2**64 - 1]))
    return struct.pack("<Q", length) + text + draw(st.sampled_from([body, body, body, b"", body + b"\0", body[:-1]]))


def exact(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.mark.filterwarnings("ignore:.* is of an earlier version")
def test_checkpoint(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What resumes is the very state that was saved: tensors, optimisers, noise and progress."""
    monkeypatch.chdir(tmp_path)
    identity = {"budget": asdict(Budget(epochs=3)), "system": {"name": "vae"}, "data": "ab", "parameters": {"vae": 1}}
    rule = Adam(Constant(1e-3))

    def store(seed: int) -> Store:
        torch.manual_seed(seed)
        players = named(Players(VAE(size=4, channels=1, widths=(2,), latent=2, hidden=3), KernelNet(2, 3, 4)))
        adams = {name: rule.make(net.parameters(), torch.tensor(1e-3)) for name, net in players.items()}
        for name, net in players.items():
            sum(p.square().sum() for p in net.parameters()).backward()
            adams[name].step()
        slots = dict.fromkeys(players, rule.slots)
        return Store(tmp_path / "run", identity, players, adams, slots, torch.Generator().manual_seed(seed))

    def state(of: Store) -> dict[str, torch.Tensor]:
        tensors = {
            f"{name}/{key}": value.clone()
            for name, net in of.players.items()
            for key, value in net.state_dict().items()
        }
        for place, weight, adam in of._weights():
            tensors |= {f"{place}/{key}": value.clone() for key, value in adam.state[weight].items()}
        return tensors | {"noise": of.noise.get_state()}

    saved = store(0)
    progress = Progress(1, 2, 7, {"kl": 1.5, "vae": 2.5}, [{"epoch": 1, "phase": "warm-up", "kl": 0.5}], 12.5)
    saved.save(progress)
    expected = state(saved)
    index = tmp_path / "run" / "checkpoint.json"
    valid = {file.name: file.read_bytes() for file in index.parent.iterdir()}
    (tensors,) = set(valid) - {index.name}
    reader = store(1)
    fresh, fresh_noise = (
        {name: copy.deepcopy(net.state_dict()) for name, net in reader.players.items()},
        reader.noise.get_state(),
    )
    fresh_adams = {name: copy.deepcopy(adam.state_dict()) for name, adam in reader.optimisers.items()}

    def attempt(case: dict[str, bytes]) -> None:
        for name, net in reader.players.items():
            net.load_state_dict(fresh[name])
            reader.optimisers[name].load_state_dict(copy.deepcopy(fresh_adams[name]))
        reader.noise.set_state(fresh_noise)
        for name, content in valid.items():
            (index.parent / name).write_bytes(case.get(name, content))
        try:
            now = reader.load()
        except ValueError as error:
            if type(error) is ValueError:  # the one that fit documents, no library's
                assert "belongs to another configuration" in str(error)
            raise
        if now is None:  # of an earlier version, or so it says: the training starts again
            assert json.loads(index.read_bytes()).get("format", 1) < 2
            return
        assert exact(state(reader), expected)
        assert now == progress
        assert list(map(type, asdict(now).values())) == list(map(type, asdict(progress).values()))

    def part(name: str, data: st.SearchStrategy[bytes]) -> st.SearchStrategy[dict[str, bytes]]:
        return data.map(lambda content: {name: content})

    mutations = st.one_of([part(name, mutated(content)) for name, content in sorted(valid.items())])
    structures = st.one_of(
        part(index.name, json_files(json.loads(valid[index.name]))),
        part(tensors, tensor_files(valid[tensors])),
        st.sampled_from(sorted(valid)).flatmap(lambda name: part(name, st.binary(max_size=200))),
        part(tensors, st.just(PICKLE)),
    )
    fuzz("checkpoint", mutations, structures, attempt, (CorruptFile, ValueError))


def test_checkpoint_with_a_forged_checksum(tmp_path: Path) -> None:
    """Behind a checksum that agrees the form is checked still: what is accepted trains on."""
    pixels = np.zeros((4, 1, 4, 4), np.uint8)
    data = ImageSet("black", "train", pixels, None, "numpy", "CC0", None, "ab")

    def train(**options: Any) -> list[dict[str, Any]]:
        torch.manual_seed(0)
        players = Players(VAE(size=4, channels=1, widths=(2,), latent=2, hidden=3), KernelNet(2, 3, 4))
        system, budget = BlurVAE(warm_up=1, latent=2), Budget(epochs=2, batch_size=2)
        return fit(system, players, data, budget, device="cpu", checkpoint=tmp_path, **options)

    history = train()
    index = tmp_path / "checkpoint.json"
    record = json.loads(index.read_text())
    tensors = tmp_path / record["tensors"]
    content = tensors.read_bytes()

    @settings(max_examples=max(COUNT // 10, 100), derandomize=True, database=None, deadline=None)
    @given(altered(record["progress"]))
    def one(progress: Any) -> None:
        tensors.write_bytes(content)  # what trained on has written its own
        crc32 = _crc32(tensors, progress)
        index.write_bytes(dumped(record | {"progress": progress, "crc32": crc32}))
        try:
            with time_limit(SECONDS):
                train(resume=True)
        except CorruptFile as error:
            assert type(error) is CorruptFile

    assert train(resume=True) == history
    one()
    tensors.write_bytes(content)
    index.write_text(json.dumps({key: value for key, value in record.items() if key != "crc32"}))
    with pytest.raises(CorruptFile):
        train(resume=True)


def test_model(fuzz: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file has no checksum of its weights: they may differ, their form may not, and the networks work."""
    monkeypatch.chdir(tmp_path)
    config = {
        "vae": {"architecture": "A", "size": 4, "channels": 1, "widths": [2], "latent": 2, "hidden": 3},
        "kernel_net": {"latent": 2, "size": 3, "hidden": 4},
    }
    file = tmp_path / "model.safetensors"
    save_model(file, VAE(**config["vae"]), KernelNet(**config["kernel_net"]), config, {"run": {"a": 1}})
    valid = file.read_bytes()
    header, body = unpacked(valid)

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        vae, kernel_net, note = load_model(file)
        head, content = unpacked(data)
        assert isinstance(note, dict)
        stored = {f"vae/{k}": v for k, v in vae.state_dict().items()}
        stored |= {f"kernel_net/{k}": v for k, v in kernel_net.state_dict().items()} if kernel_net else {}
        for name, tensor in stored.items():
            start, stop = head[name]["data_offsets"]
            assert list(tensor.shape) == head[name]["shape"]
            assert tensor.numpy().tobytes() == content[start:stop]  # the very bytes: nothing was converted
        with torch.no_grad():
            x_hat = vae(torch.zeros(1, *vae.image_shape)).x_hat
            assert x_hat.shape == (1, *vae.image_shape)
            if kernel_net is not None:
                kernel_net(torch.zeros(1, vae.latent))

    def configured(pair: tuple[Any, Any]) -> bytes:
        texts = [dumped(value).decode() for value in pair]
        text = json.dumps(header | {"__metadata__": dict(zip(("config", "note"), texts))}).encode()
        return struct.pack("<Q", len(text)) + text + body

    configs = st.tuples(altered(config), st.one_of(st.just({}), VALUES)).map(configured)
    structures = st.one_of(configs, configs, tensor_files(valid), st.binary(max_size=200), st.just(PICKLE))
    fuzz("model", mutated(valid), structures, attempt)


# Parameters of notebooks --------------------------------------------------------------------------------------------


def test_notebook_parameters(fuzz: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The parameters cell of a chapter, and what is given for it on a command line or from Python."""
    slug = chapters.slugs()[-1]
    cell = 'tier: str = "smoke"\nseed: int = 0\nrate: float = 0.5\nfast: bool = True\n'
    chapter = SimpleNamespace(cells=[SimpleNamespace(metadata={"tags": ["parameters"]}, source=cell)])
    monkeypatch.setattr(parameters, "read", lambda _: chapter)
    kinds = {"tier": str, "seed": int, "rate": float, "fast": bool}

    def attempt(case: tuple[str, Any]) -> None:
        source, given_values = case
        chapter.cells[0].source = source
        declared = parameters.declared(slug)
        assert all(
            type(default) is kind or (kind is float and type(default) is int) for kind, default in declared.values()
        )
        if source == cell:
            assert declared == {
                name: (kinds[name], ast.literal_eval(line.split("= ")[1]))
                for name, line in zip(kinds, cell.splitlines())
            }
        if isinstance(given_values, dict):
            values = parameters.check(slug, given_values)
        else:
            values = parameters.parse(slug, given_values)
        assert set(values) <= set(declared)
        assert all(
            type(v) in {declared[k][0], int if declared[k][0] is float else declared[k][0]} for k, v in values.items()
        )

    names = st.one_of(st.sampled_from(list(kinds)), st.text(max_size=5))
    texts = st.one_of(
        st.text(max_size=8), st.sampled_from(["1", "0x1", "9" * 5000, "1e999", "nan", "TRUE", "-0", "1_0", "٣", "\x00"])
    )
    values = st.one_of(VALUES, st.sampled_from(["smoke", 1, 0.5, True, np.float64(1), np.int64(1), b"x", 10**5000]))
    pairs = st.lists(st.tuples(names, texts), max_size=3)
    cells = ["a: int = x", "a: int = 'x'", "a: list = []", "import os", "a = 1", "a: int", "a: str = open('x')"]
    cells += ["x: int = " + "-" * 9000 + "1", "x: float = {[]: 1}", "x: int = 1\x00", "\tx: int = 1", "a: bool = 1"]
    cells += ["a: str = '\ud800'", "a: int = 9" + "9" * 5000, "a: str = " + "[" * 300, "(" * 5000, "a: float = 1"]
    lines = st.sampled_from(cells)
    sources = st.one_of(lines, st.tuples(lines, st.just(cell)).map("\n".join), st.text(max_size=40))
    fuzz(
        "notebook parameters",
        st.tuples(
            mutated(cell.encode()).map(lambda data: data.decode("utf-8", "surrogateescape")),
            st.one_of(pairs, st.just({})),
        ),
        st.one_of(
            st.tuples(st.just(cell), pairs),
            st.tuples(st.just(cell), st.dictionaries(names, values, max_size=3)),
            st.tuples(sources, pairs),
        ),
        attempt,
        (ValueError,),
    )
