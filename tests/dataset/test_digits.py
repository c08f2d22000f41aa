import numpy as np
import torch
from sklearn.datasets import load_digits

from calrun.dataset.digits import load
from calrun.dataset.source.transform import Transform


def test_digits_are_split_with_equal_class_shares_and_scaled() -> None:
    dataset = load(Transform([0.0], [1.0]), num_train=1000, split_seed=0)
    train, test = dataset.train, dataset.tests["test"]
    assert (len(train), len(test), dataset.num_classes, dataset.input_shape) == (1000, 797, 10, (1, 8, 8))
    share = np.bincount(load_digits().target) / 1797
    assert np.abs(np.bincount(train.targets) - 1000 * share).max() <= 1
    x = torch.cat([x for _, x in train.batches(np.arange(1000), 100)])
    assert (x.min(), x.max()) == (0, 1)


def test_train_and_test_are_all_the_digits_once() -> None:
    dataset = load(Transform([0.0], [1.0]), num_train=1000, split_seed=0)
    parts = [
        x for source in (dataset.train, dataset.tests["test"]) for _, x in source.batches(np.arange(len(source)), 64)
    ]
    ours = torch.cat(parts).flatten(1).numpy() * 16
    np.testing.assert_array_equal(*(np.sort(rows.sum(1)) for rows in (ours, load_digits().data)))


def test_the_split_depends_on_its_seed_only() -> None:
    targets = [load(Transform([0.0], [1.0]), 1000, seed).train.targets for seed in (0, 0, 1)]
    np.testing.assert_array_equal(targets[0], targets[1])
    assert (targets[0] != targets[2]).any()
