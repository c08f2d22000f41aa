"""Seeds by (seed, round, purpose): nothing else in calrun decides a random number.

One purpose never disturbs another, and round 2 does not depend on how long round 1 was.
"""

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_sequence(seed: int, number: int, purpose: str, *more: int) -> np.random.SeedSequence:
    """Returns the seed of one purpose in one round; `more` splits it further (an epoch, a chunk)."""
    return np.random.SeedSequence([seed, number, crc32(purpose.encode()), *more])


def numpy_rng(seed: int, number: int, purpose: str, *more: int) -> np.random.Generator:
    """Returns a numpy generator for one purpose in one round."""
    return np.random.default_rng(seed_sequence(seed, number, purpose, *more))


def torch_seed(seed: int, number: int, purpose: str, *more: int) -> int:
    """Returns a 63-bit seed for torch for one purpose in one round."""
    return int(seed_sequence(seed, number, purpose, *more).generate_state(1, np.uint64)[0] >> np.uint64(1))


def torch_rng(rng: np.random.Generator, device: "torch.device | str | None" = None) -> "torch.Generator":
    """Returns a torch generator on `device` seeded by the next draw of `rng`."""
    import torch

    generator = torch.Generator(device) if device is not None else torch.Generator()
    return generator.manual_seed(int(rng.integers(2**63)))
