import numpy as np
import pytest
import torch

from calrun.method.stored import StoredLogits


def test_rows_find_their_own_logits_and_later_rounds_leave_them_alone() -> None:
    stored = StoredLogits(10)
    first = torch.randn(3, 2)
    stored.write(np.array([7, 1, 4]), first)
    stored.write(np.array([0, 9]), torch.randn(2, 2))
    assert torch.equal(stored.read(torch.tensor([4, 7, 1])), first[[2, 0, 1]])


def test_a_row_is_stored_once() -> None:
    stored = StoredLogits(10)
    stored.write(np.array([7, 1]), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"1 of 2 rows are stored already \(first: \[1\]\)"):
        stored.write(np.array([1, 2]), torch.ones(2, 2))


def test_state_comes_back_bit_for_bit() -> None:
    stored, again = StoredLogits(10), StoredLogits(10)
    stored.write(np.array([7, 1]), torch.randn(2, 2))
    again.load_state_dict(stored.state_dict())
    assert torch.equal(again.read(torch.tensor([1, 7])), stored.read(torch.tensor([1, 7])))
