"""Refuses what can be refused in a configuration without a neural network; imports nothing that trains."""

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from calrun.check.kinds import wrong_kinds
from calrun.check.lightning import refused_arguments
from calrun.check.numbers import wrong_numbers
from calrun.check.target import by_source
from calrun.check.together import refused_together
from calrun.errors import MISTAKES, sentence
from calrun.places import is_place
from calrun.text.words import SEPARATOR


def refuse_early(cfg: DictConfig) -> None:
    """Refuses what cannot work with any data and network.

    Raises:
        ValueError: with every problem found, one after the other.
    """
    problems = [*wrong_numbers(cfg), *wrong_kinds(cfg, by_source), *refused_arguments(cfg.trainer), *_no_encoder(cfg)]
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


def _no_encoder(cfg: DictConfig) -> list[str]:
    """Returns a sentence if `model.path` can only be a folder and is none; later, the tokenizer would be blamed."""
    path = None if OmegaConf.is_missing(cfg.model, "path") else cfg.model.get("path")
    ours = str(cfg.model.get("_target_")).startswith("calrun.model.")
    if not ours or not isinstance(path, str) or not is_place(path) or Path(path).expanduser().is_dir():
        return []
    return [
        f"model.path={path} is no folder; give a folder with an encoder of transformers, or its name at huggingface.co"
    ]
