from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.vaal_nets import AdversarialPair, NetOptions, Pairs, cropped, descend, told_apart
from calrun.acquisition.vaal import Vaal, labelled_logits

OPTIONS = NetOptions(
    latent_dim=4,
    width=4,
    hidden_width=16,
    epochs=1,
    batch_size=16,
    lr_vae=1e-3,
    lr_discriminator=1e-2,
    beta=1.0,
    adversary_weight=1.0,
    num_vae_steps=2,
    num_discriminator_steps=1,
    normalize_kld=False,
)


@dataclass
class Pictures:
    x: Tensor
    reads: int = 0

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            self.reads += 1
            yield rows[start : start + batch_size], self.x[rows[start : start + batch_size]]


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path


def picks(
    images: Pictures, labelled: np.ndarray, rows: np.ndarray, budget: int, options: NetOptions, scratch: Path
) -> list[int]:
    candidates = Candidates(rows, {"images": images, "labelled_rows": labelled, "scratch": scratch})
    vaal = Vaal(options)
    return vaal.select(candidates, budget, np.random.default_rng(0)).tolist()


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 17, 33), (3, 64, 64)], ids=str)
def test_the_autoencoder_returns_pictures_of_their_own_size(shape: tuple[int, int, int]) -> None:
    x = noise(2, *shape)
    decoded, mean_BZ, log_variance_BZ = AdversarialPair(shape, OPTIONS, seed=0).autoencoder(x)
    assert decoded.shape == x.shape
    assert mean_BZ.shape == log_variance_BZ.shape == (2, 4)


def test_the_losses_are_those_of_the_paper() -> None:
    pair = AdversarialPair((1, 8, 8), replace(OPTIONS, beta=0.5, adversary_weight=3.0), seed=0).eval()
    labelled, unlabelled = noise(6, 1, 8, 8), noise(5, 1, 8, 8) + 1
    torch.manual_seed(1)
    expected = torch.tensor(0.0)
    for x in (labelled, unlabelled):
        decoded, mean_BZ, log_variance_BZ = pair.autoencoder(x)
        prior = torch.distributions.Normal(torch.zeros_like(mean_BZ), torch.ones_like(mean_BZ))
        code = torch.distributions.Normal(mean_BZ, (log_variance_BZ / 2).exp())
        expected = expected + (decoded - x).square().mean() + 0.5 * torch.distributions.kl_divergence(code, prior).sum()
        expected = expected - 3 * pair.discriminator(mean_BZ).sigmoid().log().mean()
    torch.manual_seed(1)
    torch.testing.assert_close(pair.autoencoder_loss(labelled, unlabelled), expected)
    p_labelled, p_unlabelled = (
        pair.discriminator(pair.autoencoder.latent_mean(x)).sigmoid() for x in (labelled, unlabelled)
    )
    expected = -p_labelled.log().mean() - (1 - p_unlabelled).log().mean()
    torch.testing.assert_close(pair.discriminator_loss(labelled, unlabelled), expected)


def test_a_discriminator_step_tells_separable_codes_better_apart() -> None:
    pair = AdversarialPair((1, 8, 8), OPTIONS, seed=0)
    pair.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]  # no trainer is attached
    codes = noise(20, 4) + 2, noise(20, 4) - 2
    optimizer = torch.optim.Adam(pair.discriminator.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        losses.append(told_apart(pair.discriminator(codes[0]), pair.discriminator(codes[1])))
        descend(pair, optimizer, losses[-1])
    assert losses[-1] < 0.9 * losses[0]


def test_rows_that_look_unlike_the_labelled_ones_are_taken(scratch: Path) -> None:
    x = 0.2 * noise(120, 1, 8, 8)
    x[90:] += 3  # rows 0..89 look like the labelled ones, 90..119 do not
    rows = np.arange(20, 120)
    options = replace(OPTIONS, epochs=3, lr_vae=5e-3, beta=0.01, normalize_kld=True, adversary_weight=0.1)
    taken = picks(Pictures(x), np.arange(20), rows, 20, options, scratch)
    assert np.mean(np.array(taken) >= 90) > 0.8


def test_a_discriminator_that_knows_nothing_takes_rows_by_number(scratch: Path) -> None:
    images, rows = Pictures(noise(40, 1, 8, 8)), np.random.default_rng(0).permutation(np.arange(10, 40))
    pair = AdversarialPair((1, 8, 8), OPTIONS, seed=0)
    torch.nn.init.zeros_(pair.discriminator[-1].weight)
    assert labelled_logits(pair, images, rows, 8).unique().numel() == 1
    idle = replace(OPTIONS, lr_discriminator=0.0, lr_vae=0.0, epochs=1)
    assert picks(Pictures(torch.zeros(40, 1, 8, 8)), np.arange(10), rows, 3, idle, scratch) == [10, 11, 12]


def test_each_epoch_visits_every_row_in_another_order() -> None:
    epoch = count()
    pairs = Pairs(
        Pictures(torch.arange(24.0).view(24, 1)), np.arange(3), np.arange(8, 24), OPTIONS, lambda: [next(epoch)]
    )
    epochs = [torch.cat([unlabelled for pair in pairs for _, unlabelled in pair]).squeeze(1).tolist() for _ in range(2)]
    assert sorted(epochs[0][:16]) == list(range(8, 24))
    assert epochs[0] != epochs[1]


def test_an_interrupted_fit_goes_on_where_it_was(scratch: Path) -> None:
    x, labelled, rows = noise(50, 1, 8, 8), np.arange(10), np.arange(10, 50)
    options = replace(OPTIONS, epochs=3)
    unbroken = picks(Pictures(x), labelled, rows, 40, options, scratch)
    assert not list(scratch.iterdir())

    class Unplugged(Pictures):
        def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
            if self.reads > 25:
                raise OSError("unplugged")
            yield from super().batches(rows, batch_size)

    with pytest.raises(OSError, match="unplugged"):
        picks(Unplugged(x), labelled, rows, 40, options, scratch)
    assert list(scratch.rglob("*.ckpt"))
    resumed = Pictures(x)
    assert picks(resumed, labelled, rows, 40, options, scratch) == unbroken
    assert resumed.reads < 35  # three epochs would read more
    assert not list(scratch.iterdir())


def test_a_damaged_epoch_of_an_interrupted_fit_is_trained_again(
    scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, labelled, rows = noise(50, 1, 8, 8), np.arange(10), np.arange(10, 50)
    unbroken = picks(Pictures(x), labelled, rows, 40, OPTIONS, scratch)
    (scratch / "vaal").mkdir()
    (scratch / "vaal" / "last-epoch.ckpt").write_bytes(b"PK half a file")
    assert picks(Pictures(x), labelled, rows, 40, OPTIONS, scratch) == unbroken
    assert "last-epoch.ckpt cannot be read (BadZipFile); the fit begins anew" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_fit_of_the_pair(scratch: Path) -> None:
    wild = replace(OPTIONS, lr_vae=1e30, epochs=3)
    with pytest.raises(ValueError, match=r"acquisition=vaal, epoch 1, step .: the loss is .*lower acquisition.nets"):
        picks(Pictures(noise(50, 1, 8, 8)), np.arange(10), np.arange(10, 50), 5, wild, scratch)


def test_without_labelled_rows_it_says_so(scratch: Path) -> None:
    with pytest.raises(ValueError, match="no labelled rows"):
        picks(Pictures(noise(20, 1, 8, 8)), np.arange(0), np.arange(20), 3, OPTIONS, scratch)


def test_a_crop_is_one_place_for_a_step_and_the_middle_for_the_choice() -> None:
    options = replace(OPTIONS, crop=8)
    pair = AdversarialPair((1, 20, 16), options, seed=0).eval()
    x = torch.arange(2 * 20 * 16.0).view(2, 1, 20, 16)
    one, two = pair.cropped_alike(x, x + 1_000)
    assert one.shape == (2, 1, 8, 8)
    torch.testing.assert_close(two, one + 1_000)
    tops = {int(pair.cropped_alike(x, x)[0][0, 0, 0, 0]) // 16 for _ in range(400)}
    assert tops == {*range(13)}  # every row at which 8 of 20 can begin
    torch.testing.assert_close(cropped(x, 8, (0.5, 0.5)), x[:, :, 6:14, 4:12])
    logits = pair.discriminator(pair.autoencoder.latent_mean(x[:, :, 6:14, 4:12])).squeeze(1)
    torch.testing.assert_close(pair.labelled_logits(x), logits)


def test_pictures_smaller_than_the_crop_are_seen_whole(scratch: Path) -> None:
    x = noise(40, 1, 8, 8)
    arguments = Pictures(x), np.arange(10), np.arange(10, 40), 5
    whole, cut = (picks(*arguments, replace(OPTIONS, crop=crop), scratch / str(crop)) for crop in (8, 64))
    assert whole == cut
    assert len(picks(Pictures(noise(40, 1, 20, 20)), *arguments[1:], replace(OPTIONS, crop=8), scratch / "crop")) == 5


@pytest.mark.parametrize("name", ["width", "latent_dim", "hidden_width", "epochs", "batch_size", "num_vae_steps"])
def test_a_net_of_nothing_is_refused_as_typed(name: str, refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, "acquisition=vaal", f"acquisition.nets.{name}=0")
    assert f"acquisition.nets.{name} wants at least 1, got 0" in said


def test_noise_differs_from_epoch_to_epoch_and_not_by_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, drawn = AdversarialPair((1, 8, 8), OPTIONS, seed=3), list[float]()
    with torch.random.fork_rng(devices=[]):
        for epoch in (0, 1, 1):
            monkeypatch.setattr(AdversarialPair, "current_epoch", epoch)
            pair.on_train_epoch_start()
            drawn.append(torch.rand(()).item())
    assert drawn[0] != drawn[1] == drawn[2]
