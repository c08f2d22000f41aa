"""Chunks follow the stated limit."""

from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from calrun.acquisition.base import Candidates
from calrun.acquisition.batch_bald import BatchBald
from calrun.acquisition.cost import Sizes
from calrun.acquisition.memory import GIB, chunk_rows, limit_bytes
from calrun.acquisition.probcover import ProbCover
from calrun.acquisition.random import RandomRows


class Largest(TorchDispatchMode):
    """Remembers the bytes of the largest tensor that is made of others, views of `known` apart."""

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.known, self.bytes = known.untyped_storage().data_ptr(), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.untyped_storage().data_ptr() != self.known:
            self.bytes = max(self.bytes, made.nbytes)
        return made


def test_as_many_rows_as_fit_into_the_limit() -> None:
    assert chunk_rows(1024, 1.0) == GIB // 1024


def test_default_is_a_quarter_of_what_is_free() -> None:
    assert limit_bytes(None) == pytest.approx(psutil.virtual_memory().available / 4, rel=0.5)


def test_a_row_that_does_not_fit_is_refused_with_the_option_to_change() -> None:
    with pytest.raises(ValueError, match=r"one row needs 2 GiB but the limit is 1 GiB; raise acquisition.memory_gib"):
        chunk_rows(2 * GIB, 1.0)


def test_a_limit_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive, got 0"):
        chunk_rows(8, 0)


def test_outcomes_of_many_classes_are_looked_at_a_few_rows_at_a_time() -> None:
    sizes = Sizes(200, 0, 50, 4, 4, mc_samples=10)
    log_p_NKC = torch.randn(200, 10, 50, generator=torch.Generator().manual_seed(0)).mul(2).log_softmax(2)
    candidates, rows = Candidates(np.arange(200), {"mc_log_probs": log_p_NKC}), {}
    for memory_gib in (None, 2e-4):
        acquisition = BatchBald(10, 200, None, True, memory_gib)
        with Largest(log_p_NKC) as largest:
            rows[memory_gib] = acquisition.select(candidates, 4, np.random.default_rng(0)).tolist()
        assert largest.bytes <= acquisition.cost(sizes).bytes_peak
    assert largest.bytes <= 2e-4 * GIB
    assert rows[None] == rows[2e-4]


def test_balls_are_counted_within_the_limit() -> None:
    x_ND = torch.randn(3000, 2, generator=torch.Generator().manual_seed(0))
    candidates = Candidates(np.arange(3000), {"features": x_ND, "labelled_features": x_ND[:0]})
    with Largest(x_ND) as largest:
        ProbCover(0.5, False, RandomRows(), 0.025).select(candidates, 1, np.random.default_rng(0))
    assert largest.bytes <= 0.025 * GIB
