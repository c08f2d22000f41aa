"""Who trains on whose picks: the runs that are there, and those that have to be played."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from calrun.check.early import refuse_early
from calrun.places import CONF, options
from calrun.report.read.configuration import digest
from calrun.run import finished_accuracy, run_folder
from calrun.sweep.sweep import job_config, split_sweep, without_sweeps
from calrun.text.words import misread
from calrun.transfer.recipe import OF_THE_PICKS, Recipe, option_text, recipe_of
from calrun.transfer.sources import CHOICE, POOL, Source, trainer_leaves, trainer_of

EXPERIMENT = "transfer"  # where the runs go, unless experiment_name says otherwise
OF_THE_RUNS = (*POOL, *CHOICE, "budget", "seed", "experiment", "data_files")  # keys that the runs decide
Key = tuple[str, int, str]  # the picks, the seed, the trainer


@dataclass(frozen=True)
class Trainer:
    """Who trains.

    Args:
        digest: of what decides how it trains.
        leaves: all of that, by dotted key.
        model: the name of its option.
        method: likewise.
    """

    digest: str
    leaves: dict[str, object]
    model: str
    method: str


@dataclass(frozen=True)
class Job:
    """A run on the picks of another.

    Args:
        source: whose picks they are.
        trainer: who trains.
        option: the name of the experiment option that makes it.
        text: of that option's file.
        words: what was typed besides.
        folder: the run's.
        finished: whether it is.
    """

    source: Source
    trainer: Trainer
    option: str
    text: str
    words: tuple[str, ...]
    folder: Path
    finished: bool


@dataclass
class Plan:
    """All pairs of picks and trainers.

    Args:
        sources: the runs whose picks they are.
        trainers: by digest, those of the runs first.
        own: the pairs that the runs have played themselves.
        jobs: the other pairs.
        config_dir: a folder of the user's own options.
    """

    sources: list[Source]
    trainers: dict[str, Trainer] = field(default_factory=dict)
    own: dict[Key, Source] = field(default_factory=dict)
    jobs: dict[Key, Job] = field(default_factory=dict)
    config_dir: Path | None = None

    @property
    def missing(self) -> list[Job]:
        return [job for job in self.jobs.values() if not job.finished]


def planned(sources: Sequence[Source], words: Sequence[str], config_dir: Path | None = None) -> Plan:
    """Returns who trains on whose picks.

    Args:
        sources: finished runs that can be compared.
        words: GROUP=OPTION and KEY=VALUE that change what trains, with several values for several trainers; without
            any, each of the runs trains on the picks of all.
        config_dir: a folder of the user's own options.

    Raises:
        ValueError: if a word changes what the picks were bought on, or a run cannot be composed again.
    """
    refuse_words(words)
    plan = Plan([*sources], config_dir=config_dir)
    for source in sources:
        own = trainer_of(source.tree)
        names = source.known.choices
        plan.trainers.setdefault(own, Trainer(own, trainer_leaves(source.tree), names["model"], names["method"]))
        if not source.trained_with_parts:
            plan.own.setdefault((source.picks, source.seed, own), source)
    with TemporaryDirectory() as scratch, initialize_config_dir(str(CONF), version_base="1.3"):
        composer = Composer(plan, Path(scratch), config_dir)
        for job in composer.jobs(words):
            plan.trainers.setdefault(job.trainer.digest, job.trainer)
            plan.jobs.setdefault((job.source.picks, job.source.seed, job.trainer.digest), job)
    return plan


class Composer:
    """Composes the runs, with their options in a folder that is there for that alone."""

    def __init__(self, plan: Plan, scratch: Path, config_dir: Path | None) -> None:
        self.plan, self.scratch = plan, scratch
        copy_options(config_dir, scratch)
        self.search = f"hydra.searchpath=[file://{scratch}]"
        self.recipes: dict[str, Recipe] = {}
        self.known: dict[tuple[str, tuple[str, ...]], str] = {}  # digests of trainers, by base and words

    def jobs(self, words: Sequence[str]) -> Iterator[Job]:
        """Yields each pair that no run has played itself."""
        whole = compose("config", [*without_sweeps(words), self.search], return_hydra_config=True)
        bases = {trainer_of(source.tree): source for source in reversed(self.plan.sources)}
        for typed in split_sweep(whole.hydra.sweeper, words) if words else [()]:
            for base in reversed(bases.values()):
                for source in self.plan.sources:
                    yield from self._job(source, base, typed)

    def _job(self, source: Source, base: Source, typed: tuple[str, ...]) -> Iterator[Job]:
        trainer = self.known.get((base.known.setting, typed))
        if trainer is not None and self._is_there((source.picks, source.seed, trainer)):
            return
        recipe = self._recipe(base).without([*replaced(typed), OF_THE_PICKS])
        budget = self._recipe(source).only(OF_THE_PICKS)
        both = Recipe({**recipe.choices, **budget.choices}, {**recipe.values, **budget.values})
        text = option_text(both, source, source.whose, EXPERIMENT)
        told = hashlib.sha256(text.encode()).hexdigest()[:8]
        option = f"{EXPERIMENT}/{source.picks}-s{source.seed}-{told}"
        write_option(self.scratch, option, text)
        cfg, choices = job_config([f"experiment={option}", *typed, self.search])
        refuse_early(cfg)
        leaves = trainer_leaves(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
        one = Trainer(digest(leaves), leaves, str(choices["model"]), str(choices["method"]))
        self.known[base.known.setting, typed] = one.digest
        if not self._is_there((source.picks, source.seed, one.digest)):
            folder = run_folder(cfg, choices)
            yield Job(source, one, option, text, typed, folder, finished_accuracy(folder, cfg) is not None)

    def _is_there(self, key: Key) -> bool:
        return key in self.plan.own or key in self.plan.jobs

    def _recipe(self, source: Source) -> Recipe:
        known = self.recipes.get(source.known.setting)
        if known is None:
            known = self.recipes[source.known.setting] = recipe_of(source, [self.search])
        return known


def copy_options(config_dir: Path | None, folder: Path) -> None:
    """Copies a user's own options, if there are any, into a folder of options: Hydra takes one such folder.

    Raises:
        ValueError: if there is no such folder.
    """
    if config_dir is None:
        return
    if not config_dir.is_dir():
        raise ValueError(f"--config-dir wants a folder with a folder for each group, but there is no {config_dir}")
    shutil.copytree(config_dir, folder, dirs_exist_ok=True)


def write_option(folder: Path, option: str, text: str) -> Path:
    """Writes an experiment option into a folder of options."""
    path = folder / "experiment" / f"{option}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def replaced(words: Sequence[str]) -> list[str]:
    """Returns the groups that words choose an option of: the values of the former option mean nothing to it."""
    keys = [one.key_or_group for one in OverridesParser.create().parse_overrides([*words])]
    return [key for key in keys if key in options()]


def refuse_words(words: Sequence[str]) -> None:
    """Refuses words that would change the rows, their labels or how many are bought.

    Raises:
        ValueError: naming the first.
    """
    for word in words:
        if word.startswith("="):
            raise ValueError(misread(word))
    for one in OverridesParser.create().parse_overrides([*words]):
        if one.key_or_group.partition("@")[0].partition(".")[0] in OF_THE_RUNS:
            raise ValueError(
                f"{one.input_line} is decided by the runs whose picks are played again; calrun transfer changes what "
                "trains on them, such as model=, method= or trainer.max_epochs="
            )
