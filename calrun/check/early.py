"""Refuses what can be refused in a configuration without a neural network; imports nothing that trains."""

from hydra.utils import instantiate
from omegaconf import DictConfig

from calrun.check.kinds import wrong_kinds
from calrun.check.lightning import refused_arguments
from calrun.check.numbers import wrong_numbers
from calrun.check.target import by_source
from calrun.check.together import refused_together
from calrun.errors import MISTAKES, sentence
from calrun.text.words import SEPARATOR


def refuse_early(cfg: DictConfig) -> None:
    """Refuses what cannot work with any data and network.

    Raises:
        ValueError: with every problem found, one after the other.
    """
    problems = [*wrong_numbers(cfg), *wrong_kinds(cfg, by_source), *refused_arguments(cfg.trainer)]
    problems += refused_together(cfg)  # before the processes wait for each other
    if not any(problem.startswith("budget.") for problem in problems):
        problems += _wrong_budget(cfg)
    if problems:
        raise ValueError(SEPARATOR.join(problems))


def _wrong_budget(cfg: DictConfig) -> list[str]:
    try:
        instantiate(cfg.budget)
    except MISTAKES as error:
        return [sentence(error)]
    return []
