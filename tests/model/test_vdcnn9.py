"""VDCNN-9 against the paper's table, k-max pooling by hand, and padding."""

import pytest
import torch
from torch import nn

from calrun.model.vdcnn9 import LargestOfEach, vdcnn9


def test_layers_are_those_of_the_papers_table() -> None:
    net = vdcnn9(5, (1014,), 69, 1014)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv1d)]
    assert [m.out_channels for m in convolutions] == [64, 64, 64, 128, 128, 256, 256, 512, 512]
    assert {m.kernel_size for m in convolutions} == {(3,)}
    linear = [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]
    assert linear == [(4096, 2048), (2048, 2048), (2048, 5)]
    assert sum(isinstance(m, nn.MaxPool1d) for m in net.modules()) == 3
    assert net.backbone[0].embedding.weight.shape == (69, 16)


def test_the_largest_of_each_channel_stay_in_their_order() -> None:
    x = torch.tensor([[[1.0, 9, 3, 7, 8], [5, 4, 3, 2, 1]]])
    assert LargestOfEach(3)(x).tolist() == [[[9, 7, 8], [5, 4, 3]]]


def test_a_text_gives_the_same_logits_however_far_its_batch_is_padded() -> None:
    net, x = vdcnn9(2, (80,), 69, 80).eval(), torch.randint(1, 69, (2, 30))
    with torch.no_grad():
        torch.testing.assert_close(net(torch.nn.functional.pad(x, (0, 50))).logits_BC, net(x).logits_BC)


def test_texts_longer_than_the_network_is_padded_to_and_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model.length is 70, .* texts have up to 80 characters; raise it"):
        vdcnn9(2, (80,), 69, 70)
    with pytest.raises(ValueError, match=r"model.length is 60, but model=vdcnn9 wants at least 64"):
        vdcnn9(2, (30,), 69, 60)
    with pytest.raises(ValueError, match=r"wants texts, but the data set gives inputs of shape \(1, 8, 8\)"):
        vdcnn9(2, (1, 8, 8), None, 1014)
