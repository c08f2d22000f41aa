from calrun.places import options
from calrun.report.draw.style import LOOKS, look_of, luminance, place_of


def test_methods_are_told_apart_by_colour_and_unknown_ones_look_the_same_every_time() -> None:
    methods = [name for name in LOOKS if name.startswith(("cal_", "al", "fine"))]
    assert len({LOOKS[name].colour for name in methods}) == len(methods)
    assert look_of("my_method") == look_of("my_method")
    assert look_of("my_method").label == "my_method"


def test_every_acquisition_has_a_colour_and_dash_of_its_own() -> None:
    """The page draws no markers: what it compares differs in colour or dash."""
    names = options("acquisition")["acquisition"]
    assert {name for name in names if name not in LOOKS} == set()
    assert len({(LOOKS[name].colour, LOOKS[name].dash) for name in names}) == len(names)


def test_names_are_readable_on_white() -> None:
    for look in LOOKS.values():
        channels = [int(look.ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        assert 1.05 / (luminance(channels) + 0.05) > 4.4
    assert LOOKS["cal_er"].ink == LOOKS["cal_er"].colour.lower()


def test_baselines_stand_last_as_in_the_paper() -> None:
    assert sorted(["al", "mine", "al_ws", "cal_sds2", "cal_er"], key=place_of) == [
        "cal_er",
        "cal_sds2",
        "mine",
        "al_ws",
        "al",
    ]


def test_thirty_variants_of_a_name_are_told_apart_by_marker_and_dash() -> None:
    looks = [look_of("cal_sd").variant(number) for number in range(30)]
    assert len({(look.marker, look.dash) for look in looks}) == 30
    assert {look.colour for look in looks} == {LOOKS["cal_sd"].colour}
