"""One sentence for a user's mistake; a traceback only when CALRUN_DEBUG=1 asks for it."""

import os
import re
import sys
import traceback

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from calrun.places import options

MISTAKES = (ValueError, OSError, HydraException, OmegaConfBaseException, NotImplementedError, yaml.YAMLError)


def sentence(error: BaseException) -> str:
    """Returns what went wrong and what to do, on one line."""
    cause: BaseException = error
    while isinstance(cause, HydraException) and cause.__cause__ is not None:
        cause = cause.__cause__
    text = _text(cause)
    target = re.search(r"full_key: (\S+)", str(error))
    if target and cause is not error and isinstance(cause, TypeError):
        key = target.group(1)
        text = f"{key}: {text}; leave it out or choose another {key.split('.')[0]}"
    return re.sub(r"\s+", " ", text).strip()


def report(error: BaseException) -> int:
    """Prints a mistake and returns the exit code: 2 for a user's, 1 with a traceback for ours."""
    if os.environ.get("CALRUN_DEBUG") == "1" or not is_mistake(error):
        traceback.print_exception(error)
        return 2 if is_mistake(error) else 1
    print(f"calrun: {sentence(error)}", file=sys.stderr)
    return 2


def is_mistake(error: BaseException) -> bool:
    """Tells a user's mistake from a fault of calrun's."""
    return isinstance(error, MISTAKES)


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        return f"cannot read or write{where}: {error.strerror.lower()}; mend this and run the same command again"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value yet; add {error.full_key}=..."
    if isinstance(error, ConfigKeyError | ConfigAttributeError) and isinstance(error.parent_node, DictConfig):
        return _unknown_key(str(error.full_key), error.parent_node)
    text = str(error)
    if "Expected more than 1 value per channel when training" in text:
        return (
            "the model's BatchNorm cannot normalise a step of one row; choose trainer.batch_size above 1 and a budget "
            "that starts with 2 rows or more, or a model without BatchNorm"
        )
    if unset := re.search(r"Missing mandatory value: (\S+)", text):  # behind an interpolation
        return f"{unset.group(1)} has no value yet; add {unset.group(1)}=..."
    listed = re.search(r"Could not find '(\S+)'.*?Available options in '\S+':\s*(.*?)\s*Config search path", text, re.S)
    if listed:
        choice, legal = listed.groups()
        group = next((ours for ours in options() if choice.startswith(f"{ours}/")), choice.rpartition("/")[0])
        name = choice.removeprefix(f"{group}/")
        ours = options().get(group, [])  # in folders too, where Hydra does not look
        shown = sorted({*ours, *(option for option in legal.split() if not option.startswith("_"))})
        return f"{group}={name} is no option; choose one of: {', '.join(shown)}"
    return text


def _unknown_key(key: str, parent: DictConfig) -> str:
    where, legal = key.rpartition(".")[0], sorted(str(name) for name in parent if not str(name).startswith("_"))
    if not legal:
        return f"{key} is no option, for {where} as chosen has none; leave it out or choose another {key.split('.')[0]}"
    owner = f"{where} has" if where else "a configuration has"
    return f"{key} is no option; {owner}: {', '.join(legal)}; +{key}=... would add it"
