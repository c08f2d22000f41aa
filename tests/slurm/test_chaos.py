"""24 runs on two nodes while everything dies that can: each is played once, to the numbers of an undisturbed run."""

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.claim import is_held

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm.py"
pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1500)]
SWEEP = ("method=al,al_ws,cal_er", "seed=range(8)")
SLOW = ("method.objective._target_=chaos.Slow", "trainer.checkpoint_every_seconds=1")
PLAIN = (
    "dataset=digits", "model=mlp", "trainer=cpu", "stop=fixed_epochs", "trainer.max_epochs=25", "trainer.cal_epochs=25",
    "budget.start=60", "budget.step=60", "budget.rounds=3", "trainer.batch_size=32",
)  # fmt: skip
CODE = """
import time
from calrun.method.objective import CrossEntropy

class Slow(CrossEntropy):
    def __call__(self, current, replay):
        time.sleep(0.3)
        return super().__call__(current, replay)
"""
EVENTS = Counter(
    kill_run=3, kill_step=3, kill_script=2, usr2=4, requeue=2, term=2, time_limit=1
)  # and one node, one full disk, one change of code: 20
SECONDS_BETWEEN = 1.0
GIVE_UP_SECONDS = 900.0
PATIENT_SECONDS = 4.0


class Chaos:
    """What happens to the jobs of an experiment.

    Args:
        cluster: SLURM.
        experiment: the folder of the runs.
        full: the run whose disk is full.
    """

    def __init__(self, cluster: Any, experiment: Path, full: str) -> None:
        self.cluster, self.experiment, self.full, self.rng = cluster, experiment, full, random.Random(0)
        self.hit: set[str] = set()

    def victim(self) -> dict[str, Any]:
        """Returns the status of a run that is being played, with its name; waits a while for one that was never hit."""
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            found = [path for path in self.experiment.glob("*/status.json") if is_held(path.parent)]
            for path in self.rng.sample(sorted(found), len(found)):
                said: dict[str, Any] = json.loads(path.read_text())
                is_new = path.parent.name not in self.hit or time.monotonic() > end - GIVE_UP_SECONDS + PATIENT_SECONDS
                if is_new and path.parent.name != self.full and said["state"] == "running" and said["logs"]:
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
            words[event] = ("kill", "-9", *map(str, steps_of(number)))
        return f"{event}: {run['name']} {' '.join(words[event])} {self.cluster.said(*words[event])}"

    def lose_a_node(self) -> str:
        """Kills the daemon of node 2 with all that runs there, and starts it again when SLURM has noticed."""
        daemons = [pid for pid, command in processes() if command.startswith("slurmd ") and "n2" in command]
        tasks = [pid for pid, _ in processes() if "SLURMD_NODENAME=n2" in environment_of(pid)]
        on_it = {above for pid in tasks if "slurmstepd" in command_of(above := parent_of(pid))}
        everything = [*daemons, *on_it, *tasks]
        subprocess.run(["kill", "-9", *map(str, everything)], check=False, capture_output=True)
        time.sleep(40)  # SlurmdTimeout, and SLURM's own pace
        node = [sys.executable, str(SCRIPT), "node", "2"]
        subprocess.run(node, check=True, capture_output=True)
        return f"node: {len(daemons)} daemon, {len(on_it)} steps, {len(tasks)} processes"


def processes() -> Iterator[tuple[int, str]]:
    """Yields every process with its command line."""
    for path in Path("/proc").glob("[0-9]*"):
        yield int(path.name), command_of(int(path.name))


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def environment_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def steps_of(number: str) -> list[int]:
    """Returns the process in which submitit plays a job."""
    return [
        pid
        for pid, command in processes()
        if "submitit.core._submit" in command
        and "srun" not in command
        and f"SLURM_JOB_ID={number}" in environment_of(pid)
        and "slurmstepd" in command_of(parent_of(pid))
    ]


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
    (cluster.folder / "chaos.py").write_text(CODE)
    unbroken = cluster.run("-m", *PLAIN, *SWEEP, "hydra/launcher=processes", "paths.outputs=unbroken")
    assert unbroken.wait() == 0, unbroken.communicate()
    twins = {key_of(path.parent): path.parent for path in cluster.folder.glob("unbroken/default/*/rounds.jsonl")}
    assert len(twins) == 24
    words = (*PLAIN, *SWEEP, *SLOW, "paths.outputs=jobs", "timeout_min=15")
    planned = cluster.submit(*words, "additional_parameters={hold: true}")
    assert "24 of 24 runs sent in 24 jobs" in planned, planned
    experiment = cluster.folder / "jobs/default"
    names = json.loads((experiment / "sweep.json").read_text())["runs"]
    full = experiment / names[5]
    small_disk(full, "120k")
    chaos = Chaos(cluster, experiment, full.name)
    array = re.search(r"\((\d+)\)", planned)
    cluster.said("scontrol", "release", array[1])
    told = []
    node = threading.Thread(target=lambda: told.append(chaos.lose_a_node()))
    chaos.victim()
    node.start()
    for event in chaos.rng.sample([*EVENTS.elements()], EVENTS.total()):
        told.append(f"{time.strftime('%X')} {chaos.happen(event)}")
        print(told[-1], flush=True)
        time.sleep(SECONDS_BETWEEN)
    node.join()
    code = cluster.folder / "chaos.py"
    code.write_text(code.read_text().replace("0.3)", "0.1)"))  # those that have not begun refuse, and so do those begun
    small_disk(full, "50m")
    end = time.monotonic() + GIVE_UP_SECONDS
    while (last := cluster.watch("jobs")[-1]) != "24 finished":
        assert time.monotonic() < end, (told, cluster.status("jobs"))
        told.append(f"{time.strftime('%X')} {last}")
        cluster.submit(*words, "--accept-code")
    print("\n".join(told))
    for folder in (path.parent for path in experiment.glob("*/rounds.jsonl")):
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
