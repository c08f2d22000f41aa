"""Whether a task can learn from the labels of a data set, and from what a network says."""

from collections.abc import Iterator
from copy import deepcopy

import torch

from calrun.dataset.base import Dataset
from calrun.model.adapt.mode import in_mode
from calrun.model.adapt.own import tried_rows
from calrun.model.base import Classifier
from calrun.task.base import Task

NOWHERE = "meta"  # a device on which shapes are worked out and nothing else


def misfits(task: Task, data: Dataset, net: Classifier) -> Iterator[str]:
    """Yields a sentence for each thing that a data set or a network does not have as a task wants it."""
    label = tuple(data.train.targets.shape[1:])
    yield from task.misfits(label, logits_shape(net, data))


def logits_shape(net: Classifier, data: Dataset) -> tuple[int, ...]:
    """Returns the shape of one row's logits, without computing any.

    Networks that answer as `Classifier` does give one number for each class. So does one whose operations torch cannot
    follow without numbers, as far as anyone knows.
    """
    if type(net).forward is Classifier.forward and type(net)._answer is Classifier._answer:
        return (data.num_classes,)
    x = tried_rows(data.input_shape, data.vocabulary).to(NOWHERE)
    shown = deepcopy(net).to(NOWHERE)
    try:
        with in_mode(shown, training=False), torch.no_grad():
            return tuple(shown(x).logits_BC.shape[1:])
    except Exception:  # whatever a network does with tensors that hold nothing
        return (data.num_classes, *data.train.targets.shape[1:])
