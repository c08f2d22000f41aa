"""A short self-supervised pre-training of our own: SimCLR (Chen et al. 2020) on a data set of calrun, without labels.

    python scripts/pretrain.py --out backbone.pt --epochs 100 dataset=cifar10 model=resnet18
    calrun run dataset=cifar10 model=resnet18 method=linear_probe method.start.path=backbone.pt

The words are those of `calrun run`: dataset, model, row_transform, seed and their keys count, all others are ignored.
The rows are those of row_transform, so that an imbalanced set is pre-trained on as it is. The file holds the backbone's
weights alone. Killed at any time, the same command goes on after the last finished epoch; a finished file answers at
once.

Adam, a learning rate of 0.0003, batches of 256 and a cosine are those of Emam et al. 2021, App. C.1 (1000 epochs), the
temperature and the head of two layers those of SimCLR. Differs from SimCLR: Adam for LARS, which is for large batches.

Dimension key: V views, 2 B of a batch of B pictures; P projected features.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from omegaconf import DictConfig, OmegaConf
from pretrain_views import Views
from torch import Tensor, nn

from calrun.dataset.base import Dataset
from calrun.errors import INTERRUPTED, MISTAKES, sentence
from calrun.experiment import build_predictor, load_data, made, transformed
from calrun.folder.identity import canonical
from calrun.machine.files import load_tensors, replace_tensors, whole
from calrun.method.fit.optimizer import OptimizerFactory, cosine
from calrun.model.adapt.own import make_net
from calrun.model.adapt.picture import as_picture
from calrun.model.base import Classifier
from calrun.plan.plan import composed
from calrun.rng import numpy_rng, torch_seed
from calrun.task.base import Task
from calrun.text.words import at_home

COUNTED = ("dataset", "model", "row_transform", "seed")  # what of a configuration decides the weights
LOOKED_AT = 256  # pictures whose smallest and largest number give the scale of those that are no bytes
ROUNDING = 1e-4


def main() -> int:
    """Pre-trains, or goes on; returns the exit code."""
    given = arguments()
    try:
        pretrain(given)
    except KeyboardInterrupt:
        print(f"pretrain: interrupted; the same command goes on with {given.out}", file=sys.stderr)
        return INTERRUPTED
    except MISTAKES as error:
        print(f"pretrain: {sentence(error)}", file=sys.stderr)
        return 2
    return 0


def arguments() -> argparse.Namespace:
    """Returns what the user typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="GROUP=OPTION and KEY=VALUE of calrun run")
    parser.add_argument("--out", type=Path, required=True, help="the file of backbone weights")
    parser.add_argument("--config-dir", type=Path, help="a folder of your own options, as for calrun run")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--temperature", type=float, default=0.5, help="tau")
    parser.add_argument("--projection", type=int, default=128, help="width of what the loss compares")
    parser.add_argument("--min-area", type=float, default=0.08, help="smallest share of a picture that a crop covers")
    parser.add_argument("--jitter", type=float, default=0.5, help="strength of the colour jitter")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_intermixed_args()


def pretrain(given: argparse.Namespace) -> None:
    """Trains the epochs that are missing and writes the file.

    Raises:
        ValueError: if the words or numbers cannot work, or the file was made by others.
    """
    refuse_numbers(given)
    torch.set_num_threads(given.threads)
    cfg = composed([at_home(word) for word in given.words], given.config_dir)
    data = transformed(load_data(cfg.dataset, cfg.seed), cfg.row_transform)
    refuse_other_rows(data)
    settings = settings_of(given, cfg, data)
    if given.out.exists():
        with whole(given.out):
            before = load_tensors(given.out)
        refuse_other_settings(given.out, before, settings)
        print(f"{given.out} is finished: {given.epochs} epochs, loss {before['losses'][-1]:.4f}")
        return
    training = Training(given, cfg, data)
    losses = training.go_on(settings)
    weights = {name: tensor.detach().cpu() for name, tensor in training.net.backbone.state_dict().items()}
    replace_tensors(given.out, {"state_dict": weights, "settings": settings, "losses": losses})
    training.path.unlink(missing_ok=True)
    print(f"{given.out}: {len(weights)} tensors; method.start.path={given.out} begins with them")


def refuse_numbers(given: argparse.Namespace) -> None:
    """Raises a ValueError for a number that cannot be meant."""
    least = {"epochs": 1, "batch_size": 2, "projection": 1, "threads": 1}
    wrong = [
        f"--{name.replace('_', '-')} {getattr(given, name)}" for name in least if getattr(given, name) < least[name]
    ]
    wrong += [
        f"--{name} {getattr(given, name)}" for name in ("lr", "temperature") if not 0 < getattr(given, name) < math.inf
    ]
    wrong += [f"--min-area {given.min_area}"] if not 0 < given.min_area <= 1 else []
    wrong += [f"--jitter {given.jitter}"] if not 0 <= given.jitter <= 1 else []
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot be; correct it (--help says what each is)")


def refuse_other_rows(data: Dataset) -> None:
    """Raises a ValueError if the rows are no pictures, or too few for a contrast."""
    if data.vocabulary is not None:
        raise ValueError("pre-training wants pictures, but the data set's rows are tokens; choose another data set")
    as_picture("pre-training", data.input_shape)
    if len(data.train) < 2:
        raise ValueError(f"pre-training wants 2 pictures or more, but the data set has {len(data.train)}")


def settings_of(given: argparse.Namespace, cfg: DictConfig, data: Dataset) -> str:
    """Returns all that decides the weights, as text: configuration, numbers and a checksum of the rows."""
    nodes = {name: cfg[name] for name in COUNTED}
    tree = {
        name: OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
        for name, node in nodes.items()
    }
    beside = ("words", "out", "config_dir", "threads")
    numbers = {name: value for name, value in vars(given).items() if name not in beside}
    return json.dumps({**canonical(tree), **numbers, "rows": [len(data.train), data.train.checksum(0)]}, sort_keys=True)


def refuse_other_settings(path: Path, before: dict[str, Any], settings: str) -> None:
    """Raises a ValueError if a file was made by other words or numbers."""
    if before.get("settings") == settings:
        return
    if "settings" not in before:
        raise ValueError(f"{path} is there and was not written by this script; give another --out")
    old, new = json.loads(before["settings"]), json.loads(settings)
    differ = [f"{key} {old.get(key)} then, {new[key]} now" for key in new if old.get(key) != new[key]]
    raise ValueError(f"{path} was begun with other words ({'; '.join(differ)[:300]}); give another --out, or remove it")


@dataclass
class Scale:
    """From x as the data set gives it to numbers from 0 to 1, and back.

    Args:
        mean: of each channel, which was subtracted.
        std: of each channel, the divisor.
        low: the smallest number of a picture.
        high: the largest.
    """

    mean: Tensor
    std: Tensor
    low: float = 0.0
    high: float = 1.0

    def pixels(self, x: Tensor) -> Tensor:
        """Returns numbers from 0 to 1."""
        return ((x * self.std + self.mean - self.low) / (self.high - self.low)).clamp(0, 1)

    def x(self, pixels: Tensor) -> Tensor:
        """Returns what the network takes."""
        return (pixels * (self.high - self.low) + self.low - self.mean) / self.std


class Training:
    """The network, its projection head and its optimizer, epoch after epoch.

    Args:
        given: the numbers.
        cfg: the configuration; only `model`, `seed` and the device count.
        data: whose training rows are looked at.
    """

    def __init__(self, given: argparse.Namespace, cfg: DictConfig, data: Dataset) -> None:
        self.given, self.seed, self.train = given, cfg.seed, data.train
        self.device = build_predictor(cfg.trainer, made(cfg, "task", Task)).device
        self.train.to(self.device)
        self.scale = scale_of(data, cfg, self.device)
        self.views = Views(given.min_area, given.jitter)
        torch.manual_seed(torch_seed(self.seed, 0, "pre-training"))
        self.net: Classifier = make_net(cfg.model, data.num_classes, data.input_shape, data.vocabulary)
        width = self.net.head.in_features
        self.projector = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, given.projection))
        self.both = nn.ModuleDict({"backbone": self.net.backbone, "projector": self.projector}).to(self.device)
        self.batch_size = min(given.batch_size, len(self.train))
        self.steps = len(self.train) // self.batch_size
        factory = OptimizerFactory(partial(torch.optim.Adam), given.lr, False, cosine, schedule_every="step")
        self.optimizer, _ = factory.build(self.both, given.epochs, steps=self.steps)

    @property
    def path(self) -> Path:
        """Where the last finished epoch is kept."""
        return self.given.out.with_name(f"{self.given.out.name}.unfinished")

    def go_on(self, settings: str) -> list[float]:
        """Trains the epochs that are missing; returns the loss of each."""
        losses: list[float] = []
        if self.path.exists():
            with whole(self.path):
                state = load_tensors(self.path)
            refuse_other_settings(self.path, state, settings)
            self.both.load_state_dict(state["both"])
            self.optimizer.load_state_dict(state["optimizer"])
            losses = state["losses"]
        for epoch in range(len(losses), self.given.epochs):
            losses.append(self.epoch(epoch))
            print(f"epoch {epoch + 1}/{self.given.epochs}  loss {losses[-1]:.4f}", flush=True)
            state = {"both": self.both.state_dict(), "optimizer": self.optimizer.state_dict()}
            replace_tensors(self.path, {**state, "losses": losses, "settings": settings})
        return losses

    def epoch(self, epoch: int) -> float:
        """Passes all rows once, but for those that fill no batch; returns the mean loss.

        Raises:
            ValueError: if the loss is not finite.
        """
        torch.manual_seed(torch_seed(self.seed, epoch, "pre-training dropout"))
        generator = torch.Generator().manual_seed(torch_seed(self.seed, epoch, "pre-training views"))
        self.both.train()
        total = torch.zeros((), device=self.device)
        for x in self.batches(epoch):
            pixels = self.scale.pixels(x)
            two = torch.cat([self.views(pixels, generator), self.views(pixels, generator)])
            loss = nt_xent(self.projector(self.net.backbone(self.scale.x(two))), self.given.temperature)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        mean = total.item() / self.steps
        if not math.isfinite(mean):
            raise ValueError(f"epoch {epoch + 1}: the loss is {mean}; lower --lr, or look at the data set's numbers")
        return mean

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """Yields x of each step of an epoch."""
        order = numpy_rng(self.seed, epoch, "pre-training order").permutation(len(self.train))
        for _, x in self.train.batches(order[: self.steps * self.batch_size], self.batch_size):
            yield x.to(self.device)


def scale_of(data: Dataset, cfg: DictConfig, device: torch.device) -> Scale:
    """Returns the scale of the training pictures: 0 to 1 for bytes, otherwise the smallest to the largest number."""
    known = data.train.measured().get("transform") or cfg.dataset.get("transform") or {}
    mean = torch.tensor([*(known.get("mean") or [0.0])], device=device).view(1, -1, 1, 1)
    std = torch.tensor([*(known.get("std") or [1.0])], device=device).view(1, -1, 1, 1)
    rows = numpy_rng(0, 0, "pre-training scale").permutation(len(data.train))[:LOOKED_AT]
    seen = torch.cat([x.to(device) * std + mean for _, x in data.train.batches(rows, len(rows))])
    low, high = seen.min().item(), seen.max().item()
    if -ROUNDING <= low <= high <= 1 + ROUNDING:
        return Scale(mean, std)
    return Scale(mean, std, low, high)


def nt_xent(projected_VP: Tensor, temperature: float) -> Tensor:
    """Returns SimCLR's loss, Eq. 1: the mean over all views of the cross-entropy of each view's partner.

    Args:
        projected_VP: of 2 B views, the second view of picture i in row B + i.
        temperature: tau.
    """
    unit_VP = F.normalize(projected_VP, dim=1)
    similarity_VV = (unit_VP @ unit_VP.T / temperature).fill_diagonal_(-torch.inf)
    partner_V = torch.arange(len(unit_VP), device=unit_VP.device).roll(len(unit_VP) // 2)
    return F.cross_entropy(similarity_VV, partner_V)


if __name__ == "__main__":
    sys.exit(main())
