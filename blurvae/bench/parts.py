"""The parts of the benchmark, each a function of a plan that returns its figures for the JSON."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from blurvae import losses, paths
from blurvae.bench import counts, loops
from blurvae.bench.loops import Job
from blurvae.bench.processes import (
    Clock,
    NotRun,
    Series,
    Timing,
    alone,
    cores,
    interleave,
    plain,
    prepare,
    ratio,
    speed,
    synchronise,
)
from blurvae.blur import block_circulant, gaussian_kernel, log_abs_det
from blurvae.machine import memory_kept
from blurvae.training import State

CELEBA = 162_770  # images of CelebA's official training split
EPSILON = 0.5  # of the log-determinant, as in the paper's table of likelihoods
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Plan:
    """How large everything is.

    Attributes:
        job: the training, at the paper's widths unless quick.
        quick: small networks and few repetitions, for tests: the figures mean nothing.
        timing: of training steps.
        batches: batch sizes of the training step.
        sizes: the two sides in px, with widths and batch size, at which Wiener and L2 are compared.
        kernels: the two kernel sizes.
        loader_workers: numbers of loading processes that the opponents are tried with; the fastest is taken.
        ceilings: filled once measured.
    """

    job: Job
    quick: bool
    timing: Timing
    batches: tuple[int, ...]
    sizes: tuple[tuple[int, tuple[int, ...], int], ...]
    kernels: tuple[int, ...]
    loader_workers: tuple[int, ...]
    ceilings: dict[str, Any] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.job.device == "cuda"


def plan(device: str, precision: str, quick: bool, compile: bool) -> Plan:
    """The plan for a device."""
    if quick:
        small = Job(device, precision, 4, 16, (4, 8), 8, 16, 3, images=32, compile=compile)
        return Plan(small, True, Timing(2, 2, 0.01, 1), (4,), ((16, (4, 8), 4), (32, (4, 8), 4)), (3, 5), (0,))
    job = Job(device, precision, images=32_768 if device == "cuda" else 1024, compile=compile)
    paper = (64, 128, 256, 512)
    if device == "cuda":
        sizes = ((64, paper, 512), (256, (*paper, 512, 512), 64))
        return Plan(
            job,
            False,
            Timing(20, 5, 2.0, 10),
            (64, 128, 256, 512, 1024, 2048),
            sizes,
            (11, 41),
            (0, 4, min(12, cores())),
        )
    sizes = ((64, paper, 64), (256, (*paper, 512, 512), 4))
    return Plan(job, False, Timing(2, 5, 2.0, 2), (64, 128), sizes, (11, 41), (0, 2))


# Ceilings -----------------------------------------------------------------------------------------------------------


def ceilings(plan: Plan) -> dict[str, Any]:
    """What the machine can do: matrix products and copies, in float32 and in the precision of the training.

    On a CPU that knows bf16 its speed is measured even where training takes float32. A product is also tried as a 1×1
    convolution, since torch computes convolutions by another library, on some processors a faster one; the faster
    counts.
    """
    return dict(alone(_ceilings, plan.job.device, plan.job.precision, plan.quick))


def _ceilings(device: str, precision: str, quick: bool) -> dict[str, Any]:
    where = torch.device(device)
    side = 256 if quick else 8192 if where.type == "cuda" else 2048
    length = 1 << (20 if quick else 30 if where.type == "cuda" else 26)
    repetitions = 3 if quick else 10
    found: dict[str, Any] = {}
    for name in dict.fromkeys(("float32", *(["tf32"] if where.type == "cuda" else []), *_known(where), precision)):
        dtype = DTYPES.get(name, torch.float32)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
        a, b = (torch.randn(side, side, device=where).to(dtype) for _ in range(2))
        x = torch.rand(length, device=where).to(dtype)
        y = torch.empty_like(x)
        moved = 2 * x.numel() * x.element_size()
        rows = a.T.reshape(1, side, side // 64, 64).to(memory_format=torch.channels_last)
        taps = b.T.reshape(side, side, 1, 1)
        ways: dict[str, Callable[[], object]] = {
            "product": lambda a=a, b=b: a @ b,  # type: ignore[misc]
            "1×1 convolution": lambda rows=rows, taps=taps: torch.conv2d(rows, taps),  # type: ignore[misc]
        }
        rates = [_rates(work, 2 * side**3, repetitions, where) | {"by": way} for way, work in ways.items()]
        found[name] = {
            "matrix_product": max(rates, key=lambda rate: rate["best"]),
            "memory_copy": _rates(lambda x=x, y=y: y.copy_(x), moved, repetitions, where),  # type: ignore[misc]
        }
    return found


def _known(where: torch.device) -> list[str]:
    """bf16 where a CPU has instructions for it, be they the faster ones or not."""
    return ["bf16"] if where.type == "cpu" and torch.cpu._is_avx512_bf16_supported() else []


def _rates(work: Callable[[], object], amount: float, repetitions: int, device: torch.device) -> dict[str, Any]:
    """Amount a second, best and median of several times after two that are not counted."""
    seconds = []
    for _ in range(repetitions + 2):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return {"best": amount / min(seconds[2:]), "median": amount / median(seconds[2:])}


# Training -----------------------------------------------------------------------------------------------------------


def step(plan: Plan) -> dict[str, Any]:
    """The training step at several batch sizes: ours, the plain loop, pythae."""
    prepare()
    opponents = {"eager": loops.eager} | ({"pythae": loops.pythae} if installed("pythae") else {})
    workers = {name: _loader_workers(plan, side) for name, side in opponents.items()}
    found: dict[str, Any] = {"batches": {}, "loader_workers": workers}
    for batch in plan.batches:
        job = replace(plan.job, batch=batch, images=max(plan.job.images, 4 * batch))
        sides: dict[str, Any] = {"ours": (loops.ours, (job,))}
        for name, side in opponents.items():
            sides[name] = (side, (replace(job, loader_workers=workers[name]["chosen"]),))
        found["batches"][str(batch)] = _compared(plan, job, interleave(sides, plan.timing, plan.job.device))
        if "pythae" not in opponents:
            found["batches"][str(batch)]["pythae"] = absent("pythae")
    return found


def _loader_workers(plan: Plan, side: Callable[[Clock, Job], None]) -> dict[str, Any]:
    """The number of loading processes with which an opponent is fastest, tried at one batch size in the middle."""
    job = replace(plan.job, batch=plan.batches[len(plan.batches) // 2 - 1])
    sides: dict[str, Any] = {str(n): (side, (replace(job, loader_workers=n),)) for n in plan.loader_workers}
    if len(sides) == 1:
        return {"chosen": plan.loader_workers[0]}
    tried = interleave(sides, replace(plan.timing, rounds=2), plan.job.device)
    seconds = {name: series.median for name, series in tried.items() if isinstance(series, Series)}
    return {"chosen": int(min(seconds, key=lambda n: seconds[n], default="0")), "seconds_a_step": seconds}


def _compared(plan: Plan, job: Job, measured: dict[str, Series | NotRun]) -> dict[str, Any]:
    """Speeds, ratios, memory and shares of the ceilings."""
    found: dict[str, Any] = {}
    ours = measured["ours"]
    for name, series in measured.items():
        found[name] = plain(series)
        if not isinstance(series, Series):
            continue
        found[name]["images_per_second"] = speed(series, job.batch)
        found[name] |= _shares(plan, replace(job, term="l2") if name == "pythae" else job, name, series)
        if name != "ours" and isinstance(ours, Series):
            found[name]["ours_is_faster_by"] = ratio(series, ours)
    return found


def _shares(plan: Plan, job: Job, name: str, series: Series) -> dict[str, Any]:
    """Counted work of a step against the ceilings; on a GPU the others convolve in tf32, torch's default."""
    if "not_run" in plan.ceilings:
        return {}
    precision = plan.job.precision if name == "ours" else "float32"
    ceiling = plan.ceilings["tf32" if name != "ours" and plan.on_gpu else precision]
    flop, traffic = alone(counts.flop, job), alone(counts.traffic, job, precision)
    images = job.batch / series.median
    allowed = counts.allowed(flop, traffic, ceiling)
    return {
        "flop_per_image": flop,
        "bytes_per_image": traffic,
        "share_of_arithmetic": images * flop / ceiling["matrix_product"]["best"],
        "share_of_traffic": images * traffic / ceiling["memory_copy"]["best"],
        "allowed_images_per_second": allowed,
        "share_of_allowed": images / allowed,
    }


def wiener(plan: Plan) -> dict[str, Any]:
    """A Wiener step against an L2 step, at two image and two kernel sizes."""
    prepare()
    found: dict[str, Any] = {}
    for size, widths, batch in plan.sizes:
        images = min(plan.job.images, max(4 * batch, 8192)) if size > 64 else plan.job.images
        job = replace(plan.job, size=size, widths=widths, batch=batch, images=images)
        sides: dict[str, Any] = {"l2": (loops.ours, (replace(job, term="l2"),))}
        for kernel in plan.kernels:
            sides[f"wiener {kernel}"] = (loops.ours, (replace(job, kernel=kernel),))
        measured = interleave(sides, plan.timing, plan.job.device)
        l2 = measured["l2"]
        rows: dict[str, Any] = {"batch": batch}
        for name, series in measured.items():
            rows[name] = plain(series)
            if isinstance(series, Series):
                rows[name]["images_per_second"] = speed(series, batch)
                if isinstance(l2, Series) and name != "l2":
                    rows[name]["times_l2"] = ratio(series, l2)
        found[str(size)] = rows
    return found


def epoch(plan: Plan) -> dict[str, Any]:
    """A whole epoch at CelebA's size, and what 100 epochs take; on a CPU extrapolated from 2,000 images."""
    prepare()
    images = 64 if plan.quick else CELEBA if plan.on_gpu else 2000
    epochs = 3 if plan.on_gpu else 1
    found: dict[str, Any] = {"images": images, "celeba": CELEBA, "extrapolated": images < CELEBA, "batches": {}}
    for batch in (64, 256, 1024) if plan.on_gpu and not plan.quick else plan.batches[:1]:
        stamps = alone(_epochs, replace(plan.job, batch=batch, images=images), epochs)
        first, later = stamps[0], [b - a for a, b in pairwise(stamps)]
        grown = (CELEBA // batch) / (images // batch)
        found["batches"][str(batch)] = {
            "first_epoch_with_start": first,
            "later_epochs": later,
            "epoch_at_celeba_size": grown * median(later or [first]),
            "hundred_epochs": grown * (first + 99 * median(later or [first])),
        }
    return found


def _epochs(job: Job, epochs: int) -> list[float]:
    """Seconds from the start of the training, its data in memory, to the end of each epoch."""
    made = job.data()
    batches, stamps = len(made) // job.batch, []

    def stamp(state: State) -> None:
        if state.step % batches == 0:
            synchronise(state.x.device)
            stamps.append(time.perf_counter())

    started = time.perf_counter()
    loops.train_ours(job, stamp, epochs, made)
    return [moment - started for moment in stamps]


def modes(plan: Plan) -> dict[str, Any]:
    """What the deterministic mode costs and `torch.compile` gains; both change something on a GPU only."""
    if not plan.on_gpu:
        raise NotRun("there is no GPU here; on a CPU the same seed gives the same bits in any mode")
    prepare()
    found: dict[str, Any] = {}
    for batch in (plan.batches[0], plan.batches[len(plan.batches) // 2]):
        job = replace(plan.job, batch=batch, compile=False)
        sides: dict[str, Any] = {
            "default": (loops.ours, (job,)),
            "deterministic": (loops.ours, (replace(job, deterministic=True),)),
            "compiled": (loops.ours, (replace(job, compile=True),)),
            "compiled, deterministic": (loops.ours, (replace(job, compile=True, deterministic=True),)),
        }
        measured = interleave(sides, plan.timing, plan.job.device)
        default, rows = measured["default"], {}
        for name, series in measured.items():
            rows[name] = plain(series)
            if isinstance(series, Series):
                rows[name]["images_per_second"] = speed(series, batch)
                if isinstance(default, Series) and name != "default":
                    rows[name]["times_default"] = ratio(series, default)
        found[str(batch)] = rows
    return found


# Single functions ---------------------------------------------------------------------------------------------------


def log_determinant(plan: Plan) -> dict[str, Any]:
    """log|det(K + εI)| by FFT, alone and with its gradient, and densely: time of a call against the image's size.

    For one kernel the fixed cost of a call hides the growth up to some 100 px; for 64 at once, a batch of training, it
    does not. Freed memory is kept for the next call, as during training.
    """
    fft = (8, 16, 32, 64) if plan.quick else (8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
    dense = (8, 16) if plan.quick else (8, 16, 32, 48, 64)
    return dict(alone(_log_determinant, plan.job.device, fft, dense, 2 if plan.quick else 21))


def _log_determinant(device: str, fft: Sequence[int], dense: Sequence[int], rounds: int) -> dict[str, Any]:
    where = torch.device(device)
    with memory_kept(where):
        return _log_determinants(where, fft, dense, rounds)


def _log_determinants(where: torch.device, fft: Sequence[int], dense: Sequence[int], rounds: int) -> dict[str, Any]:
    kernel = gaussian_kernel(7, 2.0, device=where)
    learnt = kernel.clone().requires_grad_()
    many = torch.rand(64, 7, 7, generator=torch.Generator().manual_seed(0)).flatten(1).softmax(-1).unflatten(-1, (7, 7))
    many = many.to(where).requires_grad_()
    matrices = {s: block_circulant(kernel, (s, s)) + EPSILON * torch.eye(s * s, device=where) for s in dense}

    def slope(kernels: Tensor, size: int) -> object:
        return torch.autograd.grad(log_abs_det(kernels, (size, size), EPSILON).sum(), kernels)

    ways: dict[str, tuple[Callable[[int], object], Sequence[int], int]] = {
        "fft": (lambda s: log_abs_det(kernel, (s, s), EPSILON), fft, rounds),
        "fft with gradient": (lambda s: slope(learnt, s), fft, rounds),
        "fft, 64 kernels": (lambda s: log_abs_det(many.detach(), (s, s), EPSILON), fft, (rounds + 1) // 2),
        "fft with gradient, 64 kernels": (lambda s: slope(many, s), fft, (rounds + 1) // 2),
        "dense": (lambda s: torch.linalg.slogdet(matrices[s]).logabsdet, dense, min(rounds, 4)),
    }
    found: dict[str, Any] = {"epsilon": EPSILON, "kernel": 7, "dtype": "float32"}
    for name, (function, sizes, times) in ways.items():
        seconds: dict[int, list[float]] = {size: [] for size in sizes}
        for i in range(times + 1):  # size after size in each round, so that a disturbance meets all of them
            for size in sizes:
                repeats = 1 if "64" in name or name == "dense" else max(1, 4 * 64**2 // size**2)
                synchronise(where)
                started = time.perf_counter()
                for _ in range(repeats):
                    function(size)
                synchronise(where)
                if i:
                    seconds[size].append((time.perf_counter() - started) / repeats)
        rows = {str(size): {"median": median(s), "min": min(s), "max": max(s)} for size, s in seconds.items()}
        least = (32 if name == "dense" else 64) if len(sizes) > 4 else 0  # px, from where the growth is fitted
        fitted = [size for size in sizes if size >= least]
        medians = [rows[str(size)]["median"] for size in fitted]
        found[name] = {
            "seconds": rows,
            "exponent": counts.growth_exponent([size**2 for size in fitted], medians),
            "fitted_from": fitted[0],
        }
    side = max(dense)
    by_fft, densely = log_abs_det(kernel, (side, side), EPSILON), torch.linalg.slogdet(matrices[side]).logabsdet
    found["difference"] = abs(by_fft.item() / densely.item() - 1)
    return found


def ffl(plan: Plan) -> dict[str, Any]:
    """Focal frequency loss with its gradient: ours against its authors' package."""
    if not installed("focal_frequency_loss"):
        raise NotRun(absent("focal-frequency-loss")["not_run"])
    batch, size = plan.batches[0], plan.job.size
    timing = replace(plan.timing, seconds=plan.timing.seconds / 4, rounds=2 * plan.timing.rounds + 1)
    sides: dict[str, Any] = {name: (_ffl, (name, plan.job.device, batch, size)) for name in ("ours", "package")}
    measured = interleave(sides, timing, plan.job.device)
    found: dict[str, Any] = {"batch": batch, "size": size} | {name: plain(s) for name, s in measured.items()}
    ours, package = measured["ours"], measured["package"]
    if isinstance(ours, Series) and isinstance(package, Series):
        found["ours_is_faster_by"] = ratio(package, ours)
    return found


def _ffl(clock: Clock, name: str, device: str, batch: int, size: int) -> None:
    torch.manual_seed(0)
    x, x_hat = (torch.rand(batch, 3, size, size, device=device) for _ in range(2))
    x_hat.requires_grad_()
    if name == "ours":
        term = losses.get("ffl")

        def loss() -> Tensor:
            return term(x, x_hat).mean()
    else:
        from focal_frequency_loss import FocalFrequencyLoss

        package = FocalFrequencyLoss()

        def loss() -> Tensor:
            value: Tensor = package(x_hat, x)
            return value

    while True:
        torch.autograd.grad(loss(), x_hat)
        clock.tick()


# The package --------------------------------------------------------------------------------------------------------

IMPORTS = {
    "torch": "import torch",
    "blurvae": "import blurvae",
    "blurvae with its parts": "from blurvae import blur, datasets, losses, metrics, models, training",
}


def imports(plan: Plan) -> dict[str, Any]:
    """Seconds of an import in a fresh interpreter, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(1 if plan.quick else 7):
        for name, statement in IMPORTS.items():
            code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            seconds[name].append(float(done.stdout))
    found: dict[str, Any] = {name: {"best": min(s), "median": median(s), "rounds": s} for name, s in seconds.items()}
    for name in list(IMPORTS)[1:]:
        found[name]["times_torch"] = found[name]["best"] / found["torch"]["best"]
    return found


def html(plan: Plan) -> dict[str, Any]:
    """How long the pages take to build (what `make html` does), into a folder that is thrown away."""
    if plan.quick:
        raise NotRun("left out of the quick benchmark")
    if not installed("jupyter_book"):
        raise NotRun(absent("jupyter-book")["not_run"])
    with TemporaryDirectory() as folder:
        code = (
            "from pathlib import Path; from blurvae.pages.notebooks import build; "
            f"build.build_html(build.copy_sources(Path({folder!r}) / 'src'), Path({folder!r}) / 'html')"
        )
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.root())
        spent = time.perf_counter() - started
        if done.returncode:
            raise NotRun(f"the pages did not build: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        pages = sum(1 for _ in Path(folder, "html").rglob("*.html"))
    return {"seconds": spent, "pages": pages}


# Profile ------------------------------------------------------------------------------------------------------------

GROUPS = (
    ("convolutions and matrix products", r"conv|addmm|aten::mm|bmm|matmul|linear"),
    ("batch norm", r"batch_norm"),
    ("Fourier transforms", r"fft"),
    ("optimiser", r"adam|optimizer|_foreach"),
    ("copies and conversions", r"copy|clone|contiguous|aten::to\b|index|cat|stack|aten::set_|select|slice|pad"),
    ("sums", r"aten::sum|mean|softmax"),
    ("random numbers", r"randn|normal_|randperm|random_"),
    ("element by element", r"aten::"),
)


def profile(plan: Plan) -> dict[str, Any]:
    """Where the time of a step goes, ours and the plain loop's, by torch's profiler (which slows a step itself)."""
    prepare()
    job = replace(plan.job, batch=plan.batches[0])
    found: dict[str, Any] = {"batch": job.batch}
    steps = 20 if plan.on_gpu and not plan.quick else 2
    for name in ("ours", "eager"):
        try:
            seconds, operators = alone(_profile, name, job, plan.timing.warm_up, steps)
        except NotRun as error:
            found[name] = {"not_run": str(error)}
            continue
        groups: dict[str, float] = {}
        for operator in operators:
            group = next((title for title, words in GROUPS if re.search(words, operator["name"], re.I)), "other")
            groups[group] = groups.get(group, 0.0) + operator["seconds"]
        groups["between operators"] = max(0.0, seconds - sum(groups.values()))
        precision = job.precision if name == "ours" else "tf32" if plan.on_gpu else "float32"
        flop, products = alone(counts.flop, job) * job.batch, groups.get(GROUPS[0][0], 0.0)
        found[name] = {
            "seconds_a_step": seconds,
            "groups": dict(sorted(groups.items(), key=lambda item: -item[1])),
            "operators": operators[:20],
            "products_share_of_arithmetic": flop / products / plan.ceilings[precision]["matrix_product"]["best"]
            if products
            else None,
        }
    return found


class _Profiled(Exception):
    """Enough steps were seen."""


def _profile(name: str, job: Job, warm_up: int, steps: int) -> tuple[float, list[dict[str, Any]]]:
    """(seconds, operators) of a step: the wall's, and those of each operator without what it called."""
    where = torch.device(job.device)
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if where.type == "cuda" else []
    profiler = torch.profiler.profile(activities=activities)
    count, started, seconds = 0, 0.0, 0.0

    def tick(*_: object) -> None:
        nonlocal count, started, seconds
        count += 1
        if count == warm_up:
            synchronise(where)
            profiler.start()
            started = time.perf_counter()
        elif count == warm_up + steps:
            synchronise(where)
            seconds = (time.perf_counter() - started) / steps
            profiler.stop()
            raise _Profiled

    try:
        if name == "ours":
            loops.train_ours(job, tick)
        else:
            loops.train_eager(job, tick)
    except _Profiled:
        pass
    which = "self_device_time_total" if where.type == "cuda" else "self_cpu_time_total"
    events = [e for e in profiler.key_averages() if "ProfilerStep" not in e.key]
    if where.type == "cuda":  # kernels stand beside the operators that launched them: count one of the two
        events = [e for e in events if e.device_type == torch.autograd.DeviceType.CPU]
    rows = [
        {"name": e.key, "calls": e.count / steps, "seconds": getattr(e, which) / 1e6 / steps}
        for e in events
        if getattr(e, which) > 0
    ]
    return seconds, sorted(rows, key=lambda row: -row["seconds"])


# --------------------------------------------------------------------------------------------------------------------


def installed(module: str) -> bool:
    """Whether a package can be imported here."""
    return find_spec(module) is not None


def absent(package: str) -> dict[str, str]:
    """What stands in the place of a figure whose package is absent."""
    return {"not_run": f"{package} is not installed: pip install -e '.[bench]'"}


PARTS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "step": step,
    "wiener": wiener,
    "log-determinant": log_determinant,
    "ffl": ffl,
    "epoch": epoch,
    "modes": modes,
    "import": imports,
    "html": html,
    "profile": profile,
}
