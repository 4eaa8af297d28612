"""How long to train, whatever the system."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """How long to train.

    Attributes:
        epochs: of the training.
        batch_size: samples a batch; a last incomplete batch is left out.
        passes: over the training samples in an epoch.
        seed: of initialisation, shuffling and noise.
        precision: "auto", "float32" or "bf16".

    Raises:
        ValueError: a value out of its range.
    """

    epochs: int = 100
    batch_size: int = 64
    passes: int = 1
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "passes"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number ≥ 1, not {value!r}.")
        if type(self.seed) is not int:
            raise ValueError(f"seed must be a whole number, not {self.seed!r}.")
        if abs(self.seed) >= 2**40:  # the generator of a pass's order is seeded with a multiple of it
            raise ValueError(f"seed must lie between −2^40 and 2^40, not at {self.seed}.")
        if self.precision not in ("auto", "float32", "bf16"):
            raise ValueError(f"precision is 'auto', 'float32' or 'bf16', not {self.precision!r}.")
