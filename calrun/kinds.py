"""Values of the wrong kind, found before anything is made of them: an option's types are those of its signature."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import isroutine
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

NAMES = {int: "a whole number", float: "a number", bool: "true or false", NoneType: "null", str: "text"}
UNIONS, LISTS, MAPS = (Union, UnionType), (list, tuple, Sequence), (dict, Mapping)
TEXTS = (str, Path, object, Any)  # what any text or number of a YAML can stand for
UNDECLARED: dict[str, Any] = {  # of nodes without a _target_; numbers are in calrun/conflicts.py
    "trainer.channels_last": bool,
    "trainer.compile": bool,
    "trainer.deterministic": Literal[True, False, "warn"],
    "trainer.lightning": Mapping[str, Any] | None,
    "record.accuracy_by_round": bool,
    "record.test_entropy": bool,
    "record.keep_states": bool,
    "record.energy": bool,
}


def wrong_kinds(cfg: DictConfig) -> list[str]:
    """Returns one sentence for each value that cannot be what the class or function of its `_target_` declares.

    What is interpolated is judged where it stands.
    """
    found = {key: OmegaConf.select(cfg, key) for key in UNDECLARED}
    undeclared = [_wrong(key, value, UNDECLARED[key]) for key, value in found.items()]
    return [*filter(None, undeclared), *_wrong_below(cfg, "")]


def fits(value: Any, hint: Any) -> bool:
    """Tells whether a value of a YAML, without OmegaConf's containers, can be an argument declared as `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return any(fits(value, each) for each in arguments)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if isinstance(value, dict) and "_target_" in value:
        return True  # an object, which says itself what it wants
    if origin in LISTS:
        kinds = [kind for kind in arguments if kind is not ...]
        return isinstance(value, list) and all(any(fits(each, kind) for kind in kinds) for each in value)
    if origin in MAPS or origin is Callable:
        return isinstance(value, dict)
    return not isinstance(hint, type) or _is_a(value, hint)


def _is_a(value: Any, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if kind in (bool, NoneType):
        return isinstance(value, kind)
    return kind in TEXTS or not isinstance(value, str | int | float)


def _wrong_below(node: DictConfig, where: str) -> Iterator[str]:
    hints = _hints(node.get("_target_"))
    for name in map(str, node):
        if OmegaConf.is_missing(node, name) or OmegaConf.is_interpolation(node, name):
            continue
        key = f"{where}.{name}" if where else name
        if isinstance(node[name], DictConfig):
            yield from _wrong_below(node[name], key)
        if name in hints and (problem := _wrong(key, node[name], hints[name])):
            yield problem


def _wrong(key: str, value: Any, hint: Any) -> str | None:
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    return None if fits(plain, hint) else f"{key} wants {_named(hint)}, got {plain!r}"


def _named(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return " or ".join(dict.fromkeys(_named(each) for each in arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in LISTS:
        return f"a list, each {' or '.join(dict.fromkeys(_named(each) for each in arguments if each is not ...))}"
    if origin in MAPS:
        return "keys with values"
    return NAMES.get(hint, "an object (keys with a _target_)")


def _hints(target: Any) -> dict[str, Any]:
    if not isinstance(target, str):
        return {}
    try:
        made_by = get_object(target)
        return get_type_hints(made_by if isroutine(made_by) else made_by.__init__)
    except Exception:  # whatever a user's file can raise: it is named when the target is instantiated
        return {}
