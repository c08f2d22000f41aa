"""What acquisitions say they will take: for every YAML, and against counted products where it makes any.

Dimension key: N candidates, L labelled rows, V validation rows, K Monte-Carlo samples, C classes, D features.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.look.columns import column_bytes
from calrun.look.sizes import FLOAT, Sizes
from calrun.model.adapt.forward_work import forward_work
from calrun.model.base import Classifier

SCRATCH = TemporaryDirectory()
CONF = Path(__file__).parents[3] / "conf"
OPTIONS = sorted(path.stem for path in (CONF / "acquisition").glob("*.yaml") if not path.stem.startswith("_"))
PRODUCTS = {  # options that are dominated by matrix products, with overrides that make their number foreseeable
    "coreset": ["coreset"],
    "dispersion_min": ["dispersion_min"],
    "partitioned_coreset": ["partitioned_coreset"],
    "badge": ["badge"],
    "badge_conditioned": ["badge", "acquisition.condition_on_labelled=true"],
    "badge_pooled": ["badge_pooled"],
    "facility_location": ["facility_location"],
    "facility_location_of_few": ["facility_location", "acquisition.represented=300"],
    "fass": ["fass", "acquisition.factor=10"],
    "glister": ["glister"],
    "glister_for_labelled_rows": ["glister", "acquisition.validation=labelled"],
    "kmeans": ["kmeans", "acquisition.max_iter=2", "acquisition.tol=0"],
    "typiclust": ["typiclust", "acquisition.effort.max_iter=2"],
    "probcover": ["probcover", "acquisition.delta=3"],
    "balancing": ["balancing"],
    "batch_bald": ["batch_bald", *(f"acquisition.{word}" for word in ("num_samples=200", "lazy=false"))],
    "deepfool": ["deepfool", "acquisition.max_iter=1"],
    "vaal": ["vaal", "acquisition.nets.epochs=1", "acquisition.nets.width=4"],
    "boosting": ["boosting"],
    "core_gcn": ["core_gcn", "acquisition.graph.steps=5"],
    "uncertain_gcn": ["uncertain_gcn", "acquisition.graph.steps=5"],
    "oracle_greedy": ["oracle_greedy"],
}  # fmt: skip
TYPICAL = Sizes(2000, 300, 8, 64, 60, 10, 50, (1, 8, 8), 1e5, 1e4)
SMALL = {
    "batch_bald": {"candidates": 400, "budget": 5},
    "boosting": {"candidates": 200},
    "deepfool": {"candidates": 200},
    "vaal": {"candidates": 300},
}
UNLABELLED = {"probcover"}  # or the labelled rows cover everything before the first pick


@dataclass
class ToyImages:
    """Pictures in memory, by row."""

    x: Tensor

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, self.x[torch.from_numpy(part)]


class Products(TorchDispatchMode):
    """Counts the arithmetic of matrix products and convolutions; torch's own counter breaks gradients of inputs."""

    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        self.flops += 0 if formula is None else formula(*args, **(kwargs or {}), out_val=out)
        return out


def acquisition_of(option: str, *overrides: str) -> Acquisition:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(None, overrides=[f"+acquisition={option}", "+trainer=default", *overrides])
    acquisition: Acquisition = instantiate(cfg.acquisition)
    return acquisition


def sizes_for(acquisition: Acquisition, **changes: Any) -> Sizes:
    return replace(TYPICAL, mc_samples=acquisition.num_mc_samples, **changes)


def columns_for(needs: frozenset[str], sizes: Sizes) -> dict[str, Any]:
    """Clustered features, a head on them, and classes of which the first has almost all rows."""
    generator = torch.Generator().manual_seed(0)
    number = sizes.labelled + sizes.candidates + sizes.validation
    group_N = torch.randint(20, (number,), generator=generator)
    features_ND = torch.randn(20, sizes.features, generator=generator)[group_N]
    features_ND = features_ND + 0.4 * torch.randn(number, sizes.features, generator=generator)
    weight_CD = torch.randn(sizes.classes, sizes.features, generator=generator)
    logits_NC = features_ND @ weight_CD.T / 4
    targets_N = (torch.rand(number, generator=generator) < 0.05).long()
    noise_NKC = torch.randn(sizes.candidates, sizes.mc_samples, sizes.classes, generator=generator)
    parts = [slice(0, sizes.labelled), slice(sizes.labelled, number - sizes.validation)]
    columns: dict[str, Any] = {}
    for prefix, part in zip(("labelled_", ""), parts, strict=True):
        columns |= {f"{prefix}features": features_ND[part], f"{prefix}logits": logits_NC[part]}
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, sizes.features))
    columns |= {
        "labelled_rows": np.arange(sizes.labelled),
        "labelled_targets": targets_N[parts[0]],
        "oracle": targets_N[parts[1]],
        "val_features": features_ND[number - sizes.validation :],
        "val_targets": targets_N[number - sizes.validation :],
        "previous_logits": logits_NC[parts[1]],
        "predicted_dynamics": logits_NC[parts[1]],
        "predicted_loss": logits_NC[parts[1], :1],
        "influence": logits_NC[parts[1], 0].double(),
        "round_number": torch.tensor(2),
        "head_weight": weight_CD,
        "head_bias": torch.zeros(sizes.classes),
        "mc_log_probs": (logits_NC[parts[1], None] + noise_NKC).log_softmax(dim=2),
        "images": ToyImages(torch.randn(number, *sizes.input_shape, generator=generator)),
        "model": Classifier(backbone, sizes.features, sizes.classes),
        "beside": Candidates(np.arange(sizes.candidates), {"logits": -logits_NC[parts[1]]}),
        "scratch": Path(SCRATCH.name),
        "run_folder": Path(SCRATCH.name),
    }
    return {name: columns[name] for name in needs}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_cost_is_positive_and_grows_with_the_pool(option: str) -> None:
    acquisition = acquisition_of(option)
    small, large = (acquisition.cost(sizes_for(acquisition, candidates=number)) for number in (2000, 20_000))
    for name in ("flops", "bytes_read", "bytes_peak"):
        assert 0 < getattr(small, name) < math.inf
        assert getattr(small, name) <= getattr(large, name) < math.inf
    assert small.flops < large.flops
    assert 0 <= small.functions <= large.functions < math.inf
    assert 0 <= small.calls <= large.calls < math.inf


@pytest.mark.parametrize("option", OPTIONS)
def test_a_cost_can_be_said_at_every_edge(option: str) -> None:
    acquisition = acquisition_of(option)
    edges: tuple[dict[str, int], ...] = (
        {"labelled": 0},
        {"budget": 0},
        {"budget": 1},
        {"candidates": 1},
        {"candidates": 10, "budget": 60},
        {"classes": 1},
    )
    for edge in edges:
        cost = acquisition.cost(sizes_for(acquisition, **edge))
        assert cost.bytes_peak >= 0, edge
        assert all(math.isfinite(part) for part in (cost.flops, cost.bytes_read, cost.bytes_peak)), edge


@pytest.mark.parametrize("option", OPTIONS)
def test_columns_are_as_large_as_foretold(option: str) -> None:
    acquisition = acquisition_of(option)
    sizes = sizes_for(acquisition, candidates=100)
    columns = columns_for(acquisition.needs, sizes)
    foretold = column_bytes(acquisition.wanted(), sizes)
    assert foretold.keys() == columns.keys()
    for name, column in columns.items():
        assert foretold[name] == getattr(column, "nbytes", 0), name


@pytest.mark.parametrize("case", PRODUCTS)
def test_foretold_products_are_within_a_factor_of_two_of_the_counted_ones(case: str) -> None:
    option, *overrides = PRODUCTS[case]
    acquisition = acquisition_of(option, *overrides)
    changes = SMALL.get(option, {}) | ({"labelled": 0} if option in UNLABELLED else {})
    sizes = sizes_for(acquisition, **changes)
    columns = columns_for(acquisition.needs, sizes)
    if "model" in columns:
        work = forward_work(columns["model"], torch.zeros(1, *sizes.input_shape))
        sizes = replace(sizes, forward_flops=work.flops, activation_bytes=work.activation_bytes)
    candidates = Candidates(np.arange(sizes.labelled, sizes.labelled + sizes.candidates), columns)
    with Products() as counted:
        acquisition.select(candidates, sizes.budget, np.random.default_rng(0))
    foretold = acquisition.cost(sizes).flops
    assert counted.flops / 2 <= foretold <= 2 * counted.flops


def test_costs_add_up_and_the_greatest_memory_counts() -> None:
    one, other = Cost(1, 2, 3, 4, 5), Cost(10, 20, 30, 40, 50, "too much")
    assert one + other == Cost(11, 22, 30, 44, 55, "too much")
    assert one.times(3) == Cost(3, 6, 3, 12, 15)
    assert one.holding(7) == Cost(1, 2, 10, 4, 5)


def test_a_similarity_matrix_that_does_not_fit_costs_its_rows_again_and_again() -> None:
    sizes = replace(TYPICAL, candidates=20_000)
    kept = acquisition_of("facility_location", "acquisition.memory_gib=4").cost(sizes)
    made = acquisition_of("facility_location", "acquisition.memory_gib=0.5").cost(sizes)
    assert kept.bytes_peak > FLOAT * 20_000**2
    assert made.bytes_peak < 0.5 * FLOAT * 20_000**2
    assert made.flops > 2 * kept.flops


@pytest.mark.parametrize("option", ["facility_location", "probcover", "glister", "batch_bald"])
def test_what_a_selection_would_refuse_is_refused_beforehand(option: str) -> None:
    acquisition = acquisition_of(option)
    assert acquisition.cost(sizes_for(acquisition)).refusal == ""
    huge = sizes_for(acquisition, candidates=1_280_000, classes=1000, features=2048, budget=10_000)
    refusal = acquisition.cost(huge).refusal
    assert "wanted at most" in refusal
    assert "acquisition" in refusal


def test_partitions_hold_the_columns_of_one_part_at_a_time() -> None:
    sizes = replace(TYPICAL, candidates=50_000, features=512)
    parts, whole = (acquisition_of(option).cost(sizes) for option in ("partitioned_coreset", "coreset"))
    part = FLOAT * (50_000 + TYPICAL.labelled) * 512 / 10
    assert parts.flops < whole.flops
    assert part <= parts.bytes_peak < part + whole.bytes_peak
