"""How many rows a kernel may hold at once."""

import torch

from calrun.acquisition.kernel.host_memory import free_host_bytes

SHARE_OF_FREE = 0.25
GIB = 2**30
LEAST_ROWS = 16  # a chunk of fewer rows spends its time on being started, and kernels of pairs read everything for each


def limit_bytes(memory_gib: float | None, device: torch.device | None = None) -> int:
    """Returns the bytes a kernel may use: `memory_gib`, or a quarter of what is free where the tensors live.

    Raises:
        ValueError: if `memory_gib` is not positive.
    """
    if memory_gib is not None:
        if memory_gib <= 0:
            raise ValueError(
                f"acquisition.memory_gib must be positive, got {memory_gib}; leave it null for the default"
            )
        return int(memory_gib * GIB)
    return int(SHARE_OF_FREE * free_bytes(device))


def free_bytes(device: torch.device | None = None) -> int:
    """Returns what is free on a device, or for the host and none on the host."""
    accelerator = torch.accelerator.current_accelerator()
    if device is not None and accelerator is not None and device.type == accelerator.type:
        return int(torch.accelerator.get_memory_info(device)[0])
    return free_host_bytes()


def shortage(bytes_per_row: int, memory_gib: float | None, device: torch.device | None = None) -> str:
    """Returns why a kernel does not start whose rows take this many bytes each, or nothing.

    A limit that was set has to hold a chunk of some rows; what happens to be free has to hold one.
    """
    rows, limit = 1 if memory_gib is None else LEAST_ROWS, limit_bytes(memory_gib, device)
    if rows * bytes_per_row <= limit:
        return ""
    needed = f"{rows} row{'s' if rows > 1 else ''} at once need {rows * bytes_per_row / GIB:.3g} GiB"
    if memory_gib is None:
        return f"{needed} but a quarter of what is free is {limit / GIB:.3g} GiB; free memory"
    return f"{needed} but the limit is {limit / GIB:.3g} GiB; raise acquisition.memory_gib"


def chunk_rows(bytes_per_row: int, memory_gib: float | None, device: torch.device | None = None) -> int:
    """Returns how many rows of `bytes_per_row` fit into the limit.

    Raises:
        ValueError: if they are too few.
    """
    if short := shortage(bytes_per_row, memory_gib, device):
        raise ValueError(short)
    return limit_bytes(memory_gib, device) // max(bytes_per_row, 1)
