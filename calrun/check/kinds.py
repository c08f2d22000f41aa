"""Values of the wrong kind, found before anything is built from them: an option's types are those of its signature.

A signature is first read from its source, which imports nothing but leaves some questions open, and later from the
class or function itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter, isroutine, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from calrun.check.keys import unknown_key
from calrun.check.target import Declared
from calrun.folder.identity import AUGMENT, NEUTRAL_LEAVES
from calrun.method.fit.step_sizes import LastBatch
from calrun.text.words import quoted, typed

Told = Callable[[str], Declared]  # what the class or function of a `_target_` declares
NAMES = {int: "a whole number", float: "a number", bool: "true or false", NoneType: "null", str: "text", Path: "text"}
UNIONS, LISTS, MAPS = (Union, UnionType), (list, tuple, Sequence), (dict, Mapping)
TEXTS = (object, Any)  # types that any text or number of a YAML satisfies
UNDECLARED: dict[str, Any] = {  # types in nodes without a _target_; numbers are in calrun/check/numbers.py
    AUGMENT: bool | None,
    "trainer.channels_last": bool,
    "trainer.compile": bool,
    "trainer.deterministic": Literal[True, False, "warn"],
    "trainer.last_batch": LastBatch | None,
    "trainer.lightning": Mapping[str, Any] | None,
    "record.accuracy_by_round": bool,
    "record.further_tests": Literal["never", "last", "every"],
    "record.metrics": list[str],
    "record.test_entropy": bool,
    "record.keep_states": bool,
    "record.dynamics": bool,
    "record.energy": bool,
}
GIVEN = {
    "model.num_classes": "the data set",
    "model.input_shape": "the data set",
    "model.vocabulary": "the data set",
    "method.setup": "calrun",
    "dataset.seed": "the run",
    "feature_store.content": "the run",
    "feature_store.reading": "the run",
    "feature_store.what": "the run",
}


def wrong_kinds(cfg: DictConfig, told: Told) -> list[str]:
    """Returns one sentence for each value that cannot be what the class or function of its `_target_` declares.

    An interpolated value is judged only where it is defined.

    Args:
        cfg: a composed configuration.
        told: says what a target declares, such as `by_source` or `by_import`.
    """
    found = {key: OmegaConf.select(cfg, key) for key in UNDECLARED}
    undeclared = [_wrong(key, value, UNDECLARED[key]) for key, value in found.items()]
    return [*filter(None, undeclared), *_wrong_below(cfg, "", told)]


def fits(value: Any, hint: Any) -> bool:
    """Tells whether a value of a YAML, without OmegaConf's containers, can be an argument declared as `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return any(fits(value, each) for each in arguments)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if isinstance(value, dict) and "_target_" in value:
        return True  # an object, whose own arguments are checked by themselves
    if origin in LISTS:
        kinds = [str | int | float if kind is str else kind for kind in arguments if kind is not ...]  # names: 0, 1
        return isinstance(value, list) and all(any(fits(each, kind) for kind in kinds) for each in value)
    if origin in MAPS or origin is Callable:
        return isinstance(value, dict)
    return not isinstance(hint, type) or _is_a(value, hint)


def _is_a(value: Any, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if kind in (bool, NoneType):
        return isinstance(value, kind)
    if kind in (str, Path):
        return isinstance(value, str)
    return kind in TEXTS or not isinstance(value, str | int | float)


def by_import(target: str) -> Declared:
    """Returns what a target declares once it is imported."""
    try:
        made_by = get_object(target)
        names: list[str] | None = list(signature(made_by).parameters)
        if any(each.kind == Parameter.VAR_KEYWORD for each in signature(made_by).parameters.values()):
            names = None
        return Declared(_hints(made_by), names)
    except Exception:  # whatever a user's file can raise: it is named when the target is instantiated
        return Declared({}, None)


def _hints(made_by: Any) -> dict[str, Any]:
    try:
        return get_type_hints(made_by if isroutine(made_by) else made_by.__init__)
    except Exception:  # as above
        return {}


def _wrong_below(node: DictConfig | ListConfig, where: str, told: Told) -> Iterator[str]:
    declared = Declared({}, None)
    if isinstance(node, DictConfig):
        target = node.get("_target_")
        declared = told(target) if isinstance(target, str) else declared
        yield from _unknown(node, where, declared)
    names: list[Any] = list(node) if isinstance(node, DictConfig) else list(range(len(node)))
    for name in names:
        if OmegaConf.is_missing(node, name) or OmegaConf.is_interpolation(node, name):
            continue
        key = f"{where}.{name}".lstrip(".")
        if isinstance(node[name], DictConfig | ListConfig):
            yield from _wrong_below(node[name], key, told)
        hint = declared.hints.get(name, Any)
        if key not in GIVEN and (problem := _wrong(key, node[name], hint)):
            yield problem


def _unknown(node: DictConfig, where: str, declared: Declared) -> Iterator[str]:
    """Yields one sentence for each key that a node's class or function does not take, or that calrun gives it."""
    if declared.names is None:
        return
    taken = [name for name in declared.names if f"{where}.{name}" not in GIVEN]
    for name in map(str, node):
        key = f"{where}.{name}"
        if key in GIVEN:
            yield f"{key} comes from {GIVEN[key]}; leave it out"
        elif (
            name not in taken
            and key not in (*NEUTRAL_LEAVES, AUGMENT)
            and not (name.startswith("_") and name.endswith("_"))
        ):
            yield unknown_key(key, taken)


def _wrong(key: str, value: Any, hint: Any) -> str | None:
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    if fits(plain, hint):
        return None
    wanted = f"{key} wants {_named(hint)}, got {plain!r}"
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    mend = f"; put quotes inside the quotes: {typed(quoted(key, str(plain)))}" if is_number and fits("", hint) else ""
    return wanted + mend


def _named(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return " or ".join(dict.fromkeys(_named(each) for each in arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in LISTS:
        return (
            f"a list in which each is {' or '.join(dict.fromkeys(map(_named, (a for a in arguments if a is not ...))))}"
        )
    if origin in MAPS:
        return "keys with values"
    return NAMES.get(hint, "an object (keys with a _target_)")
