"""The times of Table 7 of Wen et al. 2024, typed anew, against the seconds of a run's rounds."""

from typing import Any

import pandas as pd
import pytest

from calrun.report.measure.proxy_times import selection_seconds


def rounds(*lines: dict[str, Any]) -> pd.DataFrame:
    """Rounds of a run: training the full network takes 100 s, its pass 20, the proxy's 2 and 1, features 25."""
    names = ("score", "select", "train_full", "train_proxy", "precompute")
    told = [{f"{name}_seconds": line.get(name, float("nan")) for name in (*names, "fit")} for line in lines]
    return pd.DataFrame(told).assign(round=range(1, len(lines) + 1)).dropna(axis=1, how="all")


FULL = {"fit": 100.0, "score": 20.0, "select": 0.0}
PROXY = {"fit": 2.0, "train_proxy": 2.0, "precompute": 0.0, "score": 1.0, "select": 0.0}
EVALUATED = {**PROXY, "train_full": 100.0}
LAST = {"fit": 102.0, "train_full": 100.0, "train_proxy": 2.0, "precompute": 0.0}


def test_the_full_network_selects() -> None:
    assert selection_seconds(rounds(FULL, FULL, {"fit": 100.0})) == 2 * (100 + 20)


def test_svpp_computes_features_once() -> None:
    first = {**EVALUATED, "precompute": 25.0}
    assert selection_seconds(rounds(first, EVALUATED, LAST)) == 2 * (2 + 1) + 25


def test_asvp_trains_the_full_network_for_new_features() -> None:
    first, updated = {**EVALUATED, "precompute": 25.0}, {**EVALUATED, "precompute": 25.0}
    assert selection_seconds(rounds(first, updated, LAST)) == pytest.approx(2 * (2 + 1) + 2 * 25 + (2 - 1) * 100)
