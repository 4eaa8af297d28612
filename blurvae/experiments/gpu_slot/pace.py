"""How long runs take: a stated first estimate, then what those before have shown."""

from __future__ import annotations

import time

from blurvae import datasets
from blurvae.record import Run
from blurvae.record.queue import images
from blurvae.train import State

# Images/s of a training at the paper's batch of 64, by the side of the images: one at a time, and several side by side.
# These are the targets of the training core for an H100 or H200, no measurements.
SPEEDS = {32: (60_000, 120_000), 64: (35_000, 35_000)}
CPU = 2e9  # images/s × what a system says that one costs, as two threads of an AMD EPYC with bf16 have it
EVALUATION = 1.0, 4e-4  # seconds of an evaluation, and more for each test image
SETTLED = 8.0  # seconds of steps after which a run's own speed is believed
PATIENCE = 1.1  # by what factor a run may promise to take longer than what is left before it is stopped


class Pace:
    """What runs are expected to take.

    Args:
        device: "cuda" or "cpu".
        width: trainings side by side; what a run takes is then its share of the time that several take together.
    """

    def __init__(self, device: str, width: int = 1) -> None:
        self.device, self.width = device, width
        self._seen: dict[tuple[int, str], tuple[float, float]] = {}  # by size and system: stated and taken seconds

    def speed(self, run: Run) -> float:
        """The first estimate of its training, images/s, or clips/s: each frame of a clip is an image."""
        if self.device == "cpu":
            return CPU / run.system.cost(run.shape)
        side, frames = 32 if run.size <= 32 else 64, run.shape[0] if len(run.shape) == 4 else 1
        return SPEEDS[side][self.width > 1] * (side / run.size) ** 2 / frames

    def training(self, run: Run) -> float:
        """The first estimate of its training, seconds."""
        return images(run) / self.speed(run)

    def evaluation(self, run: Run) -> float:
        """The first estimate of its evaluation, seconds."""
        n = run.n_valid or run.n_test or datasets.describe(run.data)["images"].get("test", 10_000)
        return EVALUATION[0] + EVALUATION[1] * int(n)

    def stated(self, run: Run) -> float:
        """The first estimate of all of it, seconds."""
        return self.training(run) + self.evaluation(run)

    def expected(self, run: Run) -> float:
        """Seconds, judged by the runs before: those of its size and system, else of its size, else all."""
        kinds = [*self._seen]
        of_size = [kind for kind in kinds if kind[0] == run.size]
        of_both = [kind for kind in of_size if kind[1] == run.system.name]
        seen = [self._seen[kind] for kind in of_both or of_size or kinds] or [(1.0, 1.0)]
        stated, taken = map(sum, zip(*seen))
        return self.stated(run) * taken / stated

    def learn(self, run: Run, seconds: float) -> None:
        """Takes in how long a run took."""
        kind = run.size, run.system.name
        stated, taken = self._seen.get(kind, (0.0, 0.0))
        self._seen[kind] = stated + self.stated(run), taken + seconds


class OutOfTime(Exception):
    """A run would not end in time.

    Attributes:
        seconds: that all of it would take, beside what trains at the same time.
    """

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


class Forecast:
    """A callback of a training that stops it where it would not end in time, by its own speed or by the clock.

    Args:
        run: what is trained.
        deadline: on the clock of `time.monotonic`.
    """

    def __init__(self, run: Run, deadline: float) -> None:
        self.run, self.deadline = run, deadline
        self.steps = images(run) / run.budget.batch_size
        self.first: tuple[float, int] | None = None

    def restart(self) -> None:
        """Measures its speed anew: it stood still while another run began or was evaluated."""
        self.first = None

    def __call__(self, state: State) -> None:
        """After a step.

        Raises:
            OutOfTime: it would not end.
        """
        now = time.monotonic()
        if self.first is None:
            self.first = now, state.step
        left, passed = self.deadline - now, now - self.first[0]
        if passed < SETTLED and left > 0:
            return
        speed = max(state.step - self.first[1], 1) / max(passed, 1e-9)
        rest = (self.steps - state.step) / speed
        if left <= 0 or rest > PATIENCE * left:
            rate = speed * self.run.budget.batch_size
            why = f"at {rate:.0f} images/s it would take {rest:.0f} s more, with {max(left, 0):.0f} s left"
            raise OutOfTime(why, self.steps / speed)
