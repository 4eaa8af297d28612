"""Runs: what is to be done, as a record; doing it; its files."""

from blurvae.record.data import image_sets
from blurvae.record.execute import execute, needs, networks
from blurvae.record.files import Result, read
from blurvae.record.run import COLLAPSED, Run

__all__ = ["COLLAPSED", "Result", "Run", "execute", "image_sets", "needs", "networks", "read"]
