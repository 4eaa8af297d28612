"""What a step on a GPU would wait for, found without one: on the device "meta", and by the form of the code."""

from __future__ import annotations

import ast
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toys import CASES, IMAGES, WITHOUT_WEIGHTS, blur_vae, with_term
from toys.planted import Planted
from toys.running import Case, moves, scene

import blurvae
from blurvae import losses


class Transfers(TorchDispatchMode):
    """Notes what reads a number off the device, brings one there, or computes with a tensor elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if name in ("aten.lift_fresh.default", "aten._local_scalar_dense.default"):
            self.found.add(name)
        out = func(*args, **(kwargs or {}))
        if any(t.device.type != "meta" for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)):
            self.found.add(name)
        return out


def transfers(case: Case) -> set[str]:
    """What a step of this case brings from one device to another: forward, backward and rule of each move."""
    with torch.device("meta"):
        players = case[0].players(case[1].images.shape[1:])
    for net in players:
        if isinstance(net, torch.nn.Module):
            net.to("meta")  # those that come from a file
    flag = Transfers()
    for _, move in moves(case[0]):
        at = scene(case, move, device="meta")
        move.play(players, at)  # what is made once and kept comes from the host
        with flag:
            turn = move.play(players, at)
            for player, loss in turn.losses.items():
                weights = [*getattr(players, player).parameters()]
                torch.autograd.backward(loss, inputs=weights, retain_graph=True)
            if move.rule is not None:
                move.rule(players, {name: part.detach().double() for name, part in turn.parts.items()})
    return flag.found


@pytest.mark.parametrize("name", CASES)
def test_a_step_stays_on_its_device(name: str) -> None:
    assert not transfers(CASES[name])


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_a_step_with_any_term_stays_on_its_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no device "meta"
    assert not transfers(with_term(name))


@pytest.mark.parametrize("form", ["printed", "released"])
def test_both_forms_of_the_short_time_fourier_term_stay_on_their_device(form: str) -> None:
    term = losses.get("stft", form=form, window=8, stride=4)
    assert not transfers((replace(blur_vae("l2"), term=term), with_term("stft")[1]))


def test_a_constant_from_elsewhere_is_found() -> None:
    assert transfers((Planted("torch.tensor"), IMAGES)) >= {"aten.lift_fresh.default"}
    with pytest.raises(RuntimeError, match="meta"):
        transfers((Planted("item()"), IMAGES))


# Assignments to items that are none of a tensor in a step: (file, what is assigned to). Up to torch 2.11 x[i] = number
# waits for the GPU, and in 2.15 no check of operations sees one.
ALLOWED = {
    ("losses/watson.py", "cosines[0]"),  # a table made once
    ("models/classifier.py", "found[name]"),
    ("models/files.py", "modules['kernel_net']"),
    ("models/samplers.py", "z[chosen == k]"),  # draws after training
    ("models/vae_gan.py", "features[name]"),
    ("models/vgg19.py", "found[name]"),
    ("models/vgg19.py", "self.convolutions[f'conv{block}_{i}']"),
    ("systems/enhancenet.py", "found['perceptual']"),
    ("systems/enhancenet.py", "found['texture']"),
    ("systems/frvsr.py", "weights['flow_weight']"),
    ("systems/gan.py", "judged['mix']"),
    ("systems/gan.py", "judged['noise']"),
    ("systems/gan.py", "parts['penalty']"),
    ("systems/gan.py", "parts[LAMBDA]"),
    ("systems/rae.py", "parts['penalty']"),
    ("systems/vae_gan.py", "draws['prior']"),
    ("systems/vae_gan.py", "losses['decoder']"),
    ("systems/vae_gan.py", "losses['encoder']"),
    ("systems/vae_gan.py", "parts['term']"),
    ("train/checkpoint.py", "of.state[weight][key]"),
    ("train/checkpoint.py", "tensors['noise']"),
    ("train/feed.py", "_RESIDENT[key]"),
    ("train/loop.py", "now.sums[part]"),
    ("train/loop.py", "self._plays[key]"),
    ("train/loop.py", "self.replays[key]"),
    ("train/optimisers.py", "self.state[p]['square_avg']"),
    ("train/stage.py", "self._compiled[key]"),
    ("train/stage.py", "self.logs[key]"),
    ("train/stage.py", "self.scenes[move.name]"),
    ("train/stage.py", "self.turns[move.name]"),
}


def item_assignments(source: str) -> set[str]:
    """What this source assigns to by x[…] = …, x[…] += … or the like."""
    subscripts = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Subscript))
    return {ast.unparse(node) for node in subscripts if isinstance(node.ctx, ast.Store)}


def test_no_step_assigns_to_an_item_of_a_tensor() -> None:
    root = Path(blurvae.__file__).parent
    files = [
        file for folder in ("blur", "losses", "models", "systems", "train") for file in (root / folder).rglob("*.py")
    ]
    found = {(file.relative_to(root).as_posix(), what) for file in files for what in item_assignments(file.read_text())}
    assert found <= ALLOWED, found - ALLOWED
    assert item_assignments("x[0] = 1\ny[1:] += 2\na, b[i] = c\nfor d[0] in e: f[1]") == {
        "x[0]",
        "y[1:]",
        "b[i]",
        "d[0]",
    }
