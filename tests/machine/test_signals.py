"""Who answers a signal, and with what."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.machine.signals import heeded

Typed = Callable[..., Any]
SENT = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


def ended(work: Callable[[], object]) -> int:
    """Runs some work under the owner of signals and returns the exit code."""
    with pytest.raises(SystemExit) as end, heeded():
        work()
    assert isinstance(end.value.code, int)
    return end.value.code


def send(name: str) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize("name", SENT)
def test_a_signal_ends_in_one_line_and_the_code_of_a_shell(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(getattr(signal, name))
    assert ended(send(name)) == 128 + getattr(signal, name)
    how = "interrupted" if name == "SIGINT" else f"ended by {name}"
    assert capsys.readouterr().err == f"calrun: {how}; the same command goes on from here\n"
    assert signal.getsignal(getattr(signal, name)) == before


def test_a_handler_that_stands_already_keeps_its_signal() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda signum, frame: seen.append(signum))  # submitit's, in a SLURM job
    try:
        with heeded():
            send("SIGUSR2")()
        assert seen == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_signal_wins_over_the_error_that_a_library_makes_of_it() -> None:
    def work() -> None:
        try:
            send("SIGTERM")()
        except SystemExit:
            raise ImportError("numpy.core.multiarray failed to import") from None

    assert ended(work) == 143


def test_a_signal_in_a_destructor_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    class Fragile:
        def __del__(self) -> None:
            send("SIGTERM")()

    went_on: list[bool] = []

    def work() -> None:
        fragile = Fragile()
        del fragile
        time.sleep(2)
        went_on.append(True)

    assert ended(work) == 143
    assert went_on == []
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_second_signal_at_once_is_the_same_one_and_closing_goes_on() -> None:
    closed: list[bool] = []

    def work() -> None:
        try:
            send("SIGINT")()
        finally:
            send("SIGINT")()
            closed.append(True)

    assert ended(work) == 130
    assert closed == [True]


STUBBORN = """
    import os, signal, time
    from calrun.machine import signals
    signals.GRACE_SECONDS, signals.IMPATIENT_SECONDS = {grace}, 0.0
    with signals.heeded():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            {after}
            time.sleep(30)
"""


@pytest.mark.parametrize(
    ("grace", "after"),
    [(0.2, "pass"), (30, "time.sleep(0.1); os.kill(os.getpid(), signal.SIGINT)")],
    ids=["grace is over", "a second signal"],
)
def test_a_process_that_does_not_end_is_ended(grace: float, after: str) -> None:
    started = time.monotonic()
    program = textwrap.dedent(STUBBORN).format(grace=grace, after=after)
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert process.returncode == 143
    assert process.stderr == "calrun: ended by SIGTERM; the same command goes on from here\n"
    assert time.monotonic() - started < 20


ENDED = """
import os, signal
from pathlib import Path
from calrun.method.fit.stop import FixedEpochs

class Ended(FixedEpochs):
    def reason(self, history):
        flag = Path(__file__).with_name("ended")
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGTERM)
        return super().reason(history)
"""


def test_termination_in_a_fit_of_a_multirun_ends_all_of_it(play: Typed, tmp_path: Path) -> None:
    (tmp_path / "ended_by.py").write_text(ENDED)
    words = ("-m", "seed=0,1", "stop=fixed_epochs", "stop._target_=ended_by.Ended", "budget.rounds=2")
    answer = play(*words)
    assert (answer.code, answer.err) == (143, "calrun: ended by SIGTERM; the same command goes on from here\n")
    assert len(list(tmp_path.rglob("status.json"))) == 1
    assert not list(tmp_path.rglob("rounds.jsonl"))
    again = play(*words)
    assert (again.code, len(list(tmp_path.rglob("rounds.jsonl")))) == (0, 2)


SLOW_TO_GO = """
import atexit
from pathlib import Path
from ended_by import Ended

class Collected:
    def __del__(self):
        Path(__file__).with_name("collected").touch()

kept = Collected()
atexit.register(Path(__file__).with_name("registered").touch)
"""


def test_a_process_that_a_signal_ends_is_gone_before_the_interpreter_collects_what_is_left(
    tmp_path: Path, small: tuple[str, ...]
) -> None:
    (tmp_path / "ended_by.py").write_text(ENDED)
    (tmp_path / "slow_to_go.py").write_text(SLOW_TO_GO.replace("__file__", repr(str(tmp_path / "slow_to_go.py"))))
    words = (*small, "stop=fixed_epochs", "stop._target_=slow_to_go.Ended", "paths.outputs=outputs")
    program = [sys.executable, "-m", "calrun.cli", "run", *words]
    process = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (
        143,
        "calrun: ended by SIGTERM; the same command goes on from here\n",
    )
    assert (tmp_path / "registered").exists()
    assert not (tmp_path / "collected").exists()
