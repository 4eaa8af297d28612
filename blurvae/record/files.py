"""The files of a run: one JSON that says everything, an .npz of pictures, and what all runs of a data set share."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from blurvae.errors import CorruptFile
from blurvae.files import load_arrays, save_arrays, write_json
from blurvae.record.encode import decode
from blurvae.record.formats import upgrade
from blurvae.record.run import Run
from blurvae.text import data_stem

SHARED = ("original", "log_spectrum_data", "data_power")  # the same for all runs that measure the same test images
LOGS = ("error_power",)  # kept as its logarithm where it is kept in half precision
SPECTRA, LONG = ("log_spectrum_reconstruction", "log_spectrum_sample", *LOGS), 2**14  # values of images beyond 128 px
VALUE = "value/"  # before the name of a metric: its values of single images, (n,), see `half`
VALUES = 100  # images whose values are kept of a run whose pictures are not
TAPS = 1000  # likewise of its kernels, all images together: eight of 11×11
LARGE = ("log_variance",)  # not kept then: learned variances, which are the power of the errors where they are best


@dataclass(frozen=True)
class Result:
    """What a run measured, as recorded.

    Attributes:
        run: the configuration.
        record: the whole JSON record: outcome, data, parameters, metrics, history, provenance.
        source: the arrays, or the .npz file that holds them.
    """

    run: Run
    record: dict[str, Any]
    source: dict[str, np.ndarray] | Path = field(repr=False, compare=False)

    @property
    def outcome(self) -> str:
        """How the training came out: "finished", "collapsed" (its code is empty) or "diverged"."""
        return str(self.record["outcome"]["state"])

    @property
    def diverged(self) -> str:
        """The words "diverged (epoch n)" for a training that did; empty for one that reached its end."""
        return f"diverged (epoch {self.record['outcome']['epoch']})" if self.outcome == "diverged" else ""

    @cached_property
    def pictures(self) -> dict[str, np.ndarray]:
        """A few test images, reconstructions, samples, kernels and mean spectra; empty where the file is absent.

        Raises:
            CorruptFile: a file is not whole.
        """
        if isinstance(self.source, dict):
            return self.source
        own = load_arrays(self.source, f"remove it and {self.source.stem}.json, and run it again")
        if not own:
            return {}
        shared = shared_file(self.run, self.record, _folder(self.run, self.source))
        if own.keys().isdisjoint(SHARED) and not shared.exists():  # in format 1 each run has its own
            raise CorruptFile(f"{shared} is missing, which belongs to {self.source}: remove that, and run it again.")
        arrays = load_arrays(shared, f"remove it, and run one of {self.run.experiment} again") | own
        for key in LOGS:
            if f"log_{key}" in arrays:
                arrays[key] = np.exp(arrays.pop(f"log_{key}").astype(np.float32))
        return {key: array if key.startswith(VALUE) else _whole(array) for key, array in arrays.items()}

    @property
    def values(self) -> dict[str, np.ndarray]:
        """By metric its values of the single test images, (n,), or of the first of them; see `write`."""
        return {key.removeprefix(VALUE): v for key, v in self.pictures.items() if key.startswith(VALUE)}


def shared_file(run: Run, record: dict[str, Any], out: Path) -> Path:
    """Where what all runs share lies that measure the same images, below a folder of results."""
    data = record["data"]
    held_out = "-valid" if run.n_valid else ""
    name = f"{data_stem(run.data)}-{run.size}px-{data['n_test']}{held_out}-{data['checksum'][:8]}.npz"
    return out / "shared" / name


def _whole(array: np.ndarray) -> np.ndarray:
    """Half precision is for disks alone."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _folder(run: Run, file: Path) -> Path:
    """The folder of results that a run's file lies in."""
    above = file.absolute().parents
    return above[min(len(run.experiment.split("/")), len(above) - 1)]


def write(result: Result, out: Path, *, images: bool = True, keep: Collection[str] = ()) -> None:
    """Writes a finished run; the JSON comes last: its presence says that the run is finished.

    Args:
        result: with its arrays.
        out: folder of results.
        images: keep the pictures, and spectra as they are up to 128 px, beyond that in half precision; else kernels and
            spectra of the error and of samples stay, in half precision, and the values of the first 100 images, but
            for those of fitted covariances, so that the file has 20 kB at most at 32 and 64 px.
        keep: pictures that are kept even so, such as "sample" where a figure shows every seed.
    """
    path, arrays = result.run.path(out), dict(result.pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    common = {key: arrays.pop(key) for key in SHARED if key in arrays}
    if common:
        file = shared_file(result.run, result.record, out)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(file, common)
    save_arrays(path.with_suffix(".npz"), _lighter(arrays) if images else thin(arrays, keep))
    write_json(path, result.record)


def half(values: np.ndarray) -> np.ndarray:
    """In half precision, or in float32 where one lies beyond its 65504: bounds on −log p of large images do."""
    return values.astype(np.float16 if np.abs(values).max(initial=0) < 65504 else np.float32)


def _lighter(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All of it, with long spectra in half precision."""
    light = [_in_half(key, a) if key in SPECTRA and a.size >= LONG else (key, a) for key, a in arrays.items()]
    return dict(light)


def _in_half(key: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    """Under which name and how an array is kept in half precision."""
    if key in LOGS:
        return f"log_{key}", half(np.log(np.maximum(array, np.finfo(array.dtype).tiny)))
    return key, half(array) if array.dtype == np.float32 else array


def thin(arrays: dict[str, np.ndarray], keep: Collection[str] = ()) -> dict[str, np.ndarray]:
    """What is kept of a run whose pictures nobody shows: kernels, spectra and values, in half precision, and `keep`."""
    kept = {key: array for key, array in arrays.items() if key in keep}
    for key, array in arrays.items():
        if key in kept or key in LARGE or array.dtype == np.uint8 or key.startswith("snapshot_"):
            continue
        if key.startswith(VALUE):
            if not key.endswith("fitted"):
                kept[key] = array[:VALUES]
        elif key == "kernel":
            kept[key] = half(array[: max(1, TAPS // array[0].size)])
        else:
            name, values = _in_half(key, array)
            kept[name] = values
    return kept


def read(path: Path) -> Result:
    """Reads a recorded run of any format; its pictures are read when they are asked for.

    Raises:
        CorruptFile: the file is not a whole record.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        for key, kind in (("data", dict), ("metrics", dict), ("history", list), ("provenance", dict)):
            if not isinstance(record.get(key), kind):
                raise ValueError(f"no {key}")
        for key in ("label", "checksum", "n_train", "n_test"):
            if not isinstance(record["data"].get(key), int if key.startswith("n_") else str):
                raise ValueError(f"data without {key}")
        if not all(_is_measured(entry) for entry in record["metrics"].values()):
            raise ValueError("a metric that is no number")
        if not all(isinstance(epoch, dict) for epoch in record["history"]):
            raise ValueError("an epoch without its losses")
        record = upgrade(record)
        state, epoch = record["outcome"]["state"], record["outcome"].get("epoch")
        if state not in ("finished", "collapsed", "diverged") or (state == "diverged" and type(epoch) is not int):
            raise ValueError("no outcome")
        run = decode(Run, record["run"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptFile(f"{path} is not a whole record of a run ({error}): remove it and run it again.") from error
    return Result(run, record, path.with_suffix(".npz"))


def read_once(path: Path) -> Result:
    """`read`, from memory as long as the file is the same one: verdicts ask for the same records again and again.

    The record is shared by all who read it so: it is not to be changed.

    Raises:
        CorruptFile: the file is not a whole record.
    """
    try:
        status = path.stat()
    except OSError:
        return read(path)  # which says what is wrong
    now = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return replace(_kept(path, now))  # pictures that were asked for are not kept


@lru_cache(maxsize=1024)
def _kept(path: Path, now: tuple[int, ...]) -> Result:
    return read(path)


def result_of(run: Run, out: Path) -> Result | None:
    """What is recorded of this very run below a folder of results; None where nothing is, or of other settings.

    Raises:
        CorruptFile: the record is not whole.
    """
    path = run.path(out)
    if not path.exists():
        return None
    result = read(path)
    return result if result.run == run else None


def _is_measured(entry: Any) -> bool:
    """Whether it is an entry of `metrics.evaluate`: numbers, or the state that says why there are none.

    The numbers are a mean with its sd, a value, or precision and recall; one that was not finite is recorded as null.
    """
    if not isinstance(entry, dict):
        return False
    keys = ("mean", "value", "sd", "precision", "recall")
    numbers = [entry[key] for key in keys if entry.get(key) is not None]
    texts = [entry.get(key) for key in ("state", "what")] if "state" in entry else []
    # an integer beyond every float is no number either
    return all(isinstance(x, float) or (isinstance(x, int) and abs(x) < 2**1023) for x in numbers) and all(
        isinstance(text, str) for text in texts
    )
