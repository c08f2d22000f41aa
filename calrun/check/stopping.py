"""Stopping rules that could never stop a run, or would look at what is not there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calrun.dataset.base import Dataset
from calrun.method.base import Method
from calrun.stop_al.base import STOP_SET, VALIDATION, StopAL


def cannot_stop(rule: StopAL, record: Mapping[str, Any], data: Dataset, method: Method) -> Iterator[str]:
    """Yields a sentence for each thing that a rule lacks."""
    name, stop_set = f"stop_al={type(rule).__name__}", record.get(STOP_SET)
    if unknown := sorted(rule.needs - {STOP_SET, VALIDATION}):
        yield f"{name} needs {unknown}, but a rule can look at {STOP_SET} and {VALIDATION}; correct its `needs`"
    if STOP_SET in rule.needs and not stop_set:
        yield f"{name} looks at a stop set, but record.stop_set is {stop_set}; set it, for example to 2000"
    if VALIDATION in rule.needs and data.val is None:
        yield f"{name} looks at a validation split, but this data set has none; set val_fraction above 0"
    if rule.needs and not method.is_evaluated_each_round():
        yield (
            f"{name} looks at the network of every round, but this method trains it in some rounds alone; choose "
            "method.evaluate_at=every"
        )
    if stop_set and data.train.targets.ndim > 1:
        yield (
            f"record.stop_set={stop_set} wants one class for each row, but this data set has a class for each pixel; "
            "set it to 0, and stop_al to none or plateau"
        )


def too_late(rule: StopAL, sizes: Sequence[int]) -> Iterator[str]:
    """Yields a sentence if a rule cannot stop a run before its budget does."""
    if rule.needs and rule.earliest >= len(sizes):
        yield (
            f"stop_al={type(rule).__name__} stops after round {rule.earliest} at the earliest, but the budget has "
            f"{len(sizes)} round{'s' * (len(sizes) > 1)}; it will save nothing"
        )
