"""Stored targets z' by row: written once, when the round that bought the row ends, and never changed.

Dimension key: N rows of the training set, L stored rows, B batch, C classes.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrun.look.sizes import FLOAT
from calrun.method.objective import Objective
from calrun.part.batch import Batch
from calrun.part.piece import Look
from calrun.round import Round
from calrun.task.base import Task
from calrun.text.legal import one_of


class StoredLogits:
    """The logits that rows had when their round ended, found by row.

    Args:
        num_rows: N.
    """

    def __init__(self, num_rows: int) -> None:
        self.position_N = torch.full((num_rows,), -1, dtype=torch.int64)
        self.logits_LC = torch.empty(0, 0)

    def __len__(self) -> int:
        return len(self.logits_LC)

    @property
    def device(self) -> torch.device:
        return self.position_N.device

    def write(self, rows: np.ndarray, logits_BC: Tensor) -> None:
        """Stores the logits of new rows.

        Raises:
            ValueError: if a row has a target already: targets never change.
        """
        index = torch.from_numpy(np.asarray(rows, dtype=np.int64)).to(self.position_N.device)
        known = index[self.position_N[index] >= 0]
        if len(known):
            raise ValueError(
                f"the targets of {len(known)} of {len(rows)} rows are stored already (first: {known[:5].tolist()}); "
                "each row is stored once, in the round that bought it"
            )
        self.position_N[index] = torch.arange(len(self), len(self) + len(index), device=index.device)
        new = logits_BC.detach().float().to(self.logits_LC.device)
        self.logits_LC = torch.cat([self.logits_LC, new]) if len(self) else new

    def read(self, rows: Tensor) -> Tensor:
        """Returns z' (B, C) of rows that are stored, without asking the device whether they are."""
        return self.logits_LC[self.position_N[rows]]

    def to(self, device: torch.device) -> None:
        """Moves the table to where batches are."""
        self.position_N, self.logits_LC = self.position_N.to(device), self.logits_LC.to(device)

    def state_dict(self) -> dict[str, Tensor]:
        return {"position_N": self.position_N.cpu(), "logits_LC": self.logits_LC.cpu()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.position_N, self.logits_LC = state["position_N"].clone(), state["logits_LC"].clone()


class Distilling(Objective):
    """A loss that uses the targets stored for replayed rows when their round ended.

    Args:
        store_when: targets come from the `end_of_round` (the paper) or `first_epoch_online` (the authors' code).
    """

    def __init__(self, store_when: str) -> None:
        one_of("method.objective.store_when", store_when, ("end_of_round", "first_epoch_online"))
        self.store_when = store_when
        self.online: list[tuple[Tensor, Tensor]] = []
        self.records = False

    def begin_run(self, task: Task, num_rows: int, num_classes: int) -> None:
        super().begin_run(task, num_rows, num_classes)
        self.table = StoredLogits(num_rows)

    def begin_round(self, this_round: Round) -> None:
        self.online = []

    def begin_epoch(self, look: Look, phase: int, epoch: int) -> None:
        self.records = self.store_when == "first_epoch_online" and phase == epoch == 0

    def after_step(self, current: Batch, replay: Batch | None) -> None:
        if self.records:
            self.online.append((current.rows, self.task.reduced(current.logits.detach()).float()))

    def end_round(self, look: Look, this_round: Round) -> None:
        rows = this_round.current_rows
        if self.store_when == "first_epoch_online":
            seen, logits_BC = (torch.cat(part) for part in zip(*self.online, strict=True))
            self.table.write(rows, logits_BC[torch.argsort(seen)])
        else:
            self.table.write(rows, look(rows)["logits"])

    def stored_of(self, rows: Tensor) -> Tensor | None:
        if self.table.device != rows.device:
            self.table.to(rows.device)
        return self.table.read(rows)

    def rows_to_store(self, num_new: int) -> int:
        return num_new if self.store_when == "end_of_round" else 0

    def stored_bytes(self, num_labelled: int) -> int:
        return FLOAT * num_labelled * self.num_classes

    def fit_state(self) -> dict[str, Any]:
        return {"online": [list(part) for part in self.online]}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.online = [(rows, logits_BC) for rows, logits_BC in state["online"]]

    def carried(self) -> dict[str, Any]:
        return self.table.state_dict()

    def restore(self, carried: dict[str, Any]) -> None:
        self.table.load_state_dict(carried)
