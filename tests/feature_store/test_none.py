import numpy as np
import torch

from calrun.dataset.base import StepRows
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.feature_store.none import InMemory
from calrun.look.predict import Predictor
from calrun.model.base import Classifier

ROWS = np.array([3, 1, 4])


def made() -> tuple[Classifier, Resident, Predictor]:
    torch.manual_seed(0)
    net = Classifier(torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Dropout(0.5)), 5, 2)
    source = Resident(torch.randn(7, 6), np.arange(7) % 2, Transform([1.0], [2.0]), [f"row {n}" for n in range(7)])
    return net, source, Predictor("cpu", "32-true", 4)


def test_x_of_a_row_is_its_features_in_evaluation_mode() -> None:
    net, source, predictor = made()
    found = InMemory().source(net, source, predictor)
    rows, x = next(found.batches(ROWS, 3))
    expected = torch.relu(net.backbone[0]((source.inputs[ROWS] - 1) / 2))
    torch.testing.assert_close(x, expected)
    assert rows.tolist() == ROWS.tolist()
    assert net.training


def test_rows_keep_their_targets_their_names_and_their_checksum() -> None:
    net, source, predictor = made()
    found = InMemory().source(net, source, predictor)
    assert found.targets is source.targets
    assert found.item_id(4) == "row 4"
    assert found.checksum(7) == source.checksum(7)
    assert len(found) == 7


def test_steps_of_a_fit_get_features_of_their_rows_current_and_replayed() -> None:
    net, source, predictor = made()
    found = InMemory().source(net, source, predictor)
    steps = [StepRows(np.array([2, 5]), np.array([6])), StepRows(np.array([0, 1]), np.array([3]))]
    shots = [shot for block in found.blocks(steps, 0) for shot in block.to(torch.device("cpu"))]
    for step, (current, replay) in zip(steps, shots, strict=True):
        assert current.rows.tolist() == step.current.tolist()
        torch.testing.assert_close(current.x, next(found.batches(step.current, 2))[1])
        torch.testing.assert_close(replay.x, next(found.batches(step.replay, 1))[1])
