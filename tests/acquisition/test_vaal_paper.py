"""VAAL's training against Alg. 1 written out, in double precision."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, Linear, Module, ReLU, Sequential, Unflatten

from calrun.acquisition.kernel.vaal_nets import AdversarialPair, NetOptions
from calrun.acquisition.vaal import Vaal


def paper(width: int, batch_size: int) -> NetOptions:
    return NetOptions(
        latent_dim=32,
        width=width,
        hidden_width=512,
        epochs=4,
        batch_size=batch_size,
        lr_vae=5e-4,
        lr_discriminator=5e-4,
        beta=1.0,
        adversary_weight=1.0,
        num_vae_steps=2,
        num_discriminator_steps=1,
        normalize_kld=False,
    )


class Batches:
    """Five steps an epoch, the same in each: lists of two (labelled, unlabelled) pairs."""

    def __init__(self, batch_size: int, side: int) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(5, 2, 2, batch_size, 3, side, side, generator=generator, dtype=torch.float64)
        self.steps = [[(pair[0], pair[1] + 0.5) for pair in step] for step in x]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        return iter(self.steps)


def literal_nets(width: int, side: int) -> tuple[Module, Module, Module, Module, Module]:
    """Encoder, mean, log variance, decoder and discriminator, for pictures whose side is a multiple of 16."""
    wide, bottom = 8 * width, side // 16
    encoder = Sequential(
        *(Conv2d(3, width, 4, 2, 1, bias=False), BatchNorm2d(width), ReLU()),
        *(Conv2d(width, 2 * width, 4, 2, 1, bias=False), BatchNorm2d(2 * width), ReLU()),
        *(Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False), BatchNorm2d(4 * width), ReLU()),
        *(Conv2d(4 * width, wide, 4, 2, 1, bias=False), BatchNorm2d(wide), ReLU()),
        Flatten(),
    )
    num_bottom = wide * bottom * bottom
    decoder = Sequential(
        *(Linear(32, num_bottom), Unflatten(1, (wide, bottom, bottom))),
        *(ReLU(), ConvTranspose2d(wide, 4 * width, 4, 2, 1), BatchNorm2d(4 * width)),
        *(ReLU(), ConvTranspose2d(4 * width, 2 * width, 4, 2, 1), BatchNorm2d(2 * width)),
        *(ReLU(), ConvTranspose2d(2 * width, width, 4, 2, 1), BatchNorm2d(width)),
        *(ReLU(), ConvTranspose2d(width, 3, 4, 2, 1)),
    )
    discriminator = Sequential(Linear(32, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 1))
    return encoder, Linear(num_bottom, 32), Linear(num_bottom, 32), decoder, discriminator


def train_literally(nets: tuple[Module, ...], batches: Batches, seed: int) -> None:
    """Alg. 1 with probabilities in place of logits."""
    encoder, mean, log_variance, decoder, discriminator = nets
    vae = torch.optim.Adam([p for net in nets[:4] for p in net.parameters()], lr=5e-4)
    adversary = torch.optim.Adam(discriminator.parameters(), lr=5e-4)
    for epoch in range(4):
        torch.manual_seed(seed + epoch)
        for step in batches:
            for labelled, unlabelled in step:
                loss = torch.zeros((), dtype=torch.float64)
                for x in (labelled, unlabelled):
                    hidden = encoder(x)
                    mu, sigma = mean(hidden), (0.5 * log_variance(hidden)).exp()
                    decoded = decoder(mu + sigma * torch.randn_like(mu))
                    loss = loss + ((decoded - x) ** 2).mean()  # reconstruct, and stay near the prior
                    loss = loss - 0.5 * (1 + 2 * sigma.log() - mu**2 - sigma**2).sum()
                    loss = loss - discriminator(mu).sigmoid().log().mean()  # pass for labelled
                vae.zero_grad()
                loss.backward()
                vae.step()
            labelled, unlabelled = step[0]
            with torch.no_grad():
                codes = mean(encoder(labelled)), mean(encoder(unlabelled))
            real, fake = (discriminator(code).sigmoid() for code in codes)
            loss = -real.log().mean() - (1 - fake).log().mean()  # tell apart
            adversary.zero_grad()
            loss.backward()
            adversary.step()


@pytest.mark.parametrize(
    ("width", "side", "batch_size"),
    [
        (4, 16, 8),
        pytest.param(128, 32, 2, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],  # the paper's batch: 128
    ids=["small", "full width"],
)
def test_twenty_steps_are_those_of_the_paper_written_out(
    tmp_path: Path, width: int, side: int, batch_size: int
) -> None:
    """Every weight after 4 epochs of 5 steps; a batch of 128 would take hours at full width."""
    torch.manual_seed(3)
    pair = AdversarialPair((3, side, side), paper(width, batch_size), seed=7).double()
    nets = literal_nets(width, side)
    ours = [*(getattr(pair.autoencoder, name) for name in ("encoder", "mean", "log_variance", "decoder"))]
    for net, other in zip(nets, [*ours, pair.discriminator], strict=True):
        net.double().load_state_dict(other.state_dict())
    batches = Batches(batch_size, side)
    train_literally(nets, batches, seed=7)
    vaal = Vaal(pair.options)
    vaal._fit(pair, batches, torch.device("cpu"), tmp_path / "vaal")  # type: ignore[arg-type]
    for net, other in zip(nets, [*ours, pair.discriminator], strict=True):
        torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=1e-7, atol=1e-9)
