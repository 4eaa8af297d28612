"""Images continued beyond their border by their mirror image, the border pixel repeated."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def symmetric_padding(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Mirrors an image at the outer edge of its border pixels, so … b a | a b c | c b …, as MATLAB does.

    torch's "reflect" leaves the border pixel out, … c b | a b c …; and it refuses to pad by more than an image has,
    which this does not.

    Args:
        x: (…, h, w).
        left: pixels on each side, ≥ 0.
        right: likewise.
        top: likewise.
        bottom: likewise.

    Returns:
        (…, top + h + bottom, left + w + right).
    """
    h, w = x.shape[-2:]
    if top or bottom:
        x = x.index_select(-2, _mirrored(h, top, bottom, x.device))
    return x.index_select(-1, _mirrored(w, left, right, x.device)) if left or right else x


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Within it nothing is cast to half precision, where the device knows autocast at all ("meta" does not)."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


def _mirrored(n: int, before: int, after: int, device: torch.device) -> Tensor:
    """Which of n pixels stands at each place from −before to n + after − 1."""
    at = torch.arange(-before, n + after, device=device) % (2 * n)
    return torch.where(at < n, at, 2 * n - 1 - at)
