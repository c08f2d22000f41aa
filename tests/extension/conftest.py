"""Kinds of methods that calrun does not have, each played without a break, and killed and resumed."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.method.fit.fit import EpochKeeper

HERE = Path(__file__).parent
WORDS = (
    "model=mlp", "trainer=cpu", "trainer.max_epochs=4", "trainer.cal_epochs=4",
    "trainer.batch_size=8", "trainer.checkpoint_every_seconds=0", "stop=fixed_epochs", "budget=counts",
    "budget.start=20", "budget.rounds=2",
)  # fmt: skip


@pytest.fixture
def extended(calrun: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Plays a run in a folder of a user's own, with the files of one toy in it."""

    def typed(toy: str, *words: str, outputs: str = "unbroken") -> Any:
        shutil.copytree(HERE / toy, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        conf = ("--config-dir", str(tmp_path / "conf"))
        return calrun("run", *conf, *WORDS, *words, f"paths.outputs={tmp_path / outputs}")

    return typed


@pytest.fixture
def survives(
    extended: Callable[..., Any], tmp_path: Path, result_of: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[dict[str, Any]]]:
    """Plays a toy without a break, and killed after an epoch of round 2 and resumed; returns the rounds, once equal."""

    def played(toy: str, *words: str, killed_after: int = 6) -> list[dict[str, Any]]:
        answer = extended(toy, *words)
        assert answer.code == 0, answer.err
        child = os.fork()
        if not child:
            kill_after(killed_after, monkeypatch)
            extended(toy, *words, outputs="broken")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        (broken,) = [path.parent for path in (tmp_path / "broken").rglob("rounds.jsonl")]
        assert len((broken / "rounds.jsonl").read_text().splitlines()) == 1
        again = extended(toy, *words, outputs="broken")
        assert again.code == 0, again.err
        (unbroken,) = [path.parent for path in (tmp_path / "unbroken").rglob("rounds.jsonl")]
        lines, picks = result_of(unbroken)
        assert result_of(broken) == (lines, picks)
        assert [line["round"] for line in lines] == [1, 2]
        return lines

    return played


def kill_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process kill itself at the end of an epoch, after its checkpoint."""
    ended, end = [0], EpochKeeper.on_train_epoch_end

    def counted(self: EpochKeeper, *arguments: Any) -> None:
        end(self, *arguments)
        ended[0] += 1
        if ended[0] == epochs:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(EpochKeeper, "on_train_epoch_end", counted)
