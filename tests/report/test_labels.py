import numpy as np

from calrun.report.labels import spread


def test_close_labels_move_apart_around_their_middle() -> None:
    np.testing.assert_allclose(spread([1.0, 1.0, 5.0], gap=2.0), [0.0, 2.0, 5.0])
    np.testing.assert_allclose(spread([5.0, 1.0, 1.2], gap=2.0), [5.0, 0.1, 2.1])


def test_labels_far_apart_stay() -> None:
    assert spread([3.0, 1.0, 2.0], gap=0.5) == [3.0, 1.0, 2.0]
