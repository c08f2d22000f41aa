"""Every option is judged by what it needs, not by its name."""

import pytest

from calrun.arena.entrants import BASELINES, entrants, sizes_of, weighed

EVERYONE = {each.name: each for each in entrants(None)}


@pytest.mark.parametrize(
    ("name", "unfit", "dear"),
    [
        ("badge", "", ""),
        ("bald", "", ""),
        ("deepfool", "", "looks at pictures and looks at the network itself"),
        ("core_gcn", "", "fits a network of its own"),
        ("learning_loss", "trains loss_head beside the network", ""),
        ("picks_of", "wants a file, acquisition.path", ""),
        (
            "oracle_greedy",
            "looks at a validation split and means nothing with another head than that of method=ridge",
            "",
        ),
        ("regions", "compares two networks", "fits a network of its own"),
    ],
)
def test_an_option_is_judged(name: str, unfit: str, dear: str) -> None:
    assert (EVERYONE[name].unfit, EVERYONE[name].dear) == (unfit, dear)


def test_cheats_are_known() -> None:
    assert {name for name, each in EVERYONE.items() if each.cheats} >= {"balanced_random", "balancing"}
    assert not any(EVERYONE[name].cheats for name in BASELINES)


def test_a_choice_that_takes_long_is_played_only_when_it_is_asked_for() -> None:
    long, short = sizes_of(3000, 750, 150, 10, 128), sizes_of(300, 10, 10, 10, 64)
    assert "takes about" in weighed(EVERYONE["batch_bald"], [short, long]).dear
    assert weighed(EVERYONE["batch_bald"], [short]).dear == ""
    assert weighed(EVERYONE["badge"], [long]).dear == ""


def test_an_option_that_would_refuse_is_unfit() -> None:
    assert "a row here is 64 numbers" in weighed(EVERYONE["vaal"], [sizes_of(300, 10, 10, 10, 64)]).unfit


def test_options_are_composed_as_a_run_composes_them() -> None:
    from calrun.plan.plan import composed

    for name in ("cluster_margin", "partitioned_badge", "tod"):
        assert EVERYONE[name].node == dict(composed([f"acquisition={name}"]).acquisition)
