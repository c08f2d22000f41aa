"""Metrics of a network on the test sets and on the validation split.

Dimension key: N rows, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Source
from calrun.experiment import Experiment
from calrun.folder.round_line import is_number, is_share
from calrun.folder.stop_set import stop_set_numbers
from calrun.look.predict import LOGITS, Seen
from calrun.machine.files import replace_file
from calrun.parallel.world import is_first, of_first
from calrun.round import Round
from calrun.stop_al.base import STOP_SET, VALIDATION, asked, told

DYNAMICS_FILE = "dynamics.npz"


def evaluate(exp: Experiment, this_round: Round, past: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Returns the metrics of each test set, those of the validation split, and what `record` asks for besides.

    A round whose network is not evaluated has unknown ones.

    Args:
        past: the lines of the rounds before, with which the rule of `stop_al` is asked whether this round is the last;
            `None` does not ask it.
    """
    if not exp.method.is_evaluated():
        return {"test": {name: {"accuracy": None} for name in exp.data.tests}}
    line: dict[str, Any] = {"test": {}, **seen_by_rules(exp, this_round)}
    if past is not None and not this_round.is_last:
        line |= verdict(exp, [*past, {"labelled": exp.pool.num_bought, **line}])
    tests = tests_of(exp, this_round.ended(line))
    first = next(iter(tests))
    for name, test in tests.items():
        entropies = this_round.folder / "test_entropy.npy" if exp.record.test_entropy and name == first else None
        line["test"][name] = metrics_on(exp, test, name, entropies)
    line["test"] |= group_means(line["test"])
    write_dynamics(exp, this_round)
    return {
        **line,
        **({"accuracy_by_round": accuracy_by_round(exp, this_round)} if exp.record.accuracy_by_round else {}),
    }


def seen_by_rules(exp: Experiment, this_round: Round) -> dict[str, dict[str, float]]:
    """Returns what a rule of `stop_al` may look at: numbers of the stop set and of the validation split."""
    found = {
        STOP_SET: stop_set_numbers(exp, this_round),
        VALIDATION: {} if exp.data.val is None else metrics_on(exp, exp.data.val, VALIDATION),
    }
    return {name: numbers for name, numbers in found.items() if numbers}


def verdict(exp: Experiment, lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns why the run ends with the last of these rounds, under `stopped`; empty if it goes on."""
    reason = of_first(lambda: asked(exp.stop_al, [told(line) for line in lines]))
    return {"stopped": reason} if reason else {}


def write_dynamics(exp: Experiment, this_round: Round) -> None:
    """Writes what `record.dynamics` has seen of the round's fits."""
    table = None if exp.dynamics is None else exp.dynamics.table()
    if table is not None and is_first():
        replace_file(this_round.folder / DYNAMICS_FILE, partial(_save_arrays, arrays=table))


def metrics_on(exp: Experiment, source: Source, name: str, entropies: Path | None = None) -> dict[str, float]:
    """Returns the metrics of the network on one split.

    Args:
        entropies: where the entropy of each row's prediction goes; `None` writes none.
    """
    task = exp.task
    columns: dict[str, Callable[[Seen], Tensor]] = {"kept": lambda seen: task.kept(seen.output.logits_BC, seen.y)}
    wanted = columns if entropies is None else columns | LOGITS
    found = exp.predictor(exp.method.evaluated(), source, np.arange(len(source)), wanted)
    if entropies is not None and is_first():
        replace_file(entropies, partial(_save_array, array=entropy(found["logits"]).numpy()))
    metrics = task.metrics(found["kept"], source.targets, exp.data.num_classes)
    more = [pair for each in exp.record.metrics for pair in task.more[each](found["kept"], source.targets)]
    return measured(metrics | dict(more), name)


def tests_of(exp: Experiment, this_round: Round) -> dict[str, Source]:
    """Returns the test sets of a round by name."""
    wanted = exp.record.further_tests
    further = wanted == "every" or (wanted == "last" and this_round.is_last)
    return {**exp.data.tests, **(exp.data.further if further else {})}


def group_means(tests: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Returns the mean accuracy over the test sets GROUP/NAME of each group, such as the mean corruption accuracy."""
    groups = dict.fromkeys(name.partition("/")[0] for name in tests if "/" in name)
    return {
        group: {"accuracy": float(np.mean([found["accuracy"] for name, found in tests.items() if of(name, group)]))}
        for group in groups
    }


def of(name: str, group: str) -> bool:
    """Tells whether a test set belongs to a group."""
    return name.startswith(f"{group}/")


def measured(metrics: dict[str, float], split: str) -> dict[str, float]:
    """Returns the metrics of a split.

    Raises:
        ValueError: if the task gives no accuracy, or something that is not a number.
    """
    if not is_share(metrics.get("accuracy")) or not all(map(is_number, metrics.values())):
        raise ValueError(
            f"the task measures {metrics} on the {split} split, but a round wants numbers by name and an accuracy from "
            "0 to 1 among them; correct the task"
        )
    return metrics


def entropy(logits_NC: Tensor) -> Tensor:
    """Returns the entropy of each row's prediction (N,), in nats."""
    log_probs_NC = logits_NC.log_softmax(dim=1)
    return -(log_probs_NC.exp() * log_probs_NC).sum(dim=1)


def accuracy_by_round(exp: Experiment, this_round: Round) -> list[float | None]:
    """Returns the accuracy on each D_1..D_t without augmentation: a row of the forgetting matrix (Das et al. 2023).

    That of a round whose rows are all of unknown classes is unknown.
    """
    pool, task = exp.pool, exp.task
    labelled = pool.history(this_round.number + 1)
    net, kept = exp.method.evaluated(), {"kept": lambda seen: task.kept(seen.output.logits_BC, seen.y)}
    kept_N, targets = exp.predictor(net, exp.data.train, labelled, kept)["kept"], pool.targets_of(labelled)
    of_round = [np.flatnonzero(pool.round_of[labelled] == number) for number in range(1, this_round.number + 1)]
    found = [
        task.metrics(kept_N[torch.from_numpy(rows)], targets[rows], exp.data.num_classes) if len(rows) else {}
        for rows in of_round
    ]
    return [metrics.get("accuracy") for metrics in found]


def _save_arrays(path: Any, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # names that are no arguments


def _save_array(path: Any, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
