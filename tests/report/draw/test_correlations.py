from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from calrun.report.draw.correlations import correlation_figure, matrix_of, ordered_names
from calrun.report.main import report

MakeRun = Callable[..., Path]


def pairs() -> pd.DataFrame:
    rows = [(number, "al", other, 0.1 * number) for number in (1, 2) for other in ("cal_er", "cal_sd")]
    return pd.DataFrame(rows, columns=["round", "first", "second", "correlation"])


def test_a_matrix_is_symmetric_and_empty_where_nothing_was_compared() -> None:
    names = ordered_names(pairs())
    assert set(names) == {"al", "cal_er", "cal_sd"}
    matrix = matrix_of(pairs().query("round == 2"), names)
    al, er, sd = (names.index(name) for name in ("al", "cal_er", "cal_sd"))
    np.testing.assert_array_equal(matrix, matrix.T)
    assert (matrix[al, er], matrix[al, sd]) == (0.2, 0.2)
    assert np.isnan([matrix[er, sd], matrix[al, al]]).all()


def test_each_round_is_a_field_of_its_own_with_the_names_of_the_methods() -> None:
    figure = correlation_figure("digits", pairs())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["round 1", "round 2"]
    assert {text.get_text() for text in figure.axes[1].texts} == {"0.20"}
    assert "CAL-ER" in {text.get_text() for text in figure.axes[0].get_yticklabels()}


def test_a_report_writes_the_figure_and_the_numbers_of_every_round(make_run: MakeRun, tmp_path: Path) -> None:
    for method in ("al", "cal_er"):
        folder = make_run([0.5, 0.6], method=method)
        for number in (1, 2):
            (folder / f"round-{number}").mkdir()
            np.save(folder / f"round-{number}" / "test_entropy.npy", np.array([0.1, 0.2, 0.7]))
    report([tmp_path / "outputs"], tmp_path / "report")
    (numbers,) = (tmp_path / "report").glob("*-entropy-correlation-rounds.csv")
    assert pd.read_csv(numbers)["round"].tolist() == [1, 2]
    assert numbers.with_suffix(".png").exists()
