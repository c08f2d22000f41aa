"""One pass of a network over rows.

Dimension key: N rows, C classes, D features, K samples.
"""

import numpy as np
import pytest
import torch
from torch import nn

from calrun.dataset.source.features import Features
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.subset import Subset
from calrun.dataset.source.transform import Transform
from calrun.look import predict
from calrun.look.predict import LOGITS, Predictor, check_finite, features, logits, mc_log_probs, mc_seeds
from calrun.method.proxy.sight import feature_mlp
from calrun.model.cnn import cnn
from calrun.model.linear import linear

COLUMNS = {"logits": logits, "features": features}
ALL = {**COLUMNS, "mc_log_probs": mc_log_probs}


@pytest.fixture
def source() -> Resident:
    pictures = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Resident(pictures, np.arange(30) % 3, Transform(mean=[0.3], std=[0.4], crop_padding=2, flip=True))


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return cnn(num_classes=3, input_shape=(1, 8, 8), width=4, dropout=0.3).train()


def test_columns_follow_the_rows_that_are_asked_for(source: Resident, net: nn.Module) -> None:
    predictor = Predictor("cpu", "32-true", batch_size=7)
    rows = np.array([20, 3, 11, 29, 0, 8, 9, 10, 1])
    found = predictor(net, source, rows, ALL, mc_seeds(np.random.default_rng(0), 4))
    whole = predictor(net, source, np.arange(30), ALL, mc_seeds(np.random.default_rng(0), 4))
    assert {name: tuple(column.shape) for name, column in found.items()} == {
        "logits": (9, 3),
        "features": (9, 16),
        "mc_log_probs": (9, 4, 3),
    }
    for name, column in found.items():
        torch.testing.assert_close(column, whole[name][rows])


def test_the_batch_size_changes_nothing(source: Resident, net: nn.Module) -> None:
    seeds = mc_seeds(np.random.default_rng(0), 2)
    parts = [Predictor("cpu", "32-true", size)(net, source, np.arange(30), ALL, seeds) for size in (1, 8, 100)]
    for part in parts[1:]:
        for name, column in part.items():
            torch.testing.assert_close(column, parts[0][name], atol=1e-5, rtol=1e-4)


def test_only_what_is_wanted_is_computed(source: Resident, net: nn.Module) -> None:
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    found = Predictor("cpu", "32-true", 100)(net, source, np.arange(30), {"mc_log_probs": mc_log_probs}, [1, 2, 3])
    assert set(found) == {"mc_log_probs"}
    assert len(calls) == 3


def test_monte_carlo_samples_are_log_probabilities_that_differ(source: Resident, net: nn.Module) -> None:
    samples = Predictor("cpu", "32-true", 100)(net, source, np.arange(30), ALL, [5, 5 + 10**6])["mc_log_probs"]
    torch.testing.assert_close(samples.exp().sum(2), torch.ones(30, 2))
    assert (samples[:, 0] - samples[:, 1]).abs().max() > 0.01


def test_the_network_keeps_its_modes_and_statistics(source: Resident, net: nn.Module) -> None:
    frozen = net.get_submodule("backbone")[2].eval()
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    Predictor("cpu", "32-true", 10)(net, source, np.arange(30), ALL, [1])
    assert net.training
    assert not frozen.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def test_half_precision_comes_back_as_float32(source: Resident, net: nn.Module) -> None:
    exact = Predictor("cpu", "32-true", 100)(net, source, np.arange(30), ALL, [1])
    half = Predictor("cpu", "bf16-mixed", 100, channels_last=True)(net, source, np.arange(30), ALL, [1])
    for name, column in half.items():
        assert column.dtype == torch.float32
        torch.testing.assert_close(column, exact[name], atol=0.1, rtol=0.1)
    assert not torch.equal(half["logits"], exact["logits"])


def test_stored_features_that_a_linear_network_passes_on_stay_in_half_precision(source: Resident) -> None:
    half_ND = torch.randn(30, 5, generator=torch.Generator().manual_seed(1)).half()
    stored = Subset(Features(source, half_ND), np.arange(29, -1, -1))
    found = Predictor("cpu", "32-true", 7)(linear(3, (5,)), stored, np.array([4, 0, 20]), COLUMNS)
    assert found["logits"].dtype == torch.float32
    assert found["features"].dtype == torch.float16
    assert torch.equal(found["features"], half_ND[[25, 29, 9]])
    mixed = Predictor("cpu", "32-true", 7)(feature_mlp(5, 3), stored, np.array([4, 0, 20]), COLUMNS)
    assert mixed["features"].dtype == torch.float32


def test_rows_that_pass_in_another_order_come_back_in_theirs(source: Resident, net: nn.Module) -> None:
    class Backwards(Subset):
        def passing_order(self, rows: np.ndarray) -> np.ndarray:
            return np.argsort(-rows)

    rows = np.array([20, 3, 11, 29, 0])
    predictor = Predictor("cpu", "32-true", batch_size=2)
    found = predictor(net, Backwards(source, np.arange(30)), rows, COLUMNS)
    for name, column in predictor(net, source, rows, COLUMNS).items():
        torch.testing.assert_close(found[name], column)


def test_a_column_whose_entries_change_their_shape_is_refused(source: Resident, net: nn.Module) -> None:
    widths = iter((3, 4))
    wrong = {"own": lambda seen: torch.zeros(len(seen.x), next(widths))}
    with pytest.raises(ValueError, match=r"column 'own' wants entries of one shape, but after \(3,\) came \(4,\)"):
        Predictor("cpu", "32-true", 20)(net, source, np.arange(30), wrong)


def test_rows_that_are_not_finite_are_counted_beyond_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "BLOCK", 4)
    column_ND = torch.zeros(10, 2)
    column_ND[[3, 4, 9], 1] = torch.nan
    with pytest.raises(ValueError, match=r"not finite on 3 of 10 rows \(first: \[13, 14, 19\]\)"):
        check_finite("the network's features", column_ND, np.arange(10, 20), "look")


def test_outputs_that_are_not_finite_are_refused_with_their_rows(source: Resident, net: nn.Module) -> None:
    with torch.no_grad():
        net.get_submodule("head").bias[0] = torch.nan
    with pytest.raises(ValueError, match=r"the network's logits are not finite on 2 of 2 rows \(first: \[4, 2\]\)"):
        Predictor("cpu", "32-true", 100)(net, source, np.array([4, 2]), LOGITS)


def test_mask_seeds_of_one_call_are_far_apart() -> None:
    seeds = mc_seeds(np.random.default_rng(0), 100)
    assert min(np.diff(sorted(seeds))) > 100_000
