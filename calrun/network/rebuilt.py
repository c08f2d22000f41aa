"""A run's method built again and put where a round left it, on rows of any kind.

Dimension key: N rows.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from calrun.acquisition.base import Acquisition
from calrun.dataset.base import UNKNOWN, Block, Dataset, Source, StepRows
from calrun.experiment import build_method, made
from calrun.folder.round_line import accuracy, committed_rounds
from calrun.look.predict import Predictor
from calrun.machine.files import whole
from calrun.method.base import Method
from calrun.model.base import Classifier
from calrun.network.run_files import RunFiles
from calrun.task.base import Task


def rebuilt(
    files: RunFiles, data: Dataset, state: dict[str, Any], predictor: Predictor, acquisition: Acquisition
) -> Method:
    """Returns the method of a run as it was after a round.

    Args:
        files: the run at the round.
        data: the rows that it looks at now.
        state: what it carried out of the round.
        predictor: passes of its networks.
        acquisition: whose parts it has trained beside the network.
    """
    cfg = files.cfg
    method = build_method(cfg, data, made(cfg, "task", Task), predictor)
    method.attach(acquisition.parts(), any(column.previous for column in acquisition.wanted()))
    with whole(files.state_path):
        method.restore(state)
    return method


def evaluated_in(files: RunFiles, state: dict[str, Any], predictor: Predictor) -> Classifier:
    """Returns the network that a method evaluates, without the data that it was trained on."""
    if all(math.isnan(accuracy(line)) for line in committed_rounds(files.folder)[: files.number]):
        raise ValueError(
            f"{files.folder} has evaluated no round up to round {files.number}, and so trained no network that could "
            "be used; let the run go on"
        )
    inputs, names = files.inputs, files.class_names
    absent = Absent(inputs.num_rows, inputs.shape, inputs.vocabulary is not None)
    data = Dataset(absent, {}, len(names), names, inputs.shape, vocabulary=inputs.vocabulary)
    return rebuilt(files, data, state, predictor, own_acquisition(files.cfg)).evaluated()


def own_acquisition(cfg: DictConfig) -> Acquisition:
    """Returns the acquisition that the run was played with."""
    return made(cfg, "acquisition", Acquisition)


class Absent(Source):
    """The rows of a data set that is not there: as many, and all zero.

    Args:
        num_rows: N.
        shape: of one x.
        tokens: whether x holds tokens and not fractions.
    """

    def __init__(self, num_rows: int, shape: tuple[int, ...], tokens: bool = False) -> None:
        self.targets, self.shape = np.full(num_rows, UNKNOWN), shape
        self.kind = torch.int64 if tokens else torch.float32

    def __len__(self) -> int:
        return len(self.targets)

    def checksum(self, start: int) -> int:
        return start

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        raise NotImplementedError

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, torch.zeros(len(part), *self.shape, dtype=self.kind)
