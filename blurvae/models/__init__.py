"""Variational autoencoders A and B of the main paper, the kernel network, and the KL term they share."""

from blurvae.models.files import load_model, save_model
from blurvae.models.kernel_net import KernelNet
from blurvae.models.samplers import GaussianMixture, fit_gaussian_mixture, interpolate
from blurvae.models.vae import ARCHITECTURES, VAE, Decoded, kl_divergence, parameter_count, reparametrise

__all__ = [
    "ARCHITECTURES",
    "VAE",
    "Decoded",
    "GaussianMixture",
    "KernelNet",
    "fit_gaussian_mixture",
    "interpolate",
    "kl_divergence",
    "load_model",
    "parameter_count",
    "reparametrise",
    "save_model",
]
