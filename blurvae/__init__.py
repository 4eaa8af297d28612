"""Blur in variational autoencoders: mathematics, losses, training and experiments of the book."""

__version__ = "0.1.0"
