"""A run that goes on past the round that was its last."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.record import Record
from calrun.method.composed import Composed

PHASES = {"fit", "evaluate", "commit"}
NOTING = """
from calrun.acquisition.margin import Margin


class Noting(Margin):
    def select(self, candidates, budget, rng):
        rows = super().select(candidates, budget, rng)
        self.said = {"first_row": float(rows[0]), "drawn": float(rng.random())}
        return rows

    def notes(self):
        return self.said
"""
COVERING = ("acquisition=probcover", "acquisition.delta=purity")


@pytest.mark.parametrize(
    "words",
    [
        ("method=cal_der", "acquisition=entropy"),
        ("method=al_ws", *COVERING),
        ("method=cal_sds2", *COVERING),
        ("method=al", "acquisition=margin", "acquisition._target_=noting.Noting"),
    ],
)
def test_a_run_that_is_extended_leaves_what_an_unbroken_one_does(
    play: Callable[..., Any], tmp_path: Path, result_of: Callable[[Path], Any], words: tuple[str, ...]
) -> None:
    (tmp_path / "noting.py").write_text(NOTING)
    assert play(*words, "budget.rounds=3", f"paths.outputs={tmp_path / 'whole'}").code == 0
    for rounds in (1, 2, 3):
        answer = play(*words, f"budget.rounds={rounds}")
        assert answer.code == 0, answer.err
        assert f"round  {rounds}/{rounds}" in answer.out
        assert answer.out.count("  round ") == 1
    unbroken, extended = (folder_in(tmp_path / name) for name in ("whole", "outputs"))
    assert result_of(extended) == result_of(unbroken)
    lines = [json.loads(text) for text in (extended / "rounds.jsonl").read_text().splitlines()]
    assert [set(line["seconds"]) for line in lines] == [{*PHASES, "score", "select"}] * 2 + [PHASES]
    assert [line["cumulative_fit_seconds"] for line in lines] == sorted(
        sum(line["seconds"]["fit"] for line in lines[:count]) for count in (1, 2, 3)
    )


def test_a_run_that_was_to_be_longer_or_shorter_says_so_in_every_line(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    def rounds() -> list[int]:
        return [json.loads(text)["rounds"] for text in (run_folder() / "rounds.jsonl").read_text().splitlines()]

    play("budget.rounds=1")
    assert rounds() == [1]
    play("budget.rounds=3")
    assert rounds() == [3, 3, 3]
    assert "finished" in play("budget.rounds=2").out
    assert rounds() == [3, 3, 3]  # an answer changes nothing


def test_a_kill_while_a_run_is_extended_leaves_it_extendable(
    play: Callable[..., Any],
    tmp_path: Path,
    run_folder: Callable[[], Path],
    result_of: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After picks.csv and before the lines, and again after the lines."""
    play(*COVERING, "budget.rounds=3", f"paths.outputs={tmp_path / 'whole'}")
    play(*COVERING, "budget.rounds=2")
    for owner, name in ((Record, "amend"), (Composed, "begin_round")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, interrupted)
            assert play(*COVERING, "budget.rounds=3").code == 130
        assert len((run_folder() / "picks.csv").read_text().splitlines()) == 61
    assert "finished" in play(*COVERING, "budget.rounds=2").out
    assert play(*COVERING, "budget.rounds=3").code == 0
    assert result_of(run_folder()) == result_of(folder_in(tmp_path / "whole"))


def folder_in(outputs: Path) -> Path:
    (folder,) = (path.parent for path in outputs.rglob("config.yaml"))
    return folder


def interrupted(*arguments: Any) -> None:
    raise KeyboardInterrupt
