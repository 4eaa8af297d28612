"""The generator that comes with the book, which `blurvae upscale` takes unasked: a small ENet-E of four photographs.

`python -m blurvae.experiments.enhancenet.shipped` trains it if there is no file of it (five minutes of one thread,
some more where others share it), measures it and bicubic enlargement on the test patches and on those of the field's
sets that are here, and writes data/checkpoints/natural-enet.safetensors with a card beside it. What it learned from
may be passed on.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, replace
from typing import Any

import torch

from blurvae import datasets, metrics, paths
from blurvae.datasets import ImageSet
from blurvae.errors import MissingData
from blurvae.evaluation import EnhanceNetEvaluation, bicubic
from blurvae.files import write_atomically, write_json
from blurvae.metrics.sr import Protocol
from blurvae.models.enhancenet import Generator, save_generator
from blurvae.provenance import provenance
from blurvae.systems import EnhanceNet
from blurvae.systems.enhancenet import Players
from blurvae.train import Budget, fit

NAME, DATA, SIZE = "natural-enet", "natural", 64
SYSTEM = EnhanceNet("E", crop=0, width=32, blocks=4, lr=1e-3)
STAGES = ((1e-3, Budget(epochs=12, batch_size=16)), (2e-4, Budget(epochs=4, batch_size=16, seed=1)))  # of the rate
BENCHMARKS = ("set5", "set14", "bsd100")
PROTOCOL = (
    "the test patches of the data set, and whole pictures of the field's sets, each made four times smaller by "
    "MATLAB's bicubic at 8 bits, enlarged and compared as each entry says; beside it the same of bicubic enlargement"
)


def trained(
    system: EnhanceNet, stages: tuple[tuple[float, Budget], ...], data: ImageSet, *, progress: bool = False
) -> tuple[Players, list[dict[str, Any]]]:
    """Players trained at one learning rate after the other, in evaluation mode, and the history of all stages."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stages[0][1].seed)
        players = system.players(data.shape)
        history = []
        for lr, budget in stages:
            stage = fit(replace(system, lr=lr), players, data, budget, device="cpu", progress=progress)
            history += [{"lr": lr} | epoch for epoch in stage]
    players.generator.eval().requires_grad_(False)
    return players, history


def measured(system: EnhanceNet, players: Players, train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """PSNR and SSIM on test patches and on the field's sets that are on this machine, beside bicubic enlargement's."""
    evaluation = EnhanceNetEvaluation(system, Budget(), train, test, torch.device("cpu"))
    found = evaluation.measure(players).metrics
    kept = {name: found[name] for metric in ("PSNR (Y", "SSIM (Y") for name in (f"{metric})", f"{metric}, bicubic)")}
    protocol = Protocol(shave=system.scale)
    for name in BENCHMARKS:
        try:
            plain = bicubic.of_pictures(datasets.pictures(name), system.scale, protocol)
        except MissingData:
            continue
        kept |= evaluation.benchmark(players.generator, name)
        for metric, values in zip(("PSNR", "SSIM"), plain):
            kept[f"{metric} ({name}, bicubic)"] = metrics.summary(values) | {"protocol": str(protocol)}
    return kept


def gain(card: dict[str, Any], of: str = "Y") -> float:
    """By how many dB of PSNR a model is better than bicubic enlargement: on its test patches, or on a set of a name."""
    found: dict[str, Any] = card["metrics"]
    return float(found[f"PSNR ({of})"]["mean"] - found[f"PSNR ({of}, bicubic)"]["mean"])


def publish() -> dict[str, Any]:
    """Trains the generator and files it with its card.

    Raises:
        ValueError: it is no better than bicubic enlargement, and so nothing to pass on.
    """
    train, test = (datasets.load(DATA, split, size=SIZE) for split in datasets.core.SPLITS)
    start = time.process_time()
    players, history = trained(SYSTEM, STAGES, train, progress=True)
    seconds = time.process_time() - start
    run = {
        "method": "e",
        "system": {"name": SYSTEM.name} | asdict(SYSTEM),
        "size": SIZE,
        "stages": [{"lr": lr} | asdict(budget) for lr, budget in STAGES],
    }
    card = {
        "name": NAME,
        "kind": "enlarger",
        "licence": "MIT",
        "run": run,
        "data": {
            "name": DATA,
            "label": train.label,
            "checksum": train.checksum,
            "n_train": len(train),
            "n_test": len(test),
            "licence": train.licence,
        },
        "parameters": {"generator": sum(weights.numel() for weights in players.generator.parameters())},
        "protocol": PROTOCOL,
        "metrics": {name: _rounded(entry) for name, entry in measured(SYSTEM, players, train, test).items()},
        "history": history,
        "provenance": provenance(torch.device("cpu")) | {"training_cpu_seconds": round(seconds, 1)},
    }
    if gain(card) <= 0:
        raise ValueError(f"{NAME} is no better than bicubic enlargement ({gain(card):.2f} dB): it is not filed.")
    return file(players.generator, card)


def file(generator: Generator, card: dict[str, Any]) -> dict[str, Any]:
    """Writes weights and card; the checksum of the weights joins the card."""
    place = paths.checkpoints() / f"{NAME}.safetensors"
    note = {"run": card["run"], "provenance": card["provenance"]}
    write_atomically(place, lambda path: save_generator(path, generator, note))
    card = card | {"sha256": hashlib.sha256(place.read_bytes()).hexdigest()}
    write_json(place.with_suffix(".json"), card)
    return card


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in entry.items()}


def main() -> None:
    """Trains it if it is not there, and says what it gains over bicubic enlargement."""
    if (paths.checkpoints() / f"{NAME}.safetensors").exists():
        raise SystemExit(f"{NAME} is there: remove it and its card to train it anew.")
    card = publish()
    sets = [name for name in BENCHMARKS if f"PSNR ({name})" in card["metrics"]]
    gains = [f"{of}: {gain(card, of):+.2f} dB" for of in ("Y", *sets)]
    print(f"{NAME}, PSNR over bicubic enlargement: {', '.join(gains)}", flush=True)


if __name__ == "__main__":
    main()
