"""Who reads what the command prints does not decide whether it goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALRUN = [sys.executable, "-m", "calrun"]


@pytest.mark.slow
def test_a_run_goes_on_when_its_reader_goes_away(tmp_path: Path, small: tuple[str, ...]) -> None:
    command = [*CALRUN, "run", f"paths.outputs={tmp_path}", *small]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)
    (rounds,) = tmp_path.rglob("rounds.jsonl")
    assert len(rounds.read_text().splitlines()) == 3


def test_a_list_ends_quietly_when_its_reader_goes_away() -> None:
    process = subprocess.Popen([*CALRUN, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)


def test_signs_that_the_terminal_cannot_show_end_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "données ±"
    folder.mkdir()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [*CALRUN, "status", str(folder)], capture_output=True, env=environment, check=False, text=True
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{tmp_path}/donn?es ? holds no run" in ended.stderr.replace("\\n", "")
