"""The papers' tables as data, and our measures on the papers' own numbers."""

import math

import numpy as np
import pytest

from calrun.report.measure.cost import average_points
from calrun.report.verdict.printed import corruption_cells, figure_points, paper_table, printed


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16])
def test_every_comparison_table_is_whole(number: int) -> None:
    table = paper_table(f"cal/table{number}")
    assert table is not None
    assert len(table.cells) == 35
    assert table.cells["mean"].between(40, 100).all()
    assert table.cells["speed_up"].notna().all() == (number <= 6)


def test_every_best_printed_in_bold_is_a_maximum_of_its_column() -> None:
    for number in (1, 2, 11, 12, 13, 14, 15, 16):
        table = paper_table(f"cal/table{number}")
        assert table is not None
        for _, column in table.cells.groupby("budget"):
            assert (column.loc[column["bold"], "mean"] == column["mean"].max()).all()


def test_misprints_are_flagged_and_left_as_printed() -> None:
    table = paper_table("cal/table4")
    assert table is not None
    (row,) = table.cells[table.cells["suspect"] != ""].to_dict("records")
    assert (row["method"], row["budget"], row["speed_up"]) == ("cal_er", "20%", 3.5)


def test_table_8_follows_from_table_7() -> None:
    """Table 7 is rounded to 0.1 in each of 19 corruptions, so the mean may be off by some hundredths."""
    by_method = corruption_cells().pivot_table(index="corruption", columns="method", values="mean")
    recomputed = by_method.sub(by_method["al"], axis=0).mean()
    for method, difference in printed("das2023")["mean_difference"].items():
        assert recomputed[method] == pytest.approx(difference, abs=0.025)


def test_figure_3_and_1_follow_from_tables_1_to_6() -> None:
    points = figure_points()
    figure_3 = average_points(points, ["dataset", "method"]).set_index(["dataset", "method"])
    accuracies, base = np.array([92.7, 93.9, 94.5, 94.8, 94.9]), np.array([92.6, 93.8, 94.4, 94.9, 94.9])
    expected = [np.mean(accuracies / base), np.mean([1.4, 2.0, 2.4, 2.7, 3.1])]
    np.testing.assert_allclose(figure_3.loc[("fmnist", "cal_der")], expected)
    assert (figure_3.xs("al", level="method") == 1.0).all(axis=None)
    figure_1 = average_points(figure_3.reset_index(), ["method"]).set_index("method")
    six = figure_3.xs("cal_der", level="method")["time"]
    assert len(six) == 6
    assert figure_1.loc["cal_der", "time"] == pytest.approx(six.mean())


def test_figure_1_bears_out_the_abstract() -> None:
    """CAL-DER, -SD and -SDS2 keep AL's accuracy (to half a percent) at about three times the speed."""
    points = average_points(figure_points(), ["dataset", "method"])
    figure_1 = average_points(points, ["method"]).set_index("method")
    for method in ("cal_der", "cal_sd", "cal_sds2"):
        assert figure_1.loc[method, "relative_accuracy"] > 0.995
    assert figure_1["time"].idxmax() in ("cal_er", "cal_der", "cal_sd")
    assert 2.0 < figure_1.loc["cal_der", "time"] < 4.0


def test_figure_4_is_over_data_sets_at_the_shared_budgets() -> None:
    points = figure_points()
    shared = points[points["budget"].isin(["10%", "20%", "30%"]) & (points["dataset"] != "cola")]
    figure_4 = average_points(shared, ["budget", "method"]).set_index(["budget", "method"])
    at_30 = shared[(shared["budget"] == "30%") & (shared["method"] == "cal_sd")]
    assert len(at_30) == 5
    assert figure_4.loc[("30%", "cal_sd"), "time"] == pytest.approx(at_30["time"].mean())


def test_sensitivity_tables_are_in_our_words() -> None:
    alphas, grid = paper_table("cal/table9"), paper_table("cal/table10")
    assert alphas is not None
    assert grid is not None
    assert alphas.cells["variant"].tolist() == ["alpha=0.1", "alpha=0.25", "alpha=0.75", "alpha=0.9"]
    assert len(grid.cells) == 15
    assert math.isnan(grid.cells["std"].iloc[0])
    assert grid.cells.loc[grid.cells["bold"], "mean"].tolist() == [94.44]


def test_figures_and_other_papers_have_no_printed_table() -> None:
    assert paper_table("cal/fig2") is None
    assert paper_table("digits") is None


@pytest.mark.parametrize("paper", ["beck2021", "emam2021", "wen2024"])
def test_other_papers_rows_fit_their_columns(paper: str) -> None:
    for table in printed(paper)["tables"].values():
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}
