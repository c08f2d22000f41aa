from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.model.linear import linear


def test_logits_are_a_linear_map_of_the_inputs_and_features_the_inputs() -> None:
    net = linear(3, (2, 2))
    x = torch.randn(5, 2, 2)
    output = net(x)
    torch.testing.assert_close(output.logits_BC, x.flatten(1) @ net.head.weight.T + net.head.bias)
    torch.testing.assert_close(output.features_BD, x.flatten(1))
    assert [name for name, _ in net.named_parameters()] == ["head.weight", "head.bias"]


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_features_of_ones_own_are_a_data_set(calrun: Callable[..., Any], tmp_path: Path, model: str) -> None:
    rng = np.random.default_rng(0)
    targets = {"train": np.arange(90) % 3, "test": np.arange(30) % 3}
    x = {name: rng.normal(3 * np.eye(8)[y], 0.5).astype(np.float16) for name, y in targets.items()}
    np.savez(
        tmp_path / "mine.npz", **{f"{a}_{name}": d[name] for name in targets for a, d in (("x", x), ("y", targets))}
    )
    words = (
        f"dataset.path={tmp_path / 'mine.npz'}",
        "dataset=npz",
        f"model={model}",
        "trainer=cpu",
        "optimizer.lr=0.1",
    )
    budget = ("budget=counts", "budget.start=30", "budget.step=6", "budget.rounds=2", "acquisition=badge")
    answer = calrun("run", *words, *budget, "trainer.max_epochs=30", "trainer.batch_size=8", "stop=fixed_epochs")
    assert answer.code == 0, answer.err
    assert "finished  accuracy 100.00%" in answer.out
