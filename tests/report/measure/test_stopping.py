"""One run shows what every rule would have done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from calrun.places import options
from calrun.report.measure.stopping import rules, simulated
from calrun.report.read.runs import read
from calrun.stop_al.overall_uncertainty import OverallUncertainty
from tests.report.conftest import round_line

SURE = {"entropy": 0.001, "confidence": 0.99, "confidence_variance": 0.01, "kappa": 1.0}
UNSURE = {"entropy": 1.0, "confidence": 0.5, "confidence_variance": 0.01, "kappa": 0.5}
ACCURACIES = [0.5, 0.7, 0.9, 0.92, 0.95]


def lines(sure_from: int, **last: Any) -> list[dict[str, Any]]:
    """Five rounds of 100 to 500 labels, whose network is sure from one of them on."""
    found = [
        round_line(
            number, accuracy, stop_set={"rows": 200, "unlabelled": 150, **(UNSURE if number < sure_from else SURE)}
        )
        for number, accuracy in enumerate(ACCURACIES, start=1)
    ]
    found[0]["stop_set"].pop("kappa")
    found[-1] |= last
    return found


@pytest.fixture
def found(make_run: Callable[..., Path], tmp_path: Path) -> Callable[[], pd.DataFrame]:
    """Returns what the rules would have done with the runs that a test has made, by rule."""
    return lambda: simulated(read([tmp_path / "outputs"]).table).set_index("rule")


def test_every_rule_is_asked_with_the_values_of_its_option() -> None:
    assert sorted(rules()) == [name for name in options("stop_al")["stop_al"] if name != "none"]
    overall = rules()["overall_uncertainty"]
    assert isinstance(overall, OverallUncertainty)
    assert overall.threshold == 0.01


def test_what_a_rule_saves_and_gives_up_by_hand(
    make_run: Callable[..., Path], found: Callable[[], pd.DataFrame]
) -> None:
    """Sure from round 3 on: the entropy stops there, kappa never, for it wants three pairs and the last is too late."""
    make_run([], lines=lines(sure_from=3))
    overall = found().loc["overall_uncertainty"]
    assert (overall["after"], overall["labelled"]) == (3, 300)
    assert overall["saved"] == pytest.approx(1 - 300 / 500)
    assert overall["given_up"] == pytest.approx(0.95 - 0.9)
    assert pd.isna(found().loc["stabilising_predictions", "after"])
    assert "plateau" not in found().index  # no validation split


def test_the_last_round_saves_nothing(make_run: Callable[..., Path], found: Callable[[], pd.DataFrame]) -> None:
    make_run([], lines=lines(sure_from=5))
    assert pd.isna(found().loc["overall_uncertainty", "after"])


def test_the_plateau_is_that_of_the_validation_split(
    make_run: Callable[..., Path], found: Callable[[], pd.DataFrame]
) -> None:
    """It cannot see that the test accuracy still rises."""
    flat = [line | {"validation": {"accuracy": 0.8}} for line in lines(sure_from=9)]
    make_run([], lines=flat)
    assert found().loc["plateau", "after"] == 4


def test_a_run_that_a_rule_has_stopped_cannot_say_what_others_would_have_done(
    make_run: Callable[..., Path], found: Callable[[], pd.DataFrame]
) -> None:
    make_run([], lines=lines(sure_from=3, stopped="the mean entropy is low"))
    assert found().empty


def test_a_run_that_lacks_the_stop_set_in_a_round_is_not_asked(
    make_run: Callable[..., Path], found: Callable[[], pd.DataFrame]
) -> None:
    lacking = lines(sure_from=3)
    del lacking[1]["stop_set"]
    make_run([], lines=lacking)
    assert found().empty
