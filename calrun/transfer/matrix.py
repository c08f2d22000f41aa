"""What the runs say: accuracy by picks, trainer, seed and budget, and the differences that decide something."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calrun.folder.round_line import accuracy, committed_rounds
from calrun.report.measure.curves import mean_height
from calrun.report.measure.power import ALPHA, detectable
from calrun.report.measure.significance import answer, holm, interval, paired_t_test
from calrun.report.page.naming import difference_labels
from calrun.report.read.configuration import digest
from calrun.report.table.tables import RANDOM
from calrun.transfer.jobs import Plan
from calrun.transfer.sources import Source, trainer_of

CELL = ["picks", "trainer"]
OWN, CHANCE = "own", "random"  # what a cell is compared with


@dataclass(frozen=True)
class Difference:
    """How much better or worse a trainer does with the picks of another run, paired by seed.

    Args:
        picks: whose picks.
        trainer: who trains.
        against: whose picks it is compared with, for the same trainer.
        by_budget: the mean difference after each round.
        areas: of the mean height of the curves, by pair of runs.
        p: of a paired t-test on them, after Holm's correction; NaN if there is none.
        detectable: the smallest true difference that this many pairs find in 80 % of all cases.
    """

    picks: str
    trainer: str
    against: str
    by_budget: np.ndarray
    areas: np.ndarray
    p: float = float("nan")
    detectable: float = float("nan")

    @property
    def mean(self) -> float:
        return float(self.areas.mean())

    @property
    def bounds(self) -> tuple[float, float]:
        return interval(self.areas)

    @property
    def verdict(self) -> str:
        """Returns better, worse, open or untested."""
        return answer(self.mean, self.p, ALPHA)


@dataclass(frozen=True)
class Matrix:
    """All cells.

    Args:
        table: a row for each cell, seed and round, with accuracy and whether the run chose its rows itself.
        picks: the names of its rows.
        trainers: the names of its columns.
        own: by picks, the trainers that have chosen them.
        rules: by picks, a digest of how they were chosen.
        random: the picks that were chosen at random.
        sizes: labels in each round.
    """

    table: pd.DataFrame
    picks: list[str]
    trainers: list[str]
    own: dict[str, set[str]]
    rules: dict[str, str]
    random: list[str]
    sizes: tuple[int, ...]

    def curves(self, picks: str, trainer: str) -> pd.DataFrame:
        """Returns the accuracies of a cell, a row for each seed and a column for each budget."""
        at = (self.table["picks"] == picks) & (self.table["trainer"] == trainer)
        return self.table[at].pivot_table(index="seed", columns="labelled", values="accuracy", dropna=False)

    def differences(self, against: str) -> list[Difference]:
        """Returns every cell against the trainer's own picks of the same acquisition, or against random ones."""
        bases = self._own_bases() if against == OWN else self._random_bases()
        found = [one for one in (self._difference(*cell, base) for cell, base in bases) if one is not None]
        corrected = holm(np.array([paired_t_test(one.areas) for one in found]))
        return [
            Difference(
                *(one.picks, one.trainer, one.against, one.by_budget, one.areas),
                p=float(p),
                detectable=_deviation(one.areas) * detectable(len(one.areas), len(found)),
            )
            for one, p in zip(found, corrected, strict=True)
        ]

    def _own_bases(self) -> Iterator[tuple[tuple[str, str], str]]:
        for picks in self.picks:
            for trainer in self.trainers:
                alike = [
                    other
                    for other in self.picks
                    if self.rules[other] == self.rules[picks] and trainer in self.own[other] and other != picks
                ]
                if alike and trainer not in self.own[picks]:
                    yield (picks, trainer), alike[0]

    def _random_bases(self) -> Iterator[tuple[tuple[str, str], str]]:
        for trainer in self.trainers:
            chance = sorted(self.random, key=lambda picks: trainer not in self.own[picks])
            for picks in self.picks if chance else ():
                if picks not in chance:
                    yield (picks, trainer), chance[0]

    def _difference(self, picks: str, trainer: str, base: str) -> Difference | None:
        mine, theirs = self.curves(picks, trainer), self.curves(base, trainer)
        seeds = mine.index.intersection(theirs.index)
        if not len(seeds):
            return None
        apart = (mine.loc[seeds] - theirs.loc[seeds]).reindex(columns=[*self.sizes])
        areas = np.array([height(self.sizes, row) for row in apart.to_numpy(float)])
        known = ~np.isnan(areas)
        if not known.any():
            return None
        return Difference(picks, trainer, base, apart.to_numpy(float)[known].mean(axis=0), areas[known])


def height(sizes: Sequence[int], values_T: np.ndarray) -> float:
    """Returns the area under a budget curve over its range of labels, or the only value; rounds without one apart."""
    known = ~np.isnan(values_T)
    x, y = np.array(sizes, float)[known], values_T[known]
    if len(y) == 1 and len(values_T) == 1:
        return float(y[0])
    return mean_height(x, y, float(sizes[0]), float(sizes[-1]))


def matrix_of(plan: Plan) -> Matrix:
    """Returns what the runs of a plan say; pairs that are not played yet have no rows."""
    names, trainers = name_picks(plan), name_trainers(plan)
    rows: list[dict[str, object]] = []
    for (picks, seed, trainer), source in plan.own.items():
        rows += _rows(names[picks], trainers[trainer], seed, plan.sources[0].sizes, source.accuracies)
    for (picks, seed, trainer), job in plan.jobs.items():
        found = [accuracy(line) for line in committed_rounds(job.folder)]
        rows += _rows(names[picks], trainers[trainer], seed, plan.sources[0].sizes, found)
    table = pd.DataFrame(rows, columns=[*CELL, "seed", "labelled", "accuracy"])
    own: dict[str, set[str]] = defaultdict(set)
    rules: dict[str, str] = {}
    for source in plan.sources:
        own[names[source.picks]].add(trainers[trainer_of(source.tree)])
        rules[names[source.picks]] = digest(source.rule)
    chance = dict.fromkeys(names[one.picks] for one in plan.sources if one.known.choices["acquisition"] == RANDOM)
    return Matrix(table, [*own], [*trainers.values()], dict(own), rules, [*chance], plan.sources[0].sizes)


def _rows(
    picks: str, trainer: str, seed: int, sizes: Iterable[int], accuracies: Iterable[float]
) -> Iterator[dict[str, object]]:
    for labelled, value in zip(sizes, accuracies, strict=False):
        yield {"picks": picks, "trainer": trainer, "seed": seed, "labelled": labelled, "accuracy": value}


def name_trainers(plan: Plan) -> dict[str, str]:
    """Returns the name of each trainer by its digest: what tells it from the others."""
    found = [*plan.trainers.values()]
    shown = [key for key in ("model", "method") if len({getattr(one, key) for one in found}) > 1] or ["method"]
    plain = {one.digest: " ".join(getattr(one, key) for key in shown) for one in found}
    return _told_apart(plain, {one.digest: one.leaves for one in found})


def name_picks(plan: Plan) -> dict[str, str]:
    """Returns the name of each run's picks by their digest: the acquisition, and whose it was if that matters.

    Runs that have bought the same rows for every seed have one name.
    """
    trainers, settings = name_trainers(plan), defaultdict[str, list[Source]](list)
    for source in plan.sources:
        settings[source.known.setting].append(source)
    groups: dict[tuple[tuple[int, str], ...], list[Source]] = {}
    for members in settings.values():
        bought = tuple(sorted((one.seed, one.picks) for one in members))
        groups.setdefault(bought, []).append(members[0])
    several = len({trainer_of(source.tree) for source in plan.sources}) > 1
    plain, leaves = {}, {}
    for bought, firsts in groups.items():
        whose = " and ".join(trainers[trainer_of(one.tree)] for one in firsts)
        plain[str(bought)] = f"{firsts[0].acquisition} of {whose}" if several else firsts[0].acquisition
        leaves[str(bought)] = firsts[0].rule
    names = _told_apart(plain, leaves)
    return {picks: names[str(bought)] for bought in groups for _, picks in bought}


def _told_apart(plain: Mapping[str, str], leaves: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Returns names with what differs behind those that several share."""
    named = dict(plain)
    for name in {*plain.values()}:
        same = [key for key, each in plain.items() if each == name]
        if len(same) > 1:
            labels = difference_labels([leaves[key] for key in same])
            named |= {key: f"{name} ({label or key[:6]})" for key, label in zip(same, labels, strict=True)}
    return named


def _deviation(areas: np.ndarray) -> float:
    return float(areas.std(ddof=1)) if len(areas) > 1 else float("nan")
