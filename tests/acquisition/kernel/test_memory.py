"""Chunks follow the stated limit."""

from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from calrun.acquisition.base import Candidates
from calrun.acquisition.batch_bald import BatchBald
from calrun.acquisition.kernel.memory import GIB, chunk_rows, free_bytes, limit_bytes
from calrun.acquisition.probcover import ProbCover
from calrun.acquisition.random import RandomRows
from calrun.check.numbers import memory_keys
from calrun.look.sizes import Sizes
from calrun.places import CONF

OPTIONS = sorted(path.stem for path in (CONF / "acquisition").glob("*.yaml"))


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
    assert limit_bytes(None) == pytest.approx(free_bytes() / 4, rel=0.5)


def test_a_chunk_that_does_not_fit_is_refused_with_the_option_to_change() -> None:
    said = r"16 rows at once need 4 GiB but the limit is 1 GiB; raise acquisition.memory_gib"
    with pytest.raises(ValueError, match=said):
        chunk_rows(GIB // 4, 1.0)
    assert chunk_rows(GIB // 16, 1.0) == 16


def test_what_happens_to_be_free_has_to_hold_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calrun.acquisition.kernel.memory.free_host_bytes", lambda: GIB)
    assert chunk_rows(GIB // 4, None) == 1
    with pytest.raises(ValueError, match=r"1 row at once need 0.5 GiB but a quarter of what is free is 0.25 GiB"):
        chunk_rows(GIB // 2, None)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_limit_below_a_chunk_is_known_before_anything_is_trained(option: str) -> None:
    """The number of rows, classes and features says it; the rest of the cost is what it is with room enough."""
    sizes = Sizes(4000, 400, 500, 30_000, 50, mc_samples=40, validation=100, input_shape=(3, 8, 8))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[f"acquisition={option}"])
    keys = list(memory_keys(cfg, "acquisition"))
    if not keys:
        pytest.skip("takes no memory limit")
    assert not instantiate(cfg.acquisition).cost(sizes).refusal
    for key in keys:
        OmegaConf.update(cfg, key, 1e-4)
    assert "but the limit is 0.0001 GiB; " in instantiate(cfg.acquisition).cost(sizes).refusal


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
