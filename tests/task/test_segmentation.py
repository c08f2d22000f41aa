"""Cross-entropy, correctness and one confusion matrix of pixels, by hand.

Dimension key: B batch, N rows, C classes, H W height and width.
"""

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from calrun.task.segmentation import Segmentation, confusion, intersection_over_union

TASK = Segmentation()


def random_rows(num_rows: int = 4, num_classes: int = 3, side: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, C, H, W) and labels (B, H, W), of which about a fifth are nobody's."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(num_rows, num_classes, side, side, generator=generator)
    y = torch.randint(num_classes, (num_rows, side, side), generator=generator)
    return logits, y.masked_fill(torch.rand(y.shape, generator=generator) < 0.2, -1)


def logits_of(predicted: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Logits that predict these classes (B, H, W)."""
    return F.one_hot(predicted, num_classes).movedim(3, 1).float() * 9


def test_the_metrics_of_a_two_by_two_confusion_matrix_by_hand() -> None:
    """Labels 0: 3 right, 1 wrong; labels 1: 2 right, 4 wrong."""
    found = TASK.metrics(torch.tensor([[[3, 1], [4, 2]]]), np.empty((1, 1, 1)), 2)
    assert next(iter(found)) == "accuracy"
    assert found == pytest.approx(
        {"accuracy": 5 / 10, "iou/0": 3 / (3 + 1 + 4), "iou/1": 2 / (2 + 1 + 4), "mean_iou": (3 / 8 + 2 / 7) / 2}
    )


def test_mean_iou_is_that_of_all_pixels_and_no_mean_over_rows() -> None:
    rows = torch.tensor([[[9, 1], [0, 0]], [[0, 0], [1, 1]]])
    whole = intersection_over_union(rows.sum(dim=0).double()).mean().item()
    assert TASK.metrics(rows, np.empty(0), 2)["mean_iou"] == pytest.approx(whole)
    assert whole == pytest.approx((9 / 11 + 1 / 3) / 2)


def test_a_class_that_occurs_nowhere_has_no_iou_and_one_that_is_only_predicted_has_zero() -> None:
    matrix = torch.zeros(1, 4, 4)
    matrix[0, 0, 0], matrix[0, 0, 2] = 3, 1
    found = TASK.metrics(matrix, np.empty(0), 4)
    assert {name for name in found if name.startswith("iou/")} == {"iou/0", "iou/2"}
    assert (found["iou/2"], found["mean_iou"]) == (0, 3 / 8)


def test_a_split_without_labelled_pixels_has_metrics() -> None:
    assert TASK.metrics(torch.zeros(1, 2, 2), np.empty(0), 2) == {"accuracy": 0, "mean_iou": 0}


def test_confusion_counts_each_rows_labelled_pixels() -> None:
    logits, y = random_rows()
    found, predicted = TASK.kept(logits, y), logits.argmax(dim=1)
    for b in range(len(y)):
        for c in range(3):
            for d in range(3):
                assert found[b, c, d] == ((y[b] == c) & (predicted[b] == d)).sum()
    assert found.sum() == (y != -1).sum()


@pytest.mark.parametrize("kind", [torch.int8, torch.int16, torch.int64])
def test_labels_may_be_narrow(kind: torch.dtype) -> None:
    logits, y = random_rows()
    for found in (TASK.loss, TASK.losses, TASK.correct, TASK.kept):
        torch.testing.assert_close(found(logits, y.to(kind)), found(logits, y))


def test_what_is_kept_of_a_row_does_not_grow_with_its_pixels() -> None:
    small, large = (TASK.kept(*random_rows(side=side)) for side in (4, 40))
    assert small.shape == large.shape == (4, 3, 3)
    assert small.dtype == torch.int32


def test_confusion_of_batches_sums_to_that_of_the_split() -> None:
    logits, y = random_rows(6)
    parts = torch.cat([TASK.kept(logits[:1], y[:1]), TASK.kept(logits[1:], y[1:])])
    assert torch.equal(parts, confusion(logits.argmax(dim=1), y, 3))


def test_the_loss_is_the_mean_over_labelled_pixels() -> None:
    logits, y = random_rows()
    torch.testing.assert_close(TASK.loss(logits, y), F.cross_entropy(logits, y, ignore_index=-1))
    weights_C = torch.tensor([0.5, 1.0, 3.0])
    expected = F.cross_entropy(logits, y, weights_C, ignore_index=-1)
    torch.testing.assert_close(TASK.loss(logits, y, weights_C), expected)


def test_pixels_that_are_nobodys_change_nothing() -> None:
    logits, y = random_rows()
    other = logits + 50 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1)) * (y == -1)[:, None]
    for found in (TASK.loss, TASK.losses, TASK.correct, TASK.kept):
        torch.testing.assert_close(found(other, y), found(logits, y))


def test_each_rows_loss_is_that_of_its_own_pixels() -> None:
    logits, y = random_rows()
    losses_B = TASK.losses(logits, y)
    for b in range(len(y)):
        torch.testing.assert_close(losses_B[b], TASK.loss(logits[b : b + 1], y[b : b + 1]))


def test_a_batch_without_labelled_pixels_loses_nothing_and_has_gradients() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    y = torch.full((2, 4, 4), -1)
    assert (TASK.loss(logits, y).item(), TASK.losses(logits, y).tolist()) == (0, [0, 0])
    TASK.loss(logits, y).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_correctness_is_the_share_of_right_pixels() -> None:
    y = torch.tensor([[[0, 1], [2, -1]], [[-1, -1], [-1, -1]]])
    predicted = torch.tensor([[[0, 1], [0, 0]], [[0, 0], [0, 0]]])
    torch.testing.assert_close(TASK.correct(logits_of(predicted, 3), y), torch.tensor([2 / 3, 1.0]))


def test_a_row_is_reduced_to_the_mean_of_its_pixels_probabilities() -> None:
    logits, _ = random_rows()
    expected = logits.softmax(dim=1).mean(dim=(2, 3))
    torch.testing.assert_close(TASK.reduced(logits).exp(), expected)
    torch.testing.assert_close(TASK.reduced(logits.flip(3)), TASK.reduced(logits))


def test_pixels_without_a_doubt_are_reduced_to_finite_numbers() -> None:
    assert TASK.reduced(1e4 * logits_of(torch.zeros(1, 2, 2, dtype=torch.long), 3)).isfinite().all()
    even = TASK.reduced(torch.zeros(1, 4, 3, 3))
    torch.testing.assert_close(even, torch.full((1, 4), -math.log(4)))


def test_classes_are_counted_in_pixels() -> None:
    targets = np.array([[[0, 0], [1, -1]], [[-1, 2], [2, 2]]], dtype=np.int8)
    np.testing.assert_array_equal(TASK.class_counts(targets, 4), [2, 1, 3, 0])
    np.testing.assert_array_equal(TASK.class_counts(targets[:0], 2), [0, 0])


@pytest.mark.parametrize(
    ("label", "logits", "said"),
    [
        ((), (3, 8, 8), r"a class for each pixel, but the labels of this data set are of shape \(\)"),
        ((8, 8), (3,), r"each of 8 x 8 pixels, but this model gives logits of shape \(3,\)"),
        ((8, 8), (3, 4, 4), r"logits of shape \(3, 4, 4\)"),
    ],
)
def test_what_does_not_fit_is_said(label: tuple[int, ...], logits: tuple[int, ...], said: str) -> None:
    (sentence,) = TASK.misfits(label, logits)
    assert re.search(said, sentence)


def test_what_fits_says_nothing() -> None:
    assert list(TASK.misfits((8, 8), (3, 8, 8))) == []
