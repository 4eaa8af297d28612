"""Works through the runs that have no recorded result, cheapest first, whole run by whole run, within a time budget.

It needs nothing beyond torch, numpy, safetensors and tqdm, so that it runs on a bare GPU machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from blurvae import paths
from blurvae.experiments import TIERS
from blurvae.experiments.matrix import finish, matrix, render
from blurvae.parallel import Team
from blurvae.text import speak_any_encoding


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m blurvae.experiments`: the same as `blurvae queue`, without its dependencies."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m blurvae.experiments", description=__doc__)
    parser.add_argument("--tier", default="paper", choices=TIERS)
    parser.add_argument("--budget", default="", help="e.g. 9m; no limit where left out")
    parser.add_argument("--out", type=Path, default=None, help="folder of results; the recorded ones where left out")
    parser.add_argument("--only", nargs="*", action="extend", default=[], help="experiments, data sets or methods")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--status", action="store_true", help="only say where each run stands")
    given = parser.parse_args(arguments)
    out = given.out or paths.results()
    try:
        if given.status:
            print(render(matrix(given.tier, out, given.only)))
            return
        with Team.from_environment(given.device) as team:
            said = finish(given.tier, out, given.only, given.budget, device=given.device, team=team)
            if team.is_first:
                print(said)
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {error}")


if __name__ == "__main__":  # pragma: no cover
    main()
