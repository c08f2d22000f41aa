"""Variational adversarial active learning (VAAL). Sinha et al. 2019, Sec. 3 and Alg. 1 and 2.

A variational autoencoder learns one latent space for labelled and unlabelled images while a discriminator learns to
tell them apart there; the images that look least labelled are bought. Both nets have a small fit of their own.

Differs from the paper: the nets are trained after the task model and not between its steps, which changes nothing for
either because they share neither weights nor data order; the task model is not used at all.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates, Images
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.top_k import smallest
from calrun.acquisition.kernel.vaal_nets import AdversarialPair, NetOptions, Pairs, pair_cost
from calrun.look.sizes import Sizes
from calrun.training.loss_watch import LossWatch
from calrun.training.trainer import train


class Vaal(Acquisition):
    """Takes the rows that look least like labelled ones to a discriminator in a learned latent space.

    Both nets train in a Lightning fit of their own; a killed fit goes on after its last epoch.

    Args:
        nets: how the autoencoder and the discriminator are built and trained.
    """

    needs = frozenset({"images", "labelled_rows", "scratch"})
    approximation = "a smaller acquisition.nets.width, batch_size or epochs"

    def __init__(self, nets: NetOptions) -> None:
        self.nets = nets

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        images, labelled_rows = candidates.images, candidates.labelled_rows
        if not len(labelled_rows):
            raise ValueError(
                "acquisition=vaal got no labelled rows to compare with; label some with another rule first"
            )
        if min(budget, len(candidates)) <= 0:
            return candidates.rows[:0].astype(np.int64)
        seed = int(rng.integers(2**62))
        _, first = next(iter(images.batches(candidates.rows[:1], 1)))
        with isolate_rng(include_cuda=not first.is_cpu), torch.inference_mode(False), torch.enable_grad():
            torch.manual_seed(seed)
            channels, height, width = first.shape[1:]
            pair = AdversarialPair((channels, height, width), self.nets, seed).to(first.device)
            pairs = Pairs(images, labelled_rows, candidates.rows, self.nets, lambda: [seed, pair.current_epoch])
            self._fit(pair, pairs, first.device, candidates.scratch / "vaal")
        scores_N = labelled_logits(pair.to(first.device), images, candidates.rows, self.nets.batch_size)
        return smallest(scores_N, candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of training both nets, and of a look at each candidate."""
        if len(sizes.input_shape) != 3:
            shape = " x ".join(map(str, sizes.input_shape))
            return Cost(
                refusal=f"vaal looks at pictures, but a row here is {shape} numbers; choose another acquisition"
            )
        return pair_cost(self.nets, sizes)

    def _fit(self, pair: AdversarialPair, pairs: Pairs, device: torch.device, folder: Path) -> None:
        """Trains the pair, from the last epoch of an interrupted fit if there is one."""
        last = folder / "last-epoch.ckpt"
        saved = ModelCheckpoint(folder, last.stem, every_n_epochs=1, enable_version_counter=False)
        watch = LossWatch("acquisition=vaal", "lower acquisition.nets.lr_vae and lr_discriminator")
        train(
            pair,
            pairs,
            [watch, saved],
            last,
            accelerator=device.type,
            devices=1 if device.index is None or device.type == "cpu" else [device.index],
            max_epochs=self.nets.epochs,
        )
        shutil.rmtree(folder, ignore_errors=True)


@torch.no_grad()
def labelled_logits(pair: AdversarialPair, images: Images, rows: np.ndarray, batch_size: int) -> Tensor:
    """Returns how labelled each row looks in evaluation mode, as a logit (N,)."""
    pair.eval()
    return torch.cat([pair.labelled_logits(x.float()) for _, x in images.batches(rows, batch_size)])
