"""Names for what a report puts side by side: a panel, a context (what is compared number by number), a line.

A panel is one data set and model; a context is one of its budget plans; a line is a method and an acquisition there.
Two settings of the same names are told apart by the configuration leaves in which they differ, so that no mean mixes,
say, two values of alpha.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from calrun.folder.identity import USUAL
from calrun.report.read.configuration import BUDGET, CONTEXT, DATA, Configuration, digest, part_of
from calrun.report.table.plain import printable

COPYING = ("method.", "stop.")  # beginnings of keys whose values are mostly interpolations of others
MOST_DIFFERENCES, LONGEST_VALUE = 3, 24  # keys and letters in a name; a hash tells apart what is shortened


def add_names(table: pd.DataFrame, configurations: Mapping[str, Configuration]) -> pd.DataFrame:
    """Returns `table` with the columns panel, context, variant (empty where names tell the settings apart), cheats."""
    panels = name_panels(configurations.values())
    plans = name_plans(configurations.values(), panels)
    variants = name_variants(configurations.values(), panels, plans)
    named = table.copy()
    own = [configurations[run_id] for run_id in table["run_id"]]
    named["panel"] = [panels[one.context] for one in own]
    named["context"] = [joined(panels[one.context], plans[one.context]) for one in own]
    named["variant"] = [variants[one.setting] for one in own]
    named["cheats"] = [", ".join(one.cheats) for one in own]
    return named


def name_panels(configurations: Iterable[Configuration]) -> dict[str, str]:
    """Returns a panel by context digest: data set and model, and in brackets what differs besides the budget."""
    groups: dict[str, dict[str, Configuration]] = defaultdict(dict)
    for configuration in configurations:
        groups[panel_name(configuration)][configuration.context] = configuration
    names: dict[str, str] = {}
    for name, members in groups.items():
        labels = difference_labels([part_of(member.leaves, CONTEXT) for member in members.values()])
        names |= {context: joined(name, label) for context, label in zip(members, labels, strict=True)}
    return names


def panel_name(configuration: Configuration) -> str:
    """Returns data set and model, and the scale of a shrunk run, so that nobody takes it for a whole one."""
    name = f"{configuration.choices['dataset']}, {configuration.choices['model']}"
    return name if configuration.scale == 1 else f"{name}, scaled to {configuration.scale:g}"


def name_plans(configurations: Iterable[Configuration], panels: Mapping[str, str]) -> dict[str, str]:
    """Returns, by context, what tells its budget plan from the others of its panel; '' if there is only one."""
    groups: dict[str, dict[str, Configuration]] = defaultdict(dict)
    for configuration in configurations:
        groups[panels[configuration.context]][configuration.context] = configuration
    names: dict[str, str] = {}
    for members in groups.values():
        labels = difference_labels([part_of(member.leaves, BUDGET) for member in members.values()])
        names |= dict(zip(members, labels, strict=True))
    return names


def name_variants(
    configurations: Iterable[Configuration], panels: Mapping[str, str], plans: Mapping[str, str]
) -> dict[str, str]:
    """Returns, by setting, what tells it from others with the same panel, method and acquisition; mostly ''.

    If a panel has several budget plans, each of its lines says which one it follows. A setting whose acquisition reads
    the labels of the pool is marked 'oracle'.
    """
    groups: dict[tuple[str, ...], dict[str, Configuration]] = defaultdict(dict)
    for one in configurations:
        key = (panels[one.context], plans[one.context], one.choices["method"], one.choices["acquisition"])
        groups[key][one.setting] = one
    names: dict[str, str] = {}
    for (_, plan, *_), members in groups.items():
        labels = difference_labels([member.leaves for member in members.values()])
        for (setting, member), label in zip(members.items(), labels, strict=True):
            parts = [plan, label, "oracle" if "acquisition" in member.cheats else ""]
            names[setting] = ", ".join(part for part in parts if part)
    return names


def joined(name: str, label: str) -> str:
    return f"{name} ({label})" if label else name


def differing_keys(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the keys whose value is not the same in all `members`, sorted; a key that one lacks differs."""
    keys = sorted({key for member in members for key in member})
    return [key for key in keys if len({repr(member.get(key)) for member in members}) > 1]


def changes(members: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Returns the keys in which `members` differ, each with the keys that have its values in all of them.

    Such copies come from interpolations, such as that of trainer.max_epochs in a stopping rule: they are one change,
    named by the key that a user would type.
    """
    copies: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for key in differing_keys(members):
        copies[tuple(repr(member.get(key)) for member in members)].append(key)
    ordered = [sorted(keys, key=source_first) for keys in copies.values()]
    return {first: others for first, *others in sorted(ordered)}


def source_first(key: str) -> tuple[int, bool, str]:
    """Returns a sort key that puts first what others copy: keys with few parts, and then those of no method or rule."""
    return (key.count("."), key.startswith(COPYING), key)


def difference_labels(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns, for each member, the leaves in which they differ, such as 'alpha=0.1, lr=0.01'; '' for a lone one."""
    keys = telling(list(changes(members)), members)
    shown = keys[:MOST_DIFFERENCES]
    labels = [
        ", ".join(f"{name}={short_value(member.get(key, USUAL.get(key, 'none')))}" for key, name in named(shown))
        for member in members
    ]
    if len(keys) == len(shown):
        return labels
    rest = [{key: member.get(key) for key in keys[MOST_DIFFERENCES:]} for member in members]
    return [
        f"{label}, {len(keys) - len(shown)} more: {digest(own)[:6]}" for label, own in zip(labels, rest, strict=True)
    ]


def telling(keys: Sequence[str], members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the keys without the checksums of the data, which nobody types, if the others tell all members apart."""

    def count(among: Sequence[str]) -> int:
        return len({tuple(repr(member.get(key)) for key in among) for member in members})

    kept = list(keys)
    for name in DATA:
        others = [key for key in kept if key != name]
        kept = others if count(others) == count(kept) else kept
    return kept


def named(keys: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(keys, short_names(keys), strict=True)


def short_names(keys: Sequence[str]) -> list[str]:
    """Returns the last part of each dotted key, or the whole key if two have the same last part."""
    short = [printable(key.rsplit(".", 1)[-1]) for key in keys]
    return [last if short.count(last) == 1 else printable(key) for key, last in zip(keys, short, strict=True)]


def short_value(value: Any) -> str:
    """Returns a value as text; a long one is shortened, with a hash that tells it from others."""
    text = printable(str(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:12]}…{digest({'': value})[:6]}"
