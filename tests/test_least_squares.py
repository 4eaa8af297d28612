"""Kernels by least squares: against the definition, on known blurs, within their constraints."""

from __future__ import annotations

import pytest
import torch

from blurvae import blur

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(3, 2, 9, 12, generator=GENERATOR, dtype=torch.float64)
Y = torch.randn(3, 2, 9, 12, generator=GENERATOR, dtype=torch.float64)


def test_the_equations_are_those_of_the_shifted_copies():
    A, b = blur.normal_equations(X, Y, 5)
    for i in range(len(X)):
        shifts = [(down, across) for down in range(-2, 3) for across in range(-2, 3)]
        T = torch.stack([X[i].roll(shift, (1, 2)).flatten() for shift in shifts], 1)
        torch.testing.assert_close(A[i], T.T @ T)
        torch.testing.assert_close(b[i], T.T @ Y[i].flatten())


def test_a_true_blur_is_found_by_both():
    true = blur.motion_kernel(7, 5.0, 0.6, dtype=torch.float64)
    blurred = blur.circular_convolve(X, true)
    found = torch.linalg.solve(*blur.normal_equations(X, blurred, 7)).view(-1, 7, 7)
    torch.testing.assert_close(found, true.expand_as(found), atol=1e-8, rtol=0)
    found = blur.simplex_kernels(X, blurred, 7)
    torch.testing.assert_close(found, true.float().expand_as(found), atol=1e-4, rtol=0)


def test_no_kernel_of_the_simplex_comes_closer():
    best = blur.simplex_kernels(X, Y, 3)
    assert (best >= 0).all()
    torch.testing.assert_close(best.sum((1, 2)), torch.ones(3), atol=1e-4, rtol=0)

    def error(k):
        return (blur.circular_convolve(X, k.double()) - Y).square().sum((1, 2, 3))

    for other in torch.eye(9).view(9, 3, 3):  # the error is convex: no corner may be downhill
        assert (error(0.99 * best + 0.01 * other) >= error(best) - 1e-3).all()


@pytest.mark.parametrize(
    ("y", "size", "message"), [(Y[:2], 3, "one shape"), (Y, 4, "odd size up to 9, not 4"), (Y, 11, "not 11")]
)
def test_what_has_no_kernel_is_refused(y, size, message):
    with pytest.raises(ValueError, match=message):
        blur.normal_equations(X, y, size)
