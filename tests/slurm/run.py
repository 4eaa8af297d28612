"""The smoke grid on a real one-node SLURM: `make test-slurm`.

Debian's slurm-wlm (munged, slurmctld, slurmd) is started on loopback with a configuration of its own, Snakemake submits
the runs to it, one job is killed on the way, and the results are compared with those of a local run, bit by bit. Needs
root and some minutes; what it started and wrote is gone afterwards, the Debian packages and `_build/slurm` excepted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from blurvae import paths
from blurvae.experiments.matrix import matrix as queued
from blurvae.record import Run, execute, needs, read

sys.path.insert(0, str(paths.root() / "workflow"))
import matrix

CONF = Path("/etc/slurm/slurm.conf")  # srun within a job knows no other place
MARK = "# Written by tests/slurm/run.py of blurvae; removed when the test ends."
TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
PACKAGES = ("slurm-wlm", "munge")


def main() -> None:
    """Runs the test and prints its figures; ends with 1 where a result is missing or another one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=paths.build() / "slurm", help="folder for results; replaced")
    out = parser.parse_args().out.resolve()
    demand()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that everything is taken down
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.set_num_threads(1)  # as the workflow gives a smoke run: the order of sums depends on it
    wanted = [entry.run for entry in queued("smoke", out) if not needs(entry.run)]  # the workflow's choice
    started = time.monotonic()
    with cluster():
        version = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        killed = submit(out, wanted)
    spent = time.monotonic() - started
    for run in wanted:
        execute(run, out=out / "local", resume=True, device="cpu")
    equal = [run for run in wanted if same(run, out / "results", out / "local")]
    left = subprocess.run(snakemake(out, "-n"), capture_output=True, text=True, check=False)
    idle = "Nothing to be done" in left.stdout + left.stderr
    print(
        f"{version}: {len(wanted)} runs in {spent:.0f} s; killed (SIGKILL) {killed}, finished by its retry; "
        f"{len(equal)} of {len(wanted)} results equal those of a local run bit by bit; "
        f"afterwards {'nothing' if idle else 'something'} is to be done"
    )
    if len(equal) < len(wanted) or not idle:
        sys.exit("test-slurm: failed")


def demand() -> None:
    """Ends with one sentence where the test cannot run; installs the Debian packages where they are absent."""
    if os.geteuid() != 0:
        sys.exit("test-slurm: SLURM's daemons and /etc/slurm need root: run it as root, in a container for instance.")
    for module in ("snakemake", "snakemake_executor_plugin_slurm"):
        if importlib.util.find_spec(module) is None:
            sys.exit(f"test-slurm: {module} is not here: install the extra packages with pip install -e '.[workflow]'.")
    if CONF.exists() and MARK not in CONF.read_text(encoding="utf-8"):
        sys.exit(f"test-slurm: {CONF} belongs to another SLURM and stays as it is: run the test on another machine.")
    if all(map(shutil.which, TOOLS)):
        if CONF.exists() and "UP" in subprocess.run(["scontrol", "ping"], capture_output=True, text=True).stdout:
            sys.exit("test-slurm: another one is running here: let it end first.")
        return
    if not shutil.which("apt-get"):
        sys.exit("test-slurm: the test takes SLURM from Debian's slurm-wlm, and there is no apt-get here.")
    print(f"test-slurm: installing {', '.join(PACKAGES)} (they stay)", file=sys.stderr)
    install = ["apt-get", "install", "-qq", "--no-install-recommends", *PACKAGES]
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    if any(subprocess.run(command, **quiet).returncode for command in (["apt-get", "update", "-qq"], install)):
        sys.exit("test-slurm: apt-get could not install slurm-wlm: see its message above.")


# The cluster --------------------------------------------------------------------------------------------------------


@contextmanager
def cluster() -> Iterator[None]:
    """One node on loopback; its daemons, its configuration and its folder are gone afterwards."""
    with ExitStack() as stack:
        for left in Path("/run").glob("blurvae-slurm-*"):  # by a test that was killed
            shutil.rmtree(left)
        # munged refuses a folder that others may write to, as those below /tmp are
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/run", prefix="blurvae-slurm-")))
        folder.chmod(0o755)
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        key = folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        own = not CONF.parent.exists()
        CONF.parent.mkdir(exist_ok=True)
        if own:
            stack.callback(CONF.parent.rmdir)
        stack.callback(CONF.unlink, missing_ok=True)
        CONF.write_text(configuration(folder), encoding="utf-8")
        places = [f"--{name}={folder / f'munge.{name}'}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        stack.enter_context(daemon(folder, "munged", "--foreground", f"--key-file={key}", *places))
        await_success("munge", "-n", f"--socket={folder / 'munge.socket'}")
        stack.enter_context(daemon(folder, "slurmctld", "-D"))
        await_success("scontrol", "ping", text="UP")
        stack.enter_context(daemon(folder, "slurmd", "-D"))
        await_success("sinfo", "--noheader", "--format=%T", text="idle")
        stack.callback(drain)
        yield


def configuration(folder: Path) -> str:
    """A slurm.conf for this machine alone."""
    host = socket.gethostname().partition(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    lines = {
        "ClusterName": "blurvae",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "SlurmUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder / 'munge.socket'}",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "MpiDefault": "none",
        "ReturnToService": 2,
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "NodeName": f"{host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory * 9 // 10}",
        "PartitionName": "test Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
    }
    return "\n".join([MARK, *(f"{name}={value}" for name, value in lines.items())]) + "\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def daemon(folder: Path, *command: str) -> Iterator[None]:
    """A process in the foreground, ended with the block."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | {"PATH": path}
        )
    try:
        yield
    except RuntimeError:  # it does not answer
        print(f"{command[0]}:", (folder / f"{command[0]}.log").read_text()[-2000:], sep="\n", file=sys.stderr)
        raise
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, by force where it does not end within 20 s."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_success(*command: str, text: str = "", seconds: float = 30.0) -> None:
    """Repeats a command until it ends well and says the text."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and text in done.stdout:
            return
        time.sleep(0.2)
    raise RuntimeError(f"{' '.join(command)} did not succeed within {seconds:.0f} s: {done.stdout} {done.stderr}")


def drain() -> None:
    """Ends the jobs that are left, so that no process outlives its daemon."""
    subprocess.run(["scancel", "--user=root"], check=False)
    for _ in range(60):
        if not subprocess.run(["squeue", "--noheader"], capture_output=True, check=False).stdout.strip():
            return
        time.sleep(0.5)


# The runs -----------------------------------------------------------------------------------------------------------


def snakemake(out: Path, *options: str) -> list[str]:
    """The command that makes the tables of tier smoke, which ask for every run."""
    command = [sys.executable, "-m", "snakemake", "-s", paths.root() / "workflow" / "Snakefile", "--directory", out]
    config = ["tier=smoke", f"results={out / 'results'}", f"out={out}", "device=cpu"]
    return [*map(str, command), *options, "--config", *config, "--", "tables"]


def submit(out: Path, wanted: list[Run]) -> str:
    """Lets Snakemake submit the runs and kills the first job that trains; returns its number and its run.

    Ends the test where the workflow failed, or no job could be killed.
    """
    profile = paths.root() / "workflow" / "profiles" / "slurm"
    options = ["--workflow-profile", str(profile), "--slurm-no-account", "--slurm-status-command", "squeue"]
    options += ["--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "20", "--quiet", "rules"]
    killed = ""
    process = subprocess.Popen(snakemake(out, *options))
    try:
        while process.poll() is None:
            killed = killed or kill_one(out / "results", wanted)
            time.sleep(0.5)
    finally:
        end(process)
    if process.returncode or not killed:
        sys.exit(f"test-slurm: Snakemake ended with {process.returncode}; killed: {killed or 'no job'}.")
    return killed


def kill_one(results: Path, wanted: list[Run]) -> str:
    """Kills a job (kill -9 of all its processes) whose run is at work; an empty text where there is none yet."""
    listed = subprocess.run(
        ["squeue", "--noheader", "--states=running", "--format=%i %k"], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        job, _, comment = line.partition(" ")
        for run in wanted:
            begun = run.unfinished(results).exists() and not run.path(results).exists()
            if begun and comment == f"rule_{matrix.rule(run)}":
                subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
                return f"job {job} ({run.experiment}/{run.name})"
    return ""


def same(run: Run, *folders: Path) -> bool:
    """Whether a run has the same record in both folders, machine and time excepted, and the same pictures."""
    if not all(run.path(folder).exists() for folder in folders):
        return False
    first, second = (read(run.path(folder)) for folder in folders)
    records = [json.dumps(r.record | {"provenance": None}, sort_keys=True) for r in (first, second)]
    pictures = first.pictures.keys() == second.pictures.keys()
    pictures = pictures and all(np.array_equal(first.pictures[k], second.pictures[k]) for k in first.pictures)
    return first.run == run and records[0] == records[1] and pictures


if __name__ == "__main__":
    main()
