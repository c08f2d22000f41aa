from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calrun.report.measure.entropy import correlation, entropy_correlation
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_correlation_is_pearsons_in_double_precision() -> None:
    rng = np.random.default_rng(0)
    first_N = rng.random(500).astype(np.float32) + 1000
    second_N = first_N + rng.random(500).astype(np.float32)
    expected = np.corrcoef(first_N.astype(float), second_N.astype(float))[0, 1]
    assert correlation(first_N, second_N) == pytest.approx(expected)
    assert np.isnan(correlation(np.ones(3), np.arange(3)))


def test_different_test_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 3 rows"):
        correlation(np.ones(2), np.ones(3))


def test_pairs_share_the_seed_and_are_averaged_over_seeds(make_run: MakeRun, tmp_path: Path) -> None:
    values = np.array([0.1, 0.5, 0.9], np.float32)
    for seed, sign in ((0, 1), (1, -1), (2, None)):
        for method, scores in (("al", values), ("cal_er", None if sign is None else sign * values)):
            folder = make_run([0.5], seed=seed, method=method)
            if scores is not None:
                (folder / "round-1").mkdir()
                np.save(folder / "round-1" / "test_entropy.npy", scores)
    runs = read([tmp_path])
    (row,) = entropy_correlation(runs.table, runs.test_entropies()[0]).to_dict("records")
    assert (row["first"], row["second"], row["n"]) == ("al", "cal_er", 2)
    assert row["correlation"] == pytest.approx(0.0)
