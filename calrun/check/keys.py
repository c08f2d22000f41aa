"""Which keys a configuration can have; one that nothing would read is refused before anything else is checked."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from calrun.check.target import arguments
from calrun.places import CONF, experiment_folder, options
from calrun.text.words import SEPARATOR, nearest

LARGEST_SEED = 2**63 - 1  # largest number that torch and W&B keep in 64 bits


def refuse_unread(cfg: DictConfig, choices: dict[str, Any], hydra: DictConfig | None = None) -> None:
    """Refuses what would otherwise go unnoticed, such as keys that nothing reads and values of another pair.

    Args:
        cfg: a composed configuration.
        choices: the name of each group's chosen option.
        hydra: Hydra's own part; a key that it refers to counts as read.

    Raises:
        ValueError: with every problem found, one after the other.
    """
    experiment_folder(cfg.get("paths", {}).get("outputs"), cfg.get("experiment_name"))
    keys_of = [*_unread(cfg, hydra), *_unread_by_logger(cfg), *_unread_by_hydra(hydra), *_taken_away(cfg)]
    typed = hydra.overrides.task if hydra else ()
    problems = [*keys_of, *_other_pair(choices, typed), *_homes(cfg), *_large_seeds(cfg)]
    if problems:
        raise ValueError(SEPARATOR.join(problems))


@cache
def own_keys() -> dict[str, list[str]]:
    """Returns the keys of the nodes that only calrun reads: the top (as ""), and the ones below it without a class."""
    top: dict[str, Any] = yaml.safe_load((CONF / "config.yaml").read_text())
    chosen = {group: option for line in top["defaults"] if isinstance(line, dict) for group, option in line.items()}
    values = {key: value for key, value in top.items() if key not in ("defaults", "hydra")}
    groups = [group for group, option in chosen.items() if " " not in group and option is not None]
    below = {key: list(value) for key, value in values.items() if isinstance(value, dict) and key not in groups}
    trainer = list(yaml.safe_load(_text("trainer", "default")))
    return {"": [*dict.fromkeys([*values, *groups])], **below, "trainer": trainer}


@cache
def keys() -> list[str]:
    """Returns the keys that an override can set, as far as the files tell without being composed."""
    found = [f"{node}.{key}".lstrip(".") for node, beside in own_keys().items() for key in beside]
    legal = options()
    for group in (key for key in own_keys()[""] if key in legal):
        texts = [text for option in legal[group] if "@package" not in (text := _text(group, option))]
        found += [leaf for text in texts for leaf in _leaves(yaml.safe_load(text) or {}, group)]
    return list(dict.fromkeys([*found, *legal]))


def unknown_key(key: str, beside: Iterable[str], everywhere: Iterable[str] | None = None) -> str:
    """Says that there is no such key, which one was probably meant, and which keys there are.

    Args:
        key: its whole path.
        beside: the names of the keys beside it.
        everywhere: the paths of all keys; `None` takes those that the files name.
    """
    where, legal = key.rpartition(".")[0], sorted(str(name) for name in beside if name != "hydra")
    close = nearest(key, [f"{where}.{name}".lstrip(".") for name in legal], elsewhere=False)
    close = close or nearest(key, everywhere or keys())
    guess = f", the nearest is {close}" if close not in ("", key) else ""
    owner = f"{where}{'' if where in own_keys() else ' as chosen'}" if where else "a configuration"
    return f"{key} is no option{guess}; {owner} has: {', '.join(legal) or 'none'}"


def _unread(cfg: DictConfig, hydra: DictConfig | None) -> Iterator[str]:
    for node, known in own_keys().items():
        beside = cfg.get(node) if node else cfg
        for name in map(str, beside) if isinstance(beside, DictConfig) else ():
            key = f"{node}.{name}".lstrip(".")
            if name not in known and not any(_refers(tree, key) for tree in (cfg, hydra)):
                yield unknown_key(key, known)


def _unread_by_logger(cfg: DictConfig) -> Iterator[str]:
    """Yields unknown keys of the logger: a finished run answers before its logger is built and could refuse them."""
    logger = cfg.get("logger") or {}
    known = arguments(str(logger.get("_target_")))
    if known is not None:
        yield from (
            unknown_key(f"logger.{name}", known) for name in map(str, logger) if name not in [*known, "_target_"]
        )


def _unread_by_hydra(hydra: DictConfig | None) -> Iterator[str]:
    """Yields unknown keys of Hydra, which accepts any key with a + before it but reads only those it knows."""
    if hydra is None:
        return
    hints = get_type_hints(HydraConf)
    for name in map(str, hydra):
        kind = hints.get(name)
        if kind is None and name != "env":  # a group of Hydra's without a place among its keys
            yield unknown_key(f"hydra.{name}", hints)
        elif is_dataclass(kind):
            known = get_type_hints(kind)
            yield from (unknown_key(f"hydra.{name}.{key}", known) for key in map(str, hydra[name]) if key not in known)


def _refers(tree: DictConfig | None, key: str) -> bool:
    """Tells whether some value of a configuration refers to a key."""
    return tree is not None and re.search(rf"\$\{{[^}}]*\b{re.escape(key)}\b", OmegaConf.to_yaml(tree)) is not None


def _taken_away(cfg: DictConfig) -> Iterator[str]:
    legal = options()
    for node, known in own_keys().items():
        beside = cfg.get(node, {}) if node else cfg
        for name in known:
            if name not in beside or (not node and name in legal and beside.get(name) is None):
                key = f"{node}.{name}" if node else name
                choose = f" and choose one of: {', '.join(legal[key])}" if key in legal else ""
                yield f"a run wants {key}, but it is taken away; leave ~{key} out{choose}"


def refuse_unknown_hparams(choices: dict[str, Any], overrides: Sequence[str]) -> None:
    """Refuses a misspelt option of hparams, which Hydra ignores in silence because the group is optional.

    Raises:
        ValueError: if there is no such option.
    """
    pair = f"{choices.get('dataset')}_{choices.get('method')}"
    wanted = [name for name in chosen_hparams(choices, overrides) if name != pair]
    if not wanted:
        return
    legal = GlobalHydra.instance().config_loader().get_group_options("hparams")
    for name in wanted:
        if name not in legal:
            close = nearest(name, legal)
            guess = f", the nearest is {close}" if close else ""
            raise ValueError(f"hparams={name} is no option{guess}; choose one of: {', '.join(legal)}")


def chosen_hparams(choices: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Returns the chosen options of hparams; of several, `hparams=[a,b]`, Hydra notes none among its choices."""
    if choices.get("hparams") is not None:
        return [choices["hparams"]]
    lists = [text for text in overrides if text.startswith("hparams=[")]
    return [str(name) for one in OverridesParser.create().parse_overrides(lists[-1:]) for name in _listed(one)]


def _listed(override: Override) -> list[Any]:
    value = override.value()
    return value if isinstance(value, list) else []


def _other_pair(choices: dict[str, Any], overrides: Sequence[str]) -> Iterator[str]:
    """Yields a refusal of values for another data set and method, which would silently change this run."""
    dataset, method, legal = choices.get("dataset"), choices.get("method"), options()
    pairs = {f"{data}_{name}": (data, name) for data in legal["dataset"] for name in legal["method"]}
    for wanted in chosen_hparams(choices, overrides):
        if wanted in pairs and wanted != f"{dataset}_{method}":
            data, name = pairs[wanted]
            yield (
                f"hparams={wanted} are values for dataset={data} with method={name}, but this run has "
                f"dataset={dataset} with method={method}; leave hparams out: the values of a pair come by themselves"
            )


def _homes(cfg: DictConfig) -> Iterator[str]:
    plain = OmegaConf.to_container(cfg, resolve=False)
    for key, value in _texts(plain, ""):
        if re.fullmatch(r"~(/.*)?", value):
            yield f"{key} is {value}, but only a shell reads ~; write {Path(value).expanduser()}"


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in named:
        yield from _texts(item, f"{where}.{name}".lstrip("."))


def _large_seeds(cfg: DictConfig) -> Iterator[str]:
    for key in ("seed", "seed_set_seed"):
        if isinstance(value := cfg.get(key), int) and value > LARGEST_SEED:
            yield f"{key} wants a whole number up to {LARGEST_SEED} (2^63 - 1), got {value}"


def _leaves(node: dict[str, Any], where: str) -> list[str]:
    keys = [key for key in node if not key.startswith("_") and key != "defaults"]
    below = [leaf for key in keys if isinstance(node[key], dict) for leaf in _leaves(node[key], f"{where}.{key}")]
    return [*below, *(f"{where}.{key}" for key in keys if not isinstance(node[key], dict))]


def _text(group: str, option: str) -> str:
    return (CONF / group / f"{option}.yaml").read_text()
