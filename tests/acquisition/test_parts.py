"""What acquisitions with parts must obey: their heads and recorders survive a kill inside a fit, and disturb nothing.

A new YAML is tested by existing.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig

from calrun.experiment import Experiment
from tests.acquisition.test_contract import YAMLS, config
from tests.died import Killed, played

WORDS = ("trainer.batch_size=8", "trainer.max_epochs=3", "trainer.cal_epochs=3", "stop=fixed_epochs",
         "model.hidden=[16,8]")  # fmt: skip
METHODS = ("cal_er", *(pytest.param(name, marks=pytest.mark.slow) for name in ("al", "lp_ft")))


@cache
def options() -> list[str]:
    return [option for option in YAMLS if instantiate(config(option).acquisition).parts()]


OPTIONS = options()
WEIGHTED = [option for option in OPTIONS if "weight" in config(option).acquisition]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("option", OPTIONS)
def test_a_run_that_died_inside_a_fit_ends_as_one_that_did_not(
    option: str,
    method: str,
    configure: Callable[..., DictConfig],
    result_of: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    short = () if method != "lp_ft" else ("method.phases.0.stop.epochs=2",)
    cfg = configure(*WORDS, *short, f"method={method}", f"acquisition={option}", "budget.rounds=2")
    played(tmp_path / "unbroken", cfg, every=1e9)
    with pytest.raises(Killed):
        played(tmp_path / "broken", cfg, epochs=9 if method == "lp_ft" else 5)  # before the last of round 2
    played(tmp_path / "broken", cfg)
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "unbroken")


@pytest.mark.parametrize("option", OPTIONS)
def test_neither_the_size_of_a_pass_nor_more_rounds_change_what_is_bought(
    option: str, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    words = (*WORDS, f"acquisition={option}", "method=al_ws")
    played(tmp_path / "whole", configure(*words))
    played(tmp_path / "parts", configure(*words, "trainer.predict_batch_size=128"))
    played(tmp_path / "extended", configure(*words, "budget.rounds=2"))
    played(tmp_path / "extended", configure(*words))
    picks = [(tmp_path / name / "picks.csv").read_text() for name in ("whole", "parts", "extended")]
    assert picks[0] == picks[1]
    assert picks[0] == picks[2]


@pytest.fixture(scope="module")
def plain_runs() -> dict[str, Any]:
    """What came of the runs so far, by method, that choose their rows without a part."""
    return {}


@pytest.fixture
def outcome(
    configure: Callable[..., DictConfig],
    play_in: Callable[..., list[dict[str, Any]]],
    result_of: Callable[[Path], Any],
    tmp_path: Path,
) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Plays a run that buys the rows with the lowest numbers; returns its result and its last weights."""

    def played_out(*words: str) -> tuple[Any, dict[str, Any]]:
        methods = []

        def prepare(exp: Experiment) -> None:
            exp.acquisition.select = lambda candidates, budget, rng: np.sort(candidates.rows)[:budget]  # type: ignore[method-assign]
            exp.acquisition.notes = dict  # type: ignore[method-assign]
            methods.append(exp.method)

        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        play_in(
            folder, configure(*WORDS[:-1], "model=cnn", "model.width=4", "budget.rounds=2", *words), prepare=prepare
        )
        return result_of(folder), methods[0].evaluated().state_dict()

    return played_out


@pytest.mark.parametrize("method", ["al", "cal_er", "cal_mir"])
@pytest.mark.parametrize("option", WEIGHTED)
def test_weight_0_is_the_plain_run_bit_for_bit(
    option: str, method: str, outcome: Callable[..., tuple[Any, dict[str, Any]]], plain_runs: dict[str, Any]
) -> None:
    if method not in plain_runs:
        plain_runs[method] = outcome(f"method={method}", "acquisition=random")
    plain, plain_weights = plain_runs[method]
    zero, zero_weights = outcome(f"method={method}", f"acquisition={option}", "acquisition.weight=0")
    assert zero == plain
    assert plain_weights.keys() == zero_weights.keys()
    assert all(np.array_equal(tensor, zero_weights[name]) for name, tensor in plain_weights.items())


@pytest.mark.parametrize("option", OPTIONS)
def test_a_plan_knows_it(option: str, calrun: Callable[..., Any]) -> None:
    few = ("budget=counts", "budget.start=20", "budget.rounds=3", "dataset.num_train=200", "trainer=cpu")
    answer = calrun("plan", "model=mlp", *WORDS, *few, f"acquisition={option}")
    assert answer.code == 0, answer.err
    assert "fits: at most" in answer.out


@pytest.mark.parametrize("option", OPTIONS)
def test_a_run_without_its_parts_cannot_choose_by_it(option: str, play: Callable[..., Any], tmp_path: Path,
                                                     calrun: Callable[..., Any]) -> None:  # fmt: skip
    assert play("acquisition=margin").code == 0
    (folder,) = [path.parent for path in (tmp_path / "outputs").rglob("config.yaml")]
    rows = tmp_path / "pool.npz"
    np.savez(rows, x=np.random.default_rng(0).integers(0, 17, (30, 8, 8)).astype(np.uint8))
    answer = calrun("select", str(folder), str(rows), "--acquisition", option, "--budget", "3", "--out",
                    str(tmp_path / "out.csv"))  # fmt: skip
    assert answer.code == 2
    assert "wants parts that are trained beside the network" in answer.err
