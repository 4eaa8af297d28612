"""What can be trained, by name: one kind of model a file, which holds the equations of its step."""

from __future__ import annotations

from typing import Any

from blurvae.systems.enhancenet import EnhanceNet
from blurvae.systems.frvsr import FRVSR
from blurvae.systems.gan import GAN
from blurvae.systems.rae import RAE
from blurvae.systems.small_vae import SmallVAE
from blurvae.systems.tempered_vae import TemperedVAE
from blurvae.systems.vae import BlurVAE
from blurvae.systems.vae_gan import VAEGAN
from blurvae.train import System

_KINDS: tuple[type[System[Any]], ...] = (BlurVAE, SmallVAE, VAEGAN, RAE, GAN, TemperedVAE, EnhanceNet, FRVSR)
SYSTEMS: dict[str, type[System[Any]]] = {system.name: system for system in _KINDS}

__all__ = ["FRVSR", "GAN", "RAE", "SYSTEMS", "VAEGAN", "BlurVAE", "EnhanceNet", "SmallVAE", "TemperedVAE"]
