"""The training core: one loop that carries every system, and what a system is made of."""

from blurvae.train.budget import Budget
from blurvae.train.fit import finish, fit
from blurvae.train.loop import Training
from blurvae.train.system import Draw, Move, Scene, System, Turn
from blurvae.train.watch import State, Watch, evaluating

__all__ = [
    "Budget",
    "Draw",
    "Move",
    "Scene",
    "State",
    "System",
    "Training",
    "Turn",
    "Watch",
    "evaluating",
    "finish",
    "fit",
]
