"""Finds options that cannot work together, all at once and before the first fit."""

from collections.abc import Iterator
from inspect import signature

from torch import nn

from calrun.acquisition.base import Acquisition
from calrun.dataset.base import Dataset, with_class
from calrun.look.columns import COLUMNS
from calrun.look.dropout import NO_DROPOUT, dropout_modules
from calrun.method.base import Method


def conflicts(data: Dataset, method: Method, acquisitions: dict[str, Acquisition]) -> list[str]:
    """Returns one sentence for each thing that cannot work."""
    problems = []
    if data.num_classes < 2:
        problems.append("the data set has 1 class, but a classifier tells at least 2 apart; give it rows of another")
    for name, split in {**data.tests, **({} if data.val is None else {"val": data.val})}.items():
        if split.targets.ndim == 1 and (split.targets < 0).any():
            problems.append(
                f"the {name} split has {int((split.targets < 0).sum())} rows without a label, which nothing can be "
                "measured on; give it its labels or leave it out"
            )
    for group, acquisition in acquisitions.items():
        problems += _unmet_needs(group, acquisition, data, method)
    return problems


def standing_in(acquisition: Acquisition, data: Dataset) -> Acquisition:
    """Returns what chooses from a data set in the place of an acquisition: mostly itself."""
    return acquisition.for_pixels() if data.is_of_pixels else acquisition


def _unmet_needs(group: str, acquisition: Acquisition, data: Dataset, method: Method) -> list[str]:
    if isinstance(acquisition.needs, str):
        needs = acquisition.needs
        return [f"{group}={acquisition.called} needs the text {needs!r}; write needs = frozenset({{{needs!r}}})"]
    if unfit := _wrong_arguments(acquisition):
        return [f"{group}={acquisition.called}: {unfit}"]
    known, name = {**COLUMNS, **acquisition.columns()}, f"{group}={acquisition.called}"
    problems, net = list(_misnamed(name, acquisition)), method.answering()
    if unknown := acquisition.needs - known.keys():
        problems.append(f"{name} needs {sorted(unknown)}, but candidates can hold {sorted(known)}")
    needed = [known[column] for column in sorted(acquisition.needs & known.keys())]
    wants = frozenset[str]().union(*(column.wants for column in needed))
    if any(column.split == "validation" for column in needed) and data.val is None:
        problems.append(f"{name} looks at a validation split, but this data set has none; set val_fraction above 0")
    if "linear_head" in wants and not isinstance(net.head, nn.Linear):
        problems.append(f"{name} measures distances to a linear head, but the model's head is not linear")
    of_rows = acquisition.classifies_rows or wants & {"linear_head", "row_class"}
    if of_rows and data.train.targets.ndim > 1:
        problems.append(
            f"{name} looks at one class for each row or at the head behind it, but this data set has a class for each "
            "pixel; choose random, entropy, margin, least_confidence, bald, tod, coreset or kmeans"
        )
    problems += _outside(name, data) if "truth" in wants else []
    problems += _alone(name, method) if "beside" in wants else []
    problems += _other_head(name, method) if acquisition.of_ridge_head else []
    if "dropout" in wants and not dropout_modules(net):
        problems.append(f"{name} {NO_DROPOUT}")
    return problems


def _outside(name: str, data: Dataset) -> Iterator[str]:
    """Yields one sentence if there are rows whose class not even an oracle can tell."""
    if outside := int((~with_class(data.train.targets)).sum()):
        yield (
            f"{name} looks at the class of every row, but {outside:,} rows are of unknown classes "
            "(row_transform=open_set); choose one that looks at no class that nobody has bought"
        )


def _alone(name: str, method: Method) -> Iterator[str]:
    """Yields one sentence if no network is trained in every round beside the one that answers."""
    if method.answering() is method.evaluated() or not method.is_evaluated_each_round():
        yield (
            f"{name} compares a proxy with a network that is trained in every round; choose method=svpp, asvp or svp "
            "with method.evaluate_at=every"
        )


def _other_head(name: str, method: Method) -> Iterator[str]:
    """Yields one sentence if the head is not that of method=ridge, or training changes what it sees of a row."""
    has_weights = any(True for _ in method.answering().backbone.parameters())
    reasons = ["that is not the one of this method"] if getattr(method, "ridge", None) is None else []
    reasons += method.moves_backbone() if has_weights else []
    if reasons:
        yield (
            f"{name} is a reference for a ridge head on features that never change, but {reasons[0]}; choose "
            "method=ridge"
        )


def _wrong_arguments(acquisition: Acquisition) -> str | None:
    try:
        signature(acquisition.select).bind("candidates", "budget", "rng")
    except TypeError as error:
        return f"its select takes other arguments than (candidates, budget, rng): {error}; correct its signature"
    return None


def _misnamed(name: str, acquisition: Acquisition) -> Iterator[str]:
    """Yields one sentence for each column that would hide one of calrun's, or that has a second name."""
    for key, column in acquisition.columns().items():
        if key in COLUMNS and column is not COLUMNS[key]:
            yield f"{name} makes a column {key!r}, which calrun makes too; give it another name"
        if key != column.name:
            yield f"{name} makes a column {column.name!r} under the name {key!r}; give it one name"
