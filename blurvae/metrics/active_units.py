"""How many latent dimensions a VAE uses."""

from __future__ import annotations

from torch import Tensor

THRESHOLD = 0.01


def active_units(mu: Tensor, threshold: float = THRESHOLD) -> int:
    """The number of latent dimensions whose posterior mean depends on the image: Var_x(E[z|x]) > 0.01.

    Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, eq. 10. The variance is that over
    the images, with n − 1.

    Args:
        mu: (n, latent), posterior means of n ≥ 2 images.
        threshold: of the variance, which is 1 under the prior.

    Returns:
        0 to the number of dimensions.

    Raises:
        ValueError: another shape, fewer than two images, NaN.

    Example:
        >>> import torch
        >>> active_units(torch.tensor([[1.0, 0.0, 0.1], [-1.0, 0.0, 0.2]]))
        1
    """
    if mu.ndim != 2 or len(mu) < 2:
        raise ValueError(f"A variance over images needs μ of at least two of them, (n, latent), not {tuple(mu.shape)}.")
    if not mu.isfinite().all():
        raise ValueError("μ holds NaN or infinite values: look for the step of the encoder that made them.")
    return int((mu.double().var(0) > threshold).sum())
