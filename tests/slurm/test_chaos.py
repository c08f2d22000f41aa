"""24 runs on two nodes while everything dies that can: each is played once, to the numbers of an undisturbed run."""

import json
import os
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.claim import is_held

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1500)]
SWEEP = ("method=al,cal_er,cal_sds2", "seed=range(8)")
SLOW = ("method.objective._target_=chaos.Slow", "trainer.checkpoint_every_seconds=1")
PLAIN = (
    "dataset=digits", "model=mlp", "trainer=cpu", "stop=fixed_epochs", "trainer.max_epochs=25", "trainer.cal_epochs=25",
    "budget.start=60", "budget.step=60", "budget.rounds=3", "trainer.batch_size=32",
)  # fmt: skip
CODE = """
import time
from calrun.method.objective import {base}

class Slow({base}):
    def __call__(self, current, replay):
        time.sleep(0.04)
        return super().__call__(current, replay)
"""
EVENTS = Counter(
    kill_run=3, kill_step=3, kill_script=2, usr2=4, requeue=2, term=2, node=1, time_limit=1
)  # and one full disk, and one change of code: 20
SECONDS_BETWEEN = 3.0
GIVE_UP_SECONDS = 900.0


class Chaos:
    """What happens to the jobs of an experiment.

    Args:
        cluster: SLURM.
        experiment: the folder of the runs.
    """

    def __init__(self, cluster: Any, experiment: Path) -> None:
        self.cluster, self.experiment, self.rng = cluster, experiment, random.Random(0)
        self.hit: set[str] = set()

    def victim(self) -> dict[str, Any]:
        """Returns the status of a run that is being played and has not been hit, with its name; waits for one."""
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            found = [path for path in self.experiment.glob("*/status.json") if is_held(path.parent)]
            for path in self.rng.sample(sorted(found), len(found)):
                said: dict[str, Any] = json.loads(path.read_text())
                if path.parent.name not in self.hit and said["state"] == "running" and said["logs"]:
                    self.hit.add(path.parent.name)
                    return {**said, "name": path.parent.name, "job": said["logs"][-1]["job"]}
            time.sleep(0.2)
        raise AssertionError("no run is being played")

    def happen(self, event: str) -> str:
        """Lets one thing happen, and returns to whom."""
        run = self.victim()
        job = run["job"]
        number = self.cluster.said("squeue", "--noheader", "--array", "--format=%A", f"--jobs={job}").strip()
        words = {
            "kill_run": ("kill", "-9", str(run["pid"])),
            "kill_step": ("pkill", "-9", "-f", f"_submit .*/{self.experiment.name}/.jobs/.*"),
            "kill_script": ("pkill", "-9", "-f", f"job{number}/slurm_script"),
            "usr2": ("scancel", "--signal=USR2", job),
            "term": ("scancel", "--signal=TERM", job),
            "requeue": ("scontrol", "requeue", job),
            "time_limit": ("scontrol", "update", f"JobId={number}", "TimeLimit=1"),
        }
        if event == "kill_step":
            (step,) = steps_of(number)
            words[event] = ("kill", "-9", str(step))
        if event == "node":
            return f"node: {self.lose_a_node()}"
        return f"{event}: {run['name']} {' '.join(words[event])} {self.cluster.said(*words[event])}"

    def lose_a_node(self) -> str:
        """Kills the daemon of node 2 with all its steps; it starts again when SLURM has noticed."""
        daemons = [pid for pid, command in processes() if command.startswith("slurmd ") and "n2" in command]
        on_it = [pid for pid, command in processes() if "slurmstepd" in command and "n2" in command]
        below = [child for pid in on_it for child in tree(pid)]
        subprocess.run(["kill", "-9", *map(str, [*daemons, *on_it, *below])], check=False, capture_output=True)
        time.sleep(40)  # SlurmdTimeout, and SLURM's own pace
        subprocess.run(["slurmd", "-f", self.cluster.environment["SLURM_CONF"], "-N", "n2"], check=True)
        return f"{len(on_it)} steps"


def processes() -> Iterator[tuple[int, str]]:
    """Yields every process with its command line."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            yield int(path.name), path.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def tree(pid: int) -> list[int]:
    """Returns all processes below one."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            children.append(int(path.parent.name))
    return [*children, *(below for child in children for below in tree(child))]


def steps_of(number: str) -> list[int]:
    """Returns the process in which submitit plays a job."""
    found = []
    for pid, command in processes():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "submitit.core._submit" in command and "srun" not in command and f"SLURM_JOB_ID={number}" in environment:
            found.append(pid)
    return found[:1]


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, str], None]]:
    """Gives a folder a disk of its own, or changes the size of the one that it has."""
    mounted: list[Path] = []

    def of_size(folder: Path, size: str) -> None:
        how = f"remount,size={size}" if folder in mounted else f"size={size}"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)], check=True)
        mounted.append(folder)

    yield of_size
    for folder in dict.fromkeys(mounted):
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_no_run_is_lost_and_none_counted_twice(
    cluster: Any, result_of: Callable[[Path], Any], small_disk: Callable[[Path, str], None]
) -> None:
    base = "calrun.method.objective"
    for name, words in {"chaos": CODE.format(base="CrossEntropy")}.items():
        (cluster.folder / f"{name}.py").write_text(words)
    unbroken = cluster.run("-m", *PLAIN, *SWEEP, "hydra/launcher=processes", "paths.outputs=unbroken")
    assert unbroken.wait() == 0, unbroken.communicate()
    twins = {key_of(path.parent): path.parent for path in cluster.folder.glob("unbroken/default/*/rounds.jsonl")}
    assert len(twins) == 24, base
    words = (*PLAIN, *SWEEP, *SLOW, "paths.outputs=jobs", "timeout_min=15")
    planned = cluster.submit(*words, "additional_parameters={hold: true}")
    assert "24 of 24 runs sent in 24 jobs" in planned, planned
    experiment = cluster.folder / "jobs/default"
    names = json.loads((experiment / "sweep.json").read_text())["runs"]
    full = experiment / names[5]
    small_disk(full, "120k")
    chaos = Chaos(cluster, experiment)
    chaos.hit |= {names[5]}
    array = re.search(r"\((\d+)\)", planned)
    cluster.said("scontrol", "release", array[1])
    told = []
    for event in chaos.rng.sample([*EVENTS.elements()], EVENTS.total()):
        told.append(f"{time.strftime('%X')} {chaos.happen(event)}")
        time.sleep(SECONDS_BETWEEN)
    code = cluster.folder / "chaos.py"
    code.write_text(code.read_text().replace("0.04", "0.03"))  # those that have not begun refuse, and so do those begun
    small_disk(full, "50m")
    end = time.monotonic() + GIVE_UP_SECONDS
    while (last := cluster.watch("jobs")[-1]) != "24 finished":
        assert time.monotonic() < end, (told, cluster.status("jobs"))
        told.append(f"{time.strftime('%X')} {last}")
        cluster.submit(*words, "--accept-code")
    print("\n".join(told))
    for folder in experiment.glob("*/"):
        twin = twins[key_of(folder)]
        assert [line["round"] for line in rounds_of(folder)] == [1, 2, 3]
        assert result_of(folder) == result_of(twin), (folder.name, told)
    assert len(list(experiment.glob("*/rounds.jsonl"))) == 24


def key_of(folder: Path) -> tuple[str, str]:
    """Method and seed of a run."""
    _, _, method, _, seed, _ = folder.name.split("-")
    return method, seed


def rounds_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def test_the_machine_has_what_these_tests_hit(cluster: Any) -> None:
    assert os.geteuid() == 0
    assert cluster.said("sinfo", "--noheader", "--format=%D").split()[0] == "2"
