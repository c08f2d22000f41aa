"""A graph convolution network that tells labelled rows from unlabelled ones. Caramalau et al. 2021, Sec. 3.2.

The graph joins all rows by the cosines x x^T of their features, so a product with its normalised adjacency is two
products with the features: nothing of size M x M exists.

Dimension key: M rows of the graph (N candidates, then L labelled rows), D features, H hidden units, V columns.
"""

import shutil
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import full_precision
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least
from calrun.training.loss_watch import LossWatch
from calrun.training.trainer import train

LEAST_DEGREE = 1e-3  # smallest mean similarity of a row to the others, in size, that its column is divided by
STEPS_TO_SAVE = 20  # steps after which a fit saves itself, so that a killed one repeats no more


@dataclass(frozen=True)
class GraphOptions:
    """How the network is built and trained, on all rows at once.

    Args:
        hidden_units: H; the authors' code takes 128.
        dropout: share of the hidden units left out in each step; the authors' code takes 0.3.
        steps: the authors' code takes 200.
        lr: learning rate of Adam; the authors' code takes 1e-3.
        weight_decay: the authors' code takes 5e-4.
        unlabelled_weight: lambda of Eq. 4, weight of the unlabelled rows' loss; the paper takes 1.2.
    """

    hidden_units: int
    dropout: float
    steps: int
    lr: float
    weight_decay: float
    unlabelled_weight: float

    def __post_init__(self) -> None:
        at_least(1, "acquisition.graph", hidden_units=self.hidden_units, steps=self.steps)
        rates = {"lr": self.lr, "weight_decay": self.weight_decay, "unlabelled_weight": self.unlabelled_weight}
        at_least(0, "acquisition.graph", **rates)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"acquisition.graph.dropout wants a share from 0 to below 1, got {self.dropout}")


class Graph:
    """The normalised graph A D^-1 + I of rows with unit features, A = x x^T - I, D the column sums of A.

    Differs from the authors' code: a column sum that is smaller than M / 1000 in size counts as that, because features
    of both signs let it vanish; features behind a ReLU stay far above.

    Args:
        features_MD: of all rows, in single or double precision; they are scaled to unit length here.
    """

    def __init__(self, features_MD: Tensor) -> None:
        self.unit_MD = F.normalize(features_MD)
        total_D = self.unit_MD.sum(dim=0, dtype=torch.float64).to(self.unit_MD.dtype)
        degree_M1 = (self.unit_MD @ total_D - 1)[:, None]
        least = torch.full_like(degree_M1, LEAST_DEGREE * len(degree_M1))
        self.degree_M1 = torch.where(degree_M1.abs() < least, least.copysign(degree_M1), degree_M1)

    def times(self, x_MV: Tensor) -> Tensor:
        """Returns (A D^-1 + I) x in O(M D V)."""
        shared_MV = x_MV / self.degree_M1
        return self.unit_MD @ (self.unit_MD.T @ shared_MV) - shared_MV + x_MV


class GraphNet(pl.LightningModule):
    """Two graph convolutions with a ReLU between them: hidden features (M, H), and how labelled each row looks.

    First weights are uniform in +-1 / sqrt(outputs), as in the authors' code. They and the dropout masks depend on the
    seed and the step alone, so that a resumed fit draws what an unbroken one does.

    Args:
        graph: of all rows, candidates first.
        num_candidates: N.
        options: how it is built and trained.
        seed: of the first weights and the masks.
    """

    def __init__(self, graph: Graph, num_candidates: int, options: GraphOptions, seed: int) -> None:
        super().__init__()
        self.graph, self.num_candidates, self.options, self.seed = graph, num_candidates, options, seed
        self.around_MD = graph.times(graph.unit_MD)  # of the first layer, in every step the same
        width, hidden = graph.unit_MD.shape[1], options.hidden_units
        generator = torch.Generator().manual_seed(seed)

        def first(*shape: int) -> nn.Parameter:
            drawn = torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1
            return nn.Parameter((drawn / sqrt(shape[-1])).to(graph.unit_MD))

        self.inner_DH, self.inner_bias_H = first(width, hidden), first(hidden)
        self.outer_H1, self.outer_bias_1 = first(hidden, 1), first(1)

    def hidden(self) -> Tensor:
        """Returns the rows' hidden features (M, H), all at least 0."""
        with full_precision():
            return torch.addmm(self.inner_bias_H, self.around_MD, self.inner_DH).relu()

    def labelled_logits(self, hidden_MH: Tensor) -> Tensor:
        """Returns how labelled each row looks (M,), as a logit."""
        with full_precision():
            return (self.graph.times(hidden_MH @ self.outer_H1) + self.outer_bias_1).squeeze(1)

    def training_step(self, batch: int, batch_idx: int) -> Tensor:
        hidden_MH = self.hidden()
        generator = torch.Generator(hidden_MH.device).manual_seed(self.seed + self.current_epoch)
        kept = 1 - self.options.dropout
        mask_MH = torch.empty_like(hidden_MH).bernoulli_(kept, generator=generator)
        loss = told_apart(
            self.labelled_logits(hidden_MH * mask_MH / kept), self.num_candidates, self.options.unlabelled_weight
        )
        self.block_losses_T = loss.detach()[None]  # calrun/training/loss_watch.py looks at it
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.options.lr, weight_decay=self.options.weight_decay)


def told_apart(logits_M: Tensor, num_candidates: int, unlabelled_weight: float) -> Tensor:
    """Returns Eq. 4: -mean ln s over labelled rows, minus lambda times mean ln(1 - s) over candidates."""
    candidates, labelled = logits_M[:num_candidates], logits_M[num_candidates:]
    return -F.logsigmoid(labelled).mean() - unlabelled_weight * F.logsigmoid(-candidates).mean()


def fitted(features_ND: Tensor, labelled_LD: Tensor, options: GraphOptions, seed: int, folder: Path) -> GraphNet:
    """Returns the network after its fit; one that was interrupted goes on from what it left in `folder`."""
    device, last = features_ND.device, folder / "last-step.ckpt"
    single = torch.promote_types(features_ND.dtype, torch.float32)
    with full_precision(), isolate_rng(include_cuda=not features_ND.is_cpu), torch.inference_mode(False):
        features_MD = torch.cat([features_ND.to(single), labelled_LD.to(device, single)])
        net = GraphNet(Graph(features_MD), len(features_ND), options, seed).to(device)
        with torch.enable_grad():
            train(
                net,
                [0],  # one step an epoch, on all rows
                [
                    LossWatch("the graph network", "lower acquisition.graph.lr"),
                    ModelCheckpoint(folder, last.stem, every_n_epochs=STEPS_TO_SAVE, enable_version_counter=False),
                ],
                last,
                accelerator=device.type,
                devices=1 if device.index is None or device.type == "cpu" else [device.index],
                max_epochs=options.steps,
            )
    shutil.rmtree(folder, ignore_errors=True)
    return net.to(device).eval().requires_grad_(False)


def graph_cost(options: GraphOptions, sizes: Sizes) -> Cost:
    """Returns the cost of the graph and of the fit on it."""
    rows, width, hidden = sizes.candidates + sizes.labelled, sizes.features, options.hidden_units
    kept = FLOAT * rows * (2.0 * width + 1)  # unit features, and their products with the graph
    made = Cost(rows * (7.0 * width + 4.0 * width * width), 12.0 * FLOAT * rows * width, kept, calls=20)
    flops = rows * (4.0 * width * hidden + 8.0 * width + 14.0 * hidden)
    held = FLOAT * rows * 6.0 * hidden
    step = Cost(flops, FLOAT * rows * (6.0 * width + 14.0 * hidden), held, 4.0 * rows, calls=150)
    return made + step.times(options.steps).holding(kept)
