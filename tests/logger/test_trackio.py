"""trackio on this machine, read back with its own API: one run for each run folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where trackio keeps its projects; it looks once, when it is imported."""
    folder = tmp_path_factory.mktemp("trackio")
    os.environ["TRACKIO_DIR"] = str(folder)
    return folder


def runs(project: str) -> list[Any]:
    import trackio

    return list(trackio.Api().runs(project))


def rows(run: Any) -> list[dict[str, Any]]:
    from trackio.sqlite_storage import SQLiteStorage

    return SQLiteStorage.get_logs(run.project, run.name, run_id=run.id)


def rounds(run: Any) -> list[int]:
    return [row["round"] for row in rows(run) if "labelled" in row]


def epochs(run: Any, number: int) -> list[int]:
    return [row[f"round_{number}/epoch"] for row in rows(run) if f"round_{number}/epoch" in row]


def test_a_run_is_read_back_with_its_curves_and_picks(play: Callable[..., Any], run_folder: Callable[[], Path]) -> None:
    from trackio.sqlite_storage import SQLiteStorage

    answer = play("logger=trackio", "logger.project=whole", "budget.rounds=2")
    assert answer.code == 0
    assert "rackio" not in answer.out + answer.err
    (run,) = runs("whole")
    assert run.name.startswith(run_folder().name)
    assert [row["labelled"] for row in rows(run) if "labelled" in row] == [20, 40]
    assert epochs(run, 1) == epochs(run, 2) == [1, 2]
    assert run.config["_Group"] == "digits-mlp-al-entropy"
    assert run.config["job_type"] == "al"
    assert run.alerts() == []
    (picks,) = SQLiteStorage.get_artifacts("whole")
    manifest = SQLiteStorage.get_artifact_manifest("whole", picks["name"], "latest")
    assert manifest is not None
    assert {entry["path"] for entry in manifest["manifest"]} == {
        *("picks.csv", "metrics.csv", "rounds.jsonl", "config.yaml")
    }


def test_two_folders_of_one_configuration_are_two_runs_and_more_rounds_none(play: Callable[..., Any]) -> None:
    words = ("logger=trackio", "logger.project=several")
    for name in ("first", "second"):
        assert play(*words, "budget.rounds=1", f"experiment_name={name}").code == 0
    assert play(*words, "budget.rounds=2", "experiment_name=first").code == 0
    assert sorted(rounds(run) for run in runs("several")) == [[1], [1, 2]]


def test_a_failed_run_has_an_alert_until_it_is_finished(play: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "from pathlib import Path\nfrom calrun.method.fit.stop import FixedEpochs\n\n"
        "class Failing(FixedEpochs):\n    def reason(self, history):\n"
        f"        if Path({str(tmp_path / 'mark')!r}).exists():\n            raise ValueError('mine')\n"
        "        return super().reason(history)\n"
    )
    words = ("logger=trackio", "logger.project=failed", "stop=fixed_epochs", "stop._target_=failing.Failing")
    (tmp_path / "mark").touch()
    assert play(*words, "budget.rounds=1").code == 2
    (alert,) = runs("failed")[0].alerts()
    assert alert["title"] == "not finished"
    assert "exit code 2" in alert["text"]
    (tmp_path / "mark").unlink()
    assert play(*words, "budget.rounds=1").code == 0
    (run,) = runs("failed")
    assert run.alerts() == []
    assert epochs(run, 1) == [1, 2]


def test_the_report_is_an_artifact(play: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path) -> None:
    from trackio.sqlite_storage import SQLiteStorage

    play("logger=trackio", "logger.project=reported", "budget.rounds=2")
    answer = calrun("report", str(tmp_path / "outputs"), "--log")
    assert answer.code == 0
    assert "rackio" not in answer.out + answer.err
    assert {found["type"] for found in SQLiteStorage.get_artifacts("reported")} == {"picks", "report"}


def test_another_machine_is_refused(
    refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "someone/space")
    assert "TRACKIO_SPACE_ID names another place; unset it" in refusal("run", *small, "logger=trackio")


def test_without_trackio_the_way_to_it_is_said(
    refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    assert "pip install 'calrun[trackio]'" in refusal("run", *small, "logger=trackio")


def test_rows_that_were_not_stored_are_noticed(play: Callable[..., Any], store: Path, tmp_path: Path) -> None:
    (store / "lost.db").write_text("this is no database, and trackio can write nothing into it")
    answer = play("logger=trackio", "logger.project=lost", "budget.rounds=1")
    assert answer.code == 0
    (line,) = answer.err.splitlines()
    assert "logger=trackio takes no more" in line
    (store / "lost.db").unlink()
    assert play("logger=trackio", "logger.project=lost", "budget.rounds=1").err == ""
    assert rounds(runs("lost")[0]) == [1]


KILLED = """
import os, signal
from pathlib import Path
from calrun.method.fit.stop import FixedEpochs

class Killed(FixedEpochs):
    def reason(self, history):
        if len(history) == 3 and (mark := Path("mark")).exists() and list(Path().rglob("rounds.jsonl")):
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reason(history)
"""


@pytest.mark.slow
def test_a_run_killed_within_a_round_is_told_once(small: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    (tmp_path / "mark").touch()
    more = ("stop=fixed_epochs", "stop._target_=killed.Killed", "trainer.max_epochs=4")
    words = ("run", *small, *more, "trainer.checkpoint_every_seconds=0", "logger=trackio", "logger.project=killed")
    codes = [subprocess.run([sys.executable, "-m", "calrun", *words], cwd=tmp_path).returncode for _ in range(2)]
    assert codes == [-signal.SIGKILL, 0]
    (run,) = runs("killed")
    assert rounds(run) == [1, 2, 3]
    assert all(epochs(run, number) == [1, 2, 3, 4] for number in (1, 2, 3))
