"""Turns a configuration into the objects of a run, and finds everything that cannot work before the first fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, open_dict

from calrun.acquisition.base import Acquisition
from calrun.budget.base import Budget
from calrun.check.conflicts import conflicts, standing_in
from calrun.check.early import refuse_early
from calrun.check.few_rows import few_rows
from calrun.check.kinds import by_import, wrong_kinds
from calrun.check.random_start import random_start
from calrun.check.recorded import meaningless, unrecordable
from calrun.check.stopping import cannot_stop, too_late
from calrun.check.task_fit import misfits
from calrun.dataset.base import Dataset
from calrun.dataset.source.held_out import hold_out
from calrun.dataset.source.unaugmented import without_augmentation
from calrun.feature_store.fit.behind import Behind
from calrun.feature_store.fit.told import build_store
from calrun.feature_store.fit.unfit import stands_in, unfit
from calrun.folder.record_options import RecordOptions
from calrun.look.predict import Predictor
from calrun.method.base import Method
from calrun.method.fit.scale import scaled
from calrun.model.adapt.memory_format import safe_channels_last
from calrun.model.adapt.own import make_net
from calrun.model.base import Classifier
from calrun.oracle.base import Oracle
from calrun.parallel.world import of_first
from calrun.part.dynamics import NAME, Dynamics
from calrun.part.setup import Setup
from calrun.pool import Pool
from calrun.rng import torch_seed
from calrun.round import Round
from calrun.row_transform.base import RowTransform
from calrun.stop_al.base import StopAL, rule_of
from calrun.task.base import Task
from calrun.text.legal import is_a
from calrun.text.words import SEPARATOR
from calrun.training.trainer_options import refused_by_lightning

Kind = TypeVar("Kind")
ROWS_AT_ONCE = 256  # whose labels the fingerprint holds


@dataclass(frozen=True)
class Experiment:
    """Everything a run needs, ready to go.

    Args:
        initial: the rule that chooses the rows of round 1.
        sizes: labelled rows in each round.
        seed_set_seed: the seed of the initial rows.
        stop_al: the rule that may end the run before its budget does.
        behind: what lies behind `data` if that holds features.
        dynamics: watches the fits if `record.dynamics` asks for it.
        cautions: sentences on what may not be meant, to be said before the first round.
    """

    data: Dataset
    task: Task
    oracle: Oracle
    pool: Pool
    method: Method
    acquisition: Acquisition
    initial: Acquisition
    sizes: list[int]
    predictor: Predictor
    seed: int
    seed_set_seed: int
    record: RecordOptions
    stop_al: StopAL
    behind: Behind | None = None
    dynamics: Dynamics | None = None
    cautions: tuple[str, ...] = ()

    def rounds(self, folder: Path, after: int) -> Iterator[Round]:
        """Yields the rounds after round `after`, whose rows have been bought; those of round 1 are bought here.

        Raises:
            LabelsWanted: if the oracle has not answered yet with the labels of a round.
        """
        if self.behind is not None:
            self.behind.compute()
        if after == 0:
            self.pool.label(self._choose_initial(folder), 1)
            self.pool.require(1, self.sizes[0], "choice of initial rows")
        for number in range(after + 1, len(self.sizes) + 1):
            if number not in self.pool.bought:
                return  # a rule has stopped the run
            self.pool.ask(number)
            yield self.round(number, folder)

    def fingerprint(self) -> str:
        """Returns a checksum of the data set as it was loaded, the same for the same data on every machine."""
        sources = [self.data.train, *self.data.tests.values(), *([self.data.val] if self.data.val else [])]
        checksum = 0
        for source in sources:
            for start in range(0, len(source), ROWS_AT_ONCE):  # the labels of pixels may not fit into memory together
                targets = np.ascontiguousarray(source.targets[start : start + ROWS_AT_ONCE], dtype=np.int64)
                checksum = crc32(targets.data, checksum)
            checksum = source.checksum(checksum)
        return f"{len(self.data.train)}-{self.data.num_classes}-{checksum:08x}"

    def round(self, number: int, folder: Path) -> Round:
        """Returns round `number` of a run in `folder`."""
        budget = self.sizes[number] - self.sizes[number - 1] if number < len(self.sizes) else 0
        return Round(number, len(self.sizes), budget, self.seed, self.pool, folder / f"round-{number}")

    def _choose_initial(self, folder: Path) -> np.ndarray:
        before = Round(0, len(self.sizes), self.sizes[0], self.seed_set_seed, self.pool, folder / "round-0")
        candidates = self.method.initial_candidates(self.initial, before)
        return of_first(lambda: self.initial.select(candidates, self.sizes[0], before.rng("initial rows")))


def build(cfg: DictConfig) -> Experiment:
    """Instantiates a run.

    Raises:
        ValueError: with every conflict found, one after the other.
    """
    refuse_early(cfg)
    if refused := [*wrong_kinds(cfg, by_import), *refused_by_lightning(cfg.trainer)]:
        raise ValueError(SEPARATOR.join(refused))
    if cfg.trainer.num_threads:
        torch.set_num_threads(cfg.trainer.num_threads)
    loaded = transformed(load_data(cfg.dataset, cfg.seed), cfg.row_transform)
    data, held_out = hold_out(loaded, cfg.val_fraction, cfg.scale)
    task = made(cfg, "task", Task)
    oracle = build_oracle(cfg, data)
    pool = Pool(oracle, len(data.train), data.num_classes, held_out)
    predictor = build_predictor(cfg.trainer, task)
    method = build_method(cfg, data, task, predictor)
    chosen = {group: standing_in(made(cfg, group, Acquisition), data) for group in ("acquisition", "initial")}
    sizes, of_budget = planned_sizes(cfg, len(pool))
    problems = [
        *unrecordable(cfg.record, data, task),
        *misfits(task, data, method.evaluated()),
        *oracle.problems(),
        *conflicts(data, method, chosen),
        *unfit(method, chosen),
        *method.problems(sizes, data.input_shape),
        *cannot_stop(stop_al := rule_of(cfg), cfg.record, data, method),
        *of_budget,
    ]
    if problems:
        raise ValueError(SEPARATOR.join(problems))
    cautions = [*random_start(method, chosen), *meaningless(cfg.record, data), *too_late(stop_al, sizes)]
    behind = Behind.of(method, loaded) if stands_in(method) else None
    if behind is not None:
        data, _ = hold_out(behind.features, cfg.val_fraction, cfg.scale)
        method = build_method(cfg, data, task, predictor, behind)
    acquisition = chosen["acquisition"]
    dynamics = Dynamics() if cfg.record.dynamics else None
    beside = {} if dynamics is None else {NAME: dynamics}
    method.attach({**acquisition.parts(), **beside}, any(column.previous for column in acquisition.wanted()))
    return Experiment(
        data,
        task,
        oracle,
        pool,
        method,
        **chosen,
        sizes=sizes,
        predictor=predictor,
        seed=cfg.seed,
        seed_set_seed=cfg.seed if cfg.seed_set_seed is None else cfg.seed_set_seed,
        record=RecordOptions(**cfg.record),
        stop_al=stop_al,
        behind=behind,
        dynamics=dynamics,
        cautions=(*cautions, *few_rows(method, sizes, cfg.trainer.processes)),
    )


def made(cfg: DictConfig, group: str, kind: type[Kind], **told: Any) -> Kind:
    """Returns the object of a group.

    Raises:
        ValueError: if its `_target_` makes something of another kind.
    """
    return is_a(group, instantiate(cfg[group], **told), kind)


def planned_sizes(cfg: DictConfig, pool_size: int) -> tuple[list[int], list[str]]:
    """Returns the labelled rows of each round, or none and one sentence that says why the budget cannot be spent."""
    shares = [f"{key}={cfg[key]}" for key, whole in (("val_fraction", 0), ("scale", 1)) if cfg[key] != whole]
    left = f" (with {' and '.join(shares)} the pool has {pool_size:,} rows)" if shares else ""
    try:
        sizes = scaled(made(cfg, "budget", Budget).sizes(round(pool_size / cfg.scale)), cfg.scale)
    except ValueError as error:
        return [], [f"{error}{left}"]
    if sizes[-1] > pool_size:
        wanted = f"the budget wants {sizes[-1]:,} labels in its last round{left}"
        return [], [f"{wanted}; take a larger scale or fewer rounds"]
    return sizes, []


def transformed(data: Dataset, cfg: DictConfig) -> Dataset:
    """Returns the data set with the rows that the row transform makes of its own.

    Raises:
        ValueError: if it has no test set then.
    """
    result = is_a("row_transform", instantiate(cfg), RowTransform).apply(data)
    if not result.tests:
        raise ValueError(
            "the data set has no test set; give it one (x_test and y_test in an archive, test/<class>/* in a folder), "
            "or name its items in a file, row_transform=split row_transform.test_file=FILE"
        )
    return result


def load_data(cfg: DictConfig, seed: int) -> Dataset:
    """Instantiates the data set.

    Args:
        cfg: its node; `check` goes to loaders that take it, otherwise only the fingerprint uses it.
        seed: the run's, for loaders that take it: those whose split differs from seed to seed.
    """
    node = cfg.copy()
    with open_dict(node):
        parameters = signature(get_object(node._target_)).parameters
        takes_check = "check" in parameters
        check, augments = node.pop("check", None), node.pop("augment", None)
        if takes_check and check is not None:
            node["check"] = "off" if check is False else check  # what YAML makes of a bare off
    node = without_augmentation(node) if augments is False else node
    told = {"seed": seed} if "seed" in parameters else {}
    return is_a("dataset", instantiate(node, **told), Dataset)


def build_oracle(cfg: DictConfig, data: Dataset) -> Oracle:
    """Instantiates the oracle; one that takes `targets` is given the data set's own labels."""
    takes_targets = "targets" in signature(get_object(cfg.oracle._target_)).parameters
    told = {"targets": data.train.targets} if takes_targets else {}
    return made(cfg, "oracle", Oracle, **told)


def build_predictor(trainer: DictConfig, task: Task) -> Predictor:
    """Returns what passes rows through networks on the trainer's device."""
    return Predictor(
        trainer.accelerator,
        trainer.predict_precision,
        trainer.predict_batch_size,
        trainer.channels_last,
        task.reduced,
    )


def build_method(
    cfg: DictConfig, data: Dataset, task: Task, predictor: Predictor, behind: Behind | None = None
) -> Method:
    """Instantiates the method with what the run gives it; with features, its network is a head alone.

    Raises:
        ValueError: if the method does not take the arguments of its YAML.
    """

    def build_net() -> Classifier:
        return make_net(cfg.model, data.num_classes, data.input_shape, data.vocabulary)

    trainer = cfg.trainer
    setup = Setup(
        build_net if behind is None else behind.build_head,
        data.train,
        data.val,
        predictor,
        task,
        data.num_classes,
        trainer.batch_size,
        cfg.scale,
        trainer.channels_last,
        trainer.compile,
        build_store(cfg),
        last_batch=trainer.get("last_batch") or "keep",  # runs from before there was such a key have none
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(cfg.seed, 0, "model"))
        # in containers of OmegaConf's, Setup and Phase would be configurations instead of objects
        pieces = instantiate(cfg.method, _partial_=True, _convert_="all")
        try:
            signature(get_object(cfg.method._target_)).bind(**pieces.keywords, setup=setup)
        except TypeError as error:
            raise ValueError(f"method: {error}; correct its YAML or choose another method") from error
        of_head = {} if behind is None else {"start": pieces.keywords["start"].of_head()}
        method = is_a("method", pieces(setup=setup, **of_head), Method)
    if not all(safe_channels_last(net, predictor.device) for net in (method.evaluated(), method.answering())):
        setup.channels_last = predictor.channels_last = False
    return method
