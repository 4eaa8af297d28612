"""Video super-resolution on whole clips: those of the field's sets, and the longest that a data set has."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from blurvae import datasets, metrics
from blurvae.datasets import ClipSet
from blurvae.errors import MissingData
from blurvae.evaluation import bicubic
from blurvae.metrics.sr import Protocol
from blurvae.systems import FRVSR
from blurvae.systems.frvsr import Players

BENCHMARKS = {"davis": ("vid4-first10",)}  # by training data: the sets that are measured beside its own clips
SKIPPED = 2  # frames at either end that do not count, as on Vid4
LONG, LONG_CLIPS = 40, 16  # frames and clips on which PSNR is followed over time
LONGER, LATER = 60, 10  # frames of those on which starts are compared, and how many of them a later start has not seen


def whole(name: str, system: FRVSR) -> list[Tensor]:
    """The clips of a set, (1, t, c, h, w) on [0, 1], cut so that small frames divide by 8.

    Raises:
        MissingData: they are not on this machine.
    """
    return [bicubic.whole(pixels, 8 * system.scale)[None] for pixels in datasets.videos(name).values()]


def long(test: ClipSet, system: FRVSR, frames: int) -> ClipSet | None:
    """Clips of many frames beside the test clips; None where there are none.

    Of `moving` and `moving-flow` they are longer ways, of `davis` its last clip, which has 40 frames.
    """
    if test.name == "davis":
        clip = whole("davis", system)[-1][:, :frames]
        return replace(test, images=(255 * clip).round().byte().numpy())
    if not test.name.startswith("moving") or test.cover is not None:
        return None
    found = datasets.load(f"{test.name}:{frames}", "test", size=test.size, n=LONG_CLIPS)
    assert isinstance(found, ClipSet)
    return found


@torch.no_grad()
def benchmark(system: FRVSR, players: Players, name: str, protocol: Protocol) -> dict[str, metrics.Entry]:
    """PSNR over all pixels of each clip of a set and SSIM over its frames, without the first and last two frames.

    Beside them PSNR of bicubic enlargement on the frames' own grid.
    """
    device = next(players.sr.parameters()).device
    rows: dict[str, list[Tensor]] = {f"{metric} ({name}{how})": [] for metric, how in _MEASURED}
    try:
        clips = whole(name, system)
    except MissingData:
        return {metric: {"state": "needs data", "what": name} for metric in rows}
    inner = slice(SKIPPED, -SKIPPED)
    for x in clips:
        low = system.small(x.to(device))
        made = system.enlarged(players, low).estimate
        for how, y in (("", made), (", bicubic", system.bicubic(low[0])[None])):
            a, b = x[:, inner], y[:, inner].clamp(0, 1).cpu()
            rows[f"PSNR ({name}{how})"].append(protocol.video_psnr(a, b))
            if not how:
                rows[f"SSIM ({name})"].append(protocol.ssim(a[0], b[0]).mean()[None])
    said: metrics.Entry = {"protocol": f"{protocol}, frames {SKIPPED} to −{SKIPPED}"}
    return {metric: metrics.summary(torch.cat(values)) | said for metric, values in rows.items()}


_MEASURED = (("PSNR", ""), ("SSIM", ""), ("PSNR", ", bicubic"))
DIGITS = {
    f"{metric} ({name}{how})": 2 if metric == "PSNR" else 3
    for names in BENCHMARKS.values()
    for name in names
    for metric, how in _MEASURED
}
