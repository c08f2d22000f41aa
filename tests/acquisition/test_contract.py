"""What every acquisition must obey, whatever its formula; a new YAML is tested by existing.

Dimension key: N candidates, K Monte-Carlo samples, C classes, D features.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.of_pixels import COLUMN
from calrun.model.base import Classifier

CONF = Path(__file__).parents[2] / "conf"
YAMLS = sorted(path.stem for path in (CONF / "acquisition").glob("*.yaml"))
PIXELS = " of pixels"  # behind an option's name: what chooses in its place where a row has a class for each pixel
SMALL = {
    "batch_bald": ["acquisition.num_samples=200"],
    "core_gcn": ["acquisition.graph.steps=20"],
    "uncertain_gcn": ["acquisition.graph.steps=20"],
    "vaal": ["acquisition.nets.epochs=1", "acquisition.nets.width=4"],
    "vaal_emam": ["acquisition.nets.epochs=1", "acquisition.nets.width=4"],
}  # the rest runs with its defaults
# whose generator gives other numbers:
DRAW_ON_THE_DEVICE = ("batch_bald", "core_gcn", "uncertain_gcn", "vaal", "vaal_emam")
SCRATCH = TemporaryDirectory()


def class_of(option: str) -> type:
    node = OmegaConf.load(CONF / "acquisition" / f"{option}.yaml")
    return get_class(node["_target_"]) if "_target_" in node else class_of(node["defaults"][0])


OPTIONS = [*YAMLS, *(name + PIXELS for name in YAMLS if class_of(name).for_pixels is not Acquisition.for_pixels)]
PER_ROW = (
    "logits", "features", "mc_log_probs", "oracle", COLUMN, "previous_logits", "predicted_loss",
    "predicted_dynamics", "influence",
)  # fmt: skip
ENOUGH_GIB = 5e-5  # for every acquisition, a few rows at a time
NUM_CLASSES, NUM_FEATURES, NUM_SAMPLES = 4, 6, 10
FIRST_ROW, NUM_ROWS, NUM_LABELLED, NUM_VAL = 100, 60, 24, 16


@dataclass
class ToyImages:
    """Pictures in memory, by row."""

    x: Tensor

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, self.x[torch.from_numpy(part).to(self.x.device)]

    def to(self, device: str) -> "ToyImages":
        return ToyImages(self.x.to(device))


def toy_model() -> Classifier:
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(3 * 4 * 4, NUM_FEATURES),
        nn.Tanh(),
    )
    model = Classifier(backbone, NUM_FEATURES, NUM_CLASSES)
    model.backbone(torch.randn(64, 1, 8, 8))  # BatchNorm has seen something
    return model.eval()


def columns_of(model: Classifier, x: Tensor, oracle: Tensor, num_labelled: int = NUM_LABELLED) -> dict[str, Any]:
    """Every column of the contract, from one network and one set of pictures."""
    with torch.no_grad():
        out = model(x)
        masks_K1D = torch.rand(NUM_SAMPLES, 1, NUM_FEATURES, generator=torch.Generator().manual_seed(5)) < 0.7
        mc_KNC = model.head(out.features_BD * masks_K1D / 0.7).log_softmax(dim=-1)
    at = slice(FIRST_ROW, FIRST_ROW + NUM_ROWS)
    val = slice(FIRST_ROW + NUM_ROWS, None)
    labelled = slice(0, num_labelled)
    return {
        "logits": out.logits_BC[at],
        "features": out.features_BD[at],
        "mc_log_probs": mc_KNC[:, at].transpose(0, 1).contiguous(),
        "oracle": oracle[at],
        COLUMN: torch.stack([out.logits_BC[at].amax(dim=1), torch.ones(NUM_ROWS)], dim=1),
        "previous_logits": out.logits_BC[at].flip(1),
        "round_number": torch.tensor(2),
        "influence": out.features_BD[at].square().sum(dim=1),
        "predicted_loss": out.features_BD[at].sum(dim=1, keepdim=True),
        "predicted_dynamics": out.logits_BC[at] / 2,
        "head_weight": model.head.weight.detach(),
        "head_bias": model.head.bias.detach(),
        "labelled_rows": np.arange(num_labelled),
        "labelled_logits": out.logits_BC[labelled],
        "labelled_features": out.features_BD[labelled],
        "labelled_targets": oracle[labelled],
        "val_logits": out.logits_BC[val],
        "val_features": out.features_BD[val],
        "val_targets": oracle[val],
        "images": ToyImages(x),
        "model": model,
        "beside": Candidates(np.arange(FIRST_ROW, FIRST_ROW + NUM_ROWS), {"logits": out.logits_BC[at].flip(1)}),
        "scratch": Path(SCRATCH.name),
        "run_folder": Path(SCRATCH.name),
    }


def toy_pictures() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    number = FIRST_ROW + NUM_ROWS + NUM_VAL
    oracle = torch.randint(NUM_CLASSES, (number,), generator=generator)
    x = torch.randn(number, 1, 8, 8, generator=generator) + oracle[:, None, None, None] / 2
    return x, oracle


def ordinary() -> dict[str, Any]:
    return columns_of(toy_model(), *toy_pictures())


def with_duplicates() -> dict[str, Any]:
    x, oracle = toy_pictures()
    half = NUM_ROWS // 2
    x[FIRST_ROW : FIRST_ROW + half] = x[FIRST_ROW + half : FIRST_ROW + NUM_ROWS]
    x[:NUM_LABELLED] = x[FIRST_ROW]
    return columns_of(toy_model(), x, oracle)


def with_one_class() -> dict[str, Any]:
    model, (x, oracle) = toy_model(), toy_pictures()
    model.head.bias.data[0] += 30
    return columns_of(model, x, torch.zeros_like(oracle))


def with_constant_features() -> dict[str, Any]:
    x, oracle = toy_pictures()
    return columns_of(toy_model(), torch.ones_like(x), oracle)


def with_logits_of_200() -> dict[str, Any]:
    model, (x, oracle) = toy_model(), toy_pictures()
    with torch.no_grad():
        logits_NC = model(x).logits_BC
        scale = 200 / logits_NC.abs().max()
        model.head.weight.mul_(scale)
        model.head.bias.mul_(scale)
    return columns_of(model, x, oracle)


def without_labels() -> dict[str, Any]:
    return columns_of(toy_model(), *toy_pictures(), num_labelled=0)


WORLDS = [ordinary, with_duplicates, with_one_class, with_constant_features, with_logits_of_200]


@cache
def config(option: str, *overrides: str) -> DictConfig:
    option = option.removesuffix(PIXELS)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        added = [override.replace("acquisition.", "++acquisition.", 1) for override in SMALL.get(option, [])]
        return compose(None, overrides=[f"+acquisition={option}", "+trainer=default", *added, *overrides])


def acquisition_of(option: str, *overrides: str) -> Acquisition:
    acquisition = instantiate(config(option, *overrides).acquisition)
    assert isinstance(acquisition, Acquisition)
    return acquisition.for_pixels() if option.endswith(PIXELS) else acquisition


def candidates_for(acquisition: Acquisition, columns: dict[str, Any]) -> Candidates:
    assert acquisition.needs <= columns.keys()
    splits = {column.name: column.split for column in acquisition.wanted()}
    rows = np.arange(FIRST_ROW, FIRST_ROW + NUM_ROWS)
    return Candidates(rows, {name: columns[name] for name in acquisition.needs}, splits)


def selected(acquisition: Acquisition, columns: dict[str, Any], budget: int, seed: int = 0) -> np.ndarray:
    return acquisition.select(candidates_for(acquisition, columns), budget, np.random.default_rng(seed))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_returns_the_budget_in_distinct_candidate_rows(option: str, world: Callable[[], dict[str, Any]]) -> None:
    rows = selected(acquisition_of(option), world(), budget=7)
    assert rows.dtype == np.int64
    assert rows.shape == (7,)
    assert len(set(rows.tolist())) == 7
    assert set(rows.tolist()) <= set(range(FIRST_ROW, FIRST_ROW + NUM_ROWS))


@pytest.mark.parametrize("budget", [0, -3])
@pytest.mark.parametrize("option", OPTIONS)
def test_without_a_budget_nothing_is_taken(option: str, budget: int) -> None:
    rows = selected(acquisition_of(option), ordinary(), budget)
    assert rows.dtype == np.int64
    assert rows.shape == (0,)


@pytest.mark.parametrize("option", OPTIONS)
def test_where_nothing_is_left_nothing_is_taken(option: str) -> None:
    """Parts of a small pool can be empty."""
    acquisition = acquisition_of(option)
    columns = candidates_for(acquisition, ordinary()).columns
    none = {name: column[:0] if name in PER_ROW else column for name, column in columns.items()}
    rows = acquisition.select(Candidates(np.arange(0), none), 5, np.random.default_rng(0))
    assert rows.dtype == np.int64
    assert rows.shape == (0,)


@pytest.mark.parametrize("more", [0, 5])
@pytest.mark.parametrize("option", OPTIONS)
def test_budget_of_the_pool_or_more_takes_every_row_once(option: str, more: int) -> None:
    rows = selected(acquisition_of(option), ordinary(), budget=NUM_ROWS + more)
    assert rows.dtype == np.int64
    assert sorted(rows.tolist()) == list(range(FIRST_ROW, FIRST_ROW + NUM_ROWS))


@pytest.mark.parametrize("option", OPTIONS)
def test_only_the_given_generator_decides(option: str) -> None:
    acquisition, columns = acquisition_of(option), ordinary()
    torch.manual_seed(1)
    first = selected(acquisition, columns, budget=7)
    torch.manual_seed(2)
    np.testing.assert_array_equal(selected(acquisition, columns, budget=7), first)
    np.testing.assert_array_equal(selected(acquisition_of(option), columns, budget=7), first)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_order_of_candidates_does_not_matter(option: str) -> None:
    acquisition, columns = acquisition_of(option), ordinary()
    candidates = candidates_for(acquisition, columns)
    order = np.random.default_rng(3).permutation(NUM_ROWS)
    shuffled = {name: column[order] if name in PER_ROW else column for name, column in candidates.columns.items()}
    rows = acquisition.select(
        replace(candidates, rows=candidates.rows[order], columns=shuffled), 7, np.random.default_rng(0)
    )
    assert set(rows.tolist()) == set(selected(acquisition, columns, budget=7).tolist())


@pytest.mark.parametrize("memory_gib", [2e-6, 1e-5, ENOUGH_GIB])
@pytest.mark.parametrize("option", OPTIONS)
def test_a_tight_memory_limit_changes_nothing_or_is_refused(
    option: str, memory_gib: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calrun.acquisition.kernel.memory.LEAST_ROWS", 1)  # chunks so small that 60 rows take several
    if "memory_gib" not in inspect.signature(get_class(config(option).acquisition["_target_"]).__init__).parameters:
        pytest.skip("takes no memory limit")
    columns = ordinary()
    expected = selected(acquisition_of(option), columns, budget=7)
    try:
        rows = selected(acquisition_of(option, f"++acquisition.memory_gib={memory_gib}"), columns, budget=7)
    except ValueError as refusal:
        assert "memory_gib" in str(refusal)  # noqa: PT017 - a refusal is one of two right answers
        assert memory_gib < ENOUGH_GIB
    else:
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("option", OPTIONS)
def test_the_model_and_the_global_random_state_stay_as_they_were(option: str, training: bool) -> None:
    columns = ordinary()
    model = columns["model"].train(training)
    model.head.weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    frozen = [parameter.requires_grad for parameter in model.parameters()]
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is under test
    selected(acquisition_of(option), columns, budget=7)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == frozen
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("option", OPTIONS)
def test_a_number_that_is_not_finite_is_refused(option: str, value: float) -> None:
    acquisition = acquisition_of(option)
    for name in sorted(acquisition.needs):
        columns = ordinary()
        broken = columns[name].x if name == "images" else columns[name]
        if not isinstance(broken, Tensor) or not broken.is_floating_point():
            continue
        broken = broken.clone()
        broken[(FIRST_ROW + 3 if name == "images" else 3, *[0] * (broken.dim() - 1))] = value
        columns[name] = ToyImages(broken) if name == "images" else broken
        row = f"first: [{FIRST_ROW + 3}]" if name in PER_ROW else ""
        with pytest.raises(ValueError, match=rf"(finite|nan|inf).*{re.escape(row)}"):
            selected(acquisition, columns, budget=7)


@pytest.mark.parametrize("option", OPTIONS)
def test_without_labelled_rows_it_selects_or_says_why_not(option: str) -> None:
    acquisition = acquisition_of(option)
    try:
        rows = selected(acquisition, without_labels(), budget=7)
    except ValueError as refusal:
        assert "label" in str(refusal)  # noqa: PT017 - a refusal is one of two right answers
    else:
        assert len(set(rows.tolist())) == 7


@pytest.mark.parametrize("option", OPTIONS)
def test_what_it_needs_is_named_and_used(option: str) -> None:
    acquisition, columns = acquisition_of(option), ordinary()
    assert acquisition.needs <= columns.keys()
    dropout = any("dropout" in column.wants for column in acquisition.wanted())
    assert (acquisition.num_mc_samples > 0) == dropout
    for name in acquisition.needs:
        candidates = candidates_for(acquisition, {**columns})
        del candidates.columns[name]
        with pytest.raises(ValueError, match="needs"):
            acquisition.select(candidates, 7, np.random.default_rng(0))


@pytest.mark.parametrize("option", OPTIONS)
def test_half_precision_columns_choose_as_their_single_precision_copies(option: str) -> None:
    stored = {
        name: column.half() if isinstance(column, Tensor) and column.is_floating_point() else column
        for name, column in ordinary().items()
    }
    copies = {name: column.float() if isinstance(column, Tensor) and column.is_floating_point() else column
              for name, column in stored.items()}  # fmt: skip
    acquisition = acquisition_of(option)
    np.testing.assert_array_equal(selected(acquisition, stored, 7), selected(acquisition, copies, 7))


@pytest.mark.gpu
@pytest.mark.parametrize("option", OPTIONS)
def test_a_gpu_chooses_as_the_processor_does(option: str) -> None:
    """Every tensor lies there, also what the loop leaves on the host (`head_weight`, `labelled_targets`)."""
    acquisition = acquisition_of(option)
    here = selected(acquisition, ordinary(), 7)
    columns = {name: column.to("cuda") if hasattr(column, "to") else column for name, column in ordinary().items()}
    there = selected(acquisition, columns, 7)
    np.testing.assert_array_equal(selected(acquisition, columns, 7), there)
    if option in DRAW_ON_THE_DEVICE:
        assert len(set(there.tolist())) == 7
    else:
        np.testing.assert_array_equal(there, here)
