"""The times of Table 7 of Wen et al. 2024."""

import pytest

from calrun.report.measure.proxy_times import Seconds, asvp_time, full_time, selection_seconds, svpp_time

FULL, PROXY = Seconds(100.0, 20.0), Seconds(2.0, 1.0)


def test_the_formulas_by_hand() -> None:
    assert full_time(10, FULL) == 1200
    assert svpp_time(10, PROXY, precompute=25) == 55
    assert asvp_time(10, PROXY, precompute=25, computed=2, train_full=100) == 180


def test_without_an_update_asvp_takes_as_long_as_svpp() -> None:
    assert asvp_time(7, PROXY, 25, computed=1, train_full=100) == svpp_time(7, PROXY, 25)


def test_a_runs_lines_give_what_selecting_took() -> None:
    full = [{"seconds": {"fit": 100.0, "score": 20.0}}, {"seconds": {"fit": 100.0}}]
    assert selection_seconds(full) == full_time(1, FULL)
    one = {"fit": 127.0, "train_full": 100.0, "train_proxy": 2.0, "precompute": 25.0, "score": 1.0}
    evaluated = {"seconds": one, "notes": {"feature_update": 0.0}}
    updated = {"seconds": one, "notes": {"feature_update": 1.0}}
    later = {"seconds": {"fit": 2.0, "train_proxy": 2.0, "precompute": 0.0, "score": 1.0}}
    assert selection_seconds([evaluated, later]) == svpp_time(2, PROXY, 25)
    assert selection_seconds([evaluated, updated]) == pytest.approx(asvp_time(2, PROXY, 25, 2, 100))
