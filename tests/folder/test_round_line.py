"""Balance of labels and memory."""

from math import log

import numpy as np
import pytest
import torch

from calrun.folder.round_line import balance, peak_memory_bytes


def test_balance_counts_by_hand() -> None:
    found = balance(np.array([3, 0, 1]))
    assert found["class_counts"] == [3, 0, 1]
    assert found["imbalance_ratio"] == 3
    assert found["label_entropy"] == pytest.approx(-(0.75 * log(0.75) + 0.25 * log(0.25)))


def test_even_labels_have_the_largest_entropy() -> None:
    found = balance(np.array([3, 3, 3, 3]))
    assert found["imbalance_ratio"] == 1
    assert found["label_entropy"] == pytest.approx(log(4))


def test_the_peak_of_memory_is_the_whole_process_in_bytes() -> None:
    peak = peak_memory_bytes(torch.device("cpu"))
    assert 50e6 < peak < 1e12
