"""A real SLURM on this machine: two pretended nodes with accounting, brought up once for all tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm.py"
SECONDS = 240.0  # for anything that a job is waited for to do: its imports take half a minute on a busy machine
Answer = TypeVar("Answer")
LAUNCHER = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=0", "hydra.launcher.cpus_per_task=1")
OBJECTIVES = """
import time
from calrun.method.objective import CrossEntropy

class Slow(CrossEntropy):
    def __call__(self, current, replay):
        time.sleep(0.05)
        return super().__call__(current, replay)

class Diverging(CrossEntropy):
    def __call__(self, current, replay):
        return super().__call__(current, replay) * float("nan")
"""


@dataclass
class Cluster:
    """SLURM, and calrun as it is typed on its login node.

    Args:
        folder: where commands run.
        environment: of every command.
    """

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts a command."""
        process = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.started.append(process)
        return process

    def run(self, *words: str) -> subprocess.Popen[str]:
        """Starts `calrun run` on this node."""
        return self.start(sys.executable, "-m", "calrun.cli", "run", *words)

    @property
    def calrun(self) -> tuple[str, ...]:
        """The command."""
        return sys.executable, "-m", "calrun.cli"

    @property
    def resources(self) -> tuple[str, ...]:
        """What jobs of these tests ask for."""
        return "gpus_per_node=0", "cpus_per_task=1"

    def launch(self, *words: str) -> subprocess.Popen[str]:
        """Starts a multirun with a job for each run, which waits for them."""
        return self.run("-m", *LAUNCHER, *words)

    def submit(self, *words: str) -> str:
        """Submits runs and returns what the command says."""
        return self.said(*self.calrun, "submit", *self.resources, *words)

    def watch(self, folder: str) -> list[str]:
        """Waits until no run below a folder is running or in the queue; returns the last lines that are shown."""
        return self.said(*self.calrun, "status", "--watch", folder).splitlines()

    def said(self, *words: str) -> str:
        """Returns what a command prints."""
        out, err = self.start(*words).communicate(timeout=SECONDS)
        return out + err

    def status(self, folder: str) -> list[str]:
        """Returns the lines of `calrun status`, without its headers."""
        return self.said(sys.executable, "-m", "calrun.cli", "status", folder).splitlines()[1:]

    def endings(self, job: str, steps: bool = False) -> list[str]:
        """Returns state and exit code of each attempt at a job, or of its steps, once accounting has the last."""
        what = ("--parsable2", "--noheader", "--duplicates", "--format=State,ExitCode", f"--jobs={job}")
        words = ("sacct", *what, *(() if steps else ("--allocations",)))

        def ended() -> list[str]:
            lines = self.said(*words).splitlines()
            return [] if any(line.startswith(("RUNNING", "PENDING", "COMPLETING")) for line in lines) else lines

        return wait(ended)

    def reached(self, outputs: str, this_round: int, attempt: int = 0, other_than: int = 0) -> dict[str, Any]:
        """Waits until the run with seed 0 fits a round, and returns what its status says then.

        Args:
            outputs: the folder below which it lies.
            this_round: the round, or any later one.
            attempt: how often its job has been requeued.
            other_than: the number of a process that no longer counts.
        """

        def fits() -> dict[str, Any]:
            for path in (self.folder / outputs).glob("*/*-s0-*/status.json"):
                said: dict[str, Any] = json.loads(path.read_text())
                is_this = not attempt or (said["logs"] and said["logs"][-1]["attempt"] == attempt)
                if said.get("round", 0) >= this_round and said.get("phase") == "fit" and is_this:
                    return said if said["pid"] != other_than else {}
            return {}

        return wait(fits)

    def close(self) -> None:
        """Ends the commands that have not ended, and takes their jobs away."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        listed = ("squeue", "--noheader", "--Format=jobid:|,workdir:1000|")
        told = subprocess.run(listed, env=self.environment, check=False, capture_output=True, text=True).stdout
        jobs = [line.split("|")[0].strip() for line in told.splitlines() if str(self.folder) in line]
        if jobs:
            subprocess.run(["scancel", *jobs], env=self.environment, check=False)


def wait(look: Callable[[], Answer]) -> Answer:
    """Returns the first answer that says something."""
    end = time.monotonic() + SECONDS
    while not (answer := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
    return answer


@pytest.fixture(scope="session")
def slurm() -> Iterator[dict[str, str]]:
    """Brings SLURM up, unless it is; returns what its commands want in the environment."""
    up = subprocess.run([sys.executable, str(SCRIPT), "up"], capture_output=True, text=True, check=False)
    if up.returncode == 3:
        pytest.skip(up.stderr.strip())
    assert up.returncode == 0, up.stderr
    exports = Path(up.stdout.splitlines()[-1]).read_text().splitlines()
    yield dict(line.removeprefix("export ").split("=", 1) for line in exports if line.startswith("export "))
    if "already up" not in up.stderr:
        subprocess.run([sys.executable, str(SCRIPT), "down"], check=False, capture_output=True)


@pytest.fixture
def cluster(slurm: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """Returns SLURM with calrun on it, and the classes above in the folder where commands run."""
    (tmp_path / "objectives.py").write_text(OBJECTIVES)
    root = str(Path(__file__).parents[2])
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    places = {"PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    found = Cluster(tmp_path, {**mine, **slurm, **places})
    yield found
    found.close()
