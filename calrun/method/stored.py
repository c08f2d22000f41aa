"""Stored targets z' by row: written once, when a row's round ends, and never changed.

Dimension key: N rows of the training set, L stored rows, B batch, C classes.
"""

import numpy as np
import torch
from torch import Tensor


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
