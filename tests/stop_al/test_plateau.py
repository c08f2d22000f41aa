"""Accuracy that no longer rises."""

from collections.abc import Sequence
from typing import Literal

import pytest

from calrun.stop_al.base import Told
from calrun.stop_al.plateau import Plateau


def rounds(accuracies: Sequence[float | None]) -> list[Told]:
    return [Told(20, {"confidence": 0.5}, {"accuracy": accuracy}) for accuracy in accuracies]


def test_the_best_of_the_last_rounds_is_compared_with_the_best_before() -> None:
    rule = Plateau("validation", gain=0.01, window=2)
    assert rule.reason(rounds([0.5, 0.5])) == ""  # nothing before the window
    assert "of the last 2 rounds is +0.00 points from the best before, less than +1" in rule.reason(
        rounds([0.5, 0.4, 0.5])
    )
    assert rule.reason(rounds([0.5, 0.6, 0.5])) == ""
    assert rule.reason(rounds([0.9, 0.5, 0.6])) != ""  # an early best that is not reached again
    assert "is +0.90 points" in rule.reason(rounds([None, 0.5, 0.4, 0.509]))
    assert rule.reason(rounds([0.5, 0.5, None])) == ""


@pytest.mark.parametrize(("of", "stops"), [("validation", False), ("stop_set", True)])
def test_it_looks_at_what_it_is_told_to(of: Literal["validation", "stop_set"], stops: bool) -> None:
    rule = Plateau(of, gain=0.01, window=1)
    assert rule.needs == {of}
    assert bool(rule.reason(rounds([0.5, 0.9]))) == stops


def test_any_other_measure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stop_al.of wants validation or stop_set, got 'test'"):
        Plateau("test", gain=0.01, window=1)  # type: ignore[arg-type]
