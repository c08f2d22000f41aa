"""`scale`: a smaller version of a run, with fewer labels and fewer epochs, wherever its YAMLs say how many."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

GROUPS = ("trainer", "stop", "optimizer", "method")
EPOCHS = {  # names of numbers of epochs, with the least that makes sense
    "epochs": 1,
    "max_epochs": 1,
    "cal_epochs": 1,
    "patience": 1,
    "window": 2,
    "milestones": 1,  # whole numbers of them; others are shares
}


def scaled(numbers: Sequence[int], scale: float) -> list[int]:
    """Returns increasing numbers made smaller, each at least 1 more than the one before it."""
    smaller: list[int] = []
    for number in numbers:
        smaller.append(max(round(number * scale), smaller[-1] + 1 if smaller else 1))
    return smaller


def scale_epochs(cfg: DictConfig) -> None:
    """Makes all numbers of epochs of a configuration's training smaller; interpolated ones follow what they name."""
    for group in GROUPS:
        if isinstance(node := OmegaConf.select(cfg, group), DictConfig):
            _scale(node, cfg.scale)


def _scale(node: DictConfig | ListConfig, scale: float) -> None:
    for key in list(node) if isinstance(node, DictConfig) else range(len(node)):
        if OmegaConf.is_interpolation(node, key) or OmegaConf.is_missing(node, key):
            continue
        if key in EPOCHS:
            node[key] = _less(node[key], EPOCHS[key], scale)
        elif isinstance(node[key], DictConfig | ListConfig):
            _scale(node[key], scale)


def _less(value: Any, least: int, scale: float) -> Any:
    """Returns whole numbers made smaller, though not below `least` where they were not; anything else as it is."""
    if isinstance(value, ListConfig):
        return [_less(each, least, scale) for each in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    return max(round(value * scale), min(value, least))
