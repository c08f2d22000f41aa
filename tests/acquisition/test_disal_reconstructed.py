"""The reconstruction of DISAL; nothing here says anything about the authors' own method."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from torch import nn

from calrun.acquisition.base import Candidates
from calrun.acquisition.disal_reconstructed import SCORES, DisalReconstructed, DynamicHeadOptions, kl_pq, last_layer
from calrun.experiment import Experiment
from calrun.method.fit.beside import HeadOptimizer
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.dynamic_head import DynamicHead
from calrun.part.mean_prediction import MeanPrediction
from calrun.part.taps import TapHeadOptions
from calrun.task.classification import Classification

P, Q = 2 * torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
H = torch.randn(30, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def literal(score: str) -> torch.Tensor:
    p, q = P.softmax(1), Q.softmax(1)
    return {
        "kl_pq": (p * (p / q).log()).sum(1),
        "kl_qp": (q * (q / p).log()).sum(1),
        "abs_kl": (p * (p / q).log()).abs().sum(1),
        "last_layer": (p - q).norm(dim=1) * (H.norm(dim=1) ** 2 + 1).sqrt(),
    }[score]


@pytest.mark.parametrize("score", SCORES)
def test_the_scores_by_their_formulas(score: str) -> None:
    acquisition = DisalReconstructed(
        1.0, score, None, DynamicHeadOptions("linear", TapHeadOptions(), True), HeadOptimizer()
    )
    columns = {"logits": P, "predicted_dynamics": Q, "features": H}
    candidates = Candidates(np.arange(30), {name: columns[name] for name in acquisition.needs})
    rows = acquisition.select(candidates, 30, np.random.default_rng(0))
    assert rows.tolist() == literal(score).argsort(descending=True).tolist()


@pytest.mark.parametrize("score", SCORES)
def test_a_score_is_0_where_both_agree_and_never_below(score: str) -> None:
    more = [H] if score == "last_layer" else []
    assert SCORES[score](P, P, *more).abs().max() < 1e-12
    assert SCORES[score](P, Q, *more).min() > 0


def test_the_last_layers_gradient_by_autograd() -> None:
    head, wanted = nn.Linear(6, 4, dtype=torch.float64), Q.softmax(1)
    for row in range(5):
        loss = F.kl_div(head(H[row : row + 1]).log_softmax(1), wanted[row : row + 1], reduction="batchmean")
        gradients = torch.autograd.grad(loss, [head.weight, head.bias])
        expected = torch.cat([each.flatten() for each in gradients]).norm()
        found = last_layer(head(H[row : row + 1]), Q[row : row + 1], H[row : row + 1])
        torch.testing.assert_close(found.squeeze(), expected)


def test_rows_that_were_learned_late_stand_above_those_learned_at_once() -> None:
    torch.manual_seed(0)
    net = Classifier(nn.Identity(), 2, 2)
    recorder = MeanPrediction()
    recorder.task, recorder.num_rows, recorder.num_classes = Classification(), 40, 2
    recorder._clear(np.arange(40))
    head = DynamicHead(recorder, 1.0, None)
    head.head = nn.Linear(2, 2)
    y = torch.arange(40) % 2
    x = torch.zeros(40, 2)
    x[:20, 0], x[20:, 1] = 5.0 * (2 * y[:20] - 1), 0.5 * (2 * y[20:] - 1)  # the second half has a weaker signal
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.3)
    for _ in range(300):
        batch = Batch(torch.arange(40), x, y).with_output(net(x))
        more = head.loss(batch, None)
        assert more is not None
        optimizer.zero_grad()
        (F.cross_entropy(batch.logits, y) + more).backward()
        optimizer.step()
        recorder.after_step(batch, None)
    with torch.no_grad():
        scores = kl_pq(net(x).logits_BC, head.logits(net(x)))
    assert scores[20:].min() > scores[:20].max()


@pytest.mark.parametrize(
    "words",
    [
        ("acquisition.score=last_layer", "acquisition.decay=0.9"),
        ("acquisition.head.kind=multi", "acquisition.head.moves_network=false", "method=cal_der"),
        ("acquisition.head.kind=none", "method=al_ws"),
    ],
)
def test_it_plays_with_other_options(play: Callable[..., Any], words: tuple[str, ...]) -> None:
    answer = play("acquisition=disal_reconstructed", *words)
    assert answer.code == 0, answer.err


def test_without_a_head_the_networks_own_output_is_aligned(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("acquisition=disal_reconstructed", "acquisition.head.kind=none", "budget.rounds=1", "stop=fixed_epochs",
             "trainer.max_epochs=4")  # fmt: skip
    lines = {}
    for weight in (0, 0.5):
        kept: list[Experiment] = []
        cfg = configure(*words, f"acquisition.weight={weight}")
        (lines[weight],) = play_in(tmp_path / str(weight), cfg, prepare=kept.append)
        assert not list(kept[0].method.parts.parameters())
    assert lines[0]["test"] != lines[0.5]["test"]


def test_a_head_that_does_not_move_the_network_leaves_the_plain_run(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("budget.rounds=1", "stop=fixed_epochs", "trainer.max_epochs=4")
    more = ("acquisition=disal_reconstructed", "acquisition.head.moves_network=false")
    (plain,) = play_in(tmp_path / "plain", configure(*words))
    (beside,) = play_in(tmp_path / "beside", configure(*words, *more))
    assert plain["test"] == beside["test"]


def test_it_says_everywhere_that_it_is_reconstructed(calrun: Callable[..., Any]) -> None:
    import calrun.acquisition.disal_reconstructed as module

    assert "reconstructed" in (module.__doc__ or "")
    assert "reconstructed" in (DisalReconstructed.__doc__ or "")
    (line,) = [line for line in calrun("list", "acquisition").out.splitlines() if "disal" in line]
    assert "disal_reconstructed" in line
    assert "RECONSTRUCTED" in line


def test_what_does_not_fit_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("run", *small, "acquisition=disal_reconstructed")
    assert "acquisition.score wants kl_pq or abs_kl or kl_qp" in refusal(*words, "acquisition.score=kl")
    assert "acquisition.decay wants a share above 0 and below 1" in refusal(*words, "acquisition.decay=1.0")
    assert "kind wants linear or multi or none" in refusal(*words, "acquisition.head.kind=mlp")
    said = refusal(*words, "acquisition.head.kind=none", "acquisition.head.moves_network=false")
    assert "keeps it from learning that" in said
