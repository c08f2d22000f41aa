"""Where `calrun report --log` sends a report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calrun.logger.reported import logger_of


def test_it_is_the_place_that_a_run_was_sent_to(
    play: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    play("budget.rounds=1", "experiment_name=mine")
    (config,) = tmp_path.rglob("config.yaml")
    text = config.read_text()
    assert "_target_: calrun.logger.base.Logger\n" in text
    place = "_target_: calrun.logger.trackio.TrackioLogger\n  project: there\n"
    config.write_text(text.replace("_target_: calrun.logger.base.Logger\n", place))
    logger, experiment = logger_of([tmp_path])
    assert (logger.option, experiment) == ("trackio", "mine")
    config.write_text(text.replace("calrun.logger.base.Logger", "os.getcwd"))  # no other code is run


def test_a_report_of_runs_without_a_logger_is_refused(
    play: Callable[..., Any], refusal: Callable[..., str], tmp_path: Path
) -> None:
    play("budget.rounds=1")
    assert "leave --log out" in refusal("report", str(tmp_path / "outputs"), "--log")
    assert not (tmp_path / "outputs" / "report").exists()
