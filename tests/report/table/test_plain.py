import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from calrun.report.table.plain import file_name, neutral, neutral_frame, printable, say, shown


def test_names_of_small_letters_are_joined_as_they_are() -> None:
    assert file_name("digits", "mlp", "cal_er") == "digits-mlp-cal_er"


def test_of_odd_parts_all_that_can_be_read_stand_in_the_name() -> None:
    name = file_name("digits", "mlp (num_train=400, lr=0.1)", "scaled to 0.3", "badge")
    assert name.startswith("digits-mlp-scaled-to-0.3-badge-")
    long = file_name("a" * 50, "b" * 50, "entropy")
    assert long.startswith("a" * 13 + "-" + "b" * 13 + "-entropy-")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("digits", "mlp (alpha=1)"), ("digits", "mlp (alpha=-1)")),
        (("digits", "MLP"), ("digits", "mlp")),
        (("digits-mlp", "al"), ("digits", "mlp-al")),
        (("x" * 300 + "a",), ("x" * 300 + "b",)),
        (("名",), ("前",)),
    ],
)
def test_other_names_are_short_safe_and_differ_whatever_case_is_worth(
    one: tuple[str, ...], other: tuple[str, ...], tmp_path: Path
) -> None:
    names = {file_name(*one).lower(), file_name(*other).lower()}
    assert len(names) == 2
    for name in names:
        assert len(name) <= 60
        (tmp_path / f"{name}-significance.tex").touch()
    assert not {".", "-"} & {name[0] for name in names}
    assert "/" not in file_name("mine/../../x", "a")


def test_control_codes_and_broken_bytes_are_spelled_out() -> None:
    assert printable("a\x1b[31m\nb\udc80ü") == "a\\x1b[31m\\nb\\udc80ü"


def test_a_text_is_no_formula_and_a_number_stays_one() -> None:
    assert [neutral(text) for text in ("=1+1", "+a", "-x", "@x", "a=1")] == ["'=1+1", "'+a", "'-x", "'@x", "a=1"]
    frame = neutral_frame(pd.DataFrame({"=method": ["=cmd()", "al"], "difference": [-0.5, 0.25]}))
    assert frame.to_csv(index=False) == "'=method,difference\n'=cmd(),-0.5\nal,0.25\n"


def test_a_narrow_terminal_gets_the_nearest_signs() -> None:
    assert shown("1.0 ± 0.1 × 2 – ∞ ü", "ascii") == "1.0 +/- 0.1 x 2 - inf ?"
    assert shown("1.0 ± 0.1", "utf-8") == "1.0 ± 0.1"


def test_what_is_said_is_no_markup() -> None:
    printed = io.StringIO()
    say(Console(file=printed), "outputs/[/] [red]x :smile: \\[b]")
    assert printed.getvalue() == "outputs/[/] [red]x :smile: \\[b]\n"
