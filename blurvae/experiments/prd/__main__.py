"""Records every experiment of chapter 5 that has no record yet: on one thread some minutes, and half an hour of models.

The classifiers must be there: `python -m blurvae.experiments.prd.classifiers`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from blurvae.errors import MissingData, MissingNetwork
from blurvae.experiments.prd import choices, clusters, equal_fd, fleet, models, modes, ones, sets, theory
from blurvae.files import save_arrays, write_json
from blurvae.provenance import provenance

Made = dict[str, Any] | tuple[dict[str, Any], dict[str, np.ndarray]]


def experiments() -> dict[str, Callable[[], Made]]:
    """What there is to record, by name."""
    found: dict[str, Callable[[], Made]] = {"theory": theory.record}
    found |= {modes.name(*case): partial(modes.record, *case) for case in modes.CASES}
    found |= {f"equal-fd-{features}": partial(equal_fd.record, features) for features in equal_fd.FEATURES}
    found |= {models.name(pair): partial(models.record, pair) for pair in models.PAIRS}
    return found | {"choices": choices.record, "fleet": fleet.record, "ones": ones.record, "clusters": clusters.record}


def main() -> None:
    """Records what is missing; a data set or a network that is not here is named and passed over."""
    for name, make in experiments().items():
        file = sets.path(name)
        if file.exists():
            continue
        try:
            made = make()
        except (MissingData, MissingNetwork) as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        record, pictures = made if isinstance(made, tuple) else (made, {})
        file.parent.mkdir(parents=True, exist_ok=True)
        if pictures:
            save_arrays(file.with_suffix(".npz"), pictures)
        write_json(file, sets.rounded(record) | {"provenance": provenance(torch.device("cpu"))})
        print(file, flush=True)


if __name__ == "__main__":
    main()
