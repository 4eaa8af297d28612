"""Taking archives of slots in: what is filed, what is kept, and what is refused before anything is written."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from blurvae import experiments, paths
from blurvae.cli import app
from blurvae.errors import CorruptFile
from blurvae.experiments.take import take
from blurvae.files import load_arrays, save_arrays
from blurvae.record import archive, execute, read
from blurvae.record.archive import HEAD, Archive

RUNS = {(run.method, run.seed): run for run in experiments.get("table5").runs("smoke", "natural", (0, 1))}
L2, WIENER, WIENER_1 = RUNS["l2", 0], RUNS["wiener", 0], RUNS["wiener", 1]
JSON = f"results/{L2.experiment}/{L2.name}.json"
LOG = [
    {"run": f"{L2.experiment}/{L2.name}", "state": "recorded", "seconds": 1.0},
    {"run": "bredell/table5/natural-ffl-smoke-s0", "state": "failed", "why": "a fault\x1b[2J of ours"},
    {"data": "cifar10", "state": "passed over", "why": "not on this machine"},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records that a slot of this repository's commit has made."""
    if not (paths.root() / ".git").exists():
        pytest.skip("no checkout of git")
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=paths.root(), capture_output=True, text=True)
    out = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLURVAE_COMMIT", head.stdout.strip())
        for run in (L2, WIENER, WIENER_1):
            execute(run, out=out, device="cpu", images=run.seed == 0)
    return out


def files(made: Path, *runs) -> dict[str, bytes]:
    """The files of runs as members of an archive."""
    found = [file for run in runs for file in run.path(made).parent.glob(f"{run.name}.*")]
    found += sorted((made / "shared").glob("*.npz"))
    return {f"results/{file.relative_to(made).as_posix()}": file.read_bytes() for file in found}


def packed(file: Path, members: dict[str, bytes], log=()) -> Path:
    """An archive in one part."""
    archive = Archive(file)
    archive.add(members)
    archive.write({"log": list(log)})
    return file


def tampered(file: Path, members: dict[str, bytes], *entries: tarfile.TarInfo, head: object = None) -> Path:
    """A tar file of any members, with a head that fits the plain ones."""
    sums = {name: zlib.crc32(data) for name, data in members.items()}
    text = json.dumps({"format": 1, "log": [], "members": sums} if head is None else head).encode()
    with tarfile.open(file, "w") as tar:
        for name, data in [(HEAD, text), *members.items()]:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for entry in entries:
            tar.addfile(entry, io.BytesIO(bytes(entry.size)))
    return file


def changed(made: Path, **fields) -> dict[str, bytes]:
    """The files of the first run with fields of its record replaced."""
    members = files(made, L2)
    return members | {JSON: json.dumps(json.loads(members[JSON]) | fields).encode()}


def test_records_are_filed_as_the_queue_keeps_them(made, tmp_path):
    parts = [
        packed(tmp_path / "a.tar", files(made, L2, WIENER), LOG),
        packed(tmp_path / "a.2.tar", files(made, WIENER_1)),
    ]
    out = tmp_path / "out"
    taken = take(parts, out)
    assert taken.filed == [f"{run.experiment}/{run.name}" for run in (L2, WIENER, WIENER_1)]
    assert not taken.kept and not taken.outdated
    assert taken.trouble == [
        "bredell/table5/natural-ffl-smoke-s0: failed. a fault?[2J of ours",
        "cifar10: passed over. not on this machine",
    ]
    for file in (file.relative_to(made) for file in made.rglob("*") if file.is_file()):
        if file.suffix == ".json":
            assert (out / file).read_bytes() == (made / file).read_bytes()
        else:
            mine, theirs = load_arrays(out / file, ""), load_arrays(made / file, "")
            assert mine.keys() == theirs.keys()
            for name, array in theirs.items():
                np.testing.assert_array_equal(mine[name], array, strict=True)
    assert len([*out.rglob("*.*")]) == 7, "three runs and what they share"


def test_pictures_of_other_seeds_are_not_filed(made, tmp_path):
    members = files(made, WIENER_1)
    own = f"results/{WIENER_1.experiment}/{WIENER_1.name}.npz"
    members[own] = WIENER.path(made).with_suffix(".npz").read_bytes()  # with pictures
    take([packed(tmp_path / "a.tar", members)], tmp_path / "out")
    assert read(WIENER_1.path(tmp_path / "out")).pictures.keys() == read(WIENER_1.path(made)).pictures.keys()


def test_what_is_recorded_is_kept_unless_it_is_to_be_replaced(made, tmp_path):
    out, file = tmp_path / "out", packed(tmp_path / "a.tar", files(made, L2))
    take([file], out)
    record = json.loads(L2.path(out).read_text())
    L2.path(out).write_text(json.dumps(record | {"parameters": {"vae": 1}}))
    before = L2.path(out).read_bytes()
    assert take([file], out).kept == [f"{L2.experiment}/{L2.name}"]
    assert L2.path(out).read_bytes() == before
    assert take([file], out, replace=True).filed
    assert json.loads(L2.path(out).read_text()) == record


def test_a_record_of_other_settings_makes_way_and_is_not_taken(made, tmp_path):
    out, other = tmp_path / "out", L2.with_changes({"epochs": "1"})
    old = json.loads(L2.path(made).read_text())
    old["run"]["budget"]["epochs"] = 1
    taken = take([packed(tmp_path / "a.tar", changed(made, run=old["run"]))], out)
    assert taken.outdated == [f"{L2.experiment}/{L2.name}"] and not out.exists()
    take([packed(tmp_path / "b.tar", files(made, L2))], out)
    L2.path(out).write_text(json.dumps(old))
    assert read(L2.path(out)).run == replace(other, method="l2")
    assert take([packed(tmp_path / "b.tar", files(made, L2))], out).filed, "what lies there counts as not run"
    assert read(L2.path(out)).run == L2


def test_a_run_that_diverged_is_filed(made, tmp_path):
    diverged = {"state": "diverged", "epoch": 2, "why": "Training diverged at step 9 (epoch 2): kl is nan"}
    members = changed(made, outcome=diverged, metrics={})
    save_arrays(tmp_path / "empty.npz", {})
    members[f"results/{L2.experiment}/{L2.name}.npz"] = (tmp_path / "empty.npz").read_bytes()
    assert take([packed(tmp_path / "a.tar", members)], tmp_path / "out").filed
    assert read(L2.path(tmp_path / "out")).diverged


def link(name: str, kind: bytes, to: str = "/etc/passwd") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, to
    return entry


def sized(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


HOSTILE = {
    "an absolute path": ({"/tmp/x.json": b"{}"}, (), "the place of nothing"),
    "a path upwards": ({"results/bredell/../../../x.json": b"{}"}, (), "the place of nothing"),
    "upwards at the end": ({"results/..": b""}, (), "the place of nothing"),
    "a hidden file": ({"results/bredell/table5/.x.json": b"{}"}, (), "the place of nothing"),
    "code": ({"results/bredell/table5/x.py": b""}, (), "the place of nothing"),
    "signs of a terminal": ({"results/\x1b[2J.json": b"{}"}, (), r"holds 'results/\\x1b\[2J"),
    "a long name": ({f"results/a/{'b' * 300}.json": b"{}"}, (), "the place of nothing"),
    "a link": ({}, (link("results/a/b.json", tarfile.SYMTYPE),), "a link, a folder or a device"),
    "a hard link": ({}, (link("results/a/b.json", tarfile.LNKTYPE, HEAD),), "a link, a folder or a device"),
    "a folder": ({}, (link("results/a", tarfile.DIRTYPE),), "a link, a folder or a device"),
    "a device": ({}, (link("results/a/b.json", tarfile.CHRTYPE),), "a link, a folder or a device"),
    "a pipe": ({}, (link("results/a/b.json", tarfile.FIFOTYPE),), "a link, a folder or a device"),
    "a name twice": ({"results/a/b.json": b"{}"}, (sized("results/a/b.json", 0),), "twice"),
    "many members": ({f"results/a/b{i}.json": b"" for i in range(5000)}, (), "more than 4096 members"),
    "a large file": ({"results/a/b.npz": bytes(17 << 20)}, (), "more than the 16 MiB"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_refused_before_anything_is_written(what, made, tmp_path):
    members, entries, said = HOSTILE[what]
    good = packed(tmp_path / "good.tar", files(made, L2))
    bad = tampered(tmp_path / "bad.tar", files(made, L2) | members, *entries)
    with pytest.raises(CorruptFile, match=said) as raised:
        take([good, bad], tmp_path / "out")
    assert "\n" not in str(raised.value) and "\x1b" not in str(raised.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.tar", "good.tar"]


def test_a_member_that_claims_a_size_it_has_not_is_refused(made, tmp_path):
    file = packed(tmp_path / "a.tar", files(made, L2))
    data = bytearray(file.read_bytes())
    for size in (b"77777777777", b"00077777777"):
        entry = sized("results/a/b.npz", 0).tobuf()
        header = bytearray(entry[:124] + size + b"\0" + entry[136:])
        header[148:156] = b" " * 8
        header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
        file.write_bytes(bytes(header) + bytes(data))
        with pytest.raises(CorruptFile):
            take([file], tmp_path / "out")


def test_what_is_no_archive_of_a_slot_is_refused(made, tmp_path):
    (tmp_path / "text").write_text("no tar file " * 1000)
    tampered(tmp_path / "no-head.tar", {}, head=[])
    tampered(tmp_path / "format.tar", {}, head={"format": 2, "log": [], "members": {}})
    whole = packed(tmp_path / "whole.tar", files(made, L2)).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "packed.tar").write_bytes(b"\x1f\x8b" + whole)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (tmp_path / "flipped.tar").write_bytes(flipped)
    for name in ("text", "no-head.tar", "format.tar", "cut.tar", "packed.tar", "flipped.tar"):
        with pytest.raises(CorruptFile, match=name):
            take([tmp_path / name], tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        take([tmp_path / "absent.tar"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def arrays(**made: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **made)
    return stream.getvalue()


RECORDS = {
    "no record": ({JSON: b"[]"}, "not a whole record"),
    "no JSON": ({JSON: b"\xff\xfe"}, "not a whole record"),
    "deep": ({JSON: b"[" * 100_000}, "not a whole record"),
    "format 1": ({"format": 1}, "another format|not a whole record"),
    "another place": ({"run": {"experiment": "bredell/table2"}}, "no record of the run"),
    "an experiment of nobody": ({"run": {"experiment": "../../etc"}}, "no record of the run"),
    "a tier upwards": ({"run": {"tier": "/../../smoke"}}, "no record of the run"),
    "a checksum upwards": ({"data": {"checksum": "../../.."}}, "does not say what its data are"),
    "a number of nothing": ({"data": {"n_test": 10**300}}, "does not say what its data are"),
    "no provenance": ({"provenance": {"versions": None, "commit": ""}}, "of commit ''"),
    "nothing measured": ({"metrics": []}, "not a whole record"),
    "no history": ({"history": []}, "does not say what came of it"),
    "a device of parts": ({"provenance": {"device": {"name": "GPU"}}}, "or how fast it was made"),
    "a word for a number": ({"provenance": {"seconds": "x"}}, "or how fast it was made"),
    "another repository": ({"provenance": {"commit": 40 * "a"}}, "none of this repository's"),
    "an option of git": ({"provenance": {"commit": "--help"}}, "none of this repository's"),
    "a list for a commit": ({"provenance": {"commit": ["a"]}}, "none of this repository's"),
    "no pictures": ({JSON.replace("json", "npz"): None}, "without its arrays"),
    "pictures of nothing": ({JSON.replace("json", "npz"): b"PK"}, "not whole"),
    "a pickle": ({JSON.replace("json", "npz"): arrays(sample=np.array([{}], object))}, "not whole"),
    "large arrays": ({JSON.replace("json", "npz"): arrays(sample=np.zeros(33 << 20, np.uint8))}, "32 MiB of arrays"),
    "words": ({JSON.replace("json", "npz"): arrays(error_power=np.array(["a"]))}, "no run has"),
}


@pytest.mark.parametrize("what", RECORDS)
def test_records_that_are_none_are_refused(what, made, tmp_path):
    change, said = RECORDS[what]
    members = files(made, L2)
    for key, value in change.items():
        if key.startswith("results/"):
            members |= {key: value} if value is not None else {}
            if value is None:
                del members[key]
        else:
            record = json.loads(members[JSON])
            record[key] = record[key] | value if isinstance(value, dict) else value
            members[JSON] = json.dumps(record).encode()
    with pytest.raises(ValueError, match=said) as raised:
        take([packed(tmp_path / "a.tar", members)], tmp_path / "out")
    assert "\n" not in str(raised.value) and "a.tar: " in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == ["a.tar"]


def test_the_command_says_what_became_of_each_run(made, tmp_path):
    file, out = packed(tmp_path / "a.tar", files(made, L2), LOG), str(tmp_path / "out")
    said = CliRunner().invoke(app, ["take", str(file), "--out", out])
    assert said.exit_code == 0 and "filed: bredell/table5/natural-l2-smoke-s0" in said.output
    assert "came to nothing: cifar10: passed over" in said.output and "1 filed, 0 kept, 0 left" in said.output
    assert "0 filed, 1 kept" in CliRunner().invoke(app, ["take", str(file), "--out", out]).output
    assert "1 filed" in CliRunner().invoke(app, ["take", str(file), "--out", out, "--replace"]).output
    (tmp_path / "b.tar").write_text("")
    refused = CliRunner().invoke(app, ["take", str(tmp_path / "b.tar"), "--out", out])
    assert refused.exit_code == 4 and "b.tar is no whole tar file" in refused.output


def test_an_archive_is_filled_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "PART", archive._ROOM + (1 << 16))
    monkeypatch.setattr(archive, "PARTS", 3)
    file, full = tmp_path / "a.tar", bytes(40_000)
    one = Archive(file)
    for i in range(3):
        one.add({f"results/a/b{i}.json": full})
        one.write({"log": [i]}, [{"unfinished/a/b/checkpoint.json": bytes(90_000)}, {"tests.txt": b"small"}])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.2.tar", "a.3.tar", "a.tar"]
    for number in (1, 2, 3):
        head, members = archive.read(archive.part(file, number))
        assert head["part"] == number and members.keys() == {f"results/a/b{number - 1}.json", "tests.txt"}
    again, head, everything = archive.reopen(file)
    assert (again.number, again.members.keys()) == (3, {"results/a/b2.json", "tests.txt"})
    assert head["log"] == [2] and len(everything) == 4
    with pytest.raises(archive.ArchiveFull, match="3 full parts"):
        again.add({"results/a/b4.json": full})
    with pytest.raises(archive.ArchiveFull, match="larger than"):
        again.add({"results/a/b4.json": bytes(1 << 17)})
    again.add({"results/a/b4.json": b"small"})
