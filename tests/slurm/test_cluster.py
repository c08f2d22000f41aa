"""The tests' own SLURM (scripts/slurm.py): up, down, what a test may kill, and what it refuses."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm.py"
PORT = 27420  # beside the SLURM of the other tests


@dataclass
class Own:
    """A SLURM beside that of the other tests.

    Args:
        folder: of its files.
    """

    folder: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts a command of the script, whose output a daemon would hold open if it could."""
        line = [sys.executable, str(SCRIPT), *words, "--folder", str(self.folder), "--port", str(PORT)]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def script(self, *words: str) -> tuple[int, str, str]:
        """Returns exit code and output of a command of the script."""
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def said(self, *words: str) -> str:
        """Returns what a client of SLURM prints."""
        environment = {**os.environ, "SLURM_CONF": f"{self.folder}/slurm.conf"}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

    def processes(self) -> dict[int, str]:
        """Returns number and command line of what names the folder in its command line or environment."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes() + b"\0" + (path / "environ").read_bytes()
            except OSError:
                continue
            if f"{self.folder}/".encode() in words:
                found[int(path.name)] = words.split(b"\0")[0].decode()
        return found

    def pid(self, name: str) -> int:
        """Returns the process number of a daemon."""
        return int((self.folder / f"{name}.pid").read_text())


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own") / "slurm"
    yield folder
    Own(folder).script("down")


@pytest.fixture
def own(own_folder: Path) -> Own:
    """Returns a SLURM that is up."""
    code, _, err = Own(own_folder).script("up")
    if code == 3:
        pytest.skip(err.strip())
    assert code == 0, err
    return Own(own_folder)


@pytest.mark.slurm
def test_up_twice_leaves_the_first_as_it_is(own: Own) -> None:
    before = own.processes()
    code, out, err = own.script("up")
    assert (code, out, err) == (0, f"{own.folder}/env.sh\n", "SLURM is already up\n")
    assert own.processes() == before
    assert f"export SLURM_CONF={own.folder}/slurm.conf\n" in (own.folder / "env.sh").read_text()


@pytest.mark.slurm
def test_jobs_run_on_both_nodes_with_their_cpus_and_gpus_and_are_accounted_for(own: Own) -> None:
    tell = "echo $SLURMD_NODENAME $SLURM_CPUS_ON_NODE $CUDA_VISIBLE_DEVICES $SLURM_JOB_ID"
    lines = own.said(
        "srun", "--nodes=2", "--ntasks=2", "--cpus-per-task=4", "--gres=gpu:2", "sh", "-c", tell
    ).splitlines()
    job = lines[0].split()[-1]
    assert sorted(lines) == [f"n1 4 0,1 {job}", f"n2 4 0,1 {job}"]
    state = ("sacct", "--allocations", "--noheader", "--parsable2", "--format=State,ExitCode", f"--jobs={job}")
    own.said("srun", "--nodelist=n2", "sleep", "1")  # accounting hears of an end a moment later
    assert own.said(*state).split() == ["COMPLETED|0:0"]


@pytest.mark.slurm
def test_a_killed_slurmd_comes_back_and_its_job_goes_on(own: Own) -> None:
    job = own.said("sbatch", "--parsable", "--nodelist=n1", "--output=/dev/null", "--wrap=sleep 300").strip()
    state = ("squeue", "--noheader", "--format=%T", f"--jobs={job}")
    while own.said(*state).strip() != "RUNNING":
        time.sleep(0.1)
    killed = own.pid("slurmd.n1")
    os.kill(killed, signal.SIGKILL)
    assert own.script("node", "1")[0] == 0
    assert own.pid("slurmd.n1") != killed
    assert own.said("srun", "--nodelist=n1", "printenv", "SLURMD_NODENAME") == "n1\n"
    assert own.said(*state) == "RUNNING\n"
    again = own.pid("slurmd.n1")
    assert own.script("node", "1")[0] == 0
    assert own.pid("slurmd.n1") == again
    own.said("scancel", job)


@pytest.mark.slurm
def test_what_is_half_dead_is_cleared_and_made_anew(own: Own) -> None:
    own.said("sbatch", "--output=/dev/null", "--wrap=sleep 301")
    before = own.processes()
    for name in ("slurmctld", "slurmd.n2"):
        os.kill(own.pid(name), signal.SIGKILL)
    assert own.script("up")[::2] == (0, "SLURM is up: nodes n1 and n2\n")
    assert not set(own.processes()) & set(before)
    assert own.said("sinfo", "--noheader", "--partition=main", "--format=%N %t") == "n[1-2] idle\n"
    assert own.said("squeue", "--noheader") == ""


@pytest.mark.slurm
def test_down_leaves_no_process_though_jobs_run_and_two_callers_bring_up_one(own: Own) -> None:
    own.said("sbatch", "--output=/dev/null", "--wrap=setsid sleep 302 & sleep 303")
    own.said("srun", "--nodelist=n1", "true")  # the job has begun by now
    assert own.script("down") == (0, "", "")
    assert own.processes() == {}
    assert not own.folder.exists()
    assert own.script("down") == (0, "", "")
    code, _, err = own.script("node", "1")
    assert (code, "no SLURM is up" in err) == (2, True)
    both = [own.start("up"), own.start("up")]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(said) == ["SLURM is already up\n", "SLURM is up: nodes n1 and n2\n"]
    assert [name for name in own.processes().values() if name == "slurmctld"] == ["slurmctld"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("up", "--folder", "/tmp/a b"), "--folder wants at most 80 letters, digits and ./_-, got '/tmp/a b'"),
        (("up", "--port", "80"), "--port wants a number from 1024 to 65000, got 80"),
        (("node",), "`node` wants the number of a node, 1 or 2"),
        (("up", "1"), "`node` wants the number of a node, 1 or 2"),
    ],
)
def test_a_mistake_is_refused_in_one_sentence(words: tuple[str, ...], reason: str) -> None:
    ended = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, reason in ended.stderr) == (2, True), ended.stderr


def test_a_folder_with_other_files_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "slurm.conf").write_text("ClusterName=ours\n")
    code, _, err = Own(tmp_path).script("down")
    assert (code, "holds something else than this script's SLURM" in err) == (2, True), err
    assert (tmp_path / "slurm.conf").exists()


def test_a_machine_that_cannot_have_one_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import slurm_packages

    monkeypatch.setattr(slurm_packages, "SEARCHED", str(tmp_path))
    with pytest.raises(slurm_packages.LackingError, match=r"munge, mariadb-server-core, .* no apt-get here"):
        slurm_packages.install()
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho E: no network >&2\nexit 100\n")
    apt.chmod(0o755)
    with pytest.raises(slurm_packages.LackingError, match=r"apt-get update` failed: E: no network"):
        slurm_packages.run(str(apt), "update")
