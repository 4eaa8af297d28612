"""The importance-weighted bound on −log p(x), in nats per image and in bits per dimension.

Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, eq. 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from blurvae import losses
from blurvae.blur import wiener_log_det
from blurvae.losses.base import LOG_2PI, image_shape
from blurvae.systems.vae import Players

GREY_LEVEL = 1 / 127.5  # the distance of two grey levels on [−1, 1], where x = v/127.5 − 1


def minus_log_likelihood(
    term: losses.Term, x: Tensor, x_hat: Tensor, *, logit: Tensor | None = None, kernel: Tensor | None = None
) -> Tensor:
    """−log p(x|z) of the normalised density that a term stands for.

    A likelihood gets the constant that training leaves out. The paper's term gets the exact determinant of its own
    covariance, ½ log|Σ_k| = −c Σ_ω log|W|, in the place of log|K + εI| or of none (erratum E5).

    Args:
        term: the reconstruction term.
        x: (n, c, h, w) in [−1, 1].
        x_hat: (n, c, h, w), the decoder's mean.
        logit: (n, c, h, w), its pre-activation.
        kernel: (n, K, K), for terms that weight by one.

    Returns:
        (n,), nats per image.

    Raises:
        ValueError: a term that is no density, whatever is added.
    """
    shape = (x.shape[1], x.shape[2], x.shape[3])
    if isinstance(term, losses.Wiener):
        quadratic = replace(term, epsilon=None, kernel_path="detached")(x, x_hat, kernel=kernel)
        assert kernel is not None  # the term has refused it
        log_det = wiener_log_det(kernel, image_shape(x), term.C)
        return quadratic + shape[0] / 2 * log_det + math.prod(shape) / 2 * LOG_2PI
    if not term.is_likelihood:
        raise ValueError(
            f"The term {term.name!r} is not −log of a density over images, so that no bound on −log p(x) follows from "
            "it: take a likelihood (l2, l1, ce with continuous_bernoulli, wiener, wiener-fixed and -proper, spectral)."
        )
    return term(x, x_hat, logit=logit, kernel=kernel) + term.log_normaliser(shape)


@torch.no_grad()
def log_weights(
    players: Players,
    term: losses.Term,
    x: Tensor,
    samples: int,
    generator: torch.Generator | None = None,
    *,
    chunk: int = 256,
) -> Tensor:
    """Samples log p(x|z) + log p(z) − log q(z|x) with z ~ q(z|x), the mean of which is the ELBO.

    Args:
        players: the networks, in evaluation mode.
        term: a term that `minus_log_likelihood` takes.
        x: (n, c, h, w) in [−1, 1], on the networks' device.
        samples: a number for each image.
        generator: of the noise; the numbers are drawn where it lives.
        chunk: images decoded at a time, which bounds the memory. Another chunk draws other noise.

    Returns:
        (n, samples), nats, float64, on the CPU.

    Raises:
        ValueError: a term that is no density, a network in training mode, no sample.
    """
    vae, kernel_net, term = players.vae, players.kernel_net, term.given(players.spectrum)
    if vae.training:
        raise ValueError("The model is in training mode, where batch norm mixes the images: call vae.eval() first.")
    if samples < 1 or chunk < 1:
        raise ValueError(f"samples and chunk are whole numbers of at least 1, not {samples} and {chunk}.")
    where, each = generator.device if generator else torch.device("cpu"), min(samples, chunk)
    rows = []
    for images in x.split(max(1, chunk // each)):
        mu, log_var = vae.encode(images)
        columns = []
        for first in range(0, samples, each):
            k = min(each, samples - first)
            noise = torch.randn(len(mu), k, mu.shape[1], generator=generator, device=where).to(mu)
            z = mu[:, None] + noise * torch.exp(0.5 * log_var)[:, None]  # (images, k, latent)
            x_hat, logit = vae.decode(z.flatten(0, 1))
            kernel = kernel_net(z.flatten(0, 1)) if kernel_net is not None else None
            nats = minus_log_likelihood(term, images.repeat_interleave(k, 0), x_hat, logit=logit, kernel=kernel)
            # −log q + log p of z: both have the factor (2π)^(−latent/2), which cancels
            prior = 0.5 * (noise.double().square() - z.double().square() + log_var.double()[:, None]).sum(2)
            columns.append((prior - nats.double().view(-1, k)).cpu())
        rows.append(torch.cat(columns, 1))
    return torch.cat(rows)


def bound(weights: Tensor, k: int) -> Tensor:
    """−log p̂_k(x) = −log(1/k Σ_{j ≤ k} exp(weight_j)), averaged over as many groups of k as there are samples for.

    In expectation it is at least −log p(x), falls with k and tends to it; k = 1 is the −ELBO. Over the groups of one
    set of samples it falls with certainty where the larger k is a multiple of the smaller one and divides the set.

    Args:
        weights: (n, samples), of `log_weights`.
        k: importance samples, 1 ≤ k ≤ samples.

    Returns:
        (n,), nats per image.

    Raises:
        ValueError: a k beyond the samples.
    """
    n, samples = weights.shape
    if not 1 <= k <= samples:
        raise ValueError(f"k lies between 1 and the {samples} samples at hand, not at {k}.")
    groups = weights[:, : samples // k * k].reshape(n, -1, k)
    return (math.log(k) - groups.logsumexp(2)).mean(1)


def importance_bounds(
    players: Players,
    term: losses.Term,
    x: Tensor,
    ks: Sequence[int] = (1, 50, 500),
    generator: torch.Generator | None = None,
    *,
    chunk: int = 256,
) -> dict[int, Tensor]:
    """The importance-weighted bounds on −log p(x) at several k, from one set of max(ks) samples an image.

    Args:
        players: the networks, in evaluation mode.
        term: a term that `minus_log_likelihood` takes.
        x: (n, c, h, w) in [−1, 1], on the networks' device.
        ks: numbers of importance samples.
        generator: of the noise.
        chunk: images decoded at a time.

    Returns:
        By k the bounds (n,), nats per image, float64, on the CPU.

    Raises:
        ValueError: see `log_weights` and `bound`.
    """
    weights = log_weights(players, term, x, max(ks), generator, chunk=chunk)
    return {k: bound(weights, k) for k in ks}


def bits_per_dimension(nats: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """−log p(x) of a density over [−1, 1]^D as bits for each of the D values of an 8-bit image.

    Grey levels v lie at x = v/127.5 − 1, so the density over v is p(x)/127.5^D, and
    bits = (nats + D·log 127.5)/(D·log 2) = nats/(D·log 2) + 6.994.

    Whether it is a code length: P(v) := ∫ p over the cell of v, a grey level wide, is a distribution over 8-bit images
    (of sum ≤ 1), and by Jensen −log P(v) ≤ E_u[−log p(v + u)] with u uniform over the cell. So a bound on −log p(x) of
    images with that noise (`dequantise`) bounds the bits of a lossless code. On the images themselves it is the density
    in the middle of the cell instead, an approximation of P(v) and no bound: a narrow density on the grid could be
    as high as one likes. For a Gaussian of standard deviation σ (in x) the two differ, u standard deviations from the
    mean, by about (u² − 1)/(24·127.5²σ²) nats a value: 3e-6 (u² − 1) for σ = 1, 1e-4 (u² − 1) for σ² = 0.025, the
    smallest variance of the proper term.

    Args:
        nats: (…), −log p(x) or a bound on it.
        shape: (c, h, w) of the images.

    Returns:
        (…), bits per dimension.
    """
    d = math.prod(shape)
    return nats / (d * math.log(2)) - math.log2(GREY_LEVEL)


def dequantise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """8-bit images with uniform noise over the cell of each grey level: x + (u − ½)/127.5, u ~ U[0, 1).

    Args:
        x: (n, c, h, w) in [−1, 1].
        generator: of the noise; the numbers are drawn where it lives.

    Returns:
        (n, c, h, w), at most half a grey level outside [−1, 1]: no data for the continuous Bernoulli.
    """
    where = generator.device if generator else torch.device("cpu")
    u = torch.rand(x.shape, generator=generator, device=where, dtype=x.dtype).to(x.device)
    return x + (u - 0.5) * GREY_LEVEL
