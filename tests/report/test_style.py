from calrun.report.style import LOOKS, look_of, place_of


def test_methods_are_told_apart_by_colour_and_unknown_ones_look_the_same_every_time() -> None:
    methods = [name for name in LOOKS if name.startswith(("cal_", "al", "fine"))]
    assert len({LOOKS[name].colour for name in methods}) == len(methods)
    assert look_of("my_method") == look_of("my_method")
    assert look_of("my_method").label == "my_method"


def test_baselines_stand_last_as_in_the_paper() -> None:
    assert sorted(["al", "mine", "al_ws", "cal_sds2", "cal_er"], key=place_of) == [
        "cal_er",
        "cal_sds2",
        "mine",
        "al_ws",
        "al",
    ]
