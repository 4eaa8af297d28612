"""What the chapters and the command show: tables and figures of recorded runs, and the pages themselves."""

from blurvae.pages.prose import glue, run_time

__all__ = ["glue", "run_time"]
