import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from calrun.report.table.labels import place_labels, spread


def test_close_labels_move_apart_around_their_middle() -> None:
    np.testing.assert_allclose(spread([1.0, 1.0, 5.0], gap=2.0), [0.0, 2.0, 5.0])
    np.testing.assert_allclose(spread([5.0, 1.0, 1.2], gap=2.0), [5.0, 0.1, 2.1])


def test_labels_far_apart_stay() -> None:
    assert spread([3.0, 1.0, 2.0], gap=0.5) == [3.0, 1.0, 2.0]


def test_a_name_that_had_to_move_away_has_a_line_to_its_point() -> None:
    axes = Figure().subplots()
    points_N2 = np.array([[0.5, 0.5]] * 9 + [[0.1, 0.1]])
    place_labels(axes, points_N2, [(f"name {number}", "k") for number in range(10)])
    names = [text for text in axes.texts if text.get_text()]
    lines = [text for text in axes.texts if isinstance(text, Annotation) and text.arrow_patch is not None]
    assert [text.get_text() for text in names] == [f"name {number}" for number in range(10)]
    assert 0 < len(lines) < 9
    assert all(line.xy == (0.5, 0.5) for line in lines)
