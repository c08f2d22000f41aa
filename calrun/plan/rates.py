"""How fast a device is, measured in well under a second, so that a cost can be given in seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import full_precision
from calrun.look.sizes import FLOAT

SECONDS_EACH = 0.08  # time of each of the four measurements
ROWS, WIDTH, CENTRES = 4096, 512, 512  # sizes of the products that the chunked kernels make
STREAM = 1 << 24  # numbers, more than the caches hold
TABLE = 1 << 18  # numbers that fit into the caches
TINY_CALLS = 200
WARM_UPS = 2


@dataclass(frozen=True)
class Rates:
    """What a device does in a second, each kind of work by itself.

    Args:
        flops: multiplications and additions in single-precision matrix products.
        bytes_moved: bytes read and written in a copy.
        functions: exponentials.
        calls: small tensor operations, started one after the other.
    """

    flops: float
    bytes_moved: float
    functions: float
    calls: float

    def seconds(self, cost: Cost) -> float:
        """Returns the time of a cost if its four parts do not overlap."""
        return (
            cost.flops / self.flops
            + cost.bytes_read / self.bytes_moved
            + cost.functions / self.functions
            + cost.calls / self.calls
        )


def measure(device: torch.device) -> Rates:
    """Returns the rates of a device with the threads that torch has now; they are measured once."""
    return _measure(device, torch.get_num_threads())


@cache
def _measure(device: torch.device, num_threads: int) -> Rates:
    x_BF, y_FM = torch.ones(ROWS, WIDTH, device=device), torch.ones(WIDTH, CENTRES, device=device)
    source, target = torch.ones(STREAM, device=device), torch.ones(STREAM, device=device)
    table, powers, tiny = (torch.zeros(size, device=device) for size in (TABLE, TABLE, 1))

    def tiny_calls() -> None:
        for _ in range(TINY_CALLS):
            tiny.add_(1)

    with full_precision():
        product = seconds_of(lambda: x_BF @ y_FM, device)
    return Rates(
        flops=2.0 * ROWS * WIDTH * CENTRES / product,
        bytes_moved=2.0 * FLOAT * STREAM / seconds_of(lambda: target.copy_(source), device),
        functions=TABLE / seconds_of(lambda: torch.exp(table, out=powers), device),
        calls=TINY_CALLS / seconds_of(tiny_calls, device),
    )


def seconds_of(work: Callable[[], object], device: torch.device, limit: float = SECONDS_EACH) -> float:
    """Returns the least seconds of a piece of work, repeated for `limit` seconds: other processes only add to them."""
    synchronize = torch.get_device_module(device).synchronize
    for _ in range(WARM_UPS):
        work()
    synchronize()
    times: list[float] = []
    while not times or sum(times) < limit:
        started = time.perf_counter()
        work()
        synchronize()
        times.append(time.perf_counter() - started)
    return min(times)
