"""How much work one row is for a network, and how long it takes: counted and timed on a batch, without training."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import torch
from torch import Tensor

from calrun.experiment import Experiment
from calrun.feature_store.fit.behind import Behind
from calrun.look.predict import Predictor
from calrun.model.adapt.forward_work import forward_work
from calrun.model.base import Classifier
from calrun.plan.rates import seconds_of

SECONDS = 0.08  # approximate time of each of the two timings


@dataclass(frozen=True)
class NetworkRates:
    """What one row takes.

    Args:
        num_features: D.
        flops: multiplications and additions of a forward pass.
        activation_bytes: bytes that the layers put out in a forward pass.
        pass_seconds: time of a forward pass, in a batch of the scoring pass.
        step_seconds: time of a forward and a backward pass, in a batch of a training step.
    """

    num_features: int
    flops: float
    activation_bytes: float
    pass_seconds: float
    step_seconds: float


def network_rates(exp: Experiment, device_flops: float) -> NetworkRates:
    """Returns the rates of an experiment's network; `device_flops` (FLOP/s) bounds the batches of a large one."""
    rows = partial(first_rows, exp)
    return rates_of(exp.method.evaluated(), rows, exp.method.setup_.batch_size, exp.predictor, device_flops)


def looking_rates(exp: Experiment, number: int, device_flops: float) -> NetworkRates:
    """Returns the rates of the network through which the choice after round `number` looks."""
    looking = exp.method.looking(number)
    if looking is None:
        return NetworkRates(exp.method.evaluated().head.in_features, 0.0, 0.0, 0.0, 0.0)
    net, setup = looking
    if net is exp.method.evaluated():
        return network_rates(exp, device_flops)

    def rows(num_rows: int) -> Tensor:
        chosen = np.arange(min(num_rows, len(setup.train)))
        return reduce(exp.data.train.joined, [x for _, x in setup.predictor.batches(setup.train, chosen)])

    return rates_of(net, rows, setup.batch_size, setup.predictor, device_flops)


def rates_of(
    net: Classifier, rows: Callable[[int], Tensor], batch_size: int, predictor: Predictor, device_flops: float
) -> NetworkRates:
    """Returns the rates of a network.

    Args:
        net: the network.
        rows: returns x of this many rows, or of as many as there are.
        batch_size: rows of a training step.
        predictor: in whose precision, on whose device and in whose batches rows pass it.
        device_flops: FLOP/s, which bound the batches of a large network.
    """
    two = rows(2)
    with predictor.evaluating(net):
        num_features = net(two).features_BD.shape[1]
    work = forward_work(net, two)
    most_rows = int(SECONDS / 4 * device_flops / max(work.flops, 1))
    copy = deepcopy(net).train()  # it is thrown away

    def step(x: Tensor) -> None:
        with predictor.fabric.autocast():
            loss = copy(x).logits_BC.float().logsumexp(dim=1).mean()
        loss.backward()

    def seconds_of_a_row(work: Callable[[Tensor], object], batch_size: int) -> float:
        x = rows(max(2, min(batch_size, most_rows)))
        return seconds_of(lambda: work(x), x.device, SECONDS) / len(x)

    with predictor.evaluating(net):
        pass_seconds = seconds_of_a_row(net, predictor.batch_size)
    return NetworkRates(num_features, *work, pass_seconds, seconds_of_a_row(step, batch_size))


def pass_rates(exp: Experiment, behind: Behind, device_flops: float) -> tuple[float, float]:
    """Returns FLOP and seconds that one row takes to pass the backbone behind an experiment's features."""
    net, predictor, rows = behind.net, exp.predictor, np.arange(min(2, len(exp.data.train)))
    _, x = next(iter(predictor.batches(behind.data.train, rows)))
    with predictor.evaluating(net):
        flops = forward_work(net, x)[0]
        most_rows = max(2, min(predictor.batch_size, int(SECONDS / 4 * device_flops / max(flops, 1))))
        _, x = next(iter(predictor.batches(behind.data.train, np.arange(min(most_rows, len(exp.data.train))))))
        return flops, seconds_of(lambda: net(x), x.device, SECONDS) / len(x)


def first_rows(exp: Experiment, num_rows: int) -> Tensor:
    """Returns x of the first rows, on the device; of features, which may not be there yet, zeros."""
    if exp.behind is not None:
        return torch.zeros(num_rows, exp.behind.width, device=exp.predictor.device)
    rows = np.arange(min(num_rows, len(exp.data.train)))
    return reduce(exp.data.train.joined, [x for _, x in exp.predictor.batches(exp.data.train, rows)])
