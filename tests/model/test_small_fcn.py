import pytest
import torch

from calrun.model.small_fcn import small_fcn


@pytest.mark.parametrize("side", [8, 33, 48])
def test_each_pixel_has_logits_whatever_the_size(side: int) -> None:
    net = small_fcn(5, (3, side, side + 1), width=4, dropout=0.0)
    output = net(torch.randn(2, 3, side, side + 1))
    assert output.logits_BC.shape == (2, 5, side, side + 1)
    assert output.features_BD.shape == (2, 16)


def test_vectors_are_no_pictures() -> None:
    with pytest.raises(ValueError, match=r"model=small_fcn wants pictures"):
        small_fcn(5, (64,), width=4, dropout=0.0)
