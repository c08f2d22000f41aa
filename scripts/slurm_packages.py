"""The Debian packages of the test SLURM (scripts/slurm.py), installed where that can be done."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "munged": "munge",
    "mariadbd": "mariadb-server-core",
    "slurmdbd": "slurmdbd",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "srun": "slurm-client",
}
SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:/usr/bin:/bin"


class LackingError(Exception):
    """The machine lacks something that a SLURM wants."""


def install() -> None:
    """Installs the packages whose programs are not there.

    Raises:
        LackingError: if that cannot be done.
    """
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program, path=SEARCHED)]
    if not missing:
        return
    apt = shutil.which("apt-get", path=SEARCHED)
    if not apt:
        raise LackingError(
            f"SLURM wants the Debian packages {', '.join(missing)}, and there is no apt-get here; install them by hand"
        )
    words = (apt, "-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::http::Timeout=20")
    with no_services():
        for command in (("update",), ("install", "--no-install-recommends", *missing)):
            run(*words, *command)


def run(*words: str) -> None:
    """Runs apt-get.

    Raises:
        LackingError: if it fails.
    """
    environment = {**os.environ, "PATH": SEARCHED, "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        ended = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd="/", check=False
        )
        log.seek(0)
        last = "".join(log.read().strip().splitlines()[-1:])
    if ended.returncode:
        raise LackingError(f"SLURM is not installed, and `{' '.join(words)}` failed: {last}")


@contextmanager
def no_services() -> Iterator[None]:
    """Keeps new packages from starting services of their own."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():  # as in most containers
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
