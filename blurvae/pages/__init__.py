"""What the chapters and the command show: tables and figures of recorded runs, and the pages themselves."""

from blurvae.pages.prose import excerpt, glue, power_of_ten, run_time

__all__ = ["excerpt", "glue", "power_of_ten", "run_time"]
