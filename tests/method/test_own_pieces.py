"""A user's own pieces of a method that do not keep to what is asked of them end in one sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

MINE = """
import numpy as np
import torch
import torch.nn.functional as F
from calrun.method.objective import Objective
from calrun.method.visit import Choose, Replay, Visit
from calrun.part.part import Part

class Rows(Objective):
    def __call__(self, current, replay):
        return F.cross_entropy(current.logits, current.y, reduction="none")

class Detached(Objective):
    def __call__(self, current, replay):
        return F.cross_entropy(current.logits, current.y).detach()

class Nothing(Objective):
    def __call__(self, current, replay):
        pass

class Forgetful(Objective):
    def __call__(self, current, replay):
        old = 0 if replay is None else (replay.logits - replay.stored).square().mean()
        return F.cross_entropy(current.logits, current.y) + old

class Peeking(Visit):
    def current_rows(self, this_round):
        return np.arange(60)

class Idle(Visit):
    def current_rows(self, this_round):
        return np.arange(0)

class Strange(Replay):
    def replay(self, history, rng):
        return np.arange(1000, 1005)

class Few(Choose):
    def __call__(self, net, current, candidates, size, lr):
        return torch.arange(size - 1)

class Twice(Choose):
    def __call__(self, net, current, candidates, size, lr):
        return torch.zeros(size, dtype=torch.int64)

class Far(Choose):
    def __call__(self, net, current, candidates, size, lr):
        return torch.arange(size) + len(candidates.rows) - 1

class Evaluating(Choose):
    def __call__(self, net, current, candidates, size, lr):
        net.eval()
        return torch.arange(size)

class Early(Part):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(2, 2)

class Alone:
    def __call__(self, current, replay):
        return F.cross_entropy(current.logits, current.y)
"""
REPLAY = "visit:\n  _target_: {mine}.Strange\n  replay_size: 4\n"
CHOOSE = "visit:\n  replay_size: 4\n  num_candidates: 8\n  choose:\n    _target_: {mine}."


@pytest.mark.parametrize(
    ("base", "piece", "message"),
    [
        ("al", "objective:\n  _target_: {mine}.Rows\n", "returns a tensor of shape (20,), but a loss is wanted"),
        ("al", "objective:\n  _target_: {mine}.Detached\n", "returns one without a gradient, but a loss is wanted"),
        ("al", "objective:\n  _target_: {mine}.Nothing\n", "returns a NoneType, but a loss is wanted"),
        ("al", "objective:\n  _target_: {mine}.Alone\n", "method.objective wants a calrun.method.objective.Objective"),
        ("_cal", "objective:\n  _target_: {mine}.Forgetful\n", "looks at stored targets, but none are stored"),
        ("al", "visit:\n  _target_: {mine}.Peeking\n", "rows whose labels have not been bought (first: "),
        ("al", "visit:\n  _target_: {mine}.Idle\n", "plans an epoch or a step without rows"),
        ("cal_er", REPLAY, "visits 5 rows whose labels have not been bought (first: [1000, 1001, 1002"),
        ("cal_er", CHOOSE + "Few\n", "Few wants to replay torch.int64 of shape (3,), but a step replays 4 rows"),
        ("cal_er", CHOOSE + "Twice\n", "Twice returns 3 repeats and 0 positions outside 0 to 7 (first: [0, 0, 0, 0])"),
        ("cal_er", CHOOSE + "Far\n", "Far returns 0 repeats and 3 positions outside 0 to 7"),
        ("cal_er", CHOOSE + "Evaluating\n", "Evaluating leaves the network in evaluation mode"),
        ("al", "parts:\n  mine:\n    _target_: {mine}.Early\n", "has 2 parameters before its build was called"),
        ("al", "parts:\n  mine:\n    _target_: {mine}.Alone\n", "part 'mine' wants a calrun.part.part.Part"),
        ("cal_sd", "objective:\n  alpha: 2\n", "method.objective.alpha is 2, which leaves the weight -1"),
        ("cal_der", "objective:\n  alpha: .nan\n", "method.objective.alpha wants at least 0, got nan"),
        ("cal_der", "objective:\n  beta: .inf\n", "method.objective.beta wants at least 0 and finite, got inf"),
        ("al", "phases: []\n", "method.phases is empty, but a round wants one fit or more"),
        ("cal_sds2", "visit:\n  choose:\n    sigma: 0\n", "wants a finite sigma above 0"),
        ("cal_sds2", "visit:\n  choose:\n    uncertainty_weight: -1\n", "a finite uncertainty_weight from 0 on"),
    ],
)
def test_a_piece_that_answers_wrongly_is_one_sentence(
    base: str, piece: str, message: str, tmp_path: Path, small: tuple[str, ...], calrun: Callable[..., object]
) -> None:
    name = f"pieces_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MINE)
    (tmp_path / "conf" / "method").mkdir(parents=True)
    head = f"defaults:\n  - {base}\n  - _self_\n"
    (tmp_path / "conf" / "method" / "mine.yaml").write_text(head + piece.format(mine=name))
    answer = calrun("run", "--config-dir", str(tmp_path / "conf"), *small, "method=mine")
    assert answer.code == 2, answer.err
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1
