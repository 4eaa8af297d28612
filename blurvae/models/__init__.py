"""Variational autoencoders A and B of the main paper, the kernel network, the KL term they share, and trained ones."""

from blurvae.models.coder import Coder, Decoded
from blurvae.models.files import kind, load_model, save_model
from blurvae.models.kernel_net import KernelNet
from blurvae.models.named import Trained, TrainedGenerator, card, load, names
from blurvae.models.rae import RAENet
from blurvae.models.samplers import GaussianMixture, fit_gaussian_mixture, interpolate, slerp
from blurvae.models.vae import ARCHITECTURES, VAE, kl_divergence, parameter_count, reparametrise

__all__ = [
    "ARCHITECTURES",
    "VAE",
    "Coder",
    "Decoded",
    "GaussianMixture",
    "KernelNet",
    "RAENet",
    "Trained",
    "TrainedGenerator",
    "card",
    "fit_gaussian_mixture",
    "interpolate",
    "kind",
    "kl_divergence",
    "load",
    "load_model",
    "names",
    "parameter_count",
    "reparametrise",
    "save_model",
    "slerp",
]
