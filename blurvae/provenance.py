"""Where a number comes from: commit, versions, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from blurvae.paths import root


def commit() -> str:
    """The checkout's commit, "-dirty" where tracked code differs from it.

    BLURVAE_COMMIT says it where there is no git; a copy of the checkout within another repository has no commit of its
    own.
    """
    if value := os.environ.get("BLURVAE_COMMIT"):
        return value
    try:
        run = {"cwd": root(), "capture_output": True, "text": True, "check": True, "timeout": 10}
        said = subprocess.run(["git", "rev-parse", "--show-toplevel", "--short=12", "HEAD"], **run).stdout  # type: ignore[call-overload]
        top, head = said.splitlines()
        if not root().samefile(top):
            return "unknown"
        changed = subprocess.run(["git", "status", "--porcelain", "blurvae", "pyproject.toml"], **run).stdout  # type: ignore[call-overload]
        return f"{head}-dirty" if changed.strip() else head
    except (OSError, ValueError, subprocess.SubprocessError):
        return "unknown"


def device_name(device: torch.device) -> str:
    """The processor by its own name, with the number of threads where it is a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next(
            (line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line), name
        )
    return f"{name}, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}"


def versions(*packages: str) -> dict[str, str]:
    """Installed versions by name; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in packages or ("blurvae", "torch", "numpy", "torchvision", "lpips", "scikit-image"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, date (UTC), versions and device as one record for a result's JSON."""
    return {
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions(),
        "device": device_name(device),
    }
