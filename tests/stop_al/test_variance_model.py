"""Ghayoomi 2010."""

from collections.abc import Sequence

from calrun.stop_al.base import Told
from calrun.stop_al.variance_model import VarianceModel


def rounds(variances: Sequence[float]) -> list[Told]:
    return [Told(20, {"confidence_variance": variance}) for variance in variances]


def test_two_decreases_in_a_row_stop() -> None:
    rule = VarianceModel(decreases=2, drop=0)
    assert rule.reason(rounds([0.05, 0.04])) == ""
    assert "0.05 to 0.04 to 0.03" in rule.reason(rounds([0.01, 0.05, 0.04, 0.03]))
    assert rule.reason(rounds([0.05, 0.04, 0.045, 0.03])) == ""  # not in a row
    assert rule.reason(rounds([0.05, 0.04, 0.04])) == ""  # an equal one is no decrease


def test_the_extended_model_wants_each_decrease_to_be_large() -> None:
    assert VarianceModel(decreases=2, drop=0.009).reason(rounds([0.05, 0.04, 0.03])) != ""
    assert VarianceModel(decreases=2, drop=0.009).reason(rounds([0.05, 0.04, 0.035])) == ""
