"""The page "The loss in your own VAE": its code blocks run as printed and agree with the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from blurvae import losses
from blurvae.blur import disk_kernel, gaussian_kernel, motion_kernel
from blurvae.models import VAE, KernelNet, kl_divergence, reparametrise

PAGE = Path(__file__).resolve().parent.parent / "book" / "own-vae.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _block(mark: str) -> str:
    found = [block for block in BLOCKS if mark in block]
    assert len(found) == 1, f"{len(found)} blocks of {PAGE.name} contain {mark!r}"
    return found[0]


@pytest.fixture(scope="module")
def paste() -> dict:
    """The names that the blocks without the package define."""
    names: dict = {}
    for mark in ("def wiener_term", "def proper_term", "class MyKernelNet"):
        exec(compile(_block(mark), PAGE.name, "exec"), names)
    return names


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return tuple(2 * torch.rand(3, 3, 24, 32, generator=g) - 1 for _ in range(2))  # type: ignore[return-value]


KERNELS = torch.stack([gaussian_kernel(11, 2.0), disk_kernel(11, 3.3), motion_kernel(11, 7.0, 0.6).roll(1, 0)])


@pytest.mark.parametrize("C", [0.005, 0.025, 0.1])
@pytest.mark.parametrize("mine, name", [("wiener_term", "wiener"), ("proper_term", "wiener-proper")])
def test_pasted_terms_equal_those_of_the_package(paste, pair, mine, name, C):
    x, x_hat = pair
    x_hat.requires_grad_()
    ours = losses.get(name, C=C)(x, x_hat, kernel=KERNELS)
    theirs = paste[mine](x, x_hat, KERNELS, C=C)
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5 * ours.abs().max().item())
    a, b = (torch.autograd.grad(t.sum(), x_hat)[0] for t in (theirs, ours))
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * b.abs().max().item())


def test_pasted_blur_loss_equals_that_of_the_package(paste, pair):
    x, x_hat = pair
    torch.testing.assert_close(
        paste["blur_loss"](x, x_hat, KERNELS), losses.kernel_loss(x, x_hat, KERNELS), rtol=1e-5, atol=0
    )


def test_pasted_kernel_network_equals_that_of_the_package(paste):
    mine, ours = paste["MyKernelNet"](16, size=7, hidden=32), KernelNet(16, size=7, hidden=32)
    mine.load_state_dict(ours.state_dict())
    z = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mine(z), ours(z))


def _batch() -> dict:
    vae = VAE("A", size=32, widths=(4, 8), latent=8, hidden=16)
    g = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(4, 3, 32, 32, generator=g) - 1
    mu, log_var = vae.encode(x)
    z = reparametrise(mu, log_var, g)
    return {"vae": vae, "x": x, "z": z, "x_hat": vae.decode(z).x_hat, "kl": kl_divergence(mu, log_var), "beta": 1.0}


@pytest.mark.parametrize("warm", [True, False])
def test_the_training_step_runs_as_printed(warm):
    names = _batch() | {"warm": warm}
    exec(compile(_block("kernel_adam = "), PAGE.name, "exec"), names)
    before = [p.clone() for p in names["kernel_net"].parameters()]
    exec(compile(_block("kernel_adam.step()"), PAGE.name, "exec"), names)
    assert any(not torch.equal(a, b) for a, b in zip(before, names["kernel_net"].parameters()))
    assert all(p.grad is None for p in names["vae"].parameters()), "eq. 12 must not reach encoder or decoder"
    names["kernel_adam"].zero_grad()
    names["loss"].backward()
    assert all(p.grad is not None for p in names["vae"].encoder.parameters())
    assert all(p.grad is None for p in names["kernel_net"].parameters()), "eq. 11 must not reach the kernel network"
    x, x_hat, kernel = names["x"], names["x_hat"], names["kernel"]
    term = losses.get("l2")(x, x_hat) if warm else losses.get("wiener", C=0.025)(x, x_hat, kernel=kernel)
    torch.testing.assert_close(names["loss"], (term + names["kl"]).mean())


def test_the_checks_run_as_printed(paste):
    exec(compile(_block("half_sse ="), PAGE.name, "exec"), paste | _batch())


def test_every_block_of_the_page_is_executed_here():
    marks = (
        "kernel_adam = ",
        "kernel_adam.step()",
        "def wiener_term",
        "def proper_term",
        "class MyKernelNet",
        "half_sse =",
    )
    assert {_block(mark) for mark in marks} == set(BLOCKS)
