import pytest

from calrun.budget.piecewise import Piecewise

ASVP = {  # Wen et al. 2024, Sec. 6.1 and 6.5: segments, rounds, last count
    "imagenet": ([(100_000, 10_000), (400_000, 50_000)], 16, 400_000),
    "cifar10": ([(2_000, 200), (6_000, 500)], 18, 6_000),
    "cifar100": ([(6_000, 400), (20_000, 2_000)], 22, 20_000),
    "pets": ([(2_000, 200)], 10, 2_000),
    "ablation_cifar100": ([(6_000, 400)], 15, 6_000),
}


@pytest.mark.parametrize("name", ASVP)
def test_the_schedules_of_asvp_have_the_papers_rounds_and_end(name: str) -> None:
    pairs, rounds, last = ASVP[name]
    sizes = Piecewise([{"until": until, "step": step} for until, step in pairs]).sizes(last)
    assert len(sizes) == rounds
    assert sizes[0] == pairs[0][1]
    assert sizes[-1] == last


def test_the_step_changes_where_the_segment_ends() -> None:
    assert Piecewise([{"until": 4, "step": 2}, {"until": 10, "step": 3}]).sizes(10) == [2, 4, 7, 10]


def test_a_first_segment_of_one_round_is_a_larger_start() -> None:
    """The appendix of ASVP: 10,000 random rows, then 90,000 in 9 equal rounds, with steps of their own."""
    sizes = Piecewise([{"until": 30, "step": 30}, {"until": 50, "step": 10}]).sizes(50)
    assert sizes == [30, 40, 50]


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([{"until": 5, "step": 2}], r"segments\[0\] wants to end at 5 labels by whole steps of 2 from 0"),
        ([{"until": 4, "step": 2}, {"until": 4, "step": 1}], r"segments\[1\] wants to end at 4 .* from 4"),
        ([{"until": 4}], r"segments\[0\] wants the keys until and step, but has \['until'\]"),
        ([{"until": 4, "step": 0}], r"budget.segments\[0\].step wants a whole number of at least 1, but is 0"),
    ],
)
def test_segments_that_do_not_add_up_are_refused(segments: list[dict[str, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Piecewise(segments)


def test_no_segment_is_no_budget() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        Piecewise([]).sizes(10)
