"""Products that decide a choice keep single precision, whatever torch is set to.

Dimension key: N candidates, L labelled rows, K Monte-Carlo samples, C classes, D features.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch.utils._python_dispatch import TorchDispatchMode

from calrun.acquisition.base import Acquisition, Candidates

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = sorted(path.stem for path in (CONF / "acquisition").glob("*.yaml"))
OVERRIDES = {"batch_bald": ["acquisition.num_samples=200"], "dispersion_min": ["acquisition.start=medoid"]}
PRODUCTS = ("aten.mm.", "aten.addmm.", "aten.mv.", "aten.bmm.", "aten.dot.")
N, L, K, C, D = 40, 10, 8, 4, 6


class ReducedProducts(TorchDispatchMode):
    """Collects the products of single-precision numbers that may be taken in less."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        single = any(isinstance(arg, torch.Tensor) and arg.dtype == torch.float32 for arg in args)
        if single and str(func).startswith(PRODUCTS) and torch.get_float32_matmul_precision() != "highest":
            self.names.add(str(func))
        return func(*args, **(kwargs or {}))


def columns() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"logits": (N, C), "features": (N, D), "labelled_logits": (L, C), "labelled_features": (L, D),
              "head_weight": (C, D), "head_bias": (C,), "mc_log_probs": (N, K, C), "previous_logits": (N, C),
              "predicted_dynamics": (N, C), "predicted_loss": (N, 1), "influence": (N,),
              "val_features": (L, D)}  # fmt: skip
    found: dict[str, Any] = {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
    found["mc_log_probs"] = found["mc_log_probs"].log_softmax(dim=2)
    more = {"labelled_targets": torch.arange(L) // 8, "oracle": torch.arange(N) % C, "round_number": torch.tensor(2)}
    more["val_targets"] = more["labelled_targets"]
    return found | more


@pytest.mark.parametrize("option", OPTIONS)
def test_no_product_of_a_choice_is_taken_in_less_than_single_precision(option: str, tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(None, overrides=[f"+acquisition={option}", "+trainer=default", *OVERRIDES.get(option, [])])
    acquisition: Acquisition = instantiate(cfg.acquisition)
    if "images" in acquisition.needs:
        pytest.skip("runs networks, whose precision is the user's choice")
    beside = Candidates(np.arange(N), {"logits": columns()["previous_logits"]})
    given = columns() | {"scratch": tmp_path, "beside": beside}
    candidates = Candidates(np.arange(N), {name: given[name] for name in acquisition.needs})
    torch.set_float32_matmul_precision("high")
    try:
        with ReducedProducts() as reduced:
            acquisition.select(candidates, 5, np.random.default_rng(0))
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not reduced.names
