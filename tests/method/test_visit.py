import numpy as np
import pytest

from calrun.method.cal_mir import MostInterfered
from calrun.method.visit import AllLabelled, Newest, Replay


def test_an_epoch_passes_once_over_the_current_rows_and_keeps_the_last_partial_batch(later_round) -> None:
    steps = AllLabelled().epoch(later_round, epoch=0, batch_size=3)
    assert [len(step.current) for step in steps] == [3, 3, 2]
    assert sorted(np.concatenate([step.current for step in steps])) == list(range(8))
    assert not any(len(step.replay) for step in steps)


def test_newest_visits_only_the_last_purchase(later_round) -> None:
    assert sorted(np.concatenate([s.current for s in Newest().epoch(later_round, 0, 1)])) == [6, 7]


def test_replay_draws_distinct_history_rows_for_each_step(later_round) -> None:
    steps = Replay(replay_size=4).epoch(later_round, epoch=0, batch_size=1)
    assert len(steps) == 2
    for step in steps:
        assert len(set(step.replay)) == 4
        assert set(step.replay) <= set(range(6))


def test_a_short_history_is_replayed_whole(later_round, first_round) -> None:
    assert sorted(Replay(replay_size=40).epoch(later_round, 0, 2)[0].replay) == list(range(6))
    assert len(Replay(replay_size=40).epoch(first_round, 0, 2)[0].replay) == 0


def test_replay_is_uniform_over_the_history(later_round) -> None:
    draws = np.concatenate([Replay(2).epoch(later_round, epoch, 1)[0].replay for epoch in range(600)])
    counts = np.bincount(draws, minlength=6)
    assert ((counts - 200) ** 2 / 200).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


def test_epochs_differ_and_repeat(later_round) -> None:
    orders = [[s.current.tolist() for s in AllLabelled().epoch(later_round, epoch, 3)] for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.parametrize("num_candidates", [None, 100, 128])
def test_candidates_that_leave_no_choice_are_refused(num_candidates: int | None) -> None:
    with pytest.raises(ValueError, match=rf"num_candidates is {num_candidates}, so MostInterfered .* that is cal_er"):
        Replay(replay_size=128, num_candidates=num_candidates, choose=MostInterfered())


def test_a_history_that_leaves_no_choice_is_noted(first_round, later_round) -> None:
    found = []
    for this_round, size in ((first_round, 4), (later_round, 6), (later_round, 5)):
        visit = Replay(size, 8, MostInterfered())
        visit.begin_round(this_round)
        found.append(visit.notes())
    assert found == [{}, {"whole_history_replayed": 6.0}, {}]


def test_each_phase_has_an_order_of_its_own_and_the_first_the_plain_one(later_round) -> None:
    visit = Replay(3)
    plain = later_round.rng("batch order", 0).permutation(np.array([6, 7]))
    first, second, third = (
        [step.replay.tolist() for step in visit.epoch(later_round, 0, 1, phase)] for phase in range(3)
    )
    assert first != second != third != first
    assert np.concatenate([step.current for step in visit.epoch(later_round, 0, 1)]).tolist() == plain.tolist()
    orders = [AllLabelled().epoch(later_round, 0, 8, phase)[0].current.tolist() for phase in range(2)]
    assert orders[0] != orders[1]


def test_a_single_left_over_row_joins_the_step_before_it(later_round) -> None:
    assert [len(step.current) for step in AllLabelled().epoch(later_round, 0, batch_size=7)] == [8]
    assert [len(step.current) for step in Newest().epoch(later_round, 0, batch_size=1)] == [1, 1]
