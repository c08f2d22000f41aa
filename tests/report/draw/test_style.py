from calrun.places import options
from calrun.report.draw.style import STYLES, luminance, place_of, style_of


def test_methods_are_told_apart_by_colour_and_unknown_ones_look_the_same_every_time() -> None:
    methods = [name for name in STYLES if name.startswith(("cal_", "al", "fine"))]
    assert len({STYLES[name].colour for name in methods}) == len(methods)
    assert style_of("my_method") == style_of("my_method")
    assert style_of("my_method").label == "my_method"


def test_every_acquisition_has_a_colour_and_dash_of_its_own() -> None:
    """The page draws no markers: what it compares differs in colour or dash."""
    names = options("acquisition")["acquisition"]
    assert {name for name in names if name not in STYLES} == set()
    assert len({(STYLES[name].colour, STYLES[name].dash) for name in names}) == len(names)


def test_names_are_readable_on_white() -> None:
    for style in STYLES.values():
        channels = [int(style.ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        assert 1.05 / (luminance(channels) + 0.05) > 4.4
    assert STYLES["cal_er"].ink == STYLES["cal_er"].colour.lower()


def test_baselines_stand_last_as_in_the_paper() -> None:
    assert sorted(["al", "mine", "al_ws", "cal_sds2", "cal_er"], key=place_of) == [
        "cal_er",
        "cal_sds2",
        "mine",
        "al_ws",
        "al",
    ]


def test_thirty_variants_of_a_name_are_told_apart_by_marker_and_dash() -> None:
    styles = [style_of("cal_sd").variant(number) for number in range(30)]
    assert len({(style.marker, style.dash) for style in styles}) == 30
    assert {style.colour for style in styles} == {STYLES["cal_sd"].colour}
