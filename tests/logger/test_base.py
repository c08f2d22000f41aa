"""Lines of finished rounds that go nowhere but the run folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_run_without_a_logger_makes_no_folder_of_one(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    assert play("logger=none", "budget.rounds=1").code == 0
    assert not [path for path in run_folder().iterdir() if path.is_dir()]
