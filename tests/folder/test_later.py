"""What `record` asks for later is computed from the states that are there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def first_test(folder: Path, number: int) -> dict[str, float]:
    line = json.loads((folder / "rounds.jsonl").read_text().splitlines()[number - 1])
    return next(iter(line["test"].values()))


def test_metrics_asked_for_at_once_and_later_are_the_same(
    play: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    wanted = "record.metrics=[matthews,auc,recall]"
    assert play("budget.rounds=2", "record.keep_states=true").code == 0
    folder = run_folder()
    before = first_test(folder, 2)
    assert set(before) == {"accuracy", "balanced_accuracy", "loss"}
    assert play("budget.rounds=2", "record.keep_states=true", wanted).code == 0
    later = [first_test(folder, number) for number in (1, 2)]
    assert later[1].items() > before.items()
    assert later[1].keys() - before.keys() == {"matthews", "auc", *(f"recall/{c}" for c in range(10))}
    assert play("budget.rounds=2", wanted, "--fresh").code == 0
    assert [first_test(folder, number) for number in (1, 2)] == later
    assert "test/test/recall/3" in (folder / "metrics.csv").read_text().splitlines()[0]


def test_an_unknown_metric_is_refused_by_name(play: Callable[..., Any]) -> None:
    answer = play("record.metrics=[mcc]")
    assert answer.code == 2
    legal = "matthews, auc, recall, top5, ece, brier, nll"
    assert f"record.metrics wants some of {legal} (of task=Classification), got ['mcc']" in answer.err
    assert play("record.metrics=matthews").code == 2
