"""Zhu et al. 2010."""

import pytest

from calrun.stop_al.base import Told
from calrun.stop_al.overall_uncertainty import OverallUncertainty


def test_the_last_round_alone_decides_and_the_threshold_itself_does_not_stop() -> None:
    rule = OverallUncertainty(threshold=0.01)
    low, at, high = (Told(20, {"entropy": value}) for value in (0.0099, 0.01, 0.2))
    assert "0.0099, below 0.01" in rule.reason([high, low])
    assert rule.reason([low, at]) == rule.reason([low, high]) == ""


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stop_al.threshold wants at least 0, got -1"):
        OverallUncertainty(threshold=-1)
