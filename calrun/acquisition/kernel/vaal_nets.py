"""The two nets of VAAL and how they are trained. Sinha et al. 2019, Eq. 2-5, with the widths of the authors' code.

Differs from the authors' code: its discriminator has four hidden layers, here two; its decoder begins at 4 x 4 and ends
in a 1 x 1 layer, here it mirrors the encoder; it draws first weights by Kaiming's rule, here they are PyTorch's.

Dimension key: B batch, Z latent dimensions, H W height and width.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from calrun.acquisition.base import Images
from calrun.acquisition.kernel.cost import Cost, input_bytes
from calrun.look.sizes import FLOAT, Sizes
from calrun.model.adapt.forward_work import forward_work
from calrun.text.legal import at_least


@dataclass(frozen=True)
class NetOptions:
    """How the nets are built and trained.

    Args:
        latent_dim: Z; the paper takes 32 (CIFAR) and 64 (ImageNet).
        width: channels after the first convolution, doubled by each further one; the paper takes 128.
        hidden_width: units of each hidden layer of the discriminator; the paper takes 512.
        epochs: passes over the unlabelled rows; the paper takes 100 over all rows.
        batch_size: the paper takes 128.
        lr_vae: learning rate of Adam for the autoencoder; the paper takes 5e-4.
        lr_discriminator: learning rate of Adam for the discriminator; the paper takes 5e-4.
        beta: weight of the divergence from the prior; the paper takes 1.
        adversary_weight: lambda_2, weight of fooling the discriminator; the paper takes 1 (10 for ImageNet).
        num_vae_steps: autoencoder steps per training step; the authors' code takes 2.
        num_discriminator_steps: discriminator steps per training step; the authors' code takes 1.
        normalize_kld: takes the mean of the divergence over the batch instead of the authors' sum, which in large
            batches all but switches off the latent space.
        crop: side in pixels of the square that the nets see of larger pictures, at one random place for each step and
            in the middle for the choice; `None` is whole pictures. Emam et al. 2021 (App. A.3) take 64 on ImageNet.
    """

    latent_dim: int
    width: int
    hidden_width: int
    epochs: int
    batch_size: int
    lr_vae: float
    lr_discriminator: float
    beta: float
    adversary_weight: float
    num_vae_steps: int
    num_discriminator_steps: int
    normalize_kld: bool
    crop: int | None = None

    def __post_init__(self) -> None:
        whole = (
            "latent_dim",
            "width",
            "hidden_width",
            "epochs",
            "batch_size",
            "num_vae_steps",
            "num_discriminator_steps",
        )
        at_least(1, "acquisition.nets", crop=self.crop, **{name: getattr(self, name) for name in whole})
        at_least(0, "acquisition.nets", beta=self.beta, adversary_weight=self.adversary_weight)
        at_least(0, "acquisition.nets", lr_vae=self.lr_vae, lr_discriminator=self.lr_discriminator)


class Autoencoder(nn.Module):
    """Up to four strided convolutions down to a Gaussian latent space, and the way back to any input size."""

    def __init__(self, input_shape: tuple[int, int, int], options: NetOptions) -> None:
        super().__init__()
        channels, *size = input_shape
        depth = max(1, min(4, int(log2(min(size)))))
        sizes = [(size[0] >> level, size[1] >> level) for level in range(depth + 1)]
        widths = [channels, *(options.width << level for level in range(depth))]
        down, up = [], []
        for level in range(depth):
            block = nn.Conv2d(widths[level], widths[level + 1], 4, 2, 1, bias=False), nn.BatchNorm2d(widths[level + 1])
            down += [*block, nn.ReLU()]
        for level in reversed(range(depth)):
            odd = (sizes[level][0] % 2, sizes[level][1] % 2)  # what halving lost
            up += [nn.ReLU(), nn.ConvTranspose2d(widths[level + 1], widths[level], 4, 2, 1, output_padding=odd)]
            up += [nn.BatchNorm2d(widths[level])] if level else []
        self.bottom = (widths[-1], *sizes[-1])
        num_bottom = int(np.prod(self.bottom))
        self.encoder = nn.Sequential(*down, nn.Flatten())
        self.mean, self.log_variance = (
            nn.Linear(num_bottom, options.latent_dim),
            nn.Linear(num_bottom, options.latent_dim),
        )
        self.decoder = nn.Sequential(nn.Linear(options.latent_dim, num_bottom), nn.Unflatten(1, self.bottom), *up)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the reconstruction and the mean and log variance (B, Z) of the latent code."""
        hidden = self.encoder(x)
        mean_BZ, log_variance_BZ = self.mean(hidden), self.log_variance(hidden)
        code_BZ = mean_BZ + torch.randn_like(mean_BZ) * (log_variance_BZ / 2).exp()
        return self.decoder(code_BZ), mean_BZ, log_variance_BZ

    def latent_mean(self, x: Tensor) -> Tensor:
        mean_BZ: Tensor = self.mean(self.encoder(x))
        return mean_BZ


class AdversarialPair(pl.LightningModule):
    """The autoencoder and the discriminator that tells labelled (1) from unlabelled (0) latent codes."""

    def __init__(self, input_shape: tuple[int, int, int], options: NetOptions, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.options, self.seed = options, seed
        channels, height, width = input_shape
        crop = options.crop or max(height, width)
        self.autoencoder = Autoencoder((channels, min(height, crop), min(width, crop)), options)
        width = options.hidden_width
        self.discriminator = nn.Sequential(
            nn.Linear(options.latent_dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(self.autoencoder.parameters(), lr=self.options.lr_vae),
            torch.optim.Adam(self.discriminator.parameters(), lr=self.options.lr_discriminator),
        ]

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.seed + self.current_epoch)  # noise depends on the epoch, not on a resume

    def training_step(self, batch: list[tuple[Tensor, Tensor]], batch_idx: int) -> None:
        autoencoder, discriminator = self.optimizers()  # type: ignore[attr-defined]
        losses = []
        batch = [self.cropped_alike(*pair) for pair in batch]
        for labelled, unlabelled in batch[: self.options.num_vae_steps]:
            losses.append(self.autoencoder_loss(labelled, unlabelled))
            descend(self, autoencoder, losses[-1])
        for labelled, unlabelled in batch[: self.options.num_discriminator_steps]:
            losses.append(self.discriminator_loss(labelled, unlabelled))
            descend(self, discriminator, losses[-1])
        self.block_losses_T = torch.stack(
            [loss.detach() for loss in losses]
        )  # calrun/training/loss_watch.py looks at them

    def cropped_alike(self, labelled: Tensor, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        """Returns both with the crop of a step, at one random place."""
        if self.options.crop is None:
            return labelled, unlabelled
        place = tuple(torch.rand(2).tolist())
        return cropped(labelled, self.options.crop, place), cropped(unlabelled, self.options.crop, place)

    def autoencoder_loss(self, labelled: Tensor, unlabelled: Tensor) -> Tensor:
        """Returns Eq. 5: reconstruct both, stay near the prior, and look labelled to the discriminator."""
        loss = torch.zeros((), device=labelled.device)
        for x in (labelled, unlabelled):
            decoded, mean_BZ, log_variance_BZ = self.autoencoder(x)
            divergence = (mean_BZ.square() + log_variance_BZ.exp() - 1 - log_variance_BZ).sum() / 2
            divergence = divergence / (len(x) if self.options.normalize_kld else 1)
            logits_B1 = self.discriminator(mean_BZ)
            fooled = F.binary_cross_entropy_with_logits(logits_B1, torch.ones_like(logits_B1))
            loss = loss + F.mse_loss(decoded, x) + self.options.beta * divergence
            loss = loss + self.options.adversary_weight * fooled
        return loss

    def discriminator_loss(self, labelled: Tensor, unlabelled: Tensor) -> Tensor:
        """Returns Eq. 4: tell the latent means of labelled rows from those of unlabelled ones."""
        with torch.no_grad():
            means = self.autoencoder.latent_mean(labelled), self.autoencoder.latent_mean(unlabelled)
        return told_apart(self.discriminator(means[0]), self.discriminator(means[1]))

    def labelled_logits(self, x: Tensor) -> Tensor:
        """Returns how labelled each row looks (B,), as a logit: probabilities saturate and tie."""
        seen = x if self.options.crop is None else cropped(x, self.options.crop, (0.5, 0.5))
        logits_B1: Tensor = self.discriminator(self.autoencoder.latent_mean(seen))
        return logits_B1.squeeze(1)


def cropped(x: Tensor, side: int, place: Sequence[float]) -> Tensor:
    """Returns a square of pictures (B, ch, H, W), or as much of it as they have.

    Args:
        x: the pictures.
        side: pixels.
        place: of its upper left corner among the possible ones, down and across, each in [0, 1).
    """
    starts = [int(share * (max(0, size - side) + 1)) for share, size in zip(place, x.shape[2:], strict=True)]
    return x[:, :, starts[0] : starts[0] + side, starts[1] : starts[1] + side]


def told_apart(labelled_logits_B1: Tensor, unlabelled_logits_B1: Tensor) -> Tensor:
    """Returns the discriminator's cross-entropy, labelled rows being 1 and unlabelled ones 0."""
    return F.binary_cross_entropy_with_logits(
        labelled_logits_B1, torch.ones_like(labelled_logits_B1)
    ) + F.binary_cross_entropy_with_logits(unlabelled_logits_B1, torch.zeros_like(unlabelled_logits_B1))


def descend(module: pl.LightningModule, optimizer: torch.optim.Optimizer | LightningOptimizer, loss: Tensor) -> None:
    """Takes one optimizer step; gradients that reach the other net are dropped before its own step."""
    optimizer.zero_grad()
    module.manual_backward(loss)
    optimizer.step()


class Pairs:
    """The training batches of an epoch: lists of (labelled, unlabelled) images, one for each inner step.

    Args:
        images: the pictures.
        labelled_rows: drawn in random order, over and over, since there are few of them.
        rows: the unlabelled rows, each once per epoch for each inner step.
        options: batch size and inner steps.
        seeds: called at the start of each epoch, and decides its order; a resumed fit starts at a later epoch.
    """

    def __init__(
        self,
        images: Images,
        labelled_rows: np.ndarray,
        rows: np.ndarray,
        options: NetOptions,
        seeds: Callable[[], list[int]],
    ) -> None:
        self.images, self.seeds = images, seeds
        self.labelled_rows, self.rows = np.sort(labelled_rows), rows
        self.inner_steps = max(options.num_vae_steps, options.num_discriminator_steps)
        self.batch_size = max(2, min(options.batch_size, len(rows)))  # BatchNorm needs two
        self.num_steps = -(-len(rows) // self.batch_size)

    def __len__(self) -> int:
        return self.num_steps

    def __iter__(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        rng = np.random.default_rng(self.seeds())
        length = self.num_steps * self.inner_steps * self.batch_size
        batches = [
            self.images.batches(in_random_order(rows, length, rng), self.batch_size)
            for rows in (self.labelled_rows, self.rows)
        ]
        for _ in range(self.num_steps):
            pairs = [(next(batches[0])[1], next(batches[1])[1]) for _ in range(self.inner_steps)]
            yield [(labelled.float(), unlabelled.float()) for labelled, unlabelled in pairs]


def in_random_order(rows: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `length` rows: random orders of all of them, one after the other."""
    orders = [rng.permutation(rows) for _ in range(-(-length // len(rows)))]
    return np.concatenate(orders)[:length]


def pair_cost(options: NetOptions, sizes: Sizes) -> Cost:
    """Returns the cost of training the pair on the candidates, and of its look at each of them."""
    channels, height, width = sizes.input_shape
    with torch.device("meta"):  # shapes alone
        pair, x = AdversarialPair((channels, height, width), options, seed=0), torch.empty(2, *sizes.input_shape)
    autoencoder = forward_work(pair.autoencoder, x if options.crop is None else cropped(x, options.crop, (0.5, 0.5)))
    looked = forward_work(pair, x, pair.labelled_logits)
    parameters = sum(parameter.numel() for parameter in pair.parameters())
    batch = max(2, min(options.batch_size, sizes.candidates))
    rows = 2 * batch  # labelled and unlabelled
    passes = 3 * options.num_vae_steps * (autoencoder.flops + looked.flops)
    passes += options.num_discriminator_steps * looked.flops
    updates = 2 * options.num_vae_steps + options.num_discriminator_steps
    moved = rows * updates * 3 * autoencoder.activation_bytes + 10 * FLOAT * updates * parameters
    held = 4 * FLOAT * parameters + rows * (2 * autoencoder.activation_bytes + 2 * input_bytes(sizes))
    step = Cost(rows * passes, moved, held, calls=300 * updates)
    look = Cost(looked.flops, looked.activation_bytes + input_bytes(sizes)).times(sizes.candidates)
    return step.times(options.epochs * -(-sizes.candidates // batch)) + look
