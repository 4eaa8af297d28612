"""Samples from a Gaussian mixture fitted to the latents, in place of the prior; and the way between two images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from blurvae.models.coder import Coder

LOG_2PI = math.log(2 * math.pi)
RIDGE = 1e-6  # of the mean variance, added to every covariance: latents that never move have none


@dataclass(frozen=True)
class GaussianMixture:
    """Σ_k w_k N(m_k, L_k L_kᵀ) with full covariances.

    Attributes:
        weights: (k,), of sum 1.
        means: (k, d).
        factors: (k, d, d), lower triangular with positive diagonals; all three float64.
        iterations: of expectation and maximisation that it took.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor
    iterations: int = 0

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (n, d), float32, on the mixture's device; the numbers are drawn where the generator lives."""
        where = generator.device if generator else torch.device("cpu")
        chosen = torch.multinomial(self.weights.to(where), n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator, device=where)
        chosen, z = chosen.to(self.means.device), noise.to(self.means.device)
        for k, (mean, factor) in enumerate(zip(self.means, self.factors)):
            z[chosen == k] = z[chosen == k] @ factor.T + mean
        return z.float()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: z (n, d) → (n,); on held-out latents it shows an over-fitted mixture."""
        return self._joint(z).logsumexp(1)

    def _joint(self, z: Tensor) -> Tensor:
        """Joint log-densities log w_k + log N(z; m_k, Σ_k), (n, k), computed in the precision of z."""
        d = z.shape[1]
        identity = torch.eye(d, dtype=self.factors.dtype, device=self.factors.device)
        white = torch.linalg.solve_triangular(self.factors, identity, upper=False).to(z.dtype)  # (k, d, d)
        constant = self.weights.log() - self.factors.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * d * LOG_2PI
        distance = [((z - mean) @ w.T).square().sum(1) for mean, w in zip(self.means.to(z.dtype), white)]
        return constant.to(z.dtype) - 0.5 * torch.stack(distance, 1)


def fit_gaussian_mixture(
    mu: Tensor,
    components: int = 10,
    seed: int = 0,
    *,
    shrinkage: float | None = None,
    iterations: int = 50,
    tolerance: float = 1e-2,
) -> GaussianMixture:
    """Expectation and maximisation from k-means, full covariances (Ghosh et al. 2020 fit 10 components to latents).

    Few points a component and many dimensions leave a covariance singular and the likelihood unbounded: 200 points for
    256 × 257 / 2 numbers. So each covariance is drawn towards the one that all components share,
    Σ_k ← (1 − λ) Σ_k + λ Σ_j w_j Σ_j (Friedman 1989), which leaves mean and covariance of the mixture those of the
    data. By default λ = d/(d + n/K), as if the shared covariance were worth d points: 0.56 for 2,000 latents of 256
    dimensions, 0.24 for 8,000, 0.01 for 2 dimensions. At λ = 0 this is the usual maximum of the likelihood.

    Args:
        mu: (n, d), the posterior means of the training images; n ≥ components. Float32 is faster.
        components: K.
        seed: of the centres that k-means starts from; the same on every device.
        shrinkage: λ in [0, 1]; None takes the value above.
        iterations: at most so many.
        tolerance: change of the mean log-density, in nats, at which it ends before.

    Returns:
        The mixture, on the latents' device.

    Raises:
        ValueError: fewer points than components, latents that are not finite, λ outside [0, 1].
    """
    if mu.ndim != 2 or not 1 <= components <= len(mu):
        raise ValueError(
            f"A mixture of {components} components (at least 1) needs as many latents (n, d), not {tuple(mu.shape)}."
        )
    z = mu.detach()
    if not z.isfinite().all():
        raise ValueError("The latents hold NaN or infinite values: look for the step of the encoder that made them.")
    n, d = z.shape
    weight = d / (d + n / components) if shrinkage is None else shrinkage
    if not 0 <= weight <= 1:
        raise ValueError(f"The shrinkage λ lies between 0 and 1, not at {weight}.")
    share = torch.nn.functional.one_hot(_k_means(z, components, seed), components).to(z)
    mixture, last = _maximise(z, share, weight, 0), -math.inf
    for i in range(1, iterations + 1):
        joint = mixture._joint(z)
        level = joint.logsumexp(1)
        mean = level.double().mean().item()
        if abs(mean - last) < tolerance:
            break
        mixture, last = _maximise(z, torch.exp(joint - level[:, None]), weight, i), mean
    return mixture


def _maximise(z: Tensor, share: Tensor, shrinkage: float, iteration: int) -> GaussianMixture:
    """The mixture for given shares (n, k) of the points in the components."""
    total = share.sum(0).clamp(min=1e-10)
    means = share.T @ z / total[:, None]
    covariances = []
    for k, mean in enumerate(means):
        near = (
            share[:, k] > torch.finfo(z.dtype).eps
        )  # with many dimensions a point belongs to one component, and the others skip it
        centred = ((z[near] - mean) * share[near, k, None].sqrt()).double()  # else rounding makes it indefinite
        covariances.append(centred.T @ centred / total[k])
    own, weights = torch.stack(covariances), (total / total.sum()).double()
    pooled = torch.einsum("k,kij->ij", weights, own)
    ridge = RIDGE * pooled.diagonal().mean().clamp(min=1e-12) * torch.eye(len(pooled)).to(pooled)
    factors = torch.linalg.cholesky((1 - shrinkage) * own + shrinkage * pooled + ridge)
    return GaussianMixture(weights, means.double(), factors, iteration)


def _k_means(z: Tensor, k: int, seed: int, rounds: int = 20) -> Tensor:
    """The nearest of k centres, (n,), spread at first by distance (k-means++, Arthur & Vassilvitskii 2007)."""
    draws = torch.rand(k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    centres = z[[min(int(draws[0] * len(z)), len(z) - 1)]]
    for draw in draws[1:]:
        far = torch.cdist(z, centres).amin(1).square().cumsum(0)
        centres = torch.cat([centres, z[[min(int(torch.searchsorted(far, draw * far[-1])), len(z) - 1)]]])
    for _ in range(rounds):
        nearest = torch.cdist(z, centres).argmin(1)
        member = torch.nn.functional.one_hot(nearest, k).to(z)
        count = member.sum(0)
        moved = torch.where(count[:, None] > 0, member.T @ z / count.clamp(min=1)[:, None], centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return nearest


@torch.no_grad()
def interpolate(vae: Coder, a: Tensor, b: Tensor, steps: int = 8, *, spherical: bool = False) -> Tensor:
    """Decoded images on the way between the posterior means of two images.

    Args:
        vae: in evaluation mode, else batch norm mixes the images.
        a: (c, h, w) in [−1, 1], where the line starts.
        b: (c, h, w), where it ends.
        steps: points on the way, both ends included, ≥ 2.
        spherical: go along `slerp`, else straight.

    Returns:
        (steps, c, h, w) in [−1, 1]; the first and last are the reconstructions of a and b.

    Raises:
        ValueError: fewer than two steps, images of another shape than the model's, a model in training mode.
    """
    if steps < 2:
        raise ValueError(f"A line has two ends: steps must be at least 2, not {steps}.")
    if vae.training:
        raise ValueError("The model is in training mode, where batch norm mixes the images: call vae.eval() first.")
    mu = vae.encode(torch.stack([a, b]))[0]
    t = torch.linspace(0, 1, steps, dtype=mu.dtype, device=mu.device)[:, None]
    return vae.decode((slerp if spherical else torch.lerp)(mu[:1], mu[1:], t)).x_hat


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (sin((1 − t)Ω) a + sin(tΩ) b)/sin Ω, Ω the angle between a and b (Shoemake 1985).

    Between vectors of one length it keeps the length, where the straight line passes closer to the origin. Where a and
    b point the same way it is the straight line.

    Args:
        a: (n, d).
        b: (n, d), not opposite to a: then every way is as short.
        t: in [0, 1], of a shape that broadcasts to (n, 1).

    Returns:
        (n, d).
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1)[:, None].clamp(-1, 1)
    angle = torch.acos(cosine)
    same = angle < 1e-4  # sin Ω is rounding there
    sine = torch.where(same, torch.ones_like(angle), torch.sin(angle))
    curved = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / sine
    return torch.where(same, torch.lerp(a, b, t), curved)
