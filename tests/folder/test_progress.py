"""What a run shows while it works."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig

from calrun.experiment import build
from calrun.folder import progress as module
from calrun.folder.progress import Progress
from calrun.folder.record import Record
from calrun.folder.remaining import Remaining
from calrun.part.figures import EpochFigures
from calrun.part.setup import FitWork
from calrun.round import planned_rounds
from calrun.text.duration import duration


def work(samples: int, epochs: int) -> FitWork:
    """A round of this many samples an epoch."""
    return FitWork(samples=samples, epochs=epochs)


@pytest.fixture
def record(tmp_path: Path) -> Any:
    made = Record(tmp_path / "[bold]run", {"run_id": "0", "data_fingerprint": "1"})
    yield made
    made.close()


def remaining(*works: FitWork) -> Remaining:
    made = Remaining.__new__(Remaining)
    made.__dict__ |= {"rounds": list(works), "samples": 0.0, "seconds": 0.0, "others": [0.0]}
    made.__dict__ |= {"number": 1, "epochs_done": 0, "since": 0.0}
    return made


def test_the_text_names_round_phase_and_epoch(record: Record) -> None:
    shown = Progress(record, quiet=True, remaining=remaining(work(10, 5), work(10, 5)))
    record.status("running", round=1, rounds=2, phase="fit")
    shown.epoch(1, 5, EpochFigures(0.5, 1.0))
    assert shown.text() == "[bold]run  round 1/2  fit  epoch 1/5  train accuracy 50.0%"
    record.status("running", round=1, rounds=2, phase="select")
    assert shown.text() == "[bold]run  round 1/2  select"


def test_the_work_of_each_round_is_counted(configure: Callable[..., DictConfig]) -> None:
    cfg = configure("method=cal_er", "method.visit.replay_size=20", "trainer.batch_size=10", "trainer.cal_epochs=3")
    exp = build(cfg)
    planned = [exp.method.planned(this_round) for this_round in planned_rounds(exp.sizes)]
    assert [(each.samples, each.epochs) for each in planned] == [(20, 2), (60, 3), (60, 3)]
    assert not len(exp.pool.labelled)  # nothing was bought


def test_the_rest_is_planned_work_at_the_rate_seen_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 102.0, 104.0])
    monkeypatch.setattr("calrun.folder.remaining.time", SimpleNamespace(monotonic=lambda: next(clock)))
    left = remaining(work(10, 4), work(30, 2))
    assert left.left(1, 0) is None
    for done in (1, 2, 3):
        left.epoch(1, done)
    assert left.left(1, 3) == pytest.approx((10 * 1 + 30 * 2) * 0.2)  # two epochs of ten samples took four seconds
    left.round({"seconds": {"fit": 8.0, "score": 1.0, "select": 2.0}})
    assert left.left(2, 0) == pytest.approx(30 * 2 * 0.2 + 3.0)


@pytest.mark.parametrize(("seconds", "said"), [(59, "59 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_pipe_gets_a_line_now_and_then(
    record: Record, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "PIPED_SECONDS", 0.02)
    record.status("running", round=1, rounds=2, phase="score")
    shown = Progress(record, quiet=False, remaining=remaining(work(1, 1), work(1, 1)))
    shown.ended.wait(0.3)
    shown.close()
    assert "[bold]run  round 1/2  score\n" in capfd.readouterr().out
