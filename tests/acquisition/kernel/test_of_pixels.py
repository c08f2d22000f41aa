"""The score of a row is the mean over its pixels of their own: each against a loop over pixels, in numpy.

Dimension key: B batch, C classes, H W height and width, K Monte-Carlo samples, N candidates.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn

import calrun.acquisition.kernel.of_pixels as of_pixels
from calrun.acquisition.bald import disagreement
from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.of_pixels import COLUMN
from calrun.acquisition.tod import discrepancy, moved_pixels
from calrun.look.dropout import consistent_masks
from calrun.look.predict import Predictor, Seen
from calrun.look.sizes import Sizes
from calrun.model.adapt.pixels import PixelClassifier, interpolated

CONF = Path(__file__).parents[3] / "conf"
SEEDS = (3, 40, 500)
Row = Callable[[np.ndarray], float]  # of the probabilities of one pixel, or of its passes


def acquisition_of(option: str, *overrides: str) -> Acquisition:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(None, overrides=[f"+acquisition={option}", "+trainer=default", *overrides])
    acquisition: Acquisition = instantiate(cfg.acquisition)
    return acquisition


def net_of(seed: int = 0, dropout: float = 0.5) -> PixelClassifier:
    torch.manual_seed(seed)
    net = PixelClassifier(nn.Conv2d(1, 8, 1), 8, 3, dropout, interpolated).eval()
    net.head.weight.data.mul_(4)
    return net


def pictures() -> Tensor:
    return 3 * torch.randn(5, 1, 4, 6, generator=torch.Generator().manual_seed(1))


def seen_of(net: PixelClassifier, x: Tensor) -> Seen:
    return Seen(net, x, lambda logits: logits, SEEDS)


def scores_of(option: str, seen: Seen, *overrides: str) -> np.ndarray:
    column = acquisition_of(option, *overrides).for_pixels().columns()[COLUMN]
    assert column.of is not None
    with torch.no_grad():
        scores: np.ndarray = column.of(seen)[:, 0].numpy()
    return scores


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    shares: np.ndarray = powers / powers.sum()
    return shares


def passes_of(net: PixelClassifier, x: Tensor) -> Iterator[np.ndarray]:
    """The logits of each dropout pass (B, C, H, W)."""
    for seed in SEEDS:
        with torch.no_grad(), consistent_masks(net, seed):
            yield net(x).logits_BC.double().numpy()


def entropy(p: np.ndarray) -> float:
    return -sum(each * math.log(each) for each in p.tolist() if each)


def one_minus_margin(p: np.ndarray) -> float:
    first, second = sorted(p.tolist())[:-3:-1]
    return float(1 - (first - second))


def one_minus_largest(p: np.ndarray) -> float:
    return 1 - float(p.max())


def mutual_information(p_KC: np.ndarray) -> float:
    return entropy(p_KC.mean(axis=0)) - sum(entropy(p) for p in p_KC) / len(p_KC)


def looped(logits: np.ndarray, score: Row) -> list[float]:
    """The mean over pixels of `score` of each row; logits are (B, C, H, W), or (B, K, C, H, W) of passes."""
    means = []
    for row in logits:
        height, width = row.shape[-2:]
        pixels = [row[..., i, j] for i in range(height) for j in range(width)]
        probs = [softmax(z) if z.ndim == 1 else np.stack([softmax(each) for each in z]) for z in pixels]
        means.append(sum(score(p) for p in probs) / len(probs))
    return means


MEASURES = [("entropy", entropy), ("margin", one_minus_margin), ("least_confidence", one_minus_largest)]


@pytest.mark.parametrize(("option", "score"), MEASURES)
def test_a_score_is_the_mean_over_pixels(option: str, score: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = seen_of(net_of(), pictures())
    expected = looped(seen.output.logits_BC.detach().double().numpy(), score)
    found = scores_of(option, seen)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    flipped = seen_of(net_of(), pictures().flip(3))
    np.testing.assert_allclose(scores_of(option, flipped), found, rtol=1e-6)
    monkeypatch.setattr(of_pixels, "NUMBERS_AT_ONCE", 7)
    np.testing.assert_allclose(scores_of(option, seen), found, rtol=1e-12)


@pytest.mark.parametrize(("option", "score"), MEASURES)
def test_with_dropout_it_is_that_of_the_mean_prediction_of_each_pixel(option: str, score: Row) -> None:
    net, x = net_of(), pictures()
    expected = looped(np.stack(list(passes_of(net, x)), axis=1), lambda p_KC: score(p_KC.mean(axis=0)))
    words = ("acquisition.mc_dropout=true", "acquisition.num_mc_samples=3")
    np.testing.assert_allclose(scores_of(option, seen_of(net, x), *words), expected, rtol=1e-6)


def test_bald_is_the_mean_over_pixels_of_their_mutual_information() -> None:
    net, x = net_of(), pictures()
    expected = looped(np.stack(list(passes_of(net, x)), axis=1), mutual_information)
    assert min(expected) > 0.01
    np.testing.assert_allclose(scores_of("bald", seen_of(net, x)), expected, rtol=1e-6)


@pytest.mark.parametrize("option", ["margin", "least_confidence"])
def test_logits_are_averaged_as_they_are(option: str) -> None:
    seen = seen_of(net_of(), pictures())
    logits = seen.output.logits_BC.detach().double()
    top = logits.topk(2, dim=1).values
    certainty = top[:, 0] - top[:, 1] if option == "margin" else top[:, 0]
    expected = -certainty.flatten(1).mean(dim=1)
    np.testing.assert_allclose(scores_of(option, seen, "acquisition.space=logit"), expected, rtol=1e-6)


class Rows:
    """Pictures by row, two at a time."""

    targets = np.zeros((5, 4, 6), dtype=np.int64)
    dtype = None

    def to(self, device: torch.device) -> None: ...

    def passing_order(self, rows: np.ndarray) -> None: ...

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), 2):
            yield rows[start : start + 2], pictures()[rows[start : start + 2]]


def view_of(net: nn.Module, previous: nn.Module, rows: np.ndarray) -> Any:
    return SimpleNamespace(
        net=net, previous=previous, predictor=Predictor("cpu", "32-true", 2), split=lambda name: (Rows(), rows)
    )


def test_tod_is_the_mean_over_pixels_of_half_the_squared_distance() -> None:
    now, before, rows = net_of(0), net_of(9), np.array([4, 0, 2])
    with torch.no_grad():
        maps = [net(pictures()[rows]).logits_BC.double().numpy() for net in (now, before)]
    expected = looped(
        np.stack(maps, axis=1), lambda p_2C: 0.5 * sum((p - q) ** 2 for p, q in zip(*p_2C.tolist(), strict=True))
    )
    before.train()
    np.testing.assert_allclose(moved_pixels(view_of(now, before, rows))[:, 0], expected, rtol=1e-5)
    assert before.training
    assert moved_pixels(view_of(now, now, rows)).tolist() == [[0], [0], [0]]
    assert moved_pixels(view_of(now, before, rows[:0])).shape == (0, 1)


@pytest.mark.parametrize(
    ("option", "column", "words"),
    [
        *((option, "logits", ()) for option in ("entropy", "margin", "least_confidence")),
        *((option, "logits", ("acquisition.space=logit",)) for option in ("margin", "least_confidence")),
        *((option, "mc_log_probs", ("acquisition.num_mc_samples=3",)) for option in ("bald", "mc_dropout")),
    ],
)
def test_rows_of_one_pixel_are_chosen_as_whole_rows_are(option: str, column: str, words: tuple[str, ...]) -> None:
    net, x = net_of(), pictures()[:, :, :1, :1]
    seen, rows = seen_of(net, x), np.array([8, 3, 5, 1, 2])
    logits_NKC = np.stack(list(passes_of(net, x)), axis=1)[..., 0, 0]
    whole = {
        "logits": seen.output.logits_BC.detach()[:, :, 0, 0],
        "mc_log_probs": torch.from_numpy(logits_NKC).log_softmax(dim=2),
    }
    acquisition = acquisition_of(option, *words)
    expected = acquisition.select(Candidates(rows, {column: whole[column]}), 5, np.random.default_rng(0))
    pixels = acquisition.for_pixels()
    of = pixels.columns()[COLUMN].of
    assert of is not None
    with torch.no_grad():
        found = pixels.select(Candidates(rows, {COLUMN: of(seen)}), 5, np.random.default_rng(0))
    assert found.tolist() == expected.tolist()


def test_one_pixel_has_the_score_of_a_row() -> None:
    net, x = net_of(), pictures()[:, :, :1, :1]
    logits_BKC = torch.from_numpy(np.stack(list(passes_of(net, x)), axis=1)[..., 0, 0])
    expected = disagreement(logits_BKC.log_softmax(dim=2))
    np.testing.assert_allclose(scores_of("bald", seen_of(net, x)), expected, rtol=1e-6)
    view = view_of(net, net_of(9), np.arange(5))
    view.split = lambda name: (Pixel(), np.arange(5))
    with torch.no_grad():
        maps = [each(x).logits_BC[:, :, 0, 0].double() for each in (net, net_of(9))]
    np.testing.assert_allclose(moved_pixels(view)[:, 0], discrepancy(*maps), rtol=1e-5)


class Pixel(Rows):
    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        return ((chunk, x[:, :, :1, :1]) for chunk, x in super().batches(rows, batch_size))


@pytest.mark.parametrize(("option", "score"), MEASURES)
def test_certain_pixels_of_several_classes_are_certain(option: str, score: Row) -> None:
    """Where the mean of probabilities is as uncertain as can be."""
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 0, 0, 0] = logits[0, 1, 0, 1] = 60
    assert scores_of(option, fixed(logits))[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("option", "score"), MEASURES)
def test_probabilities_that_vanish_are_finite_and_logits_that_are_not_are_refused(option: str, score: Row) -> None:
    logits = torch.tensor([1e4, 0.0, -1e4])[None, :, None, None].repeat(2, 1, 2, 2)
    assert np.isfinite(scores_of(option, fixed(logits))).all()
    for broken in (torch.inf, -torch.inf, torch.nan):
        logits[1, 2, 1, 0] = broken
        assert np.isfinite(scores_of(option, fixed(logits))).tolist() == [True, False]


def fixed(logits: Tensor) -> Seen:
    seen = seen_of(net_of(), torch.zeros(len(logits)))
    return replace(seen, net=lambda x: SimpleNamespace(logits_BC=logits))


@pytest.mark.parametrize("option", ["bald", "mc_dropout"])
def test_passes_that_agree_are_refused_where_all_rows_do(option: str) -> None:
    net = net_of(dropout=1e-9)
    pixels = acquisition_of(option, "acquisition.num_mc_samples=3").for_pixels()
    of = pixels.columns()[COLUMN].of
    assert of is not None
    with torch.no_grad():
        column = of(seen_of(net, pictures()))
    with pytest.raises(ValueError, match="3 dropout passes agree exactly in all pixels of 5 rows, wanted different"):
        pixels.select(Candidates(np.arange(5), {COLUMN: column}), 2, np.random.default_rng(0))
    column[3, 1] = 1
    assert len(pixels.select(Candidates(np.arange(5), {COLUMN: column}), 2, np.random.default_rng(0))) == 2


def test_the_largest_scores_are_taken() -> None:
    candidates = Candidates(np.array([5, 7, 9]), {COLUMN: torch.tensor([[0.1], [0.9], [0.5]])})
    chosen = acquisition_of("entropy").for_pixels().select(candidates, 2, np.random.default_rng(0))
    assert chosen.tolist() == [7, 9]


@pytest.mark.parametrize(
    ("option", "num_passes", "width"), [("entropy", 1, 1), ("mc_dropout", 10, 2), ("bald", 10, 2), ("tod", 2, 1)]
)
def test_a_plan_counts_the_passes_and_one_or_two_numbers_for_each_row(option: str, num_passes: int, width: int) -> None:
    from calrun.look.columns import column_bytes, looked_at

    pixels = acquisition_of(option).for_pixels()
    sizes = Sizes(100, 10, 19, 64, 5, mc_samples=pixels.num_mc_samples)
    wanted = pixels.wanted()
    assert looked_at(wanted, sizes) == (100, 100 * num_passes)
    assert column_bytes(wanted, sizes)[COLUMN] == 400 * width
    assert pixels.called == type(acquisition_of(option)).__name__


@pytest.mark.parametrize(
    "words",
    [
        ("subset_of", "acquisition.size=12"),
        ("partitioned_coreset", "acquisition@acquisition.inner=entropy"),
        ("fass",),
        ("cluster_margin",),
        ("probcover", "acquisition@acquisition.fallback=bald"),
    ],
    ids=lambda words: words[0],
)
def test_what_wraps_another_wraps_its_version_of_pixels(words: tuple[str, ...]) -> None:
    acquisition = acquisition_of(*words)
    pixels = acquisition.for_pixels()
    assert type(pixels) is type(acquisition)
    assert COLUMN in pixels.needs
    assert not pixels.needs & {"logits", "mc_log_probs"}
    assert pixels.num_mc_samples == acquisition.num_mc_samples
    assert COLUMN in {column.name for column in pixels.wanted()}
    changed = {name for name, value in vars(pixels).items() if vars(acquisition)[name] is not value}
    assert changed <= {"needs", "inner", "uncertainty", "margin", "fallback", "_notes"}


@pytest.mark.parametrize("option", ["random", "coreset", "learning_loss", "tidal", "boosting", "core_gcn"])
def test_what_scores_no_logits_of_pixels_stays_as_it_is(option: str) -> None:
    acquisition = acquisition_of(option)
    assert acquisition.for_pixels() is acquisition
