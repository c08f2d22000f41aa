"""Why features cannot stand for the rows that a run trains on: each reason is a clause.

Dimension key: B rows that are tried.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition
from calrun.dataset.base import Source, StepRows
from calrun.look.columns import COLUMNS
from calrun.look.predict import Predictor
from calrun.method.base import Method
from calrun.model.adapt.mode import in_mode
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.setup import Setup

TRIED_ROWS, TRIED_AT_ONCE = 8, 2  # through the training transform, and through the network
LOOKING = ("images", "model")  # columns through which an acquisition looks at rows as the data set has them


def stands_in(method: Method) -> bool:
    """Tells whether features take the place of a run's data set."""
    return method.setup_.feature_store.in_fit and not method.reads_features


def unfit(method: Method, acquisitions: Mapping[str, Acquisition]) -> list[str]:
    """Returns one sentence for each reason why features cannot take the place of the data set, if they should.

    Args:
        method: built on the rows themselves.
        acquisitions: by group.
    """
    if not stands_in(method):
        return []
    option = f"feature_store={type(method.setup_.feature_store).__name__.lower()}"
    remedy = "choose feature_store=none, or a method that trains the head alone, such as linear_probe"
    frozen = method.moves_backbone()
    reasons = [f"{option} keeps features of a backbone that never changes, but {reason}; {remedy}" for reason in frozen]
    if not frozen and not method.setup_.feature_store.ignores_augmentation:
        reasons += [
            f"{option} keeps one set of features of each row, but {reason}; choose feature_store=none, or "
            "feature_store.augment=ignore to train the head on features of the evaluation transform"
            for reason in varying(method.evaluated(), method.setup_)
        ]
    for group, acquisition in acquisitions.items():
        reasons += [
            f"{option} leaves no backbone in the run, but {group}={acquisition.called} {reason}; choose "
            "another, or feature_store=none"
            for reason in looking(acquisition, acquisition.parts())
        ]
    return reasons


def varying(net: Classifier, setup: Setup) -> Iterator[str]:
    """Yields why a row has other features in training than in evaluation, or other ones each time."""
    rows = np.linspace(0, len(setup.train) - 1, min(TRIED_ROWS, len(setup.train))).astype(np.int64)
    if augments(setup.train, setup.predictor, rows):
        yield "training augments the rows (dataset.transform)"
    _, x = next(iter(setup.predictor.batches(setup.train, rows[:TRIED_AT_ONCE])))
    if is_random(net, torch.randn_like(x) if x.is_floating_point() else x):
        yield "the backbone is random in training, by dropout or the like"


def augments(source: Source, predictor: Predictor, rows: np.ndarray) -> bool:
    """Tells whether rows come into a fit in another form than into evaluation."""
    source.to(predictor.device)
    steps = [StepRows(row_1, rows[:0]) for row_1 in np.split(rows, len(rows))]
    plain = [x for row_1 in np.split(rows, len(rows)) for _, x in source.batches(row_1, 1)]
    for seed in (0, 1):
        blocks = (block.to(predictor.device) for block in source.blocks(steps, seed))
        shots = [shot for block in blocks for shot, _ in block]
        if any(shot.y is not None or not alike(shot.x, x) for shot, x in zip(shots, plain, strict=True)):
            return True
    return False


def is_random(net: Classifier, x: Tensor) -> bool:
    """Tells whether a frozen backbone gives other features in training mode than in evaluation mode."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]), in_mode(net, training=False):
        net.to(x.device)
        plain = net.backbone(x)
        for module in net.backbone.modules():
            module.training = not isinstance(module, nn.modules.batchnorm._BatchNorm)
        return not alike(net.backbone(x), plain)


def alike(first: Tensor, second: Tensor) -> bool:
    """Tells whether two tensors are the same except for rounding."""
    same_shape = first.shape == second.shape
    return same_shape and torch.allclose(first.float(), second.to(first.device).float(), 1e-4, 1e-5)


def looking(acquisition: Acquisition, parts: Mapping[str, Part]) -> Iterator[str]:
    """Yields why an acquisition needs the backbone itself."""
    if isinstance(acquisition.needs, str):
        return  # refused elsewhere
    if through := sorted(acquisition.needs.intersection(LOOKING)):
        yield f"needs {' and '.join(through)}"
    known = {**COLUMNS, **acquisition.columns()}
    if any("dropout" in known[name].wants for name in acquisition.needs if name in known):
        yield "needs dropout, which features have behind them"
    if tapped := [name for name, part in parts.items() if part.taps]:
        yield f"has parts that tap it ({', '.join(tapped)})"
