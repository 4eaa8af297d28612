"""Pictures that a watch keeps of some epochs until the training is over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from blurvae.errors import CorruptFile
from blurvae.files import load_arrays, save_arrays


class Snapshots:
    """Arrays by epoch, which survive an interruption where there is a folder.

    Those of an epoch are there before any checkpoint that lies behind it, and an epoch that is trained again writes
    them again.

    Args:
        name: at the beginning of the files' names.
        folder: the run's own until it is finished; in memory where None.
    """

    def __init__(self, name: str, folder: Path | None) -> None:
        self.name, self.folder, self._kept = name, folder, dict[int, dict[str, np.ndarray]]()

    def keep(self, epoch: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps the arrays of an epoch."""
        if self.folder is None:
            self._kept[epoch] = dict(arrays)
        else:
            save_arrays(self._file(epoch), arrays)

    def read(self, epoch: int) -> dict[str, np.ndarray]:
        """The arrays of an epoch.

        Raises:
            CorruptFile: those of an epoch before an interruption are gone or damaged.
        """
        if self.folder is None:
            return self._kept[epoch]
        file, again = self._file(epoch), f"remove {self.folder} and run it again"
        if not file.exists():
            raise CorruptFile(f"{file} is missing: {again}.")
        return load_arrays(file, again)

    def _file(self, epoch: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{self.name}-{epoch}.npz"
