"""What a recipe takes at most: runs, samples with gradient, steps, and rows that are scored; from its configuration.

A run's own numbers need no data. Those of the recipes with printed numbers lie in costs.yaml, made by
`python scripts/recipe_costs.py`, because composing some two hundred configurations takes a minute.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from hydra.utils import instantiate
from omegaconf import DictConfig

from calrun.method.fit.scale import fewer, scaled
from calrun.method.visit import Visit
from calrun.part.setup import BACKWARD
from calrun.round import planned_rounds
from calrun.task.classification import Classification

REFERENCE = "one NVIDIA H200 in bf16, ResNet-18 (scripts/MEASUREMENTS.md, section 5)"
FLOPS = 2.0e14  # reached by eight such runs side by side


@dataclass(frozen=True)
class Cost:
    """The most that a recipe takes, all seeds together.

    Args:
        runs: how many there are.
        samples: rows that pass forward and backward if no round stops early.
        steps: of the optimizer.
        scored: rows that pass forward for the choice of other rows.
        row_flops: multiplications and additions of a forward pass of one row that is scored.
        trained_flops: those of a row that is trained on; fewer where only a head is trained.
        step_seconds: of a small step, alone on a GPU: the time to start its kernels.
    """

    runs: int
    samples: float
    steps: float
    scored: float
    row_flops: float
    trained_flops: float
    step_seconds: float

    @property
    def gpu_hours(self) -> float:
        """Hours on REFERENCE, the runs one after the other: the slower of starting the steps and of computing them."""
        computed = self.samples * (1 + BACKWARD) * self.trained_flops / FLOPS
        return (max(computed, self.steps * self.step_seconds) + self.scored * self.row_flops / FLOPS) / 3600


@cache
def recorded_costs() -> dict[str, Cost]:
    """Returns the cost of each recipe in costs.yaml."""
    text = files("calrun.sweep").joinpath("costs.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["recipes"]
    return {name: Cost(**numbers) for name, numbers in found.items()}


def most_work(cfg: DictConfig, pool_size: int) -> tuple[float, float]:
    """Returns upper bounds on a run's samples with gradient and on its steps: every round trains for all its epochs.

    Args:
        cfg: a run's configuration; of a proxy and a full network, the full one counts.
        pool_size: rows that can be labelled, before `scale`.
    """
    visit: Visit = instantiate(cfg.method.get("full", cfg.method).visit, _convert_="all")
    visit.begin_run(Classification(), cfg.trainer.last_batch)
    samples = num_steps = 0.0
    for this_round in planned_rounds(sizes_of(cfg, pool_size)):
        is_later = visit.replay_size and this_round.number > 1
        epochs = fewer(cfg.trainer.cal_epochs if is_later else cfg.trainer.max_epochs, cfg.scale)
        steps = visit.epoch(this_round, 0, cfg.trainer.batch_size)
        replayed = visit.num_replayed(len(this_round.history_rows))
        samples += epochs * sum(len(step.current) + replayed for step in steps)
        num_steps += epochs * len(steps)
    return samples, num_steps


def most_samples(cfg: DictConfig, pool_size: int) -> float:
    """Returns an upper bound on the samples with gradient of a run, see `most_work`."""
    return most_work(cfg, pool_size)[0]


def most_scored(cfg: DictConfig, choices: dict[str, Any], pool_size: int) -> float:
    """Returns how many rows are scored if each round looks at all that are unlabelled; random looks at none."""
    if choices["acquisition"] == "random":
        return 0.0
    return float(sum(unlabelled(sizes_of(cfg, pool_size), round(pool_size * cfg.scale))))


def unlabelled(sizes: list[int], pool_size: int) -> Iterator[int]:
    """Yields the rows that are left to choose from in each round that chooses."""
    for labelled in sizes[:-1]:
        yield pool_size - labelled


def sizes_of(cfg: DictConfig, pool_size: int) -> list[int]:
    return scaled(instantiate(cfg.budget).planned(pool_size), cfg.scale)
