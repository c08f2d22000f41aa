"""How many rows a kernel may hold at once."""

import torch

from calrun.acquisition.kernel.host_memory import free_host_bytes

SHARE_OF_FREE = 0.25
GIB = 2**30
LEAST_ROWS = 16  # fewest rows of a chunk: each costs a start, and kernels of pairs reread all rows for each


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
    """Returns the bytes that are free on an accelerator, or on the host for any other device or `None`."""
    accelerator = torch.accelerator.current_accelerator()
    if device is not None and accelerator is not None and device.type == accelerator.type:
        return int(torch.accelerator.get_memory_info(device)[0])
    return free_host_bytes()


def shortage(bytes_per_row: int, memory_gib: float | None, device: torch.device | None = None) -> str:
    """Returns why a kernel whose rows take this many bytes each would not start, or an empty text.

    A limit that was set has to hold LEAST_ROWS rows; memory that happens to be free has to hold one.
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
        ValueError: if the limit is too small, see `shortage`.
    """
    if short := shortage(bytes_per_row, memory_gib, device):
        raise ValueError(short)
    return limit_bytes(memory_gib, device) // max(bytes_per_row, 1)
