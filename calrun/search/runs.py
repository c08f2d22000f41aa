"""The runs of a search, by what they say of their validation split. Nothing here reads a number of a test set."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calrun.folder.round_line import is_number
from calrun.places import SHOWN_GROUPS
from calrun.report.read.configuration import digest
from calrun.report.read.runs import DAMAGE, Folder, read_folder, said
from calrun.report.table.plain import printable

VALIDATION = "validation"  # field of a round's line, and what a user may write before a metric
SHOWN = 5  # most names in a sentence
FINGERPRINT = "data_fingerprint"


@dataclass(frozen=True)
class SearchedRun:
    """A finished run of a search.

    Args:
        folder: its run folder.
        seed: its seed.
        choices: the options that name it, by group.
        leaves: what decides its result except the seed and the data's fingerprint, by dotted key; items of a list of
            nodes have keys of their own, such as method.phases.0.stop.epochs.
        fingerprint: a checksum of its data, which may be split by the seed.
        value: the validation metric after its last round.
        labelled: labels in that round.
        samples: gradient samples of all rounds; nan if a round does not say.
    """

    folder: Path
    seed: int
    choices: tuple[str, ...]
    leaves: dict[str, Any]
    fingerprint: str
    value: float
    labelled: int
    samples: float

    @property
    def candidate(self) -> str:
        """A digest that is shared by runs that differ only in their seed."""
        return digest(self.leaves)


def metric_name(asked: str) -> str:
    """Returns the name of a metric of the validation split.

    Raises:
        ValueError: if it is one of a test set.
    """
    block, _, _ = asked.replace("@", "/").partition("/")
    if block == "test" or "@" in asked:
        raise ValueError(
            f"--metric {asked} is of a test set, and a search never looks at one; take a metric of the validation "
            "split, such as accuracy"
        )
    return asked.removeprefix(f"{VALIDATION}/")


def read_runs(folders: Iterable[Path], metric: str) -> list[SearchedRun]:
    """Reads finished runs.

    Raises:
        ValueError: if one of them is damaged, or has no such metric of a validation split.
    """
    read = [_readable(folder) for folder in folders]
    if lacking := [one.path for one in read if not one.rounds[-1].get(VALIDATION)]:
        experiments = listed(sorted({place.parent.name for place in lacking}))
        raise ValueError(
            f"{named(lacking)} (of {experiments}): no metric of a validation split in the last round, and a search "
            "never looks at a test set; play with val_fraction above 0 (runs that older versions have played: with "
            "--fresh)"
        )
    return [_searched(one, metric) for one in read]


def named(places: Iterable[Path]) -> str:
    """Returns the names of the first of these folders, and how many more there are."""
    return listed([printable(place.name) for place in places])


def listed(names: list[str]) -> str:
    """Returns the first of these names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _readable(folder: Path) -> Folder:
    try:
        return read_folder(folder)
    except DAMAGE as error:
        raise ValueError(f"{folder}: {said(error)}; move it away or mend it") from error


def _searched(folder: Folder, metric: str) -> SearchedRun:
    last, one = folder.rounds[-1], folder.configuration
    value = last[VALIDATION].get(metric)
    if metric not in last[VALIDATION]:
        raise ValueError(
            f"--metric {metric} is none of {folder.path.name}, whose validation split has: "
            f"{', '.join(map(printable, last[VALIDATION]))}"
        )
    if not is_number(value) or not math.isfinite(value):
        raise ValueError(f"{metric} on the validation split of {folder.path.name} is {value}, which cannot be compared")
    samples = (line.get("samples_backward") for line in folder.rounds)
    leaves = {key: each for key, each in one.leaves.items() if key != FINGERPRINT}
    return SearchedRun(
        folder.path,
        one.seed,
        tuple(one.choices[group] for group in SHOWN_GROUPS),
        dict(leaf for key, each in leaves.items() for leaf in _below(each, key)),
        str(one.leaves.get(FINGERPRINT)),
        float(value),
        last["labelled"],
        math.fsum(math.nan if number is None else number for number in samples),
    )


def _below(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _below(item, f"{key}.{name}")
    else:
        yield key, value
