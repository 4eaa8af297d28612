"""Runs: what is to be done, as a record; doing it; its files."""

from blurvae.record.data import image_sets
from blurvae.record.execute import execute
from blurvae.record.execution import Execution, needs, networks
from blurvae.record.files import Result, read, read_once
from blurvae.record.run import COLLAPSED, Run

__all__ = ["COLLAPSED", "Execution", "Result", "Run", "execute", "image_sets", "needs", "networks", "read", "read_once"]
