"""A run that a rule ends before its budget does, as its user types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.method.composed import Composed
from calrun.round import Round

EAGER = ("stop_al=overall_uncertainty", "stop_al.threshold=5", "budget.rounds=4")  # log 10 is less: stops after round 1
RULE = """
from calrun.stop_al.base import StopAL


class SecondRound(StopAL):
    needs = frozenset({"stop_set"})

    def reason(self, rounds):
        return "the second round has ended" if len(rounds) == 2 and rounds[1].stop_set["rows"] else ""
"""
OWN = ("stop_al._target_=own_rule.SecondRound", "budget.rounds=4", "record.stop_set=50")


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "rounds.jsonl").read_text().splitlines()]


@pytest.fixture
def second_round(tmp_path: Path) -> tuple[str, ...]:
    """The words of a run with a rule of the user's own, that ends it after round 2."""
    (tmp_path / "own_rule.py").write_text(RULE)
    return OWN


def test_a_stopped_run_buys_no_more_and_counts_as_finished(
    play: Callable[..., Any], calrun: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    answer = play(*EAGER)
    assert answer.code == 0, answer.err
    assert "stopped after round 1: the mean entropy of unlabelled rows is" in answer.out
    (line,) = lines_of(run_folder())
    assert (line["round"], line["rounds"], line["labelled"]) == (1, 1, 20)
    assert line["stopped"].startswith("the mean entropy of unlabelled rows is")
    assert set(line["seconds"]) == {"fit", "evaluate", "commit"}  # nothing was scored for a round that never comes
    assert len((run_folder() / "picks.csv").read_text().splitlines()) == 21
    assert json.loads((run_folder() / "status.json").read_text())["state"] == "finished"
    again = play(*EAGER)
    assert again.code == 0
    assert "finished" in again.out
    assert "stopped after round 1" in again.out
    shown = calrun("status", str(tmp_path / "outputs")).out
    assert "1 finished" in shown
    assert "stopped: the mean entropy" in shown


def test_without_the_rule_the_same_run_goes_on_as_if_it_had_never_been_stopped(
    play: Callable[..., Any],
    run_folder: Callable[[], Path],
    tmp_path: Path,
    result_of: Callable[[Path], Any],
    second_round: tuple[str, ...],
) -> None:
    rounds = ("budget.rounds=4", "record.stop_set=50")
    assert play(*rounds, f"paths.outputs={tmp_path / 'whole'}").code == 0
    assert play(*second_round).code == 0
    assert len(lines_of(run_folder())) == 2
    assert play(*rounds).code == 0
    (whole,) = (path.parent for path in (tmp_path / "whole").rglob("rounds.jsonl"))
    assert result_of(run_folder()) == result_of(whole)
    back = play(*second_round)
    assert "stopped after round 2: the second round has ended" in back.out
    assert len(lines_of(run_folder())) == 4


def test_a_killed_run_stops_where_the_unbroken_one_does(
    play: Callable[..., Any],
    run_folder: Callable[[], Path],
    tmp_path: Path,
    result_of: Callable[[Path], Any],
    second_round: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert play(*second_round, f"paths.outputs={tmp_path / 'whole'}").code == 0
    for place in ("calrun.acquisition.entropy.Entropy.select", "calrun.folder.record.Record.amend"):
        with monkeypatch.context() as patched:
            patched.setattr(place, interrupted)
            assert play(*second_round).code == 130
    assert play(*second_round).code == 0
    (whole,) = (path.parent for path in (tmp_path / "whole").rglob("rounds.jsonl"))
    assert result_of(run_folder()) == result_of(whole)
    assert lines_of(run_folder())[-1]["stopped"] == "the second round has ended"


def test_a_run_that_had_gone_past_the_stop_is_over_whatever_else_is_asked_for(
    play: Callable[..., Any],
    run_folder: Callable[[], Path],
    second_round: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed in round 3, whose labels were bought, and asked for again with a rule that stops after round 2."""
    with monkeypatch.context() as patched:
        patched.setattr("calrun.method.composed.Composed.begin_round", interrupted_in_round_3(Composed.begin_round))
        assert play("budget.rounds=4", "record.stop_set=50").code == 130
    answer = play(*second_round, "record.metrics=[ece]")
    assert answer.code == 0, answer.err
    assert [line["round"] for line in lines_of(run_folder())] == [1, 2]
    assert "ece" in lines_of(run_folder())[-1]["test"]["test"]
    assert "stopped after round 2" in play(*second_round, "record.metrics=[ece]").out


def test_what_is_asked_for_later_is_made_and_no_round_is_added(
    play: Callable[..., Any], run_folder: Callable[[], Path], second_round: tuple[str, ...]
) -> None:
    assert play(*second_round, "record.metrics=[ece]").code == 0
    assert play(*second_round, "record.metrics=[ece,nll]").code == 0  # from the state of the last round
    assert [set(line["test"]["test"]) & {"ece", "nll"} for line in lines_of(run_folder())] == [{"ece"}, {"ece", "nll"}]
    assert len(lines_of(run_folder())) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stop_al=plateau",), "stop_al=Plateau looks at a validation split, but this data set has none; set val_fra"),
        (("stop_al=plateau", "stop_al.of=stop_set"), "looks at a stop set, but record.stop_set is 0; set it, for ex"),
        (("stop_al=plateau", "stop_al.of=test"), "stop_al.of wants 'validation' or 'stop_set', got 'test'"),
        (("stop_al=variance_model", "record.stop_set=0"), "stop_al=VarianceModel looks at a stop set"),
        (("record.stop_set=-1",), "record.stop_set wants a whole number of at least 0, got -1"),
        (("stop_al=kappa",), "stop_al=kappa"),
        (("stop_al=overall_uncertainty", "stop_al.threshold=low"), "stop_al.threshold wants a number, got 'low'"),
        (
            ("stop_al=overall_uncertainty", "method=svpp", "model=cnn", "method.evaluate_at=last"),
            "stop_al=OverallUncertainty looks at the network of every round",
        ),
    ],
)
def test_a_rule_that_could_never_stop_is_refused_before_the_first_fit(
    words: tuple[str, ...], said: str, refusal: Callable[..., str], small: tuple[str, ...], tmp_path: Path
) -> None:
    assert said in refusal("run", *small, *words)
    assert not list(tmp_path.rglob("rounds.jsonl"))


def test_a_rule_that_comes_too_late_is_said_to_save_nothing(play: Callable[..., Any]) -> None:
    said = "stop_al=StabilisingPredictions stops after round 4 at the earliest, but the budget has 4 rounds"
    assert said in play("stop_al=stabilising_predictions", "budget.rounds=4").err
    assert "at the earliest" not in play("stop_al=stabilising_predictions", "budget.rounds=5").err


def interrupted_in_round_3(begin: Callable[..., None]) -> Callable[..., None]:
    def begin_round(self: Composed, this_round: Round) -> None:
        if this_round.number == 3:
            raise KeyboardInterrupt
        begin(self, this_round)

    return begin_round


def interrupted(*arguments: Any) -> None:
    raise KeyboardInterrupt
