"""The two entropies behind the Inception score, of any classifier's probabilities.

Salimans, Goodfellow, Zaremba, Cheung, Radford and Chen, "Improved techniques for training GANs", NeurIPS 2016: the
score is exp(E KL(p(y|x) ‖ p(y))) = exp(H(p(y)) − E H(p(y|x))).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class ClassEntropies(NamedTuple):
    """What the classes of a set of images tell of it.

    Attributes:
        of_image: E H(p(y|x)), nats: low where the classifier is sure of single images.
        of_set: H(p(y)), nats: high where the classes are equally frequent.
        score: exp(of_set − of_image), from 1 to the number of classes.
    """

    of_image: float
    of_set: float
    score: float


def class_entropies(probabilities: Tensor) -> ClassEntropies:
    """The entropies of class probabilities of a set of images.

    Args:
        probabilities: (n, classes), of a softmax.

    Raises:
        ValueError: rows that are no distributions.
    """
    p = probabilities.double()
    if p.ndim != 2 or not p.numel() or not (p >= 0).all() or not torch.allclose(p.sum(1), p.new_ones(()), atol=1e-4):
        raise ValueError("Class probabilities are (n, classes), non-negative, with rows of sum 1: take a softmax.")
    of_image, of_set = torch.special.entr(p).sum(1).mean().item(), torch.special.entr(p.mean(0)).sum().item()
    return ClassEntropies(of_image, of_set, math.exp(of_set - of_image))
