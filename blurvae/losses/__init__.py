"""Reconstruction terms by name, one a file. A new one is a new file and a line here."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import Any

from blurvae.losses.base import Term, kernel_loss
from blurvae.losses.ce import CrossEntropy
from blurvae.losses.ffl import FocalFrequency
from blurvae.losses.l1 import L1
from blurvae.losses.l2 import L2
from blurvae.losses.lpips import LPIPS
from blurvae.losses.power_law import PowerLaw
from blurvae.losses.sharpness import Sharpness
from blurvae.losses.spectral import Spectral
from blurvae.losses.ssim import SSIM
from blurvae.losses.stft import STFT
from blurvae.losses.sum import Sum
from blurvae.losses.watson import Watson
from blurvae.losses.watson_dft import WatsonDFT
from blurvae.losses.wiener import Wiener
from blurvae.losses.wiener_fixed import WienerFixed
from blurvae.losses.wiener_proper import WienerProper

TERMS: dict[str, type[Term]] = {
    term.name: term
    for term in (
        L2,
        L1,
        CrossEntropy,
        SSIM,
        FocalFrequency,
        Wiener,
        WienerFixed,
        WienerProper,
        Spectral,
        PowerLaw,
        LPIPS,
        Watson,
        WatsonDFT,
        STFT,
        Sharpness,
        Sum,
    )
}


def get(name: str, **fields: Any) -> Term:
    """The term of that name with the given constants.

    Args:
        name: one of `TERMS`.
        **fields: the paper's constants; the term's own defaults where left out.

    Raises:
        ValueError: an unknown name or constant.

    Example:
        >>> get("wiener", C=0.1)
        Wiener(C=0.1, epsilon=None, kernel_size=11, kernel_path='detached')
    """
    if name not in TERMS:
        raise ValueError(f"There is no reconstruction term {name!r}: choose one of {', '.join(TERMS)}.")
    known = [field.name for field in dataclass_fields(TERMS[name])]  # type: ignore[arg-type]
    for field in fields:
        if field not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"The term {name!r} has no constant {field!r}: {has}.")
    return TERMS[name](**fields)


__all__ = [
    "L1",
    "L2",
    "LPIPS",
    "SSIM",
    "STFT",
    "TERMS",
    "CrossEntropy",
    "FocalFrequency",
    "PowerLaw",
    "Sharpness",
    "Spectral",
    "Sum",
    "Term",
    "Watson",
    "WatsonDFT",
    "Wiener",
    "WienerFixed",
    "WienerProper",
    "get",
    "kernel_loss",
]
