from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrun.method.fit.stop import EarlyStopping, FixedEpochs, Saturation, StoppingRule, TrainAccuracy
from calrun.part.figures import EpochFigures


def trained(*accuracies: float) -> list[EpochFigures]:
    return [EpochFigures(accuracy, 1.0) for accuracy in accuracies]


def validated(*accuracies: float) -> list[EpochFigures]:
    return [EpochFigures(0.5, 1.0, accuracy) for accuracy in accuracies]


@pytest.mark.parametrize(
    ("rule", "history", "expected"),
    [
        (FixedEpochs(2), trained(1.0), None),
        (FixedEpochs(2), trained(0.1, 0.1), "max epochs"),
        (TrainAccuracy(3, 0.99), trained(0.5, 0.9899), None),
        (TrainAccuracy(3, 0.99), trained(0.5, 0.99), "train accuracy 99 %"),
        (TrainAccuracy(3, 0.99), trained(0.995, 0.5), None),  # only the last epoch counts
        (TrainAccuracy(3, 0.99), trained(0.5, 0.6, 0.7), "max epochs"),
        (TrainAccuracy(3, 0.995), trained(0.5, 0.6, 0.999), "train accuracy 99.5 %"),  # the better news wins
        (Saturation(99, 0.99, 3, 0.1), trained(0.5, 0.5), None),  # the window is not full
        (Saturation(99, 0.99, 3, 0.1), trained(0.5, 0.5, 0.5), "saturated"),
        (Saturation(99, 0.99, 3, 0.1), trained(0.5, 0.4, 0.3), "saturated"),  # falling is not growing
        (Saturation(99, 0.99, 3, 0.125), trained(0.5, 0.25, 0.375), None),  # 0.125 above an earlier one is growth
        (Saturation(99, 0.99, 3, 0.125), trained(0.25, 0.5, 0.5, 0.5), "saturated"),  # the growth has left the window
        (Saturation(99, 0.99, 3, 0.1), trained(0.5, 0.5, 0.99), "train accuracy 99 %"),
        (Saturation(3, 0.99, 3, 0.1), trained(0.1, 0.5, 0.9), "max epochs"),
        (EarlyStopping(99, 2), validated(0.5, 0.4, 0.4), None),
        (EarlyStopping(99, 2), validated(0.5, 0.4, 0.4, 0.4), "val accuracy has not improved for more than 2 epochs"),
        (EarlyStopping(99, 2), validated(0.5, 0.4, 0.5, 0.4), None),  # a tie updates the best
        (EarlyStopping(99, 0), validated(0.5, 0.4), "val accuracy has not improved for more than 0 epochs"),
        (EarlyStopping(2, 9), validated(0.5, 0.6), "max epochs"),
    ],
)
def test_the_reason_is_the_one_worked_out_by_hand(
    rule: StoppingRule, history: Sequence[EpochFigures], expected: str | None
) -> None:
    assert rule.reason(history) == expected


RULES: list[Callable[[int], StoppingRule]] = [
    FixedEpochs,
    lambda epochs: TrainAccuracy(epochs, 0.99),
    lambda epochs: Saturation(epochs, 0.99, 4, 0.01),
    lambda epochs: EarlyStopping(epochs, 3),
]


@pytest.mark.parametrize("make", RULES)
def test_no_rule_stops_before_the_first_epoch_or_goes_on_after_the_last(make: Callable[[int], StoppingRule]) -> None:
    rule = make(5)
    growing = [EpochFigures(0.1 * epoch, 1.0, 0.1 * epoch) for epoch in range(5)]
    assert [rule.reason(growing[:epochs]) for epochs in range(6)] == [None] * 5 + ["max epochs"]
    assert rule.max_epochs == 5


@given(st.lists(st.integers(0, 20).map(lambda step: step / 64), min_size=4, max_size=4))
def test_saturation_is_the_comparison_of_all_pairs(accuracies: list[float]) -> None:
    grew = any(later - earlier >= 2 / 64 for earlier, later in combinations(accuracies, 2))
    reason = Saturation(99, 0.99, 4, 2 / 64).reason(trained(*accuracies))
    assert reason == (None if grew else "saturated")


@pytest.mark.parametrize(("accuracies", "expected"), [([0.5], 0), ([0.5, 0.7, 0.6], 1), ([0.7, 0.5, 0.7, 0.6], 2)])
def test_the_best_epoch_is_the_last_of_the_equal_best(accuracies: list[float], expected: int) -> None:
    assert EarlyStopping(99, 5).best_epoch(validated(*accuracies)) == expected


def test_early_stopping_without_a_validation_split_is_refused() -> None:
    assert EarlyStopping.needs_validation
    with pytest.raises(ValueError, match="no validation split"):
        EarlyStopping(9, 3).reason(trained(0.5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedEpochs(0), "epochs wants at least 1 epoch, but is 0"),
        (lambda: TrainAccuracy(-1, 0.9), "max_epochs wants at least 1 epoch, but is -1"),
        (lambda: TrainAccuracy(9, 99.0), "threshold wants an accuracy above 0 and up to 1, but is 99.0"),
        (lambda: Saturation(9, 0.99, 1, 0.1), "window of at least 2 epochs"),
        (lambda: Saturation(9, 0.99, 3, 0.0), "min_diff above 0"),
        (lambda: EarlyStopping(9, -1), "patience wants 0 epochs or more, but is -1"),
    ],
)
def test_impossible_rules_are_refused(make: Callable[[], StoppingRule], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
