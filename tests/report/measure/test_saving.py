"""Labels saved against a mean baseline, and cost with prices."""

import numpy as np
import pytest

from calrun.report.measure.saving import Prices, equivalent_labels, running_best, sample_saving

LABELS_T = np.array([100.0, 200.0, 300.0, 400.0])
BASE_T = np.array([0.5, 0.6, 0.7, 0.8])


def test_a_run_that_is_its_own_baseline_saves_nothing() -> None:
    saving = sample_saving(LABELS_T, BASE_T, LABELS_T, BASE_T)
    assert (saving.ratio, saving.rounds, saving.clipped) == (0.0, 4, 0)


def test_a_curve_that_needs_half_the_labels_saves_half() -> None:
    saving = sample_saving(LABELS_T / 2, BASE_T, LABELS_T, BASE_T)
    assert saving.ratio == pytest.approx(0.5)


def test_a_worse_curve_has_a_negative_ratio() -> None:
    saving = sample_saving(LABELS_T[1:], BASE_T[:-1], LABELS_T, BASE_T)
    assert saving.ratio == pytest.approx(np.mean([-1.0, -0.5, -1 / 3]))


def test_the_baseline_is_the_mean_over_seeds_and_never_falls() -> None:
    best_T = running_best(np.array([[0.4, 0.7, 0.6, 0.8], [0.6, 0.7, 0.6, 0.8]]))
    np.testing.assert_allclose(best_T, [0.5, 0.7, 0.7, 0.8])
    assert equivalent_labels(LABELS_T, best_T, 0.7) == (200.0, False)  # the first budget of the plateau
    assert equivalent_labels(LABELS_T, best_T, 0.75) == (pytest.approx(350.0), False)


def test_outside_the_range_the_ends_count_and_are_told() -> None:
    assert equivalent_labels(LABELS_T, BASE_T, 0.4) == (100.0, True)
    assert equivalent_labels(LABELS_T, BASE_T, 0.9) == (400.0, True)
    assert equivalent_labels(LABELS_T, BASE_T, 0.9, "linear") == (pytest.approx(500.0), True)
    assert sample_saving(LABELS_T, np.array([0.4, 0.6, 0.7, 0.9]), LABELS_T, BASE_T).clipped == 2
    flat_T = np.full(4, 0.5)
    assert equivalent_labels(LABELS_T, flat_T, 0.9, "linear") == (400.0, True)


def test_rounds_that_were_not_evaluated_are_left_out() -> None:
    accuracy_T = np.array([np.nan, 0.7, np.nan, 0.8])
    saving = sample_saving(LABELS_T, accuracy_T, LABELS_T, BASE_T)
    assert saving.rounds == 2
    assert saving.ratio == pytest.approx(np.mean([1 / 3, 0.0]))
    assert sample_saving(LABELS_T, BASE_T, LABELS_T, BASE_T, skip_first=True).rounds == 3
    assert np.isnan(sample_saving(LABELS_T, np.full(4, np.nan), LABELS_T, BASE_T).ratio)


def test_the_cost_is_affine_in_the_prices() -> None:
    assert Prices(label=0.1, reviews=3, hour=4.0).cost(labels=1000, seconds=1800) == pytest.approx(300 + 2)
    twice, once = Prices(0.2, 3, 8.0).cost(500, 900), Prices(0.1, 3, 4.0).cost(500, 900)
    assert twice == pytest.approx(2 * once)
    with pytest.raises(ValueError, match=r"prices\.reviews wants at least 1"):
        Prices(0.1, 0, 4.0)
