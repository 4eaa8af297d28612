"""Experiments of chapter 5 of Sajjadi's thesis, on precision and recall; `models` alone trains generative models."""
