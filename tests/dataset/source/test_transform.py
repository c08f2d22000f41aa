import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torchvision.transforms import RandomCrop, RandomHorizontalFlip
from torchvision.transforms.functional import to_pil_image, to_tensor

from calrun.dataset.source.transform import Transform, crop_and_flip

PADDING = 2
PICTURE = torch.arange(1, 13, dtype=torch.uint8).view(1, 3, 4)  # no symmetry: every offset and mirroring shows


def all_outcomes() -> dict[bytes, int]:
    """Every crop and mirroring of PICTURE, enumerated by hand."""
    padded = np.zeros((3 + 2 * PADDING, 4 + 2 * PADDING), np.uint8)
    padded[PADDING:-PADDING, PADDING:-PADDING] = PICTURE[0].numpy()
    crops = [
        padded[top : top + 3, left : left + 4] for top in range(2 * PADDING + 1) for left in range(2 * PADDING + 1)
    ]
    both = [side for crop in crops for side in (crop, crop[:, ::-1])]
    return {outcome.tobytes(): number for number, outcome in enumerate(both)}


def counts_of(pictures: torch.Tensor) -> np.ndarray:
    numbers = all_outcomes()
    return np.bincount([numbers[picture[0].numpy().tobytes()] for picture in pictures], minlength=len(numbers))


def test_crops_and_flips_are_distributed_as_torchvisions_per_picture_ones() -> None:
    """Both draw from the same set of outcomes (an unknown one is a KeyError), each with the same probability."""
    draws, outcomes = 20_000, 2 * (2 * PADDING + 1) ** 2
    assert len(all_outcomes()) == outcomes
    ours = crop_and_flip(PICTURE.expand(draws, 1, 3, 4), PADDING, True, torch.Generator().manual_seed(0))
    assert chisquare(counts_of(ours)).pvalue > 0.001

    torch.manual_seed(0)
    crop, flip, pil = RandomCrop((3, 4), padding=PADDING), RandomHorizontalFlip(), to_pil_image(PICTURE)
    theirs = torch.stack([(to_tensor(flip(crop(pil))) * 255).round().byte() for _ in range(4_000)])
    assert chisquare(counts_of(theirs)).pvalue > 0.001


def test_pictures_of_a_batch_move_independently_of_each_other() -> None:
    batch = crop_and_flip(PICTURE.expand(2_000, 1, 3, 4), PADDING, True, torch.Generator().manual_seed(0))
    pairs = np.array([all_outcomes()[picture[0].numpy().tobytes()] for picture in batch]).reshape(-1, 2)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.1
    assert (pairs[:, 0] == pairs[:, 1]).mean() < 0.06  # 1 in 50 by chance


def test_channels_of_a_picture_move_together() -> None:
    colour = torch.cat((PICTURE, PICTURE + 100, PICTURE + 200)).expand(64, 3, 3, 4)
    moved = crop_and_flip(colour, PADDING, True, torch.Generator().manual_seed(0)).int()
    inside = moved[:, 0] > 0  # padding is zero in every channel
    torch.testing.assert_close(moved[:, 1], torch.where(inside, moved[:, 0] + 100, 0))
    torch.testing.assert_close(moved[:, 2], torch.where(inside, moved[:, 0] + 200, 0))


def test_flip_alone_keeps_every_pixel_and_crop_alone_never_mirrors() -> None:
    generator = torch.Generator().manual_seed(0)
    flipped = crop_and_flip(PICTURE.expand(100, 1, 3, 4), 0, True, generator)
    assert {picture.numpy().tobytes() for picture in flipped} == {
        PICTURE.numpy().tobytes(),
        PICTURE.flip(-1).numpy().tobytes(),
    }
    cropped = crop_and_flip(PICTURE.expand(500, 1, 3, 4), 1, False, generator)
    assert len({picture.numpy().tobytes() for picture in cropped}) == 9


def test_padding_is_zero_before_normalisation() -> None:
    transform = Transform([0.5], [0.25], crop_padding=3)
    white = torch.full((200, 1, 3, 3), 255, dtype=torch.uint8)
    x = transform.train(white, torch.Generator().manual_seed(0))
    assert set(x.unique().tolist()) == {-2.0, 2.0}  # (0 - 0.5) / 0.25 and (1 - 0.5) / 0.25


def test_evaluation_scales_bytes_to_one_and_normalises_per_channel() -> None:
    transform = Transform([0.0, 0.5, 1.0], [1.0, 0.5, 0.1])
    stored = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(transform.evaluate(stored).flatten(), torch.tensor([0.0, (0.2 - 0.5) / 0.5, 0.0]))


def test_floats_are_not_scaled_and_the_stored_values_stay_as_they_are() -> None:
    stored = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    before = stored.clone()
    transform = Transform(None, None, crop_padding=4, flip=True).fitted(stored)
    x = transform.train(stored, torch.Generator())
    torch.testing.assert_close(x, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))  # a constant entry keeps std 1
    torch.testing.assert_close(stored, before)


def test_fitted_statistics_are_those_of_the_scaled_pixels() -> None:
    stored = torch.randint(0, 256, (5_000, 3, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    x = Transform(None, None).fitted(stored).evaluate(stored)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_given_statistics_are_not_measured_again() -> None:
    transform = Transform([0.1], [0.2])
    assert transform.fitted(torch.rand(4, 1, 2, 2)) is transform


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [0.5], "std": None}, "one of mean and std"),
        ({"mean": [0.5], "std": [0.0]}, "must be positive"),
        ({"mean": [0.5], "std": [1.0], "crop_padding": -1}, "0 or more pixels"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transform(**arguments)
