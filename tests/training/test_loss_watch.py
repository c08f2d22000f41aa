"""A fit that cannot recover is ended where it broke."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from calrun.training.loss_watch import SKIPPED_STEPS, LossWatch

Typed = Callable[..., Any]
BREAKS = """
import torch
from calrun.method.objective import CrossEntropy

class Breaks(CrossEntropy):
    def begin_round(self, this_round):
        self.number, self.calls = this_round.number, 0

    def __call__(self, current, replay):
        self.calls += 1
        loss = super().__call__(current, replay)
        return loss + ({more} if (self.number, self.calls) >= (2, 8) else {before})
"""


@pytest.fixture
def broken(play: Typed, tmp_path: Path) -> Callable[..., Any]:
    """Plays two rounds of five steps an epoch whose loss is larger from step 8 of round 2 on."""

    def played(more: str, before: str = "0.0") -> Any:
        module = f"breaks_by_{sum(map(ord, more + before))}"
        (tmp_path / f"{module}.py").write_text(BREAKS.format(more=more, before=before))
        epochs = ("stop=fixed_epochs", "trainer.max_epochs=3", "trainer.batch_size=8", "budget.step=20")
        return play(f"method.objective._target_={module}.Breaks", "budget.rounds=2", *epochs)

    return played


@pytest.mark.parametrize("more", ["float('nan')", "float('inf')"])
def test_a_loss_that_is_no_number_ends_the_fit_at_its_step(
    more: str, broken: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    answer = broken(more)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "round 2, epoch 2, step 3: the loss is " in answer.err
    assert "lower optimizer.lr" in answer.err
    assert json.loads((run_folder() / "status.json").read_text())["state"] == "failed"
    assert len((run_folder() / "rounds.jsonl").read_text().splitlines()) == 1


def test_a_loss_a_thousand_times_the_first_is_marked_and_said(
    broken: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    answer = broken("1e4")
    assert answer.code == 0
    (said,) = answer.err.splitlines()
    assert "round 2: the loss went from " in said
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    assert ["warning" in line for line in lines] == [False, True]
    assert "the fit has diverged" in lines[1]["warning"]


def test_a_first_loss_of_next_to_nothing_makes_no_later_one_large(broken: Callable[..., Any]) -> None:
    answer = broken("0.5 - loss.detach()", before="1e-9 - loss.detach()")
    assert (answer.code, answer.err) == (0, "")


class Losses(pl.LightningModule):
    """Shows the losses of a block."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.block_losses_T = torch.tensor(losses)


@pytest.mark.parametrize(("in_a_row", "fatal"), [(SKIPPED_STEPS, False), (SKIPPED_STEPS + 1, True)])
def test_a_loss_scaler_may_skip_some_steps(in_a_row: int, fatal: bool) -> None:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.precision_plugin.scaler = object()  # type: ignore[attr-defined]
    watch = LossWatch("here", "do this")
    for block in ([math.inf] * 10, [1.0], [math.nan] * in_a_row, [1.0]):
        if fatal and len(block) == in_a_row:
            with pytest.raises(ValueError, match=f"here, epoch 1, step {11 + in_a_row}: the loss is nan.*do this"):
                watch.on_train_batch_end(trainer, Losses(block), None, None, 0)
            return
        watch.on_train_batch_end(trainer, Losses(block), None, None, 0)
    assert watch.first_loss == 1.0
