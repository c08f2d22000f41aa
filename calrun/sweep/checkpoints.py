"""The files of weights that a table's runs begin from: they are the user's to bring, so a dry run looks at them too."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from calrun.text.words import SEPARATOR

CHECKPOINT, START = "checkpoint", "start.path"  # ends of the keys of models and of methods that name such a file


def refuse_unreadable(configurations: Iterable[DictConfig]) -> None:
    """Refuses runs whose files of weights are missing or cannot be read.

    Raises:
        ValueError: with one sentence for each file.
    """
    from calrun.model.adapt.checkpoint import weights_in  # here, because most tables name no file

    named = dict.fromkeys(found for cfg in configurations for found in files_of(cfg))
    problems = []
    for key, file in named:
        try:
            weights_in(Path(file).expanduser())
        except ValueError as error:
            problems.append(f"{key}={file}: {error}")
    if problems:
        raise ValueError(SEPARATOR.join(problems))


def files_of(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    """Yields the key and the place of each file of weights that a configuration names."""
    tree = {name: OmegaConf.to_container(cfg[name], resolve=True) for name in ("model", "method")}
    for key, value in leaves(tree, ""):
        if isinstance(value, str) and (key == f"model.{CHECKPOINT}" or key.endswith(f".{START}")):
            yield key, value


def leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yields dotted keys and values of nested dictionaries."""
    if not isinstance(value, dict):
        yield where, value
        return
    for key, item in value.items():
        yield from leaves(item, f"{where}.{key}".lstrip("."))
