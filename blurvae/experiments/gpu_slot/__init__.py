"""A GPU by the hour: `python -m blurvae.experiments.gpu_slot` makes what a slot of it has time for, and packs it."""
