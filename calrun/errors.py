"""One sentence for a user's mistake; a traceback only when CALRUN_DEBUG=1 asks for it."""

import os
import re
import sys
import traceback
from collections.abc import Callable

import yaml
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from calrun.check.keys import unknown_key
from calrun.check.target import arguments
from calrun.oracle.wanted import LabelsWanted
from calrun.places import options
from calrun.text.words import misread, nearest, quoted, typed

MISTAKES = (ValueError, OSError, HydraException, OmegaConfBaseException, NotImplementedError, yaml.YAMLError)
INTERRUPTED = 130  # the exit code after Ctrl-C
LABELS_WANTED = 3  # the exit code of a run that has come as far as it can without further labels
BUY_TWO = "let the budget buy 2 rows or more for each round (its start and its step)"
BATCH_NORM = "Expected more than 1 value per channel when training"


class FailedRun(Exception):
    """A run that another process has played has failed there, for a reason that its folder tells.

    Args:
        reason: one sentence.
        code: the exit code of its process.
    """

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


def sentence(error: BaseException) -> str:
    """Returns what went wrong and what to do, on one line."""
    cause: BaseException = error
    while isinstance(cause, HydraException) and cause.__cause__ is not None:
        cause = cause.__cause__
    text, kind = _text(cause), type(cause).__name__
    target = re.search(r"full_key: (\S+)", str(error))
    if target and cause is not error and isinstance(cause, TypeError):
        key = target.group(1)
        text = f"{key}: {text}; leave it out or choose another {key.split('.')[0]}"
    elif target and cause is not error and not is_mistake(cause) and not isinstance(cause, ImportError):
        text = f"{target.group(1)}: its class raises {kind} ({text}); CALRUN_DEBUG=1 shows where"
    elif text == str(cause) and not isinstance(cause, (*MISTAKES, FailedRun, LabelsWanted, ImportError)):
        text = f"{kind}: {text}"  # a KeyError says no more than its key
    return re.sub(r"\s+", " ", text).strip()


def report(error: BaseException) -> int:
    """Prints why a command ends, with a traceback if it is not the user's mistake; returns its `exit_code`."""
    if os.environ.get("CALRUN_DEBUG") == "1" or not isinstance(error, (*MISTAKES, FailedRun, LabelsWanted)):
        traceback.print_exception(error)
    else:
        print(f"calrun: {sentence(error)}", file=sys.stderr)
    return exit_code(error)


def exit_code(error: BaseException | None) -> int:
    """Returns the exit code of a process that ends with this error, or with none."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, LabelsWanted):
        return LABELS_WANTED
    if isinstance(error, FailedRun):
        return error.code
    return 2 if is_mistake(error) else 1


def is_mistake(error: BaseException) -> bool:
    """Tells a user's mistake from a fault in calrun."""
    return isinstance(error, MISTAKES)


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        return f"cannot read or write{where}: {error.strerror.lower()}; mend this and run the same command again"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value yet; add {error.full_key}=..."
    if isinstance(error, OverrideParseException):
        return misread(error.override)
    if isinstance(error, ConfigKeyError | ConfigAttributeError) and isinstance(error.parent_node, DictConfig):
        return _unknown_key(str(error.full_key), error.parent_node)
    if BATCH_NORM in str(error):
        return (
            f"the model's BatchNorm cannot normalise a step of one row; choose trainer.batch_size above 1, {BUY_TWO}, "
            "or choose a model without BatchNorm"
        )
    return _of_hydra(str(error)) or str(error)


def _unknown_key(key: str, parent: DictConfig) -> str:
    where, _, name = key.rpartition(".")
    if "/" in key:
        return _unknown_group(key)
    if name in (arguments(str(parent.get("_target_"))) or []) or where == "trainer.lightning":
        return f"{key} has no value to change; write +{key}=... to give it one"
    beside = [str(each) for each in parent if not str(each).startswith("_")]
    root = parent._get_root()
    everywhere = _paths(root, "", key.startswith("hydra.")) if isinstance(root, DictConfig) else None
    return unknown_key(key, beside, everywhere)


def _paths(node: DictConfig, where: str, hydra: bool) -> list[str]:
    found = []
    for name in map(str, node):
        path = f"{where}.{name}".lstrip(".")
        if name.startswith("_") or (path == "hydra" and not hydra):
            continue
        below = node._get_node(name)
        found += [path, *(_paths(below, path, hydra) if isinstance(below, DictConfig) and not below._is_none() else [])]
    return found


def _of_hydra(text: str) -> str | None:
    """Returns one sentence for what Hydra says in several, or with advice that does not help."""
    for pattern, say in SAID_BY_HYDRA.items():
        if found := re.search(pattern, text, re.S):
            return say(*found.groups())
    return None


def _several(override: str) -> str:
    key, _, values = override.partition("=")
    as_list, as_text = typed(f"{key}=[{values}]"), typed(quoted(key, values))
    return f"{override} names several values; add -m to play a run for each, or write {as_list} or, as text, {as_text}"


def _no_name(kind: str) -> str:
    came = "nothing" if kind == "NoneType" else f"a value of type {kind}"
    return f"a group wants the name of an option, got {came}; calrun list shows the options of each group"


def _unknown_group(name: str) -> str:
    groups = [*options(), "hydra/launcher", "hydra/sweeper"]
    close = nearest(name, groups)
    guess = f", the nearest is {close}" if close else ""
    return f"there is no group {name}{guess}; the groups are: {', '.join(groups)}"


def _unknown_option(choice: str, others: str) -> str:
    ours = options()
    group = next((each for each in ours if choice.startswith(f"{each}/")), choice.rpartition("/")[0])
    name = choice.removeprefix(f"{group}/")
    legal = sorted(
        {*ours.get(group, []), *(each for each in others.split() if not each.startswith("_"))}
    )  # in folders too
    close = nearest(name, legal)
    guess = f", the nearest is {close}" if close else ""
    return f"{group}={name} is no option{guess}; choose one of: {', '.join(legal)}"


SAID_BY_HYDRA: dict[str, Callable[..., str]] = {
    r"Error loading '(\S+)':\s*(.*?)\s*Are you sure": lambda name, why: (
        f"{name} cannot be loaded ({why}); correct the _target_ that names it, or mend its module"
    ),
    r"Missing mandatory value: (\S+)": lambda key: f"{key} has no value yet; add {key}=...",  # behind an interpolation
    r"dereferencing interpolation '\$\{(\S+)\}': Incompatible value 'None'": lambda key: (
        f"{key} has no value; give it one: {key}=..."
    ),
    r"Config group override must be a string or a list\. Got (\w+)": _no_name,
    r"Ambiguous value for argument '(\S.*?)'\s+1\. To use": _several,
    r"Multiple values for (\S+)\. To override.* '(?:override )?\S+: (.*)'": lambda group, option: (
        f"{group} is chosen already; write {group}={option} without a + before it"
    ),
    r"An item is already at '(.*?)'": lambda key: f"{key} has a value already; write {key}=... without a + before it",
    r"Could not (?:override|delete) '(.*?)'\.? No match in the defaults list": _unknown_group,
    r"Could not delete from config\. '(.*?)' does not exist": lambda key: (
        f"there is no {key} to take away; leave ~{key} out"
    ),
    r"Could not find '(\S+)'.*?Available options in '\S+':\s*(.*?)\s*Config search path": _unknown_option,
}
