"""Batch norm over the batch of all processes of a job."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batch of all processes, on CPUs too, where `torch.nn.SyncBatchNorm` refuses.

    In evaluation, and in one process, it is `torch.nn.BatchNorm2d`. The parts of the batch must be of one size.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalises x, (n, c, h, w), by the moments of all ranks' x; these are float32 at least."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(x)
        self._check_input_dim(x)
        return _globally(self, x)


class GlobalBatchNorm1d(nn.BatchNorm1d):
    """The same for vectors, (n, c)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises x, (n, c), by the moments of all ranks' x; these are float32 at least."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(x)
        if x.ndim != 2:
            raise ValueError(f"Over several processes this batch norm takes vectors (n, c), not {tuple(x.shape)}.")
        return _globally(self, x[:, :, None, None])[..., 0, 0]


def _globally(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalises x, (n, c, h, w), by the moments of all ranks' x, and moves the running ones."""
    mean, var, count = _moments(x)
    running = (norm.running_mean, norm.running_var) if norm.track_running_stats else (None, None)
    if running[0] is not None and running[1] is not None and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        step = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        running[0].lerp_(mean.to(running[0]), step)
        running[1].lerp_(var.to(running[1]) * (count / (count - 1)), step)
    weight, bias = (norm.weight, norm.bias) if norm.affine else (torch.ones_like(mean), torch.zeros_like(mean))
    return cast(Tensor, _Normalise.apply(x, weight, bias, mean, var, count, norm.eps))


GLOBAL: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: GlobalBatchNorm1d,
    nn.BatchNorm2d: GlobalBatchNorm2d,
}


def synchronise(module: nn.Module) -> None:
    """Makes every batch norm below a module one of the global batch: its tensors, their names and hooks remain."""
    for child in module.modules():
        if type(child) in GLOBAL:
            child.__class__ = GLOBAL[type(child)]


@torch.no_grad()
def _moments(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance, (c,) each, of the values of a channel on all ranks, and their number.

    The ranks exchange moments about their own means (Chan et al. 1979): sums of squares would lose the variance of
    channels whose mean is large.
    """
    var, mean = torch.var_mean(x if x.dtype == torch.float64 else x.float(), (0, 2, 3), correction=0)
    size = dist.get_world_size()
    table = mean.new_zeros(size, 2, len(mean))
    table[dist.get_rank()] = torch.stack((mean, var))
    dist.all_reduce(table)  # each entry is one number and zeros, so no order of adding changes it
    means, variances = table.unbind(1)  # (size, c) each
    return means.mean(0), variances.mean(0) + means.var(0, correction=0), size * x.numel() // x.shape[1]


class _Normalise(torch.autograd.Function):
    """(x − mean) / √(var + ε) · weight + bias with the moments of all ranks' x, through which the gradient passes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, count: int, eps: float
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, var)
        ctx.count, ctx.eps = count, eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        # `once_differentiable` would not do: its error hangs on a branch of the graph that `inputs=` prunes, and the
        # second derivative is then wrong without a word. Gradients are enabled here exactly under create_graph=True.
        if torch.is_grad_enabled():
            raise ValueError(
                "Batch norm over several processes has a first derivative only: train with a gradient penalty in one "
                "process, or take a network without batch norm for the one whose gradient is penalised."
            )
        x, weight, mean, var = ctx.saved_tensors
        # Σ dy·x̂ and Σ dy over this rank's part are the gradients of weight and bias; their sums over the ranks are
        # what the moments pass on to every x.
        _, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, mean, var, None, None, False, ctx.eps, [False, True, True]
        )
        sums = torch.stack((d_weight, d_bias))
        dist.all_reduce(sums)
        along, level = (sums / ctx.count).unbind(0)
        inverse = (var + ctx.eps).rsqrt()
        scale = weight * inverse
        slope = scale * inverse * along
        offset = scale * level - slope * mean
        c = (-1, 1, 1)
        dx = scale.view(c) * dy - slope.view(c) * x - offset.view(c)
        return dx.to(x.dtype), d_weight, d_bias, None, None, None, None
