import pytest
import torch

from calrun.model.dla import Tree, dla


def test_the_root_of_a_tree_joins_its_smaller_trees_and_its_two_blocks() -> None:
    torch.manual_seed(0)
    tree, x = Tree(4, 8, level=2, stride=2).eval(), torch.randn(2, 4, 8, 8)
    first = tree.trees[0](x)
    left = tree.left_node(first)
    right = tree.right_node(left)
    torch.testing.assert_close(tree(x), tree.root(torch.cat([first, left, right], dim=1)))
    assert first.shape == right.shape == (2, 8, 4, 4)


def test_the_size_is_that_of_the_code_that_the_study_trains() -> None:
    """kuangliu/pytorch-cifar, models/dla.py, counted layer by layer; its head has 512 x 10 + 10 parameters."""

    def convolution(inputs: int, outputs: int, kernel: int = 3) -> int:
        return inputs * outputs * kernel**2 + 2 * outputs  # with its BatchNorm

    def block(inputs: int, outputs: int) -> int:
        projection = convolution(inputs, outputs, 1) if inputs != outputs else 0
        return convolution(inputs, outputs) + convolution(outputs, outputs) + projection

    def tree(inputs: int, outputs: int, level: int) -> int:
        root = convolution((level + 1) * outputs, outputs, 1)
        nodes = block(outputs if level > 1 else inputs, outputs) + block(outputs, outputs)
        return root + nodes + (tree(inputs, outputs, 1) if level > 1 else 0)

    plain = convolution(3, 16) + convolution(16, 16) + convolution(16, 32)
    trees = tree(32, 64, 1) + tree(64, 128, 2) + tree(128, 256, 2) + tree(256, 512, 1)
    net = dla(10, (3, 32, 32), width=16)
    assert sum(each.numel() for each in net.parameters()) == plain + trees + 512 * 10 + 10


@pytest.mark.parametrize("side", [8, 28, 32])
def test_an_eighth_of_the_size_is_left(side: int) -> None:
    backbone = dla(4, (1, side, side), width=2).eval().backbone
    x = torch.zeros(1, 1, side, side)
    for layer in backbone.children():
        x = layer(x)
    assert x.shape == (1, 64, -(-side // 8), -(-side // 8))
