"""A finished run's configuration as options and values again, so that Hydra can compose it with others changed.

A run records what it resolved, not what was typed. The options that it names are composed anew, and the values in which
its record differs from them are set; a value that others copy is set where it is copied from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from calrun.folder.identity import HEADER
from calrun.report.table.plain import printable
from calrun.transfer.sources import Source, trainer_leaves

GROUPS = ("dataset", "model", "method", "budget", "trainer", "optimizer", "stop")  # those that a run notes
REPLAYED = ("acquisition", "initial")  # groups whose place the picks take
OF_THE_PICKS = "budget"  # the group that comes from the run whose picks they are
LEFT_OUT = (
    *HEADER, *REPLAYED, "seed", "seed_set_seed", "data_fingerprint",
    "logger", "record", "experiment_name", "hydra",
)  # fmt: skip
SHOWN = 3


@dataclass(frozen=True)
class Recipe:
    """What makes a run's configuration.

    Args:
        choices: an option for each group.
        values: what differs from these options, as nested keys.
    """

    choices: dict[str, str]
    values: dict[str, Any]

    def without(self, groups: Iterable[str]) -> "Recipe":
        """Returns the recipe without the options and values of some groups."""
        left = {*groups}
        return Recipe(
            {group: option for group, option in self.choices.items() if group not in left},
            {key: value for key, value in self.values.items() if key not in left},
        )

    def only(self, group: str) -> "Recipe":
        """Returns the option and the values of one group."""
        return self.without({*self.choices, *self.values} - {group})


def recipe_of(source: Source, hydra_words: Iterable[str]) -> Recipe:
    """Returns the recipe of a run; Hydra must have been initialized.

    Raises:
        ValueError: if the options here do not make its configuration again.
    """
    named = source.tree["choices"]
    choices = {group: str(named[group]) for group in GROUPS if named.get(group) is not None}
    composed = compose("config", [*(f"{group}={option}" for group, option in choices.items()), *hydra_words])
    OmegaConf.set_struct(composed, False)
    wanted = {key: value for key, value in source.tree.items() if key not in LEFT_OUT}
    wanted["paths"] = {key: value for key, value in (wanted.get("paths") or {}).items() if key != "outputs"}
    values = difference(wanted, OmegaConf.to_container(composed, resolve=False))
    values = merged(values, difference(wanted, resolved(composed, values)))
    again = trainer_leaves(resolved(composed, values))
    known = trainer_leaves(source.tree)
    if lost := sorted(key for key in {*again, *known} if again.get(key) != known.get(key)):
        raise ValueError(
            f"{printable(source.folder.name)} cannot be composed again from the options here: they differ in "
            f"{', '.join(lost[:SHOWN])}; name the folder of its options by --config-dir, or play it anew"
        )
    return Recipe(choices, values)


def resolved(composed: DictConfig, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a composed configuration with these values as plain containers."""
    whole = OmegaConf.merge(composed, OmegaConf.create(dict(values)))
    assert isinstance(whole, DictConfig)
    for group in REPLAYED:
        whole.pop(group, None)  # may interpolate what is not there
    found: dict[str, Any] = OmegaConf.to_container(whole, resolve=True)  # type: ignore[assignment]
    return found


def difference(wanted: Mapping[str, Any], now: Any) -> dict[str, Any]:
    """Returns what has to be set for `now` to hold all that is wanted; an interpolation is left as it is."""
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        there = now.get(key) if isinstance(now, Mapping) else None
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            if below := difference(value, there):
                found[key] = below
        elif not (isinstance(now, Mapping) and key in now and there == value) and "${" not in repr(there):
            found[key] = value
    return found


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested keys with those of the other over them."""
    whole = dict(one)
    for key, value in other.items():
        below = whole.get(key)
        whole[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return whole


def option_text(recipe: Recipe, source: Source, whose: str, experiment: str) -> str:
    """Returns an experiment's YAML: what trains, on whose picks.

    Args:
        recipe: of what trains.
        source: whose picks they are.
        whose: what reports call them.
        experiment: where the run goes.
    """
    chosen = {**recipe.choices, **dict.fromkeys(REPLAYED, "picks_of")}
    picks = {"path": str(source.picks_path.absolute()), "whose": whose}
    body = {
        "defaults": [{f"override /{group}": option} for group, option in chosen.items()],
        "experiment_name": experiment,
        "seed": source.seed,
        **{group: dict(picks) for group in REPLAYED},
        **recipe.values,
    }
    said = f"# The picks of {printable(source.folder.name)}, for another to train on; made by calrun transfer.\n"
    return "# @package _global_\n" + said + yaml.safe_dump(body, sort_keys=False, default_flow_style=None)
