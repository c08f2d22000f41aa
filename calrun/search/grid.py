"""The candidates of a search: which keys were searched, who is best on the validation split, and where in the grid.

A search is the runs of one method (data set, model and acquisition being the same) in one experiment.
"""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import stdev
from typing import Any

from calrun.folder.round_line import is_number
from calrun.report.page.naming import changes, differing_keys, short_value
from calrun.report.read.configuration import part_of
from calrun.search.runs import SearchedRun, listed, named

LOWER_IS_BETTER = ("loss",)
SAME = (  # what two candidates must share to be compared number by number
    *("val_fraction", "scale", "budget", "seed_set_seed", "row_transform", "oracle", "task"),
    *("data", "data_content", "code", "results"),
)
DATA = ("data", "data_content")
ABSENT = "absent"  # shown for a key that a candidate does not have


@dataclass(frozen=True)
class Candidate:
    """One combination of the searched values and its runs.

    Args:
        values: the searched values by key.
        runs: one for each seed, in the order of the seeds.
        mean: mean over seeds of the validation metric.
        deviation: standard deviation over seeds, ddof 1; nan for one seed.
        samples: gradient samples of a run, mean over seeds.
    """

    values: dict[str, Any]
    runs: tuple[SearchedRun, ...]
    mean: float
    deviation: float
    samples: float

    @property
    def name(self) -> str:
        """The searched values as a user types them."""
        return typed(self.values)


@dataclass(frozen=True)
class Search:
    """One method's grid in one experiment.

    Args:
        experiment: the folder of its runs.
        title: the experiment's name, which no other one here has.
        choices: the options of dataset, model, method and acquisition.
        metric: which metric of the validation split.
        keys: the searched keys, each with another value in some candidates.
        structural: those of them that some candidates do not have at all.
        candidates: best first; equal ones by their values, the smallest first.
        seeds: those that every candidate is compared over.
        labelled: labels after the last round.
        played: all finished runs, also of seeds that are not compared.
    """

    experiment: Path
    title: str
    choices: tuple[str, ...]
    metric: str
    keys: tuple[str, ...]
    structural: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    labelled: int
    played: tuple[SearchedRun, ...]

    @property
    def data(self) -> str:
        """Names the content of the data set: options of one name may read different files."""
        return repr(sorted(part_of(self.played[0].leaves, DATA).items()))

    @property
    def method(self) -> str:
        return self.choices[2]

    @property
    def name(self) -> str:
        return f"{self.title}: {', '.join(self.choices)}"

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    def edges(self) -> list[str]:
        """Returns a sentence for each searched number whose best value is the smallest or largest of the grid.

        The smallest is no edge if it is 0: there is nothing below it.
        """
        said = []
        for key in self.keys:
            tried = sorted({one.values[key] for one in self.candidates if is_number(one.values[key])})
            value = self.best.values[key]
            if not is_number(value) or len(tried) < 2:
                continue
            if value == tried[-1] or (value == tried[0] and value != 0):
                which, where = ("largest", "above") if value == tried[-1] else ("smallest", "below")
                said.append(f"{key}={value:g} is the {which} of {len(tried)} values: a better one may lie {where} it")
        return said


def searches(runs: Iterable[SearchedRun], metric: str, partial: bool) -> list[Search]:
    """Returns the searches that these runs make up.

    Args:
        partial: whether seeds and combinations may be missing.

    Raises:
        ValueError: if the runs of a search cannot be compared, or some are missing.
    """
    groups: dict[tuple[Path, tuple[str, ...]], list[SearchedRun]] = defaultdict(list)
    for run in runs:
        groups[run.folder.parent, run.choices].append(run)
    titles = _titles({experiment for experiment, _ in groups})
    return [_search(titles[experiment], own, metric, partial) for (experiment, _), own in sorted(groups.items())]


def typed(values: Mapping[str, Any]) -> str:
    """Returns searched values as a user types them."""
    return " ".join(f"{key}={short_value(value)}" for key, value in values.items()) or "the one configuration"


def _titles(experiments: set[Path]) -> dict[Path, str]:
    """Returns the names of experiments, with those of the folders above them where there are several."""
    if len(experiments) == 1:
        return {experiment: experiment.name for experiment in experiments}
    above = os.path.commonpath(experiments)
    names = {experiment: experiment.relative_to(above) for experiment in experiments}
    return {experiment: str(name) if name.parts else experiment.name for experiment, name in names.items()}


def _search(title: str, runs: list[SearchedRun], metric: str, partial: bool) -> Search:
    where = f"{title}: {', '.join(runs[0].choices)}"
    _refuse_incomparable(where, runs)
    by_candidate: dict[str, list[SearchedRun]] = defaultdict(list)
    for run in runs:
        by_candidate[run.candidate].append(run)
    members = [own[0].leaves for own in by_candidate.values()]
    keys = tuple(changes(members))
    values = {name: {key: own[0].leaves.get(key, ABSENT) for key in keys} for name, own in by_candidate.items()}
    seeds = _seeds(where, [(values[name], own) for name, own in by_candidate.items()], partial)
    found = [_candidate(values[name], own, seeds) for name, own in by_candidate.items()]
    if not partial and (missing := _missing(keys, found)):
        raise ValueError(
            f"{where} is no whole grid: {listed(missing)} {'is' if len(missing) == 1 else 'are'} missing; play what "
            "is missing, or compare what is there with --partial"
        )
    sign = 1 if metric in LOWER_IS_BETTER else -1
    found.sort(key=lambda one: (sign * one.mean, [_order(value) for value in one.values.values()]))
    structural = tuple(key for key in keys if any(key not in member for member in members))
    experiment, choices = runs[0].folder.parent, runs[0].choices
    return Search(
        experiment, title, choices, metric, keys, structural, tuple(found), seeds, runs[0].labelled, tuple(runs)
    )


def _refuse_incomparable(where: str, runs: list[SearchedRun]) -> None:
    """Raises a ValueError if runs differ in what no hyper-parameter decides, or one was met twice."""
    if other := differing_keys([part_of(run.leaves, SAME) for run in runs]):
        raise ValueError(
            f"{where}: the runs differ in {listed(other)}, so that their validation metrics cannot be compared; give "
            "each search an experiment_name of its own"
        )
    if len(counts := sorted({run.labelled for run in runs})) > 1:
        raise ValueError(
            f"{where}: the last rounds of the runs have {', '.join(map(str, counts))} labels; play all of them to the "
            "same number of rounds"
        )
    for seed in {run.seed for run in runs}:
        own = [run for run in runs if run.seed == seed]
        if len({run.fingerprint for run in own}) > 1:
            raise ValueError(f"{where}: the runs of seed {seed} are on different data: {named(r.folder for r in own)}")
    repeated = [key for key, count in Counter((run.candidate, run.seed) for run in runs).items() if count > 1]
    if repeated:
        twice = [run.folder for run in runs if (run.candidate, run.seed) == repeated[0]]
        raise ValueError(f"{where}: {named(twice)} are of one configuration and seed; move all but one away")


def _seeds(
    where: str, candidates: Sequence[tuple[dict[str, Any], list[SearchedRun]]], partial: bool
) -> tuple[int, ...]:
    """Returns the seeds that every candidate has."""
    each = [{run.seed for run in runs} for _, runs in candidates]
    everywhere, anywhere = set.intersection(*each), set.union(*each)
    short = [
        f"{typed(values)} lacks seed {', '.join(map(str, sorted(anywhere - own)))}"
        for (values, _), own in zip(candidates, each, strict=True)
        if own != anywhere
    ]
    if short and not partial:
        raise ValueError(
            f"{where}: the candidates have different seeds ({listed(short)}); play what is missing, or compare over "
            "the seeds that all of them have with --partial"
        )
    if not everywhere:
        raise ValueError(f"{where}: no seed was played by all candidates ({listed(short)}); play what is missing")
    return tuple(sorted(everywhere))


def _candidate(values: dict[str, Any], runs: list[SearchedRun], seeds: tuple[int, ...]) -> Candidate:
    own = tuple(sorted((run for run in runs if run.seed in seeds), key=lambda run: run.seed))
    numbers = [run.value for run in own]
    deviation = stdev(numbers) if len(numbers) > 1 else math.nan
    samples = math.fsum(run.samples for run in own) / len(own)
    return Candidate(values, own, math.fsum(numbers) / len(numbers), deviation, samples)


def _missing(keys: tuple[str, ...], candidates: Sequence[Candidate]) -> list[str]:
    """Returns the combinations of searched values that nobody has played; keys that change together are one."""
    axes: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for key in keys:
        values = [repr(one.values[key]) for one in candidates]
        pattern = tuple(values.index(value) for value in values)
        points = axes.setdefault(pattern, [{} for _ in {*pattern}])
        for point, first in zip(points, sorted({*pattern}), strict=True):
            point[key] = candidates[first].values[key]
    there = {repr(sorted(one.values.items())) for one in candidates}
    whole = [{key: value for point in points for key, value in point.items()} for points in product(*axes.values())]
    wanted = [{key: combination[key] for key in keys} for combination in whole]
    return [typed(one) for one in wanted if repr(sorted(one.items())) not in there]


def _order(value: Any) -> tuple[bool, float, str]:
    """Returns a sort key: numbers by size, then everything else by name."""
    return (False, float(value), "") if is_number(value) else (True, 0.0, str(value))
