"""Several processes end where one would: batch norm, gradients, curves, resuming, and what happens when one is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from blurvae import experiments, losses
from blurvae.datasets import ImageSet, to_float
from blurvae.errors import Diverged, MissingData
from blurvae.models import VAE, KernelNet
from blurvae.parallel import SOLO, GlobalBatchNorm2d, Team, join, line, synchronise
from blurvae.record import execute, read
from blurvae.systems import BlurVAE
from blurvae.systems.vae import Players
from blurvae.train import Budget, Scene, State, fit, loop

pytest.importorskip("lightning_fabric")
pytestmark = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods() or not dist.is_gloo_available(),
    reason="needs forked processes that gloo joins",
)

LIMIT = 60.0  # seconds after which processes count as hanging
TERMS = {
    "l2": losses.get("l2"),
    "wiener": losses.get("wiener", kernel_size=3),
    "wiener-proper, elbo": losses.get("wiener-proper", kernel_size=3, kernel_path="elbo"),
}
SYSTEM = BlurVAE(warm_up=1, lr=1e-3, kernel_lr=1e-3, latent=4)
BUDGET = Budget(epochs=3, batch_size=8, seed=3, precision="float32")


# Processes ----------------------------------------------------------------------------------------------------------


@dataclass
class Ended:
    """What the processes of a job left behind: exit codes and returned values by rank, and what they printed."""

    codes: list[int | None]
    values: list[Any]
    printed: str


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # the fork server imports this file by name
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")
        patch.delenv("BLURVAE_DATA", raising=False)
        for name in [name for name in os.environ if name.startswith("SLURM_")]:
            patch.delenv(name)
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            ["test_parallel", "blurvae.record", "lightning_fabric", "torch._dynamo"]
        )
        yield


def torchrun_variables(rank: int, size: int) -> dict[str, str]:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    return {name: str(value) for name, value in names.items()}


def slurm_variables(rank: int, size: int) -> dict[str, str]:
    """What srun sets for one step on one machine."""
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "blurvae",
        "SLURM_STEP_ID": "0",
        "SLURM_NODELIST": "localhost",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_NTASKS": str(size),
        "SLURM_NTASKS_PER_NODE": str(size),
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
    }


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def child(variables: dict[str, str], log: str, end: Connection, what: Callable[..., Any], arguments: tuple) -> None:
    """One process of a job: joins the others, works and sends what came of it."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ.update(variables)
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = -1.0  # after every window of steps
    line.PULSE = 0.2
    try:
        with Team.from_environment("cpu") as team:
            end.send_bytes(pickle.dumps(what(team, *arguments)))  # send() would share the tensors' memory
    except (ValueError, OSError, Diverged, KeyboardInterrupt) as error:  # as the command line does it
        sys.exit(f"said: {error}")


@contextmanager
def jobs(folder: Path) -> Iterator[Callable[..., Ended]]:
    """Starts processes that run `what(team, *arguments)`, and ends them for sure."""
    started: list[Any] = []

    def start(what: Callable[..., Any], *arguments: Any, size: int = 2, variables: Any = torchrun_variables) -> Ended:
        context, port, pairs = multiprocessing.get_context("forkserver"), free_port(), []
        log = folder / f"log-{port}"
        for rank in range(size):
            ours, theirs = context.Pipe(duplex=False)
            given = {**variables(rank, size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            process = context.Process(target=child, args=(given, str(log), theirs, what, arguments))
            process.start()
            theirs.close()
            started.append(process)
            pairs.append((process, ours))
        values, end = [], time.monotonic() + LIMIT
        for _, ours in pairs:
            with suppress(EOFError):
                came = ours.poll(max(0, end - time.monotonic()))
                values.append(pickle.loads(ours.recv_bytes()) if came else "nothing came")
                continue
            values.append(None)
        for process, _ in pairs:
            process.join(max(0, end - time.monotonic()))
        return Ended([process.exitcode for process, _ in pairs], values, log.read_text() if log.exists() else "")

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.join()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Callable[..., Ended]]:
    with jobs(tmp_path) as start:
        yield start


def done(ended: Ended) -> list[Any]:
    """The values of a job in which all went well and nothing was printed."""
    assert (set(ended.codes), ended.printed) == ({0}, ""), ended
    return ended.values


# What a team agrees on ----------------------------------------------------------------------------------------------


def agree(team: Team) -> dict[str, Any]:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied", "folder")

    def absent() -> str:
        if team.rank == 1:
            raise MissingData("natural is not on this machine")
        return "here"

    def raised(call: Callable[..., Any], do: Callable[[], Any]) -> tuple[str, str]:
        with pytest.raises(OSError) as caught:
            call(do)
        return type(caught.value).__name__, str(caught.value)

    return {
        "rank": (team.rank, team.size, team.is_first, team.device),
        "share": team.share(torch.arange(8).view(4, 2)).tolist(),
        "mean": team.mean(torch.tensor([[1.0, float(team.rank)]])).tolist(),
        "object": team.broadcast_object({"rank": team.rank, "loss": [1.5, float("inf")]}),
        "first": team.first(lambda: [team.rank]),
        "first, failed": raised(team.first, refuse),
        "together": team.together(lambda: team.rank),
        "together, failed": raised(team.together, absent),
        "after that": team.broadcast_object(team.rank),
    }


def test_what_rank_0_says_is_heard_by_all(job: Callable[..., Ended]) -> None:
    zero, one = done(job(agree))
    assert [zero["rank"], one["rank"]] == [(0, 2, True, "cpu"), (1, 2, False, "cpu")]
    assert [zero["share"], one["share"]] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert zero["mean"] == one["mean"] == [[1.0, 0.5]]
    assert zero["object"] == one["object"] == {"rank": 0, "loss": [1.5, float("inf")]}
    assert zero["first"] == one["first"] == [0]
    assert zero["first, failed"] == ("PermissionError", "[Errno 13] Permission denied: 'folder'")
    assert one["first, failed"] == ("OSError", "[Errno 13] Permission denied: 'folder'")
    assert (zero["together"], one["together"]) == (0, 1)
    assert zero["together, failed"] == one["together, failed"] == ("MissingData", "natural is not on this machine")
    assert zero["after that"] == one["after that"] == 0


def test_srun_is_recognised_by_its_variables(job: Callable[..., Ended]) -> None:
    values = done(job(agree, variables=slurm_variables))
    assert [value["rank"] for value in values] == [(0, 2, True, "cpu"), (1, 2, False, "cpu")]


def test_one_process_is_a_team_that_exchanges_nothing() -> None:
    rows, net = torch.arange(5), nn.Sequential(nn.BatchNorm2d(2))
    parameters = list(net.parameters())
    with SOLO as team:
        team.check(7)
        team.prepare(net)
        team.average_gradients(parameters)
        team.barrier()
        assert torch.equal(team.share(rows), rows) and torch.equal(team.mean(rows), rows)
        assert team.broadcast_object("a") == team.first(lambda: "a") == team.together(lambda: "a") == "a"
        assert team.is_first and (team.rank, team.size) == (0, 1)
    assert type(net[0]) is nn.BatchNorm2d


@pytest.mark.parametrize(
    "variables",
    [
        {},
        torchrun_variables(0, 1),
        {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"},  # a batch script: nobody started a second process
        {**slurm_variables(0, 2), "SLURM_JOB_NAME": "interactive"},
    ],
    ids=["nobody", "torchrun of one", "sbatch without srun", "a shell of srun's"],
)
def test_a_process_of_its_own_is_no_team(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)  # it is not even looked for
    assert Team.from_environment() is SOLO
    assert Team.from_environment("cpu").device == "cpu"


def set_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in torchrun_variables(0, 2).items():
        monkeypatch.setenv(name, value)


def test_a_missing_package_is_named_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    set_torchrun(monkeypatch)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(ValueError, match=r"2 processes, and the package lightning_fabric.* '\.\[parallel"):
        Team.from_environment("cpu")


def test_srun_without_the_number_of_tasks_a_node_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm_variables(0, 2).items():
        if name != "SLURM_NTASKS_PER_NODE":
            monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"srun started 2 processes: .* --ntasks-per-node"):
        Team.from_environment("cpu")


def test_devices_that_several_processes_cannot_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_torchrun(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"sees 1 GPU of the 2 that the 2 processes .* or pass --device cpu"):
        Team.from_environment("auto")
    with pytest.raises(ValueError, match="name their device 'cpu', 'cuda' or 'auto', not 'cuda:0'"):
        Team.from_environment("cuda:0")


# Batch norm ---------------------------------------------------------------------------------------------------------


def batches(case: str) -> tuple[list[Tensor], list[Tensor]]:
    """Three batches of 6 images and the gradients that come back for them."""
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(6, 4, 3, 5, generator=generator, dtype=torch.float64) for _ in range(6)]
    images, gradients = x[:3], x[3:]
    images[2] = images[2] + torch.arange(6.0).view(6, 1, 1, 1)  # the ranks' means differ by more than their spread
    match case:
        case "float32 with large means":
            images = [(batch + 3000).float() for batch in images]
            gradients = [gradient.float() for gradient in gradients]
        case "channels last":
            images = [batch.contiguous(memory_format=torch.channels_last) for batch in images]
    return images, gradients


CASES = {
    "float64": {"dtype": torch.float64},
    "channels last": {"dtype": torch.float64},
    "cumulative": {"dtype": torch.float64, "momentum": None},
    "without weights": {"dtype": torch.float64, "affine": False},
    "without running moments": {"dtype": torch.float64, "track_running_stats": False},
    "float32 with large means": {},
}


def normalised(layer: nn.Module, case: str, share: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """Outputs, gradients and moments of three steps on a part of each batch."""
    if getattr(layer, "affine", False):
        with torch.no_grad():
            layer.weight.copy_(torch.linspace(0.5, 2, 4))
            layer.bias.copy_(torch.linspace(-1, 1, 4))
    out: dict[str, Any] = {"y": [], "dx": []}
    for x, dy in zip(*batches(case)):
        leaf = share(x).clone().requires_grad_()
        y = nn.functional.leaky_relu(layer(leaf), 0.3, inplace=True)  # as the networks have it
        y.backward(share(dy))
        out["y"].append(y.detach())
        out["dx"].append(leaf.grad)
    out["parameters"] = {name: parameter.grad for name, parameter in layer.named_parameters()}
    out["buffers"] = dict(layer.named_buffers())
    layer.eval()
    out["evaluated"] = layer(batches(case)[0][0]).detach()
    return out


def normalise(team: Team) -> dict[str, Any]:
    found = {}
    for case, given in CASES.items():
        net = nn.Sequential(nn.BatchNorm2d(4, **given))
        team.prepare(net)
        found[case] = normalised(net[0], case, team.share)
    return found


def test_batch_norm_is_that_of_the_whole_batch(job: Callable[..., Ended]) -> None:
    """Outputs, gradients, running moments of three steps, against torch's layer on the concatenated batch."""
    ranks = done(job(normalise))
    for case, given in CASES.items():
        expected = normalised(nn.BatchNorm2d(4, **given), case, lambda rows: rows)
        zero, one = (rank[case] for rank in ranks)
        close = {"rtol": 1e-10, "atol": 1e-10} if given else {"rtol": 1e-3, "atol": 1e-3}
        for name in ("y", "dx"):
            for a, b, whole in zip(zero[name], one[name], expected[name], strict=True):
                torch.testing.assert_close(torch.cat((a, b)), whole, msg=f"{case}: {name}", **close)
                assert a.is_contiguous() == whole[:3].is_contiguous()
        for name, whole in expected["parameters"].items():
            torch.testing.assert_close(zero["parameters"][name] + one["parameters"][name], whole, msg=case, **close)
        assert zero["buffers"].keys() == expected["buffers"].keys()
        for name, whole in expected["buffers"].items():
            assert torch.equal(zero["buffers"][name], one["buffers"][name])
            torch.testing.assert_close(zero["buffers"][name], whole, msg=f"{case}: {name}", **close)
        torch.testing.assert_close(zero["evaluated"], expected["evaluated"], msg=case, **close)


def test_the_reference_of_the_batch_norm_has_the_gradient_of_its_differences() -> None:
    x = batches("float64")[0][2].requires_grad_()
    assert torch.autograd.gradcheck(nn.BatchNorm2d(4, dtype=torch.float64), (x,))


def half(team: Team) -> dict[str, Tensor]:
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    nn.init.constant_(net[0].bias, 50)  # where neighbouring numbers of bf16 are a quarter apart
    team.prepare(net)
    with torch.autocast("cpu", torch.bfloat16):
        x = net[0](team.share(batches("float64")[0][0].float())).detach().requires_grad_()
        y = net[1](x)
    y.float().square().sum().backward()
    return {"x": x.detach(), "y": y.detach(), "dx": x.grad, "variance": net[1].running_var}


def test_under_autocast_the_moments_are_float32(job: Callable[..., Ended]) -> None:
    zero, one = done(job(half))
    x = torch.cat((zero["x"], one["x"]))
    assert {x.dtype, zero["y"].dtype, zero["dx"].dtype} == {torch.bfloat16}
    assert torch.equal(zero["variance"], one["variance"]) and zero["variance"].dtype == torch.float32
    expected = 0.9 + 0.1 * x.double().transpose(0, 1).flatten(1).var(1)
    torch.testing.assert_close(zero["variance"].double(), expected, rtol=1e-6, atol=0)


def penalise(team: Team) -> str:
    net = nn.Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))
    team.prepare(net)
    x = team.share(batches("float64")[0][0].float()).clone().requires_grad_()
    with pytest.raises(ValueError) as caught:  # where a slope is asked for that can be differentiated again
        torch.autograd.grad(net(x).square().sum(), x, create_graph=True)
    torch.autograd.grad(net(x).square().sum(), x)
    return str(caught.value)


def test_a_gradient_penalty_through_it_is_refused_with_the_way_out(job: Callable[..., Ended]) -> None:
    for said in done(job(penalise)):
        assert "with a gradient penalty in one process, or take a network without batch norm" in said


def test_what_is_synchronised_keeps_its_names_its_tensors_and_its_behaviour_alone() -> None:
    vae = players().vae
    before, tensors = list(vae.state_dict()), {id(tensor) for tensor in vae.parameters()}
    x = to_float(torch.from_numpy(pixels(6)))
    expected = players().vae(x)
    synchronise(vae)
    assert sum(type(module) is GlobalBatchNorm2d for module in vae.modules()) == 4
    assert list(vae.state_dict()) == before and {id(tensor) for tensor in vae.parameters()} == tensors
    assert torch.equal(vae(x).x_hat, expected.x_hat)


# Gradients and curves -----------------------------------------------------------------------------------------------


def pixels(n: int, size: int = 8) -> np.ndarray:
    """Smooth random images, uint8 (n, 3, size, size)."""
    x = torch.rand(n, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    x = nn.functional.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)
    return (255 * x).to(torch.uint8).numpy()


def image_set(n: int = 24) -> ImageSet:
    return ImageSet("patches", "train", pixels(n), None, "random", "none", None, "0123")


def players(seed: int = 0) -> Players:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Players(VAE("A", size=8, widths=(6, 10), latent=4, hidden=12), KernelNet(4, 3, 16))


def tensors(who: Players) -> dict[str, Tensor]:
    nets = {name: net for name, net in zip(who._fields, who) if net is not None}
    return {f"{name}/{key}": value.clone() for name, net in nets.items() for key, value in net.state_dict().items()}


def three_steps(team: Team, name: str) -> dict[str, Any]:
    """Both players in float64, from weights that only rank 0 has: the first gradients, and what three steps lead to."""
    who, generator = players(team.rank), torch.Generator().manual_seed(1)
    system = replace(SYSTEM, term=TERMS[name], beta=0.7)
    nets = [net for net in who if net is not None]
    for net in nets:
        net.double().train()
        team.prepare(net)
    adams = [torch.optim.Adam(net.parameters(), 1e-3, eps=1e-4) for net in nets]  # no steps of rounding
    found: dict[str, Any] = {"parts": []}
    for x in to_float(torch.from_numpy(pixels(24))).double().split(8):
        noise = torch.randn(8, 4, generator=generator, dtype=torch.float64)
        turn = system.play(who, Scene(team.share(x), {"n": team.share(noise)}, {}, nullcontext), system.term)
        for player, loss in turn.losses.items():
            torch.autograd.backward(loss, inputs=[*getattr(who, player).parameters()], retain_graph=True)
        for net, adam in zip(who, adams):
            team.average_gradients(net.parameters())
            if len(found["parts"]) == 0:
                found |= {f"{net.__class__.__name__}.{key}": p.grad.clone() for key, p in net.named_parameters()}
            adam.step()
            adam.zero_grad()
        found["parts"].append(team.mean(torch.stack([part.detach() for part in turn.parts.values()])))
    return found | tensors(who)


def steps(team: Team) -> dict[str, Any]:
    return {name: three_steps(team, name) for name in TERMS}


@pytest.mark.parametrize("size", [2, 4])
def test_gradients_weights_and_moments_are_those_of_the_whole_batch(job: Callable[..., Ended], size: int) -> None:
    ranks = done(job(steps, size=size))
    for name in TERMS:
        expected = three_steps(SOLO, name)
        assert sum("running" in key for key in expected) == 8 and expected["VAE.encoder.3.weight"].abs().max() > 0.1
        for rank in ranks:
            torch.testing.assert_close(rank[name].pop("parts"), expected["parts"], rtol=1e-10, atol=0)
            for key, value in rank[name].items():
                torch.testing.assert_close(value, expected[key], rtol=1e-8, atol=1e-10, msg=f"{name}: {key}")
                assert torch.equal(value, ranks[0][name][key])


def near(ours: dict[str, Any], expected: dict[str, Any], rel: float) -> None:
    """Demands that the records of two epochs agree."""
    assert ours.keys() == expected.keys() and ours["phase"] == expected["phase"]
    for name in ours.keys() - {"phase"}:
        assert ours[name] == pytest.approx(expected[name], rel=rel), name


def train(team: Team, names: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    found = {}
    for name in names:
        who = players(team.rank)
        system = replace(SYSTEM, term=TERMS[name])
        history = fit(system, who, image_set(), BUDGET, device="cpu", team=team, **changes)
        found[name] = (history, tensors(who))
    return found


def test_the_curve_is_that_of_one_process(job: Callable[..., Ended]) -> None:
    """Three epochs of three steps in float32, the first of warm-up."""
    zero, one = done(job(train, tuple(TERMS)))
    for name in TERMS:
        history, state = train(SOLO, (name,))[name]
        assert zero[name][0] == one[name][0]
        for ours, expected in zip(zero[name][0], history, strict=True):
            near(ours, expected, 1e-5)
        for key, value in state.items():
            assert torch.equal(zero[name][1][key], one[name][1][key]), key
            # A bias before a batch norm has no gradient but rounding, of which Adam makes steps: the mean moves along.
            if "running_var" in key or key.startswith("kernel_net"):
                torch.testing.assert_close(zero[name][1][key], value, rtol=1e-3, atol=1e-4, msg=f"{name}: {key}")


def refused(team: Team) -> list[str]:
    said = []
    for batch_size, compile in ((9, False), (8, True)):
        with pytest.raises(ValueError) as caught:
            fit(SYSTEM, players(), image_set(), Budget(1, batch_size), device="cpu", team=team, compile=compile)
        said.append(str(caught.value))
    return said


def test_what_several_processes_cannot_do_is_refused_before_any_work(job: Callable[..., Ended]) -> None:
    for batch, fused in done(job(refused)):
        assert batch.startswith("batch_size 9 does not divide by the 2 processes of this job: choose a multiple of 2")
        assert fused.startswith("compile fuses the step of one process")


# Losing a process ---------------------------------------------------------------------------------------------------


def train_until(team: Team, folder: Path, who: int, moment: int, sign: int) -> dict[str, Any]:
    """A training that may be resumed, in which one rank is killed after a step."""

    def callback(state: State) -> None:
        if (team.rank, state.step) == (who, moment):
            os.kill(os.getpid(), sign)

    return train(team, ("wiener",), checkpoint=folder, resume=True, callback=callback)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a job that nobody disturbs ends with."""
    folder = tmp_path_factory.mktemp("whole")
    with jobs(folder) as start:
        return done(start(train_until, folder / "run", -1, 0, 0))[0]["wiener"]


@pytest.mark.parametrize("who", [0, 1])
def test_a_killed_rank_is_named_and_the_job_goes_on_from_its_checkpoint(
    job: Callable[..., Ended], tmp_path: Path, whole: Any, who: int
) -> None:
    """Killed after step 5 of 9, resumed from the checkpoint of step 3: the bits of a job that nobody disturbs."""
    folder = tmp_path / "run"
    ended = job(train_until, folder, who, 5, signal.SIGKILL)
    assert sorted(ended.codes) == [-signal.SIGKILL, 1] and ended.codes[who] == -signal.SIGKILL
    assert ended.printed.startswith(f"blurvae: rank {who} of 2 ({socket.gethostname()}, process ")
    assert ended.printed.endswith("; the same command with --resume goes on from the last checkpoint.\n")
    assert ended.printed.count("\n") == 1
    assert json.loads((folder / "checkpoint.json").read_text())["progress"]["step"] == 3
    for history, state in (value["wiener"] for value in done(job(train_until, folder, -1, 0, 0))):
        assert history == whole[0]
        for key, value in whole[1].items():
            assert torch.equal(state[key], value), key


def test_one_process_goes_on_where_two_left_off(job: Callable[..., Ended], tmp_path: Path, whole: Any) -> None:
    job(train_until, tmp_path / "run", 1, 5, signal.SIGKILL)
    history, state = train(SOLO, ("wiener",), checkpoint=tmp_path / "run", resume=True)["wiener"]
    for ours, expected in zip(history, whole[0], strict=True):
        near(ours, expected, 1e-5)
    assert len(state) == len(whole[1])


def test_a_process_that_is_told_to_stop_takes_the_others_along(job: Callable[..., Ended], tmp_path: Path) -> None:
    ended = job(train_until, tmp_path / "run", 1, 5, signal.SIGTERM)
    assert ended.codes == [1, 1]
    assert ended.printed.startswith("blurvae: rank 1 of 2 (") and ended.printed.count("\n") == 1
    assert "it was told to stop; the same command with --resume" in ended.printed


def lose(team: Team, who: int, how: str) -> None:
    """One rank ends while the others wait for it, or for rank 0."""
    line.PATIENCE = line.SOON
    if team.rank == who:
        match how:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "data":
                raise MissingData("natural is not on this machine: get it.")
            case "bug":
                raise KeyError("bug")
    team.broadcast_object(None) if team.rank else time.sleep(LIMIT)


def test_what_is_lost_while_others_wait_is_noticed(job: Callable[..., Ended]) -> None:
    ended = job(lose, 2, "killed", size=3)
    assert ended.codes == [1, 1, -signal.SIGKILL]
    assert ended.printed.startswith("blurvae: rank 2 of 3 (") and ended.printed.count("\n") == 1


@pytest.mark.parametrize("how", ["data", "bug"])
def test_what_fails_on_one_rank_only_is_said_once(job: Callable[..., Ended], how: str) -> None:
    ended = job(lose, 1, how)
    assert ended.codes == [1, 1]
    said = [line for line in ended.printed.splitlines() if line.startswith("blurvae: ")]
    assert len(said) == 1 and said[0].startswith("blurvae: rank 1 of 2 (")
    assert {"data": "natural is not on this machine: get it.", "bug": "bug"}[how] in said[0]
    assert ("Traceback" in ended.printed) == (how == "bug")  # what nobody expected shows where it was


def fail_alike(team: Team) -> None:
    raise Diverged(f"it diverged on rank {team.rank}")


def test_what_fails_on_all_ranks_is_said_by_the_first(job: Callable[..., Ended]) -> None:
    ended = job(fail_alike)
    assert ended.codes == [1, 1]
    assert ended.printed == "said: it diverged on rank 0\n"


def diverge_and_go_on(team: Team, out: Path) -> tuple[str, str, str]:
    """Two runs one after the other, of which the first diverges, and then that one again with `resume`."""
    (run,) = [r for r in experiments.get("table5").runs("smoke", "natural", [0]) if r.method == "l2"]
    said = []
    for resume in (False, True):
        with pytest.raises(Diverged) as caught:
            execute(run.with_changes({"lr": "1e30"}), out=out, device="cpu", team=team, resume=resume)
        said.append(str(caught.value))
    return *said, execute(run, out=out, device="cpu", team=team).outcome


def test_a_run_that_diverges_is_recorded_and_the_next_one_goes_on(job: Callable[..., Ended], tmp_path: Path) -> None:
    zero, one = done(job(diverge_and_go_on, tmp_path / "out"))
    assert zero == one
    assert "Training diverged at step 2 (epoch 1)" in zero[0] and "recorded as diverged (epoch 1)" in zero[1]
    outcomes = [read(path).outcome for path in sorted((tmp_path / "out").rglob("*.json"))]
    assert sorted(outcomes) == sorted(["diverged", zero[2]])


# The commands -------------------------------------------------------------------------------------------------------


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=3 * LIMIT)
        return subprocess.CompletedProcess(command, process.returncode, out, err)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_blurvae_run_under_torchrun_writes_one_result_and_speaks_once(tmp_path: Path) -> None:
    """The command as a reader types it, beside the same run in one process."""
    changes = {"epochs": "2", "precision": "float32"}
    (one,) = [r for r in experiments.get("table5").runs("smoke", "natural", [0]) if r.method == "wiener"]
    alone = execute(one.with_changes(changes), out=tmp_path / "one", device="cpu").record
    settings = [text for pair in changes.items() for text in ("--set", "=".join(pair))]
    ended = torchrun("-m", "blurvae.cli", "run", "table5", "--only", "wiener", "--device", "cpu", "--json", *settings,
                     "--out", str(tmp_path / "two"))  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (said,) = json.loads(ended.stdout)
    record = read(Path(said["path"])).record
    assert record["run"] == json.loads(json.dumps(alone["run"])) and record["provenance"]["processes"] == 2
    for ours, theirs in zip(record["history"], alone["history"], strict=True):
        parts = ("phase", "reconstruction", "kl", "kernel_loss", "kernel_width")
        near(*({part: epoch[part] for part in parts} for epoch in (ours, theirs)), 1e-3)
    assert record["metrics"]["PSNR"]["mean"] == pytest.approx(alone["metrics"]["PSNR"]["mean"], abs=0.01)
    files = [sorted(path.name for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("one", "two")]
    assert files[0] == files[1] and len(files[0]) == 3, "a record, its pictures, and what it shares"


# Strange environments


@pytest.mark.parametrize("missing", ["LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_a_half_set_environment_of_torchrun_names_what_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_torchrun(monkeypatch)
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.delenv(missing)
    with pytest.raises(ValueError, match=rf"torchrun started .* lacks {missing}: .*env -u RANK -u WORLD_SIZE blurvae"):
        Team.from_environment("cpu")


@pytest.mark.parametrize(("name", "value"), [("WORLD_SIZE", ""), ("WORLD_SIZE", "two"), ("WORLD_SIZE", "²")])
def test_a_variable_that_is_no_number_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_torchrun(monkeypatch)
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"The variable {name} is {value!r}"):
        Team.from_environment("cpu")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SLURM_NTASKS_PER_NODE", "2(x3)", r"SLURM_NTASKS_PER_NODE is '2\(x3\)'"),
        ("SLURM_NNODES", "3", "2 processes, and 2 on each of 3 machines are 6"),
        ("SLURM_LOCALID", "", "slurm started .* lacks SLURM_LOCALID: start it with srun"),
    ],
)
def test_an_odd_environment_of_slurm_is_refused(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, text in (slurm_variables(0, 2) | {name: value}).items():
        monkeypatch.setenv(key, text)
    with pytest.raises(ValueError, match=said):
        Team.from_environment("cpu")


def test_a_terminal_of_sruns_is_no_team_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**slurm_variables(0, 2), "SLURM_JOB_NAME": "zsh", "SLURM_PTY_PORT": "4242"}.items():
        monkeypatch.setenv(name, value)
    assert Team.from_environment() is SOLO


def test_who_waits_says_so_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(join, "WAITING", 0.01)
    with pytest.raises(ValueError, match=r"2 processes of this job did not meet \(Timed out\).*env -u SLURM_STEP_ID"):
        with join._patience("slurm", 2):
            time.sleep(0.3)
            raise dist.DistStoreError("Timed out\nafter 600 s")
    assert "waiting for the 2 processes" in capsys.readouterr().err
    with join._patience("torchrun", 2):
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == ""  # who comes soon hears nothing
