"""`calrun select`: ranks an unlabelled pool with the network of a run.

Columns, seeds and the method's own look at the rows are those of a round of the run.

Dimension key: N rows of the run, M rows of the pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from calrun.acquisition.base import Acquisition
from calrun.check.conflicts import conflicts, standing_in
from calrun.check.early import refuse_early
from calrun.dataset.base import UNKNOWN, Dataset, Source
from calrun.dataset.source.joined import Joined
from calrun.errors import MISTAKES, sentence
from calrun.experiment import build, made
from calrun.folder.picks import csv_text, restore_picks
from calrun.machine.files import replace_text
from calrun.network.load import predictor_of
from calrun.network.predict import refuse_out, say_unfinished
from calrun.network.rebuilt import own_acquisition, rebuilt
from calrun.network.rows import rows_at
from calrun.network.run_files import RunFiles, run_files
from calrun.oracle.base import Oracle
from calrun.oracle.wanted import LabelsWanted
from calrun.plan.choices import data_sizes
from calrun.plan.plan import composed
from calrun.pool import Pool
from calrun.report.table.plain import neutral
from calrun.round import Round
from calrun.text.say import say
from calrun.text.words import SEPARATOR
from calrun.training.trainer import silence_lightning

SPLITS = ("", "train", "test", "val")
HEADER = ("order", "row", "item_id")
OF_RUN = ("labelled", "validation")  # columns that follow rows of the run's own


@dataclass(frozen=True)
class Wish:
    """What is to be chosen.

    Args:
        acquisition: the option.
        budget: rows.
        overrides: of the acquisition's own options, acquisition.KEY=VALUE.
        config_dir: a folder of the user's own options.
    """

    acquisition: str
    budget: int
    overrides: Sequence[str] = ()
    config_dir: Path | None = None


@dataclass(frozen=True)
class Ground:
    """The rows that a choice looks at: the run's own, if they are wanted, and then those that can be chosen.

    Args:
        data: all of them as one training set.
        pool: who can be chosen, and who is labelled since which round.
        first: the number of the first row that can be chosen.
    """

    data: Dataset
    pool: Pool
    first: int


class Bought(Oracle):
    """Knows the labels that a run has bought, and no others.

    Args:
        targets: the label of every row, UNKNOWN where it was not bought.
    """

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets

    def answer(self, rows: np.ndarray, number: int) -> np.ndarray:
        answers: np.ndarray = self.targets[rows]
        if (answers == UNKNOWN).any():
            raise LabelsWanted(number, f"{len(rows)} of them")
        return answers


def select(run: Path, place: str, wish: Wish, out: Path, number: int | None = None, split: str | None = None) -> None:
    """Writes the order, the row and the item_id of the rows that an acquisition chooses from a place.

    Args:
        run: the run folder.
        place: of the rows.
        wish: what is to be chosen.
        out: the table; it is replaced when all lines are there.
        number: of the round whose network looks at the rows; `None` is the last that is committed.
        split: which rows are read where there are several; `None` prefers those of no split, then train.

    Raises:
        ValueError: if the acquisition cannot choose from these rows with what the run has trained.
    """
    silence_lightning()
    refuse_out(out, place)
    files = run_files(run, number)
    acquisition = acquisition_of(wish)
    source = rows_at(files, place, SPLITS if split is None else (split,))
    if not 1 <= wish.budget <= len(source):
        raise ValueError(f"--budget wants 1 to {len(source):,}, the rows of {place}, got {wish.budget:,}")
    say_unfinished(files, number)
    rows = chosen(files, source, acquisition, wish)
    lines = ([str(order), str(row), neutral(source.item_id(row))] for order, row in enumerate(rows.tolist()))
    replace_text(out, csv_text(HEADER, lines))
    told = f"acquisition={wish.acquisition} with the network of round {files.number} of {files.folder}"
    say(f"{out}  {len(rows):,} of {len(source):,} rows, by {told}")


def acquisition_of(wish: Wish) -> Acquisition:
    """Returns the acquisition with its options.

    Raises:
        ValueError: if an override is of something else, or the acquisition does not take it.
    """
    others = [word for word in wish.overrides if not word.lstrip("+~").startswith("acquisition.")]
    if others:
        raise ValueError(f"calrun select takes acquisition.KEY=VALUE, got {others[0]!r}; the run decides all else")
    cfg = composed([f"acquisition={wish.acquisition}", *wish.overrides], wish.config_dir)
    refuse_early(cfg)
    return made(cfg, "acquisition", Acquisition)


def chosen(files: RunFiles, source: Source, acquisition: Acquisition, wish: Wish) -> np.ndarray:
    """Returns rows of `source` in the order of choice."""
    state, name, budget = files.state(), f"acquisition={wish.acquisition}", wish.budget
    trained_with = parts_of(files, acquisition, state, name)
    ground = ground_of(files, source, acquisition, name)
    acquisition = standing_in(acquisition, ground.data)
    method = rebuilt(files, ground.data, state, predictor_of(files.cfg), trained_with)
    if problems := conflicts(ground.data, method, {"acquisition": acquisition}):
        raise ValueError(SEPARATOR.join(problems))
    sizes = data_sizes(ground.data, acquisition, len(source), len(ground.pool.labelled), budget)
    width = method.evaluated().head.in_features
    if refusal := acquisition.cost(replace(sizes, features=width)).refusal:
        raise ValueError(f"{name} refuses to choose: {refusal}")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, f"round-{files.number}")
        this_round = Round(files.number, files.number + 1, budget, files.cfg.seed, ground.pool, folder)
        candidates = method.candidates(acquisition, this_round)
        rows = acquisition.select(candidates, budget, this_round.rng("acquisition"))
    ground.pool.label(rows, files.number + 1)
    ground.pool.require(files.number + 1, budget, name)
    return rows - ground.first


def parts_of(files: RunFiles, acquisition: Acquisition, state: dict[str, Any], name: str) -> Acquisition:
    """Returns the acquisition whose parts the state holds: this one, if it is the run's own kind.

    Raises:
        ValueError: if it wants what only a run that is played with it has, or labels that nobody has given.
    """
    own = own_acquisition(files.cfg)
    if acquisition.looks_at_truth():
        raise ValueError(f"{name} looks at the labels of all rows, which nobody has given; choose another")
    beside = acquisition.parts() and type(acquisition) is not type(own)
    before = any(column.previous for column in acquisition.wanted()) and state.get("previous") is None
    if beside or before:
        lacks = "parts that are trained beside the network" if beside else "the network of the round before"
        raise ValueError(
            f"{name} wants {lacks}, but this run was played with acquisition="
            f"{files.config['choices']['acquisition']} and has none; play a run with it, or choose another"
        )
    return acquisition if acquisition.parts() else own


def ground_of(files: RunFiles, source: Source, acquisition: Acquisition, name: str) -> Ground:
    """Returns the rows that the acquisition looks at.

    Raises:
        ValueError: if it looks at rows of the run's own, and those cannot be read here or are others now.
    """
    of_run = [column.name for column in acquisition.wanted() if column.split in OF_RUN]
    if not of_run:
        names, shape = files.class_names, files.inputs.shape
        data = Dataset(source, {}, len(names), names, shape, vocabulary=files.inputs.vocabulary)
        return Ground(data, Pool(Bought(source.targets), len(source), len(names)), 0)
    try:
        return beside_own(files, source)
    except MISTAKES as error:
        raise ValueError(
            f"{name} looks at the run's own rows ({', '.join(of_run)}), which cannot be had here ({sentence(error)}); "
            "put the data where the run found it, or choose an acquisition that looks at the pool alone"
        ) from error


def beside_own(files: RunFiles, source: Source) -> Ground:
    """Returns the rows of the run, those bought by the round labelled and the others held out, and then the pool.

    Raises:
        ValueError: if the run's data cannot be read or has changed.
    """
    exp = build(files.cfg_where_it_was_played())
    if exp.fingerprint() != files.config["data_fingerprint"]:
        raise ValueError(
            f"the data has changed: fingerprint {exp.fingerprint()}, before {files.config['data_fingerprint']}"
        )
    restore_picks(files.folder / "picks.csv", exp, exp.sizes[: files.number])
    first, own = len(exp.data.train), exp.pool
    bought = np.flatnonzero(own.round_of > 0)
    known = own.targets_of(bought)
    targets = np.full((first + len(source), *known.shape[1:]), UNKNOWN, known.dtype)
    targets[bought] = known
    held_out = np.setdiff1d(np.arange(first), bought)
    pool = Pool(Bought(targets), len(targets), exp.data.num_classes, held_out)
    for number, rows in own.bought.items():
        pool.label(rows, number)
    train = Joined(exp.data.train, source)
    return Ground(replace(exp.data, train=train, tests={}, further={}), pool, first)
