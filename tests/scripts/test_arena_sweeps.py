"""Simulated sweeps keep the level, and find what was planned: a few in the quick suite, 10,000 beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "arena_sweeps.py"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_10000_sweeps_keep_level_and_power() -> None:
    assert subprocess.run([sys.executable, str(SCRIPT), "--sweeps", "10000"], check=False).returncode == 0
