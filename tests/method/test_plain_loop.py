"""Whole runs of CAL's replay methods are what their equations say, written out in plain PyTorch.

Dimension key: N rows of the training set, C classes.
"""

import csv
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from torch import Tensor, nn

from calrun.experiment import Experiment, build
from calrun.round import Round

BATCH, REPLAY, EPOCHS, LR = 8, 12, 2, 0.005  # at 10 times the rate rounding grows until it shows
RUN = (
    *("model=cnn", "model.width=4", "dataset.transform.crop_padding=0", "stop=fixed_epochs", "trainer.max_epochs=2"),
    *("trainer.cal_epochs=2", f"trainer.batch_size={BATCH}", f"method.visit.replay_size={REPLAY}"),
    *(f"optimizer.lr={LR}", "budget.start=17", "budget.step=21"),
)
Step = Callable[["Plain", torch.optim.Optimizer, np.ndarray, np.ndarray], Tensor]


class Plain:
    """One network, its data and the targets that it has stored."""

    def __init__(self, exp: Experiment) -> None:
        source = exp.data.train
        self.x_N = torch.cat([x for _, x in source.batches(np.arange(len(source)), 500)])
        self.y_N = torch.from_numpy(source.targets)
        self.stored_NC = torch.full((len(source), 10), torch.nan)

    def logits(self, net: nn.Module, rows: np.ndarray) -> Tensor:
        logits: Tensor = net(self.x_N[rows]).logits_BC
        return logits

    def loss(self, net: nn.Module, rows: np.ndarray) -> Tensor:
        return F.cross_entropy(self.logits(net, rows), self.y_N[rows])

    def play(self, exp: Experiment, picks: dict[int, list[int]], step: Step) -> nn.Module:
        """Trains as Das et al. 2023, Alg. 2: the newest rows, each batch with some history."""
        for number, rows in picks.items():
            exp.pool.label(np.array(rows), number)
            this_round = Round(number, len(picks), 0, 0, exp.pool, Path())
            if number == 1:
                self.net = exp.method.fresh_net(this_round)
            replayed = min(REPLAY, len(this_round.history_rows))
            rate = LR * (BATCH + replayed) / BATCH
            optimizer = torch.optim.SGD(self.net.parameters(), rate, momentum=0.9, weight_decay=5e-4)
            for epoch in range(EPOCHS):
                optimizer.param_groups[0]["lr"] = rate * (1 + np.cos(np.pi * epoch / EPOCHS)) / 2
                for shot in exp.method.visit.epoch(this_round, epoch, BATCH):
                    self.net.train()
                    loss = step(self, optimizer, shot.current, shot.replay)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            with torch.no_grad():
                self.stored_NC[rows] = self.logits(self.net.eval(), np.array(rows))
        return self.net


def dark_replay(plain: Plain, optimizer: torch.optim.Optimizer, current: np.ndarray, replay: np.ndarray) -> Tensor:
    """Eq. 1 with alpha 0.5 and beta 0.75; the replayed rows pass through the network first."""
    if not len(replay):
        return plain.loss(plain.net, current)
    logits_BC = plain.logits(plain.net, replay)
    old = 0.5 * (logits_BC - plain.stored_NC[replay]).square().mean() + 0.75 * F.cross_entropy(
        logits_BC, plain.y_N[replay]
    )
    return plain.loss(plain.net, current) + old


def most_interfered(plain: Plain, optimizer: torch.optim.Optimizer, current: np.ndarray, drawn: np.ndarray) -> Tensor:
    """Sec. 3.2.2: of the candidates drawn, those whose loss a plain step on the current rows raises most."""
    if len(drawn) > REPLAY:
        stepped = deepcopy(plain.net)
        plain.loss(stepped, current).backward()
        with torch.no_grad():
            for parameter in stepped.parameters():
                parameter -= optimizer.param_groups[0]["lr"] * parameter.grad
            before, after = (
                F.cross_entropy(plain.logits(net.eval(), drawn), plain.y_N[drawn], reduction="none")
                for net in (deepcopy(plain.net), stepped_with_old_statistics(stepped, plain.net))
            )
        drawn = drawn[np.argsort(-(after - before).numpy(), kind="stable")[:REPLAY]]
    return plain.loss(plain.net, np.concatenate([current, drawn]))


def stepped_with_old_statistics(stepped: nn.Module, net: nn.Module) -> nn.Module:
    """The network after the step, with the running statistics that it had before."""
    for buffer, old in zip(stepped.buffers(), net.buffers(), strict=True):
        buffer.copy_(old)
    return stepped


@pytest.mark.parametrize(
    ("method", "further", "step"),
    [
        ("cal_der", ("method.objective.alpha=0.5", "method.objective.beta=0.75"), dark_replay),
        ("cal_mir", ("method.visit.num_candidates=30",), most_interfered),
    ],
)
def test_a_run_is_the_plain_loop_of_its_equations(
    method: str,
    further: tuple[str, ...],
    step: Step,
    play_in: Callable[..., Any],
    configure: Callable[..., DictConfig],
    tmp_path: Path,
) -> None:
    cfg = configure(*RUN, f"method={method}", *further)
    play_in(tmp_path, cfg)
    picks: dict[int, list[int]] = {}
    with (tmp_path / "picks.csv").open() as file:
        for line in csv.DictReader(file):
            picks.setdefault(int(line["round"]), []).append(int(line["row"]))
    assert [len(rows) for rows in picks.values()] == [17, 21, 21]
    exp = build(cfg)
    expected = Plain(exp).play(exp, picks, step).state_dict()
    trained = torch.load(tmp_path / "state-3.pt", weights_only=True)["net"]
    for name, tensor in expected.items():
        torch.testing.assert_close(trained[name], tensor, atol=2e-6, rtol=1e-5)
