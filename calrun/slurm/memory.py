"""How much memory the jobs of a class of runs are given: what `calrun plan` finds for their choices, and a margin.

`mem_gb=plan` asks for it. A plan is made in a process of its own, so that it says what a run takes: libraries, data and
one forward pass as measured there, and the columns and temporary tensors of the largest choice as estimated.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from math import ceil

from calrun.sweep.order import Order
from calrun.text.say import say

BY_PLAN = "plan"
MARGIN = 1.5  # for the backward pass, loader workers and files that are read
GIB = 2**30
DECIDING = ("--config-dir", "acquisition", "initial", "budget", "scale", "row_transform", "val_fraction", "trainer")


def memory_gb(orders: Sequence[Order], at_once: int) -> int:
    """Returns the GB of memory for a job that plays this many runs of a class side by side.

    Args:
        orders: the runs of the class; a plan is made for each way in which they choose rows.
        at_once: how many of them a job plays at once.

    Raises:
        ValueError: if a plan cannot be made.
    """
    kinds = {_deciding(order): order for order in orders}
    needed = max(planned_bytes(order) for order in kinds.values())
    found = ceil(MARGIN * at_once * needed / GIB)
    say(f"{orders[0].group}: {found} GB for each job, {MARGIN:g} times what calrun plan finds")
    return found


def planned_bytes(order: Order) -> int:
    """Returns the bytes that the processes of a run take on the host at most.

    Raises:
        ValueError: if its plan cannot be made.
    """
    command = [sys.executable, "-m", "calrun.cli", "plan", "--json", *order.words, "trainer.accelerator=auto"]
    done = subprocess.run(command, cwd=order.place, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
        return int(told["processes"] * (told["process_bytes"] + told["needed_bytes"]))
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["it has said nothing"])[-1].removeprefix("calrun: ")
        raise ValueError(f"mem_gb={BY_PLAN} wants a plan of {order.name} ({said}); name a number of GB") from None


def _deciding(order: Order) -> tuple[str, ...]:
    """Returns the words of an order that decide how much memory a choice takes."""
    return tuple(word for word in order.words if word.lstrip("+~").startswith(DECIDING))
