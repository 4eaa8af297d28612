"""`python -m blurvae.bench`: the same as `blurvae bench`, without its dependencies."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from blurvae import bench
from blurvae.text import speak_any_encoding, to_json


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures, prints."""
    speak_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m blurvae.bench", description=bench.__doc__)
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.add_argument("--out", type=Path, default=None, help="file for the JSON, or a folder for <device>.json")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to see that it works")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--only", nargs="*", action="extend", default=[], metavar="PART", help=", ".join(bench.PARTS))
    parser.add_argument("--profile", action="store_true", help="only where the time of a step goes")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse our steps in every part")
    given = parser.parse_args(arguments)
    try:
        record = bench.run(
            given.device,
            ["profile"] if given.profile else given.only,
            quick=given.quick,
            compile=given.compile,
            out=given.out,
            progress=True,
        )
    except (OSError, ValueError) as error:
        sys.exit(f"blurvae: {error}")
    print(to_json(record) if given.json else bench.render(record))


if __name__ == "__main__":
    main()
