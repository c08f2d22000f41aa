"""Bloodgood and Vijay-Shanker 2009, Sec. 4."""

from collections.abc import Sequence

import pytest

from calrun.stop_al.base import Told
from calrun.stop_al.stabilising_predictions import StabilisingPredictions


def rounds(kappas: Sequence[float | None]) -> list[Told]:
    return [Told(20, {} if kappa is None else {"kappa": kappa}) for kappa in kappas]


def test_the_mean_of_three_pairs_of_networks_must_reach_the_threshold() -> None:
    rule = StabilisingPredictions(threshold=0.99, window=3)
    assert rule.reason(rounds([None, 1.0, 1.0])) == ""  # two pairs are too few
    assert "1.0000, at least 0.99" in rule.reason(rounds([None, 1.0, 1.0, 1.0]))
    assert rule.reason(rounds([None, 0.5, 1.0, 0.985, 0.984])) == ""  # 0.98967 on average
    assert rule.reason(rounds([None, 0.5, 1.0, 0.986, 0.985])) != ""  # 0.99033, though two of them lie below


@pytest.mark.parametrize(("threshold", "window", "said"), [(1.1, 3, "threshold wants"), (0.9, 0, "window wants")])
def test_values_that_no_run_could_reach_are_refused(threshold: float, window: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StabilisingPredictions(threshold, window)
