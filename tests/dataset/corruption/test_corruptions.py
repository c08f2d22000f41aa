"""Each corruption of CIFAR-10-C: its formula by hand where it has one, and what all of them must obey.

Dimension key: B pictures, ch channels, H W height and width.
"""

import colorsys
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.dataset.corruption import blur, digital, noise, weather
from calrun.dataset.corruption.severities import MADE, NUM_SEVERITIES, PUBLISHED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def x(rng: np.random.Generator) -> Tensor:
    """Smooth colour pictures with a bright half, as photographs have."""
    height = np.linspace(0.1, 0.6, 32)[:, None] + np.linspace(0, 0.3, 32)
    pictures = np.stack([height, height**2, height.T])[None] * rng.uniform(0.5, 1, (6, 3, 1, 1))
    return torch.from_numpy(pictures).float()


def test_all_published_corruptions_but_frost_are_made() -> None:
    assert len(PUBLISHED) == 19
    assert set(PUBLISHED) - set(MADE) == {"frost"}
    assert not set(MADE) - set(PUBLISHED)
    assert all(len(options) == NUM_SEVERITIES for _, options in MADE.values())


@pytest.mark.parametrize("name", MADE)
def test_a_corruption_changes_every_picture_and_keeps_its_shape(name: str, x: Tensor, rng: np.random.Generator) -> None:
    corrupt, options = MADE[name]
    before = x.clone()
    for severity in options:
        made = corrupt(x, severity, rng)
        assert made.shape == x.shape
        assert made.isfinite().all()
        torch.testing.assert_close(x, before, rtol=0, atol=0)
    changed = (corrupt(x, options[-1], rng).clamp(0, 1) - x).abs().amax(dim=(1, 2, 3))
    assert (changed > 1 / 255).all()


@pytest.mark.parametrize("name", sorted(set(MADE) - {"saturate", "elastic_transform", "glass_blur", "spatter"}))
def test_the_last_severity_is_further_from_the_picture_than_the_first(name: str, x: Tensor) -> None:
    corrupt, options = MADE[name]
    first, last = (
        (corrupt(x, options[severity], np.random.default_rng(1)).clamp(0, 1) - x).abs().mean() for severity in (0, -1)
    )
    assert last > first


def test_noise_has_the_spread_that_its_severity_says(rng: np.random.Generator) -> None:
    grey = torch.full((20, 3, 32, 32), 0.5)
    assert (noise.gaussian_noise(grey, 0.08, rng) - 0.5).std().item() == pytest.approx(0.08, rel=0.02)
    assert (noise.speckle_noise(grey, 0.2, rng) - 0.5).std().item() == pytest.approx(0.1, rel=0.02)
    shot = noise.shot_noise(grey, 100, rng)
    assert shot.std().item() == pytest.approx(math.sqrt(0.5 / 100), rel=0.02)
    torch.testing.assert_close(shot * 100, (shot * 100).round(), rtol=0, atol=1e-4)
    impulse = noise.impulse_noise(grey, 0.07, rng)
    assert {*impulse.unique().tolist()} == {0.0, 0.5, 1.0}
    assert (impulse != 0.5).float().mean().item() == pytest.approx(0.07, rel=0.05)
    assert (impulse == 0).float().mean().item() == pytest.approx(0.035, rel=0.1)


def test_colours_change_in_hsv(x: Tensor, rng: np.random.Generator) -> None:
    picture = torch.cat((x, torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.4)))
    brighter, fuller = digital.brightness(picture, 0.3, rng), digital.saturate(picture, (2, 0.1), rng)
    for row, height, width in ((0, 3, 4), (1, 30, 2), (5, 9, 31), (6, 0, 0), (7, 0, 0)):
        hue, saturation, value = colorsys.rgb_to_hsv(*picture[row, :, height, width].tolist())
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1))
        torch.testing.assert_close(brighter[row, :, height, width], torch.tensor(expected), atol=1e-5, rtol=0)
        expected = colorsys.hsv_to_rgb(hue, min(2 * saturation + 0.1, 1), value)
        torch.testing.assert_close(fuller[row, :, height, width], torch.tensor(expected), atol=1e-5, rtol=0)


def test_contrast_keeps_the_mean_and_shrinks_the_rest(x: Tensor, rng: np.random.Generator) -> None:
    made = digital.contrast(x, 0.3, rng)
    torch.testing.assert_close(made.mean((2, 3)), x.mean((2, 3)))
    torch.testing.assert_close(made.std((2, 3)), 0.3 * x.std((2, 3)))


def test_pixels_become_boxes(rng: np.random.Generator) -> None:
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[..., ::2] = 1
    torch.testing.assert_close(digital.pixelate(stripes, 0.5, rng), torch.full((1, 3, 32, 32), 128 / 255))


def test_blur_keeps_flat_pictures_and_the_mass_of_a_point(rng: np.random.Generator) -> None:
    flat, point = torch.full((2, 3, 32, 32), 0.25), torch.zeros(2, 3, 32, 32)
    point[:, :, 16, 16] = 1
    for name in ("defocus_blur", "motion_blur", "zoom_blur", "gaussian_blur"):
        corrupt, options = MADE[name]
        for severity in options:
            torch.testing.assert_close(corrupt(flat, severity, rng), flat)
            mass = corrupt(point, severity, rng).sum((2, 3))
            assert ((mass > 0.95) & (mass < 1.5)).all(), (name, mass)


def test_a_disk_of_one_pixel_around_is_a_plus(rng: np.random.Generator) -> None:
    point = torch.zeros(1, 1, 32, 32)
    point[..., 16, 16] = 1
    made = blur.defocus_blur(point, (1, 1e-3), rng)[0, 0, 15:18, 15:18]
    torch.testing.assert_close(made, torch.tensor([[0.0, 0.2, 0.0], [0.2, 0.2, 0.2], [0.0, 0.2, 0.0]]))


def test_a_smear_is_half_a_gaussian_in_its_direction() -> None:
    line = torch.zeros(2, 1, 32, 32)
    line[..., 16, 16] = 1
    made = blur.smeared(line, 2, 1.0, torch.tensor([0.0, 90.0]))
    taps = torch.tensor([math.exp(-(step**2) / 2) for step in range(5)])
    taps /= taps.sum()
    torch.testing.assert_close(made[0, 0, 16, 12:17], taps.flip(0))  # each pixel looks to its right
    torch.testing.assert_close(made[1, 0, 12:17, 16], taps.flip(0))
    assert made.sum().item() == pytest.approx(2)


def test_glass_copies_a_neighbour_above_or_to_the_left(rng: np.random.Generator) -> None:
    places = (torch.arange(32 * 32).view(1, 1, 32, 32) / 1024).expand(4, 3, 32, 32)
    made = blur.glass_blur(places, (0, 1, 1), rng)
    steps = (((places * 255).floor() - made * 255) / (32 * 255 / 1024)).round()  # rows that a pixel came down
    assert {*steps.unique().tolist()} <= {0.0, 1.0}
    torch.testing.assert_close(made[..., :2, :], (places[..., :2, :] * 255).floor() / 255)
    torch.testing.assert_close(made[:, 0], made[:, 2])


def test_enlarging_by_one_changes_nothing_and_by_more_keeps_the_middle(x: Tensor) -> None:
    torch.testing.assert_close(blur.zoomed(x, 1.0), x)
    ramp = torch.arange(32.0).view(1, 1, 1, 32).expand(1, 1, 32, 32)
    larger = blur.zoomed(ramp, 1.25)
    assert larger.shape == ramp.shape
    steps = larger[0, 0, 0].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 25 / 31))  # 26 pixels, 25 steps, spread over 32
    assert larger.mean().item() == pytest.approx(15.5)


def test_a_height_map_fills_0_to_1_and_is_rougher_the_slower_it_decays(rng: np.random.Generator) -> None:
    rough, smooth = (weather.plasma(40, 32, decay, rng) for decay in (1.5, 3.0))
    for heights in (rough, smooth):
        assert heights.shape == (40, 1, 32, 32)
        assert (heights.amin((1, 2, 3)) == 0).all()
        assert (heights.amax((1, 2, 3)) == 1).all()
    assert rough.diff(dim=3).abs().mean() > 1.5 * smooth.diff(dim=3).abs().mean()


def test_fog_scales_back_to_the_largest_value(x: Tensor, rng: np.random.Generator) -> None:
    made = weather.fog(x, (1.5, 1.75), rng)
    assert (made.amax((1, 2, 3)) <= x.amax((1, 2, 3)) + 1e-6).all()


def test_values_are_spread_evenly() -> None:
    picture = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    assert weather.equalised(picture).tolist() == [[0.0, 0.0, 128.0, 255.0]]  # (3 - 2) / 2, (4 - 2) / 2
    assert weather.equalised(torch.full((2, 2), 7.0)).tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_an_affine_map_takes_its_three_points_where_they_are_moved() -> None:
    class Fixed(np.random.Generator):
        def __init__(self) -> None:
            super().__init__(np.random.PCG64(0))

        def uniform(self, low: float, high: float, size: tuple[int, ...]) -> np.ndarray:  # type: ignore[override]
            return np.full(size, 2.0)  # all points go two pixels right and down

    x = torch.zeros(1, 1, 32, 32)
    x[..., 10, 12] = 1
    grid = digital.affine_grid(x, 1.0, Fixed())
    moved = torch.nn.functional.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
    assert (moved[0, 0] > 0.99).nonzero().tolist() == [[12, 14]]
