"""`calrun arena`: plays what the bank lacks, and gathers what it holds about these data sets, budgets and seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import pandas as pd

from calrun.arena.bank import Bank, Misfit
from calrun.arena.cells import MEASURES, cell_table, efficiencies
from calrun.arena.entrants import BASELINES, GROUP, Entrant, entrants, refuse_unknown, sizes_of, weighed
from calrun.arena.field import Cell, Failure, play_cells
from calrun.arena.identity import who_plays
from calrun.arena.player import Played
from calrun.arena.sets import FeatureSet, chosen_places, load_set
from calrun.arena.settings import BUDGETS, Settings, label_counts
from calrun.check.loaded import loaded
from calrun.look.sizes import Sizes
from calrun.places import options
from calrun.text.legal import one_of

FRESH = "--fresh"


@dataclass(frozen=True)
class Wish:
    """What is asked of the arena.

    Args:
        names: acquisitions; `None` is every one that stored features can play.
        sets: names of data sets, joined by commas; `None` is all.
        seeds: of each cell, from 0 on.
        budgets: low, high, or both.
        features: the folder of the data sets' archives; `None` plays on digits alone.
        bank: the folder of the records.
        processes: that play at the same time.
        detect: the difference in points that matters.
        measure: accuracy or balanced_accuracy.
        fresh: whether records that do not fit are moved aside.
        config_dir: a folder of the user's own options.
    """

    bank: Path
    names: Sequence[str] | None = None
    sets: str | None = None
    seeds: int = 10
    budgets: Sequence[str] = BUDGETS
    features: Path | None = None
    processes: int = 2
    detect: float = 1.0
    measure: str = MEASURES[0]
    fresh: bool = False
    config_dir: Path | None = None

    def __post_init__(self) -> None:
        for option, came in (("--seeds", self.seeds), ("--processes", self.processes)):
            if came < 1:
                raise ValueError(f"{option} wants 1 or more, got {came}")
        if not 0 < self.detect < 100:
            raise ValueError(f"--detect wants points of accuracy above 0 and below 100, got {self.detect:g}")
        one_of("--measure", self.measure, MEASURES)
        if not self.budgets:
            raise ValueError(f"--budgets names none; choose from {', '.join(BUDGETS)}")
        for budget in self.budgets:
            one_of("--budgets", budget, BUDGETS)


@dataclass(frozen=True)
class Outcome:
    """What the arena holds once everything that was asked is played.

    Args:
        wish: what was asked.
        sets: the data sets by name.
        cells: see `cell_table`, with the efficiency of each cell.
        took_part: the acquisitions that have cells.
        listed: those that are not played unless they are asked for, or not at all.
        failures: cells that could not be played.
        remarks: records that were left out, and why.
        num_played: cells that were played now.
    """

    wish: Wish
    sets: dict[str, FeatureSet]
    cells: pd.DataFrame
    took_part: list[Entrant]
    listed: list[Entrant]
    failures: list[Failure]
    remarks: list[str] = field(default_factory=list)
    num_played: int = 0

    @property
    def cheats(self) -> set[str]:
        """The acquisitions that look at labels nobody has bought: shown, but never ranked."""
        return {each.name for each in self.took_part if each.cheats}


class Arena:
    """The grounds of a wish and the bank of their cells.

    Args:
        wish: what is asked.
    """

    def __init__(self, wish: Wish) -> None:
        self.wish, self.settings, self.bank = wish, Settings(), Bank(wish.bank)
        self.places = chosen_places(wish.features, wish.sets)
        self.sets = {name: load_set(name, place) for name, place in self.places.items()}
        self.digests = {name: data.digest() for name, data in self.sets.items()}

    def sizes(self, name: str, budget: str) -> list[int]:
        """Returns the labels of each round on a data set."""
        data = self.sets[name]
        return label_counts(budget, self.settings.pool_size(len(data.features_ND)), data.num_classes)

    def cells_of(self, entrant: Entrant) -> Iterator[Cell]:
        """Yields the cells of an acquisition."""
        who = who_plays(entrant)
        for name, place in self.places.items():
            for budget in self.wish.budgets:
                sizes = self.sizes(name, budget)
                ground = {"set": name, "data": self.digests[name], "budget": budget, "labels": sizes}
                for seed in range(self.wish.seeds):
                    identity = {**who, **ground, "seed": seed, "settings": asdict(self.settings)}
                    yield Cell(entrant, name, place, budget, tuple(sizes), seed, identity)

    def missing(self, who: Sequence[Entrant]) -> list[Cell]:
        """Returns the cells that are to be played, seed after seed: a part of them is fewer seeds of everything.

        Raises:
            ValueError: if a record is of another cell, unless it may be moved aside.
        """
        lacking, misfits = list[Cell](), list[Misfit]()
        for cell in (cell for entrant in who for cell in self.cells_of(entrant)):
            try:
                lacking += [cell] if self.bank.read(cell.identity) is None else []
            except Misfit as misfit:
                misfits.append(misfit)
                lacking.append(cell)
                if self.wish.fresh:
                    self.bank.move_aside(cell.identity)
        if misfits and not self.wish.fresh:
            more = f", and {len(misfits) - 1:,} more do not fit" if len(misfits) > 1 else ""
            raise ValueError(
                f"{misfits[0]}{more}; add {FRESH} to move such records aside and play their cells anew, or name "
                "another folder by --out"
            )
        return sorted(lacking, key=lambda cell: (cell.seed, cell.name, cell.budget))

    def banked(self, who: Sequence[Entrant]) -> tuple[list[tuple[Cell, Played]], list[str]]:
        """Returns the cells that the bank holds of some acquisitions, and a sentence on each that has misfits."""
        found, remarks = list[tuple[Cell, Played]](), list[str]()
        for entrant in who:
            misfits = list[Misfit]()
            for cell in self.cells_of(entrant):
                try:
                    played = self.bank.read(cell.identity)
                except Misfit as misfit:
                    misfits.append(misfit)
                    continue
                found += [] if played is None else [(cell, played)]
            if misfits:
                remarks.append(f"{len(misfits):,} records of {entrant.name} are left out (first: {misfits[0]})")
        return found, remarks

    def weighed(self, who: Sequence[Entrant]) -> list[Entrant]:
        """Returns acquisitions with the cost of their dearest choice on these data sets and budgets."""
        choices = [
            choice for name in self.sets for budget in self.wish.budgets for choice in self.choices(name, budget)
        ]
        return [weighed(entrant, choices) for entrant in who]

    def choices(self, name: str, budget: str) -> list[Sizes]:
        """Returns the sizes of the choices of a cell."""
        data, sizes = self.sets[name], self.sizes(name, budget)
        pool, width = self.settings.pool_size(len(data.features_ND)), data.features_ND.shape[1]
        return [sizes_of(pool, before, after - before, data.num_classes, width) for before, after in pairwise(sizes)]


def arena(wish: Wish, tell: Callable[[str], None]) -> Outcome:
    """Plays what is missing and returns what there is.

    Raises:
        ValueError: if something that is asked for cannot be played, before anything is.
    """
    if wish.names is not None:
        refuse_unknown(wish.names, options(GROUP, wish.config_dir)[GROUP])
    ground = Arena(wish)
    known = {each.name: each for each in ground.weighed(entrants(config_dir=wish.config_dir))}
    if wish.names is None:
        asked = [each for each in known.values() if not each.unfit and not each.dear]
    else:
        asked = [known[name] for name in dict.fromkeys((*BASELINES, *wish.names))]
        refuse_unfit(asked)
    cells = ground.missing(asked)
    if cells:
        tell(f"{len(cells):,} cells to play, {len(asked)} acquisitions on {', '.join(ground.sets)}")
    failures = play_cells(cells, wish.bank, ground.settings, wish.processes, tell)
    return gathered(ground, known, asked, failures, len(cells))


def refuse_unfit(asked: Sequence[Entrant]) -> None:
    """Raises a ValueError if an acquisition that is asked for wants what the arena has not."""
    for each in asked:
        if each.unfit and (target := str(each.node.get("_target_", ""))):
            loaded(target)  # or say why not
    if unfit := [f"{GROUP}={each.name} {each.unfit}" for each in asked if each.unfit]:
        raise ValueError(
            f"the arena has a head on stored features and nothing else, but {'; '.join(unfit)}; compare by calrun run"
        )


def gathered(
    ground: Arena, known: Mapping[str, Entrant], asked: Sequence[Entrant], failures: list[Failure], num_cells: int
) -> Outcome:
    """Returns the outcome: the cells that were asked for, and those that the bank holds of other acquisitions."""
    in_bank = sorted(ground.bank.acquisitions(list(ground.sets)) - {each.name for each in asked})
    everyone = [*asked, *(known[name] for name in in_bank if name in known)]
    found, remarks = ground.banked(everyone)
    if lost := [name for name in in_bank if name not in known]:
        remarks.append(f"no option of that name, so its records are left out: {', '.join(lost)} (--config-dir?)")
    cells = cell_table(found, ground.wish.measure)
    cells = cells.merge(efficiencies(cells), how="left", on=["budget", "set", "acquisition", "seed"])
    with_cells = set(cells["acquisition"])
    met = {*with_cells, *(failure.acquisition for failure in failures)}
    listed = [each for each in known.values() if each.name not in met and (each.unfit or each.dear)]
    took_part = [each for each in everyone if each.name in met]
    return Outcome(ground.wish, ground.sets, cells, took_part, listed, failures, remarks, num_cells - len(failures))
