"""Runs on a GPU: every training method plays there, twice alike, and goes on after a death in the middle of a fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from calrun.places import CONF
from tests.died import Killed, played

pytestmark = pytest.mark.gpu
METHODS = sorted(path.stem for path in (CONF / "method").glob("[!_]*.yaml"))
SMALL = ("trainer=gpu", "model=cnn", "model.width=8", "trainer.max_epochs=3", "trainer.cal_epochs=3")
DEATH = 5  # in an epoch of round 2


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("method", METHODS)
def test_two_runs_agree_and_so_does_one_that_died(
    method: str, precision: str, configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    cfg = configure(f"method={method}", *SMALL, f"trainer.precision={precision}", "trainer.deterministic=true")
    _, lines = played(tmp_path / "first", cfg)
    assert {line["device"] for line in lines} == {"cuda:0"}
    played(tmp_path / "again", cfg)
    assert result_of(tmp_path / "again") == result_of(tmp_path / "first")
    with pytest.raises(Killed):
        played(tmp_path / "killed", cfg, epochs=DEATH)
    played(tmp_path / "killed", cfg)
    assert result_of(tmp_path / "killed") == result_of(tmp_path / "first")
