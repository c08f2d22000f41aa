"""Energy of fits: with a codecarbon of our own making, and once with the real one where it is installed."""

import json
import sys
import time
from collections.abc import Callable
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from omegaconf import DictConfig

from calrun.experiment import build
from calrun.folder.record import Record
from calrun.folder.round_line import read_rounds
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.training.energy import LEAST_SECONDS, EnergyMeter, require_energy

CPU = {"accelerator": "cpu", "devices": 1}
KWH_A_FIT = 0.25


class Tracker:
    """Says of each fit that it took KWH_A_FIT, and half of it when asked on the way."""

    made: ClassVar[list["Tracker"]] = []

    def __init__(self, **options: Any) -> None:
        self.options, self.calls = options, list[str]()
        self.made.append(self)

    def start(self) -> None:
        self.calls.append("start")

    def flush(self) -> float | None:
        self.calls.append("flush")
        return KWH_A_FIT / 2

    def stop(self) -> float | None:
        self.calls.append("stop")
        return KWH_A_FIT


@pytest.fixture
def trackers(monkeypatch: pytest.MonkeyPatch) -> list[Tracker]:
    """Puts a codecarbon in place whose trackers are listed here."""
    monkeypatch.setitem(sys.modules, "codecarbon", SimpleNamespace(OfflineEmissionsTracker=Tracker))
    monkeypatch.setattr(Tracker, "made", [])
    return Tracker.made


def test_nothing_is_measured_or_written_unless_asked(play: Callable[..., Any], tmp_path: Path) -> None:
    assert play("budget.rounds=1").code == 0
    (path,) = tmp_path.rglob("rounds.jsonl")
    assert "energy_kwh" not in read_rounds(path)[0]
    assert "energy_kwh" not in path.with_name("metrics.csv").read_text()


def test_a_rounds_line_holds_what_the_tracker_says_of_its_fit(
    play: Callable[..., Any], trackers: list[Tracker], tmp_path: Path
) -> None:
    assert play("record.energy=true").code == 0
    (path,) = tmp_path.rglob("rounds.jsonl")
    assert [line["energy_kwh"] for line in read_rounds(path)] == [KWH_A_FIT] * 3
    assert len(trackers) == 1 + 3  # one to find out whether it works, one for each round
    assert all(tracker.calls == ["start", "stop"] for tracker in trackers)


def test_a_method_of_two_phases_adds_them_up(play: Callable[..., Any], trackers: list[Tracker], tmp_path: Path) -> None:
    assert play("record.energy=true", "method=lp_ft", "budget.rounds=1").code == 0
    (path,) = tmp_path.rglob("rounds.jsonl")
    assert [line["energy_kwh"] for line in read_rounds(path)] == [2 * KWH_A_FIT]


def test_the_tracker_is_offline_quiet_and_lets_others_run(trackers: list[Tracker]) -> None:
    require_energy()
    options = trackers[0].options
    assert options["allow_multiple_runs"] is True
    assert options["output_methods"] == []
    assert options["force_carbon_intensity_g_co2e_kwh"] == 1000


def test_a_run_that_cannot_measure_is_refused_before_the_first_fit(
    refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    said = refusal("run", *small, "record.energy=true")
    assert "record.energy=true wants codecarbon" in said
    assert "pip install 'calrun[energy]'" in said
    assert not list(tmp_path.rglob("rounds.jsonl"))


@pytest.mark.parametrize("answer", [None, 0.0])
def test_a_codecarbon_that_measures_nothing_is_refused(
    trackers: list[Tracker], monkeypatch: pytest.MonkeyPatch, answer: float | None
) -> None:
    monkeypatch.setattr(Tracker, "stop", lambda self: answer)
    with pytest.raises(ValueError, match="measures nothing on this machine"):
        require_energy()


def test_what_failed_to_measure_is_unknown_not_zero(trackers: list[Tracker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tracker, "stop", lambda self: None)
    with EnergyMeter(on=True) as meter:
        pass
    assert isnan(meter.kwh)


def test_a_fit_too_short_to_measure_is_waited_for(trackers: list[Tracker]) -> None:
    started = time.perf_counter()
    with EnergyMeter(on=True):
        pass
    assert time.perf_counter() - started >= LEAST_SECONDS


def test_a_killed_attempt_counts_up_to_its_checkpoint(
    configure: Callable[..., DictConfig], trackers: list[Tracker], tmp_path: Path
) -> None:
    """Killed after a checkpoint at half of the fit's energy; the second attempt is a fit of its own."""

    class Killed(BaseException):
        pass

    def kill(epoch: int, *_: object) -> None:
        if epoch == 2:
            raise Killed

    cfg = configure("record.energy=true", "budget.rounds=1", "trainer.max_epochs=3")
    for progress in (kill, lambda *_: None):
        exp, record = build(cfg), Record(tmp_path, {"run_id": "0", "data_fingerprint": "1"})
        try:
            run(exp, record, Fitter(CPU, 0, progress, energy=True))
        except Killed:
            assert trackers[-1].calls == ["start", "flush", "stop"]  # no thread is left behind
        record.close()
    assert [line["energy_kwh"] for line in record.rounds()] == [KWH_A_FIT / 2 + KWH_A_FIT]


def test_a_checkpoint_without_a_figure_makes_the_round_unknown() -> None:
    meter = EnergyMeter(on=False)
    meter.go_on(0.5)
    assert isnan(meter.kwh)


@pytest.mark.slow
def test_the_real_codecarbon_measures_watts(
    play: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("codecarbon")
    monkeypatch.chdir(tmp_path)
    answer = play("record.energy=true")
    assert (answer.code, answer.err) == (0, "")
    (path,) = tmp_path.rglob("rounds.jsonl")
    for text in path.read_text().splitlines():
        line = json.loads(text)
        seconds = max(line["seconds"]["fit"], LEAST_SECONDS)
        assert 1 < line["energy_kwh"] * 3.6e6 / seconds < 10_000
    assert {child.name for child in tmp_path.iterdir()} == {"outputs"}  # no emissions.csv
