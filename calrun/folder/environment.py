"""What a run ran on: versions, code, device, command."""

import json
import os
import platform
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from calrun.machine.files import replace_text
from calrun.machine.process import num_cpus

PACKAGES = ("calrun", "torch", "torchvision", "pytorch-lightning", "hydra-core", "numpy", "scikit-learn", "timm")


def add_attempt(path: Path, device: torch.device) -> None:
    """Adds what this process runs on to environment.json, which has an entry for each attempt at a run, newest last."""
    attempts: list[Any] = []
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):  # a damaged file is begun again
        attempts = list(json.loads(path.read_text())["attempts"])
    replace_text(path, json.dumps({"attempts": [*attempts, environment(device)]}, indent=1) + "\n")


def environment(device: torch.device) -> dict[str, Any]:
    """Returns what a reader needs to judge a run's numbers and to run it again."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": device_name(device),
        "cpu": _cpu_name(),
        "cpu_count": num_cpus(),
        "threads": torch.get_num_threads(),
        "host": socket.gethostname(),
        "slurm": {name: os.environ[name] for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT") if name in os.environ},
    }


def device_name(device: torch.device) -> str:
    """Returns the device's product name, or its type if it has none."""
    module = torch.get_device_module(device)
    return str(module.get_device_name(device)) if hasattr(module, "get_device_name") else device.type


def git_commit() -> str | None:
    """Returns the commit of the code that runs, with a + if files differ from it; `None` outside a checkout."""
    here = Path(__file__).parents[1]
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return commit + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]  # a killed git would leave a lock
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
