"""Runs ended by every signal at every instant go on as the unbroken one (scripts/kill_matrix.py)."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "kill_matrix.py"
CASES = 5 * 7  # signals and instants


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="looks for orphans in /proc")
@pytest.mark.parametrize("mode", ["resident", "streamed", "two-phase", "stored targets", "inner fit"])
def test_a_run_ended_by_any_signal_at_any_instant_goes_on_as_the_unbroken_one(mode: str) -> None:
    command = [sys.executable, str(SCRIPT), "--modes", mode, "--delays", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    cases = [line for line in ended.stderr.splitlines() if line.startswith(mode)]
    assert len(cases) == 2 * CASES, ended
    assert [case for case in cases if not case.endswith("as it should be")] == []
    assert ended.returncode == 0, ended
