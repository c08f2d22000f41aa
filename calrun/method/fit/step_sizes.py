"""How many rows each step of an epoch visits, and what becomes of those that fill no step.

PyTorch's DataLoader, with which the papers' numbers were made, gives them a step of their own (`keep`).
"""

from math import ceil
from typing import Literal

LastBatch = Literal["keep", "even", "drop"]
KEEP: LastBatch = "keep"
EVEN: LastBatch = "even"
DROP: LastBatch = "drop"


def step_sizes(num_rows: int, batch_size: int, last_batch: LastBatch) -> list[int]:
    """Returns how many rows each step visits; one step of none where there are none.

    No step has a single row beside others, because BatchNorm cannot normalise one.

    Args:
        num_rows: of an epoch.
        batch_size: m.
        last_batch: `keep` gives the rest a step of its own, but a single row joins the step before it; `even` shares
            all rows out over as many steps, whose sizes differ by one row at most; `drop` leaves the rest out, unless
            it is all that there is.
    """
    whole, rest = divmod(num_rows, batch_size)
    if not whole:
        return [num_rows]
    if last_batch == DROP:
        return [batch_size] * whole
    if last_batch == EVEN:
        return shared_out(num_rows, ceil(num_rows / batch_size), batch_size)
    sizes = [batch_size] * whole + [rest] * bool(rest)
    if rest == 1 and batch_size > 1:
        sizes[-2:] = [batch_size + 1]
    return sizes


def shared_out(num_rows: int, num_steps: int, batch_size: int) -> list[int]:
    """Returns sizes that differ by one row at most, the larger ones first; fewer steps where one would have one row."""
    if batch_size > 1:
        num_steps = min(num_steps, num_rows // 2)
    least, more = divmod(num_rows, num_steps)
    return [least + 1] * more + [least] * (num_steps - more)
