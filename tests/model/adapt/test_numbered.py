"""Names of layers do not depend on dropout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.adapt.numbered import numbered
from calrun.model.cnn import cnn
from calrun.model.mlp import mlp
from calrun.model.small_fcn import small_fcn


def test_dropout_takes_no_number() -> None:
    net = numbered([nn.Linear(2, 3), nn.Dropout(0.5), nn.ReLU(), nn.Linear(3, 2), nn.Dropout(0.5)])
    assert [name for name, _ in net.named_children()] == ["0", "dropout_0", "1", "2", "dropout_2"]


MAKERS: dict[str, Callable[[float], nn.Module]] = {
    "cnn": lambda dropout: cnn(10, (1, 8, 8), 4, dropout),
    "mlp": lambda dropout: mlp(10, (64,), [5, 6], dropout),
    "small_fcn": lambda dropout: small_fcn(10, (1, 8, 8), 4, dropout),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_checkpoint_fits_with_dropout_and_without(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain, dropping = MAKERS[name](0.0), MAKERS[name](0.3)
    torch.save(plain.backbone.state_dict(), tmp_path / "plain.pt")
    load_backbone(dropping, tmp_path / "plain.pt")  # type: ignore[arg-type]
    ours, theirs = plain.backbone.state_dict(), dropping.backbone.state_dict()
    assert all(torch.equal(theirs[key], tensor) for key, tensor in ours.items())


def test_a_run_with_dropout_begins_from_a_checkpoint_without(play: Callable[..., Any], tmp_path: Path) -> None:
    torch.save(cnn(10, (1, 8, 8), 16, 0.0).backbone.state_dict(), tmp_path / "plain.pt")
    words = ("model=cnn", "model.dropout=0.2", "method=finetune", f"method.start.path={tmp_path / 'plain.pt'}")
    answer = play(*words, "acquisition=random", "budget.rounds=1")
    assert answer.code == 0, answer.err
