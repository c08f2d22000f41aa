"""Names for what a report puts side by side: a context (what is compared within), a line (what is compared).

A context is one data set, model and budget plan; a line is a method and an acquisition there. Two settings of the same
names are told apart by the configuration leaves in which they differ, so that no mean mixes, say, two values of alpha.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from calrun.report.configuration import Configuration, is_context, is_setting


def add_names(table: pd.DataFrame, configurations: Mapping[str, Configuration]) -> pd.DataFrame:
    """Returns `table` with the columns context and variant (empty where the names alone tell the settings apart)."""
    contexts = name_contexts(configurations.values())
    variants = name_variants(configurations.values())
    named = table.copy()
    named["context"] = [contexts[configurations[run_id].context] for run_id in table["run_id"]]
    named["variant"] = [variants[configurations[run_id].setting] for run_id in table["run_id"]]
    return named


def name_contexts(configurations: Iterable[Configuration]) -> dict[str, str]:
    """Returns a name by context digest: data set and model, with what differs in brackets where that is not enough."""
    groups: dict[str, dict[str, Configuration]] = defaultdict(dict)
    for configuration in configurations:
        groups[context_name(configuration)][configuration.context] = configuration
    names = {}
    for name, members in groups.items():
        leaves = [leaves_where(member, is_context) for member in members.values()]
        for context, label in zip(members, difference_labels(leaves), strict=True):
            names[context] = f"{name} ({label})" if label else name
    return names


def context_name(configuration: Configuration) -> str:
    """Returns data set and model, and the scale of a shrunk run, which is never shown as a whole one."""
    scale = configuration.leaves.get("scale", 1.0)
    name = f"{configuration.choices['dataset']}, {configuration.choices['model']}"
    return name if scale == 1 else f"{name}, scaled to {scale:g}"


def name_variants(configurations: Iterable[Configuration]) -> dict[str, str]:
    """Returns by setting what tells it from others of the same context, method and acquisition; mostly ''.

    A setting whose acquisition reads the labels of the pool, though its name does not say so, is marked 'oracle'.
    """
    groups: dict[tuple[str, ...], dict[str, Configuration]] = defaultdict(dict)
    for configuration in configurations:
        key = (configuration.context, configuration.choices["method"], configuration.choices["acquisition"])
        groups[key][configuration.setting] = configuration
    names: dict[str, str] = {}
    for members in groups.values():
        leaves = [leaves_where(member, is_setting) for member in members.values()]
        for (setting, member), label in zip(members.items(), difference_labels(leaves), strict=True):
            names[setting] = ", ".join([label] * bool(label) + ["oracle"] * by_class(member))
    return names


def by_class(configuration: Configuration) -> bool:
    """Says whether the acquisition, or one within it, selects class by class, which reads the labels of the pool."""
    leaves = configuration.leaves.items()
    return any(
        value is True and key.startswith("acquisition.") and key.endswith(".class_conditional") for key, value in leaves
    )


def leaves_where(configuration: Configuration, wanted: Callable[[str], bool]) -> dict[str, Any]:
    return {key: value for key, value in configuration.leaves.items() if wanted(key)}


def differing_keys(members: list[dict[str, Any]]) -> list[str]:
    """Returns the keys whose value is not the same in all `members`, sorted; a key that one lacks differs."""
    keys = sorted({key for member in members for key in member})
    return [key for key in keys if len({repr(member.get(key)) for member in members}) > 1]


def difference_labels(members: list[dict[str, Any]]) -> list[str]:
    """Returns for each member the leaves in which the members differ as 'alpha=0.1, lr=0.01'; '' for a lone one."""
    keys = differing_keys(members)
    return [
        ", ".join(f"{name}={member.get(key, 'none')}" for key, name in zip(keys, short_names(keys), strict=True))
        for member in members
    ]


def short_names(keys: Sequence[str]) -> list[str]:
    """Returns the last part of each dotted key, or the whole key where two end alike."""
    short = [key.rsplit(".", 1)[-1] for key in keys]
    return [last if short.count(last) == 1 else key for key, last in zip(keys, short, strict=True)]
