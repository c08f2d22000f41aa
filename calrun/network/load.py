"""`calrun.load`: the network of a run, its evaluation transform and its class names, from the run folder alone.

Dimension key: N rows, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from calrun.dataset.base import Source
from calrun.experiment import build_predictor, made
from calrun.look.predict import LOGITS, Predictor
from calrun.machine.files import whole
from calrun.model.adapt.memory_format import safe_channels_last
from calrun.model.adapt.own import make_net
from calrun.model.base import Classifier
from calrun.network.rebuilt import evaluated_in
from calrun.network.rows import dataset_node, rows_at
from calrun.network.run_files import RunFiles, run_files
from calrun.task.base import Task


@dataclass(frozen=True)
class Trained:
    """What a run has trained.

    Args:
        run: the files it comes from.
        net: in evaluation mode; returns `Output` (logits_BC, features_BD, taps).
        transform: from rows as the data set stores them, bytes or numbers (N, channels, H, W) or (N, D), to what `net`
            takes; rows as they are where the data set has no transform.
        class_names: C names, in the order of the logits.
        predictor: passes rows through the network in batches, on the accelerator if there is one.
    """

    run: RunFiles
    net: Classifier
    transform: Callable[[Tensor], Tensor]
    class_names: list[str]
    predictor: Predictor

    def rows(self, place: str | Path, splits: tuple[str, ...] = ("", "test", "train", "val")) -> Source:
        """Returns the rows at a place, of the kind that the run's data set option reads, without their labels.

        Args:
            place: a file or folder.
            splits: where an archive holds several, which one is read: the first that is there; "" has no name.
        """
        return rows_at(self.run, place, splits)

    def probabilities(self, source: Source, rows: np.ndarray | None = None) -> Tensor:
        """Returns the probability of each class for each row (N, C), in double precision on the host."""
        rows = np.arange(len(source)) if rows is None else rows
        return self.predictor(self.net, source, rows, LOGITS)["logits"].double().softmax(dim=1)


def load(run: str | Path, number: int | None = None) -> Trained:
    """Returns what a run has trained; its data need not be there.

    Args:
        run: the run folder.
        number: of the round; `None` is the last that is committed.

    Raises:
        ValueError: if the folder is no run's, or lacks what the network is made of.
    """
    return trained(run_files(run, number))


def trained(files: RunFiles) -> Trained:
    """Returns what a run had trained by one of its rounds."""
    cfg = files.cfg
    predictor = predictor_of(cfg)
    with torch.random.fork_rng(devices=[]):
        net = network(files, cfg, predictor)
    if not safe_channels_last(net, predictor.device):
        predictor.channels_last = False
    if predictor.channels_last:
        net.to(memory_format=torch.channels_last)
    return Trained(files, net.eval(), transform_of(files), files.class_names, predictor)


def network(files: RunFiles, cfg: DictConfig, predictor: Predictor) -> Classifier:
    """Returns the network that the run evaluated after the round.

    A method of several networks is built again, for it alone knows which of them that is.
    """
    state = files.state()
    if "net" not in state:
        return evaluated_in(files, state, predictor)
    net = make_net(cfg.model, len(files.class_names), files.inputs.shape, files.inputs.vocabulary)
    with whole(files.state_path):
        net.load_state_dict(state["net"])
    return net


def predictor_of(cfg: DictConfig) -> Predictor:
    """Returns what passes rows through networks, as in the run."""
    return build_predictor(cfg.trainer, made(cfg, "task", Task))


def transform_of(files: RunFiles) -> Callable[[Tensor], Tensor]:
    """Returns the evaluation transform of the run's data set."""
    node = dataset_node(files)
    if "transform" not in node:
        return lambda stored: stored
    evaluate: Callable[[Tensor], Tensor] = instantiate(node["transform"]).evaluate

    def transform(stored: Tensor) -> Tensor:
        if not isinstance(stored, Tensor) or stored.ndim < 2:
            came = f"{stored.ndim} axes" if isinstance(stored, Tensor) else type(stored).__name__
            raise ValueError(
                f"the transform wants stored rows as a tensor (N, ...), pictures (N, channels, H, W), got {came}; "
                "rows(PLACE) of what calrun.load returns reads files, and probabilities(rows) scores them"
            )
        return evaluate(stored)

    return transform
