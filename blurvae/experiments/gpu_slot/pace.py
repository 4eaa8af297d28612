"""How long runs take: a stated first estimate, then what those before have shown."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from blurvae import datasets
from blurvae.record import Run
from blurvae.record.queue import images
from blurvae.train import State, Training

# What a play of a move takes at least on a GPU, seconds for a batch of any size, by itself and beside others. With
# FLOPS these are the targets of the training core for an H100 or H200, no measurements: of VAEs in batches of 64 60,000
# and 120,000 images/s at 32×32 px, 35,000 at 64×64 px.
LAUNCH = 64 / 60_000, 64 / 120_000
FLOPS = 115e12  # FLOP/s of convolutions
# FLOP of an image by what its system says that it costs, at the papers' sizes: see `torch.utils.flop_counter`.
FLOP = {
    "vae": 196, "tempered-vae": 196, "small-vae": 42_000, "rae": 420, "vae-gan": 1200, "gan": 55, "enhancenet": 190,
    "frvsr": 120,
}  # fmt: skip
CPU = 2e9  # images/s × what a system says that one costs, as two threads of an AMD EPYC with bf16 have it
EVALUATION = 2.0, 3e-4  # seconds of an evaluation, and more for each test image
SETTLED = 8.0  # seconds of steps after which a run's own speed is believed
PATIENCE = 1.1  # by what factor runs may promise to take longer than what is left before one is stopped


class Pace:
    """What runs are expected to take.

    Args:
        device: "cuda" or "cpu".
        width: trainings side by side; what a run takes is then its share of the time that several take together.
    """

    def __init__(self, device: str, width: int = 1) -> None:
        self.device, self.width = device, width
        self._seen: dict[tuple[int, str], tuple[float, float]] = {}  # by size and system: stated and taken seconds

    def training(self, run: Run) -> float:
        """The first estimate of its training, seconds."""
        cost = run.system.cost(run.shape)
        if self.device == "cpu":
            return images(run) * cost / CPU
        moves, frames = run.system.moves(run.system.phase(0)), run.shape[0] if len(run.shape) == 4 else 1
        plays = frames * sum(move.times for move in moves) / sum(move.times for move in moves if move.fresh)
        launch = plays * LAUNCH[self.width > 1] / run.budget.batch_size
        return images(run) * max(launch, FLOP[run.system.name] * cost / FLOPS)

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
        seconds: that all of it would take by itself, with its evaluation.
    """

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


class Forecast:
    """Stops a run where those that train at the same time would not all end in time, by their speed or by the clock.

    It is the sum that counts: they take turns, and those that end leave theirs to the others.

    Args:
        deadline: on the clock of `time.monotonic`.
        pace: what each run is expected to take; of trainings only the ratios count.
    """

    def __init__(self, deadline: float, pace: Pace) -> None:
        self.deadline, self.pace = deadline, pace
        self.restart({})

    def restart(self, trainings: Mapping[Run, Training[Any]]) -> None:
        """Measures anew, what trains now: all stood still while one began or was evaluated."""
        self.trainings = dict(trainings)
        self._since: tuple[float, float] | None = None  # a time, and seconds' worth of what was done then
        self._look = math.inf  # the next time to judge: it takes as long as a step may

    def __call__(self, run: Run, state: State) -> None:
        """After a step of a run.

        Raises:
            OutOfTime: they would not all end, and of this one the most is left.
        """
        now = time.monotonic()
        if self._since is None:
            self._since, self._look = (now, sum(self._done().values())), now + SETTLED
        if now < min(self._look, self.deadline):
            return
        done, (since, before) = self._done(), self._since
        speed = max(sum(done.values()) - before, 1e-9) / max(now - since, 1e-9)
        rests = {r: (self.pace.training(r) - done[r]) / speed for r in done}
        rest, left = sum(rests.values()) + sum(map(self.pace.evaluation, rests)), self.deadline - now
        if left > 0 and rest <= PATIENCE * left:
            self._look = now + 1
        elif left <= 0 or rests[run] == max(rests.values()):
            why = f"with what trains beside it, it would take {rest:.0f} s more, and {max(left, 0):.0f} s are left"
            raise OutOfTime(why, self.pace.training(run) / speed + self.pace.evaluation(run))

    def _done(self) -> dict[Run, float]:
        """What each run has behind it, in seconds that its training was expected to take."""
        return {run: training.done * self.pace.training(run) for run, training in self.trainings.items()}
