from collections.abc import Callable
from pathlib import Path

from calrun.report.draw.panels import panels
from calrun.report.read.runs import read
from calrun.report.table.headline import headline

MakeRun = Callable[..., Path]


def said(folder: Path, against: str = "al") -> str:
    return headline(list(panels(read([folder]).table))[-1], against, "al")


def test_it_says_which_by_how_much_how_fast_and_how_sure(make_run: MakeRun, tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.001, 0.002)):
        make_run([0.5, 0.80], seed=seed, seconds=[10, 30])
        make_run([0.5, 0.85 + noise], seed=seed, seconds=[10, 10], method="cal_er")
        make_run([0.5, 0.70 + noise], seed=seed, method="cal_der")
    assert said(tmp_path) == (
        "digits, mlp, entropy: at 200 labels CAL-ER has 85.1 %, 5.1 points above AL at 2.0× the speed of AL (told "
        "apart; 95 % interval of this pair alone +4.9 to +5.3, n = 3, which finds 0.5 points with 80 % power, "
        "p = 0.00013 after Holm's correction over 2 comparisons)."
    )


def test_what_cannot_be_told_apart_is_open_and_one_seed_is_untested(make_run: MakeRun, tmp_path: Path) -> None:
    for seed, sign in enumerate((1, -1, 1)):
        make_run([0.5, 0.80], seed=seed)
        make_run([0.5, 0.80 + sign / 50], seed=seed, method="cal_er")
    assert "0.7 points above AL" in said(tmp_path)
    assert "(open: not told apart; 95 %" in said(tmp_path)


def test_where_the_baseline_is_best_it_is_held_against_the_next(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.9], acquisition="random")
    make_run([0.8], acquisition="margin")
    make_run([0.7], acquisition="badge")
    sentence = said(tmp_path, "random")
    assert "random has 90.0 %, 10.0 points above margin (untested: 1 pair of equal seeds" in sentence


def test_where_plain_al_is_best_the_speed_of_what_it_is_held_against_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.9], seconds=[10, 30])
    make_run([0.5, 0.8], seconds=[10, 10], method="cal_er")
    assert "AL has 90.0 %, 10.0 points above CAL-ER, which trains at 2.0× the speed of AL (unt" in said(tmp_path)


def test_seeds_that_one_of_the_pair_lacks_leave_the_mean_of_the_pairs_to_be_said(
    make_run: MakeRun, tmp_path: Path
) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.80], seed=seed)
        make_run([0.5, 0.81 + seed / 100], seed=seed, method="cal_er")
    make_run([0.5, 0.2], seed=2)
    assert "21.5 points above AL" in said(tmp_path)
    assert "mean of the seeds that both have +1.5, 95 % interval of this pair alone -4.9 to +7.9" in said(tmp_path)


def test_equal_means_are_level(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    make_run([0.5], method="cal_er")
    assert " has 50.0 %, level with " in said(tmp_path)


def test_a_line_alone_is_not_compared(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.9])
    assert said(tmp_path).endswith("AL has 90.0 %, one seed; nothing stands beside it.")
