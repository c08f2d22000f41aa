"""Who holds a folder."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from calrun.folder.claim import Claim, Found, HeldError, Holder, LostError, newest
from calrun.machine.job import Job
from calrun.machine.process import began

HOLD = """
import sys, time
from pathlib import Path
from calrun.folder.claim import Claim
claim = Claim(Path(sys.argv[1]), stale_seconds=float(sys.argv[2]))
print("held", flush=True)
for word in sys.stdin:
    try:
        claim.require()
        print("mine", flush=True)
    except ValueError as error:
        print(error, flush=True)
"""
SHORT = 1.5
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that hold tmp_path and look at their claim whenever they are asked."""
    begun: list[subprocess.Popen[str]] = []

    def start(stale_seconds: float = 300) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(stale_seconds)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str]) -> str:
    """What a process says of its claim."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("?\n")
    return process.stdout.readline()


def left_by(folder: Path, seconds_ago: float = 0.0, number: int = 1, **changes: object) -> Path:
    """A claim as another process would have left it."""
    path = folder / f".claim-{number}"
    path.write_text(json.dumps(asdict(replace(Holder.this_process(), **changes))))  # type: ignore[arg-type]
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return path


def test_a_folder_is_held_by_one_until_it_is_released(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    with pytest.raises(HeldError, match=rf"another process is running in .* from process {os.getpid()} on "):
        Claim(tmp_path)
    claim.require()
    claim.release()
    assert not list(tmp_path.iterdir())
    Claim(tmp_path).release()


def test_a_living_process_keeps_its_folder_and_a_killed_one_loses_it_at_once(tmp_path: Path, hold: Start) -> None:
    process = hold()
    with pytest.raises(HeldError, match=f"process {process.pid} on "):
        Claim(tmp_path)
    process.send_signal(signal.SIGKILL)
    while began(process.pid):  # a zombie from then on: nobody has fetched its exit code
        time.sleep(0.01)
    claim = Claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".claim-2"]
    claim.require()
    claim.release()


def test_a_paused_process_loses_its_folder_in_time_and_says_so_when_it_wakes(tmp_path: Path, hold: Start) -> None:
    process = hold(SHORT)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(HeldError):
        Claim(tmp_path, stale_seconds=SHORT)
    time.sleep(1.5 * SHORT)
    claim = Claim(tmp_path, stale_seconds=SHORT)
    process.send_signal(signal.SIGCONT)
    said = ask(process)
    assert f"{tmp_path} was taken from this process" in said
    assert f"process {os.getpid()} on" in said
    claim.require()
    process.communicate()
    claim.require()  # its end has not removed the claim of another
    claim.release()


def test_a_heartbeat_keeps_a_folder_however_long_its_holder_works(tmp_path: Path, hold: Start) -> None:
    process = hold(SHORT)
    time.sleep(2 * SHORT)
    with pytest.raises(HeldError):
        Claim(tmp_path, stale_seconds=SHORT)
    assert ask(process) == "mine\n"


def test_a_short_pause_costs_nothing(tmp_path: Path, hold: Start) -> None:
    process = hold(SHORT)
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5 * SHORT)
    process.send_signal(signal.SIGCONT)
    assert ask(process) == "mine\n"
    with pytest.raises(HeldError):
        Claim(tmp_path, stale_seconds=SHORT)


@pytest.mark.parametrize(
    ("seconds_ago", "changes", "is_held"),
    [
        (0, {}, True),
        (301, {}, False),
        (299, {"machine": "elsewhere 1 2", "pid": 2**22 + 1}, True),
        (301, {"machine": "elsewhere 1 2"}, False),
        (-1000, {"machine": "elsewhere 1 2"}, True),  # a clock that is ahead
        (0, {"pid": 2**22 + 1}, False),
        (0, {"began": "12"}, False),  # the number of an ended process, used again
    ],
)
def test_the_heartbeat_decides_and_a_process_of_this_machine_is_looked_for(
    seconds_ago: float, changes: dict[str, object], is_held: bool, tmp_path: Path
) -> None:
    left_by(tmp_path, seconds_ago, **changes)
    found = newest(tmp_path)
    assert found is not None
    assert found.is_dead(time.time()) != is_held
    if is_held:
        with pytest.raises(HeldError):
            Claim(tmp_path)
    else:
        Claim(tmp_path).release()
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("attempt", "is_held"), [(0, True), (1, False)])
def test_a_requeued_job_need_not_wait_for_its_first_attempt(
    attempt: int, is_held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(tmp_path, machine="elsewhere 1 2", job=Job("77", 0))
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(attempt))
    if is_held:
        with pytest.raises(HeldError, match="of job 77"):
            Claim(tmp_path)
    else:
        Claim(tmp_path).release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_claim_that_cannot_be_read_is_held_until_it_is_stale(tmp_path: Path, text: str) -> None:
    path = left_by(tmp_path)
    path.write_text(text)
    with pytest.raises(HeldError, match="an unknown process"):
        Claim(tmp_path)
    os.utime(path, (0, 0))
    Claim(tmp_path).release()


def test_of_many_takers_one_wins(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        left_by(folder, seconds_ago=1000)
        won: list[Claim] = []
        gate = threading.Barrier(8)

        def take(folder: Path = folder, won: list[Claim] = won, gate: threading.Barrier = gate) -> None:
            gate.wait()
            with suppress(HeldError):
                won.append(Claim(folder))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        won[0].require()
        won[0].release()
        assert not list(folder.iterdir())


def test_a_taker_that_looked_too_early_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its look and its claim another process has taken over, ended, and a third one has begun."""
    first = left_by(tmp_path, seconds_ago=1000)
    link = os.link

    def late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        first.unlink()
        left_by(tmp_path)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(HeldError):
        Claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".claim-1"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    claim = Claim(tmp_path)
    with pytest.raises(HeldError):
        Claim(tmp_path)
    claim.require()
    claim.release()
    assert not list(tmp_path.iterdir())


def test_a_claim_that_somebody_removes_is_lost(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    (tmp_path / ".claim-1").unlink()
    with pytest.raises(LostError, match="was deleted while this process held it, or its claim's file was"):
        claim.require()


def test_a_folder_that_somebody_deletes_is_lost_and_stays_away(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    claim = Claim(folder)
    shutil.rmtree(folder)
    with pytest.raises(LostError, match=f"{folder} was deleted while this process held it"):
        claim.require()
    claim.release()
    assert not folder.exists()


def test_another_users_claim_is_judged_by_its_heartbeat_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text may not be read and its file not be removed: a folder with the sticky bit."""
    path = left_by(tmp_path, pid=2**22 + 1)
    read, unlink = Path.read_text, Path.unlink

    def refuse(call: Callable[..., object]) -> Callable[..., object]:
        def refusing(self: Path, *args: object, **more: object) -> object:
            if self == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
            return call(self, *args, **more)

        return refusing

    monkeypatch.setattr(Path, "read_text", refuse(read))
    monkeypatch.setattr(Path, "unlink", refuse(unlink))
    with pytest.raises(HeldError, match="an unknown process"):
        Claim(tmp_path)
    os.utime(path, (0, 0))
    claim = Claim(tmp_path)
    claim.require()
    claim.release()
    assert [left.name for left in tmp_path.iterdir()] == [".claim-1"]


def test_a_forked_process_neither_keeps_nor_releases_the_folder(tmp_path: Path) -> None:
    claim = Claim(tmp_path, stale_seconds=SHORT)
    child = os.fork()
    if not child:
        claim.release()
        os._exit(threading.active_count())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1  # no heartbeat there
    claim.require()
    claim.release()


ORPHAN = """
import os, signal, sys, time
from pathlib import Path
from calrun.folder.claim import Claim
claim = Claim(Path(sys.argv[1]))
child = os.fork()
if child:
    print(child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(60)
"""


def test_an_orphaned_worker_does_not_keep_its_parents_folder(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.wait()
        assert began(worker)
        Claim(tmp_path).release()
        os.kill(worker, signal.SIGKILL)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    path = left_by(tmp_path, seconds_ago=100)
    before = path.stat()
    tmp_path.chmod(0o555)
    found = newest(tmp_path)
    assert isinstance(found, Found)
    assert str(found).startswith("last heartbeat 20")
    tmp_path.chmod(0o755)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert [left.name for left in tmp_path.iterdir()] == [".claim-1"]
