"""Chapters as programs: their files and parameters, their execution, and the pages built from them."""
