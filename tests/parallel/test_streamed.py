"""Steps of pictures that several processes train on: each decodes its share, and all have the same step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import StepRows
from calrun.dataset.source.streamed import Streamed
from calrun.dataset.source.transform import Transform

Together = Callable[[Callable[[int], Any], int], list[Any]]
STEPS = [
    StepRows(np.array([4, 1, 8]), np.array([0, 2])),
    StepRows(np.array([3]), np.array([], dtype=int)),  # fewer rows than processes
    StepRows(np.array([5, 6, 7, 9]), np.array([0])),
]


class Counting:
    """A reader whose pictures are their names and a random number, and which notes what it has read."""

    def __init__(self, unreadable: str = "") -> None:
        self.read_files: list[str] = []
        self.unreadable = unreadable

    def read(self, path: Path, rng: np.random.Generator | None) -> Tensor:
        if path.name == self.unreadable:
            raise ValueError(f"cannot read picture {path}")
        self.read_files.append(path.name)
        drawn = 0 if rng is None else int(rng.integers(256))
        return torch.tensor([int(path.name), drawn, 0], dtype=torch.uint8).view(3, 1, 1)


def epoch(unreadable: str = "") -> tuple[list[list[int]], list[str]]:
    """The bytes of each step as this process has them, and the files that it has read."""
    reader = Counting(unreadable)
    source = Streamed(
        Path(), [str(row) for row in range(10)], np.zeros(10, dtype=int), reader, Transform([0.0] * 3, [1.0] * 3), 0
    )
    return [block.pixels.flatten().tolist() for block in source.blocks(STEPS, 7)], reader.read_files


def test_each_process_decodes_its_share_of_a_step_and_has_all_of_it(together: Together) -> None:
    alone, files = epoch()
    answers = together(lambda rank: epoch(), 2)
    assert [steps for steps, _ in answers] == [alone] * 2
    assert files == ["4", "1", "8", "0", "2", "3", "5", "6", "7", "9", "0"]
    assert [read for _, read in answers] == [["4", "1", "8", "3", "5", "6", "7"], ["0", "2", "3", "9", "0"]]


def test_a_picture_that_one_process_cannot_read_ends_all_with_the_same_sentence(together: Together) -> None:
    answers = together(lambda rank: epoch(unreadable="9"), 2)
    assert [str(answer) for answer in answers] == ["cannot read picture 9"] * 2
    assert {type(answer) for answer in answers} == {ValueError}
