"""The network G_γ that reads the blur kernel of an image off its latent variable (Bredell et al. 2023, eq. 10)."""

from __future__ import annotations

from torch import Tensor, nn

from blurvae.blur.kernels import check_size


class KernelNet(nn.Module):
    """k = G_γ(z): two linear layers with 1000 hidden units (App. A).

    The paper leaves the output map open. A softmax keeps every kernel non-negative and of sum 1, so that H(0) = 1.

    Args:
        latent: length of z.
        size: K, odd (11 at 64² px, 41 at 256² px in the paper).
        hidden: width of the hidden layer.

    Raises:
        ValueError: an even kernel size, or a length below 1.
    """

    def __init__(self, latent: int = 256, size: int = 11, hidden: int = 1000) -> None:
        super().__init__()
        size = check_size(size)
        for name, width in (("latent", latent), ("hidden", hidden)):
            if not isinstance(width, int) or width < 1:
                raise ValueError(f"{name} takes whole numbers of at least 1, not {width!r}.")
        self.latent = latent
        self.size = size
        self.layers = nn.Sequential(nn.Linear(latent, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, size * size))

    def forward(self, z: Tensor) -> Tensor:
        """Maps z, (n, latent), to kernels, (n, K, K), ≥ 0 and of sum 1.

        Raises:
            ValueError: a z of another length.
        """
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"This kernel network takes z of shape (n, {self.latent}), not {tuple(z.shape)}.")
        return self.layers(z).softmax(-1).unflatten(-1, (self.size, self.size))
