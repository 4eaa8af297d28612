"""The opponent: what a careful reader would write from the paper alone, in float32, eagerly, with torch's defaults.

Full complex spectra, a `DataLoader`, Adam as it comes, and the loss read after every step, as training loops do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from blurvae.systems.vae import Players


def transfer(kernel: Tensor, h: int, w: int) -> Tensor:  # (n, 1, h, w), complex
    """H = F(k), the kernel's centre at the origin."""
    n, size, _ = kernel.shape
    padded = torch.zeros(n, h, w, device=kernel.device)
    padded[:, :size, :size] = kernel
    return torch.fft.fft2(torch.roll(padded, (-(size // 2), -(size // 2)), (1, 2)))[:, None]


def losses(players: Players, x: Tensor, C: float = 0.025) -> tuple[Tensor, Tensor]:
    """Eq. 11 (ε large) and eq. 12 of the main paper on one batch, both (), or squared error where there is no G.

    Args:
        players: the networks; without a kernel network the term is ½‖x − x̂‖² and the second loss is 0.
        x: (n, c, h, w) in [−1, 1].
        C: Wiener's constant.
    """
    vae, kernel_net = players.vae, players.kernel_net
    h, w = x.shape[-2:]
    mu, log_var = vae.encoder(x).chunk(2, dim=1)
    z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
    x_hat = torch.tanh(vae.decoder(z))
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
    if kernel_net is None:
        return (0.5 * ((x - x_hat) ** 2).sum((1, 2, 3)) + kl).mean(), x.new_zeros(())

    with torch.no_grad():
        H = transfer(kernel_net(z), h, w)
    W = H.conj() / (H.abs() ** 2 + C)
    error = W * (torch.fft.fft2(x, norm="ortho") - torch.fft.fft2(x_hat, norm="ortho"))
    objective = (0.5 * (error.abs() ** 2).sum((1, 2, 3)) + kl).mean()

    H = transfer(kernel_net(z.detach()), h, w)
    blurred = torch.fft.ifft2(H * torch.fft.fft2(x, norm="ortho"), norm="ortho").real
    return objective, ((blurred - x_hat.detach()) ** 2).sum((1, 2, 3)).mean()


def train(
    players: Players,
    images: Tensor,
    batch_size: int,
    tick: Callable[[], None],
    *,
    device: str = "cpu",
    loader_workers: int = 0,
    lr: float = 1e-4,
) -> None:
    """Trains for ever, both players a step each per batch.

    Args:
        players: the VAE and the kernel network.
        images: (n, c, h, w), float32 in [−1, 1].
        batch_size: images a step.
        tick: called after each step; it ends the training by raising.
        device: "cpu" or "cuda".
        loader_workers: processes of the `DataLoader`.
        lr: Adam's learning rate.
    """
    vae, kernel_net = players.vae.to(device).train(), players.kernel_net
    adam = torch.optim.Adam(vae.parameters(), lr)
    if kernel_net is not None:
        kernel_net.to(device).train()
        kernel_adam = torch.optim.Adam(kernel_net.parameters(), lr)
    loader = DataLoader(
        TensorDataset(images),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=loader_workers,
        persistent_workers=loader_workers > 0,
        pin_memory=device == "cuda",
    )
    while True:
        total = 0.0
        for (x,) in loader:
            x = x.to(device, non_blocking=True)
            objective, kernel_loss = losses(players, x)
            adam.zero_grad()
            objective.backward()
            adam.step()
            if kernel_net is not None:
                kernel_adam.zero_grad()
                kernel_loss.backward()
                kernel_adam.step()
            total += objective.item()
            tick()
