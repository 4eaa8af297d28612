"""What a run trains on and what it measures."""

from __future__ import annotations

from dataclasses import replace

from blurvae import datasets
from blurvae.datasets import ImageSet
from blurvae.record.run import Run


def image_sets(run: Run) -> tuple[ImageSet, ImageSet]:
    """The training images and the test images, or held-out training images where the run has n_valid.

    Raises:
        MissingData: the data set is not on this machine.
        CorruptFile: it is damaged.
        ValueError: a set of fewer than two images, or fewer than are asked for.
    """
    if run.n_valid:
        whole = datasets.load(run.data, "train", size=run.size)
        train = whole.head(len(whole) - run.n_valid if run.n_train is None else run.n_train)
        if len(train) + run.n_valid > len(whole):
            raise ValueError(
                f"{run.data} has {len(whole)} training images, not {len(train)} and {run.n_valid} to hold out: "
                "lower n_train or n_valid."
            )
        test = replace(whole, images=whole.images[-run.n_valid :], labels=None)
    else:
        train = datasets.load(run.data, "train", size=run.size, n=run.n_train)
        test = datasets.load(run.data, "test", size=run.size, n=run.n_test)
    for images, key in ((train, "n_train"), (test, "n_valid" if run.n_valid else "n_test")):
        if len(images) < 2:
            raise ValueError(f"A run needs two {images.split} images of {images.name} at least, not 1: raise {key}.")
    return train, test
