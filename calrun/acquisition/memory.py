"""How many rows a kernel may hold at once."""

import psutil
import torch

SHARE_OF_FREE = 0.25
GIB = 2**30


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
    return int(psutil.virtual_memory().available)


def chunk_rows(bytes_per_row: int, memory_gib: float | None, device: torch.device | None = None) -> int:
    """Returns how many rows of `bytes_per_row` fit into the limit.

    Raises:
        ValueError: if not even one row fits.
    """
    limit = limit_bytes(memory_gib, device)
    if bytes_per_row > limit:
        raise ValueError(
            f"one row needs {bytes_per_row / GIB:.3g} GiB but the limit is {limit / GIB:.3g} GiB; "
            "raise acquisition.memory_gib"
        )
    return limit // max(bytes_per_row, 1)
