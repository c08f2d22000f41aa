from calrun.places import options
from calrun.report.draw.style import LOOKS, NUM_SPARE, STYLES, Style, first_look, luminance, place_of, style_of
from calrun.report.draw.style import styles_together as together

OUTSIDE = [f"mine_{number}" for number in range(100)]  # acquisitions of nobody's list


def test_methods_are_told_apart_by_colour_and_unknown_ones_look_the_same_every_time() -> None:
    methods = [name for name in STYLES if name.startswith(("cal_", "al", "fine"))]
    assert len({STYLES[name].colour for name in methods}) == len(methods)
    assert style_of("my_method") == style_of("my_method")
    assert style_of("my_method").label == "my_method"


def num_told_apart(styles: dict[str, Style]) -> tuple[int, int]:
    """How many differ in colour or dash, as lines on the page do, and in colour or marker, as points in print do."""
    dashed = {(style.colour, style.dash) for style in styles.values()}
    return len(dashed), len({(style.colour, style.marker) for style in styles.values()})


def test_the_listed_acquisitions_differ_in_colour_or_dash() -> None:
    """The page draws no markers."""
    listed = [name for name in options("acquisition")["acquisition"] if name in STYLES]
    assert num_told_apart({name: STYLES[name] for name in listed})[0] == len(listed)


def test_acquisitions_from_outside_are_told_apart_from_all_others_without_an_entry() -> None:
    names = {*options("acquisition")["acquisition"], *OUTSIDE[:40]}
    apart = num_told_apart(together(names))[0]
    assert apart == len(names)
    assert num_told_apart(together(OUTSIDE[:60])) == (60, 60)
    assert together(["mine_3"])["mine_3"].label == "mine_3"


def test_a_look_follows_from_the_name_and_only_the_later_of_two_alike_gives_way() -> None:
    first = OUTSIDE[0]
    alike = next(name for name in OUTSIDE[1:] if first_look(name) == first_look(first))
    other = next(name for name in OUTSIDE[1:] if first_look(name) not in (first_look(first), first_look(first) + 1))
    found = together([other, alike, "entropy", first])
    assert found == together([first, "entropy", alike, other])
    assert [name for name in found if found[name] != style_of(name)] == [alike]
    assert found[alike] == Style(alike, *LOOKS[first_look(first) + 1])


def test_a_listed_look_is_left_alone() -> None:
    """ActiveFT has a spare colour, and the marker of those that are drawn in the first dash but one."""
    names = [name for name in OUTSIDE if (style_of(name).colour, style_of(name).marker) == ("#44AA99", ">")]
    found = together([names[0], "activeft"])
    assert found["activeft"] == STYLES["activeft"]
    assert found[names[0]].colour != "#44AA99"


def test_more_names_than_looks_are_still_drawn() -> None:
    names = [f"other_{number}" for number in range(200)]
    assert len(together(names)) == 200
    assert num_told_apart(together(names))[0] == len(LOOKS) > NUM_SPARE


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
