"""The code that the README shows is what it says: each piece is written where a reader would, and played."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```(python|yaml)\n(.*?)```", README, re.S)
PLAYED = (
    "trainer=cpu", "model=mlp", "model.hidden=[8]", "budget=counts", "budget.start=20", "budget.step=10",
    "budget.rounds=2", "trainer.max_epochs=2", "trainer.cal_epochs=2",
)  # fmt: skip


def block(kind: str, holds: str) -> str:
    """The one block of a kind that holds a text."""
    (found,) = [text for language, text in BLOCKS if language == kind and holds in text]
    return found


@pytest.mark.parametrize(
    "piece",
    [
        ("smoothed", "class Smoothed", "method/cal_smoothed", block("yaml", "smoothed.Smoothed")),
        ("mine", "class Shortest", "acquisition/mine", "_target_: mine.Shortest\n"),
        ("loss_head", "class HighestLoss", "acquisition/highest", "_target_: loss_head.HighestLoss\n"),
        ("rings", "def load(noise", "dataset/rings", block("yaml", "rings.load")),
    ],
)
def test_a_piece_of_the_readme_plays(
    piece: tuple[str, str, str, str], tmp_path: Path, calrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, code, option, yaml = piece
    monkeypatch.delitem(sys.modules, module, raising=False)  # another test may have one of this name
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{module}.py").write_text(block("python", code))
    written = tmp_path / "conf" / f"{option}.yaml"
    written.parent.mkdir(parents=True)
    written.write_text(yaml)
    group, _, name = option.partition("/")
    answer = calrun("run", "--config-dir", "conf", f"{group}={name}", *PLAYED)
    assert answer.code == 0, answer.err
    (lines,) = (tmp_path / "outputs").rglob("rounds.jsonl")
    assert len(lines.read_text().splitlines()) == 2


def test_an_acquisition_works_without_the_loop() -> None:
    names: dict[str, Any] = {}
    exec(block("python", "badge.select("), names)
    assert len(set(names["rows"].tolist())) == 5
